// The rewrite rules. Every one is checked on random inputs, on both sides, by the tests.

import {
  any,
  type AttributePattern,
  type Bindings,
  dimOf,
  literal,
  type Pattern,
  pattern as p,
  type Rule,
  rule,
  type RuleClass,
  uniform,
  withAttributes,
} from "./rewrite.ts";

const x = any("x");
const y = any("y");
const s = any("s");
const c = uniform("c");
const d = uniform("d");
const one = literal(1);
const minusOne = literal(-1);
const exact = { class: "exact" } as const;

export const RULES: readonly Rule[] = [
  rule("neg-neg", p.neg(p.neg(x)), x, exact),
  rule("mul-one", p.mul(x, one), x, exact),
  rule("one-mul", p.mul(one, x), x, exact),
  rule("div-one", p.div(x, one), x, exact),
  rule("one-div", p.div(one, x), p.inv(x), exact),
  rule("mul-minus-one", p.mul(x, minusOne), p.neg(x), exact),
  rule("minus-one-mul", p.mul(minusOne, x), p.neg(x), exact),
  rule("add-neg", p.add(x, p.neg(y)), p.sub(x, y), exact),
  rule("neg-add", p.add(p.neg(x), y), p.sub(y, x), exact),
  rule("sub-neg", p.sub(x, p.neg(y)), p.add(x, y), exact),
  rule("neg-mul", p.mul(p.neg(x), y), p.neg(p.mul(x, y)), exact),
  rule("mul-neg", p.mul(x, p.neg(y)), p.neg(p.mul(x, y)), exact),
  rule("neg-div", p.div(p.neg(x), y), p.neg(p.div(x, y)), exact),
  rule("div-neg", p.div(x, p.neg(y)), p.neg(p.div(x, y)), exact),
  rule("mul-self", p.mul(x, x), p.square(x), exact),
  rule("square-neg", p.square(p.neg(x)), p.square(x), exact),
  rule("square-abs", p.square(p.abs(x)), p.square(x), exact),
  rule("abs-neg", p.abs(p.neg(x)), p.abs(x), exact),
  rule("abs-square", p.abs(p.square(x)), p.square(x), exact),
  rule("pow-one", withAttributes(p.pow(x), 1), x, exact),
  rule("pow-two", withAttributes(p.pow(x), 2), p.square(x), exact),
  rule("pow-minus-one", withAttributes(p.pow(x), -1), p.inv(x), exact),
  rule("sum-scalar", p.sum(x), x, exact), // the dims must agree, so x is a scalar

  // every second component: real and imaginary parts of what was just put together, and back
  rule("even-interleave", every(p.interleave(x, y), 0, dimOf("x")), x, exact),
  rule("odd-interleave", every(p.interleave(x, y), 1, dimOf("x")), y, exact),
  rule("even-strided", every(spaced(x, 0), 0, dimOf("x")), x, exact),
  rule("odd-strided", every(spaced(x, 1), 1, dimOf("x")), x, exact),
  rule(
    "interleave-halves",
    p.interleave(every(x, 0, dimOf("x", 1 / 2)), every(x, 1, dimOf("x", 1 / 2))),
    x,
    exact,
  ),

  rule("div-uniform", p.div(x, c), p.mul(x, p.inv(c)), {
    class: "bounded",
    ulps: 2,
    when: (bound) => bound.get("x")?.domain !== "p",
  }),
  rule("mul-inv", p.mul(x, p.inv(y)), p.div(x, y), {
    class: "bounded",
    ulps: 2,
    when: (bound) => bound.get("y")?.domain !== "p" && !isWider(bound, "x", "y"),
  }),
  rule("inv-mul", p.mul(p.inv(x), y), p.div(y, x), {
    class: "bounded",
    ulps: 2,
    when: (bound) => bound.get("x")?.domain !== "p" && !isWider(bound, "y", "x"),
  }),
  // one quotient for all components; like c's above, s's inverse must not overflow
  rule("div-scalar", p.div(x, s), p.mul(x, p.inv(s)), {
    class: "bounded",
    ulps: 2,
    when: (bound) => isWider(bound, "x", "s"),
  }),
  ...scales(),

  // one exponential of pairs for two; of points there are few
  rule("exp-product", p.mul(p.exp(x), p.exp(y)), p.exp(p.add(x, y)), {
    class: "fast",
    when: (bound) => bound.get("x")?.domain === "ij" && bound.get("y")?.domain === "ij",
  }),
  rule("sqrt-square", p.sqrt(p.square(x)), p.abs(x), { class: "fast" }),
  rule("log-exp", p.log(p.exp(x)), x, { class: "fast" }),
  rule("exp-log", p.exp(p.log(x)), x, { class: "fast" }),
];

/** Whether one formula is a vector and the other a scalar. */
function isWider(bound: Bindings, vector: string, scalar: string): boolean {
  return bound.get(scalar)?.dim === 1 && bound.get(vector)?.dim !== 1;
}

/** Every second component of a pattern from `start` on. */
function every(inner: Pattern, start: 0 | 1, dim: AttributePattern): Pattern {
  return withAttributes(p.strided(inner), start, 2, dim);
}

/** The components of x with a zero after, or before, each. */
function spaced(x: Pattern, start: 0 | 1): Pattern {
  return withAttributes(p.stridedT(x), dimOf("x", 2), start, 2);
}

/** c·(d·x) = (c·d)·x for parameters c and d, in every order. */
function scales(): Rule[] {
  const once = p.mul(p.mul(c, d), x);
  const options = { class: "bounded", ulps: 2, when: notUniform } as const;
  return [
    rule("scale-left-left", p.mul(c, p.mul(d, x)), once, options),
    rule("scale-left-right", p.mul(c, p.mul(x, d)), once, options),
    rule("scale-right-left", p.mul(p.mul(d, x), c), once, options),
    rule("scale-right-right", p.mul(p.mul(x, d), c), once, options),
  ];
}

function notUniform(bound: ReadonlyMap<string, { readonly domain: string }>): boolean {
  return bound.get("x")?.domain !== "p";
}

/** The rules of some classes. */
export function rulesOf(...classes: readonly RuleClass[]): Rule[] {
  return RULES.filter((r) => classes.includes(r.class));
}
