// Points as integers of 16 bits, for folds of their smallest distances on engines that multiply
// these faster. Enters: such a fold and its points. Leaves: the same fold, whose kernel looks at
// rounded points first (lower/keys.ts), and what it takes as inputs. Every bit of the result is that
// of all distances: what rounding leaves open is computed from the points themselves.

import type { Engine, Held, NumberArray, Segment } from "../engine/mod.ts";
import { variable } from "../formula/mod.ts";
import type { Kernel } from "../loop/mod.ts";
import {
  columnNumbers,
  type Fold,
  HEIGHT,
  MOST_NORM,
  OFFSET,
  type RoundedPoints,
  wordsOf,
} from "../lower/mod.ts";
import type { ReductionName } from "../reduction/mod.ts";
import type { Coordinates } from "../sparse/mod.ts";
import { kernelOf } from "./canonical.ts";
import type { NearestFold } from "./nearest_launch.ts";

/** Reductions that keep one value, and the list of one that is the same where all are finite. */
const LISTS: Partial<Record<ReductionName, ReductionName>> = {
  min: "kMin",
  argMin: "argKMin",
  minArgMin: "kMinArgKMin",
};

/** Beyond, integers take as many words as there are registers. */
const MOST_DIM = 32;
/** Columns of one survey, four times over: fewer are folded as fast as they are rounded. */
const LEAST_COLUMNS = 2 ** 13;
/** Pairs times components from which on making points and code takes a small part of the time. */
const LEAST_WORK = 1e9;
/** How far points may reach from their middle: their scale and its inverse are float32 numbers. */
const REACHES = [1e-12, 1e15] as const;

/** A launch of another kernel than the fold's own. */
export interface RoundedLaunch {
  readonly kernel: Kernel;
  readonly inputs: readonly Held[];
  readonly segments: readonly Segment[];
}

/** A fold by rounded points. */
export class RoundedFold {
  readonly kernel: Kernel;
  readonly #what: NearestFold;

  private constructor(engine: Engine, fold: Fold, what: NearestFold) {
    const { dim, isRoot } = what;
    const slot = fold.inputs.length;
    const points: RoundedPoints = {
      rows: variable(slot, "i", wordsOf(dim) + 1, "index"),
      columns: variable(slot + 1, "j", columnNumbers(dim), "index"),
      scales: variable(slot + 2, "p", 2),
      dim,
      isRoot,
    };
    this.#what = what;
    this.kernel = kernelOf({
      ...fold,
      reduction: LISTS[fold.reduction] ?? fold.reduction,
      options: { ...fold.options, k: what.k },
      inputs: [...fold.inputs, points.rows, points.columns, points.scales],
      rounded: points,
    }, engine.math);
  }

  /** Null where it does not pay, or points have too many components. */
  static of(engine: Engine, fold: Fold, what: NearestFold, columns: number): RoundedFold | null {
    const pays = columns >= LEAST_COLUMNS && what.pairs * what.dim >= LEAST_WORK;
    const fits = fold.float === "f32" && what.dim <= MOST_DIM;
    return engine.multipliesShorts === true && pays && fits
      ? new RoundedFold(engine, fold, what)
      : null;
  }

  explain(): string[] {
    return [
      "rounding  points as integers of 16 bits, which tell where the nearest may be; where points are",
      "          not finite, distances alone",
    ];
  }

  /** What a launch takes; null where points are not as they must be. */
  launch(inputs: readonly Held[], segments: readonly Segment[]): RoundedLaunch | null {
    const rounded = this.#rounded(inputs);
    return rounded && {
      kernel: this.kernel,
      inputs: [...inputs, ...rounded],
      segments: segments.map((s) => ({ ...s, offsets: [...s.offsets, ...rounded.map(() => 0)] })),
    };
  }

