// What a warp does with a chunk of 32 rows and 64 columns that waits in shared memory: it adds the
// components to the sums of 8 × 8 pairs per thread, one after another or by tensor cores, and hands
// the sums over to the threads that walk the columns of their rows.
//
// Columns stand in slots, in an order by which the sums of a thread belong to columns side by side.

import {
  type Cell,
  type Contraction,
  type LocalArray,
  type Memory,
  type Place,
  type Region,
  replicate,
  RowCopies,
  type Type,
} from "../../loop/mod.ts";
import { chunkStride, PATCH, PATCHES, type PatchShape } from "../../tiling/mod.ts";
import { CodeWriter } from "./code.ts";
import { IF_TENSOR } from "./prelude.ts";
import { type Numbers, numbersOf } from "./surroundings.ts";
import type { SourceWriter } from "./writer.ts";

/** Threads of a warp beside one another along its rows and columns. */
const ALONG_ROWS = 4;
const ALONG_COLUMNS = 8;
/**
 * Pieces side by side: more of them take longer to compile than they save; beside panels, two take
 * a seventh of the compiler's time and save 6 in a thousand.
 */
const PIECES_SIDE_BY_SIDE = 2;
const PIECES_BESIDE_PANELS = 1;

/** The column of a tile whose vector stands in a slot. */
export function columnOfSlot(slot: string, isTensor: boolean, width: number): string {
  const half = ALONG_COLUMNS * width;
  return isTensor
    ? `${slot} / 32 * 32 + ${slot} / 2 % 4 * 8 + ${slot} % 32 / 8 * 2 + ${slot} % 2`
    : `${slot} / ${half} * ${half} + ${slot} % 8 * ${width} + ${slot} % ${half} / 8`;
}

/** Writes what one component adds to the sums of a patch. */
class ComponentWriter extends CodeWriter {
  readonly #sums = new Map<Cell | LocalArray, string>();
  readonly #columnSlots: number;

  constructor(source: SourceWriter, { sum }: Contraction, copies: RowCopies) {
    super(source.lines, source.kernel, source.rowSurroundings("0"));
    this.#columnSlots = source.kernel.records.column.length;
    for (let column = 0; column < PATCHES[source.kernel.float].columns; column++) {
      for (let row = 0; row < PATCH; row++) {
        this.#sums.set(copies.of(sum, row, column), `patch[${row + column * PATCH}]`);
      }
    }
  }

  override place(original: Cell | LocalArray): string {
    return this.#sums.get(original) ?? super.place(original);
  }

  protected override load(memory: Memory, place: Place, type: Type, row: number): string {
    if (memory.kind !== "record" || memory.section === "uniform") {
      return super.load(memory, place, type, row);
    }
    if (memory.section === "row") return `a[${row}][e]`;
    return `b[${Math.floor(place.offset / this.#columnSlots)}][e]`;
  }
}

/** Writes the arithmetic of patches. */
export class PatchSums {
  readonly #source: SourceWriter;
  readonly #contraction: Contraction;
  readonly #numbers: Numbers;
  readonly #shape: PatchShape;
  /** Pieces of a chunk, and from one row or column to the next. */
  readonly #pieces: number;
  readonly #stride: number;

  constructor(source: SourceWriter, contraction: Contraction) {
    this.#source = source;
    this.#contraction = contraction;
    const { float } = source.kernel;
    this.#numbers = numbersOf(float);
    this.#shape = PATCHES[float];
    this.#pieces = source.schedule.chunk / this.#shape.width;
    this.#stride = chunkStride(source.schedule.chunk, float);
  }

