// What the kernels of one source have in common: head, parameters, pointers, rows of a thread and
// the state that they keep.

import {
  type Cell,
  type Kernel,
  type KernelInput,
  lengthOf,
  type LocalArray,
  type RowCopies,
  type StateItem,
  typeOf,
} from "../../loop/mod.ts";
import {
  type ColumnRecord,
  columnRecord,
  type CudaSchedule,
  describeCudaSchedule,
  PARTLY_UNROLLED,
} from "../../tiling/mod.ts";
import { commentOf, Lines } from "../c/lines.ts";
import type { CodeWriter } from "./code.ts";
import { type Surroundings, vectorOf } from "./surroundings.ts";
import { SEGMENT, segmentWords, type StatePlace, statePlaces } from "./layout.ts";
import { IF_TENSOR, PATCH_PRELUDE, PRELUDE } from "./prelude.ts";
import { TYPES } from "./spelling.ts";

/** Names of the kernels in their sources. */
export const ENTRIES = {
  pack: "pack",
  fold: "fold",
  combine: "combine",
  mirror: "mirror",
} as const;

/** Threads of a block that packs columns or combines states: one column or row each. */
export const LINE_THREADS = 128;

/** The entry that a block of threads works for; a launch may begin at any unit of a table. */
export const FIND_SEGMENT = [
  "const unsigned unit = blockIdx.x + base;",
  "const long long* segment = segment_of(segments, length, unit);",
];

const placeOf = (item: StateItem): Cell | LocalArray =>
  item.kind === "cell" ? item.cell : item.array;

/** Writes the kernels of one source. */
export class SourceWriter {
  readonly kernel: Kernel;
  readonly schedule: CudaSchedule;
  readonly lines = new Lines();
  /** The C++ type of the kernel's floats. */
  readonly float: string;
  /** How columns are packed and staged. */
  readonly record: ColumnRecord;

  constructor(kernel: Kernel, schedule: CudaSchedule) {
    this.kernel = kernel;
    this.schedule = schedule;
    this.float = TYPES[kernel.float];
    this.record = columnRecord(kernel, schedule.slice, schedule.chunk);
  }

  head(): void {
    const words = segmentWords(this.kernel);
    this.lines.add(
      `// ${commentOf(this.kernel.title)}`,
      `// ${describeCudaSchedule(this.schedule)}`,
      ...PRELUDE.split("\n"),
      ...(this.schedule.chunk > 0 || (this.schedule.panel ?? 0) > 0
        ? PATCH_PRELUDE.split("\n")
        : []),
      "",
      "// The last entry of a table that begins at or before a unit of work.",
      "__device__ __forceinline__ const long long* segment_of(",
      "  const long long* segments, int length, unsigned unit) {",
      "  int low = 0;",
      "  while (length > 1) {",
      "    const int half = length / 2;",
      `    if (segments[(low + half) * ${words}] <= unit) low += half;`,
      "    length -= half;",
      "  }",
      `  return segments + low * ${words};`,
      "}",
      "",
    );
  }

