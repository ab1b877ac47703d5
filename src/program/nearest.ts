// Which folds look for nearest points, and whether those that are too far are left out. Enters: a
// fold, its size and its points. Leaves: its outputs, where leaving out pays, and a line that says
// so.

import type { Engine, Held, NumberArray, RunControl } from "../engine/mod.ts";
import { isDeviceArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import type { Node, VariableNode } from "../formula/mod.ts";
import type { Fold } from "../lower/mod.ts";
import type { ReductionName } from "../reduction/mod.ts";
import { type Coordinates, isWithin } from "../sparse/mod.ts";
import { type NearestFold, NearestLaunch } from "./nearest_launch.ts";
import type { CullingCosts, FoldRequest } from "./request.ts";

/** Reductions that keep the smallest alone. */
const SMALLEST: ReadonlySet<ReductionName> = new Set<ReductionName>([
  "min",
  "argMin",
  "minArgMin",
  "kMin",
  "argKMin",
  "kMinArgKMin",
]);

/** Components beyond which boxes hardly ever tell points apart. */
const MOST_DIM = 16;
/** Columns per neighbour below which most of them stay. */
const LEAST_COLUMNS = 8;
/** Unit roundoffs. */
const UNIT = { f32: 2 ** -24, f64: 2 ** -53 } as const;
/** The largest component: squares of differences stay finite. */
const LARGEST = { f32: 1e15, f64: 1e150 } as const;

/**
 * What leaving out costs, in pairs of a fold of all (native code on two threads, Zen 4, 2026-11-23;
 * WebAssembly folds fewer of them in that time, and gains more).
 */
const COSTS: CullingCosts = {
  column: 1000,
  row: 1000,
  sortedRow: 13000,
  neighbour: 80,
  listed: 400,
  pair: 2,
  // points in a cube (Intel Xeon, AVX-512): 50 smallest of 30,000 and 100 of 45,000 do not gain,
  // and would have been tried for 0.1 and 0.25 of the time; 50 of 45,000 gain 1.45 times
  trying: 2.1,
};
/** K from which results are sorted at the end, which takes as long for few pairs. */
const SORTED_K = 17;
/** Components from which points are tried only where that takes a small part of the time. */
const MANY_COMPONENTS = 4;

type Points = readonly [VariableNode, VariableNode];

/** The points of i and of j that a formula subtracts. */
function subtracted(a: Node | undefined, b: Node | undefined): Points | null {
  if (a?.kind !== "variable" || b?.kind !== "variable" || a.dim !== b.dim) return null;
  if (a.number === "index" || b.number === "index") return null;
  if (a.axis === "i" && b.axis === "j") return [a, b];
  return a.axis === "j" && b.axis === "i" ? [b, a] : null;
}

function ofDifference(node: Node): Points | null {
  return node.kind === "op" && node.op === "sub" ? subtracted(node.args[0], node.args[1]) : null;
}

/** The points whose differences a formula squares, one by one. */
function ofSquares(node: Node): Points | null {
  if (node.kind !== "op") return null;
  const isSquare = node.op === "square" || (node.op === "pow" && node.attributes[0] === 2) ||
    (node.op === "mul" && node.args[0] === node.args[1]);
  return isSquare ? ofDifference(node.args[0]) : null;
}

/** The points whose squared distance a formula is. */
function ofSquaredDistance(node: Node): Points | null {
  if (node.kind !== "op") return null;
  switch (node.op) {
    case "sqDist":
      return subtracted(node.args[0], node.args[1]);
    case "sqNorm2":
      return ofDifference(node.args[0]);
    case "sum":
      return ofSquares(node.args[0]);
    default:
      return node.dim === 1 ? ofSquares(node) : null;
  }
}

/** The points whose distance a formula is. */
function ofDistance(node: Node): Points | null {
  if (node.kind !== "op") return null;
  if (node.op === "sqrt") return ofSquaredDistance(node.args[0]);
  const isNorm = node.op === "norm2" || (node.op === "abs" && node.dim === 1);
  return isNorm ? ofDifference(node.args[0]) : null;
}

/** Why boxes would not tell near points from others; null where they may. */
function whyNear({ dim, k }: NearestFold, columns: number): string | null {
  if (dim > MOST_DIM) return `points of more than ${MOST_DIM} components`;
  return LEAST_COLUMNS * k > columns ? "most points would be near" : null;
}

/** What a fold for the smallest values of a table looks for; null of others. */
export function nearestOf(
  request: FoldRequest,
  fold: Fold,
  M: number,
  N: number,
): NearestFold | null {
  if (!SMALLEST.has(fold.reduction) || whyPart(request) !== null) return null;
  const what = nearestFold(fold, M, N);
  return typeof what === "string" ? null : what;
}

/** What a fold looks for, or why it folds all pairs. */
export function nearestFold(fold: Fold, rows: number, columns: number): NearestFold | string {
  const squared = ofSquaredDistance(fold.formula);
  const points = squared ?? ofDistance(fold.formula);
  if (points === null || fold.formula.dim !== 1 || fold.weight) {
    return "the formula is no distance between points of i and j";
  }
  const [{ slot: row, dim }, { slot: column }] = points;
  const { reduction, options } = fold;
  const k = reduction.startsWith("k") || reduction === "argKMin" ? options.k : 1;
  return {
    rows: row,
    columns: column,
    dim,
    k,
    isRoot: squared === null,
    // differences, squares, sums and roots err by dim + 4 units at most, on either side of a bound
    rounding: 16 * (dim + 8) * UNIT[fold.float],
    pairs: rows * columns,
  };
}

/** How one fold leaves out points that are too far. */
export class Culling {
  readonly #engine: Engine;
  readonly #fold: Fold;
  readonly #costs: CullingCosts;
  readonly #rows: number;
  readonly #what: NearestFold | null;
  /** How many times as fast all pairs are folded by rounded points. */
  readonly #rounding: number;
  /** What is, or was, done about it, for people. */
  #note: string;
  /** Whether it leaves out some, as far as is known. */
  #leavesOut: boolean;

  private constructor(
    engine: Engine,
    request: FoldRequest,
    fold: Fold,
    M: number,
    N: number,
    rounding: number,
  ) {
    this.#engine = engine;
    this.#rounding = rounding;
    this.#fold = fold;
    this.#rows = M;
    this.#costs = request.cullingCosts ?? COSTS;
    const found = whyNot(engine, request) ?? nearestFold(fold, M, N);
    const what = typeof found === "string" ? found : whyNear(found, N) ?? found;
    const isSmall = typeof what !== "string" && !this.#isTried(what);
    this.#what = typeof what === "string" || isSmall ? null : what;
    this.#leavesOut = this.#what !== null;
    this.#note = isSmall
      ? "none: too few points for it to pay"
      : typeof what === "string"
      ? `none: ${what}`
      : "points in boxes, where most pairs are too far; told once computed";
  }

  /**
   * Of folds for the smallest values of M rows and N columns; null of others. Rounding makes the
   * fold of all pairs so many times as fast.
   */
  static of(
    engine: Engine,
    request: FoldRequest,
    fold: Fold,
    M: number,
    N: number,
    rounding: number,
  ): Culling | null {
    return SMALLEST.has(fold.reduction) ? new Culling(engine, request, fold, M, N, rounding) : null;
  }

  explain(): string[] {
    const note = `culling   ${this.#note}`;
    if (!this.#leavesOut) return [note];
    return [
      note,
      "          schedule, loop IR and source are those of all pairs: what is launched is the same",
      "          formula, with +∞ beyond what bounds a row's neighbours where several are wanted",
    ];
  }

  #foldsAll(why: string): null {
    this.#leavesOut = false;
    this.#note = `none: ${why}`;
    return null;
  }

  /** The outputs for all rows; null where all pairs are to be folded. */
  async run(inputs: readonly Held[], control: RunControl): Promise<NumberArray[] | null> {
    const what = this.#what;
    if (what === null) return null;
    const [x, y] = [inputs[what.rows], inputs[what.columns]];
    if (isDeviceArray(x) || isDeviceArray(y)) return this.#foldsAll("points are not on the host");
    if (x instanceof Int32Array || y instanceof Int32Array) {
      return this.#foldsAll("points are integers");
    }
    const largest = LARGEST[this.#fold.float];
    if (!isWithin(x, largest) || (x !== y && !isWithin(y, largest))) {
      return this.#foldsAll("points that are not finite, or too large to square");
    }
    try {
      return await this.#cull(what, x, y, control);
    } catch (error) {
      if (!(error instanceof PairfoldError && error.code === "memory")) throw error;
      return this.#foldsAll("too little memory for boxes and lists");
    }
  }

  async #cull(
    what: NearestFold,
    x: Coordinates,
    y: Coordinates,
    control: RunControl,
  ): Promise<NumberArray[] | null> {
    const points = { engine: this.#engine, fold: this.#fold, what, x, y };
    const launch = await NearestLaunch.of(points, control);
    const { outputs, pairs } = await launch.run(control, (pairs, listed) => {
      const { listed: ofListed, pair } = this.#costs;
      const cost = this.#costOfPoints(what) + listed * ofListed + pairs * pair;
      return cost * this.#rounding <= what.pairs;
    });
    const share = `${(100 * pairs / what.pairs).toPrecision(3)} %`;
    if (outputs === null) return this.#foldsAll(`about ${share} of the pairs are near enough`);
    this.#leavesOut = true;
    this.#note =
      `${pairs} of ${what.pairs} pairs folded, ${share}: points in boxes, others are too far`;
    return outputs;
  }

  #costOfPoints({ k, pairs }: NearestFold): number {
    const { column, row, sortedRow, neighbour } = this.#costs;
    return pairs / this.#rows * column +
      this.#rows * ((k < SORTED_K ? row : sortedRow) + neighbour * k);
  }

  /** Whether points are worth a look: the more components, the less likely is a gain. */
  #isTried(what: NearestFold): boolean {
    const unlikely = Math.max(1, what.dim - MANY_COMPONENTS + 2);
    const cost = this.#costOfPoints(what) * this.#rounding;
    return cost * this.#costs.trying * unlikely < what.pairs;
  }
}

/** Why a request is no candidate, whatever its formula. */
function whyNot(engine: Engine, request: FoldRequest): string | null {
  if (request.choices.culling === false) return "not wanted";
  return engine.onHost ? whyPart(request) : `${engine.name} folds all pairs`;
}

/** Why a request is no fold of one table's rows over another's; null where it is one. */
function whyPart({ batch, segments, ranges, pairs }: FoldRequest): string | null {
  if ((batch?.shape.length ?? 0) > 0) return "batches fold all pairs";
  const isPart = segments !== undefined || pairs !== undefined;
  return isPart || ranges !== undefined ? "ranges fold all of their pairs" : null;
}
