// What the tables say where mathematics leaves a choice: NaN, ties, kinks, zeros, overflow. Each
// line is one sentence; it holds in the reference and through the whole pipeline, in both float
// types, for arguments that are rows and that are parameters.

import { assert } from "@std/assert";
import { gradient } from "../../src/autodiff/mod.ts";
import { ReferenceEvaluator } from "../../src/engine/mod.ts";
import { build, constant, type Node, variable } from "../../src/formula/mod.ts";
import { runFold } from "../support/folds.ts";
import { tensor } from "../../src/tensor/mod.ts";

type Formula = (x: Node, y: Node, z: Node) => Node;

/** A sentence: the formula's value at arguments, or its derivative with respect to one of them. */
interface Sentence {
  readonly says: string;
  readonly formula: Formula;
  readonly at: readonly number[];
  /** Which derivatives are taken, one after another, by argument; none: the value. */
  readonly by: readonly (0 | 1 | 2)[];
  readonly want: number;
}

/** The value at arguments. */
const value = (says: string, formula: Formula, at: readonly number[], want: number): Sentence => ({
  says,
  formula,
  at,
  by: [],
  want,
});

/** The derivatives with respect to the arguments in order. */
const slopes = (
  says: string,
  formula: Formula,
  at: readonly number[],
  ...wants: readonly number[]
): Sentence[] =>
  wants.map((want, k) => ({
    says: `${says}: argument ${k}`,
    formula,
    at,
    by: [k as 0 | 1 | 2],
    want,
  }));

/** The second derivative with respect to the first argument. */
const curvature = (
  says: string,
  formula: Formula,
  at: readonly number[],
  want: number,
): Sentence => ({
  says,
  formula,
  at,
  by: [0, 0],
  want,
});

const relu = (x: Node): Node => build.relu(x);
const clampInt = (x: Node): Node => build.clampInt(x, -1, 1);
const round = (decimals: number) => (x: Node): Node => build.round(x, decimals);
/** 1/f(x) tells −0 from 0. */
const inverseOf = (op: (x: Node) => Node) => (x: Node): Node => build.inv(op(x));

