// The loops over columns where a warp computes patches of pairs: chunks of both vectors wait in
// shared memory, twice, so that the next one comes while this one is met (patch_sums.ts). Then the
// sums are handed over through shared memory, and every thread walks the columns of its row.
//
// A row's or a column's part of a chunk is pieces of 16 bytes, and one that is not used: so every
// address is a thread's own and a number that is known. A warp's rows are its own affair, and so is
// what it hands over, which stands where its rows stood.

import type { Contraction } from "../../loop/mod.ts";
import { chunkStride, PATCH, PATCHES, type PatchShape, warpPieces } from "../../tiling/mod.ts";
import { SEGMENT } from "./layout.ts";
import { columnOfSlot, PatchSums } from "./patch_sums.ts";
import { literal } from "./spelling.ts";
import { type Numbers, numbersOf } from "./surroundings.ts";
import type { SourceWriter } from "./writer.ts";

/** Threads of a multiprocessor that patches leave registers for. */
const RESIDENT_THREADS = 384;

/** The name of a row's vector. */
export const VECTOR = "vector0";

/** What a thread does besides. */
export interface Walk {
  /**
   * Meets columns `c0` … `c0 + turns − 1` of the tile `chunk`, from column j on, whose sums its
   * warp was handed.
   */
  readonly columns: () => void;
  /** After a tile. */
  readonly close: () => void;
  /**
   * Stages what else the columns from j on have, once, and while their sums are computed; without
   * it that comes with the first chunk, twice.
   */
  readonly stage?: () => void;
}

/** Writes the loops over tiles and chunks. */
export class PatchLoops {
  readonly #source: SourceWriter;
  readonly #contraction: Contraction;
  readonly #sums: PatchSums;
  readonly #numbers: Numbers;
  readonly #shape: PatchShape;
  /** Pieces of a chunk, and from one row or column to the next. */
  readonly #pieces: number;
  readonly #stride: number;

  constructor(source: SourceWriter, contraction: Contraction) {
    this.#source = source;
    this.#contraction = contraction;
    this.#sums = new PatchSums(source, contraction);
    const { float } = source.kernel;
    this.#numbers = numbersOf(float);
    this.#shape = PATCHES[float];
    this.#pieces = source.schedule.chunk / this.#shape.width;
    this.#stride = chunkStride(source.schedule.chunk, float);
  }

  /**
   * Blocks that a multiprocessor should have registers for: sums, pieces and some more take 168.
   */
  get residentBlocks(): number {
    return Math.floor(RESIDENT_THREADS / this.#source.schedule.threads);
  }

  /** Columns of a chunk that a thread copies a piece of. */
  get #copies(): number {
    return this.#shape.tile * this.#pieces / this.#source.schedule.threads;
  }

  /** Where a thread stands in its warp, and the warp's rows in their chunks. */
  get #warp(): string[] {
    const pieces = warpPieces(this.#source.schedule.chunk, this.#numbers.float);
    return [
      "const int lane = threadIdx.x % 32;",
      `const int warpRows = threadIdx.x / 32 * ${pieces};`,
    ];
  }

