// Derivatives of whole programs: every reduction of symbolic matrices by every kind of input, alone
// and between operations on tensors; nesting; arguments made of tensors; what is refused.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  concatenate,
  type ErrorCode,
  genred,
  grad,
  hvp,
  indexOf,
  jvp,
  type LazyTensor,
  PairfoldError,
  Pm,
  realPart,
  type Tensor,
  tensor,
  valueAndGrad,
  Vi,
  Vj,
  vjp,
} from "../../mod.ts";
import { checkDerivatives, drawnTensor, type Program } from "../support/differences.ts";

const [M, N, D] = [5, 7, 2];
const x = drawnTensor("points i", [M, D], 0.2, 1.5);
const y = drawnTensor("points j", [N, D], 0.2, 1.5);
const p = drawnTensor("parameter", [D], 0.5, 1.5);
const s = drawnTensor("scalar", [], 0.5, 1.5);

/** A scalar, and a vector, for every pair. */
const scalar = (a: Tensor, b: Tensor, c: Tensor): LazyTensor =>
  Vi(a).sqDist(Vj(b).mul(Pm(c))).mul(-0.7).exp().add(Vi(a).dot(Vj(b)).sin());
const vector = (a: Tensor, b: Tensor, c: Tensor): LazyTensor =>
  Vi(a).sub(Vj(b)).mul(Pm(c)).sin().add(Vj(b).square());

const REDUCTIONS: Readonly<Record<string, (axis: "i" | "j") => Program>> = {
  sum: (axis) => (a, b, c) => vector(a, b, c).sum(axis),
  mean: (axis) => (a, b, c) => vector(a, b, c).mean(axis),
  logSumExp: (axis) => (a, b, c) => scalar(a, b, c).logSumExp(axis),
  "logSumExp, weighted": (axis) => (a, b, c) =>
    scalar(a, b, c).logSumExp(axis, { weight: vector(a, b, c).square().add(0.1) }),
  sumSoftmaxWeight: (axis) => (a, b, c) => scalar(a, b, c).sumSoftmaxWeight(vector(a, b, c), axis),
  min: (axis) => (a, b, c) => vector(a, b, c).min(axis),
  max: (axis) => (a, b, c) => scalar(a, b, c).max(axis),
  "minArgMin, values": (axis) => (a, b, c) => scalar(a, b, c).minArgMin(axis)[0],
  kMin: (axis) => (a, b, c) => scalar(a, b, c).kMin(3, axis),
  "kMin of vectors": (axis) => (a, b, c) => vector(a, b, c).kMin(2, axis),
};

for (const [name, make] of Object.entries(REDUCTIONS)) {
  for (const axis of ["j", "i"] as const) {
    const f = make(axis);
    Deno.test(`${name} over ${axis}: derivatives by i-, j- and p-inputs`, () =>
      checkDerivatives(`${name} ${axis}`, f, [x, y, p]));
    Deno.test(`${name} over ${axis}: one tensor as i-, j- and p-input, between other steps`, () =>
      checkDerivatives(
        `${name} ${axis} reused`,
        (a, b) => {
          const moved = a.mul(b).sin().add(1);
          const out = f(moved, moved.add(a), a.mean(0));
          return out.square().sum().add(moved.norm());
        },
        [x, s],
      ));
  }
}

