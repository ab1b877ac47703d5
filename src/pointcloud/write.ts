// Clouds to files. Enters: coordinates, attributes and faces. Leaves: PLY (binary little endian or
// ascii) or a text table, which readPointCloud reads back to the same numbers.

import { PairfoldError } from "../error.ts";
import { allocate, type Attribute, type AttributeArray } from "./cloud.ts";
import { type PlyType, plyTypeTable } from "./ply_header.ts";

/** What can be written: a {@linkcode PointCloud}, or coordinates with results of one's own. */
export interface WritableCloud {
  /** N × 3 coordinates, row by row; written in their own precision. */
  readonly positions: Float64Array | Float32Array;
  /** By name: N numbers, or N × components. */
  readonly attributes?: ReadonlyMap<string, Attribute | AttributeArray>;
  /** Triangles × 3 point indices; PLY only. */
  readonly faces?: Uint32Array;
}

/** How {@linkcode writePly} writes. */
export interface PlyOptions {
  /** `"binary"` (default) is little endian; `"ascii"` has as many digits as the numbers need. */
  readonly encoding?: "binary" | "ascii";
  /** Lines for the header. */
  readonly comments?: readonly string[];
}

/** How {@linkcode writeXyz} writes. */
export interface XyzOptions {
  /** Between numbers; a blank by default. */
  readonly separator?: " " | "," | ";" | "\t";
  /** Names the columns on the first line, behind a `#` where blanks separate; default true. */
  readonly header?: boolean;
}

/** One number per point, as it stands in a file: element k of row i is values[i × stride + k]. */
interface FileColumn {
  readonly name: string;
  readonly values: AttributeArray;
  readonly stride: number;
  readonly component: number;
}

const componentNames: Readonly<Record<string, readonly string[]>> = {
  normal: ["nx", "ny", "nz"],
  color: ["red", "green", "blue", "alpha"],
};

function columnsOf(
  operation: string,
  cloud: WritableCloud,
): { count: number; columns: FileColumn[] } {
  const { positions, attributes, faces } = cloud;
  const count = positions.length / 3;
  if (!Number.isInteger(count) || count === 0) {
    throw new PairfoldError(
      "shape",
      `${operation}: got ${positions.length} coordinates; expected N × 3, N at least 1`,
    );
  }
  const broken = positions.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) {
    throw new PairfoldError(
      "io",
      `${operation}: point ${Math.floor(broken / 3)}: got ${"xyz"[broken % 3]} = ` +
        `${positions[broken]}; expected a finite number`,
    );
  }
  const columns = ["x", "y", "z"].map((name, component): FileColumn => ({
    name,
    values: positions,
    stride: 3,
    component,
  }));
  for (const [name, attribute] of attributes ?? []) {
    columns.push(...attributeColumns(operation, name, attribute, count));
  }
  const names = columns.map((column) => column.name);
  const twice = names.find((name, k) => names.indexOf(name) !== k);
  if (twice !== undefined) {
    throw new PairfoldError("io", `${operation}: got two columns ${JSON.stringify(twice)}`);
  }
  const outside = faces?.find((index) => index >= count);
  if (outside !== undefined || (faces?.length ?? 0) % 3 !== 0) {
    throw new PairfoldError(
      "shape",
      `${operation}: got ${faces?.length} face indices, one of them ${outside}; ` +
        `expected triangles × 3, each below ${count}`,
    );
  }
  return { count, columns };
}