  /** Arrays in shared memory; for panels, which go on after the loops, where a thread stands. */
  declare(): void {
    const { schedule: { threads, chunk, panel = 0 }, record, lines } = this.#source;
    const { vector, width, float } = this.#numbers;
    const { tile } = this.#shape;
    const rows = threads / 32 * warpPieces(chunk, float);
    const columns = 2 * tile * this.#stride;
    const tiles = panel > 0 ? 1 : 2;
    const rest = tiles * tile * record.staged / width;
    // one array, for whose address every thread needs one register
    lines.add(
      ...(panel > 0 ? this.#warp : []),
      `__shared__ ${vector} pieces[${rows + columns + rest}];`,
      `${vector}* const rowChunks = pieces;`,
      `${vector}* const columnChunks = pieces + ${rows};`,
      ...(rest > 0 ? [`${vector}* const tile = pieces + ${rows + columns};`] : []),
    );
  }

  /** The loops, once the row's vector is there. */
  write(walk: Walk): void {
    const { record, schedule: { chunk }, lines, kernel: { block } } = this.#source;
    const { counter, initial } = this.#contraction;
    const { one, float } = this.#numbers;
    const { tile, handed, columns } = this.#shape;
    const chunks = Math.ceil(counter.count / chunk);
    const { stage } = walk;
    const stageRest = (j: string, side: string): void => {
      if (stage === undefined) this.#stageRest(j, side);
    };
    this.#begin();
    lines.block(`if (segment[${SEGMENT.j0}] < j1)`, () => {
      this.#beginTile(`segment[${SEGMENT.j0}]`);
      this.#stageColumns("buffer", null);
      stageRest(`segment[${SEGMENT.j0}]`, "side");
    });
    lines.add("pf_cp_async_commit();");
    this.#stageRows("0", "buffer");
    lines.block(
      `for (long long j = segment[${SEGMENT.j0}]; j < j1; j += ${tile})`,
      () => {
        const sums = PATCH * columns;
        lines.add(
          `const int here = (int)min(j1 - j, ${tile}ll);`,
          `${one} patch[${sums}];`,
          "#pragma unroll",
          `for (int p = 0; p < ${sums}; ++p) patch[p] = ${literal(float, initial)};`,
          "#pragma unroll 1",
        );
        lines.block(`for (int n = 0; n < ${chunks}; ++n)`, () => {
          lines.add("pf_cp_async_wait<0>();", "__syncthreads();");
          if (stage !== undefined) lines.block("if (n == 0)", stage);
          if (chunks > 1) {
            lines.block(`if (n + 1 < ${chunks})`, () => {
              for (let t = 0; t < this.#copies; t++) lines.add(`from${t} += ${chunk};`);
              this.#stageColumns("(buffer ^ 1)", "(n + 1)");
              this.#stageRows("(n + 1)", "(buffer ^ 1)");
            });
          }
          lines.block(`${chunks > 1 ? "else " : ""}if (j + ${tile} < j1)`, () => {
            this.#beginTile(`(j + ${tile})`);
            this.#stageColumns("(buffer ^ 1)", null);
            stageRest(`(j + ${tile})`, "(side ^ 1)");
          });
          lines.add("pf_cp_async_commit();");
          this.#sums.add(chunks);
          lines.add("buffer ^= 1;");
        });
        if (stage !== undefined) {
          lines.add("pf_cp_async_wait<0>();", "__syncthreads();");
          lines.add(`const ${one}* chunk = (const ${one}*)tile;`);
        } else if (record.staged > 0) {
          const at = `side * ${tile * record.staged / 4}`;
          lines.add(`const float* chunk = (const float*)(tile + ${at});`);
        }
        lines.add("#pragma unroll 1");
        lines.block(`for (int c0 = 0; c0 < here; c0 += ${handed})`, () => {
          lines.add(`const int turns = min(here - c0, ${handed});`, "__syncwarp();");
          // both ways end by themselves, so that they are no choice between sums
          for (const [half, head] of ["if (c0 == 0)", "else"].entries()) {
            lines.block(head, () => {
              this.#sums.hand(half);
              lines.add("__syncwarp();");
            });
          }
          walk.columns();
        });
        const begin = `segment[${SEGMENT.j0}]`;
        if (tile === block) walk.close();
        else {
          lines.block(
            `if ((j + ${tile} - ${begin}) % ${block} == 0 || j + ${tile} >= j1)`,
            walk.close,
          );
        }
        lines.add("side ^= 1;", "__syncwarp();");
        this.#stageRows("0", "buffer");
      },
    );
  }

  /** What all chunks and tiles go by. */
  #begin(): void {
    const { record, lines } = this.#source;
    const { one } = this.#numbers;
    // 8 threads side by side copy two pieces of 4 columns to different banks
    const [piece, slot] = this.#pieces === 4
      ? [
        "threadIdx.x % 2 + threadIdx.x / 8 % 2 * 2",
        "threadIdx.x / 2 % 4 * 2 + threadIdx.x / 16 % 2 + threadIdx.x / 32 * 8",
      ]
      : ["threadIdx.x % 2", "threadIdx.x / 2 % 4 * 2 + threadIdx.x / 8 % 2 + threadIdx.x / 16 * 8"];
    lines.add(
      `const long long j1 = segment[${SEGMENT.j1}];`,
      `const ${one}* packed = (const ${one}*)records + ` +
        `(segment[${SEGMENT.columns}] - segment[${SEGMENT.j0}]) * ${record.stride};`,
      ...((this.#source.schedule.panel ?? 0) > 0 ? [] : this.#warp),
      `const int copied = ${piece};`,
      `const int slot = ${slot};`,
      "// places that are met at every chunk",
      `const int columnTarget = pf_kept(slot * ${this.#stride} + copied);`,
      `const int rowTarget = pf_kept(warpRows + lane * ${this.#stride});`,
    );
    this.#sums.begin();
    for (let t = 0; t < this.#copies; t++) lines.add(`const ${one}* from${t} = packed;`);
    lines.add("int buffer = 0;", "int side = 0;");
  }

  /** Where the columns of a tile are copied from; those beyond the last repeat it. */
  #beginTile(j: string): void {
    const { record, schedule: { threads }, lines } = this.#source;
    const { one, width } = this.#numbers;
    const slots = threads / this.#pieces;
    lines.add(`const int left = (int)min(j1 - ${j}, ${this.#shape.tile}ll) - 1;`);
    lines.add(`const ${one}* piece = packed + ${j} * ${record.stride} + ${width} * copied;`);
    this.#sums.either((isTensor) => {
      for (let t = 0; t < this.#copies; t++) {
        const column = columnOfSlot(`(slot + ${t * slots})`, isTensor, width);
        lines.add(`from${t} = piece + min(${column}, left) * ${record.stride};`);
      }
    });
  }

  /** Copies chunk n of the columns (null: the first) from where a tile's are. */
  #stageColumns(buffer: string, n: string | null): void {
    const { schedule: { threads, chunk }, record, lines } = this.#source;
    const { count } = this.#contraction.counter;
    const isWhole = n === null || record.vector % chunk === 0;
    const copy = (): void => {
      for (let t = 0; t < this.#copies; t++) {
        const slots = t * threads / this.#pieces;
        const target = `columnTarget + ${buffer} * ${this.#shape.tile * this.#stride}`;
        lines.add(`pf_cp_async<16>(columnChunks + ${target} + ${slots * this.#stride}, from${t});`);
      }
    };
    if (isWhole) copy();
    else lines.block(`if (${n} * ${chunk} + ${this.#shape.width} * copied < ${count})`, copy);
  }

