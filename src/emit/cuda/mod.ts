// Kernel and schedule to CUDA C++ without headers. Pure.
//
// `pack` writes column records, one thread per column. `fold` gives every thread some rows and walks
// the columns in tiles of shared memory. `combine`, a source of its own because few launches need it,
// joins the states of column splits, one thread per row. Each runs over a table of segments: a block
// of threads looks up which entry it belongs to.

import {
  type Kernel,
  type KernelInput,
  lengthOf,
  type Region,
  replicate,
  RowCopies,
  type StateItem,
} from "../../loop/mod.ts";
import { checkCudaSchedule, type CudaSchedule, REGISTER_ARRAY } from "../../tiling/mod.ts";
import { CodeWriter, Lines, type Surroundings, unrollOf, vectorOf } from "./code.ts";
import {
  type CudaLayout,
  layoutOf,
  SEGMENT,
  SEGMENT_FLAGS,
  segmentWords,
  statePlaces,
} from "./layout.ts";
import { PRELUDE } from "./prelude.ts";
import { TYPES } from "./spelling.ts";

export { type CudaLayout, numberBytes, SEGMENT, SEGMENT_FLAGS, STATE_ROWS } from "./layout.ts";
export { OPTIONS } from "./prelude.ts";

/** Names of the kernels in their sources. */
export const ENTRIES = { pack: "pack", fold: "fold", combine: "combine" } as const;

/** Threads of a block that packs columns or combines states: one column or row each. */
export const LINE_THREADS = 128;

/** An emitted kernel. */
export interface CudaModule {
  /** `pack`, where there are columns to pack, and `fold`. */
  readonly source: string;
  /** The source of `combine`, emitted when first needed. */
  readonly combine: () => string;
  readonly layout: CudaLayout;
  /** Whether there is a `pack`. */
  readonly packs: boolean;
}

/** Statements of an inner loop, all rows together, beyond which the tail has no copy of its own. */
const TAIL_BUDGET = 400;

/** The entry that a block of threads works for; a launch may begin at any unit of a table. */
const FIND_SEGMENT = [
  "const unsigned unit = blockIdx.x + base;",
  "const long long* segment = segment_of(segments, length, unit);",
];

class SourceEmitter {
  readonly #kernel: Kernel;
  readonly #schedule: CudaSchedule;
  readonly #lines = new Lines();
  readonly #float: string;

  constructor(kernel: Kernel, schedule: CudaSchedule) {
    this.#kernel = kernel;
    this.#schedule = schedule;
    this.#float = TYPES[kernel.float];
  }

