// Sweeps: one size of a problem goes from small to large, all contestants take turns at every
// point.

import { uniform } from "../random.ts";
import { NOTHING, ratio, seconds, table, Times, warm } from "../report.ts";
import type { PlotFrame, PlotPoint } from "../plots.ts";
import { type Contestant, isVariant, type Problem, writeProblem } from "./contestants.ts";

/** A sweep as the suite knows it. */
export interface Sweep {
  readonly name: string;
  readonly title: string;
  /** What the varied size is called. */
  readonly axis: string;
  readonly values: readonly number[];
  /** What is drawn, from the pairs per second. */
  readonly speed: {
    readonly label: string;
    readonly of: (problem: Sizes, pairs: number) => number;
  };
  readonly problem: (value: number) => Sizes;
}

/** A problem without its numbers. */
export type Sizes = Omit<Problem, "x" | "y" | "b">;

const gaussian: Sizes = {
  operation: "gaussian",
  rows: 4096,
  columns: 4096,
  dim: 3,
  weights: 1,
  k: 1,
  scale: 2,
};
/** Pairs of the largest problems: rows are as many as make so many with all columns. */
const MOST_PAIRS = 1e10;

const gpairs = { label: "Gpairs/s", of: (_: Sizes, pairs: number) => pairs / 1e9 };
/** Operations of a pair: difference, product and sum per component, product and sum per weight. */
const gflops = {
  label: "GFLOP/s of D and b",
  of: ({ dim, weights }: Sizes, pairs: number) => pairs * (3 * dim + 2 * weights) / 1e9,
};

export const SWEEPS: readonly Sweep[] = [
  {
    name: "points",
    title: "Gaussian sum, D = 3",
    axis: "N",
    values: [100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000],
    speed: gpairs,
    problem: (n) => ({
      ...gaussian,
      columns: n,
      rows: Math.max(1, Math.min(n, Math.floor(MOST_PAIRS / n))),
    }),
  },
  {
    name: "dims",
    title: "Gaussian sum, N = 4096, along the dimension of the points",
    axis: "D",
    values: [
      ...[1, 2, 3, 5, 8, 12, 16, 24, 32, 33, 48, 64, 100, 128, 200, 256, 400, 512],
      ...[784, 1000, 1500, 2000, 3000],
    ],
    speed: gflops,
    problem: (dim) => ({ ...gaussian, dim, scale: 6 / dim }),
  },
  {
    name: "widths",
    title: "Gaussian sum, D = 3, N = 4096, along the width of b",
    axis: "width",
    values: [1, 2, 3, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512],
    speed: gflops,
    problem: (weights) => ({ ...gaussian, weights }),
  },
  {
    name: "neighbours",
    title: "K nearest neighbours, D = 3, N = 20,000",
    axis: "K",
    values: [1, 2, 5, 10, 20, 50, 100, 200],
    speed: gpairs,
    problem: (k) => ({
      ...gaussian,
      operation: "neighbours",
      rows: 20_000,
      columns: 20_000,
      k,
    }),
  },
  {
    name: "neighbour-dims",
    title: "10 nearest neighbours, N = 100,000, along the dimension",
    axis: "D",
    values: [2, 3, 5, 10],
    speed: gpairs,
    problem: (dim) => ({
      ...gaussian,
      operation: "neighbours",
      rows: 100_000,
      columns: 100_000,
      dim,
      k: 10,
    }),
  },
];

/** Random points of a problem, the same for the same sizes. */
export function problemOf(sizes: Sizes): Problem {
  const next = uniform(sizes.rows + 31 * sizes.dim + sizes.weights);
  const make = (length: number): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length }, () => next.next().value);
  const { rows, columns, dim, weights } = sizes;
  return { ...sizes, x: make(rows * dim), y: make(columns * dim), b: make(columns * weights) };
}

/** What one contestant came to at one point: its times, or why it has none. */
export interface Cell {
  readonly times: Times;
  why: string | null;
  isMissing: boolean;
}

/** All contestants at one point. */
export interface Point {
  readonly value: number;
  readonly sizes: Sizes;
  readonly cells: ReadonlyMap<string, Cell>;
}

/** How long measuring takes. */
export interface Limits {
  /** Milliseconds that a contestant has for one call. */
  readonly call: number;
  /** Calls of what takes a while, and milliseconds from which there are no more. */
  readonly repeats: number;
  readonly enough: number;
  /**
   * Short calls are repeated so many times at most, as long as all take less than this together.
   */
  readonly shortRepeats: number;
  readonly shortEnough: number;
}

/** The largest difference of results from what is right that is not a wrong kernel. */
const TOLERANCE = 1e-3;
const CHECKED_ROWS = 8;

/** Whether results are right on some rows, against a float64 loop. */
function isRight(problem: Problem, results: ArrayLike<number>): boolean {
  const { rows, columns, dim, weights, k, scale, x, y, b } = problem;
  const step = Math.max(1, Math.floor(rows / CHECKED_ROWS));
  for (let i = 0; i < rows; i += step) {
    const q = Float64Array.from({ length: columns }, (_, j) => {
      let sum = 0;
      for (let d = 0; d < dim; d++) sum += (x[i * dim + d] - y[j * dim + d]) ** 2;
      return sum;
    });
    if (problem.operation === "neighbours") {
      const found = Array.from({ length: k }, (_, n) => q[results[i * k + n]]).sort((a, c) =>
        a - c
      );
      const right = q.toSorted().subarray(0, k);
      if (!found.every((v, n) => Math.abs(v - right[n]) <= TOLERANCE * Math.max(right[n], 1e-3))) {
        return false;
      }
      continue;
    }
    const sums = new Float64Array(weights);
    q.forEach((v, j) => {
      const t = Math.exp(-scale * v);
      for (let e = 0; e < weights; e++) sums[e] += t * b[j * weights + e];
    });
    const largest = sums.reduce((a, c) => Math.max(a, Math.abs(c)), 0);
    if (!sums.every((v, e) => Math.abs(results[i * weights + e] - v) <= TOLERANCE * largest)) {
      return false;
    }
  }
  return true;
}

