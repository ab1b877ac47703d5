// The K nearest points without those that are too far. Enters: a fold for the smallest distances, and
// its points. Leaves: the same numbers, of fewer pairs.
//
// Points are sorted into boxes. A first launch folds each part of the rows with columns that stand
// near to it; the K-th of what it finds bounds how far the K nearest can be. A second one folds each
// part with all columns whose boxes are no farther, in the order of their table, so that ties go to
// the lower index as they do among all.

import type { Engine, Held, NumberArray, RunControl, Segment } from "../engine/mod.ts";
import { isDeviceArray } from "../engine/mod.ts";
import { build, constant, type Node, variable, type VariableNode } from "../formula/mod.ts";
import type { Fold } from "../lower/mod.ts";
import type { ReductionName } from "../reduction/mod.ts";
import { type Coordinates, NearColumns, nearLeaf, PointTree } from "../sparse/mod.ts";
import { allocate } from "../tensor/mod.ts";
import { kernelOf } from "./canonical.ts";

/** A fold for the smallest distances between points of i and of j. */
export interface NearestFold {
  /** Inputs that hold the points. */
  readonly rows: number;
  readonly columns: number;
  readonly dim: number;
  /** How many are wanted. */
  readonly k: number;
  /** Whether distances are not squared. */
  readonly isRoot: boolean;
}

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
/** Pairs from which sorting pays; for more components than a few, most columns may stay. */
const LEAST_PAIRS = 2e8;
const LEAST_PAIRS_OF_MANY = 4e9;
const FEW_COMPONENTS = 4;
/** The part of the pairs beyond which leaving out the others does not pay. */
const MOST_KEPT = 0.4;
/** Points of a leaf of columns; rows that share a list of columns. */
const LEAF = 32;
const PART = 128;
/** Columns of the first launch beside those of a part or a leaf, on either side, for a K of one. */
const BESIDE = 16;
/** Columns that one launch takes at most, each list with its own copy of them. */
const WAVE = 2 ** 20;
/** The largest component: squares of differences stay finite. */
const LARGEST = { f32: 1e15, f64: 1e150 } as const;
/** What rounding may change of a squared distance, relatively and where it underflows. */
const ROUNDING = 1e-5;
const UNDERFLOW = { f32: 1e-36, f64: 1e-300 } as const;

/** The points whose (squared) distance a formula is. */
function pointsOf(node: Node): [VariableNode, VariableNode] | null {
  if (node.kind !== "op") return null;
  const [first, second] = node.args;
  const differences = (a: Node, b: Node): [VariableNode, VariableNode] | null => {
    if (a.kind !== "variable" || b.kind !== "variable" || a.dim !== b.dim) return null;
    if (a.number === "index" || b.number === "index") return null;
    if (a.axis === "i" && b.axis === "j") return [a, b];
    return a.axis === "j" && b.axis === "i" ? [b, a] : null;
  };
  const ofDifference = (d: Node): [VariableNode, VariableNode] | null =>
    d.kind === "op" && d.op === "sub" ? differences(d.args[0], d.args[1]) : null;
  const ofSquares = (d: Node): [VariableNode, VariableNode] | null => {
    if (d.kind !== "op") return null;
    const isSquare = d.op === "square" || (d.op === "pow" && d.attributes[0] === 2) ||
      (d.op === "mul" && d.args[0] === d.args[1]);
    return isSquare ? ofDifference(d.args[0]) : null;
  };
  switch (node.op) {
    case "sqDist":
      return differences(first, second);
    case "sqNorm2":
    case "norm2":
      return ofDifference(first);
    case "sum":
      return ofSquares(first);
    case "sqrt":
      return pointsOf(first);
    default:
      return node.dim === 1 && node.args[0]?.dim === 1 ? ofSquares(node) : null;
  }
}

/** What a fold looks for, where that is the nearest points; null for others. */
export function nearestFold(fold: Fold, rows: number, columns: number): NearestFold | null {
  if (!SMALLEST.has(fold.reduction) || fold.formula.dim !== 1) return null;
  const points = pointsOf(fold.formula);
  if (points === null) return null;
  const [{ slot: row, dim }, { slot: column }] = points;
  const least = dim <= FEW_COMPONENTS ? LEAST_PAIRS : LEAST_PAIRS_OF_MANY;
  const k = fold.reduction.startsWith("k") || fold.reduction === "argKMin" ? fold.options.k : 1;
  if (dim > MOST_DIM || rows * columns < least || 8 * k > columns) return null;
  const { formula } = fold;
  const isRoot = formula.kind === "op" && (formula.op === "sqrt" || formula.op === "norm2");
  return { rows: row, columns: column, dim, k, isRoot };
}

