// Complex ops against complex arithmetic written out here, and what is particular to them:
// broadcast of complex scalars, refusals, gradients at 0, parts of what was just put together.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { gradient } from "../../src/autodiff/mod.ts";
import { ReferenceEvaluator } from "../../src/engine/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import { build, type Node, print, variable } from "../../src/formula/mod.ts";
import { checkClose } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";

interface Complex {
  readonly re: number;
  readonly im: number;
}

const fromPolar = (r: number, angle: number): Complex => ({
  re: r * Math.cos(angle),
  im: r * Math.sin(angle),
});
const size = (z: Complex): number => Math.hypot(z.re, z.im);
const angle = (z: Complex): number => Math.atan2(z.im, z.re);
const plus = (a: Complex, b: Complex): Complex => ({ re: a.re + b.re, im: a.im + b.im });
const minus = (a: Complex, b: Complex): Complex => ({ re: a.re - b.re, im: a.im - b.im });
// products and quotients by polar coordinates: another way than the table's
const times = (a: Complex, b: Complex): Complex =>
  fromPolar(size(a) * size(b), angle(a) + angle(b));
const over = (a: Complex, b: Complex): Complex => fromPolar(size(a) / size(b), angle(a) - angle(b));
const real = (re: number): Complex => ({ re, im: 0 });

const z = variable(0, "i", 6);
const w = variable(1, "j", 6);
const s = variable(2, "p", 2);
const x = variable(3, "i", 3);
const r = variable(4, "p", 1);

/** What each formula must be, from z, w (3 complex numbers each), s, x (3 real numbers) and r. */
const CASES: readonly [
  formula: Node,
  want: (z: Complex[], w: Complex[], s: Complex, x: number[], r: number) => (Complex | number)[],
][] = [
  [build.complexReal(z), (z) => z.map((v) => v.re)],
  [build.complexImag(z), (z) => z.map((v) => v.im)],
  [build.realToComplex(x), (_z, _w, _s, x) => x.map(real)],
  [build.imagToComplex(x), (_z, _w, _s, x) => x.map((v) => ({ re: 0, im: v }))],
  [build.conj(z), (z) => z.map((v) => fromPolar(size(v), -angle(v)))],
  [build.complexAbs(z), (z) => z.map(size)],
  [build.complexSquareAbs(z), (z) => z.map((v) => size(v) ** 2)],
  [build.complexAngle(z), (z) => z.map(angle)],
  [build.complexSum(z), (z) => [z.reduce(plus)]],
  [build.complexSumT(s, 6), (_z, _w, s) => [s, s, s]],
  [build.complexAdd(z, w), (z, w) => z.map((v, k) => plus(v, w[k]))],
  [build.complexAdd(s, w), (_z, w, s) => w.map((v) => plus(s, v))],
  [build.complexSubtract(z, w), (z, w) => z.map((v, k) => minus(v, w[k]))],
  [build.complexSubtract(s, w), (_z, w, s) => w.map((v) => minus(s, v))],
  [build.complexMult(z, w), (z, w) => z.map((v, k) => times(v, w[k]))],
  [build.complexMult(z, s), (z, _w, s) => z.map((v) => times(v, s))],
  [build.complexScal(s, z), (z, _w, s) => z.map((v) => times(s, v))],
  [build.complexScal(z, s), (z, _w, s) => z.map((v) => times(s, v))],
  [build.complexRealScal(r, z), (z, _w, _s, _x, r) => z.map((v) => times(real(r), v))],
  [build.complexRealScal(z, r), (z, _w, _s, _x, r) => z.map((v) => times(real(r), v))],
  [build.complexDivide(z, w), (z, w) => z.map((v, k) => over(v, w[k]))],
  [build.complexDivide(s, w), (_z, w, s) => w.map((v) => over(s, v))],
  [build.complexDivide(z, s), (z, _w, s) => z.map((v) => over(v, s))],
  [build.complexExp(z), (z) => z.map((v) => fromPolar(Math.exp(v.re), v.im))],
  [build.complexExp1j(x), (_z, _w, _s, x) => x.map((v) => fromPolar(1, v))],
];

/** Components of numbers that may be complex. */
const flat = (list: readonly (Complex | number)[]): number[] =>
  list.flatMap((v) => typeof v === "number" ? [v] : [v.re, v.im]);

const pairs = (data: Float64Array): Complex[] =>
  Array.from({ length: data.length / 2 }, (_, d) => ({ re: data[2 * d], im: data[2 * d + 1] }));

function values(formula: Node, inputs: readonly ArrayLike<number>[]): Float64Array {
  const dense = inputs.map((data) => ({ data, dim: data.length }));
  return new ReferenceEvaluator(formula, dense).at(0, 0);
}

