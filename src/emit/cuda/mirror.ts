// The kernel that folds points with themselves: a block of threads takes the rows of one block of
// points and the columns of a later one, and meets each pair once, for both.
//
// What columns add to a row goes into its state, as in `fold`. What rows add to a column is added
// up over a thread's rows, then across the lanes of a warp, then into a sum in shared memory that
// one lane has to itself; after all rows the sums of the warps become the column's state. All of it
// in one order, on any card. A tile of columns passes all rows before the next one is staged, so
// that the states of rows wait in device memory meanwhile.

import { type Mirror, type Region, replicate, RowCopies, type StateItem } from "../../loop/mod.ts";
import type { CudaMirror } from "../../tiling/mod.ts";
import { CodeWriter } from "./code.ts";
import { vectorOf } from "./surroundings.ts";
import { SEGMENT } from "./layout.ts";
import { ENTRIES, FIND_SEGMENT, type SourceWriter } from "./writer.ts";

/** Lanes of a warp. */
const WARP = 32;

/** Writes the kernel of a cut. */
export function writeMirror(source: SourceWriter, cut: CudaMirror): void {
  const { mirror } = source.kernel;
  if (mirror !== null) new MirrorKernel(source, mirror, cut).write();
}

class MirrorKernel {
  readonly #source: SourceWriter;
  readonly #mirror: Mirror;
  readonly #cut: CudaMirror;
  readonly #copies: RowCopies;
  /** Sums of a column, and those of a warp's tile. */
  readonly #sums: number;
  readonly #tileSums: number;
  readonly #warps: number;

  constructor(source: SourceWriter, mirror: Mirror, cut: CudaMirror) {
    const { kernel, schedule: { rows, threads } } = source;
    this.#source = source;
    this.#mirror = mirror;
    this.#cut = cut;
    this.#sums = mirror.sums.length;
    this.#tileSums = cut.tile * this.#sums;
    this.#warps = threads / WARP;
    // the rows of a thread share a column's sums
    const shared = new Map(mirror.sums.map((sum) => [sum, 1]));
    this.#copies = new RowCopies(rows, [...kernel.state, ...kernel.incoming], shared);
  }

  #copy(region: Region): Region {
    return replicate(region, this.#copies);
  }