  #pointerTo(item: Pick<KernelInput, "number">): string {
    return item.number === "index" ? "int" : this.float;
  }

  /** Parameters for all inputs, so that every kernel of a program takes the same list. */
  inputParameters(axis: "row" | "column"): string[] {
    return this.kernel.inputs.flatMap((input, slot) =>
      input.axis === axis ? [`const ${this.#pointerTo(input)}* __restrict__ in${slot}`] : []
    );
  }

  outputParameters(): string[] {
    return this.kernel.outputs.map((o, slot) => `${this.#pointerTo(o)}* __restrict__ out${slot}`);
  }

  /** Parameters of the kernels that fold. */
  foldParameters(): string[] {
    const { type } = vectorOf(this.kernel, this.record.staged);
    return [
      "const long long* __restrict__ segments",
      "int length",
      "unsigned base",
      `const ${this.float}* __restrict__ parameters`,
      `const ${type}* __restrict__ records`,
      ...this.inputParameters("row"),
      ...this.outputParameters(),
      "char* __restrict__ state",
      "long long stateRows",
    ];
  }

  /** `bounds`: threads of a block, and how many blocks a multiprocessor should have room for. */
  function(
    name: string,
    bounds: number | string,
    parameters: readonly string[],
    body: () => void,
  ): void {
    const lines = this.lines;
    lines.add(`extern "C" __global__ void __launch_bounds__(${bounds})`);
    lines.block(`${name}(${parameters.join(",\n     ")})`, body);
  }

  /** Pointers to row 0 of an axis's inputs and of the outputs, as an entry's offsets place them. */
  pointers(axis: "row" | "column"): void {
    const { inputs, outputs } = this.kernel;
    const lines = this.lines;
    inputs.forEach((input, slot) => {
      if (input.axis !== axis) return;
      const offset = `segment[${SEGMENT.offsets + slot}]`;
      lines.add(
        `const ${this.#pointerTo(input)}* x${slot} = in${slot} + ${offset} * ${input.dim};`,
      );
    });
    if (axis === "column") return;
    outputs.forEach((output, slot) => {
      const first = `segment[${SEGMENT.output}]`;
      lines.add(`${this.#pointerTo(output)}* z${slot} = out${slot} + ${first} * ${output.dim};`);
    });
  }

  /** How sections over rows name things; row r of a thread is `i${r}`, column j is `index`. */
  rowSurroundings(index: string): Surroundings {
    const { inputs, outputs } = this.kernel;
    return {
      index: (axis, row) => axis === "row" ? `i${row}` : index,
      count: "count",
      input: (slot, row) => `(x${slot} + i${row} * ${inputs[slot].dim})`,
      output: (slot, row) => `(z${slot} + i${row} * ${outputs[slot].dim})`,
      column: "column",
      columnPlace: this.record.stagedPlace,
      staged: this.record.staged,
    };
  }

  /** Rounds a vector for tensor cores, which read no more of it. */
  roundVector(vector: string, length: number): void {
    this.lines.add(IF_TENSOR, `#pragma unroll ${PARTLY_UNROLLED}`);
    this.lines.add(`for (int k = 0; k < ${length}; ++k) ${vector}[k] = pf_tf32(${vector}[k]);`);
    this.lines.add("#endif");
  }

  /** Row r of a thread, which may be beyond the last. */
  rowOf(row: number): string {
    return row === 0 ? "first" : `first + ${row * this.schedule.threads}`;
  }

  /** Items of state for each row of a thread. */
  stateOfRows(items: readonly StateItem[], copies: RowCopies, rows: number): StateItem[][] {
    return Array.from(
      { length: rows },
      (_, row) =>
        items.map((item): StateItem =>
          item.kind === "cell"
            ? { kind: "cell", cell: copies.of(item.cell, row) }
            : { kind: "array", array: copies.of(item.array, row) }
        ),
    );
  }

  /** Moves the state of a thread's rows between its variables and device memory. */
  moveState(
    direction: "load" | "save",
    w: CodeWriter,
    rows: readonly (readonly StateItem[])[],
    stateRow: string,
    firstRow: number,
  ): void {
    const lines = this.lines;
    const isLoad = direction === "load";
    // several threads may read a row that the last one repeats, one may write it
    const head = (row: number): string => isLoad ? "" : `if (${this.rowOf(row)} <= last)`;
    const kept = ({ item, before }: StatePlace, row: number, k = ""): string => {
      // masks are kept as integers
      const type = typeOf(item) === "mask" ? "int" : TYPES[typeOf(item)];
      return `((${type}*)(state + ${before}ll * stateRows))[${k}at${row}]`;
    };
    const move = (inTile: string, inMemory: string): void =>
      lines.add(isLoad ? `${inTile} = ${inMemory};` : `${inMemory} = ${inTile};`);
    const places = rows.map((items) => statePlaces(this.kernel, items));
    lines.block("", () => {
      rows.forEach((_, row) =>
        lines.add(`const long long at${row} = ${stateRow} + i${row} - segment[${firstRow}];`)
      );
      places.forEach((items, row) => {
        const cells = items.filter(({ item }) => item.kind === "cell");
        if (cells.length === 0) return;
        lines.block(head(row), () => {
          lines.block(isLoad || !w.isSliced ? "" : "if (slice == 0)", () => {
            for (const place of cells) move(w.place(placeOf(place.item)), kept(place, row));
          });
        });
      });
      // one loop for all arrays of a length, of all rows: there may be many
      const lengths = new Set(
        places.flat().flatMap(({ item }) => item.kind === "array" ? [lengthOf(item)] : []),
      );
      for (const length of lengths) {
        const each = (element: string): void =>
          places.forEach((items, row) => {
            const arrays = items.filter(({ item }) =>
              item.kind === "array" && lengthOf(item) === length
            );
            lines.block(head(row), () => {
              for (const place of arrays) {
                const name = w.place(placeOf(place.item));
                move(`${name}[${element}]`, kept(place, row, "k * stateRows + "));
              }
            });
          });
        const { slice } = this.record;
        if (!w.isSliced) {
          lines.add(w.unrollMove(length));
          lines.block(`for (int k = 0; k < ${length}; ++k)`, () => each("k"));
          continue;
        }
        lines.add("#pragma unroll 1");
        lines.block(`for (int q = 0; q < ${slice}; ++q)`, () => {
          lines.add(`const int k = slice * ${slice} + q;`);
          lines.block(`if (k < ${length})`, () => each("q"));
        });
      }
    });
  }

  toString(): string {
    return `${this.lines}\n`;
  }
}
