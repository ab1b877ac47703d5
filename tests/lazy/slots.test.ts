// Numbers in formulas: another number makes no other formula, and every number keeps its place.

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { lazy, type LazyTensor, valueAndGrad, Vi, Vj, wasm } from "../../mod.ts";
import { PairfoldError } from "../../src/error.ts";
import { internedCount } from "../../src/formula/mod.ts";
import { apart, numberTerm } from "../../src/lazy/slots.ts";

const X = [0, 1, 3];
const Y = [2, 5];
const x = Vi(X.map((one) => [one]), 1);
const y = Vj(Y.map((one) => [one]), 1);
const K = x.sub(y);

/** Entries of a matrix of dim 1 beside what a function of x_i − y_j gives. */
async function check(matrix: LazyTensor, expected: (d: number) => number): Promise<void> {
  assertEquals(
    await matrix.dense().array(),
    X.map((a) => Y.map((b) => [Math.fround(expected(a - b))])),
  );
}

Deno.test("the same op with another number is the same formula", () => {
  assertStrictEquals(K.mul(3).exp().formula, K.mul(4).exp().formula);
  assert(K.mul(3).formula !== K.add(3).formula);
  assert(K.mul(3).mul(3).formula !== K.mul(9).formula);
});

Deno.test("formulas with different numbers in one place meet", async () => {
  const [a, b] = [K.mul(3), K.mul(7)];
  await check(a.add(b), (d) => 10 * d);
  await check(b.add(a), (d) => 10 * d);
  await check(a.sub(b), (d) => -4 * d);
  // what met before meets again, in either order
  const sum = a.add(b);
  await check(sum.add(b), (d) => 17 * d);
  await check(b.sub(sum), (d) => -3 * d);
  await check(sum.mul(K.mul(3).add(K.mul(5))), (d) => 80 * d * d);
  await check(sum.sub(K.mul(1.5).add(K.mul(2.5)).add(K.mul(0.5))), (d) => 5.5 * d);
  await check(a.mul(2).add(a.mul(3)).add(b.mul(4)), (d) => 43 * d);
});

Deno.test("formulas that met have the same nodes again", () => {
  const sum = (p: number, q: number) => K.mul(p).add(K.mul(q)).formula;
  assertStrictEquals(sum(3, 7), sum(5, 2));
});

Deno.test("numbers in templates, weights and directions keep their places", async () => {
  const scaled = (k: LazyTensor, s: number): LazyTensor => lazy`${k} * ${s} + 3`;
  await check(scaled(scaled(K, 4), 6), (d) => (4 * d + 3) * 6 + 3);
  await check(scaled(K, 4).add(scaled(K, 6)), (d) => 10 * d + 6);
  const weighted = await K.mul(3).logSumExp("j", { weight: K.mul(7).abs() }).array();
  const direct = X.map((a) => [
    Math.log(Y.reduce((sum, b) => sum + 7 * Math.abs(a - b) * Math.exp(3 * (a - b)), 0)),
  ]);
  (weighted as number[][]).forEach(([value], k) => {
    assertEquals(Math.abs(value - direct[k][0]) < 1e-5 * Math.abs(direct[k][0]), true);
  });
  await check(K.square().mul(3).grad(x, K.square().mul(5)), (d) => 30 * d * d * d);
});

Deno.test("gradients of a sum over one kernel with two numbers", async () => {
  const points = Vi(X.map((one) => [one]), 1);
  const loss = (by: Parameters<typeof Vi>[0]) => {
    const k = Vi(by, 1).sub(y);
    return k.mul(3).square().sum("j").sum().add(k.mul(5).square().sum("j").sum());
  };
  const start = [...points.inputs.byId.values()][0].tensor;
  const [value, gradient] = valueAndGrad((t: typeof start) => loss(t))(start);
  const total = (f: (d: number) => number) => X.map((a) => Y.reduce((sum, b) => sum + f(a - b), 0));
  assertEquals(await value.item(), total((d) => 34 * d * d).reduce((p, q) => p + q));
  assertEquals(await gradient.array(), total((d) => 68 * d).map((g) => [g]));
});

Deno.test("a thousand numbers intern nothing and compile once", async () => {
  using device = wasm({ threads: 1 });
  const value = (s: number) => K.mul(s).add(s).exp().sum("j", { device }).data();
  await value(0.5);
  const before = internedCount();
  for (let k = 1; k <= 1000; k++) await value(k / 1001);
  // the collector may take some nodes, which are made again
  assert(internedCount() < before + 20, `${internedCount()} nodes, ${before} before`);
  assertEquals(device.compiledPrograms, 1);
});

Deno.test("numbers of templates are no variables to differentiate by", () => {
  const [two, three] = [lazy`${2}`, lazy`${3}`];
  const sum = K.mul(two).add(K.mul(three));
  for (const number of [two, three]) {
    assertThrows(() => sum.grad(number, 1), PairfoldError, "a variable made by Vi, Vj or Pm");
  }
});

Deno.test("apart: a slot that means another number is moved, and only that", () => {
  const [a, b] = [2, 3].map((n) => numberTerm(n, K.formula, "mul1"));
  assertStrictEquals(a.formula, b.formula);
  assertStrictEquals(apart(a, [a.inputs]), a);
  const moved = apart(b, [a.inputs]);
  assert(moved.formula !== b.formula);
  assertEquals([...moved.inputs.byId.values()].map(({ tensor }) => tensor.peek()?.[0]), [3]);
  // the check sees a term that was not moved
  assertEquals([...b.inputs.byId.keys()], [...a.inputs.byId.keys()]);
});
