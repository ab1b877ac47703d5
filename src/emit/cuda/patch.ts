// The loops over columns where a warp computes patches of pairs: chunks of both vectors wait in shared
// memory, twice, so that the next one comes while this one is met; each thread holds the sums of 8 × 8
// pairs. Then they are handed over through shared memory, and every thread walks the columns of its row.
//
// Rows of chunks are four floats wide pieces ("quads") whose order is twisted by the row's number, so that
// the threads of a warp find theirs in different banks. Columns stand in an order of their own, by which
// the sums of a thread belong to columns side by side.

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
import { HANDED, HANDED_STRIDE, PATCH, PATCH_TILE } from "../../tiling/mod.ts";
import { CodeWriter } from "./code.ts";
import { SEGMENT } from "./layout.ts";
import { literal } from "./spelling.ts";
import type { SourceWriter } from "./writer.ts";

/** Threads of a warp beside one another along its rows and columns. */
const ALONG_ROWS = 4;
const ALONG_COLUMNS = 8;
/** Where tensor cores multiply TF32, and copies to shared memory are asynchronous. */
const IF_TENSOR = "#if __CUDA_ARCH__ >= 800";

/** Threads of a multiprocessor that patches leave registers for. */
const RESIDENT_THREADS = 384;
/** Quads side by side: more of them take longer to compile than they save. */
const QUADS_SIDE_BY_SIDE = 2;

/** The name of a row's vector. */
export const VECTOR = "vector0";

/** Writes what one component adds to the sums of a patch. */
class PatchWriter extends CodeWriter {
  readonly #sums = new Map<Cell | LocalArray, string>();
  readonly #columnSlots: number;