/** Rows of a table in some order. */
function gathered(
  table: Coordinates,
  dim: number,
  order: Int32Array,
  count = order.length,
): Coordinates {
  const out = table instanceof Float32Array
    ? new Float32Array(count * dim)
    : new Float64Array(count * dim);
  for (let k = 0, at = 0; k < count; k++) {
    for (let d = 0, from = order[k] * dim; d < dim; d++) out[at++] = table[from++];
  }
  return out;
}

const isFinitePoints = (points: Coordinates, largest: number): boolean =>
  points.every((value) => Math.abs(value) <= largest);

/** A part of the rows, where the first launch folds it, and how far its nearest columns can be. */
interface Part {
  readonly node: number;
  readonly i0: number;
  readonly i1: number;
  readonly j0: number;
  readonly j1: number;
  reach: number;
  columns: number;
}

/** The rows and columns that one launch takes, and what it fills. */
interface Pass {
  readonly fold: Fold;
  readonly inputs: readonly Coordinates[];
  readonly outputs: readonly NumberArray[];
  readonly segments: readonly Segment[];
}

/** The nearest points of one launch, without those that are too far. */
export class NearestLaunch {
  readonly #engine: Engine;
  readonly #fold: Fold;
  readonly #what: NearestFold;
  readonly #x: Coordinates;
  readonly #y: Coordinates;
  readonly #columns: PointTree;
  readonly #rows: PointTree;
  readonly #parts: readonly Part[];

  private constructor(
    engine: Engine,
    fold: Fold,
    what: NearestFold,
    x: Coordinates,
    y: Coordinates,
  ) {
    this.#engine = engine;
    this.#fold = fold;
    this.#what = what;
    this.#x = x;
    this.#y = y;
    this.#columns = new PointTree(y, what.dim, LEAF);
    this.#rows = x === y ? this.#columns : new PointTree(x, what.dim, LEAF);
    this.#parts = this.#partsOf(BESIDE + what.k);
  }

  /** Of points that stand on the host and are finite; null for others. */
  static of(
    engine: Engine,
    fold: Fold,
    what: NearestFold,
    inputs: readonly Held[],
  ): NearestLaunch | null {
    const [x, y] = [inputs[what.rows], inputs[what.columns]];
    if (isDeviceArray(x) || isDeviceArray(y)) return null;
    if (x instanceof Int32Array || y instanceof Int32Array) return null;
    const largest = LARGEST[fold.float];
    if (!isFinitePoints(x, largest) || (x !== y && !isFinitePoints(y, largest))) return null;
    return new NearestLaunch(engine, fold, what, x, y);
  }

