// Reductions over axes, running sums and matrix products of tensors against plain loops, and their
// derivatives of first and second order.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type ErrorCode, grad, matmul, PairfoldError, type Tensor, tensor } from "../../mod.ts";
import { checkDerivatives, drawnTensor, worstError } from "../support/differences.ts";
import { randomFor } from "../support/random.ts";

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

type Name = "sum" | "mean" | "var" | "std" | "min" | "max" | "logSumExp" | "argMin" | "argMax";

/** Σ (x − mean)² / (n − correction). */
function variance(list: readonly number[], correction = 0): number {
  const mean = list.reduce((a, b) => a + b, 0) / list.length;
  return list.reduce((a, b) => a + (b - mean) ** 2, 0) / (list.length - correction);
}

const REFERENCE: Readonly<Record<Name, (list: readonly number[]) => number>> = {
  sum: (list) => list.reduce((a, b) => a + b, 0),
  mean: (list) => list.reduce((a, b) => a + b, 0) / list.length,
  var: (list) => variance(list),
  std: (list) => Math.sqrt(variance(list)),
  min: (list) => Math.min(...list),
  max: (list) => Math.max(...list),
  logSumExp: (list) => Math.log(list.reduce((a, b) => a + Math.exp(b), 0)),
  argMin: (list) => list.indexOf(Math.min(...list)),
  argMax: (list) => list.indexOf(Math.max(...list)),
};
const NAMES = Object.keys(REFERENCE) as Name[];

/** The lists of elements that are reduced together, in the order of the results. */
function series(
  data: ArrayLike<number>,
  shape: readonly number[],
  axes: readonly number[],
): number[][] {
  const lists = new Map<string, number[]>();
  for (let at = 0; at < data.length; at++) {
    let rest = at;
    const position = shape.map(() => 0);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis] = rest % shape[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    const key = position.filter((_, axis) => !axes.includes(axis)).join();
    const list = lists.get(key) ?? [];
    list.push(data[at]);
    lists.set(key, list);
  }
  return [...lists.values()];
}

const CASES: readonly (readonly [shape: readonly number[], axes: readonly number[]])[] = [
  [[7], [0]],
  [[3, 4, 5], [1]],
  [[3, 4, 5], [0, 2]],
  [[3, 4, 5], [0, 1, 2]],
  [[2, 1, 5], [1]],
  [[517, 3], [0]],
  [[1031, 3], [1]],
  [[2063, 3], [0, 1]],
  [[5, 1031], [1]],
];

for (const name of NAMES) {
  Deno.test(`${name} over axes: values, of tensors and of elementwise chains`, async () => {
    for (const [shape, axes] of CASES) {
      if (axes.length > 1 && name.startsWith("arg")) continue;
      for (const dtype of ["float32", "float64"] as const) {
        const random = randomFor(`${name} ${shape} ${axes}`);
        const data = random.array(dtype, sizeOf(shape), -2, 2);
        const x = tensor(data, shape);
        const axis = axes.length === 1 ? axes[0] : axes;
        const reduce = (t: Tensor, keepDims = false): Tensor =>
          (t[name] as (axis: number | readonly number[], o: object) => Tensor).call(
            t,
            axis,
            { keepDims },
          );
        const want = series(data, shape, axes).map(REFERENCE[name]);
        const t = reduce(x);
        assertEquals(t.shape, shape.filter((_, k) => !axes.includes(k)));
        assertEquals(reduce(x, true).shape, shape.map((n, k) => axes.includes(k) ? 1 : n));
        const bound = dtype === "float32" ? 1e-6 : 1e-13;
        const error = worstError(await t.data(), want);
        assert(error < bound, `${name} [${shape}] over ${axes} in ${dtype}: off by ${error}`);
        // (x / 2)² · s + c with a row of its own: a kernel that reduces as it computes
        const c = random.array(dtype, shape.at(-1) ?? 1);
        const chained = Float64Array.from(data, (v, k) => v * v * 0.75 + c[k % c.length]);
        const chain = reduce(x.mul(0.5).square().mul(3).add(tensor(c)));
        const wanted = series(chained, shape, axes).map(REFERENCE[name]);
        const off = worstError(await chain.data(), wanted);
        assert(
          off < bound,
          `${name} of a chain [${shape}] over ${axes} in ${dtype}: off by ${off}`,
        );
      }
    }
  });
}

