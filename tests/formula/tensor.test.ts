// Tensor algebra, splines and time warping: identities, edges, independent definitions, refusals.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { gradient } from "../../src/autodiff/mod.ts";
import { ReferenceEvaluator } from "../../src/engine/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import {
  apply,
  build,
  type Node,
  type TensorDotLayout,
  variable,
  zero,
} from "../../src/formula/mod.ts";
import { checkFold } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";

/** A formula's value at given arguments, by the tables; arguments are parameters 0, 1, … */
function at(formula: Node, ...args: readonly ArrayLike<number>[]): number[] {
  const inputs = args.map((data) => ({ data, dim: data.length }));
  return [...new ReferenceEvaluator(formula, inputs).at(0, 0)];
}

const p = (slot: number, dim: number): Node => variable(slot, "p", dim);

function checkNear(got: readonly number[], want: readonly number[], tolerance = 1e-12): void {
  assertEquals(got.length, want.length);
  got.forEach((v, d) => assert(Math.abs(v - want[d]) < tolerance, `${got} is not ${want}`));
}

const times3 = (a: Node, b: Node): Node =>
  build.tensorDot(a, b, { dimsA: [3, 3], dimsB: [3, 3], contractedA: [1], contractedB: [0] });

Deno.test("a cross product is perpendicular to both, and turns round when they are exchanged", () => {
  const random = randomFor("cross");
  const [a, b] = [random.float64(3), random.float64(3)];
  const cross = build.cross(p(0, 3), p(1, 3));
  checkNear(at(build.dot(cross, p(0, 3)), a, b), [0]);
  checkNear(at(build.dot(cross, p(1, 3)), a, b), [0]);
  checkNear(at(build.add(cross, build.cross(p(1, 3), p(0, 3))), a, b), [0, 0, 0]);
  checkNear(at(cross, [1, 0, 0], [0, 1, 0]), [0, 0, 1]);
});

Deno.test("determinant and inverse: det AB = det A det B, A A⁻¹ = 1, det A⁻¹ = 1 / det A", () => {
  const random = randomFor("inverse");
  const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];
  const [a, b] = [0, 1].map(() => random.float64(9).map((v, k) => v + 3 * identity[k]));
  const [A, B] = [p(0, 9), p(1, 9)];
  const product = build.sub(
    build.det3(times3(A, B)),
    build.mul(build.det3(A), build.det3(B)),
  );
  checkNear(at(product, a, b), [0], 1e-9);
  checkNear(at(times3(A, build.inv3(A)), a), identity);
  checkNear(at(times3(build.inv3(A), A), a), identity);
  checkNear(at(build.mul(build.det3(build.inv3(A)), build.det3(A)), a), [1]);
  checkNear(at(build.det3(A), [0, 1, 0, 1, 0, 0, 0, 0, 2]), [-2]);
  assert(at(build.inv3(A), new Float64Array(9)).every((v) => !Number.isFinite(v)));
});

Deno.test("weights say by their dim how they weigh; a full matrix need not be symmetric", () => {
  const x = [1, 2];
  assertEquals(at(build.weightedSqNorm(p(0, 1), p(1, 2)), [3], x), [15]);
  assertEquals(at(build.weightedSqNorm(p(0, 2), p(1, 2)), [3, 5], x), [23]);
  assertEquals(at(build.weightedSqNorm(p(0, 4), p(1, 2)), [1, 2, 4, 3], x), [25]);
  const distance = build.weightedSqDist(p(0, 4), p(1, 2), p(2, 2));
  assertEquals(at(distance, [1, 2, 4, 3], [2, 4], [1, 2]), [25]);
  assertEquals(at(build.symSqNorm(p(0, 4), p(1, 2)), [1, 2, 4, 3], x), [25]);
});

Deno.test("extrema of vectors: NaN never wins, the first of equals does, all NaN say NaN and −1", () => {
  const x = p(0, 4);
  const all = build.concat(
    build.maxOf(x),
    build.argMaxOf(x),
    build.minOf(x),
    build.argMinOf(x),
  );
  assertEquals(at(all, [1, 3, 3, 1]), [3, 1, 1, 0]);
  assertEquals(at(all, [NaN, 2, NaN, 5]), [5, 3, 2, 1]);
  assertEquals(at(all, [-Infinity, NaN, Infinity, 0]), [Infinity, 2, -Infinity, 0]);
  assertEquals(at(all, [NaN, NaN, NaN, NaN]), [NaN, -1, NaN, -1]);
  assertEquals(at(all, [-Infinity, NaN, -Infinity, NaN]), [-Infinity, 0, -Infinity, 0]);
});

