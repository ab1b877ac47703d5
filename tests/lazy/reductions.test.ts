// Every reduction has a method, over both axes and by every name of them; derivatives of
// reductions; reductions along the vector.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type FoldAxis, LazyTensor, Pm, type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import { referenceFold } from "../../src/engine/mod.ts";
import { type ReductionName, REDUCTIONS, reductions } from "../../src/reduction/mod.ts";
import { checkNumbers } from "../support/dense.ts";
import { randomFor } from "../support/random.ts";

type Method = (F: LazyTensor, axis: FoldAxis, weight: LazyTensor) => readonly Tensor[];

const K = 3;

const METHODS: Readonly<Record<ReductionName, Method>> = {
  sum: (F, axis) => [F.sum(axis)],
  mean: (F, axis) => [F.mean(axis)],
  logSumExp: (F, axis) => [F.logSumExp(axis)],
  logSumExpWeight: (F, axis, weight) => [F.logSumExp(axis, { weight })],
  sumSoftMaxWeight: (F, axis, weight) => [F.sumSoftmaxWeight(weight, axis)],
  maxSumShiftExp: (F, axis) => [F.maxSumShiftExp(axis)],
  maxSumShiftExpWeight: (F, axis, weight) => [F.maxSumShiftExp(axis, { weight })],
  min: (F, axis) => [F.min(axis)],
  max: (F, axis) => [F.max(axis)],
  argMin: (F, axis) => [F.argMin(axis)],
  argMax: (F, axis) => [F.argMax(axis)],
  minArgMin: (F, axis) => F.minArgMin(axis),
  maxArgMax: (F, axis) => F.maxArgMax(axis),
  kMin: (F, axis) => [F.kMin(K, axis)],
  argKMin: (F, axis) => [F.argKMin(K, axis)],
  kMinArgKMin: (F, axis) => F.kMinArgKMin(K, axis),
  count: (F, axis) => [F.count(axis)],
  any: (F, axis) => [F.any(axis)],
  all: (F, axis) => [F.all(axis)],
};

const [M, N] = [17, 11];

/** A scalar matrix, a vector one, a positive weight of dim 2, and the data behind them. */
function matrices(name: string): { scalar: LazyTensor; vector: LazyTensor; weight: LazyTensor } {
  const random = randomFor(name);
  const points = (rows: number, dim: number): Tensor =>
    tensor(random.float64(rows * dim, 0.5, 2), [rows, dim]);
  const x = Vi(points(M, 3)), y = Vj(points(N, 3));
  return {
    scalar: x.sqDist(y),
    vector: x.sub(y),
    weight: Vj(points(N, 2)).mul(Vi(points(M, 1))),
  };
}

async function referenceOf(
  reduction: ReductionName,
  axis: "i" | "j",
  F: LazyTensor,
  w: LazyTensor,
): Promise<Float64Array[]> {
  const takesWeight = reductions[reduction].takes === "scalar and weight";
  const inputs: { data: ArrayLike<number>; dim: number }[] = [];
  for (const matrix of takesWeight ? [F, w] : [F]) {
    for (const [id, { tensor: t }] of matrix.inputs.byId) {
      inputs[id] = { data: await t.data(), dim: t.size / Math.max(1, t.shape[0]) };
    }
  }
  const weight = takesWeight ? w.formula : null;
  return referenceFold({ formula: F.formula, weight, reduction, axis, inputs, M, N, k: K });
}

async function checkReduction(reduction: ReductionName, method: Method): Promise<void> {
  const { scalar, vector, weight } = matrices(`reduction ${reduction}`);
  const formulas = reductions[reduction].takes === "components" ? [scalar, vector] : [scalar];
  for (const F of formulas) {
    for (const [name, number] of [["i", 0], ["j", 1]] as const) {
      const want = await referenceOf(reduction, name, F, weight);
      const got = method(F, name, weight);
      assertEquals(got.length, want.length);
      for (const [k, t] of got.entries()) {
        const isIndex = reductions[reduction].outputs[k] === "index";
        assertEquals(t.dtype, isIndex ? "int32" : "float64");
        assertEquals(t.shape[0], name === "j" ? M : N);
        checkNumbers(await t.data(), want[k], 1e-12, `${reduction} over ${name}`);
        const byNumber = method(F, number, weight)[k];
        assertEquals(await byNumber.data(), await t.data());
      }
    }
  }
}

