// Launches that come again: the tables of a short launch, as they were made for its segments, and
// whether they stand on the card. Enters: a program's segments. Leaves: the plan that was made for
// equal ones, or a new one. What is planned fits into one wave whatever the card's memory, so that
// it depends on the segments alone.

import { type CudaLayout, LINE_THREADS } from "../../emit/cuda/mod.ts";
import { type Kernel, visit } from "../../loop/mod.ts";
import type { NumberArray, Segment } from "../engine.ts";
import { type Footprint, haveSameColumns, planWaves, type SplitRule, type Wave } from "../plan.ts";
import { MAX_BLOCKS } from "./device.ts";
import type { KeptPiece } from "./kept.ts";
import { concatenated } from "./staging.ts";
import { OffsetGroups, slotsOn, tablesOf, type WaveTables } from "./table.ts";

/**
 * How columns are split where rows are few: 512 rows are a block of 128 threads with 4 each, 1056
 * of those keep 132 multiprocessors busy with 8. Part of the summation tree, hence the same on
 * every card.
 */
export const SPLIT: SplitRule = { rows: 512, units: 1056, columns: 1024 };

/** Bytes that a launch takes without asking how much there is. */
export const SMALL_BYTES: number = 64 * 2 ** 20;

/**
 * Plans that a program keeps, the bytes of their tables together, and those of one plan at most.
 */
const PLANS = 8;
const ALL_BYTES = 4 * 2 ** 20;
const PLAN_BYTES = 2 ** 21;
/** Words of a table of columns up to which equal ones of several plans are found to be equal. */
const COMPARED_WORDS = 64;

/** What uniform records are computed from: a segment for each, and where each segment's begins. */
export interface UniformGroups {
  readonly representatives: readonly Segment[];
  readonly slotOf: (segment: Segment) => number;
}

/** Segments of a wave by the uniform inputs that they read. */
export function uniformGroups(kernel: Kernel, { uniforms }: CudaLayout, wave: Wave): UniformGroups {
  const groups = new OffsetGroups(slotsOn(kernel, "uniform"));
  const representatives: Segment[] = [];
  for (const { segment } of wave) {
    if (groups.of(segment) === representatives.length) representatives.push(segment);
  }
  return { representatives, slotOf: (segment) => groups.of(segment) * uniforms };
}

let plansMade = 0;

/** Of each kernel's table: the blocks of threads that it takes, its length as kernels read it. */
type OfTables<T> = Readonly<Record<"pack" | "fold" | "combine", T>>;

/** The tables of one launch. */
export class LaunchPlan {
  readonly id: number = plansMade++;
  readonly segments: readonly Segment[];
  /** A segment for each uniform record. */
  readonly representatives: readonly Segment[];
  /** Tables, and the uniform record behind them, as they stand on the card or will. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The uniform record: a view of the last of the bytes. */
  readonly uniforms: NumberArray;
  /** Where the uniform record and each table begin in the bytes. */
  readonly uniformsAt: number;
  readonly at: OfTables<bigint>;
  readonly units: OfTables<number>;
  readonly lengths: OfTables<bigint>;
  /** Records of packed columns, and rows of kept states. */
  readonly records: number;
  readonly stateRows: bigint;
  /** What the table of columns says: where two plans have one key, these tables are equal. */
  readonly packKey: string;
  /** Where bytes stand on the card, as they are here but for the uniform record. */
  piece: KeptPiece | null = null;
  /** Whether the uniform record stands there too. */
  isCurrent = false;

  constructor(
    kernel: Kernel,
    segments: readonly Segment[],
    { pack, fold, combine, records, stateRows }: WaveTables,
    representatives: readonly Segment[],
    uniforms: number,
  ) {
    this.segments = segments.map((s) => ({ ...s, offsets: s.offsets.slice() }));
    this.representatives = representatives;
    const count = representatives.length * uniforms;
    const Numbers = kernel.float === "f32" ? Float32Array : Float64Array;
    const parts = [pack.words, fold.words, combine.words, new Numbers(count)];
    const { bytes, offsets } = concatenated(parts);
    this.bytes = bytes;
    this.uniforms = new Numbers(bytes.buffer, offsets[3], count);
    this.uniformsAt = offsets[3];
    const [packAt, foldAt, combineAt] = offsets.map(BigInt);
    this.at = { pack: packAt, fold: foldAt, combine: combineAt };
    this.units = { pack: pack.units, fold: fold.units, combine: combine.units };
    const lengths = [pack.length, fold.length, combine.length].map(BigInt);
    this.lengths = { pack: lengths[0], fold: lengths[1], combine: lengths[2] };
    this.records = records;
    this.stateRows = BigInt(stateRows);
    this.packKey = pack.words.length <= COMPARED_WORDS ? pack.words.join() : `plan ${this.id}`;
  }