Deno.test("the gradient of an extremum goes to the first winner alone, and nowhere from all NaN", () => {
  const x = variable(0, "p", 4);
  const g = variable(1, "p", 1);
  const [max, min] = [build.maxOf(x), build.minOf(x)].map((f) => gradient(f, x, g));
  assertEquals(at(max, [1, 3, 3, 1], [2]), [0, 2, 0, 0]);
  assertEquals(at(min, [1, 3, 3, 1], [2]), [2, 0, 0, 0]);
  assertEquals(at(max, [NaN, NaN, 7, 7], [2]), [0, 0, 2, 0]);
  assertEquals(at(max, [NaN, NaN, NaN, NaN], [2]), [0, 0, 0, 0]);
});

for (const dim of [1, 5, 32, 33, 100]) {
  Deno.test(`extrema of vectors of dim ${dim} with NaN, ties and infinities, on the engine`, async () => {
    const random = randomFor(`extrema ${dim}`);
    const x = variable(0, "i", dim);
    const y = variable(1, "j", 1);
    const special = [NaN, NaN, 1, 1, -1, -1, 0, Infinity, -Infinity];
    const rows = Float32Array.from(
      { length: 37 * dim },
      (_, n) => n < 2 * dim ? NaN : random.pick(special),
    );
    for (const op of ["maxOf", "minOf", "argMaxOf", "argMinOf"] as const) {
      const formula = build.mul(build.concat(apply(op, [x]), apply(op, [build.neg(x)])), y);
      const data = new Map<number, ArrayLike<number>>([[0, rows], [1, [1]]]);
      for (const dtype of ["float32", "float64"] as const) {
        const c = { formula, axis: "j", M: 37, N: 1, dtype, data } as const;
        await checkFold({ ...c, reduction: "sum" }, random);
      }
    }
  });
}

Deno.test("oneHot rounds to the nearest component, halves upwards, and is zero outside", () => {
  const hot = build.oneHot(p(0, 1), 3);
  const cases: [number, number[]][] = [
    [0, [1, 0, 0]],
    [0.49999999999999994, [1, 0, 0]],
    [0.5, [0, 1, 0]],
    [2.4, [0, 0, 1]],
    [2.5, [0, 0, 0]],
    [-0.5, [1, 0, 0]],
    [-0.6, [0, 0, 0]],
    [-1, [0, 0, 0]],
    [NaN, [0, 0, 0]],
    [Infinity, [0, 0, 0]],
  ];
  for (const [x, want] of cases) assertEquals(at(hot, [x]), want, String(x));
});

Deno.test("B-splines: one between the inner knots in all, a hat for order 1, zero outside", () => {
  const knots = [0, 1, 2, 3, 4, 5, 6, 7];
  const x = p(1, 1);
  for (const order of [0, 1, 2, 3]) {
    const splines = build.bSpline(p(0, 8), x, order);
    assertEquals(splines.dim, 7 - order);
    for (const t of [order, order + 0.3, 6.999 - order]) {
      checkNear(at(build.sum(splines), knots, [t]), [1]);
    }
    for (const t of [-0.1, 7, 8]) checkNear(at(build.sum(splines), knots, [t]), [0]);
  }
  checkNear(at(build.bSpline(p(0, 3), x, 1), [0, 1, 3], [2]), [0.5]);
  checkNear(at(build.bSpline(p(0, 5), x, 3), knots.slice(0, 5), [2]), [2 / 3]);
});

