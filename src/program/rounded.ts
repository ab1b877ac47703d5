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
  resolutionOf,
  type RoundedPoints,
  wordsOf,
} from "../lower/mod.ts";
import type { ReductionName } from "../reduction/mod.ts";
import { type Coordinates, isWithin } from "../sparse/mod.ts";
import { kernelOf } from "./canonical.ts";
import { boxOf, farthest } from "./extent.ts";
import type { NearestFold } from "./nearest_launch.ts";
import type { FoldRequest } from "./request.ts";

/** Reductions that keep one value, and the list of one that is the same where all are finite. */
const LISTS: Partial<Record<ReductionName, ReductionName>> = {
  min: "kMin",
  argMin: "argKMin",
  minArgMin: "kMinArgKMin",
};

/**
 * Below, distances cost no more than keys; beyond, what rounding is off by has not been tried.
 */
const DIMS = [3, 4096] as const;
/** Beyond, sorting takes the time. */
const MOST_K = 512;
/** Columns for each neighbour, and their components: fewer are folded as fast as surveyed. */
const LEAST_COLUMNS = 32;
const LEAST_NUMBERS = 2 ** 14;
/**
 * Points that are compared to see whether rounding leaves them apart, and which part of the pairs may
 * be alike: of a group's 32 pairs one in 32 groups. At one pair in 600 native code lost 0.12 of its
 * time in 3-D.
 */
const SAMPLED_ROWS = 32;
const SAMPLED_COLUMNS = 2048;
const MOST_ALIKE = 1 / 1024;
/** Components of these points, at most: of 784 each, all of them took as long as the fold. */
const SAMPLED_NUMBERS = 2 ** 22;
/** Components after which points that are apart already are left. */
const COMPARED = 8;
/** How far points may reach from their middle: their scale and its inverse are float32 numbers. */
const REACHES = [1e-12, 1e15] as const;