for (const reduction of REDUCTIONS) {
  Deno.test(`reduction ${reduction} is a method`, async () => {
    assert(reduction in METHODS, `no method of LazyTensor for reduction ${reduction}`);
    await checkReduction(reduction, METHODS[reduction]);
  });
}

Deno.test("the check of reductions sees one that computes something else", async () => {
  await assertRejects(() => checkReduction("min", METHODS.max), Error, "entry 0");
  await assertRejects(
    () =>
      checkReduction("logSumExpWeight", (F, axis, w) => [F.logSumExp(axis, { weight: w.mul(2) })]),
    Error,
    "entry 0",
  );
});

Deno.test("weights may be numbers, vectors and tensors", async () => {
  const { scalar } = matrices("weights");
  const plain = await scalar.logSumExp("j").data();
  const doubled = await scalar.logSumExp("j", { weight: 2 }).data();
  checkNumbers(doubled, Array.from(plain, (v) => v + Math.log(2)), 1e-12, "weight 2");
  const two = await scalar.sumSoftmaxWeight([3, 4], "i").data();
  checkNumbers(two, Array.from({ length: 2 * N }, (_, k) => 3 + k % 2), 1e-12, "a constant weight");
  const columns = tensor(Float64Array.from({ length: N }, (_, j) => j + 1), [1, N, 1]);
  const same = await scalar.add(Vj(await columns.data() as Float64Array, 1).log()).logSumExp("j")
    .data();
  checkNumbers(await scalar.logSumExp("j", { weight: columns }).data(), same, 1e-12, "[1, N, 1]");
  // a weight brings rows that the matrix does not have
  assertEquals(Pm(0).logSumExp("j", { weight: columns }).shape, [1, 1]);
  const total = await Pm(0).logSumExp("j", { weight: columns }).item();
  checkNumbers([total], [Math.log((N * (N + 1)) / 2)], 1e-6, "columns of the weight alone");
});

Deno.test("counts of neighbours: by comparison, by radius, by a radius of each row's own", async () => {
  const points = [[0], [1], [3], [7]];
  const D = Vi(points).sub(Vj(points)).abs();
  assertEquals(await D.le(2).count("j").array(), [[2], [3], [2], [1]]);
  assertEquals(await D.radiusCount(2, "j").array(), [[2], [3], [2], [1]]);
  assertEquals(await D.radiusCount(2, "i").array(), [[2], [3], [2], [1]]);
  assertEquals(await D.radiusCount(Vi([[0], [1], [4], [99]]), "j").array(), [[1], [2], [4], [4]]);
  assertEquals(await D.gt(6).any("j").array(), [[1], [0], [0], [1]]);
  assertEquals(await D.lt(6).all("j").array(), [[0], [0], [1], [0]]);
});

Deno.test("along the vector, reductions stay symbolic", async () => {
  const x = Vi([[3, 0, 5], [2, 1, 1]]);
  const cases: readonly (readonly [LazyTensor, readonly number[]])[] = [
    [x.sum("d"), [8, 4]],
    [x.min("d"), [0, 1]],
    [x.max(-1), [5, 2]],
    [x.argMin(2), [1, 1]],
    [x.argMax("d"), [2, 0]],
    [x.count("d"), [2, 3]],
    [x.any("d"), [1, 1]],
    [x.all("d"), [0, 1]],
  ];
  for (const [got, want] of cases) {
    assert(got instanceof LazyTensor);
    checkNumbers(await got.sum("j").data(), want, 0, String(got));
  }
});

const ROUND_TRIP = ["sum", "mean", "logSumExp", "sumSoftMaxWeight", "min", "kMin"] as const;