Deno.test("B-splines on coinciding knots, and their gradients, are finite", () => {
  const clamped = [0, 0, 0, 0, 1, 2, 2, 2, 2];
  const knots = variable(0, "p", 9);
  const x = variable(1, "p", 1);
  const g = variable(2, "p", 5);
  const splines = build.bSpline(knots, x, 3);
  for (const t of [0, 0.25, 1, 1.75, 1.9999]) {
    checkNear(at(build.sum(splines), clamped, [t], [1, 1, 1, 1, 1]), [1]);
    for (const v of [knots, x]) {
      const slope = at(gradient(splines, v, g), clamped, [t], [1, 2, 3, 4, 5]);
      assert(slope.every(Number.isFinite), `at ${t}: ${slope}`);
    }
  }
});

/** −γ log Σ exp(−cost/γ) over all ways through the grid, one by one. */
function warpedByPaths(x: readonly number[], y: readonly number[], gamma: number): number {
  const costs: number[] = [];
  const walk = (i: number, j: number, before: number): void => {
    const cost = before + (x[i] - y[j]) ** 2;
    const [down, right] = [i + 1 < x.length, j + 1 < y.length];
    if (!down && !right) costs.push(cost);
    if (down) walk(i + 1, j, cost);
    if (right) walk(i, j + 1, cost);
    if (down && right) walk(i + 1, j + 1, cost);
  };
  walk(0, 0, 0);
  return -gamma * Math.log(costs.reduce((total, c) => total + Math.exp(-c / gamma), 0));
}

Deno.test("soft time warping is the soft minimum over all ways", () => {
  const random = randomFor("warping");
  for (const [n, m] of [[1, 1], [1, 4], [3, 1], [2, 2], [4, 3], [5, 6]]) {
    const [x, y] = [[...random.float64(n)], [...random.float64(m)]];
    for (const gamma of [0.3, 1, 4]) {
      const formula = build.softDtwSqDist(p(0, n), p(1, m), p(2, 1));
      checkNear(at(formula, x, y, [gamma]), [warpedByPaths(x, y, gamma)], 1e-12);
    }
  }
});

Deno.test("gradients of soft time warping stay finite and right where γ is small", async () => {
  const random = randomFor("sharp warping");
  const [x, y, gamma] = [variable(0, "i", 7), variable(1, "j", 5), variable(2, "p", 1)];
  const b = variable(3, "j", 1);
  for (const v of [x, y, gamma]) {
    const formula = gradient(build.softDtwSqDist(x, y, gamma), v, b);
    for (const dtype of ["float32", "float64"] as const) {
      const data = new Map([[2, [0.01]]]);
      const tolerance = dtype === "float32" ? 2e-4 : 1e-11;
      const c = { formula, axis: "j", M: 5, N: 67, dtype, data, tolerance } as const;
      await checkFold({ ...c, reduction: "sum" }, random);
    }
  }
});

/** tensorDot by its definition: every pair of elements, added where contracted indices agree. */
function byPairs(
  layout: Required<TensorDotLayout>,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): number[] {
  const { dimsA, dimsB, contractedA, contractedB, permutation } = layout;
  const indexOf = (k: number, dims: readonly number[]): number[] => {
    const index: number[] = [];
    let rest = k;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis] = rest % dims[axis];
      rest = Math.floor(rest / dims[axis]);
    }
    return index;
  };
  const without = (list: readonly number[], axes: readonly number[]): number[] =>
    list.filter((_, axis) => !axes.includes(axis));
  const permuted = (list: readonly number[]): number[] => {
    const result: number[] = [];
    list.forEach((v, k) => result[permutation[k]] = v);
    return result;
  };
  const dims = permuted([...without(dimsA, contractedA), ...without(dimsB, contractedB)]);
  const out = new Array(dims.reduce((product, d) => product * d, 1)).fill(0);
  for (let k = 0; k < a.length; k++) {
    for (let l = 0; l < b.length; l++) {
      const [i, j] = [indexOf(k, dimsA), indexOf(l, dimsB)];
      if (contractedA.some((axis, c) => i[axis] !== j[contractedB[c]])) continue;
      const index = permuted([...without(i, contractedA), ...without(j, contractedB)]);
      out[index.reduce((place, v, axis) => place * dims[axis] + v, 0)] += a[k] * b[l];
    }
  }
  return out;
}