/** Milliseconds of work before each call: OpenMP's threads spin a while after theirs. */
const WARMING = 5;

/** Measures a sweep; `tell` hears of every point. */
export async function measure(
  sweep: Sweep,
  contestants: readonly Contestant[],
  limits: Limits,
  folder: string,
  tell: (line: string) => void,
): Promise<Point[]> {
  const points: Point[] = [];
  const capped = new Map<string, string>();
  for (const value of sweep.values) {
    const sizes = sweep.problem(value);
    const problem = problemOf(sizes);
    // names of their own: workers keep what they have read
    using _files = writeProblem(problem, folder, `${sweep.name}-${value}`);
    const cells = new Map<string, Cell>();
    for (const one of contestants) {
      const cell: Cell = {
        times: new Times(),
        why: capped.get(one.name) ?? null,
        isMissing: false,
      };
      cells.set(one.name, cell);
      if (cell.why !== null) continue;
      one.prepare(problem);
      // the first call builds, and shows whether the results are right
      const first = await one.run(limits.call);
      if (first.seconds === null) Object.assign(cell, first);
      else if (!isRight(problem, first.results)) cell.why = "wrong";
      else if (1000 * first.seconds >= limits.enough) cell.times.add(first.seconds);
      if (cell.why?.startsWith(">")) capped.set(one.name, cell.why);
    }
    const spent = new Map(contestants.map((one) => [one.name, 0]));
    /** Whether a contestant has had its calls. */
    const isDone = (cell: Cell, name: string): boolean => {
      const took = spent.get(name) ?? 0;
      if (cell.why !== null) return true;
      // one call alone may have been unlucky
      if (cell.times.count === 1 && 4000 * cell.times.best < limits.call) return false;
      if (took >= limits.enough) return true;
      if (cell.times.count > 0 && 1000 * cell.times.best >= limits.enough) return true;
      return cell.times.count >= limits.repeats && took >= limits.shortEnough;
    };
    for (let turn = 0; turn < limits.shortRepeats; turn++) {
      for (const one of contestants) {
        const cell = cells.get(one.name);
        if (cell === undefined || isDone(cell, one.name)) continue;
        warm(WARMING);
        const run = await one.run(limits.call);
        if (run.seconds === null) Object.assign(cell, run);
        else {
          cell.times.add(run.seconds);
          spent.set(one.name, (spent.get(one.name) ?? 0) + 1000 * run.seconds);
        }
      }
    }
    points.push({ value, sizes, cells });
    const said = [...cells].map(([name, { times, why }]) =>
      `${name} ${why ?? `${seconds(times.best)} s`}`
    );
    tell(`${sweep.name} ${sweep.axis}=${value}: ${said.join(", ")}`);
  }
  return points;
}

const pairsPerSecond = ({ sizes }: Point, { times }: Cell): number =>
  sizes.rows * sizes.columns / times.best;

/** The points of a sweep's picture. */
export function plotOf(sweep: Sweep, points: readonly Point[]): [PlotFrame, PlotPoint[]] {
  const drawn = points.flatMap((point) =>
    [...point.cells].flatMap(([series, cell]) =>
      cell.times.isEmpty || cell.why !== null ? [] : [{
        series,
        x: point.value,
        y: sweep.speed.of(point.sizes, pairsPerSecond(point, cell)),
      }]
    )
  );
  return [{ title: sweep.title, x: sweep.axis, y: sweep.speed.label }, drawn];
}

/**
 * A sweep's table: times and speeds of the engines, times of the peers and the ratios to each
 * engine as it is by default.
 */
export function tableOf(
  sweep: Sweep,
  points: readonly Point[],
  engines: readonly string[],
  peers: readonly string[],
): string {
  const taking = peers.filter((name) => points.some((p) => p.cells.get(name)?.isMissing === false));
  const compared = engines.filter((name) => !isVariant(name));
  const head = [
    sweep.axis,
    "pairs",
    ...engines.map((name) => `${name}, s (${sweep.speed.label})`),
    ...taking.map((name) => `${name}, s (${compared.map((e) => `over ${e}`).join(", ")})`),
  ];
  const rows = points.map((point) => {
    const { value, sizes, cells } = point;
    const own = engines.map((name) => {
      const cell = cells.get(name);
      if (cell === undefined || cell.times.isEmpty || cell.why !== null) {
        return cell?.why ?? NOTHING;
      }
      const speed = sweep.speed.of(sizes, pairsPerSecond(point, cell));
      return `${seconds(cell.times.best)} (${speed.toPrecision(3)})`;
    });
    const others = taking.map((name) => {
      const cell = cells.get(name);
      if (cell === undefined || cell.times.isEmpty || cell.why !== null) {
        return cell?.why ?? NOTHING;
      }
      const over = compared.map((engine) => {
        const mine = cells.get(engine);
        const isThere = mine !== undefined && !mine.times.isEmpty && mine.why === null;
        return isThere ? `${ratio(cell.times.best / mine.times.best)}×` : NOTHING;
      });
      return `${seconds(cell.times.best)} (${over.join(", ")})`;
    });
    const pairs = (sizes.rows * sizes.columns).toExponential(1);
    return [`${value}`, pairs, ...own, ...others];
  });
  return table(head, rows);
}