  #rounded(inputs: readonly Held[]): NumberArray[] | null {
    const { rows, columns, dim, rounding } = this.#what;
    const [x, y] = [inputs[rows], inputs[columns]];
    if (!(x instanceof Float32Array && y instanceof Float32Array)) return null;
    const points = x === y ? [x] : [x, y];
    const centre = middleOf(points, dim);
    const reach = Math.sqrt(Math.max(...points.map((one) => farthest(one, centre))));
    if (!(reach >= REACHES[0] && reach <= REACHES[1])) return null; // NaN is no reach
    const scale = MOST_NORM / reach;
    try {
      return [
        roundedRows(x, centre, scale),
        roundedColumns(y, centre, scale),
        Float64Array.of((1 + rounding) / scale, scale * (1 + rounding)),
      ];
    } catch (error) {
      if (error instanceof RangeError) return null; // too little memory
      throw error;
    }
  }
}

/** The middle of the box of some points; NaN where one is. */
function middleOf(tables: readonly Coordinates[], dim: number): Float64Array {
  const lowest = new Float64Array(dim).fill(Infinity);
  const highest = new Float64Array(dim).fill(-Infinity);
  for (const table of tables) {
    for (let k = 0; k < table.length; k += dim) {
      for (let d = 0; d < dim; d++) {
        const value = table[k + d];
        if (value < lowest[d]) lowest[d] = value;
        if (value > highest[d]) highest[d] = value;
      }
    }
  }
  return lowest.map((low, d) => low + (highest[d] - low) / 2);
}

/** The square of the distance of the farthest point from a centre; NaN where one is NaN. */
function farthest(table: Coordinates, centre: Float64Array): number {
  const dim = centre.length;
  let most = 0;
  for (let k = 0; k < table.length; k += dim) {
    let square = 0;
    for (let d = 0; d < dim; d++) {
      const off = table[k + d] - centre[d];
      square += off * off;
    }
    if (!(square <= most)) most = square;
    if (square !== square) return NaN;
  }
  return most;
}

/** Two integers of 16 bits in one of 32. */
const word = (low: number, high: number): number => (low & 0xffff) | (high << 16);

/**
 * Runs a body with each point as integers s (x − c), rounded, half a square of its norm beside it.
 */
function eachRounded(
  table: Coordinates,
  centre: Float64Array,
  scale: number,
  body: (point: Float64Array, half: number, n: number) => void,
): void {
  const dim = centre.length;
  const point = new Float64Array(dim);
  for (let k = 0, n = 0; k < table.length; k += dim, n++) {
    let square = 0;
    for (let d = 0; d < dim; d++) {
      const value = Math.round((table[k + d] - centre[d]) * scale);
      point[d] = value;
      square += value * value;
    }
    body(point, Math.floor(square / 2), n);
  }
}

function roundedRows(table: Coordinates, centre: Float64Array, scale: number): NumberArray {
  const dim = centre.length;
  const words = wordsOf(dim);
  const isOdd = dim % 2 === 1;
  const rows = new Int32Array(table.length / dim * (words + 1));
  eachRounded(table, centre, scale, (point, half, n) => {
    let at = n * (words + 1);
    for (let d = 0; d < dim; d += 2) {
      rows[at++] = word(-point[d], d + 1 < dim ? -point[d + 1] : HEIGHT);
    }
    rows[at] = half + (isOdd ? OFFSET : 0);
  });
  return rows;
}

function roundedColumns(table: Coordinates, centre: Float64Array, scale: number): NumberArray {
  const dim = centre.length;
  const numbers = columnNumbers(dim);
  const isOdd = dim % 2 === 1;
  const columns = new Int32Array(table.length / dim * numbers);
  eachRounded(table, centre, scale, (point, half, n) => {
    let at = n * numbers;
    const height = Math.round((half - OFFSET) / HEIGHT);
    for (let d = 0; d < dim; d += 2) {
      columns[at++] = word(point[d], d + 1 < dim ? point[d + 1] : height);
    }
    if (!isOdd) columns[at] = half;
  });
  return columns;
}