  /** Writes the uniform record; whether it differs from the one before, by a bit. */
  write(records: readonly Float64Array[]): boolean {
    let differs = false;
    let at = 0;
    for (const record of records) {
      for (let k = 0; k < record.length; k++, at++) {
        const before = this.uniforms[at];
        this.uniforms[at] = record[k];
        if (!Object.is(before, this.uniforms[at])) differs = true;
      }
    }
    return differs;
  }
}

/** What all rows and columns of a launch take together, states aside. */
export function neededBytes(
  segments: readonly Segment[],
  { row, record, column }: Footprint,
): number {
  return segments.reduce(
    (sum, s) => sum + (s.i1 - s.i0) * row + (s.j1 - s.j0) * (record + column),
    0,
  );
}

/** The tables of a wave for a layout. */
export function waveTables(
  kernel: Kernel,
  layout: CudaLayout,
  wave: Wave,
  slotOf: (segment: Segment) => number,
): WaveTables {
  return tablesOf(kernel, { layout, lineThreads: LINE_THREADS }, wave, slotOf);
}

/**
 * Plans a launch whose arrays are on the card; null where one wave does not do, or tables are long.
 */
export function planOf(
  kernel: Kernel,
  layout: CudaLayout,
  segments: readonly Segment[],
): LaunchPlan | null {
  const record = layout.recordStride * layout.size;
  const footprint = { row: 0, record, column: 0, state: layout.stateBytes, packing: Infinity };
  if (neededBytes(segments, footprint) > SMALL_BYTES / 2) return null;
  const budget = { bytes: SMALL_BYTES, wave: SMALL_BYTES, split: SPLIT };
  const [wave, ...others] = planWaves(segments, footprint, budget);
  if (wave === undefined || others.length > 0) return null;
  const { representatives, slotOf } = uniformGroups(kernel, layout, wave);
  const tables = waveTables(kernel, layout, wave, slotOf);
  const { pack, fold, combine } = tables;
  const words = pack.words.length + fold.words.length + combine.words.length;
  const units = Math.max(pack.units, fold.units, combine.units);
  if (8 * words > PLAN_BYTES || units > MAX_BLOCKS) return null;
  return new LaunchPlan(kernel, segments, tables, representatives, layout.uniforms);
}

/** The plans of one program, the youngest first. */
export class LaunchPlans {
  readonly #plans: LaunchPlan[] = [];
  #bytes = 0;

  /** The plan for segments that equal these. */
  find(segments: readonly Segment[]): LaunchPlan | null {
    const at = this.#plans.findIndex((plan) => areEqual(plan.segments, segments));
    if (at < 0) return null;
    const plan = this.#plans[at];
    if (at > 0) {
      this.#plans.splice(at, 1);
      this.#plans.unshift(plan);
    }
    return plan;
  }

  /** Takes a plan up; gives those that leave for it. */
  add(plan: LaunchPlan): LaunchPlan[] {
    const gone: LaunchPlan[] = [];
    this.#plans.unshift(plan);
    this.#bytes += plan.bytes.byteLength;
    while (this.#plans.length > PLANS || this.#bytes > ALL_BYTES) {
      const oldest = this.#plans.pop();
      if (oldest === undefined) break;
      this.#bytes -= oldest.bytes.byteLength;
      gone.push(oldest);
    }
    return gone;
  }
}

function areEqual(some: readonly Segment[], others: readonly Segment[]): boolean {
  if (some.length !== others.length) return false;
  for (let k = 0; k < some.length; k++) {
    const a = some[k], b = others[k];
    const same = a.i0 === b.i0 && a.i1 === b.i1 && a.j0 === b.j0 && a.j1 === b.j1 &&
      a.output === b.output && a.wholeRows === b.wholeRows && haveSameColumns(a, b) &&
      a.offsets.length === b.offsets.length;
    if (!same) return false;
    for (let slot = 0; slot < a.offsets.length; slot++) {
      if (a.offsets[slot] !== b.offsets[slot]) return false;
    }
  }
  return true;
}

const readers = new WeakMap<Kernel, boolean>();

/** Says whether packed columns of a kernel do that has not been lowered yet. */
export function recallPacksUniforms(kernel: Kernel, reads: boolean): void {
  readers.set(kernel, reads);
}

/** Whether packed columns depend on the uniform record. */
export function packsUniforms(kernel: Kernel): boolean {
  let reads = readers.get(kernel);
  if (reads === undefined) {
    reads = false;
    visit(kernel.column, (s) => {
      if (s.kind !== "let" || s.value.kind !== "load") return;
      const { memory } = s.value;
      if (memory.kind === "record" && memory.section === "uniform") reads = true;
    });
    readers.set(kernel, reads);
  }
  return reads;
}
