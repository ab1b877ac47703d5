// The API as people meet it: shapes, axes, reading, copies, explaining.

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  doctor,
  indexOf,
  LazyTensor,
  PairfoldError,
  Pm,
  tensor,
  Vi,
  Vj,
  wasm,
  WasmEngine,
} from "../../mod.ts";

const X = [[0, 0, 0], [1, 2, 3]];
const Y = [[1, 0, 0], [0, 1, 0], [3, 3, 3]];

Deno.test("shapes are [M, N, D]; folds give [M, D] or [N, D]", async () => {
  const x = Vi(X);
  const y = Vj(Y);
  assertEquals(x.shape, [2, 1, 3]);
  assertEquals(y.shape, [1, 3, 3]);
  assertEquals(x.sub(y).shape, [2, 3, 3]);
  assertEquals(x.sqDist(y).shape, [2, 3, 1]);
  assertEquals(x.sub(y).sum("j").shape, [2, 3]);
  assertEquals(x.sub(y).sum("i").shape, [3, 3]);
  assertEquals(x.sqDist(y).argKMin(2, "j").shape, [2, 2]);
  assertEquals(x.sub(y).kMin(2, "i").shape, [3, 2, 3]);
  assertEquals(await x.sqDist(y).sum("j").array(), [[1 + 1 + 27], [13 + 11 + 5]]);
  assertEquals(await x.sqDist(y).sum(1).array(), await x.sqDist(y).sum("j").array());
  assertEquals(await x.sqDist(y).sum(0).array(), [[14], [12], [32]]);
});

Deno.test("K-smallest of vectors are [rows, k, D]", async () => {
  const values = await Vi(X).sub(Vj(Y)).kMin(2, "j").array();
  assertEquals(values, [[[-3, -3, -3], [-1, -1, 0]], [[-2, -1, 0], [0, 1, 3]]]);
});

Deno.test("matmul, mean, sums along the vector, indices", async () => {
  const K = Vi(X).sqDist(Vj(Y));
  assertEquals(await K.matmul([[1, 10], [2, 20], [3, 30]]).array(), [[84, 840], [50, 500]]);
  assertEquals(await K.mean("i").array(), [[7], [6], [16]]);
  assertEquals(await Vi(X).sum("d").sum("j").array(), [[0], [6]]);
  assertEquals(await indexOf("j").mul(Vi(X).sum("d")).add(Vj(Y).sum("d").mul(0)).sum("j").array(), [
    [0],
    [18],
  ]);
});

Deno.test("a variable without the folded axis: that axis counts 1", async () => {
  assertEquals(await Vi(X).sum("j").array(), X);
  assertEquals(await Vi(X).sum("i").array(), [[1, 2, 3]]);
});

Deno.test("self-exclusion by comparing indices", async () => {
  const nearest = Vi(Y).sqDist(Vj(Y)).add(indexOf("i").eq(indexOf("j")).mul(1e9)).argMin("j");
  assertEquals(await nearest.array(), [[1], [0], [0]]);
});

Deno.test("tensor() copies what it is given, unless told to adopt it", async () => {
  const data = new Float32Array([1, 2, 3]);
  const copied = tensor(data, [3, 1]);
  const adopted = tensor(data, [3, 1], { copy: false });
  data[0] = 9;
  assertEquals([...await copied.data()], [1, 2, 3]);
  assertEquals([...await adopted.data()], [9, 2, 3]);
});

Deno.test("what data() gives is a copy too", async () => {
  const sums = Vi(X).sqDist(Vj(Y)).sum("j");
  (await sums.data())[0] = -1;
  assertEquals([...await sums.data()], [29, 29]);
});

Deno.test("building computes nothing; a result is computed once", async () => {
  const sums = Vi(X).sqDist(Vj(Y)).sum("j");
  assert(!sums.isComputed);
  await sums.item().catch(() => {});
  await sums.data();
  assert(sums.isComputed);
});

Deno.test("results feed further folds", async () => {
  const K = Vi(X).sqDist(Vj(Y)).neg().exp();
  const weights = K.sum("i"); // [3, 1], not read
  const twice = await K.mul(Vj(weights)).sum("j").data();
  const byHand = await K.mul(Vj(tensor(await weights.data(), [3, 1]))).sum("j").data();
  assertEquals(twice, byHand);
});

Deno.test("one tensor as rows and as columns", async () => {
  const points = tensor(Y);
  const distances = await Vi(points).sqDist(Vj(points)).min("j").array();
  assertEquals(distances, [[0], [0], [0]]);
});

Deno.test("array, item and data of every rank", async () => {
  assertEquals(await tensor(3).item(), 3);
  assertEquals(await tensor(3).array(), 3);
  assertEquals(await tensor([[[1], [2]], [[3], [4]]]).array(), [[[1], [2]], [[3], [4]]]);
  assertEquals(await tensor([]).array(), []);
  assertEquals(tensor(new Float64Array(6), [1, 2, 3]).dtype, "float64");
  const error = await assertRejects(() => tensor([1, 2]).item(), PairfoldError, "shape [2]");
  assertEquals(error.code, "shape");
});

Deno.test("float64 in, float64 out; int32 indices", async () => {
  const x = Vi(new Float64Array([0, 1]), 1);
  const y = Vj(new Float64Array([0.25, 4]), 1);
  const [values, indices] = x.sqDist(y).minArgMin("j");
  assertEquals([values.dtype, indices.dtype], ["float64", "int32"]);
  assertEquals([...await values.data()], [0.0625, 0.5625]);
  assertEquals(await indices.data(), new Int32Array([0, 0]));
});

Deno.test("explain shows formula, sections, schedule, target and source, before and after", async () => {
  const sums = Vi(X).sqDist(Vj(Y)).mul(-0.7).exp().sum("j");
  const before = sums.explain();
  for (const part of ["exp(sqDist(x0, y1) * p2)", "pair:", "wasm", "rows per tile", "v128.load"]) {
    assertStringIncludes(before, part);
  }
  await sums.data();
  assertEquals(sums.explain(), before);
  assertStringIncludes(Vi(X).neg().explain(), "LazyTensor [2, 1, 3] float32");
  assertStringIncludes(tensor([1]).explain(), "nothing to compute");
});

Deno.test("doctor names the engine and what it found", () => {
  assertStringIncludes(doctor(), 'device "auto" takes ');
  assertMatch(doctor(), /^native/m);
  assertStringIncludes(doctor(), "relaxed SIMD");
});

Deno.test("powers: integers, halves, reals, symbols", async () => {
  const x = Vi([[4], [9]]);
  assertEquals(await x.pow(2).sum("j").array(), [[16], [81]]);
  assertEquals(await x.pow(-1).sum("j").array(), [[0.25], [Math.fround(1 / 9)]]);
  assertEquals(await x.pow(0.5).sum("j").array(), [[2], [3]]);
  const close = (got: unknown, want: number[]): void => {
    (got as number[][]).forEach(([g], k) => assert(Math.abs(g / want[k] - 1) < 1e-5));
  };
  close(await x.pow(1.5).sum("j").array(), [8, 27]);
  close(await x.pow(Pm(1.5)).sum("j").array(), [8, 27]);
});

Deno.test("classes are what instanceof says", () => {
  assert(Vi(X) instanceof LazyTensor);
  assert(wasm() instanceof WasmEngine);
  assert(new PairfoldError("io", "x") instanceof Error);
});