/** A random layout of small tensors. */
function randomLayout(random: ReturnType<typeof randomFor>): Required<TensorDotLayout> {
  const shuffled = (count: number): number[] => {
    const list = Array.from({ length: count }, (_, k) => k);
    for (let k = count - 1; k > 0; k--) {
      const l = random.integer(k + 1);
      [list[k], list[l]] = [list[l], list[k]];
    }
    return list;
  };
  const [rankA, rankB] = [random.integer(4), random.integer(4)];
  const count = random.integer(Math.min(rankA, rankB) + 1);
  const contractedA = shuffled(rankA).slice(0, count);
  const contractedB = shuffled(rankB).slice(0, count);
  const dimsA = Array.from({ length: rankA }, () => 1 + random.integer(4));
  const dimsB = Array.from({ length: rankB }, () => 1 + random.integer(4));
  contractedB.forEach((axis, k) => dimsB[axis] = dimsA[contractedA[k]]);
  const permutation = shuffled(rankA + rankB - 2 * count);
  return { dimsA, dimsB, contractedA, contractedB, permutation };
}

Deno.test("tensorDot and its gradients on random layouts: every pair of elements, by the definition", async () => {
  const random = randomFor("layouts");
  const size = (dims: readonly number[]): number => dims.reduce((product, d) => product * d, 1);
  for (let trial = 0; trial < 60; trial++) {
    const layout = randomLayout(random);
    const a = variable(0, "i", size(layout.dimsA));
    const b = variable(1, "j", size(layout.dimsB));
    const [x, y] = [random.float64(a.dim), random.float64(b.dim)];
    const formula = build.tensorDot(a, b, layout);
    const want = byPairs(layout, x, y);
    checkNear(at(formula, x, y), want);
    // linear in each argument: ⟨g, F(a, b)⟩ = ⟨∂a, a⟩ = ⟨∂b, b⟩
    const g = variable(2, "p", formula.dim);
    const cotangent = random.float64(formula.dim);
    const value = want.reduce((total, v, k) => total + v * cotangent[k], 0);
    for (const v of [a, b]) {
      const pairing = build.dot(gradient(formula, v, g), v);
      checkNear(at(pairing, x, y, cotangent), [value], 1e-10);
    }
    if (trial % 6 > 0) continue;
    const c = { axis: "j", M: 3, N: 5, dtype: "float32", tolerance: 1e-5 } as const;
    await checkFold({ ...c, formula, reduction: "sum", low: 0.1 }, random);
    await checkFold(
      { ...c, formula: gradient(formula, b, g), reduction: "sum", low: 0.1 },
      random,
    );
  }
  const layout = { dimsA: [2, 3], dimsB: [3, 2], contractedA: [1], contractedB: [0] };
  const wrong = byPairs({ ...layout, permutation: [1, 0] }, [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]);
  const right = at(build.tensorDot(p(0, 6), p(1, 6), layout), [1, 2, 3, 4, 5, 6], [
    1,
    2,
    3,
    4,
    5,
    6,
  ]);
  assert(wrong.some((v, k) => v !== right[k]), "a wrong permutation passes");
});

Deno.test("kron is numpy's", () => {
  const kron = build.kron(p(0, 4), p(1, 2), [2, 2], [1, 2]);
  assertEquals(at(kron, [1, 2, 3, 4], [10, 100]), [10, 100, 20, 200, 30, 300, 40, 400]);
  const column = build.kron(p(0, 4), p(1, 2), [2, 2], [2, 1]);
  assertEquals(at(column, [1, 2, 3, 4], [10, 100]), [10, 20, 100, 200, 30, 40, 300, 400]);
});

