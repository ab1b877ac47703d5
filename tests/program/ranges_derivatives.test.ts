// Derivatives of folds over block ranges: every reduction, from either side, against central
// differences of first and second order, and against folds of all pairs behind a mask.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { BlockRanges, type LazyTensor, Pm, type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import { genred, grad, valueAndGrad, vjp } from "../../mod.ts";
import { type ReductionName, REDUCTIONS, reductions } from "../../src/reduction/mod.ts";
import { testDevice } from "../support/device.ts";
import { checkDerivatives, drawnTensor } from "../support/differences.ts";
import { randomFor } from "../support/random.ts";
import { randomRanges } from "../support/ranges.ts";

const DIFFERENTIABLE = REDUCTIONS.filter((name) => reductions[name].derivatives !== null);
const [M, N, K] = [7, 9, 2];
/** Every row and every column meets two others at least, so that all results are finite. */
const RANGES = BlockRanges.fromMatrix(
  [[0, 2], [2, 4], [4, 7]],
  [[0, 3], [3, 5], [5, 9]],
  [[1, 0, 1], [0, 1, 1], [1, 0, 0]],
);

/** A reduction of points and a parameter, through the method of its name. */
function reduced(
  reduction: ReductionName,
  axis: "i" | "j",
  [x, y, p]: readonly Tensor[],
  ranges: BlockRanges,
): Tensor {
  const [u, v, scale] = [Vi(x), Vj(y), Pm(p)];
  const distance = u.sqDist(v).mul(scale.elem(0));
  const { takes } = reductions[reduction];
  const F = takes === "components" ? distance.neg().exp().mul(v.sub(u)).mul(scale) : distance.neg();
  const weight = v.square().add(distance).add(scale.elem(1));
  const options = { ranges, device: testDevice };
  switch (reduction) {
    case "logSumExpWeight":
      return F.logSumExp(axis, { ...options, weight });
    case "maxSumShiftExpWeight":
      return F.maxSumShiftExp(axis, { ...options, weight });
    case "sumSoftMaxWeight":
      return F.sumSoftmaxWeight(weight, axis, options);
    case "kMin":
      return F.kMin(K, axis, options);
    case "kMinArgKMin":
      return F.kMinArgKMin(K, axis, options)[0];
    case "minArgMin":
      return F.minArgMin(axis, options)[0];
    case "maxArgMax":
      return F.maxArgMax(axis, options)[0];
    case "sum":
    case "mean":
    case "logSumExp":
    case "maxSumShiftExp":
    case "min":
    case "max":
      return F[reduction](axis, options);
    default:
      throw new Error(`${reduction} has no derivative`);
  }
}

for (const reduction of DIFFERENTIABLE) {
  Deno.test(`ranges, derivatives of ${reduction}: central differences`, async () => {
    for (const axis of ["i", "j"] as const) {
      const name = `ranges ${reduction} over ${axis}`;
      const inputs = [
        drawnTensor(`${name} x`, [M, 2]),
        drawnTensor(`${name} y`, [N, 2]),
        drawnTensor(`${name} p`, [2], 0.5, 1.5),
      ];
      const f = (...args: Tensor[]): Tensor => reduced(reduction, axis, args, RANGES);
      await checkDerivatives(name, f, inputs);
      if (axis === "i") continue;
      // the check finds a gradient that is off
      const spoil = (g: Float64Array, position: number): void => {
        if (position === 1) g[4] += 1e-3;
      };
      const spoilt = () => checkDerivatives(name, f, inputs, { second: false, spoil });
      await assertRejects(spoilt, Error, "gradient");
    }
  });
}

/** A matrix of 1 where pairs meet, of one-hot rows and columns. */
function maskOf(mask: Uint8Array, columns: number): LazyTensor {
  const onehot = Float64Array.from(
    { length: columns ** 2 },
    (_, at) => Math.floor(at / columns) === at % columns ? 1 : 0,
  );
  return Vi(Float64Array.from(mask), columns).dot(Vj(onehot, columns)).gt(0.5);
}

