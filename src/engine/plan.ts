// Cuts a list of segments into waves that fit into an engine's memory, and tasks into column
// splits. Pure. What it decides about sums (split boundaries) depends on the segment's size alone.

import { PairfoldError } from "../error.ts";
import { bytesOf, type FloatType, type Kernel, type KernelInput } from "../loop/mod.ts";
import { BLOCK_LENGTH } from "../reduction/mod.ts";
import { type MirrorCut, mirrorCut, mirrorFacts } from "../tiling/mod.ts";
import type { Segment } from "./engine.ts";

/** Column splits of a segment: all but the last have `length` columns. */
export interface Splits {
  readonly length: number;
  readonly count: number;
}

/**
 * How an engine splits the columns of folds with few rows, so that every thread has work. Part of
 * the summation tree: the same for every schedule, device and size of memory.
 */
export interface SplitRule {
  /** Rows that share a unit of work. */
  readonly rows: number;
  /** Units of work that a fold is split into. */
  readonly units: number;
  /** The fewest columns that a split has. */
  readonly columns: number;
}

/** Splits the columns of a fold. */
export function splitColumns(rule: SplitRule, rows: number, columns: number): Splits {
  const units = Math.ceil(rows / rule.rows);
  const wanted = Math.min(Math.ceil(rule.units / units), Math.floor(columns / rule.columns));
  if (units >= rule.units || wanted <= 1) return { length: Math.max(1, columns), count: 1 };
  const length = Math.ceil(columns / wanted / BLOCK_LENGTH) * BLOCK_LENGTH;
  return { length, count: Math.ceil(columns / length) };
}

/** A piece of a segment that is in memory at one time. */
export interface Task {
  readonly segment: Segment;
  readonly i0: number;
  readonly i1: number;
  readonly j0: number;
  readonly j1: number;
  readonly splits: Splits;
  /** Whether it is the first, or the last, piece of its rows' columns. */
  readonly first: boolean;
  readonly last: boolean;
  /** Whether states are kept in memory: several splits, or several pieces. */
  readonly keepsState: boolean;
  /** Whether rows and columns are the same points, each pair of which is met once. */
  readonly mirrored?: boolean;
}

/** Tasks whose data are in memory together. */
export type Wave = readonly Task[];

/** Bytes per row and per column that a launch takes of an engine's memory. */
export interface Footprint {
  readonly row: number;
  readonly record: number;
  /** Columns that are packed together, all or none; default 1. */
  readonly unit?: number;
  /** Of a column's inputs while it is packed. */
  readonly column: number;
  readonly state: number;
  /** Columns whose inputs are in memory while they are packed. */
  readonly packing: number;
}

/** What a plan may use. */
export interface Budget {
  readonly bytes: number;
  /** Segments that need little share a wave up to this many bytes. */
  readonly wave: number;
  readonly split: SplitRule;
}

/** Bytes of one row of an input or an output. */
export function rowBytes(kernel: Kernel, item: Pick<KernelInput, "dim" | "number">): number {
  return item.dim * (item.number === "index" ? 4 : bytesOf(kernel.float, kernel.float));
}

/** Room for alignment, padding rows and the job block of one task. */
const SLACK_BYTES = 16384;

function bytesOfTask(f: Footprint, rows: number, columns: number, states: number): number {
  const padded = rows + 64;
  const packing = Math.min(columns, f.packing) + 8;
  const { unit = 1 } = f;
  const packed = Math.ceil(columns / unit) * unit + 8;
  return padded * (f.row + states * f.state) + packed * f.record + packing * f.column + SLACK_BYTES;
}

/** About the bytes that a task takes. */
export function taskBytes(f: Footprint, { i0, i1, j0, j1, splits, keepsState }: Task): number {
  return bytesOfTask(f, i1 - i0, j1 - j0, keepsState ? splits.count : 0);
}

function floorTo(value: number, unit: number): number {
  return Math.floor(value / unit) * unit;
}

/** Cuts one segment that does not fit into tasks of their own waves. */
function chunk(segment: Segment, splits: Splits, f: Footprint, budget: number): Wave[] {
  const rows = segment.i1 - segment.i0;
  const columns = segment.j1 - segment.j0;
  const states = splits.count;
  const smallest = bytesOfTask(f, 1, Math.min(columns, BLOCK_LENGTH), states);
  if (smallest > budget) {
    throw new PairfoldError(
      "memory",
      `fold: one row and ${Math.min(columns, BLOCK_LENGTH)} columns need ${smallest} bytes; ` +
        `expected at most ${budget} (what the engine may use)`,
    );
  }
  // half of the memory for columns, unless they need less; the rest for rows
  const perColumn = f.record + f.column;
  let columnChunk = Math.max(1, columns);
  if (bytesOfTask(f, 1, columns, states) > budget / 2) {
    const room = Math.max(0, budget / 2 - bytesOfTask(f, 1, 0, states));
    columnChunk = Math.max(BLOCK_LENGTH, floorTo(room / Math.max(1, perColumn), BLOCK_LENGTH));
  }
  const perRow = f.row + states * f.state;
  const left = budget - bytesOfTask(f, 1, columnChunk, states);
  const rowChunk = Math.max(1, Math.min(rows, floorTo(left / Math.max(1, perRow), 1)));
  const waves: Wave[] = [];
  for (let i = segment.i0; i < segment.i1; i += rowChunk) {
    for (let j = segment.j0; j === segment.j0 || j < segment.j1; j += columnChunk) {
      const j1 = Math.min(segment.j1, j + columnChunk);
      waves.push([{
        segment,
        i0: i,
        i1: Math.min(segment.i1, i + rowChunk),
        j0: j,
        j1,
        splits,
        first: j === segment.j0,
        last: j1 === segment.j1,
        keepsState: true,
      }]);
    }
  }
  return waves;
}

