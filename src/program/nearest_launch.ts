// The K nearest points of one launch, without those that are too far. Enters: a fold for the
// smallest distances, and its points. Leaves: the same numbers, of fewer pairs.
//
// Points are sorted into boxes. A first fold of each part of the rows, with columns that stand near
// to it, bounds how far the K nearest of its rows can be. A second one takes all columns whose
// boxes are no farther from the part's, in the order of their table, so that ties go to the lower
// index as they do among all.

import type { Engine, NumberArray, Progress, RunControl, Segment } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { nextTurn, throwIfAborted } from "../engine/launches.ts";
import { build, constant, variable } from "../formula/mod.ts";
import type { Kernel } from "../loop/mod.ts";
import type { Fold } from "../lower/mod.ts";
import { type Coordinates, gathered, NearColumns, nearNode, PointTree } from "../sparse/mod.ts";
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
  /** How much a distance that is computed may differ from the boxes', relatively. */
  readonly rounding: number;
  /** Pairs of the whole fold. */
  readonly pairs: number;
}

/** What is looked for, and where: rows of x, columns of y, all finite. */
export interface NearestPoints {
  readonly engine: Engine;
  readonly fold: Fold;
  readonly what: NearestFold;
  readonly x: Coordinates;
  readonly y: Coordinates;
}

/** Points of a leaf of columns; rows that share a list of columns. */
const LEAF = 32;
const PART = 128;
/** Columns of the first fold beside those of a part, on either side, for a K of none. */
const BESIDE = 16;
/** Parts that are tried before all of them. */
const SAMPLED = 32;
/** Numbers that bounds are taken from at a time, unless they are of one part. */
const BOUND_NUMBERS = 2 ** 21;
/** Columns that one launch takes at most, each list with its own copy of them. */
const WAVE = 2 ** 18;
/**
 * Parts whose lists are counted, and points that are sorted, in some milliseconds: then others run.
 */
const TURN_PARTS = 256;
const TURN_POINTS = 2 ** 14;
/** Where squares underflow: what is added to bounds of them. */
const UNDERFLOW = { f32: 1e-36, f64: 1e-300 } as const;

/** A part of the rows, where it is folded first, and how far its nearest columns can be. */
interface Part {
  readonly node: number;
  readonly i0: number;
  readonly i1: number;
  readonly j0: number;
  readonly j1: number;
  reach: number;
  columns: number;
}

/** Some parts and the columns near to them, ready to be launched. */
interface Wave {
  readonly parts: readonly Part[];
  readonly lists: Int32Array;
  readonly columns: Coordinates;
  readonly segments: readonly Segment[];
}

/** What is said to run: inputs, outputs, where. */
interface Pass {
  readonly fold: Fold;
  readonly inputs: readonly Coordinates[];
  readonly outputs: readonly NumberArray[];
  readonly segments: readonly Segment[];
}

/** What came of a launch. */
export interface Nearest {
  /** The outputs for all rows; null where so many columns are near that it does not pay. */
  readonly outputs: NumberArray[] | null;
  /** Pairs that were, or would have been, folded. */
  readonly pairs: number;
}

/** What makes arrays beside the fold's own; says so where there is no memory for them. */
function allocating<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new PairfoldError("memory", "nearest points: cannot allocate boxes and lists", {
      cause: error,
    });
  }
}

/** The nearest points of one launch. */
export class NearestLaunch {
  readonly #engine: Engine;
  readonly #fold: Fold;
  readonly #what: NearestFold;
  /** The kernel that folds all pairs: engines are chosen by it. */
  readonly #whole: Kernel;
  readonly #table: Coordinates;
  readonly #columns: PointTree;
  readonly #rows: PointTree;
  readonly #parts: readonly Part[];
  readonly #near: NearColumns;
  /** What the formula is at most for the nearest columns of each row, in the tree's order. */
  readonly #bounds: Coordinates;

