// Tensors in several roles, tensors as operands, transposes, global indices, shapes, slices.

import { assert, assertEquals } from "@std/assert";
import {
  indexOf,
  LazyTensor,
  Pm,
  type Readable,
  type Tensor,
  tensor,
  type Value,
  Vi,
  Vj,
} from "../../mod.ts";
import { checkDense, checkNumbers } from "../support/dense.ts";
import { randomFor } from "../support/random.ts";

function cloud(name: string, rows: number, dim: number): Tensor {
  return tensor(randomFor(name).float64(rows * dim), [rows, dim]);
}

/** Σ_d of central differences of a scalar function of an array. */
async function numericGradient(
  loss: (data: Float64Array) => Promise<number>,
  at: Float64Array,
): Promise<Float64Array> {
  const h = 1e-5;
  const moved = (k: number, by: number): Float64Array => at.map((v, m) => m === k ? v + by : v);
  const out = new Float64Array(at.length);
  for (let k = 0; k < at.length; k++) {
    out[k] = (await loss(moved(k, h)) - await loss(moved(k, -h))) / (2 * h);
  }
  return out;
}

Deno.test("one tensor as rows, as columns and as a parameter of one formula", async () => {
  const t = tensor(randomFor("roles").float64(5), [5]);
  const formula = (x: LazyTensor, y: LazyTensor, p: LazyTensor): LazyTensor =>
    x.sub(y).square().mul(p).add(x).sum("d");
  const one = formula(Vi(t, 1), Vj(t, 1), Pm(t));
  assertEquals(one.shape, [5, 5, 1]);
  assertEquals(one.inputs.byId.size, 1);
  await checkDense(one.dense(), one, 1e-13, "three roles");
  const data = await t.data();
  const apart = formula(Vi(data, 1), Vj(data, 1), Pm(data));
  for (const axis of ["i", "j"] as const) {
    assertEquals(await one.sum(axis).data(), await apart.sum(axis).data());
  }
});

Deno.test("the gradient by one role of a tensor leaves its other roles alone", async () => {
  const t = cloud("gradient roles", 4, 2);
  const data = await t.data() as Float64Array;
  const loss = async (x: Float64Array, y: Float64Array): Promise<number> => {
    const rows = await Vi(x, 2).sqDist(Vj(y, 2)).neg().exp().sum("j").data();
    return Array.from(rows).reduce((total, v) => total + v, 0);
  };
  const [x, y] = [Vi(t), Vj(t)];
  const K = x.sqDist(y).neg().exp();
  const byRows = await numericGradient((moved) => loss(moved, data), data);
  const byColumns = await numericGradient((moved) => loss(data, moved), data);
  checkNumbers(await K.vjp("sum", "j", x).data(), byRows, 1e-6, "as rows");
  checkNumbers(await K.vjp("sum", "j", y).data(), byColumns, 1e-6, "as columns");
  checkNumbers(await K.grad(x).sum("j").data(), byRows, 1e-6, "grad as rows");
});

Deno.test("tensors stand beside a matrix as NumPy broadcasts them", async () => {
  const x = Vi(cloud("x", 3, 2)), y = Vj(cloud("y", 5, 2));
  const rows = cloud("rows", 3, 2), columns = cloud("columns", 5, 2);
  const K = x.sub(y);
  const cases: readonly (readonly [what: string, value: Value, same: LazyTensor])[] = [
    ["[M, 1, D]", tensor(await rows.data(), [3, 1, 2]), Vi(rows)],
    ["[1, N, D]", tensor(await columns.data(), [1, 5, 2]), Vj(columns)],
    ["[1, 1, D]", tensor(new Float64Array([2, 3]), [1, 1, 2]), Pm([2, 3])],
    ["[D]", tensor(new Float64Array([2, 3])), Pm([2, 3])],
    ["[]", tensor(2, [], { dtype: "float64" }), Pm(2)],
    ["a flat array", new Float64Array([2, 3]), Pm([2, 3])],
    ["a list", [2, 3], Pm([2, 3])],
    ["a number", 2, Pm(2)],
  ];
  for (const [what, value, same] of cases) {
    const [got, want] = [K.mul(value), K.mul(same)];
    assertEquals(got.shape, want.shape, what);
    assertEquals(await got.sum("j").data(), await want.sum("j").data(), what);
    assertEquals(await LazyTensor.from(value).mul(K).sum("i").data(), await want.sum("i").data());
  }
});

Deno.test("a tensor [M, 1, D] is differentiated like Vi of [M, D]", async () => {
  const x = LazyTensor.from(tensor(await cloud("rank 3", 3, 2).data(), [3, 1, 2]));
  const y = Vj(cloud("columns of rank 3", 4, 2));
  const gradient = x.sqDist(y).vjp("sum", "j", x);
  const want = await x.sub(y).mul(2).sum("j").data();
  checkNumbers(await gradient.data(), want, 1e-12, "gradient");
});