const PROGRAMS: Readonly<Record<string, readonly [Program, readonly Tensor[]]>> = {
  matmul: [(a, b, c) => Vi(a).sqDist(Vj(b)).neg().exp().matmul(b.mul(c)), [x, y, p]],
  "numbers as parameters": [
    (a, c) => Vi(a).sqDist(Vj(y)).mul(c).exp().sum("j"),
    [x, s],
  ],
  "functions of genred": [
    (a, b) => {
      const f = genred("Exp(-SqDist(X,Y))*Y", ["X=Vi(0,2)", "Y=Vj(1,2)"], { dtype: "float64" });
      return f(f(a, b).mul(2), b);
    },
    [x, y],
  ],
  "dense()": [
    (a, b) => Vi(a).sub(Vj(b)).sin().mul(indexOf("i").add(indexOf("j"))).dense(),
    [x, y],
  ],
  "take and rows": [
    (a, b) => {
      const K = Vi(a).sqDist(Vj(b)).neg().exp();
      return concatenate([K.take([2, 0, 2], "i").sum("j").reshape(3), K.rows(1).reshape(7)]);
    },
    [x, y],
  ],
  "complex sums": [
    (a, b) => realPart(Vi(a).dot(Vj(b)).exp1j().sum("j")),
    [x, y],
  ],
  "batches that broadcast": [
    (a, b, c) => Vi(a).sqDist(Vj(b)).mul(Pm(c)).neg().exp().mul(Vj(b)).sum("j").sin().sum(0),
    [
      drawnTensor("batch i", [3, 1, 5, 2]),
      drawnTensor("batch j", [2, 7, 2]),
      drawnTensor("batch p", [3, 1, 1, 1], 0.5, 1),
    ],
  ],
  "batches, one tensor as i and j": [
    (a) => Vi(a).sqDist(Vj(a)).neg().exp().mul(Vj(a)).logSumExp("j"),
    [drawnTensor("batch both", [2, 3, 2])],
  ],
  "batches, min and dense()": [
    (a, b) => {
      const K = Vi(a).sub(Vj(b)).sin();
      return K.dense().mul(K.min("i").expandDims(1));
    },
    [drawnTensor("batch dense i", [2, 3, 2]), drawnTensor("batch dense j", [4, 2])],
  ],
  "symbolic gradients": [
    (a, b) => {
      const v = Vi(a);
      return v.sqDist(Vj(b)).neg().exp().grad(v).sum("j");
    },
    [x, y],
  ],
  "explicit derivatives": [
    (a, b) => {
      const v = Vi(a);
      return v.sqDist(Vj(b)).neg().exp().vjp("logSumExp", "j", v, a.sum(1, { keepDims: true }));
    },
    [x, y],
  ],
  "a Sinkhorn loop": [
    (a, b) => {
      const scale = -1 / 0.3;
      let [f, g] = [a.sum(1, { keepDims: true }).mul(0), b.sum(1, { keepDims: true }).mul(0)];
      for (let step = 0; step < 3; step++) {
        const cost = Vi(a).sqDist(Vj(b)).mul(0.5);
        f = cost.sub(Vj(g)).mul(scale).logSumExp("j").mul(-0.3);
        g = cost.sub(Vi(f)).mul(scale).logSumExp("i").mul(-0.3);
      }
      return f.mean().add(g.mean());
    },
    [x, y],
  ],
  "gathered neighbours": [
    (a, b) => {
      const nearest = Vi(a).sqDist(Vj(b)).argKMin(2, "j");
      return b.take(nearest).sub(a.expandDims(1)).square().sum([1, 2]).sqrt();
    },
    [x, y],
  ],
  attention: [
    (a, b, c) => {
      const scores = a.matmul(b.T).div(c.norm());
      return scores.softmax().matmul(b);
    },
    [x, y, p],
  ],
};

for (const [name, [f, inputs]] of Object.entries(PROGRAMS)) {
  Deno.test(`${name} inside: derivatives of first and second order`, () =>
    checkDerivatives(name, f, inputs));
}

Deno.test("nesting: third derivatives, and inner gradients that see outer variables", async () => {
  const third = grad((a) => grad((b) => grad((c) => c.pow(5).sum())(b).sum())(a).sum());
  assertEquals(await third(tensor([1, 2])).array(), [60, 240]);
  // d/da (a · d/db (a · b²)) = d/da (2 a² b) = 4 a b, no confusion of the two
  const outer = grad((a) => a.mul(grad((b) => a.mul(b.square()).sum())(tensor([3]))).sum());
  assertEquals(await outer(tensor([2])).array(), [24]);
  // d/da d/db (b²) at b = a is d/da 2a
  const same = grad((a) => grad((b) => b.square().sum())(a).sum());
  assertEquals(await same(tensor([5])).array(), [2]);
  const [, along] = jvp((a) => jvp((b) => b.pow(3), [a], [a])[1], [tensor([2])], [tensor([1])]);
  assertEquals(await along.array(), [36]); // d/da 3a³ = 9a²
});

Deno.test("arguments: by position, in arrays and objects; others are handed through", async () => {
  interface Model {
    readonly weights: readonly [Tensor, Tensor];
    readonly offset: Tensor;
  }
  const model: Model = { weights: [tensor([1, 2]), tensor([3, 4])], offset: tensor(5) };
  const f = (name: string, { weights: [a, b], offset }: Model, scale: number): Tensor =>
    a.mul(b).add(offset).mul(scale + name.length).sum();
  const g = grad(f, { argnums: 1 })("ab", model, 8);
  assertEquals(await g.weights[0].array(), [30, 40]);
  assertEquals(await g.weights[1].array(), [10, 20]);
  assertEquals([g.offset.shape, await g.offset.item()], [[], 20]);
  const two = (a: Tensor, b: Tensor): Tensor => a.mul(b).sum();
  const [value, [ga, gb]] = valueAndGrad(two, { argnums: [0, -1] })(tensor([2]), tensor([7]));
  assertEquals([await value.item(), await ga.item(), await gb.item()], [14, 7, 2]);
  const [hv] = hvp((m: Model) => f("", m, 1), [model], [
    { weights: [tensor([1, 0]), tensor([0, 0])], offset: tensor(0) },
  ]);
  assertEquals(await hv.weights[1].array(), [1, 0]);
});