const SENTENCES: readonly Sentence[] = [
  value("relu of NaN is NaN", relu, [NaN], NaN),
  value("relu of 0 is 0", relu, [0], 0),
  ...slopes("relu has slope 1 at the tie x = 0", relu, [0], 1),
  ...slopes("relu has slope 1 at the tie x = −0", relu, [-0], 1),
  ...slopes("relu has slope 0 below 0", relu, [-1e-30], 0),
  ...slopes("relu has slope NaN at NaN", relu, [NaN], NaN),

  value("clamp of NaN is NaN", build.clamp, [NaN, -1, 1], NaN),
  value("clamp: a NaN below bounds nothing", build.clamp, [-5, NaN, 1], -5),
  value("clamp: a NaN above bounds nothing", build.clamp, [5, -1, NaN], 5),
  value("clamp: the lower bound wins over an upper one below it", build.clamp, [0, 2, 1], 2),
  value("clamp: crossed bounds leave the upper one to large x", build.clamp, [3, 2, 1], 1),
  ...slopes("clamp's gradient goes to x inside", build.clamp, [0, -1, 1], 1, 0, 0),
  ...slopes("clamp's gradient goes to x at the tie with low", build.clamp, [-1, -1, 1], 1, 0, 0),
  ...slopes("clamp's gradient goes to x at the tie with high", build.clamp, [1, -1, 1], 1, 0, 0),
  ...slopes("clamp's gradient goes to low below", build.clamp, [-2, -1, 1], 0, 1, 0),
  ...slopes("clamp's gradient goes to high above", build.clamp, [2, -1, 1], 0, 0, 1),
  ...slopes("clamp's gradient goes to a NaN x", build.clamp, [NaN, -1, 1], 1, 0, 0),
  value("clampInt of NaN is NaN", clampInt, [NaN], NaN),
  ...slopes("clampInt has slope 1 at the tie with low", clampInt, [-1], 1),
  ...slopes("clampInt has slope 1 at the tie with high", clampInt, [1], 1),
  ...slopes("clampInt has slope 0 outside", clampInt, [1.5], 0),

  value("min: NaN never wins, first", build.min, [NaN, 3], 3),
  value("min: NaN never wins, second", build.min, [3, NaN], 3),
  value("min of two NaN is NaN", build.min, [NaN, NaN], NaN),
  ...slopes("min's gradient goes to the smaller", build.min, [3, 2], 0, 1),
  ...slopes("min's gradient goes to the first of a tie", build.min, [2, 2], 1, 0),
  ...slopes("min's gradient passes by a NaN, first", build.min, [NaN, 2], 0, 1),
  ...slopes("min's gradient passes by a NaN, second", build.min, [2, NaN], 1, 0),
  value("max: NaN never wins, first", build.max, [NaN, 3], 3),
  value("max: NaN never wins, second", build.max, [3, NaN], 3),
  value("max of two NaN is NaN", build.max, [NaN, NaN], NaN),
  ...slopes("max's gradient goes to the larger", build.max, [3, 2], 1, 0),
  ...slopes("max's gradient goes to the first of a tie", build.max, [2, 2], 1, 0),
  ...slopes("max's gradient passes by a NaN, first", build.max, [NaN, 2], 0, 1),
  ...slopes("max's gradient passes by a NaN, second", build.max, [2, NaN], 1, 0),

  value("step of 0 is 1", build.step, [0], 1),
  value("step of −0 is 1", build.step, [-0], 1),
  value("step of NaN is NaN", build.step, [NaN], NaN),
  value("sign of 0 is 0", build.sign, [0], 0),
  value("sign of NaN is NaN", build.sign, [NaN], NaN),
  ...slopes("abs has slope 0 at 0", build.abs, [0], 0),
  ...slopes("sqrt has slope 0 at 0", build.sqrt, [0], 0),
  value("rsqrt of 0 is 0", build.rsqrt, [0], 0),
  ...slopes("rsqrt has slope 0 at 0", build.rsqrt, [0], 0),
  value("0 to the power 0 is 1", build.powr, [0, 0], 1),
  ...slopes("powr has no slope at x = 0 where it would be infinite", build.powr, [0, 0.5], 0, 0),
  ...slopes("powr has its slope at x = 0 for exponents above 1", build.powr, [0, 1.5], 0, 0),
  ...slopes("powr has its slope at x = 0 for exponent 1", build.powr, [0, 1], 1, 0),
  curvature("powr's second derivative at x = 0 is a number", build.powr, [0, 0.5], 0),
  value("ifElse takes the first branch at 0", build.ifElse, [0, 5, 7], 5),
  value("ifElse takes the second branch at NaN", build.ifElse, [NaN, 5, 7], 7),

  value("floor rounds down below 0", build.floor, [-0.5], -1),
  ...slopes("floor has slope 0", build.floor, [0.5], 0),
  value("round: ½ goes away from 0", round(0), [0.5], 1),
  value("round: −½ goes away from 0", round(0), [-0.5], -1),
  value("round: 2½ goes away from 0", round(0), [2.5], 3),
  value("round: what is just below ½ goes to 0", round(0), [0.5 - 2 ** -25], 0),
  value("round: what is just below 8,388,607½ goes down", round(0), [8388607.25], 8388607),
  value("round keeps an odd integer that adding ½ would move", round(0), [8388609], 8388609),
  value("round to one decimal", round(1), [-1.25], -1.3),
  value("round to tens", round(-1), [25], 30),
  value("round to hundreds", round(-2), [-149], -100),
  value("round to many decimals does not overflow", round(22), [3e38], 3e38),
  value("round of infinity is infinity", round(2), [-Infinity], -Infinity),
  value("round of NaN is NaN", round(0), [NaN], NaN),
  ...slopes("round has slope 0", round(0), [0.5], 0),
  value("mod of a negative number has the modulus' sign", build.mod, [-1, 3, 0], 2),
  value("mod by a negative modulus has its sign", build.mod, [5, -3, 0], -1),
  value("mod counts from the offset, inclusive", build.mod, [-1, 3, -1], -1),
  value("mod's offset plus the modulus is the offset again", build.mod, [2, 3, -1], -1),
  ...slopes("mod's gradient takes the floor as constant", build.mod, [7, 3, 0], 1, -2, 0),

  value("xLogX of 0 is 0", build.xLogX, [0], 0),
  value("xLogX below 0 is NaN", build.xLogX, [-1], NaN),
  ...slopes("xLogX has slope 0 at 0", build.xLogX, [0], 0),
  curvature("xLogX's second derivative at 0 is a number", build.xLogX, [0], 0),
  ...slopes("r² log r² has slope 0 at r = 0", (x) => build.xLogX(build.square(x)), [0], 0),
  value("sinXDivX of 0 is 1", build.sinXDivX, [0], 1),
  ...slopes("sinXDivX has slope 0 at 0", build.sinXDivX, [0], 0),
  ...slopes("sinXDivX has slope −x/3 near 0", build.sinXDivX, [3e-6], -1e-6),
  curvature("sinXDivX has second derivative −1/3 at 0", build.sinXDivX, [0], -1 / 3),
  value("asin beyond 1 is NaN", build.asin, [1.5], NaN),
  ...slopes("asin has slope 0 at 1", build.asin, [1], 0),
  ...slopes("asin has slope 0 at −1", build.asin, [-1], 0),
  ...slopes("acos has slope 0 at 1", build.acos, [1], -0),
  value("atan2 of (0, 0) is 0", build.atan2, [0, 0], 0),
  value("atan2 of (0, −0) is π", build.atan2, [0, -0], Math.PI),
  value("atan2 of (−0, −1) is −π", build.atan2, [-0, -1], -Math.PI),
  value("atan2 of two infinities is a diagonal", build.atan2, [Infinity, -Infinity], 2.356194490),
  ...slopes("atan2 has gradient 0 at (0, 0)", build.atan2, [0, 0], 0, 0),
  ...slopes(
    "atan2's gradient survives large arguments",
    build.atan2,
    [3e30, 4e30],
    1.6e-31,
    -1.2e-31,
  ),
  ...slopes(
    "atan2's gradient survives small arguments",
    build.atan2,
    [3e-30, 4e-30],
    1.6e29,
    -1.2e29,
  ),
  value("hypot does not overflow", build.hypot, [3e30, 4e30], 5e30),
  value("hypot does not underflow", build.hypot, [3e-30, -4e-30], 5e-30),
  value("hypot of infinity and NaN is infinite", build.hypot, [NaN, -Infinity], Infinity),
  ...slopes("hypot has gradient 0 at (0, 0)", build.hypot, [0, 0], 0, 0),

  value("tanh ends at 1", build.tanh, [1000], 1),
  value("tanh ends at −1", build.tanh, [-1000], -1),
  ...slopes("tanh is flat at 1000", build.tanh, [1000], 0),
  ...slopes("tanh is flat at −1000", build.tanh, [-1000], 0),
  ...slopes("tanh has its slope to its last digit at 15", build.tanh, [15], 3.7430490557e-13),
  value("sigmoid ends at 1", build.sigmoid, [1000], 1),
  value("sigmoid ends at 0", build.sigmoid, [-1000], 0),
  ...slopes("sigmoid is flat at 1000", build.sigmoid, [1000], 0),
  ...slopes("sigmoid is flat at −1000", build.sigmoid, [-1000], 0),
  ...slopes("sigmoid has its slope to its last digit at 30", build.sigmoid, [30], 9.3576229688e-14),
  value("softplus is x for large x", build.softplus, [1000], 1000),
  value("softplus ends at 0", build.softplus, [-1000], 0),
  value("softplus has its value to its last digit at −30", build.softplus, [-30], 9.3576229688e-14),
  ...slopes("softplus has slope 1 at 1000", build.softplus, [1000], 1),
  ...slopes("softplus has slope 0 at −1000", build.softplus, [-1000], 0),
  value("softplus of −∞ is 0", build.softplus, [-Infinity], 0),
  value("softplus of NaN is NaN", build.softplus, [NaN], NaN),
  value("expm1 has its value to its last digit at 1e−20", build.expm1, [1e-20], 1e-20),
  value("log1p has its value to its last digit at 1e−20", build.log1p, [1e-20], 1e-20),
  value("log1p of −1 is −∞", build.log1p, [-1], -Infinity),
  value("exp2 of a whole number is exact", build.exp2, [-3], 0.125),
  value("exp2 of −∞ is 0", build.exp2, [-Infinity], 0),
  value("exp2 overflows to ∞", build.exp2, [3000], Infinity),
  value("log2 of 0 is −∞", build.log2, [0], -Infinity),
  value("log2 below 0 is NaN", build.log2, [-1], NaN),
  value("log10 of 0 is −∞", build.log10, [0], -Infinity),
  value("log10 below 0 is NaN", build.log10, [-1], NaN),
  value("asinh has its value to its last digit at 1e−20", build.asinh, [1e-20], 1e-20),
  value("asinh does not overflow", build.asinh, [1e30], 69.7706997599),
  ...slopes("asinh's slope survives large arguments", build.asinh, [-1e30], 1e-30),
  value("acosh of 1 is 0", build.acosh, [1], 0),
  value("acosh below 1 is NaN", build.acosh, [0.5], NaN),
  value("acosh far below 1 is NaN", build.acosh, [-1e30], NaN),
  value("acosh does not overflow", build.acosh, [1e30], 69.7706997599),
  ...slopes("acosh has slope 0 at 1", build.acosh, [1], 0),
  ...slopes("acosh below −1 has no slope", build.acosh, [-2], NaN),
  ...slopes("acosh's slope survives large arguments", build.acosh, [1e30], 1e-30),
  value("atanh of 1 is ∞", build.atanh, [1], Infinity),
  value("atanh of −1 is −∞", build.atanh, [-1], -Infinity),
  value("atanh beyond 1 is NaN", build.atanh, [1.5], NaN),
  value("atanh far beyond −1 is NaN", build.atanh, [-1e30], NaN),
  ...slopes("atanh has slope ∞ at 1", build.atanh, [1], Infinity),
  value("cbrt of a negative number is negative", build.cbrt, [-27], -3),
  value("cbrt of −∞ is −∞", build.cbrt, [-Infinity], -Infinity),
  ...slopes("cbrt has slope 0 at 0", build.cbrt, [0], 0),
  ...slopes("cbrt's slope is the same on both sides", build.cbrt, [-8], 1 / 12),
  curvature("cbrt's second derivative at 0 counts as 0", build.cbrt, [0], 0),

  value("erfc has its value to its last digit at 8", build.erfc, [8], 1.1224297172983e-29),
  value("erfc of −∞ is 2", build.erfc, [-Infinity], 2),
  ...slopes("erf is flat at 1000", build.erf, [1000], 0),
  value("expm1 of −∞ is −1", build.expm1, [-Infinity], -1),

  ...([
    build.expm1,
    build.log1p,
    build.asin,
    build.atan,
    build.sinh,
    build.tanh,
    build.asinh,
    build.atanh,
    build.cbrt,
    build.erf,
  ] as const).flatMap((op) => [
    value(`${op(variable(0, "i", 1)).op} keeps −0`, inverseOf(op), [-0], -Infinity),
    value(`${op(variable(0, "i", 1)).op} keeps 0`, inverseOf(op), [0], Infinity),
  ]),
];