for (
  const name of ["sum", "mean", "min", "max", "logSumExp", "norm", "softmax", "var", "std"] as const
) {
  Deno.test(`${name} over axes: derivatives match central differences`, async () => {
    for (const [shape, axes] of CASES.slice(0, 5)) {
      const x = drawnTensor(`derivatives ${name} ${shape}`, shape, 0.5, 2);
      await checkDerivatives(`${name} [${shape}] ${axes}`, (t) => t.square()[name](axes), [x]);
    }
  });
}

Deno.test("variances keep their digits far from the origin, in values and derivatives", async () => {
  const random = randomFor("variances far away");
  const bound = 1e-6;
  for (const [far, spread] of [[1e3, 1], [1e3, 1e-3], [1e6, 100]]) {
    const data = random.array("float32", 3 * 1031, -spread, spread).map((v) => v + far);
    const x = tensor(data, [1031, 3]);
    for (const correction of [0, 1, 2.5]) {
      const want = series(data, [1031, 3], [0]).map((list) => variance(list, correction));
      const ratios = (await x.var(0, { correction }).data()).map((v, k) => v / want[k]);
      assert(worstError(ratios, [1, 1, 1]) < bound, `around ${far}: ${ratios}`);
      const std = x.std(0, { correction, keepDims: true });
      assertEquals(std.shape, [1, 3]);
      const roots = (await std.data()).map((v, k) => v / Math.sqrt(want[k]));
      assert(worstError(roots, [1, 1, 1]) < bound, `around ${far}: ${roots}`);
    }
    // ∂ var / ∂x = 2 (x − mean) / n
    const slopes = await grad((t: Tensor) => t.var(0).sum())(x).data();
    const means = series(data, [1031, 3], [0]).map((list) => list.reduce((a, b) => a + b) / 1031);
    const want = Float64Array.from(data, (v, k) => 2 * (v - means[k % 3]) / 1031);
    const largest = Math.max(...want.map(Math.abs));
    slopes.forEach((v, k) => assert(Math.abs(v - want[k]) < 1e-5 * largest));
  }
  // one pass loses them
  const data = random.array("float32", 1031, -1e-3, 1e-3).map((v) => v + 1e3);
  const x = tensor(data);
  const [want] = series(data, [1031], [0]).map((list) => variance(list));
  const off = async (t: Tensor): Promise<number> => Math.abs(await t.item() - want) / want;
  assert(await off(x.var()) < bound);
  assert(await off(x.square().mean().sub(x.mean().square())) > 1e-2);
});

Deno.test("variances of what is constant, single or nothing", async () => {
  const x = tensor([[0.1, 0.1, 0.1], [NaN, 1, 2]]);
  assertEquals(await x.var(1).array(), [0, NaN]);
  const std = grad((t: Tensor) => t.std(1).sum())(tensor([[0.1, 0.1, 0.1]]));
  assertEquals(await std.array(), [[0, 0, 0]]);
  assertEquals(await tensor([5]).var().item(), 0);
  assertEquals(await tensor([5]).var(0, { correction: 1 }).item(), NaN);
  assertEquals(await tensor([1, 2]).var(0, { correction: 2 }).item(), Infinity);
  assertEquals(await tensor([1, 2]).var([]).array(), [0, 0]);
  assertEquals(await tensor(new Float32Array(0), [0, 2]).std(0).array(), [NaN, NaN]);
  for (const correction of [-1, NaN, Infinity, "1", null]) {
    const error = assertThrows(() => x.var(0, { correction: correction as number }), PairfoldError);
    assertEquals(error.code, "dtype");
  }
  assertThrows(() => tensor([1, 2], undefined, { dtype: "int32" }).var(), PairfoldError, "int32");
  assertThrows(() => x.std(2), PairfoldError, "std: got axis 2");
});

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`median and quantile of ${dtype}: the sorted numbers at a place, or between`, async () => {
    const bound = dtype === "float32" ? 1e-6 : 1e-15;
    for (
      const [shape, axis] of [[[7], 0], [[8], undefined], [[517, 3], 0], [[4, 6], -1]] as const
    ) {
      const data = randomFor(`quantile ${shape}`).array(dtype, sizeOf(shape), -1, 1);
      const x = tensor(data, shape);
      const axes = axis === undefined ? [0] : [(axis + shape.length) % shape.length];
      const lists = series(data, shape, axes).map((list) => list.sort((a, b) => a - b));
      for (const q of [0, 0.1, 0.25, 0.5, 2 / 3, 1]) {
        const want = lists.map((list) => {
          const [low, share] = [Math.floor(q * (list.length - 1)), q * (list.length - 1) % 1];
          return share === 0 ? list[low] : list[low] * (1 - share) + list[low + 1] * share;
        });
        assert(worstError(await x.quantile(q, axis).data(), want) < bound);
        if (q === 0.5) {
          assertEquals(await x.median(axis).array(), await x.quantile(q, axis).array());
        }
      }
      const kept = shape.map((n, k) => axis === undefined || axes.includes(k) ? 1 : n);
      assertEquals(x.median(axis, { keepDims: true }).shape, kept);
    }
  });
}

