// Wavefront OBJ files. Enters: bytes. Leaves: the v lines as points, exactly as they stand (not
// the corners of triangles), colours and normals where each point has one, faces as triangles.

import { badFile, type Column, makeCloud, NumberList, type PointCloud } from "./cloud.ts";
import { addPolygon } from "./faces.ts";
import { coordinateAt, type Line, linesOf, numberAt, quote } from "./text.ts";

/** Statements of the format that say nothing about points and triangles. */
const otherStatements = new Set(
  ("vt vp cstype deg bmat step p l curv curv2 surf parm trim hole scrv sp end con g s mg o bevel " +
    "c_interp d_interp lod usemtl mtllib shadow_obj trace_obj ctech stech call csh usemap maplib " +
    "bzp bsp cdp cdc res").split(" "),
);

/** Numbers of a v line after x y z, by how many there are. */
const extraNames: readonly (readonly string[] | undefined)[] = [
  [],
  ["weight"],
  undefined,
  ["red", "green", "blue"],
  ["red", "green", "blue", "alpha"],
];

interface Corner {
  /** Index from 0. */
  readonly point: number;
  readonly normal: number | undefined;
}

/** Reads an OBJ file's bytes. */
export function readObj(bytes: Uint8Array, name: string): PointCloud {
  const reader = new ObjReader(name);
  for (const line of statements(bytes, name)) reader.read(line);
  return reader.finish();
}

/** Lines without comments, those that end in a backslash joined with the next. */
function* statements(bytes: Uint8Array, name: string): Generator<Line, void, undefined> {
  let joined = "";
  let number = 0;
  for (const line of linesOf(bytes, name)) {
    if (joined === "") number = line.number;
    if (line.text.endsWith("\\")) {
      joined += line.text.slice(0, -1) + " ";
    } else {
      yield { text: joined + line.text, number };
      joined = "";
    }
  }
  if (joined !== "") yield { text: joined, number };
}

class ObjReader {
  readonly #name: string;
  readonly #positions = new NumberList();
  readonly #normals = new NumberList();
  readonly #extras = new NumberList();
  readonly #triangles = new NumberList();
  #extraCount: number | undefined;
  #faceCount = 0;
  #normalPerPoint = true;
  #greatest = { point: -1, line: 0 };
  /** What the header comments of MeshLab say: `# Vertices: 35947`, `# Faces: 69451`. */
  readonly #stated = new Map<string, number>();

  constructor(name: string) {
    this.#name = name;
  }

  read(line: Line): void {
    const hash = line.text.indexOf("#");
    if (hash === 0) this.#readComment(line);
    const text = hash < 0 ? line.text : line.text.slice(0, hash).trim();
    if (text === "") return;
    const [keyword, ...tokens] = text.split(/\s+/);
    if (keyword === "v") this.#readPoint(tokens, line.number);
    else if (keyword === "vn") this.#readNormal(tokens, line.number);
    else if (keyword === "f" || keyword === "fo") this.#readFace(tokens, line.number);
    else if (!otherStatements.has(keyword)) {
      throw badFile(this.#where(line.number), `got ${quote(text)}; expected an OBJ statement`);
    }
  }

  #where(line: number): string {
    return `${this.#name}: line ${line}`;
  }

