// What differs in a tensor, and where it is not 0.

import { assertEquals, assertRejects } from "@std/assert";
import { grad, PairfoldError, type Tensor, tensor } from "../../mod.ts";
import { randomFor } from "../support/random.ts";

Deno.test("nonZero: places of what is not 0, of any rank and type", async () => {
  const of = async (t: Tensor): Promise<unknown> => await (await t.nonZero()).array();
  assertEquals(await of(tensor([0, 1, -0, NaN, -2])), [1, 3, 4]);
  assertEquals(await of(tensor([[0, 1], [1, 0]])), [1, 2]);
  assertEquals(await of(tensor(new Int32Array([3, 0, -1]))), [0, 2]);
  assertEquals(await of(tensor(5)), [0]);
  assertEquals(await of(tensor(new Float32Array(3))), []);
  const places = await tensor([1, 0]).nonZero();
  assertEquals([places.dtype, places.shape], ["int32", [1]]);
});

Deno.test("unique numbers: once each, where, how often, and which is which", async () => {
  const random = randomFor("unique");
  for (const dtype of ["float32", "float64", "int32"] as const) {
    const n = 2053;
    const list = Array.from({ length: n }, () => Math.floor(random.uniform(-40, 40)));
    const x = tensor(list, undefined, { dtype }).reshape(-1, 1);
    const { values, indices, inverse, counts } = await x.unique();
    const want = [...new Set(list)].sort((a, b) => a - b);
    assertEquals(values.dtype, dtype);
    assertEquals(await values.array(), want);
    assertEquals(await indices.array(), want.map((v) => list.indexOf(v)));
    assertEquals(inverse.shape, x.shape);
    assertEquals(await inverse.reshape(-1).array(), list.map((v) => want.indexOf(v)));
    assertEquals(await counts.array(), want.map((v) => list.filter((w) => w === v).length));
    assertEquals(await values.take(inverse).array(), await x.array());
  }
});

Deno.test("unique entries of an axis: rows in order, columns too", async () => {
  const x = tensor([[2, 1, 2], [1, 5, 1], [2, 1, 2], [1, 4, 1]]);
  const rows = await x.unique(0);
  assertEquals(await rows.values.array(), [[1, 4, 1], [1, 5, 1], [2, 1, 2]]);
  assertEquals(await rows.indices.array(), [3, 1, 0]);
  assertEquals(await rows.inverse.array(), [2, 1, 2, 0]);
  assertEquals(await rows.counts.array(), [1, 1, 2]);
  const columns = await x.unique(-1);
  assertEquals(await columns.values.array(), [[1, 2], [5, 1], [1, 2], [4, 1]]);
  assertEquals(await columns.inverse.array(), [1, 0, 1]);
});

Deno.test("unique: NaN is one value and the last, −0 is 0, nothing has none", async () => {
  const odd = await tensor([NaN, 1, -Infinity, NaN, 0, -0, Infinity]).unique();
  assertEquals(await odd.values.array(), [-Infinity, 0, 1, Infinity, NaN]);
  assertEquals(await odd.counts.array(), [1, 2, 1, 1, 2]);
  const empty = await tensor(new Float32Array(0)).unique();
  assertEquals([empty.values.shape, empty.inverse.shape], [[0], [0]]);
  const rows = await tensor(new Float32Array(0), [3, 0]).unique(0);
  assertEquals([rows.values.shape, await rows.counts.array()], [[1, 0], [3]]);
  assertEquals(await (await tensor(4).unique()).values.array(), [4]);
});

Deno.test("unique: derivatives pass through the values, and what was computed is read once", async () => {
  const x = tensor([3, 1, 3, 2]);
  const places = (await x.unique()).indices;
  const slopes = grad((t: Tensor) => t.take(places).square().sum())(x);
  assertEquals(await slopes.array(), [6, 2, 0, 4]);
  const chain = await x.mul(2).add(1).unique();
  assertEquals(await chain.values.array(), [3, 5, 7]);
});

Deno.test("nonZero and unique reject as reading does", async () => {
  const x = tensor([1, 2]);
  await assertRejects(() => x.unique(1), PairfoldError, "unique: got axis 1");
  await assertRejects(() => x.unique(null as never), PairfoldError, "got axis null");
  await assertRejects(() => x.unique(0, null as never), PairfoldError, "options");
  await assertRejects(() => x.nonZero(null as never), PairfoldError, "options");
  const gone = x.mul(3);
  gone.dispose();
  await assertRejects(() => gone.nonZero(), PairfoldError);
});