Deno.test("median and quantile: NaN, infinities, nothing, derivatives, what is refused", async () => {
  const x = tensor([[1, NaN, 3], [-Infinity, Infinity, 2], [5, 4, 6]]);
  assertEquals(await x.median(1).array(), [NaN, 2, 5]);
  assertEquals(await tensor([-Infinity, 1]).quantile(0.25).item(), -Infinity);
  assertEquals(await tensor([Infinity, Infinity]).median().item(), Infinity);
  assertEquals(await tensor(new Float32Array(0), [0, 2]).median(0).array(), [NaN, NaN]);
  assertEquals(await tensor(7).median().item(), 7);
  const slopes = grad((t: Tensor) => t.quantile(0.25).sum())(tensor([9, 1, 5]));
  assertEquals(await slopes.array(), [0, 0.5, 0.5]);
  const drawn = drawnTensor("quantile", [6, 3]);
  await checkDerivatives("quantile", (t) => t.quantile(0.3, 0).square(), [drawn]);
  for (const q of [-0.1, 1.1, NaN, "0.5", null]) {
    const error = assertThrows(() => x.quantile(q as number), PairfoldError, "from 0 to 1");
    assertEquals(error.code, "dtype");
  }
  assertThrows(() => x.median(2), PairfoldError, "median: got axis 2");
  assertThrows(() => x.median(0, null as never), PairfoldError, "options");
  assertThrows(() => x.astype("int32").median(), PairfoldError, "int32");
});

Deno.test("reductions over nothing, NaN and ties", async () => {
  const x = tensor([[NaN, 2, 2], [NaN, NaN, NaN]]);
  assertEquals(await x.min(1).array(), [2, NaN]);
  assertEquals(await x.argMax(1).array(), [1, -1]);
  assertEquals(await x.argMin().item(), 1);
  const empty = tensor(new Float32Array(0), [0, 2]);
  assertEquals(await empty.min(0).array(), [Infinity, Infinity]);
  assertEquals(await empty.argMin(0).array(), [-1, -1]);
  assertEquals(await empty.mean(0).array(), [NaN, NaN]);
  assertEquals(await empty.logSumExp(0).array(), [-Infinity, -Infinity]);
});

Deno.test("float32 sums keep their digits", async () => {
  const n = 1_000_003;
  const x = tensor(new Float32Array(n).fill(0.1));
  const want = n * Math.fround(0.1);
  assert(Math.abs(await x.sum().item() - want) < 1e-7 * want);
  assert(Math.abs(await x.mul(1).sum().item() - want) < 1e-6 * want);
  assertEquals(await tensor(new Float64Array([1e16, 1, -1e16])).sum().item(), 1);
});

Deno.test("running sums: values and derivatives", async () => {
  const x = drawnTensor("cumSum", [3, 4, 2]);
  const data = await x.data();
  const got = await x.cumSum(1).data();
  for (let a = 0; a < 3; a++) {
    for (let c = 0; c < 2; c++) {
      let sum = 0;
      for (let b = 0; b < 4; b++) {
        const at = (a * 4 + b) * 2 + c;
        sum += data[at];
        assert(Math.abs(got[at] - sum) < 1e-14);
      }
    }
  }
  await checkDerivatives("cumSum", (t) => t.square().cumSum(1), [x]);
});

// ---- products -----------------------------------------------------------------------------------