  /** With the trees of rows and of columns, which may be one. */
  private constructor(
    { engine, fold, what, y }: NearestPoints,
    rows: PointTree,
    columns: PointTree,
  ) {
    const { k } = what;
    this.#engine = engine;
    this.#fold = fold;
    this.#what = what;
    this.#whole = kernelOf(fold, engine.math);
    this.#table = y;
    this.#columns = columns;
    this.#rows = rows;
    const beside = BESIDE + k;
    this.#parts = rows.parts(PART).map((node) => {
      const own = rows === columns ? node : nearNode(rows, node, columns, PART);
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
    this.#near = allocating(() => new NearColumns(columns));
    const Bounds = fold.float === "f32" ? Float32Array : Float64Array;
    this.#bounds = allocating(() => new Bounds(rows.order.length));
  }

  /** Builds the trees; the event loop turns between them. */
  static async of(points: NearestPoints, control: RunControl): Promise<NearestLaunch> {
    const { x, y, what: { dim } } = points;
    const treeOf = async (table: Coordinates): Promise<PointTree> => {
      throwIfAborted(control);
      const tree = allocating(() => new PointTree(table, dim, LEAF));
      if (tree.order.length >= TURN_POINTS) await nextTurn();
      return tree;
    };
    const columns = await treeOf(y);
    const rows = x === y ? columns : await treeOf(x);
    throwIfAborted(control);
    return new NearestLaunch(points, rows, columns);
  }