Deno.test("what does not fit is refused, with what was got and what was wanted", () => {
  const [x3, x4, x6, x9, s] = [p(0, 3), p(1, 4), p(2, 6), p(3, 9), p(4, 1)];
  const dot = (layout: Partial<TensorDotLayout>) => () =>
    build.tensorDot(x6, x6, {
      dimsA: [2, 3],
      dimsB: [3, 2],
      contractedA: [1],
      contractedB: [0],
      ...layout,
    });
  const cases: [() => unknown, string][] = [
    [() => build.weightedSqNorm(x4, x3), "weightedSqNorm: got dims 4 (parameter) and 3"],
    [
      () => build.weightedSqNorm(x6, x3),
      "expected the weight's dim 1, the vector's, or its square",
    ],
    [() => build.weightedSqDist(x6, x3, x3), "weightedSqDist: got dims 6 (parameter) and 3"],
    [() => build.weightedSqDist(s, x3, x4), "weightedSqDist: got dims 3 (parameter) and 4"],
    [() => build.symSqNorm(x3, x3), "symSqNorm: got dims 3 (parameter) and 3 (parameter)"],
    [() => build.sqNormDiag(x4, x3), "sqNormDiag: got dims 4 (parameter) and 3 (parameter)"],
    [() => build.matVecMult(x6, x4), "a matrix whose dim is a multiple of the vector's"],
    [() => build.vecMatMult(x4, x6), "vecMatMult: got dims 4 (parameter) and 6 (parameter)"],
    [() => build.cross(x3, x4), "cross: got dims 3 (parameter) and 4 (parameter); expected dim 3"],
    [() => build.det3(x3), "det3: got dims 3 (parameter); expected dim 9"],
    [() => build.inv3(x6), "inv3: got dims 6 (parameter); expected dim 9"],
    [() => build.oneHot(x3, 4), "oneHot: got dims 3 (parameter); expected a scalar"],
    [() => build.oneHot(s, 0), "oneHot: got dim 0; expected an integer from 1"],
    [() => build.iota(0.5), "iota: got dim 0.5"],
    [() => build.bSpline(x3, s, 2), "bSpline: got dims 3 (parameter) and 1 (parameter)"],
    [() => build.bSpline(x9, x3, 2), "expected at least 4 knots, and a scalar"],
    [() => build.bSpline(x9, s, -1), "bSpline: got order -1; expected an integer from 0 to 64"],
    [() => build.kron(x6, x4, [2, 3], [4]), "kron: got dims [2,3] and [4]; expected as many"],
    [() => build.kron(x6, x4, [2, 2], [2, 2]), "expected dims whose products are [2,2]"],
    [() => build.kron(x6, x4, [6, 0], [2, 2]), "kron: got dim 0"],
    [dot({ dimsA: [2, 2] }), "tensorDot: got dims [2,2] for a; expected a product of 6"],
    [dot({ dimsB: [6, 2] }), "tensorDot: got dims [6,2] for b; expected a product of 6"],
    [dot({ dimsA: [-2, -3] }), "tensorDot: got dims [-2,-3] for a"],
    [dot({ contractedA: [0] }), "got axis 0 of a (2) against axis 0 of b (3); expected equal dims"],
    [dot({ contractedA: [2] }), "tensorDot: got "],
    [dot({ contractedA: [1, 0] }), "got 2 contracted axes of a and 1 of b; expected as many"],
    [dot({ contractedA: [0, 0], contractedB: [0, 0] }), "tensorDot: got "],
    [dot({ permutation: [0, 2] }), "got permutation [0,2]; expected the numbers from 0 to 1"],
    [dot({ permutation: [0] }), "tensorDot: got 10 numbers; expected 11"],
    [
      () => apply("tensorDot", [x6, x6], [1, 1]),
      "tensorDot: got 2 attributes; expected at least 3",
    ],
    [() => apply("tensorDot", [x6, x6], [1, 1, 2, 6, 6]), "got ranks 1 and 1 with 2 contractions"],
    [() => apply("tensorDot", [x6, x6], [-1, 1, 0]), "tensorDot: got ranks -1 and 1"],
    [() => build.softDtwSqDist(x3, x4, x3), "softDtwSqDist: got dims 3 (parameter) and 4"],
    [() => build.softDtwTable(x6, s, 2, 2), "softDtwTable: got dims 6 (parameter) and 1"],
    [() => build.softDtwTable(x6, s, 0, 2), "softDtwTable: got n 0"],
    [() => build.gridScan(x6, x6, x6, x4, 2, 3), "gridScan: got dims 6 (parameter) and 6"],
    [() => build.gridScanT(x6, x6, x6, zero(6), 3, 1.5), "gridScanT: got m 1.5"],
    [() => apply("cross", [x3]), "cross: got 1 arguments; expected 2"],
    [() => apply("iota", [], []), "iota: got 0 attributes; expected 1 (dim)"],
  ];
  for (const [make, message] of cases) {
    const error = assertThrows(make, PairfoldError, message);
    assertEquals(error.code, "dim");
  }
});