/** Shapes of factors, and of the product. */
const PRODUCTS: readonly (readonly [number[], number[], number[]])[] = [
  [[3, 4], [4, 5], [3, 5]],
  [[4], [4, 5], [5]],
  [[3, 4], [4], [3]],
  [[4], [4], []],
  [[2, 3, 4], [4, 5], [2, 3, 5]],
  [[2, 1, 3, 4], [7, 4, 5], [2, 7, 3, 5]],
  [[3, 4], [2, 4, 1], [2, 3, 1]],
  [[1031, 3], [3, 3], [1031, 3]],
  [[4099, 5], [5, 2], [4099, 2]],
  [[131, 67], [67, 71], [131, 71]],
  [[131, 517], [517, 37], [131, 37]],
  [[2, 71, 150], [2, 150, 199], [2, 71, 199]],
];

Deno.test("large products are kernels, small ones and long sums are not", async () => {
  for (
    const [left, right, isKernel] of [
      [[131, 517], [517, 37], true],
      [[2, 71, 150], [2, 150, 199], true],
      [[4099, 5], [5, 2], true],
      [[131, 67], [67, 71], false],
      [[3, 1031], [1031, 1031], false],
      [[37, 5000], [5000, 17], false],
    ] as const
  ) {
    const [a, b] = [drawnTensor("left", left), drawnTensor("right", right)];
    const [x, y] = [a.astype("float32"), b.astype("float32")];
    const product = x.matmul(y);
    assertEquals(product.explain().includes("kernel"), isKernel, `[${left}] · [${right}]`);
    const want = x.astype("float64").matmul(y.astype("float64"));
    assert(worstError(await product.data(), await want.data()) < 3e-6, `[${left}] · [${right}]`);
  }
});

for (const [left, right, shape] of PRODUCTS) {
  Deno.test(`matmul [${left}] · [${right}]: values and derivatives`, async () => {
    const a = drawnTensor(`left ${left}`, left);
    const b = drawnTensor(`right ${right}`, right);
    const product = matmul(a, b);
    assertEquals(product.shape, shape);
    const [p, q] = [await a.data(), await b.data()];
    const x = left.length === 1 ? [1, ...left] : left;
    const y = right.length === 1 ? [...right, 1] : right;
    const [M, K] = x.slice(-2);
    const N = y[y.length - 1];
    const rank = Math.max(x.length, y.length) - 2;
    const batches = Array.from({ length: rank }, (_, k) => {
      const [m, n] = [x[x.length - 2 - rank + k] ?? 1, y[y.length - 2 - rank + k] ?? 1];
      return Math.max(m, n);
    });
    const want: number[] = [];
    const startOf = (own: readonly number[], batch: number): number => {
      let start = 0;
      let stride = 1;
      for (let back = 1; back <= rank; back++) {
        const n = batches[rank - back];
        const length = own[own.length - 2 - back] ?? 1;
        start += length === 1 ? 0 : (batch % n) * stride;
        stride *= length;
        batch = Math.floor(batch / n);
      }
      return start;
    };
    for (let batch = 0; batch < sizeOf(batches); batch++) {
      const [from, to] = [startOf(x, batch) * M * K, startOf(y, batch) * K * N];
      for (let i = 0; i < M; i++) {
        for (let j = 0; j < N; j++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += p[from + i * K + k] * q[to + k * N + j];
          want.push(sum);
        }
      }
    }
    assert(worstError(await product.data(), want) < 1e-13);
    if (a.size < 200) {
      await checkDerivatives(`matmul ${left} ${right}`, (s, t) => matmul(s, t), [a, b]);
    }
  });
}

const x = tensor([[1, 2], [3, 4]]);
const BAD: readonly (readonly [string, () => unknown, ErrorCode])[] = [
  ["an axis that is not there", () => x.sum(2), "shape"],
  ["an axis twice", () => x.sum([0, -2]), "shape"],
  ["half an axis", () => x.sum(0.5), "shape"],
  ["inner lengths that differ", () => x.matmul([[1, 2, 3]]), "shape"],
  [
    "batches that differ",
    () => tensor(new Float32Array(8), [2, 2, 2]).matmul(tensor(new Float32Array(12), [3, 2, 2])),
    "shape",
  ],
  ["a product with a number", () => x.matmul(2), "shape"],
  ["a product of two types", () => x.matmul(new Float64Array([1, 2])), "dtype"],
  ["a product of integers", () => tensor(new Int32Array(2)).matmul(new Int32Array(2)), "dtype"],
];
for (const [what, run, code] of BAD) {
  Deno.test(`reductions and products refuse ${what}`, () => {
    const error = assertThrows(run, PairfoldError);
    assertEquals(error.code, code, error.message);
  });
}