  /** The outputs for all rows; null where too many columns are near. */
  async run({ signal, onProgress }: RunControl): Promise<NumberArray[] | null> {
    const [rows, columns] = [this.#rows, this.#columns];
    const near = new NearColumns(columns);
    const x = gathered(this.#x, this.#what.dim, rows.order);
    const bounds = await this.#bound(x, signal);
    let pairs = 0;
    for (const part of this.#parts) {
      part.columns = near.find(rows, part.node, part.reach);
      pairs += part.columns * (part.i1 - part.i0);
    }
    if (pairs > MOST_KEPT * rows.order.length * columns.order.length) return null;
    const fold = this.#bounded();
    const found = this.#outputsOf(fold);
    const results = this.#outputsOf(fold);
    let done = 0;
    for (const wave of wavesOf(this.#parts)) {
      const lists = new Int32Array(wave.reduce((total, part) => total + part.columns, 0));
      let at = 0;
      const segments = wave.map(({ node, i0, i1, reach, columns: j1 }) => {
        near.find(rows, node, reach);
        near.write(lists, at);
        at += j1;
        return this.#segment(fold, i0, i1, j1, at - j1);
      });
      const y = gathered(this.#y, this.#what.dim, lists);
      const before = done;
      const inputs = this.#inputs(fold, x, y, bounds);
      await this.#launch({ fold, inputs, outputs: found, segments }, {
        signal,
        onProgress: onProgress &&
          ((p) => onProgress({ ...p, done: before + p.done, total: pairs })),
      });
      at = 0;
      for (const { i0, i1, columns: count } of wave) {
        this.#keep(fold, found, results, i0, i1, lists.subarray(at, at += count));
        done += count * (i1 - i0);
      }
    }
    return results;
  }

  /** The rows in parts, each with columns near to it, and so many on either side. */
  #partsOf(beside: number): Part[] {
    const [rows, columns] = [this.#rows, this.#columns];
    return rows.parts(PART).map((node) => {
      const own = rows === columns ? node : nearLeaf(rows, node, columns);
      return {
        node,
        i0: rows.start[node],
        i1: rows.end[node],
        j0: Math.max(0, columns.start[own] - beside),
        j1: Math.min(columns.order.length, columns.end[own] + beside),
        reach: 0,
        columns: 0,
      };
    });
  }

  /**
   * Folds parts with the columns that stand near to them: sets how far the nearest ones of each part
   * can be, and returns what the formula is at most for those of each row.
   */
  async #bound(x: Coordinates, signal: AbortSignal | undefined): Promise<Coordinates> {
    const { dim, k, isRoot } = this.#what;
    const fold: Fold = { ...this.#fold, reduction: k === 1 ? "min" : "kMin" };
    const y = this.#x === this.#y ? x : gathered(this.#y, dim, this.#columns.order);
    const outputs = this.#outputsOf(fold);
    const segments = this.#parts.map(({ i0, i1, j0, j1 }) =>
      this.#segment(fold, i0, i1, j1 - j0, j0)
    );
    await this.#launch({ fold, inputs: this.#inputs(fold, x, y, x), outputs, segments }, {
      signal,
    });
    const [values] = outputs;
    const count = x.length / dim;
    const bounds = fold.float === "f32" ? new Float32Array(count) : new Float64Array(count);
    for (const part of this.#parts) {
      for (let i = part.i0; i < part.i1; i++) {
        bounds[i] = values[i * k + k - 1] * (1 + ROUNDING) + UNDERFLOW[fold.float];
        part.reach = Math.max(part.reach, isRoot ? bounds[i] ** 2 : bounds[i]);
      }
      part.reach = part.reach * (1 + ROUNDING) + UNDERFLOW[fold.float];
    }
    return bounds;
  }

  /** The fold with +∞ for what is beyond a row's bound: it never enters a list that is full. */
  #bounded(): Fold {
    const fold = this.#fold;
    if (this.#what.k === 1) return fold;
    const bound = variable(fold.inputs.length, "i", 1);
    const formula = build.where(build.le(fold.formula, bound), fold.formula, constant(Infinity));
    return { ...fold, formula, inputs: [...fold.inputs, bound] };
  }

  /** What the inputs of a fold are: points, and the bounds where it asks for them. */
  #inputs(fold: Fold, x: Coordinates, y: Coordinates, bounds: Coordinates): Coordinates[] {
    const { rows, columns } = this.#what;
    return fold.inputs.map((_, slot) => slot === rows ? x : slot === columns ? y : bounds);
  }

  #segment({ inputs }: Fold, i0: number, i1: number, j1: number, first: number): Segment {
    const offsets = inputs.map((_, slot) => slot === this.#what.columns ? first : 0);
    // as rows of one long fold: columns are not split
    return { i0, i1, j0: 0, j1, offsets, output: 0, wholeRows: 2 ** 30 };
  }

  #outputsOf(fold: Fold): NumberArray[] {
    const rows = this.#rows.order.length;
    return kernelOf(fold, this.#engine.math).outputs.map(({ dim, number }) =>
      allocate(
        number === "index" ? "int32" : fold.float === "f32" ? "float32" : "float64",
        rows * dim,
      )
    );
  }

  async #launch({ fold, inputs, outputs, segments }: Pass, control: RunControl): Promise<void> {
    const kernel = kernelOf(fold, this.#engine.math);
    const columns = segments.reduce((total, { j1 }) => total + j1, 0) / segments.length;
    const program = this.#engine.compile(kernel, this.#rows.order.length, columns);
    await this.#engine.launch(program, inputs, outputs, segments, control);
  }

  /** Writes what was found for some rows to where they stand in their table. */
  #keep(
    fold: Fold,
    found: readonly NumberArray[],
    results: readonly NumberArray[],
    i0: number,
    i1: number,
    columns: Int32Array,
  ): void {
    const { k } = this.#what;
    const { order } = this.#rows;
    for (const [slot, { number }] of kernelOf(fold, this.#engine.math).outputs.entries()) {
      const [from, to] = [found[slot], results[slot]];
      const isIndex = number === "index";
      for (let i = i0; i < i1; i++) {
        for (let n = 0, at = i * k, out = order[i] * k; n < k; n++, at++, out++) {
          to[out] = isIndex ? columns[from[at]] : from[at];
        }
      }
    }
  }
}

/** Parts whose lists are in memory together. */
function* wavesOf(parts: readonly Part[]): Generator<readonly Part[]> {
  for (let first = 0; first < parts.length;) {
    let [last, total] = [first, 0];
    do total += parts[last++].columns; while (
      last < parts.length && total + parts[last].columns <= WAVE
    );
    yield parts.slice(first, last);
    first = last;
  }
}