  constructor(source: SourceWriter, { sum }: Contraction, copies: RowCopies) {
    super(source.lines, source.kernel, source.rowSurroundings("0"));
    this.#columnSlots = source.kernel.records.column.length;
    for (let column = 0; column < PATCH; column++) {
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

/** What a thread does besides. */
export interface Walk {
  /** Walks columns `c0` … `c0 + turns − 1` of the tile `chunk`, from column j on. */
  readonly pairs: (turns: string, isWhole: boolean) => void;
  /** After a tile. */
  readonly close: () => void;
}

/** Writes the loops over tiles and chunks. */
export class PatchLoops {
  readonly #source: SourceWriter;
  readonly #contraction: Contraction;
  /** Quads of a chunk. */
  readonly #quads: number;

  constructor(source: SourceWriter, contraction: Contraction) {
    this.#source = source;
    this.#contraction = contraction;
    this.#quads = source.schedule.chunk / 4;
  }

  /** Blocks that a multiprocessor should have registers for: sums, quads and some more take 168. */
  get residentBlocks(): number {
    return Math.floor(RESIDENT_THREADS / this.#source.schedule.threads);
  }

  get #isTensor(): boolean {
    return this.#contraction.products !== null;
  }

  /** Arrays in shared memory. */
  declare(): void {
    const { schedule: { threads }, record, lines } = this.#source;
    lines.add(
      `__shared__ float4 rowChunks[${2 * threads * this.#quads}];`,
      `__shared__ float4 columnChunks[${2 * PATCH_TILE * this.#quads}];`,
      `__shared__ float4 handed[${threads * HANDED_STRIDE / 4}];`,
    );
    if (record.staged === 0) return;
    lines.add(`__shared__ float4 tile[${2 * PATCH_TILE * record.staged / 4}];`);
  }

  /** The loops, once the row's vector is there. */
  write(walk: Walk): void {
    const { record, lines } = this.#source;
    const { counter, initial } = this.#contraction;
    const chunks = Math.ceil(counter.count / (4 * this.#quads));
    lines.add(
      `const long long j1 = segment[${SEGMENT.j1}];`,
      `const float* packed = (const float*)records + ` +
        `(segment[${SEGMENT.columns}] - segment[${SEGMENT.j0}]) * ${record.stride};`,
      "const int lane = threadIdx.x % 32;",
      "const int warpRow = threadIdx.x - lane;",
      "int buffer = 0;",
      "int side = 0;",
    );
    lines.block(
      `if (segment[${SEGMENT.j0}] < j1)`,
      () => this.#stage(`segment[${SEGMENT.j0}]`, "0", "buffer", "side"),
    );
    lines.add("pf_cp_async_commit();");
    lines.block(
      `for (long long j = segment[${SEGMENT.j0}]; j < j1; j += ${PATCH_TILE})`,
      () => {
        const sums = PATCH * PATCH;
        lines.add(
          `const int here = (int)min(j1 - j, ${PATCH_TILE}ll);`,
          `float patch[${sums}];`,
          "#pragma unroll",
          `for (int p = 0; p < ${sums}; ++p) patch[p] = ${literal("f32", initial)};`,
          "#pragma unroll 1",
        );
        lines.block(`for (int n = 0; n < ${chunks}; ++n)`, () => {
          lines.add("pf_cp_async_wait<0>();", "__syncthreads();");
          if (chunks > 1) {
            lines.block(
              `if (n + 1 < ${chunks})`,
              () => this.#stage("j", "(n + 1)", "(buffer ^ 1)", null),
            );
          }
          lines.block(
            `${chunks > 1 ? "else " : ""}if (j + ${PATCH_TILE} < j1)`,
            () => this.#stage(`(j + ${PATCH_TILE})`, "0", "(buffer ^ 1)", "(side ^ 1)"),
          );
          lines.add("pf_cp_async_commit();");
          this.#either(() => this.#multiply(), () => this.#meet(chunks));
          lines.add("buffer ^= 1;");
        });
        if (record.staged > 0) {
          const side = `side * ${PATCH_TILE * record.staged / 4}`;
          lines.add(`const float* chunk = (const float*)(tile + ${side});`);
        }
        lines.add("#pragma unroll 1");
        lines.block(`for (int c0 = 0; c0 < here; c0 += ${HANDED})`, () => {
          lines.add(`const int turns = min(here - c0, ${HANDED});`, "__syncwarp();");
          // both ways end by themselves, so that they are no choice between sums
          for (const [half, head] of ["if (c0 == 0)", "else"].entries()) {
            lines.block(head, () => {
              this.#hand(half);
              lines.add("__syncwarp();");
            });
          }
          lines.add(
            `const float* own = (const float*)handed + threadIdx.x * ${HANDED_STRIDE};`,
          );
          lines.block(`if (turns == ${HANDED})`, () => walk.pairs(`${HANDED}`, true));
          lines.block("else", () => walk.pairs("turns", false));
        });
        walk.close();
        lines.add("side ^= 1;");
      },
    );
  }

  /** Code for tensor cores where the kernel wants them, with what stands in for them elsewhere. */
  #either(tensor: () => void, plain: () => void): void {
    const { lines } = this.#source;
    if (!this.#isTensor) return plain();
    lines.add(IF_TENSOR);
    tensor();
    lines.add("#else");
    plain();
    lines.add("#endif");
  }

  /** How the quads of a row or column are twisted. */
  #twist(index: string): string {
    return this.#quads === 4 ? `(${index} / 2) % 4` : `(${index} / 4) % 2`;
  }

  /** Stages chunk n of the rows and of the columns from j on; with the first, what else they have. */
  #stage(j: string, n: string, buffer: string, side: string | null): void {
    const { schedule: { threads, chunk }, record, lines } = this.#source;
    const quads = this.#quads;
    const { count } = this.#contraction.counter;
    const columnsTurns = PATCH_TILE * quads / threads;
    lines.add(
      `const int left = (int)min(j1 - ${j}, ${PATCH_TILE}ll) - 1;`,
      `const float* from = packed + ${j} * ${record.stride};`,
      "#pragma unroll",
    );
    lines.block(`for (int q = 0; q < ${quads}; ++q)`, () => {
      lines.add(
        `rowChunks[${buffer} * ${threads * quads} + threadIdx.x * ${quads} + ` +
          `(q ^ ${this.#twist("threadIdx.x")})] =`,
        `  *(const float4*)(${VECTOR} + ${n} * ${chunk} + 4 * q);`,
      );
    });
    const isWhole = record.vector % chunk === 0;
    lines.add("#pragma unroll");
    lines.block(`for (int t = 0; t < ${Math.ceil(columnsTurns)}; ++t)`, () => {
      lines.add(`const int s = (threadIdx.x + t * ${threads}) / ${quads};`);
      lines.add(`const int q = threadIdx.x % ${quads};`);
      // where the sums of a thread belong to columns side by side
      this.#either(
        () => lines.add("const int c = s / 32 * 32 + s / 2 % 4 * 8 + s % 32 / 8 * 2 + s % 2;"),
        () => lines.add("const int c = s / 32 * 32 + s % 8 * 4 + s % 32 / 8;"),
      );
      const target = `&columnChunks[${buffer} * ${PATCH_TILE * quads} + s * ${quads} + ` +
        `(q ^ ${this.#twist("s")})]`;
      const source = `from + min(c, left) * ${record.stride} + ${n} * ${chunk} + 4 * q`;
      const guard = isWhole ? "" : `if (${n} * ${chunk} + 4 * q < ${count}) `;
      lines.add(`${guard}pf_cp_async16(${target}, ${source});`);
    });
    if (side === null || record.staged === 0) return;
    const width = record.staged / 4;
    lines.block(
      `for (int t = threadIdx.x; t < ${PATCH_TILE * width}; t += ${threads})`,
      () => {
        const column = width === 1 ? "t" : `t / ${width}`;
        const part = width === 1 ? `${record.vector}` : `${record.vector} + t % ${width} * 4`;
        const source = `from + min(${column}, left) * ${record.stride} + ${part}`;
        lines.add(`pf_cp_async16(&tile[${side} * ${PATCH_TILE * width} + t], ${source});`);
      },
    );
  }

  /** Adds the components of chunk n one after another. */
  #meet(chunks: number): void {
    const { schedule: { threads, chunk }, kernel, lines } = this.#source;
    const quads = this.#quads;
    const copies = new RowCopies(PATCH);
    const body = replicate(this.#contraction.body, copies, {
      columns: PATCH,
      columnSlots: kernel.records.column.length,
    });
    lines.block("", () => {
      const [rows, columns] = [`lane / ${ALONG_COLUMNS}`, `lane % ${ALONG_COLUMNS}`];
      lines.add(
        `const float4* rowsAt = rowChunks + buffer * ${threads * quads} + ` +
          `(warpRow + ${rows}) * ${quads};`,
        `const float4* columnsAt = columnChunks + buffer * ${PATCH_TILE * quads} + ` +
          `${columns} * ${quads};`,
        `const int rowTwist = ${this.#twist(`(${rows})`)};`,
        `const int columnTwist = ${this.#twist(`(${columns})`)};`,
      );
      const quad = (components: number): void => this.#meetQuad(body, copies, components);
      const rest = this.#contraction.counter.count % chunk;
      const whole = (): void => {
        lines.add(`#pragma unroll ${QUADS_SIDE_BY_SIDE}`);
        lines.block(`for (int q = 0; q < ${quads}; ++q)`, () => quad(4));
      };
      if (rest === 0) return whole();
      if (chunks > 1) lines.block(`if (n + 1 < ${chunks})`, whole);
      lines.block(chunks > 1 ? "else" : "", () => {
        const full = Math.floor(rest / 4);
        if (full > 0) {
          lines.add("#pragma unroll 1");
          lines.block(`for (int q = 0; q < ${full}; ++q)`, () => quad(4));
        }
        if (rest % 4 === 0) return;
        lines.add(`const int q = ${full};`);
        quad(rest % 4);
      });
    });
  }