  /** The outputs, where `pays` says so of the pairs that about so many lists of columns make. */
  async run(
    control: RunControl,
    pays: (pairs: number, columns: number) => boolean,
  ): Promise<Nearest> {
    const { signal } = control;
    const step = Math.max(1, Math.floor(this.#parts.length / SAMPLED));
    const isSampled = (_: Part, n: number): boolean => n % step === 0;
    const sample = this.#parts.filter(isSampled);
    await this.#bound(sample, signal);
    await this.#find(sample, control);
    const share = rowsOf(this.#parts) / rowsOf(sample);
    const estimate = pairsOf(sample) * share;
    if (!pays(estimate, columnsOf(sample) * share)) return { outputs: null, pairs: estimate };
    const others = this.#parts.filter((part, n) => !isSampled(part, n));
    await this.#bound(others, signal);
    await this.#find(others, control);
    const pairs = pairsOf(this.#parts);
    if (!pays(pairs, columnsOf(this.#parts))) return { outputs: null, pairs };
    return { outputs: await this.#nearest(pairs, control), pairs };
  }

  /**
   * Folds all parts with the columns near to them. While one wave runs, what the last one found is
   * taken over, and the next lists are written.
   */
  async #nearest(pairs: number, control: RunControl): Promise<NumberArray[]> {
    const { onProgress } = control;
    const fold = this.#bounded();
    const results = this.#outputsOf(fold, this.#rows.order.length);
    const waves = [...wavesOf(this.#parts)];
    const mostRows = waves.reduce((most, parts) => Math.max(most, rowsOf(parts)), 0);
    let [found, other] = [0, 1].map(() => this.#outputsOf(fold, mostRows));
    let last: Wave | null = null;
    let wave = this.#wave(fold, waves[0]);
    for (let n = 0, done = 0; n < waves.length; n++) {
      const before = done;
      const tell = onProgress &&
        ((p: Progress) => onProgress({ ...p, done: before + p.done, total: pairs }));
      const { columns, segments } = wave;
      const inputs = this.#inputs(fold, columns);
      const running = this.#launch({ fold, inputs, outputs: found, segments }, {
        ...control,
        onProgress: tell,
      });
      let next = wave;
      try {
        if (last !== null) this.#keep(fold, other, results, last);
        if (n + 1 < waves.length) next = this.#wave(fold, waves[n + 1]);
      } finally {
        await running; // whatever happens meanwhile, nothing is left running
      }
      done += pairsOf(wave.parts);
      [last, wave] = [wave, next];
      [found, other] = [other, found];
    }
    if (last !== null) this.#keep(fold, other, results, last);
    return results;
  }

  /** The columns near to some parts, one list after another. */
  #wave(fold: Fold, parts: readonly Part[]): Wave {
    const lists = allocating(() => new Int32Array(columnsOf(parts)));
    let at = 0;
    const segments = parts.map(({ node, i0, i1, reach, columns }) => {
      this.#near.find(this.#rows, node, reach);
      this.#near.write(lists, at);
      at += columns;
      return this.#segment(fold, i0, i1, columns, at - columns, -parts[0].i0);
    });
    const columns = allocating(() => gathered(this.#table, this.#what.dim, lists));
    return { parts, lists, columns, segments };
  }

  /**
   * Folds parts with the columns that stand near to them: sets how far the nearest ones of each
   * part can be, and what the formula is at most for those of each row.
   */
  async #bound(parts: readonly Part[], signal: AbortSignal | undefined): Promise<void> {
    const { k, isRoot, rounding } = this.#what;
    const fold: Fold = { ...this.#fold, reduction: k === 1 ? "min" : "kMin" };
    const inputs = this.#inputs(fold, this.#columns.points);
    const bounds = this.#bounds;
    const underflow = UNDERFLOW[fold.float];
    const size = Math.max(1, Math.floor(BOUND_NUMBERS / (k * PART)));
    for (let first = 0; first < parts.length; first += size) {
      const some = parts.slice(first, first + size);
      const outputs = this.#outputsOf(fold, rowsOf(some));
      // parts that are tried are far apart: their outputs are not
      let rows = 0;
      const segments = some.map(({ i0, i1, j0, j1 }) => {
        const output = rows - i0;
        rows += i1 - i0;
        return this.#segment(fold, i0, i1, j1 - j0, j0, output);
      });
      await this.#launch({ fold, inputs, outputs, segments }, { signal });
      const [values] = outputs;
      for (const [n, part] of some.entries()) {
        const { output } = segments[n];
        let most = 0;
        for (let row = part.i0; row < part.i1; row++) {
          bounds[row] = values[(row + output) * k + k - 1] * (1 + rounding) + underflow;
          most = Math.max(most, bounds[row]);
        }
        part.reach = (isRoot ? most ** 2 : most) * (1 + rounding) + underflow;
      }
    }
  }

  /** Counts the columns near to parts; the event loop turns now and then. */
  async #find(parts: readonly Part[], control: RunControl): Promise<void> {
    for (const [n, part] of parts.entries()) {
      if (n % TURN_PARTS === 0) {
        if (n > 0) await nextTurn();
        throwIfAborted(control);
      }
      part.columns = this.#near.find(this.#rows, part.node, part.reach);
    }
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
  #inputs(fold: Fold, y: Coordinates): Coordinates[] {
    const { rows, columns } = this.#what;
    return fold.inputs.map((_, slot) =>
      slot === rows ? this.#rows.points : slot === columns ? y : this.#bounds
    );
  }

  /** Rows with so many columns from the first one on; outputs are written at row i + output. */
  #segment(
    { inputs }: Fold,
    i0: number,
    i1: number,
    j1: number,
    first: number,
    output: number,
  ): Segment {
    const offsets = inputs.map((_, slot) => slot === this.#what.columns ? first : 0);
    // as rows of one long fold: columns are not split
    return { i0, i1, j0: 0, j1, offsets, output, wholeRows: 2 ** 30 };
  }

  #outputsOf(fold: Fold, rows: number): NumberArray[] {
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
    const program = this.#engine.compile(kernel, this.#rows.order.length, columns, {
      kernel: this.#whole,
      pairs: this.#what.pairs,
    });
    await this.#engine.launch(program, inputs, outputs, segments, control);
  }

  /** Writes what was found for some rows to where they stand in their table. */
  #keep(fold: Fold, found: NumberArray[], results: NumberArray[], { parts, lists }: Wave): void {
    const { k } = this.#what;
    const { order } = this.#rows;
    const [{ i0: begin }] = parts;
    for (const [slot, { number }] of kernelOf(fold, this.#engine.math).outputs.entries()) {
      const [from, to] = [found[slot], results[slot]];
      let first = 0;
      for (const { i0, i1, columns } of parts) {
        for (let i = i0; i < i1; i++) {
          for (let n = 0, at = (i - begin) * k, out = order[i] * k; n < k; n++, at++, out++) {
            to[out] = number === "index" ? lists[first + from[at]] : from[at];
          }
        }
        first += columns;
      }
    }
  }
}

const rowsOf = (parts: readonly Part[]): number =>
  parts.reduce((total, { i0, i1 }) => total + i1 - i0, 0);

const columnsOf = (parts: readonly Part[]): number =>
  parts.reduce((total, { columns }) => total + columns, 0);

const pairsOf = (parts: readonly Part[]): number =>
  parts.reduce((total, { i0, i1, columns }) => total + columns * (i1 - i0), 0);

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
