// The table of derivatives: every reduction that has some, by every kind of input, in every pattern
// of batch dims; first and second order, forward and reverse, against central differences in
// float64.

import { assertEquals, assertRejects } from "@std/assert";
import { type LazyTensor, Pm, type Tensor, Vi, Vj } from "../../mod.ts";
import { type ReductionName, REDUCTIONS, reductions } from "../../src/reduction/mod.ts";
import { checkDerivatives, drawnTensor, type Program } from "../support/differences.ts";

const [M, N, D] = [3, 4, 2];

/** A scalar and a vector for every pair. */
interface Pair {
  readonly score: LazyTensor;
  readonly vector: LazyTensor;
}

type Reduce = (pair: Pair, axis: "i" | "j") => Tensor;

/** What may be differentiated; of pairs, the values. */
const DIFFERENTIABLE: Readonly<Partial<Record<ReductionName, Reduce>>> = {
  sum: ({ vector }, axis) => vector.sum(axis),
  mean: ({ vector }, axis) => vector.mean(axis),
  logSumExp: ({ score }, axis) => score.logSumExp(axis),
  logSumExpWeight: ({ score, vector }, axis) =>
    score.logSumExp(axis, { weight: vector.square().add(0.1) }),
  maxSumShiftExp: ({ score }, axis) => score.maxSumShiftExp(axis),
  maxSumShiftExpWeight: ({ score, vector }, axis) => score.maxSumShiftExp(axis, { weight: vector }),
  sumSoftMaxWeight: ({ score, vector }, axis) => score.sumSoftmaxWeight(vector, axis),
  min: ({ vector }, axis) => vector.min(axis),
  max: ({ vector }, axis) => vector.max(axis),
  minArgMin: ({ vector }, axis) => vector.minArgMin(axis)[0],
  maxArgMax: ({ score }, axis) => score.maxArgMax(axis)[0],
  kMin: ({ vector }, axis) => vector.kMin(2, axis),
  kMinArgKMin: ({ score }, axis) => score.kMinArgKMin(2, axis)[0],
};

/** Leading dims of the points of i and of j, and of the parameter. */
interface Pattern {
  readonly i: readonly number[];
  readonly j: readonly number[];
  readonly p: readonly number[];
}
const PATTERNS: Readonly<Record<string, Pattern>> = {
  "no batches": { i: [], j: [], p: [] },
  "all batched": { i: [2], j: [2], p: [2] },
  "a singleton": { i: [2], j: [1], p: [1] },
  "a batched parameter": { i: [], j: [], p: [2] },
  "two batch dims": { i: [2, 1], j: [3], p: [2, 3] },
};

const pairOf = (x: LazyTensor, y: LazyTensor, p: LazyTensor): Pair => ({
  score: x.sqDist(y).mul(p.sum("d")).mul(-0.5).add(x.dot(y).sin()),
  vector: x.sub(y).mul(p).sin().add(y.square()),
});

/** What moves: one kind of input, or a tensor that is several. */
interface Kind {
  readonly inputs: (pattern: Pattern, name: string) => Tensor[];
  readonly pair: (pattern: Pattern, name: string) => (...moving: Tensor[]) => Pair;
}
const points = (name: string, batch: readonly number[], rows: number): Tensor =>
  drawnTensor(name, [...batch, rows, D], 0.2, 1.5);
const constants = (name: string, { i, j, p }: Pattern): [x: Tensor, y: Tensor, p: Tensor] => [
  points(`${name} x`, i, M),
  points(`${name} y`, j, N),
  drawnTensor(`${name} p`, [...p, D], 0.5, 1.5),
];
const KINDS: Readonly<Record<string, Kind>> = {
  i: {
    inputs: (pattern, name) => [constants(name, pattern)[0]],
    pair: (pattern, name) => (x) => {
      const [, y, p] = constants(name, pattern);
      return pairOf(Vi(x), Vj(y), Pm(p));
    },
  },
  j: {
    inputs: (pattern, name) => [constants(name, pattern)[1]],
    pair: (pattern, name) => (y) => {
      const [x, , p] = constants(name, pattern);
      return pairOf(Vi(x), Vj(y), Pm(p));
    },
  },
  p: {
    inputs: (pattern, name) => [constants(name, pattern)[2]],
    pair: (pattern, name) => (p) => {
      const [x, y] = constants(name, pattern);
      return pairOf(Vi(x), Vj(y), Pm(p));
    },
  },
  "i, j and p at once": {
    inputs: ({ i }, name) => [points(`${name} both`, i, N)],
    pair: ({ p }, name) => (x) => {
      const own = drawnTensor(`${name} p`, [...p, D], 0.5, 1.5);
      return pairOf(Vi(x), Vj(x), Pm(own).mul(Pm(x.mean(-2))));
    },
  },
};

/** One cell: a function of what moves, and that. */
function cellOf(
  reduce: Reduce,
  kind: Kind,
  pattern: Pattern,
  name: string,
  axis: "i" | "j",
): readonly [Program, Tensor[]] {
  const pair = kind.pair(pattern, name);
  return [(...moving) => reduce(pair(...moving), axis), kind.inputs(pattern, name)];
}

/** All cells; both axes for every kind and for every pattern. */
const CELLS = Object.entries(DIFFERENTIABLE).flatMap(([reduction, reduce]) =>
  Object.entries(KINDS).flatMap(([of, kind], k) =>
    Object.entries(PATTERNS).map(([batches, pattern], n) => {
      const axis = (k + n) % 2 === 0 ? "j" as const : "i" as const;
      const name = `${reduction} over ${axis} by ${of}, ${batches}`;
      return { reduction, name, cell: () => cellOf(reduce, kind, pattern, name, axis) };
    })
  )
);

for (const reduction of Object.keys(DIFFERENTIABLE)) {
  Deno.test(`derivatives of ${reduction}: every kind of input, every pattern of batches`, async () => {
    for (const { name, cell } of CELLS.filter((one) => one.reduction === reduction)) {
      await checkDerivatives(name, ...cell(), { bound: 5e-8 });
    }
  });
}

Deno.test("the table has every reduction, every kind and every pattern", () => {
  const wanted = REDUCTIONS.filter((name) => reductions[name].derivatives !== null);
  assertEquals(Object.keys(DIFFERENTIABLE).toSorted(), wanted.toSorted());
  const kinds = Object.keys(KINDS).length;
  const patterns = Object.keys(PATTERNS).length;
  assertEquals(CELLS.length, wanted.length * kinds * patterns);
  console.log(
    `${wanted.length} reductions × ${kinds} kinds of input × ${patterns} patterns of batches = ` +
      `${CELLS.length} cells, each of first and second order`,
  );
});

Deno.test("a cell whose gradient is off in one place is refused", async () => {
  const [f, inputs] = cellOf(
    ({ vector }, axis) => vector.sum(axis),
    KINDS.i,
    PATTERNS["two batch dims"],
    "spoilt",
    "j",
  );
  const spoil = (g: Float64Array): void => void (g[3] *= 1.001);
  await assertRejects(() => checkDerivatives("spoilt", f, inputs, { spoil }), Error, "off by");
});