  /** Adds some components of quad q. */
  #meetQuad(body: Region, copies: RowCopies, components: number): void {
    const { lines } = this.#source;
    const quads = this.#quads;
    const fill = (name: string, k: number, at: string): void =>
      lines.add(
        `{ const float4 v = ${at}; ` +
          `${name}[${k}][0] = v.x; ${name}[${k}][1] = v.y; ` +
          `${name}[${k}][2] = v.z; ${name}[${k}][3] = v.w; }`,
      );
    lines.add(`float a[${PATCH}][4], b[${PATCH}][4];`);
    for (let row = 0; row < PATCH; row++) {
      const twist = quads === 4 ? row % 2 * 2 : row % 2;
      fill("a", row, `rowsAt[${row * ALONG_ROWS * quads} + (q ^ rowTwist ^ ${twist})]`);
    }
    for (let column = 0; column < PATCH; column++) {
      fill("b", column, `columnsAt[${column * ALONG_COLUMNS * quads} + (q ^ columnTwist)]`);
    }
    lines.add("#pragma unroll");
    lines.block(`for (int e = 0; e < ${components}; ++e)`, () => {
      new PatchWriter(this.#source, this.#contraction, copies).region(body);
    });
  }

  /** Adds the products of a chunk by tensor cores: 16 × 8 sums of a warp at a time. */
  #multiply(): void {
    const { schedule: { threads }, lines } = this.#source;
    const quads = this.#quads;
    const isSplit = this.#contraction.products === "tf32x3";
    const split = (name: string, k: number, at: string): void => {
      lines.block("", () => {
        lines.add(`const float4 v = ${at};`);
        for (const [e, part] of ["x", "y", "z", "w"].entries()) {
          lines.add(`${name}[${k}][${e}] = pf_tf32(v.${part});`);
          if (isSplit) {
            lines.add(`${name}Rest[${k}][${e}] = pf_tf32(v.${part} - ${name}[${k}][${e}]);`);
          }
        }
      });
    };
    const product = (m: number, s: number, a: string, b: string): string => {
      const [low, high] = [`${a}[${2 * m}]`, `${a}[${2 * m + 1}]`];
      const [even, odd] = [2 * s, 2 * s + 1];
      const rows = [`${low}[${even}]`, `${high}[${even}]`, `${low}[${odd}]`, `${high}[${odd}]`];
      const sums = `patch + (${m * PATCH} + t) * 4`;
      return `pf_mma_tf32(${sums}, ${rows.join(", ")}, ${b}[0][${even}], ${b}[0][${odd}]);`;
    };
    lines.block("", () => {
      lines.add(
        `const float4* rowsAt = rowChunks + buffer * ${threads * quads} + ` +
          `(warpRow + lane / 4) * ${quads};`,
        `const float4* columnsAt = columnChunks + buffer * ${PATCH_TILE * quads} + ` +
          `lane / 4 * ${quads};`,
        `const int at = lane % 4 ^ ${this.#twist("(lane / 4)")};`,
        `float a[4][4]${isSplit ? ", aRest[4][4]" : ""};`,
      );
      for (let u = 0; u < 4; u++) split("a", u, `rowsAt[${u * 8 * quads} + at]`);
      lines.add("#pragma unroll");
      lines.block(`for (int t = 0; t < ${PATCH}; ++t)`, () => {
        lines.add(`float b[1][4]${isSplit ? ", bRest[1][4]" : ""};`);
        split("b", 0, `columnsAt[t * ${8 * quads} + at]`);
        for (const s of [0, 1]) {
          // the small ones first
          const parts = isSplit ? [["aRest", "b"], ["a", "bRest"], ["a", "b"]] : [["a", "b"]];
          for (const [a, b] of parts) {
            for (const m of [0, 1]) lines.add(product(m, s, a, b));
          }
        }
      });
    });
  }

  /** Hands over the sums of one half of the columns. */
  #hand(half: number): void {
    const { lines } = this.#source;
    const stride = HANDED_STRIDE / 4;
    const give = (row: string, place: string, sums: readonly number[]): void =>
      lines.add(
        `handed[(warpRow + ${row}) * ${stride} + ${place}] = ` +
          `make_float4(${sums.map((k) => `patch[${k}]`).join(", ")});`,
      );
    const quarter = [0, 1, 2, 3];
    this.#either(() => {
      for (let u = 0; u < 4; u++) {
        const [m, upper] = [u >> 1, u & 1];
        const of = (q: number, e: number): number => (m * PATCH + 4 * half + q) * 4 + 2 * upper + e;
        for (const part of [0, 1]) {
          const sums = [0, 1].flatMap((q) => [of(2 * part + q, 0), of(2 * part + q, 1)]);
          give(`${8 * u} + lane / 4`, `lane % 4 * 2 + ${part}`, sums);
        }
      }
    }, () => {
      for (let row = 0; row < PATCH; row++) {
        give(
          `${row * ALONG_ROWS} + lane / ${ALONG_COLUMNS}`,
          `lane % ${ALONG_COLUMNS}`,
          quarter.map((c) => row + PATCH * (4 * half + c)),
        );
      }
    });
  }
}