  /** Copies what else the columns of a tile have. */
  #stageRest(j: string, side: string): void {
    const { schedule: { threads }, record, lines } = this.#source;
    const { staged, stride, vector } = record;
    if (staged === 0) return;
    const floats = [4, 2].find((n) => staged % n === 0) ?? 1;
    const width = staged / floats;
    const copy = (): void => {
      const [column, part] = width === 1
        ? ["t", ""]
        : [`t / ${width}`, ` + t % ${width} * ${floats}`];
      lines.add(
        `pf_cp_async<${4 * floats}>(` +
          `(float*)tile + ${side} * ${this.#shape.tile * staged} + t * ${floats}, ` +
          `packed + (${j} + ${column}) * ${stride} + ${vector}${part});`,
      );
    };
    const all = `(left + 1) * ${width}`;
    if (this.#shape.tile * width <= threads) {
      lines.add("const int t = threadIdx.x;");
      lines.block(`if (t < ${all})`, copy);
    } else {
      lines.add("#pragma unroll 1");
      lines.block(`for (int t = threadIdx.x; t < ${all}; t += ${threads})`, copy);
    }
  }

  /** Every thread puts chunk n of its row where its warp finds it. */
  #stageRows(n: string, buffer: string): void {
    const { schedule: { chunk }, lines } = this.#source;
    const { vector } = this.#numbers;
    lines.block("", () => {
      lines.add(
        `${vector}* target = rowChunks + rowTarget + ${buffer} * ${32 * this.#stride};`,
        `const ${vector}* own = (const ${vector}*)(${VECTOR} + ${n} * ${chunk});`,
      );
      for (let p = 0; p < this.#pieces; p++) lines.add(`target[${p}] = own[${p}];`);
    });
  }
}