Deno.test("complex ops are complex arithmetic, all quadrants, scalars in either place", () => {
  const random = randomFor("complex arithmetic");
  for (const [formula, want] of CASES) {
    for (let turn = 0; turn < 50; turn++) {
      const inputs = [6, 6, 2, 3, 1].map((dim) => random.float64(dim, -2, 2));
      const [Z, W, S, X, R] = inputs;
      const expected = flat(want(pairs(Z), pairs(W), pairs(S)[0], [...X], R[0]));
      const got = values(formula, inputs);
      assertEquals(got.length, expected.length);
      const scale = Math.max(1, ...expected.map(Math.abs));
      got.forEach((v, d) => checkClose(v, expected[d], scale, 1e-12, print(formula)));
    }
  }
});

Deno.test("dims that are no complex vectors are refused, with what was got and what was wanted", () => {
  const four = variable(5, "j", 4);
  const cases: [() => unknown, string][] = [
    [() => build.complexReal(x), "complexReal: got dims 3 (x_i); expected an even dim"],
    [() => build.complexAbs(r), "complexAbs: got dims 1 (parameter); expected an even dim"],
    [() => build.complexAngle(x), "complexAngle: got dims 3 (x_i); expected an even dim"],
    [() => build.conj(x), "conj: got dims 3 (x_i); expected an even dim"],
    [() => build.complexSum(x), "complexSum: got dims 3 (x_i); expected an even dim"],
    [() => build.complexSumT(z, 6), "complexSumT: got dim of the argument 6"],
    [() => build.complexSumT(s, 5), "complexSumT: got dim / 2 2.5"],
    [() => build.complexAdd(z, four), "complexAdd: got dims 6 (x_i) and 4 (y_j); expected equal"],
    [
      () => build.complexMult(x, x),
      "complexMult: got dims 3 (x_i) and 3 (x_i); expected equal even",
    ],
    [() => build.complexMult(r, z), "complexMult: got dims 1 (parameter) and 6 (x_i)"],
    [
      () => build.complexScal(z, w),
      "complexScal: got dims 6 (x_i) and 6 (y_j); expected one of them 2",
    ],
    [() => build.complexRealScal(z, s), "complexRealScal: got dims 6 (x_i) and 2 (parameter)"],
    [() => build.complexRealScal(r, x), "complexRealScal: got dims 1 (parameter) and 3 (x_i)"],
    [() => build.complexDivide(z, x), "complexDivide: got dims 6 (x_i) and 3 (x_i)"],
    [() => build.complexExp(x), "complexExp: got dims 3 (x_i); expected an even dim"],
  ];
  for (const [make, message] of cases) {
    assertEquals(assertThrows(make, PairfoldError, message).code, "dim");
  }
});

Deno.test("the gradient of |z| at 0 is 0, and z / |z| beside it", () => {
  const g = variable(1, "p", 3);
  const formula = gradient(build.complexAbs(z), z, g);
  const got = values(formula, [[0, 0, 3, -4, -0, 0], [1, 10, 1]]);
  assertEquals([...got].map((v) => v + 0), [0, 0, 6, -8, 0, 0]);
});

Deno.test("angles: the gradient in every quadrant, 0 at 0, and on the axes", () => {
  const g = variable(1, "p", 1);
  const point = variable(0, "i", 2);
  const formula = gradient(build.complexAngle(point), point, g);
  for (const [re, im] of [[3, 4], [-3, 4], [-3, -4], [3, -4], [2, 0], [-2, 0], [0, 2], [0, -2]]) {
    const got = values(formula, [[re, im], [1]]);
    const r2 = re * re + im * im;
    checkClose(got[0], -im / r2, 1, 1e-15, `re of (${re}, ${im})`);
    checkClose(got[1], re / r2, 1, 1e-15, `im of (${re}, ${im})`);
  }
  assertEquals([...values(formula, [[0, 0], [1]])].map((v) => v + 0), [0, 0]);
  assertEquals(values(build.complexAngle(point), [[0, 0]])[0], 0);
  assertEquals(values(build.complexAngle(point), [[-1, 0]])[0], Math.PI);
});

Deno.test("a holomorphic function's gradient is conj(w′) · cotangent", () => {
  const random = randomFor("holomorphic");
  const g = variable(1, "j", 6);
  const holomorphic: [Node, Node][] = [
    [build.complexExp(z), build.complexExp(z)],
    [build.complexMult(z, z), build.complexRealScal(build.constant(2), z)],
  ];
  for (const [formula, derivative] of holomorphic) {
    const inputs = [random.float64(6), random.float64(6)];
    const got = values(gradient(formula, z, g), inputs);
    const want = values(build.complexMult(build.conj(derivative), g), inputs);
    got.forEach((v, d) => checkClose(v, want[d], 1, 1e-13, print(formula)));
    const wrong = values(build.complexMult(derivative, g), inputs);
    assert(got.some((v, d) => Math.abs(v - wrong[d]) > 1e-3), "conj makes no difference here");
  }
});