const TOO_LITTLE_MEMORY = "too little memory";

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
  readonly #isAsked: boolean;
  /** Why distances alone were folded; null as long as they were not. */
  #refusal: string | null = null;
  /** Whether it took more memory than there is. */
  #isGivenUp = false;

  private constructor(engine: Engine, fold: Fold, what: NearestFold, isAsked: boolean) {
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
    this.#isAsked = isAsked;
    this.kernel = kernelOf({
      ...fold,
      reduction: LISTS[fold.reduction] ?? fold.reduction,
      options: { ...fold.options, k: what.k },
      inputs: [...fold.inputs, points.rows, points.columns, points.scales],
      rounded: points,
    }, engine.math);
  }

  /** Null where it does not pay, or points have too few or too many components. */
  static of(
    engine: Engine,
    { rounds }: FoldRequest,
    fold: Fold,
    what: NearestFold,
    columns: number,
  ): RoundedFold | null {
    const { dim, k, pairs } = what;
    const fits = fold.float === "f32" && dim >= DIMS[0] && dim <= DIMS[1] && k <= MOST_K;
    const pays = isWorthIt(engine, pairs, dim, columns) && columns >= LEAST_COLUMNS * k &&
      columns * dim >= LEAST_NUMBERS;
    return fits && (rounds ?? pays) ? new RoundedFold(engine, fold, what, rounds === true) : null;
  }

  /** About how many times as fast as distances alone; the more components, the more. */
  get saving(): number {
    return 1 + this.#what.dim / 8;
  }

  /** The kernel that a launch takes, as far as is known; null where that is the fold's own. */
  get used(): Kernel | null {
    return this.#refusal === null ? this.kernel : null;
  }

  explain(): string[] {
    if (this.#refusal !== null) return [`rounding  none: ${this.#refusal}`];
    return [
      "rounding  points as integers of 16 bits, which tell where the nearest may be; where points are",
      "          not finite, or too many alike once rounded, distances alone: told once computed",
    ];
  }

  /** Leaves rounding after a launch found too little memory; false where it was left already. */
  giveUp(): boolean {
    if (this.#refusal !== null) return false;
    this.#refusal = TOO_LITTLE_MEMORY;
    return this.#isGivenUp = true;
  }

  /** What a launch takes; null where points are not as they must be. */
  launch(inputs: readonly Held[], segments: readonly Segment[]): RoundedLaunch | null {
    if (this.#isGivenUp) return null;
    const rounded = this.#rounded(inputs);
    if (typeof rounded === "string") {
      this.#refusal = rounded;
      return null;
    }
    this.#refusal = null;
    return {
      kernel: this.kernel,
      inputs: [...inputs, ...rounded],
      segments: segments.map((s) => ({ ...s, offsets: [...s.offsets, ...rounded.map(() => 0)] })),
    };
  }

  /** What is launched beside a fold's inputs, or why nothing is. */
  #rounded(inputs: readonly Held[]): NumberArray[] | string {
    const { rows, columns, dim, rounding } = this.#what;
    const [x, y] = [inputs[rows], inputs[columns]];
    if (!(x instanceof Float32Array && y instanceof Float32Array)) {
      return "points are not float32 numbers on the host";
    }
    const points = x === y ? [x] : [x, y];
    const areNumbers = points.every((one) => isWithin(one, Number.MAX_VALUE));
    const { centre } = boxOf(points, dim);
    const reach = Math.max(...points.map((one) => farthest(one, centre)));
    if (!areNumbers || reach < REACHES[0] || reach > REACHES[1]) {
      return "points that are not finite, too far from one another or all at one place";
    }
    const scale = MOST_NORM / reach;
    if (!this.#isAsked && isTooCoarse(x, y, dim, scale)) {
      return "too many points would be alike";
    }
    try {
      return [
        rounded(x, centre, scale, "row"),
        rounded(y, centre, scale, "column"),
        Float64Array.of((1 + rounding) / scale, scale * (1 + rounding)),
      ];
    } catch (error) {
      if (error instanceof RangeError) return TOO_LITTLE_MEMORY;
      throw error;
    }
  }
}

/** Whether so many pairs are folded that rounding the points is little beside what it saves. */
function isWorthIt(engine: Engine, pairs: number, dim: number, columns: number): boolean {
  const { roundsFrom } = engine;
  if (roundsFrom === undefined) return false;
  const points = pairs / columns + columns;
  return pairs * dim >= roundsFrom.numbers && pairs >= roundsFrom.met * points;
}

/** What is added to a number and taken away again to round it to an integer. */
const MAGIC = 1.5 * 2 ** 52;

/** The numbers of each point: words of its integers, with a sign, what follows them, and half |u|². */
function rounded(
  table: Coordinates,
  centre: Float64Array,
  scale: number,
  side: "row" | "column",
): Int32Array {
  const dim = centre.length;
  const isOdd = dim % 2 === 1;
  const length = side === "row" ? wordsOf(dim) + 1 : columnNumbers(dim);
  const signed = side === "row" ? -scale : scale;
  const numbers = new Int32Array(table.length / dim * length);
  const last = isOdd ? dim - 1 : dim;
  for (let from = 0, at = 0; from < table.length; from += dim, at += length) {
    let square = 0;
    let to = at;
    for (let d = 0; d < last; d += 2) {
      const low = (table[from + d] - centre[d]) * signed + MAGIC - MAGIC;
      const high = (table[from + d + 1] - centre[d + 1]) * signed + MAGIC - MAGIC;
      square += low * low + high * high;
      numbers[to++] = (low & 0xffff) | (high << 16);
    }
    if (!isOdd) {
      numbers[to] = Math.floor(square / 2);
      continue;
    }
    const low = (table[from + last] - centre[last]) * signed + MAGIC - MAGIC;
    const half = Math.floor((square + low * low) / 2);
    const high = side === "row" ? HEIGHT : (half - OFFSET) / HEIGHT + MAGIC - MAGIC;
    numbers[to++] = (low & 0xffff) | (high << 16);
    if (side === "row") numbers[to] = half + OFFSET;
  }
  return numbers;
}

/** Whether so many points are alike once rounded that looking at them first would be lost time. */
function isTooCoarse(x: Coordinates, y: Coordinates, dim: number, scale: number): boolean {
  const apart = (resolutionOf(dim) / scale) ** 2;
  const sampled = Math.min(SAMPLED_COLUMNS, SAMPLED_NUMBERS / (SAMPLED_ROWS * dim));
  const [rowStep, columnStep] = [x.length / dim / SAMPLED_ROWS, y.length / dim / sampled]
    .map((step) => dim * Math.max(1, Math.ceil(step)));
  let [alike, all] = [0, 0];
  for (let row = 0; row < x.length; row += rowStep) {
    for (let column = 0; column < y.length; column += columnStep, all++) {
      // a point of both tables is alike with itself: of few columns, too large a part
      if (row !== column && areAlike(x, row, y, column, dim, apart)) alike++;
    }
  }
  return alike > MOST_ALIKE * all;
}

/** Whether the points at two places are no farther apart than the root of a number. */
function areAlike(
  x: Coordinates,
  row: number,
  y: Coordinates,
  column: number,
  dim: number,
  apart: number,
): boolean {
  let square = 0;
  for (let from = 0; from < dim && square <= apart; from += COMPARED) {
    const to = Math.min(from + COMPARED, dim);
    for (let d = from; d < to; d++) {
      const off = x[row + d] - y[column + d];
      square += off * off;
    }
  }
  return square <= apart;
}