  #head(): void {
    const { rows, threads, tile, unroll } = this.#schedule;
    // a title may hold anything that people call things
    const title = this.#kernel.title.replace(/[^\x20-\x7e]/g, "?").replace(/\\/g, "/");
    this.#lines.add(
      `// ${title}`,
      `// ${rows} rows per thread, ${threads} threads, ` +
        (tile === 0 ? "columns read where they stand" : `tiles of ${tile} columns`) +
        `, ${unroll} turns side by side`,
      ...PRELUDE.split("\n"),
      "",
      "// The last entry of a table that begins at or before a unit of work.",
      "__device__ __forceinline__ const long long* segment_of(",
      "  const long long* segments, int length, unsigned unit) {",
      "  int low = 0;",
      "  while (length > 1) {",
      "    const int half = length / 2;",
      `    if (segments[(low + half) * ${this.#words}] <= unit) low += half;`,
      "    length -= half;",
      "  }",
      `  return segments + low * ${this.#words};`,
      "}",
      "",
    );
  }

  get #words(): number {
    return segmentWords(this.#kernel);
  }

  #pointerTo(item: Pick<KernelInput, "number">): string {
    return item.number === "index" ? "int" : this.#float;
  }

  /** Parameters for all inputs, so that every kernel of a program takes the same list. */
  #inputParameters(axis: "row" | "column"): string[] {
    return this.#kernel.inputs.flatMap((input, slot) =>
      input.axis === axis ? [`const ${this.#pointerTo(input)}* __restrict__ in${slot}`] : []
    );
  }

  #outputParameters(): string[] {
    return this.#kernel.outputs.map((o, slot) => `${this.#pointerTo(o)}* __restrict__ out${slot}`);
  }

  #function(name: string, threads: number, parameters: readonly string[], body: () => void): void {
    const lines = this.#lines;
    lines.add(`extern "C" __global__ void __launch_bounds__(${threads})`);
    lines.block(`${name}(${parameters.join(",\n     ")})`, body);
  }

  /** Pointers to row 0 of an axis's inputs and of the outputs, as an entry's offsets place them. */
  #pointers(axis: "row" | "column"): void {
    const { inputs, outputs } = this.#kernel;
    const lines = this.#lines;
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
  #rowSurroundings(index: string): Surroundings {
    const { inputs, outputs } = this.#kernel;
    return {
      index: (axis, row) => axis === "row" ? `i${row}` : index,
      count: "count",
      input: (slot, row) => `(x${slot} + i${row} * ${inputs[slot].dim})`,
      output: (slot, row) => `(z${slot} + i${row} * ${outputs[slot].dim})`,
      column: "column",
    };
  }

  #pack(): void {
    const { inputs, records } = this.#kernel;
    const { type, width } = vectorOf(this.#kernel);
    const { recordStride: stride } = layoutOf(this.#kernel, 1);
    const lines = this.#lines;
    const parameters = [
      "const long long* __restrict__ segments",
      "int length",
      "unsigned base",
      `const ${this.#float}* __restrict__ parameters`,
      `${type}* __restrict__ records`,
      ...this.#inputParameters("column"),
    ];
    this.#function(ENTRIES.pack, LINE_THREADS, parameters, () => {
      lines.add(...FIND_SEGMENT);
      const first = `(unit - segment[${SEGMENT.firstUnit}]) * ${LINE_THREADS}`;
      lines.add(`const long long j = segment[${SEGMENT.j0}] + ${first} + threadIdx.x;`);
      lines.add(`if (j >= segment[${SEGMENT.j1}]) return;`);
      lines.add(
        `const ${this.#float}* uniforms = parameters + segment[${SEGMENT.uniforms}];`,
      );
      this.#pointers("column");
      const at = `segment[${SEGMENT.columns}] + (j - segment[${SEGMENT.j0}])`;
      lines.add(`${type}* record = records + (${at}) * ${stride / width};`);
      // short records are put together in registers and written as vectors
      const isShort = stride <= REGISTER_ARRAY;
      lines.add(
        isShort
          ? `${this.#float} column[${stride}];`
          : `${this.#float}* column = (${this.#float}*)record;`,
      );
      const w = new CodeWriter(lines, this.#kernel, {
        index: () => "j",
        count: "0",
        input: (slot) => `(x${slot} + j * ${inputs[slot].dim})`,
        output: () => "",
        column: "column",
      });
      w.declare([this.#kernel.column], 0);
      w.region(this.#kernel.column);
      for (let slot = records.column.length; slot < stride; slot++) {
        lines.add(`column[${slot}] = 0;`);
      }
      if (!isShort) return;
      for (let k = 0; k < stride / width; k++) {
        const parts = Array.from({ length: width }, (_, n) => `column[${width * k + n}]`);
        const whole = width === 1 ? parts[0] : `make_${type}(${parts.join(", ")})`;
        lines.add(`record[${k}] = ${whole};`);
      }
    });
    lines.add("");
  }

  #fold(): void {
    const { rows, threads, tile } = this.#schedule;
    const kernel = this.#kernel;
    const lines = this.#lines;
    const { type, width } = vectorOf(kernel);
    const { recordStride: stride, blockRows } = layoutOf(kernel, rows * threads);
    const copies = new RowCopies(rows, [...kernel.state, ...kernel.incoming]);
    const copy = (region: Region): Region => replicate(region, copies);
    const regions = {
      row: copy(kernel.row),
      init: copy(kernel.init),
      pair: copy(kernel.pair),
      test: kernel.careful === null ? null : copy(kernel.careful.test),
      careful: kernel.careful === null ? null : copy(kernel.careful.pair),
      close: kernel.close === null ? null : copy(kernel.close),
      finish: copy(kernel.finish),
    };
    const all = Object.values(regions).filter((r): r is Region => r !== null);
    const isTiled = tile > 0 && stride > 0;
    const parameters = [
      "const long long* __restrict__ segments",
      "int length",
      "unsigned base",
      `const ${this.#float}* __restrict__ parameters`,
      `const ${type}* __restrict__ records`,
      ...this.#inputParameters("row"),
      ...this.#outputParameters(),
      "char* __restrict__ state",
      "long long stateRows",
    ];
    this.#function(ENTRIES.fold, threads, parameters, () => {
      const w = new CodeWriter(lines, kernel, this.#rowSurroundings("(j + c)"));
      if (isTiled) lines.add(`__shared__ ${type} tile[${tile * (stride / width)}];`);
      lines.add(...FIND_SEGMENT);
      lines.add(`const long long last = segment[${SEGMENT.i1}] - 1;`);
      const rowOfUnit = `(unit - segment[${SEGMENT.firstUnit}]) * ${blockRows}`;
      lines.add(`const long long first = segment[${SEGMENT.i0}] + ${rowOfUnit} + threadIdx.x;`);
      lines.add("// rows beyond the last repeat it; they are not written");
      for (let row = 0; row < rows; row++) {
        lines.add(`const long long i${row} = min(${this.#rowOf(row)}, last);`);
      }
      lines.add(`const long long count = segment[${SEGMENT.count}];`);
      lines.add(
        `const ${this.#float}* uniforms = parameters + segment[${SEGMENT.uniforms}];`,
      );
      this.#pointers("row");
      w.declare(all, rows);
      w.region(regions.row);
      const items = this.#rowsOf(kernel.state, copies, rows);
      lines.block(`if (segment[${SEGMENT.flags}] & ${SEGMENT_FLAGS.resume})`, () => {
        this.#moveState("load", w, items, `segment[${SEGMENT.state}]`, SEGMENT.i0);
      });
      lines.block("else", () => w.region(regions.init));
      let special: string | null = null;
      if (kernel.careful !== null && regions.test !== null) {
        const cell = kernel.careful.special;
        w.region(regions.test);
        const names = Array.from({ length: rows }, (_, row) => w.place(copies.of(cell, row)));
        lines.add(`const bool special = ${names.join(" || ")};`);
        special = "special";
      }
      const pairs = (turns: string, isWhole: boolean): void => {
        const columns = (pair: Region): void => this.#columns(w, pair, turns, isWhole);
        const { careful } = regions;
        if (special === null || careful === null) return columns(regions.pair);
        lines.block(`if (${special})`, () => columns(careful));
        lines.block("else", () => columns(regions.pair));
      };
      const close = (): void => {
        if (regions.close !== null) w.region(regions.close);
      };
      this.#overColumns(isTiled, pairs, close);
      lines.block(`if (segment[${SEGMENT.flags}] & ${SEGMENT_FLAGS.save})`, () => {
        this.#moveState("save", w, items, `segment[${SEGMENT.state}]`, SEGMENT.i0);
        lines.add("return;");
      });
      // one row after another, for only those that are there may be written
      this.#finish(w, copies, rows);
    });
  }

  /** Row r of a thread, which may be beyond the last. */
  #rowOf(row: number): string {
    return row === 0 ? "first" : `first + ${row * this.#schedule.threads}`;
  }

  /** Finishes the rows of a thread that are no repetitions. */
  #finish(w: CodeWriter, copies: RowCopies, rows: number): void {
    for (let row = 0; row < rows; row++) {
      const finish = replicate(this.#kernel.finish, copies, { rows: [row] });
      this.#lines.block(`if (${this.#rowOf(row)} <= last)`, () => w.region(finish));
    }
  }

  /** The loops over tiles and blocks of columns around the inner loop. */
  #overColumns(
    isTiled: boolean,
    pairs: (turns: string, isWhole: boolean) => void,
    close: () => void,
  ): void {
    const { tile, threads } = this.#schedule;
    const { block, records } = this.#kernel;
    const lines = this.#lines;
    const { width } = vectorOf(this.#kernel);
    const vectors = layoutOf(this.#kernel, 1).recordStride / Math.max(1, width);
    const hasRecord = records.column.length > 0;
    lines.add(
      `const long long j1 = segment[${SEGMENT.j1}];`,
      ...(hasRecord
        ? [
          `const ${vectorOf(this.#kernel).type}* packed = records + ` +
          `(segment[${SEGMENT.columns}] - segment[${SEGMENT.j0}]) * ${vectors};`,
        ]
        : []),
    );
    // a stage is what is staged at a time: whole blocks of columns, or a whole part of one
    const stage = isTiled ? tile : block;
    const inStage = Math.min(block, stage);
    lines.block(
      `for (long long j = segment[${SEGMENT.j0}]; j < j1; j += ${stage})`,
      () => {
        lines.add(`const int here = (int)min(j1 - j, ${stage}ll);`);
        if (isTiled) {
          lines.add("__syncthreads();");
          lines.block(
            `for (int t = threadIdx.x; t < here * ${vectors}; t += ${threads})`,
            () => lines.add(`tile[t] = packed[j * ${vectors} + t];`),
          );
          lines.add("__syncthreads();");
        }
        const source = isTiled ? "tile" : hasRecord ? `packed + j * ${vectors}` : null;
        if (source !== null) {
          lines.add(`const ${this.#float}* chunk = (const ${this.#float}*)(${source});`);
        }
        const isSmall = this.#statements() <= TAIL_BUDGET;
        lines.block(`for (int c0 = 0; c0 < here; c0 += ${inStage})`, () => {
          lines.add(`const int turns = min(here - c0, ${inStage});`);
          if (isSmall) {
            lines.block(`if (turns == ${inStage})`, () => pairs(`${inStage}`, true));
            lines.block("else", () => pairs("turns", false));
          } else {
            pairs("turns", true);
          }
          if (stage >= block) close();
        });
        if (stage < block) {
          const begin = `segment[${SEGMENT.j0}]`;
          lines.block(
            `if ((j + here - ${begin}) % ${block} == 0 || j + here == j1)`,
            close,
          );
        }
      },
    );
  }

  #statements(): number {
    return this.#kernel.pair.statements.length * this.#schedule.rows;
  }

  /** The inner loop over some columns of a chunk. */
  #columns(w: CodeWriter, pair: Region, turns: string, isWhole: boolean): void {
    const lines = this.#lines;
    const stride = layoutOf(this.#kernel, 1).recordStride;
    lines.add(`#pragma unroll ${isWhole ? this.#schedule.unroll : 1}`);
    lines.block(`for (int k = 0; k < ${turns}; ++k)`, () => {
      lines.add("const int c = c0 + k;");
      if (stride > 0) lines.add(`const ${this.#float}* column = chunk + c * ${stride};`);
      w.loadColumn(pair);
      w.region(pair);
      w.leaveColumn();
    });
  }

  /** Items of state for each row of a thread. */
  #rowsOf(items: readonly StateItem[], copies: RowCopies, rows: number): StateItem[][] {
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
  #moveState(
    direction: "load" | "save",
    w: CodeWriter,
    rows: readonly (readonly StateItem[])[],
    stateRow: string,
    firstRow: number,
  ): void {
    const lines = this.#lines;
    rows.forEach((items, row) => {
      // several threads may read a row that the last one repeats, one may write it
      const head = direction === "save" ? `if (${this.#rowOf(row)} <= last)` : "";
      lines.block(head, () => {
        lines.add(`const long long at = ${stateRow} + i${row} - segment[${firstRow}];`);
        for (const { item, before } of statePlaces(this.#kernel, items)) {
          const place = item.kind === "cell" ? item.cell : item.array;
          // masks are kept as integers
          const type = place.type === "mask" ? "int" : TYPES[place.type];
          const kept = (k: string): string =>
            `((${type}*)(state + ${before}ll * stateRows))[${k}at]`;
          const move = (inTile: string, inMemory: string): void =>
            lines.add(
              direction === "load" ? `${inTile} = ${inMemory};` : `${inMemory} = ${inTile};`,
            );
          if (item.kind === "cell") {
            move(w.place(place), kept(""));
            continue;
          }
          lines.add(unrollOf(lengthOf(item)));
          lines.block(
            `for (int k = 0; k < ${lengthOf(item)}; ++k)`,
            () => move(`${w.place(place)}[k]`, kept("k * stateRows + ")),
          );
        }
      });
    });
  }

  #combine(): void {
    const kernel = this.#kernel;
    const lines = this.#lines;
    const copies = new RowCopies(1, [...kernel.state, ...kernel.incoming]);
    const [row, combine, finish] = [kernel.row, kernel.combine, kernel.finish]
      .map((region) => replicate(region, copies));
    const parameters = [
      "const long long* __restrict__ segments",
      "int length",
      "unsigned base",
      `const ${this.#float}* __restrict__ parameters`,
      ...this.#inputParameters("row"),
      ...this.#outputParameters(),
      "char* __restrict__ state",
      "long long stateRows",
    ];
    this.#function(ENTRIES.combine, LINE_THREADS, parameters, () => {
      lines.add(...FIND_SEGMENT);
      const rowOfUnit = `(unit - segment[${SEGMENT.firstUnit}]) * ${LINE_THREADS}`;
      lines.add(`const long long i0 = segment[${SEGMENT.i0}] + ${rowOfUnit} + threadIdx.x;`);
      lines.add(`if (i0 >= segment[${SEGMENT.i1}]) return;`);
      lines.add(`const long long count = segment[${SEGMENT.count}];`);
      lines.add(
        `const ${this.#float}* uniforms = parameters + segment[${SEGMENT.uniforms}];`,
      );
      this.#pointers("row");
      const w = new CodeWriter(lines, kernel, this.#rowSurroundings("0"));
      const state = this.#rowsOf(kernel.state, copies, 1);
      const incoming = this.#rowsOf(kernel.incoming, copies, 1);
      w.declare([row, combine, finish], 1, [...state[0], ...incoming[0]]);
      w.region(row);
      this.#moveState("load", w, state, `segment[${SEGMENT.state}]`, SEGMENT.i0);
      lines.block(`for (long long s = 1; s < segment[${SEGMENT.splits}]; ++s)`, () => {
        const from = `segment[${SEGMENT.state}] + s * segment[${SEGMENT.stride}]`;
        this.#moveState("load", w, incoming, from, SEGMENT.i0);
        w.region(combine);
      });
      w.region(finish);
    });
  }

  folding(): string {
    this.#head();
    if (this.#kernel.records.column.length > 0) this.#pack();
    this.#fold();
    return `${this.#lines}\n`;
  }

  combining(): string {
    this.#head();
    this.#combine();
    return `${this.#lines}\n`;
  }
}

/** Emits a kernel. Throws `PairfoldError` (compile) for a schedule that it cannot have. */
export function emitCuda(kernel: Kernel, schedule: CudaSchedule): CudaModule {
  checkCudaSchedule(kernel, schedule);
  return {
    source: new SourceEmitter(kernel, schedule).folding(),
    combine: () => new SourceEmitter(kernel, schedule).combining(),
    layout: layoutOf(kernel, schedule.rows * schedule.threads),
    packs: kernel.records.column.length > 0,
  };
}