Deno.test("ranges: gradients are those of all pairs behind a mask", async () => {
  const random = randomFor("masked gradients");
  for (const [rows, columns] of [[1, 1], [3, 17], [103, 59]]) {
    const { ranges, mask } = randomRanges(random, rows, columns);
    const [x, y, c] = [rows, columns, rows].map((n, k) =>
      tensor(random.float64(n * (k < 2 ? 3 : 1)), [n, k < 2 ? 3 : 1])
    );
    const F = (u: Tensor, v: Tensor): LazyTensor => Vi(u).sqDist(Vj(v)).neg().exp();
    const meets = maskOf(mask, columns);
    const device = testDevice;
    const cases: Record<
      string,
      [(u: Tensor, v: Tensor) => Tensor, (u: Tensor, v: Tensor) => Tensor]
    > = {
      sum: [
        (u, v) => F(u, v).sum("j", { ranges, device }),
        (u, v) => meets.where(F(u, v), 0).sum("j", { device }),
      ],
      mean: [
        (u, v) => F(u, v).mean("j", { ranges, device }),
        (u, v) => meets.where(F(u, v), 0).sum("j", { device }).div(meets.sum("j")),
      ],
      max: [
        (u, v) => F(u, v).max("j", { ranges, device }),
        (u, v) => meets.where(F(u, v), -Infinity).max("j", { device }),
      ],
      kMin: [
        (u, v) => F(u, v).kMin(3, "j", { ranges, device }).sum([1], { keepDims: true }),
        (u, v) =>
          meets.where(F(u, v), Infinity).kMin(3, "j", { device }).sum([1], { keepDims: true }),
      ],
    };
    const meetsAny = Array.from(
      { length: rows },
      (_, i) => mask.subarray(i * columns, (i + 1) * columns).reduce((a, b) => a + b, 0) >= 3,
    );
    // rows whose result is not finite have a cotangent of 0
    const own = tensor((await c.data()).map((w, i) => meetsAny[i] ? w : 0) as Float64Array, [
      rows,
      1,
    ]);
    for (const [name, functions] of Object.entries(cases)) {
      const [got, want] = await Promise.all(functions.map(async (f) => {
        const [output, pull] = vjp(f, [x, y]);
        const gradients = pull(own);
        return await Promise.all([output, ...gradients].map((t) => t.data()));
      }));
      want.forEach((list, slot) =>
        list.forEach((value, at) => {
          const same = Object.is(got[slot][at], value) || !meetsAny[at] && slot === 0;
          const error = Math.abs(got[slot][at] - value);
          const what = `${name}, ${rows} × ${columns}, result ${slot}, number ${at}`;
          assert(same || error < 1e-12, `${what}: got ${got[slot][at]}, expected ${value}`);
        })
      );
    }
  }
});

Deno.test("ranges: points with themselves get both halves of their gradient, in one pass or two", async () => {
  const random = randomFor("self ranges");
  const clusters = [[0, 13], [13, 14], [14, 40]];
  const x = tensor(random.float64(40 * 2), [40, 2]);
  const w = tensor(random.float64(40), [40, 1]);
  for (const keep of [[[1, 0, 1], [0, 1, 0], [1, 0, 1]], [[1, 0, 1], [1, 1, 0], [0, 0, 1]]]) {
    const ranges = BlockRanges.fromMatrix(clusters, clusters, keep);
    assertEquals(ranges.isSymmetric, keep[1][0] === 0);
    const energy = (u: Tensor): Tensor => {
      const kernel = Vi(u).sqDist(Vj(u)).neg().exp();
      return kernel.matmul(w, { ranges, device: testDevice }).mul(w).sum();
    };
    await checkDerivatives(`self ranges ${keep}`, (u) => energy(u).reshape(1), [x]);
    const [value, gradient] = valueAndGrad(energy)(x);
    assertEquals(await value.data(), await energy(x).data());
    const alone = await (grad(energy)(x) as Tensor).data();
    const shared = await (gradient as Tensor).data();
    alone.forEach((g, k) => assert(Math.abs(g - shared[k]) < 1e-13));
  }
});

Deno.test("ranges: rows that meet nothing have no gradient, and give none", async () => {
  const random = randomFor("rows of nothing");
  const [x, y] = [tensor(random.float32(10), [5, 2]), tensor(random.float32(12), [6, 2])];
  const ranges = BlockRanges.fromMatrix([[1, 3]], [[0, 2], [4, 5]], [[1, 1]]);
  for (const reduction of ["sum", "logSumExp", "mean", "max", "kMin"] as const) {
    const F = Vi(x).sqDist(Vj(y));
    const options = { ranges, device: testDevice, k: 2 };
    const [byRow, byColumn] = await Promise.all(
      [Vi(x), Vj(y)].map((v) => F.vjp(reduction, "j", v, undefined, options).data()),
    );
    const isNone = (list: ArrayLike<number>, at: number): boolean =>
      list[2 * at] === 0 && list[2 * at + 1] === 0;
    assertEquals([0, 1, 2, 3, 4].filter((i) => isNone(byRow, i)), [0, 3, 4], reduction);
    const none = [0, 1, 2, 3, 4, 5].filter((j) => isNone(byColumn, j));
    assert([2, 3, 5].every((j) => none.includes(j)), `${reduction}: ${byColumn}`);
    assert(byColumn.every(Number.isFinite), `${reduction}: ${byColumn}`);
    const ones = tensor(new Float32Array(10).fill(1), [5, 2]);
    const moved = await F.jvp(reduction, "j", [[Vi(x), ones]], options).data();
    assert(moved.every(Number.isFinite), `${reduction}: ${moved}`);
  }
});

Deno.test("ranges: vjp through a function of genred", async () => {
  const f = genred("Exp(-SqDist(X,Y))*B", ["X=Vi(2)", "Y=Vj(2)", "B=Vj(1)"], { dtype: "float64" });
  const inputs = [
    drawnTensor("genred x", [M, 2]),
    drawnTensor("genred y", [N, 2]),
    drawnTensor("genred b", [N, 1]),
  ];
  await checkDerivatives("genred ranges", (...args) => f(...args, { ranges: RANGES }), inputs);
});