  /** Code for tensor cores where the kernel wants them, with what stands in for them elsewhere. */
  either(write: (isTensor: boolean) => void): void {
    const { lines } = this.#source;
    if (this.#contraction.products === null) return write(false);
    lines.add(IF_TENSOR);
    write(true);
    lines.add("#else");
    write(false);
    lines.add("#endif");
  }

  /** Adds the components of chunk n of so many. */
  add(chunks: number): void {
    this.either((isTensor) => isTensor ? this.#multiply() : this.#meet(chunks));
  }

  /** Hands over the sums of one half of the columns. */
  hand(half: number): void {
    this.either((isTensor) => isTensor ? this.#handProducts(half) : this.#handSums(half));
  }

  /** What a thread knows of its first row and first column in every chunk. */
  begin(): void {
    const { lines } = this.#source;
    const stride = this.#stride;
    this.either((isTensor) => {
      const [row, column] = isTensor
        ? [`lane % 16 * ${stride} + lane / 16`, `lane % 8 * ${stride} + lane / 8`]
        : [`lane / ${ALONG_COLUMNS} * ${stride}`, `lane % ${ALONG_COLUMNS} * ${stride}`];
      lines.add(`const int rowPlace = pf_kept(warpRows + ${row});`);
      lines.add(`const int columnPlace = pf_kept(${column});`);
    });
  }

  /** The place of a thread's first row and first column in the chunks that are met. */
  #declarePlaces(): void {
    const stride = this.#stride;
    const { vector } = this.#numbers;
    const { tile } = this.#shape;
    this.#source.lines.add(
      `const ${vector}* rowsAt = rowChunks + rowPlace + buffer * ${32 * stride};`,
      `const ${vector}* columnsAt = columnChunks + columnPlace + buffer * ${tile * stride};`,
    );
  }

  /** Adds the components one after another. */
  #meet(chunks: number): void {
    const { schedule: { chunk, panel }, kernel, lines } = this.#source;
    const copies = new RowCopies(PATCH);
    const body = replicate(this.#contraction.body, copies, {
      columns: this.#shape.columns,
      columnSlots: kernel.records.column.length,
    });
    const { width } = this.#shape;
    lines.block("", () => {
      this.#declarePlaces();
      const piece = (components: number): void => this.#meetPiece(body, copies, components);
      const rest = this.#contraction.counter.count % chunk;
      if (rest === 0) {
        const isBesidePanels = (panel ?? 0) > 0;
        lines.add(`#pragma unroll ${isBesidePanels ? PIECES_BESIDE_PANELS : PIECES_SIDE_BY_SIDE}`);
        lines.block(`for (int q = 0; q < ${this.#pieces}; ++q)`, () => piece(width));
        return;
      }
      // one loop for all chunks, whatever they have: a copy for the last one takes long to compile
      const full = Math.floor(rest / width);
      lines.add(`const int whole = n + 1 < ${chunks} ? ${this.#pieces} : ${full};`);
      lines.add("#pragma unroll 1");
      lines.block("for (int q = 0; q < whole; ++q)", () => piece(width));
      if (rest % width === 0) return;
      lines.block(
        `if (n + 1 == ${chunks})`,
        () => this.#meetRest(body, copies, full, rest % width),
      );
    });
  }

  /** Adds some components of piece q. */
  #meetPiece(body: Region, copies: RowCopies, components: number): void {
    const { lines } = this.#source;
    const stride = this.#stride;
    const { one, vector, width } = this.#numbers;
    const { columns } = this.#shape;
    const fill = (name: string, k: number, at: string): void => {
      const parts = ["x", "y", "z", "w"].slice(0, width)
        .map((part, e) => `${name}[${k}][${e}] = v.${part};`).join(" ");
      lines.add(`{ const ${vector} v = ${at}; ${parts} }`);
    };
    lines.add(`${one} a[${PATCH}][${width}], b[${columns}][${width}];`);
    for (let row = 0; row < PATCH; row++) {
      fill("a", row, `rowsAt[q + ${row * ALONG_ROWS * stride}]`);
    }
    for (let column = 0; column < columns; column++) {
      fill("b", column, `columnsAt[q + ${column * ALONG_COLUMNS * stride}]`);
    }
    lines.add("#pragma unroll");
    lines.block(`for (int e = 0; e < ${components}; ++e)`, () => {
      new ComponentWriter(this.#source, this.#contraction, copies).region(body);
    });
  }

  /** Adds some components of piece q, one after another: their code stands once. */
  #meetRest(body: Region, copies: RowCopies, q: number, components: number): void {
    const { lines } = this.#source;
    const stride = this.#stride;
    const { one } = this.#numbers;
    const { columns } = this.#shape;
    const fill = (name: string, k: number, at: string): void =>
      lines.add(`${name}[${k}][0] = ((const ${one}*)&${at})[u];`);
    lines.add("#pragma unroll 1");
    lines.block(`for (int u = 0; u < ${components}; ++u)`, () => {
      lines.add(`${one} a[${PATCH}][1], b[${columns}][1];`);
      for (let row = 0; row < PATCH; row++) {
        fill("a", row, `rowsAt[${q + row * ALONG_ROWS * stride}]`);
      }
      for (let column = 0; column < columns; column++) {
        fill("b", column, `columnsAt[${q + column * ALONG_COLUMNS * stride}]`);
      }
      lines.add("const int e = 0;");
      new ComponentWriter(this.#source, this.#contraction, copies).region(body);
    });
  }

  /** Adds products by tensor cores: 16 × 8 sums of a warp at a time, 8 components each. */
  #multiply(): void {
    const { lines } = this.#source;
    const stride = this.#stride;
    const isSplit = this.#contraction.products === "tf32x3";
    const halves = this.#pieces / 2;
    const split = (name: string): void => {
      if (!isSplit) return;
      lines.add("#pragma unroll");
      lines.block(`for (int e = 0; e < 4; ++e)`, () => {
        lines.add(`pf_tf32_split(${name}[e], ${name}Rest[e]);`);
      });
    };
    const product = (m: number, s: number, a: string, b: string): void =>
      lines.add(`pf_mma_tf32(patch + (${m * PATCH} + t) * 4, ${a}${m}${s}, ${b} + ${2 * s});`);
    lines.block("", () => {
      this.#declarePlaces();
      for (let m = 0; m < 2; m++) {
        for (let s = 0; s < halves; s++) {
          const name = `a${m}${s}`;
          lines.add(`float ${name}[4]${isSplit ? `, ${name}Rest[4]` : ""};`);
          lines.add(`pf_ldmatrix4(${name}, rowsAt + ${16 * m * stride + 2 * s});`);
          split(name);
        }
      }
      lines.add("#pragma unroll");
      lines.block(`for (int t = 0; t < ${PATCH}; ++t)`, () => {
        lines.add(`float b[4]${isSplit ? ", bRest[4]" : ""};`);
        lines.add(`pf_ldmatrix4(b, columnsAt + t * ${8 * stride});`);
        split("b");
        for (let s = 0; s < halves; s++) {
          // the small ones first
          if (isSplit) {
            for (const m of [0, 1]) {
              lines.add(
                `pf_mma_tf32(patch + (${m * PATCH} + t) * 4, a${m}${s}Rest, b + ${2 * s});`,
              );
            }
            for (const m of [0, 1]) product(m, s, "a", "bRest");
          }
          for (const m of [0, 1]) product(m, s, "a", "b");
        }
      });
    });
  }

  #give(row: string, place: string, sums: readonly number[]): void {
    this.#source.lines.add(
      `rowChunks[warpRows + (${row}) * ${this.#shape.handedStride} + ${place}] = ` +
        `make_${this.#numbers.vector}(${sums.map((k) => `patch[${k}]`).join(", ")});`,
    );
  }

  #handSums(half: number): void {
    const { width } = this.#shape;
    for (let row = 0; row < PATCH; row++) {
      this.#give(
        `${row * ALONG_ROWS} + lane / ${ALONG_COLUMNS}`,
        `lane % ${ALONG_COLUMNS}`,
        [0, 1, 2, 3].slice(0, width).map((c) => row + PATCH * (width * half + c)),
      );
    }
  }

  #handProducts(half: number): void {
    for (let u = 0; u < 4; u++) {
      const [m, upper] = [u >> 1, u & 1];
      const of = (q: number, e: number): number => (m * PATCH + 4 * half + q) * 4 + 2 * upper + e;
      for (const part of [0, 1]) {
        const sums = [0, 1].flatMap((q) => [of(2 * part + q, 0), of(2 * part + q, 1)]);
        this.#give(`${8 * u} + lane / 4`, `lane % 4 * 2 + ${part}`, sums);
      }
    }
  }
}
