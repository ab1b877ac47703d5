// Exchanged formulas: what they share with the formula itself is found, signs are right, and signs
// of zeros that an op could see are left alone.

import { assert, assertEquals } from "@std/assert";
import { build, constant, index, type Node, print, variable } from "../../src/formula/mod.ts";
import { exchanged, spelledAs } from "../../src/lower/mod.ts";
import { ReferenceEvaluator } from "../../src/engine/mod.ts";
import { randomFor } from "../support/random.ts";

const [x, y] = [variable(0, "i", 3), variable(1, "j", 3)];
const [b, c] = [variable(2, "j", 1), variable(3, "i", 1)];
const twins = new Map<Node, Node>([[x, y], [y, x], [b, c], [c, b]]);
const { add, concat, div, exp, inv, mul, neg, sin, sqrt, square, sub, sum } = build;
const d = sub(x, y);
const q = sum(square(d));

const twice = (formula: Node): Node | null => spelledAs(exchanged(formula, twins), formula);

/** Formulas with what they are after an exchange. */
const CASES: readonly (readonly [Node, Node])[] = [
  [exp(neg(q)), exp(neg(q))],
  [exp(sum(neg(square(d)))), exp(sum(neg(square(d))))],
  [mul(exp(neg(q)), b), mul(exp(neg(q)), c)],
  [sum(mul(x, y)), sum(mul(x, y))],
  [sum(mul(mul(constant(-2), x), y)), sum(mul(mul(constant(-2), x), y))],
  [add(sum(x), sum(y)), add(sum(x), sum(y))],
  [mul(d, exp(q)), neg(mul(d, exp(q)))],
  [mul(mul(d, exp(q)), b), neg(mul(mul(d, exp(q)), c))],
  [div(d, q), neg(div(d, q))],
  [sum(d), neg(sum(d))],
  [add(mul(d, q), d), neg(add(mul(d, q), d))],
  [concat(d, q), concat(neg(d), q)],
  [square(mul(sum(d), q)), square(mul(sum(d), q))],
  [mul(q, build.eq(index("i"), index("j"))), mul(q, build.eq(index("i"), index("j")))],
  [mul(exp(sum(mul(x, square(y)))), b), mul(exp(sum(mul(y, square(x)))), c)],
];

for (const [formula, want] of CASES) {
  Deno.test(`exchanged ${print(formula)}`, () => {
    const got = twice(formula);
    assert(got === want, `got ${got === null ? null : print(got)}, expected ${print(want)}`);
  });
}

Deno.test("what an op would see of a zero's sign is given up", () => {
  for (const formula of [inv(sum(d)), div(b, sum(d)), sin(sum(d)), exp(inv(mul(sum(d), q)))]) {
    assertEquals(twice(formula), null, print(formula));
  }
  assert(twice(exp(sqrt(q))) !== null);
});

Deno.test("an exchanged formula has the values of the exchanged points", () => {
  const random = randomFor("exchanged");
  const table = [3, 3, 1, 1].map((dim) => ({ data: random.float64(2 * dim), dim }));
  const [points, , weights] = table;
  const inputs = [points, points, weights, weights];
  const formulas = CASES.map(([formula]) => formula);
  for (const formula of formulas) {
    const other = twice(formula);
    assert(other !== null);
    const [own, second] = [formula, other].map((node) => new ReferenceEvaluator(node, inputs));
    for (const [i, j] of [[0, 1], [1, 0]]) {
      const [got, want] = [[...second.at(i, j)], [...own.at(j, i)]];
      got.forEach((value, k) => {
        const isClose = Math.abs(value - want[k]) <= 1e-15 * Math.abs(want[k]);
        assert(isClose, `${print(formula)}: got ${value}, expected ${want[k]}`);
      });
    }
  }
});