Deno.test("a transpose exchanges i and j, and twice is nothing", async () => {
  const x = Vi(cloud("tx", 3, 2)), y = Vj(cloud("ty", 5, 2)), p = Pm([2, 3]);
  const K = x.mul(p).sub(y).concat(indexOf("i")).concat(indexOf("j").mul(10));
  assertEquals(K.transpose().shape, [5, 3, 4]);
  assertEquals(await K.transpose().sum("j").data(), await K.sum("i").data());
  assertEquals(await K.transpose().argMax("i").data(), await K.argMax("j").data());
  assert(K.transpose().transpose().formula === K.formula);
  assertEquals(K.T.T.shape, K.shape);
  await checkDense(K.T.dense(), K.T, 1e-13, "transpose");
});

Deno.test("a transposed matrix keeps its variables, in their new roles", async () => {
  const t = cloud("t roles", 4, 2);
  const K = Vi(t).sqDist(Vj(t)).mul(Vi(t).elem(0));
  const gradient = await K.T.vjp("sum", "i", Vj(t)).data();
  assertEquals(gradient, await K.vjp("sum", "j", Vi(t)).data());
});

Deno.test("int32 tensors are indices: exact in comparisons, floats elsewhere", async () => {
  const big = 2 ** 24 + 1; // float32 cannot say it
  const labels = Vi(tensor(Int32Array.of(big, big - 1, 7), [3, 1]));
  const others = Vj(tensor(Int32Array.of(big, 7), [2, 1]));
  assertEquals(await labels.eq(others).dense().array(), [[[1], [0]], [[0], [0]], [[0], [1]]]);
  assertEquals(labels.dtype, "float32");
  assertEquals(await labels.take([2, 0], "i").eq(others).sum("j").array(), [[1], [1]]);
  const small = Vi(tensor(Int32Array.of(3, 1, 2), [3, 1]));
  for (const folded of [small.sum("j"), small.max("j"), small.logSumExp("j"), small.kMin(1, "j")]) {
    checkNumbers(await folded.data(), [3, 1, 2], 1e-6, "an index alone");
  }
  assertEquals(await small.concat(0.5).sum("i").array(), [[6, 1.5]]);
});

Deno.test("a bare index folds", async () => {
  const j = indexOf("j").add(Vj([[0], [0], [0]]).mul(0));
  assertEquals(await j.sum("j").array(), [[3]]);
  assertEquals(await indexOf("i").sum("j").array(), [[0]]);
  assertEquals(await indexOf("i").max("j").array(), [[0]]);
});

Deno.test("shapes: dim, ndim, size", () => {
  const K = Vi(cloud("sx", 3, 2)).sub(Vj(cloud("sy", 5, 2)));
  assertEquals([K.shape, K.dim, K.ndim, K.size], [[3, 5, 2], 2, 3, 30]);
  const z = K.toComplex();
  assertEquals([z.shape, z.dim, z.ndim, z.size], [[3, 5, 1], 1, 3, 15]);
});

Deno.test("slices of the vector are NumPy's", async () => {
  const x = Vi([[0, 1, 2, 3, 4]]);
  const list = [0, 1, 2, 3, 4];
  const values = async (s: Readable): Promise<number[]> => [...await s.dense().data()];
  for (const start of [-7, -2, 0, 1, 4]) {
    for (const stop of [undefined, -1, 2, 5, 9]) {
      const want = list.slice(start, stop);
      if (want.length === 0) continue;
      assertEquals(await values(x.slice(start, stop)), want, `slice(${start}, ${stop})`);
    }
  }
  assertEquals(await values(x.slice(1, 5, 2)), [1, 3]);
  assertEquals(await values(x.slice(0, -1, 3)), [0, 3]);
  assertEquals([await values(x.at(-1)), await values(x.elem(-5))], [[4], [0]]);
});

Deno.test("sums, means and products along and across axes, by every spelling of the axis", async () => {
  const K = Vi([[1, 2], [3, 4]]).mul(Vj([[1, 1], [2, 3]]));
  for (const d of ["d", 2, -1] as const) {
    assertEquals(await K.sum(d).dense().array(), [[[3], [8]], [[7], [18]]]);
    assertEquals(await K.mean(d).dense().array(), [[[1.5], [4]], [[3.5], [9]]]);
  }
  assertEquals(await K.sum(1).data(), await K.sum("j").data());
  assertEquals(await K.sum("d").matmul([10, 1]).array(), [[38], [88]]);
});