  /** A unit for each two blocks of points, the rows' before the columns'. */
  write(): void {
    const source = this.#source;
    const { kernel, lines, schedule: { rows, threads } } = source;
    const { staged, stride } = source.record;
    const { type, width } = vectorOf(kernel, staged);
    const { float } = source;
    source.function(ENTRIES.mirror, threads, source.foldParameters(), () => {
      lines.add(
        `__shared__ ${type} tile[${this.#cut.tile * (staged / width)}];`,
        `__shared__ ${float} warpSums[${this.#warps * this.#tileSums}];`,
        ...FIND_SEGMENT,
        `int blockOfRows = (int)(unit - (unsigned)segment[${SEGMENT.firstUnit}]);`,
        "int blockOfColumns = 1;",
        "while (blockOfRows >= blockOfColumns) blockOfRows -= blockOfColumns++;",
        `const long long block = segment[${SEGMENT.block}];`,
        `const long long rowsBegin = segment[${SEGMENT.i0}] + blockOfRows * block;`,
        `const long long j0 = segment[${SEGMENT.j0}] + blockOfColumns * block;`,
        `const long long j1 = min(j0 + block, segment[${SEGMENT.j1}]);`,
        `const long long count = segment[${SEGMENT.count}];`,
        `const ${float}* uniforms = parameters + segment[${SEGMENT.uniforms}];`,
        "const int lane = threadIdx.x % 32;",
        `${float}* const sums = warpSums + threadIdx.x / 32 * ${this.#tileSums};`,
        `const ${type}* packed = records + ` +
          `(segment[${SEGMENT.columns}] - segment[${SEGMENT.j0}]) * ${stride / width};`,
      );
      source.pointers("row");
      lines.block(`for (long long j = j0; j < j1; j += ${this.#cut.tile})`, () => {
        lines.add(
          `const int here = (int)min(j1 - j, ${this.#cut.tile}ll);`,
          "__syncthreads();",
          `for (int t = threadIdx.x; t < here * ${staged / width}; t += ${threads}) ` +
            `tile[t] = packed[j * ${stride / width} + t];`,
          `for (int t = threadIdx.x; t < ${this.#warps * this.#tileSums}; t += ${threads}) ` +
            "warpSums[t] = 0;",
          "__syncthreads();",
          `const ${float}* chunk = (const ${float}*)tile;`,
          "#pragma unroll 1",
        );
        const head = "for (long long begin = rowsBegin; begin < rowsBegin + block; " +
          `begin += ${rows * threads})`;
        lines.block(head, () => this.#rows());
        lines.add("__syncthreads();");
        const each = `for (int t = threadIdx.x; t < here; t += ${threads})`;
        lines.block(each, () => this.#column());
      });
    });
  }

  /** The rows of a thread meet a tile. */
  #rows(): void {
    const source = this.#source;
    const { kernel, lines, schedule: { rows } } = source;
    const { columns } = this.#cut;
    const columnSlots = kernel.records.column.length;
    const regions = {
      row: this.#copy(kernel.row),
      init: this.#copy(kernel.init),
      pair: this.#copy(this.#mirror.pair),
      turn: replicate(this.#mirror.pair, this.#copies, { columns, columnSlots }),
      close: kernel.close === null ? null : this.#copy(kernel.close),
    };
    const all = Object.values(regions).filter((r): r is Region => r !== null);
    const items = source.stateOfRows(kernel.state, this.#copies, rows);
    const w = new CodeWriter(lines, kernel, source.rowSurroundings("(j + c)"));
    lines.add("const long long first = begin + threadIdx.x;");
    lines.add("const long long last = rowsBegin + block - 1;");
    for (let row = 0; row < rows; row++) {
      lines.add(`const long long i${row} = ${source.rowOf(row)};`);
    }
    w.declare(all, rows);
    w.region(regions.row);
    const kept = `segment[${SEGMENT.state}] + blockOfColumns * segment[${SEGMENT.stride}]`;
    const move = (direction: "load" | "save"): void =>
      source.moveState(direction, w, items, kept, SEGMENT.i0);
    lines.block("if (j > j0)", () => move("load"));
    lines.block("else", () => w.region(regions.init));
    lines.block(`for (int c0 = 0; c0 < here; c0 += ${kernel.block})`, () => {
      lines.add(`const int turns = min(here - c0, ${kernel.block});`);
      const some = (head: string, region: Region, count: number): void =>
        lines.block(head, () => {
          lines.add("const int c = c0 + k;");
          lines.add(`const ${source.float}* column = chunk + c * ${source.record.staged};`);
          this.#turn(w, region, count);
        });
      const whole = (head: string): void => some(head, regions.turn, columns);
      lines.block(`if (turns == ${kernel.block})`, () => {
        lines.add("#pragma unroll 1");
        whole(`for (int k = 0; k < ${kernel.block}; k += ${columns})`);
      });
      lines.block("else", () => {
        lines.add("#pragma unroll 1");
        some("for (int k = 0; k < turns; ++k)", regions.pair, 1);
      });
      if (regions.close !== null) w.region(regions.close);
    });
    move("save");
  }

  /** Some columns: into the rows' states, and the rows into their sums. */
  #turn(w: CodeWriter, region: Region, columns: number): void {
    const { lines } = this.#source;
    const cells = Array.from(
      { length: columns },
      (_, column) => this.#mirror.sums.map((sum) => w.place(this.#copies.of(sum, 0, column))),
    ).flat();
    for (const cell of cells) lines.add(`${cell} = 0;`);
    w.loadColumn(region);
    w.pairRegion(region);
    w.leaveColumn();
    this.#acrossLanes(cells);
  }

  /**
   * Adds up values across the lanes of a warp: as long as there is an even number of them, half of
   * the lanes goes on with half of them, and the other half with the rest.
   */
  #acrossLanes(values: readonly string[]): void {
    const { lines, float } = this.#source;
    const places: string[] = [];
    let rest = [...values];
    let alike = 0;
    for (let distance = WARP / 2; distance >= 1; distance /= 2) {
      const name = (k: number): string => `d${distance}n${k}`;
      const shuffled = (value: string): string =>
        `__shfl_xor_sync(0xffffffffu, ${value}, ${distance})`;
      if (rest.length % 2 !== 0) {
        alike += distance;
        rest.forEach((value, k) =>
          lines.add(`const ${float} ${name(k)} = ${value} + ${shuffled(value)};`)
        );
        rest = rest.map((_, k) => name(k));
        continue;
      }
      const half = rest.length / 2;
      const upper = `upper${distance}`;
      lines.add(`const bool ${upper} = (lane & ${distance}) != 0;`);
      for (let k = 0; k < half; k++) {
        const [low, high] = [rest[k], rest[half + k]];
        const given = shuffled(`${upper} ? ${low} : ${high}`);
        lines.add(`const ${float} ${name(k)} = (${upper} ? ${high} : ${low}) + ${given};`);
      }
      places.push(`${upper} * ${half}`);
      rest = rest.slice(0, half).map((_, k) => name(k));
    }
    lines.block(alike === 0 ? "" : `if ((lane & ${alike}) == 0)`, () => {
      lines.add(`${float}* const own = ${["sums", `c * ${this.#sums}`, ...places].join(" + ")};`);
      rest.forEach((value, k) => lines.add(`own[${k}] += ${value};`));
    });
  }

  /** What all rows are to column t of a tile, as its state. */
  #column(): void {
    const source = this.#source;
    const { kernel, lines } = source;
    const copies = new RowCopies(1, kernel.state);
    const init = replicate(kernel.init, copies);
    const close = kernel.close === null ? null : replicate(kernel.close, copies);
    const w = new CodeWriter(lines, kernel, source.rowSurroundings("(j + t)"));
    const items: StateItem[][] = source.stateOfRows(kernel.state, copies, 1);
    lines.add("const long long first = j + t, last = first, i0 = first;");
    w.declare(close === null ? [init] : [init, close], 0, items[0]);
    w.region(init);
    this.#mirror.into.forEach((cell, d) => {
      const parts = Array.from(
        { length: this.#warps },
        (_, warp) => `warpSums[${warp * this.#tileSums + d} + t * ${this.#sums}]`,
      );
      const name = w.place(copies.of(cell, 0));
      lines.add(`${name} = ${name} + (${parts.join(" + ")});`);
    });
    if (close !== null) w.region(close);
    const kept = `segment[${SEGMENT.state}] + blockOfRows * segment[${SEGMENT.stride}]`;
    source.moveState("save", w, items, kept, SEGMENT.i0);
  }
}