/** Plans a list of segments for a budget of memory. */
export function planWaves(
  segments: readonly Segment[],
  f: Footprint,
  { bytes: budget, wave: waveBytes, split }: Budget,
): Wave[] {
  const waves: Wave[] = [];
  let wave: Task[] = [];
  let used = 0;
  const flush = (): void => {
    if (wave.length > 0) waves.push(wave);
    wave = [];
    used = 0;
  };
  for (const segment of segments) {
    const rows = segment.i1 - segment.i0;
    const columns = segment.j1 - segment.j0;
    if (rows <= 0) continue;
    const splits = splitColumns(split, segment.wholeRows ?? rows, columns);
    const keepsState = splits.count > 1;
    const bytes = bytesOfTask(f, rows, columns, keepsState ? splits.count : 0);
    if (used + bytes > Math.min(budget, waveBytes)) flush();
    if (bytes > budget) {
      waves.push(...chunk(segment, splits, f, budget));
      continue;
    }
    const { i0, i1, j0, j1 } = segment;
    wave.push({ segment, i0, i1, j0, j1, splits, first: true, last: true, keepsState });
    used += bytes;
  }
  flush();
  return waves;
}

/** How so many points are cut that meet themselves, for sums of so many components. */
export type MirrorCutter = (points: number, dim: number, float: FloatType) => MirrorCut | null;

/** The task of a launch that folds points with themselves, each pair once; null of any other. */
export function mirroredTask(
  kernel: Kernel,
  segments: readonly Segment[],
  cutOf: MirrorCutter = mirrorCut,
): Task | null {
  const [segment, ...others] = segments;
  const mirror = mirrorFacts(kernel);
  if (mirror === null || segment === undefined || others.length > 0) return null;
  const { i0, i1, j0, j1 } = segment;
  const points = i1 - i0;
  if (i0 !== j0 || i1 !== j1 || (segment.wholeRows ?? points) !== points) return null;
  const cut = cutOf(points, mirror.components, kernel.float);
  if (cut === null) return null;
  const splits = { length: cut.length, count: cut.blocks };
  const task = { segment, i0, i1, j0, j1, splits, first: true, last: true };
  return { ...task, keepsState: true, mirrored: true };
}

/** The columns of a task that belong to one split. */
export interface Piece {
  readonly split: number;
  readonly start: number;
  readonly count: number;
  /** Whether columns of its split were folded before. */
  readonly resumes: boolean;
}

/** The columns of a task, split by split. */
export function* piecesOf({ segment, splits, j0, j1 }: Task): Generator<Piece> {
  if (j1 <= j0) {
    yield { split: 0, start: j0, count: 0, resumes: false };
    return;
  }
  const from = Math.floor((j0 - segment.j0) / splits.length);
  for (let split = from; split < splits.count; split++) {
    const begin = segment.j0 + split * splits.length;
    const start = Math.max(j0, begin);
    const end = Math.min(j1, begin + splits.length);
    if (start >= end) break;
    yield { split, start, count: end - start, resumes: start > begin };
  }
}

/** Columns that stand together. */
export interface ColumnRun {
  readonly column: number;
  readonly count: number;
}

/** The columns at places from … to − 1 of a segment. */
export function* columnRuns({ columns }: Segment, from: number, to: number): Generator<ColumnRun> {
  if (columns === undefined) {
    if (to > from) yield { column: from, count: to - from };
    return;
  }
  for (let k = 0, place = 0; k < columns.length && place < to; k += 2) {
    const length = columns[k + 1] - columns[k];
    const [begin, end] = [Math.max(from, place), Math.min(to, place + length)];
    if (end > begin) yield { column: columns[k] + begin - place, count: end - begin };
    place += length;
  }
}

/** Whether two segments have one list of columns. */
export function haveSameColumns({ columns: a }: Segment, { columns: b }: Segment): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  return (a.buffer === b.buffer && a.byteOffset === b.byteOffset) || a.every((x, k) => x === b[k]);
}

/** Pairs of a task or a segment. */
export function pairsOf({ i0, i1, j0, j1 }: Pick<Segment, "i0" | "i1" | "j0" | "j1">): number {
  return Math.max(0, i1 - i0) * Math.max(0, j1 - j0);
}