Deno.test("what the result does not depend on gets zeros; integers are constants", async () => {
  const f = (a: Tensor, _b: Tensor): Tensor => a.sum();
  const [ga, gb] = grad(f, { argnums: [0, 1] })(tensor([1, 2]), tensor([[3]]));
  assertEquals([await ga.array(), await gb.array()], [[1, 1], [[0]]]);
  const steps = grad((a) => a.argSort().astype("float32").add(a.gt(1)).sum());
  assertEquals(await steps(tensor([1, 2])).array(), [0, 0]);
  const [, tangent] = jvp((_a) => tensor([1]), [tensor([1, 2])], [tensor([1, 1])]);
  assertEquals(await tangent.array(), [0]);
  const outside = tensor([1, 2]).mul(2);
  assertEquals(await grad((a) => a.mul(outside).sum())(tensor([0, 0])).array(), [2, 4]);
});

Deno.test("values: gradients of float32 are float32, of the arguments' shapes", async () => {
  const points = tensor([[0, 0], [1, 1], [2, 0]]);
  const [value, g] = valueAndGrad((a) => Vi(a).sqDist(Vj(a)).neg().exp().sum("j").sum())(points);
  assertEquals([value.dtype, g.dtype, g.shape], ["float32", "float32", [3, 2]]);
  assert(Math.abs(await value.item() - (3 + 4 * Math.exp(-2) + 2 * Math.exp(-4))) < 1e-6);
});

const three = tensor([1, 2, 3]);
const whole = tensor(new Int32Array([1, 2]));
const loose = grad as unknown as (f: unknown, o?: object) => (...args: unknown[]) => unknown;
const BAD: readonly (readonly [string, () => unknown, ErrorCode, string])[] = [
  ["of a vector", () => grad((a) => a.mul(2))(three), "shape", "gives shape [3]"],
  ["by integers", () => grad((a) => a.astype("float32").sum())(whole), "dtype", "int32 tensor [2]"],
  ["of integers", () => grad((a) => a.argMax())(three), "dtype", "gives int32"],
  ["of a promise", () => loose(() => Promise.resolve(three))(three), "dtype", "gives a promise"],
  ["of nothing", () => loose(() => undefined)(three), "dtype", "gives undefined"],
  ["of no function", () => loose(3)(three), "dtype", "expected a function"],
  ["by a number", () => loose((a: Tensor) => a)(3), "dtype", "got number"],
  ["by a date", () => loose((a: Tensor) => a)(new Date()), "dtype", "got object"],
  [
    "by an argument that is not there",
    () => loose((a: Tensor) => a, { argnums: 1 })(three),
    "shape",
    "argument 1 of 1",
  ],
];
for (const [what, run, code, message] of BAD) {
  Deno.test(`gradients are refused ${what}`, () => {
    const error = assertThrows(run, PairfoldError);
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, message);
  });
}

Deno.test("tangents that do not fit are refused", () => {
  const f = (a: Tensor): Tensor => a.sum();
  for (const bad of [[], [tensor([1])], [tensor(new Float64Array(3))]]) {
    assertThrows(() => jvp(f, [three], bad as unknown as [Tensor]), PairfoldError);
    assertThrows(() => hvp(f, [three], bad as unknown as [Tensor]), PairfoldError);
  }
  assertThrows(() => vjp(f, [three])[1]([1, 2]), PairfoldError);
});

Deno.test("arguments that are named in another way than by argnums are an error of ours", () => {
  const product = (x: Tensor, y: Tensor): Tensor => x.mul(y).sum();
  const odd = [[0, 1], 1, null, {}, { argnums: "0" }, { argnums: [0.5] }, { argnums: null }];
  for (const options of odd as never[]) {
    for (const transform of [grad, valueAndGrad]) {
      assertThrows(() => transform(product, options), PairfoldError, "expected { argnums }");
    }
  }
});