function attributeColumns(
  operation: string,
  name: string,
  attribute: Attribute | AttributeArray,
  count: number,
): FileColumn[] {
  const { components, values } = "components" in attribute
    ? attribute
    : { components: 1, values: attribute };
  if (values.length !== count * components) {
    throw new PairfoldError(
      "shape",
      `${operation}: attribute ${name}: got ${values.length} numbers; ` +
        `expected ${count} × ${components}`,
    );
  }
  // A name is one word in a file.
  const word = name.trim().replace(/[\s,;"#]+/g, "_");
  return Array.from({ length: components }, (_, component) => ({
    name: components === 1 ? word : componentNames[name]?.[component] ?? `${word}_${component}`,
    values,
    stride: components,
    component,
  }));
}

function plyTypeOf(values: AttributeArray): PlyType {
  if (values instanceof Int8Array) return "char";
  if (values instanceof Uint8Array) return "uchar";
  if (values instanceof Int16Array) return "short";
  if (values instanceof Uint16Array) return "ushort";
  if (values instanceof Int32Array) return "int";
  if (values instanceof Uint32Array) return "uint";
  if (values instanceof Float32Array) return "float";
  values satisfies Float64Array;
  return "double";
}

/** The digits that read back as the same number. */
const digits = (value: number): string => Object.is(value, -0) ? "-0" : String(value);

/** Rows of text, encoded piece by piece so that no string holds the whole file. */
function textRows(count: number, row: (index: number) => string): Uint8Array[] {
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  const rowsPerPiece = 8192;
  for (let begin = 0; begin < count; begin += rowsPerPiece) {
    const rows = Math.min(rowsPerPiece, count - begin);
    const lines = Array.from({ length: rows }, (_, k) => row(begin + k) + "\n");
    pieces.push(encoder.encode(lines.join("")));
  }
  return pieces;
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const whole = allocate("file", () => new Uint8Array(length));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * A cloud as the bytes of a PLY file. Every attribute keeps its number type. A `normal` becomes nx,
 * ny, nz and a `color` red, green, blue (and alpha); other attributes with several components
 * become `name_0`, `name_1`, …; blanks in names become `_`. Throws `"shape"` for arrays that do not
 * fit together and `"io"` for coordinates that are not finite or names that come twice.
 *
 * ```ts
 * import { encodePly, readPointCloud } from "pairfold/pointcloud";
 * const bytes = encodePly({
 *   positions: Float64Array.of(0, 0, 0, 1, 2, 3),
 *   attributes: new Map([["density", Float32Array.of(0.5, 0.25)]]),
 * });
 * const cloud = await readPointCloud(bytes);
 * console.log(cloud.attributes.get("density")?.values); // Float32Array(2) [0.5, 0.25]
 * ```
 */
export function encodePly(cloud: WritableCloud, options: PlyOptions = {}): Uint8Array {
  const { count, columns } = columnsOf("encodePly", cloud);
  const { encoding = "binary", comments = [] } = options;
  const triangles = (cloud.faces?.length ?? 0) / 3;
  const header = [
    "ply",
    `format ${encoding === "ascii" ? "ascii" : "binary_little_endian"} 1.0`,
    ...comments.flatMap((comment) => comment.split(/[\r\n]+/)).map((line) => `comment ${line}`),
    `element vertex ${count}`,
    ...columns.map(({ name, values }) => `property ${plyTypeOf(values)} ${name}`),
    ...(triangles > 0
      ? [`element face ${triangles}`, "property list uchar int vertex_indices"]
      : []),
    "end_header",
    "",
  ];
  const headerBytes = new TextEncoder().encode(header.join("\n"));
  const faces = cloud.faces ?? new Uint32Array();
  switch (encoding) {
    case "binary":
      return concatenate([headerBytes, binaryRows(count, columns), binaryFaces(faces)]);
    case "ascii":
      return concatenate([
        headerBytes,
        ...textRows(count, (i) => textRow(columns, i, " ")),
        ...textRows(triangles, (i) => `3 ${faces.subarray(3 * i, 3 * i + 3).join(" ")}`),
      ]);
    default:
      return encoding satisfies never;
  }
}

function textRow(columns: readonly FileColumn[], row: number, separator: string): string {
  const cells = columns.map((column) =>
    digits(column.values[row * column.stride + column.component])
  );
  return cells.join(separator);
}

function binaryRows(count: number, columns: readonly FileColumn[]): Uint8Array {
  const types = columns.map((column) => plyTypeTable[plyTypeOf(column.values)]);
  const rowBytes = types.reduce((sum, type) => sum + type.size, 0);
  const bytes = allocate("encodePly", () => new Uint8Array(count * rowBytes));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  columns.forEach(({ values, stride, component }, k) => {
    const { size, set } = types[k];
    for (let i = 0; i < count; i++) {
      set(view, i * rowBytes + offset, values[i * stride + component]);
    }
    offset += size;
  });
  return bytes;
}

function binaryFaces(faces: Uint32Array): Uint8Array {
  const triangles = faces.length / 3;
  const bytes = allocate("encodePly", () => new Uint8Array(triangles * 13));
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < triangles; i++) {
    bytes[13 * i] = 3;
    for (let c = 0; c < 3; c++) view.setInt32(13 * i + 1 + 4 * c, faces[3 * i + c], true);
  }
  return bytes;
}

/**
 * A cloud as the bytes of a text table, one point per line, with as many digits as the numbers need
 * to read back the same. Columns are named as {@linkcode encodePly} names them. Faces are left out.
 */
export function encodeXyz(cloud: WritableCloud, options: XyzOptions = {}): Uint8Array {
  const { count, columns } = columnsOf("encodeXyz", cloud);
  const { separator = " ", header = true } = options;
  const names = columns.map((column) => column.name).join(separator);
  const first = header ? `${separator === " " ? "# " : ""}${names}\n` : "";
  const rows = textRows(count, (i) => textRow(columns, i, separator));
  return concatenate([new TextEncoder().encode(first), ...rows]);
}

async function writeFile(operation: string, path: string | URL, bytes: Uint8Array): Promise<void> {
  try {
    await Deno.writeFile(path, bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PairfoldError("io", `${operation}: ${path}: could not be written: ${reason}`, {
      cause: error,
    });
  }
}

/** Writes a cloud as a PLY file; see {@linkcode encodePly}. Throws `"io"` if it cannot. */
export async function writePly(
  path: string | URL,
  cloud: WritableCloud,
  options: PlyOptions = {},
): Promise<void> {
  await writeFile("writePly", path, encodePly(cloud, options));
}

/** Writes a cloud as a text table; see {@linkcode encodeXyz}. Throws `"io"` if it cannot. */
export async function writeXyz(
  path: string | URL,
  cloud: WritableCloud,
  options: XyzOptions = {},
): Promise<void> {
  await writeFile("writeXyz", path, encodeXyz(cloud, options));
}