for (const reduction of ROUND_TRIP) {
  Deno.test(`jvp and vjp of ${reduction} are adjoint, through its weight too`, async () => {
    const random = randomFor(`adjoint ${reduction}`);
    const draw = (rows: number, dim: number): Tensor =>
      tensor(random.float64(rows * dim, 0.5, 2), [rows, dim]);
    const x = Vi(draw(M, 2)), y = Vj(draw(N, 2)), w = Vj(draw(N, 1));
    const F = x.sqDist(y).mul(w);
    const options = reduction === "sumSoftMaxWeight" ? { weight: w.mul(x.elem(0)) } : { k: K };
    const [dx, dw] = [draw(M, 2), draw(N, 1)];
    const moved = F.jvp(reduction, "j", [[x, dx], [w, dw]], options);
    const g = tensor(random.float64(moved.size), moved.shape);
    const inner = async (a: Tensor, b: Tensor): Promise<number> => {
      const [p, q] = [await a.data(), await b.data()];
      return Array.from(p, (v, k) => v * q[k]).reduce((s, v) => s + v, 0);
    };
    const forward = await inner(moved, g);
    const backward = await inner(F.vjp(reduction, "j", x, g, options), dx) +
      await inner(F.vjp(reduction, "j", w, g, options), dw);
    assert(forward !== 0);
    checkNumbers([backward], [forward], 1e-11, "⟨vjp g, t⟩ = ⟨g, jvp t⟩");
  });
}

Deno.test("cotangents and tangents given as lists take on the matrix's dtype", async () => {
  const x = Vi(new Float64Array([1, 2]), 1), y = Vj(new Float64Array([3, 5]), 1);
  const F = x.mul(y);
  assertEquals(await F.vjp("sum", "j", x, [[1], [10]]).array(), [[8], [80]]);
  assertEquals(await F.jvp("sum", "j", [[x, [[1], [10]]]]).array(), [[8], [80]]);
  assertEquals(await F.matmul([[1], [10]]).data(), Float64Array.of(53, 106));
  assertEquals(await F.matmul([1, 10]).data(), Float64Array.of(53, 106));
});

Deno.test("a list that is much longer than the fold holds all values, and says what is missing", async () => {
  const x = Vi([[0], [1]]), y = Vj([[3], [-1], [0.5]]);
  const far = 100_000; // a kernel's lists of so many would take all its memory
  const F = x.sqDist(y);
  const [values, indices] = F.kMinArgKMin(far, "j");
  assertEquals([values.shape, indices.shape], [[2, far], [2, far]]);
  const [v, n] = [await values.data(), await indices.data()];
  for (
    const [row, [list, places]] of [[[0.25, 1, 9], [2, 1, 0]], [[0.25, 4, 4], [2, 0, 1]]].entries()
  ) {
    assertEquals([...v.subarray(row * far, row * far + 3)], list);
    assertEquals([...n.subarray(row * far, row * far + 3)], places);
    assert(v.subarray(row * far + 3, (row + 1) * far).every((one) => one === Infinity));
    assert(n.subarray(row * far + 3, (row + 1) * far).every((one) => one === -1));
  }
  const wanted = await F.vjp("kMin", "j", y, undefined, { k: 3 }).array();
  assertEquals(await F.vjp("kMin", "j", y, undefined, { k: far }).array(), wanted);
  // a list for each component, and as many terms of the gradient as values: none deep in others
  const [p, q] = [Vi([[0, 1], [1, 5]]), Vj([[3, 0], [-1, 2], [0.5, 4]])];
  const gradientOf = (k: number) => p.sub(q).square().vjp("kMin", "j", q, undefined, { k }).array();
  assertEquals(await gradientOf(1500), await gradientOf(3));
  assertEquals((await Vi([[1]]).sub(Vj(tensor([], [0, 1]))).argKMin(2000, "j").data())[1999], -1);
});

Deno.test("what is done on the host behind a fold explains the fold as well, not all before it", () => {
  const F = Vi([[0], [1]]).sqDist(Vj([[3], [-1], [0.5]]));
  const list = F.kMin(5000, "j").explain();
  for (
    const part of ["concatenate, on the host", "kMin over the folded axis", "2 rows, 3 columns"]
  ) {
    assertStringIncludes(list, part);
  }
  const moved = F.sum("j").transpose().transpose().explain();
  assert(!moved.includes("over the folded axis"), "a step before the step before");
});