  #readComment(line: Line): void {
    const [, what, count] = /^#\s*(Vertices|Faces):\s*(\d+)$/.exec(line.text) ?? [];
    if (what === undefined) return;
    // Files joined from several have several such comments; then they say nothing of the whole.
    this.#stated.set(what, this.#stated.has(what) ? NaN : Number(count));
  }

  #readPoint(tokens: readonly string[], line: number): void {
    const extra = tokens.length - 3;
    if (extra < 0 || extraNames[extra] === undefined) {
      throw badFile(this.#where(line), `v: got ${tokens.length} numbers; expected 3, 4, 6 or 7`);
    }
    this.#extraCount ??= extra;
    if (extra !== this.#extraCount) {
      const expected = this.#extraCount + 3;
      throw badFile(
        this.#where(line),
        `v: got ${tokens.length} numbers; expected ${expected} as on the v lines before`,
      );
    }
    tokens.forEach((token, k) => {
      if (k < 3) this.#positions.push(coordinateAt(token, `v ${"xyz"[k]}`, this.#name, line));
      else this.#extras.push(numberAt(token, "v", this.#name, line));
    });
  }

  #readNormal(tokens: readonly string[], line: number): void {
    if (tokens.length !== 3) {
      throw badFile(this.#where(line), `vn: got ${tokens.length} numbers; expected 3`);
    }
    for (const token of tokens) this.#normals.push(numberAt(token, "vn", this.#name, line));
  }

  #readFace(tokens: readonly string[], line: number): void {
    if (tokens.length < 3) {
      throw badFile(this.#where(line), `f: got ${tokens.length} corners; expected at least 3`);
    }
    const corners = tokens.map((token) => this.#corner(token, line));
    this.#faceCount++;
    for (const { point, normal } of corners) {
      if (point > this.#greatest.point) this.#greatest = { point, line };
      if (normal !== undefined && normal !== point) this.#normalPerPoint = false;
    }
    // Points may follow the faces that use them; finish() looks at the greatest index.
    const points = corners.map((corner) => corner.point);
    addPolygon(this.#triangles, points, Number.MAX_SAFE_INTEGER, this.#where(line));
  }

  /** `7`, `7/1`, `7//3`, `7/1/3`: indices from 1, or backwards from the last as −1. */
  #corner(token: string, line: number): Corner {
    const match = /^(-?\d+)(?:\/(-?\d*))?(?:\/(-?\d*))?$/.exec(token);
    if (match === null) {
      throw badFile(this.#where(line), `f: got ${quote(token)}; expected point/texture/normal`);
    }
    const points = this.#positions.length / 3;
    const normals = this.#normals.length / 3;
    const point = Number(match[1]) < 0 ? points + Number(match[1]) : Number(match[1]) - 1;
    if (point < 0) {
      throw badFile(
        this.#where(line),
        `f: got point ${match[1]} where ${points} points stand before it; ` +
          "expected 1 and more, or −1 and less back to the first",
      );
    }
    if (!match[3]) return { point, normal: undefined };
    const normal = Number(match[3]) < 0 ? normals + Number(match[3]) : Number(match[3]) - 1;
    return { point, normal };
  }

  finish(): PointCloud {
    const positions = this.#positions.toArray();
    const count = positions.length / 3;
    if (count > 0 && this.#greatest.point >= count) {
      throw badFile(
        this.#where(this.#greatest.line),
        `f: got point ${this.#greatest.point + 1}; the file has ${count} points`,
      );
    }
    this.#checkStated("Vertices", count);
    this.#checkStated("Faces", this.#faceCount);
    const faces = this.#faceCount > 0 ? new Uint32Array(this.#triangles.toArray()) : undefined;
    return makeCloud(this.#name, "obj", positions, this.#columns(count), faces);
  }

  #checkStated(what: "Vertices" | "Faces", got: number): void {
    const stated = this.#stated.get(what) ?? NaN;
    if (!Number.isNaN(stated) && stated !== got) {
      throw badFile(
        this.#name,
        `got ${got} ${what.toLowerCase()}; the file's comment says ${stated} (is it cut short?)`,
      );
    }
  }

  #columns(count: number): Column[] {
    const columns: Column[] = [];
    if (count > 0 && this.#normals.length === 3 * count && this.#normalPerPoint) {
      columns.push({ name: "normal", values: this.#normals.toArray(), components: 3 });
    }
    const names = extraNames[this.#extraCount ?? 0] ?? [];
    names.forEach((name, k) => {
      const values = new Float64Array(count);
      for (let i = 0; i < count; i++) values[i] = this.#extras.at(i * names.length + k);
      columns.push({ name, values });
    });
    return columns;
  }
}
