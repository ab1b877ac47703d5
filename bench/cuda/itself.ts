// Sums of points with themselves, which may meet each pair once: both ways on the card, taking
// turns in one run, from so few points on that a launch costs more than its pairs. Enters: a card.
// Leaves: a table, and from how many points on meeting each pair once was faster, which is where
// `mirrorFrom` should stand.

import { cuda, genred, type Tensor, tensor } from "pairfold";
import { ratio, seconds, table, Times } from "../report.ts";
import { dataOf, errorOf, type Numbers } from "./data.ts";
import { boundOf, type CudaRow, inputsOf, KINDS } from "./rows.ts";

/** Milliseconds of one size, after which no further turn begins. */
const ENOUGH = 3000;
/** Fewest points of which two blocks can be made. */
const LEAST = 1025;
const NEVER = Infinity;

/**
 * A Gaussian that is summed, and over how many points: around the default from which on pairs are
 * met once.
 */
interface Sum {
  readonly name: string;
  readonly dim: number;
  readonly width: number;
  readonly points: readonly number[];
  /** Whether MACHINE_CODE has it. */
  readonly isCounted?: boolean;
}

const SUMS: readonly Sum[] = [
  {
    ...{ name: "gaussian", dim: 3, width: 1, isCounted: true },
    points: [2 ** 13, 2 ** 14, 2 ** 15, 2 ** 16, 2 ** 17, 2 ** 18, 2 ** 19, 1e6],
  },
  { name: "gaussian, D=16", dim: 16, width: 1, points: [2 ** 15, 2 ** 16, 2 ** 18] },
  { name: "gaussian of 2 weights", dim: 3, width: 2, points: [2 ** 15, 2 ** 16, 2 ** 18] },
];

const TINY: readonly number[] = [1031, 1500];

/** Times of both ways, and how far their results are from right ones. */
interface BothWays {
  readonly row: CudaRow;
  readonly all: Times;
  readonly once: Times;
  readonly error: number;
}

function rowOf({ name, dim, width, isCounted }: Sum, points: number): CudaRow {
  return {
    ...{ part: "targets", name, at: points, rows: points, columns: points, dim, width },
    ...{ dtype: "float32", kind: "gaussian", target: null },
    ...(isCounted ? { code: { name: "gaussian, with itself", special: 1 } } : {}),
  };
}

/** Folds points with themselves, all pairs and each once, in turns. */
async function measure(ordinal: number, row: CudaRow, repeats: number): Promise<BothWays> {
  const [scale, x, , b] = dataOf(row);
  const [s, points, weights] = [
    tensor(scale, [1]),
    tensor(x, [row.rows, row.dim]),
    tensor(b, [row.rows, row.width]),
  ];
  const { formula, reduction } = KINDS[row.kind];
  const aliases = inputsOf(row).map(({ name, category, dim }, n) =>
    `${name}=${category}(${n},${dim})`
  );
  const ways = [NEVER, LEAST].map((mirrorFrom) => {
    const device = cuda({ ordinal, mirrorFrom });
    const fold = genred(formula, aliases, { reduction, axis: 1, dtype: row.dtype, device });
    const sum = (): Tensor => fold(s, points, points, weights);
    const call = async (): Promise<{ time: number; result: Numbers }> => {
      const start = performance.now();
      const result = await sum().data();
      return { time: (performance.now() - start) / 1000, result: result as Numbers };
    };
    return { call, sum, times: new Times() };
  });
  let error = 0;
  for (const { call } of ways) {
    const { result } = await call();
    error = Math.max(error, errorOf(row, [scale, x, x, b], result));
  }
  const [all, once] = ways;
  const isOnce = [all, once].map(({ sum }) => /each pair of points once/.test(sum().explain()));
  if (isOnce[0] || !isOnce[1]) {
    throw new Error(`${row.name}: met once ${isOnce}; wanted false,true`);
  }
  const begun = performance.now();
  do {
    for (const { call, times } of ways) times.add((await call()).time);
  } while (all.times.count < repeats && performance.now() - begun < ENOUGH);
  for (const one of [s, points, weights]) one.dispose();
  return { row, all: all.times, once: once.times, error };
}

/** The fewest points from which on, at every size, pairs were met once in less time; null: none. */
export function fasterFrom(sizes: readonly { points: number; gain: number }[]): number | null {
  const sorted = sizes.toSorted((a, b) => b.points - a.points);
  const slower = sorted.findIndex(({ gain }) => gain <= 1);
  const faster = slower < 0 ? sorted : sorted.slice(0, slower);
  return faster.at(-1)?.points ?? null;
}

/** The section of the page about points with themselves. `isOver`: whether no time is left. */
export async function withItself(
  ordinal: number,
  rates: { fma: number; exp2: number },
  { tiny, repeats, wrong, isOver }: {
    readonly tiny: boolean;
    readonly repeats: number;
    /** The largest error of a right result. */
    readonly wrong: number;
    readonly isOver: () => boolean;
  },
): Promise<string[]> {
  const lines: string[][] = [];
  const told: string[] = [];
  for (const sum of SUMS) {
    const sizes: { points: number; gain: number }[] = [];
    for (const points of tiny ? TINY : sum.points) {
      if (isOver()) {
        told.push(`No time was left for ${sum.name} from ${points} points on.`);
        break;
      }
      const { row, all, once, error } = await measure(ordinal, rowOf(sum, points), repeats);
      const gain = all.best / once.best;
      if (error <= wrong) sizes.push({ points, gain });
      // of pairs that are met: each is two
      const bound = boundOf(row, rates);
      lines.push([
        `${sum.name}, ${points} points`,
        seconds(all.best),
        error > wrong ? "wrong" : seconds(once.best),
        ratio(gain),
        (points ** 2 / once.best / 1e9).toPrecision(4),
        bound === null ? "" : `${(50 * points ** 2 / once.best / bound).toFixed(0)} %`,
        error.toExponential(1),
      ]);
    }
    const from = fasterFrom(sizes);
    told.push(
      `${sum.name}: each pair once was ${
        from === null ? "faster at no size" : `faster from ${from} points on`
      }.`,
    );
  }
  const head = ["sum", "all pairs, s", "each once, s", "gain", "Gpairs/s", "of the bound", "error"];
  return [
    ...["", "## with itself", "", table(head, lines), ""],
    ...[
      "Taking turns in one run; `mirrorFrom` is 65,536 by default. Pairs count as all of them.",
      "",
    ],
    ...told,
  ];
}