/** The formula that a sentence is about, on arguments of an axis. */
function formulaOf({ formula, by }: Sentence, axis: "i" | "p"): Node {
  const args = [0, 1, 2].map((slot) => variable(slot, axis, 1));
  const [x, y, z] = args;
  return by.reduce<Node>((f, k) => gradient(f, args[k], constant(1)), formula(x, y, z));
}

function isRight(got: number, want: number): boolean {
  if (!Number.isFinite(want)) return Object.is(got, want);
  return Math.abs(got - want) <= 3e-6 * Math.abs(want);
}

for (const sentence of SENTENCES) {
  const { says, at, want } = sentence;
  Deno.test(`convention: ${says}`, async () => {
    const dense = at.map((v) => ({ data: [v], dim: 1 }));
    const [reference] = new ReferenceEvaluator(formulaOf(sentence, "i"), dense).at(0, 0);
    assert(isRight(reference, want), `the reference gives ${reference}, expected ${want}`);
    for (const axis of ["i", "p"] as const) {
      for (const dtype of ["float32", "float64"] as const) {
        const array = (v: number) => dtype === "float32" ? Float32Array.of(v) : Float64Array.of(v);
        const inputs = new Map(at.map((v, slot) => [slot, tensor(array(v), [1, 1])]));
        const formula = formulaOf(sentence, axis);
        const c = { formula, reduction: "sum", axis: "j", M: 1, N: 1, dtype } as const;
        const [got] = await runFold(c, inputs);
        assert(isRight(got[0], want), `${dtype}, axis ${axis}: got ${got[0]}, expected ${want}`);
      }
    }
  });
}

Deno.test("the checker of conventions refuses wrong numbers", () => {
  assert(!isRight(0, NaN) && !isRight(NaN, 0) && !isRight(1e-7, 0) && !isRight(1.00001, 1));
  assert(!isRight(-Infinity, Infinity) && !isRight(3e38, Infinity));
});
