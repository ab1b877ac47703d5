// Every rewrite rule on random and special inputs, both sides by the reference evaluator.

import { assert, assertEquals } from "@std/assert";
import { ReferenceEvaluator } from "../../src/engine/mod.ts";
import {
  build,
  constant,
  instantiate,
  type Node,
  print,
  rewrite,
  type Rule,
  RULES,
  rulesOf,
  variable,
} from "../../src/formula/mod.ts";
import { randomFor } from "../support/random.ts";

/** Variables for a rule's names: x, y of axes i and j, c and d parameters, s a scalar of j. */
function bindings(dim: number): Map<string, Node> {
  return new Map<string, Node>([
    ["x", variable(0, "i", dim)],
    ["y", variable(1, "j", dim)],
    ["c", variable(2, "p", 1)],
    ["d", variable(3, "p", 1)],
    ["s", variable(4, "j", 1)],
  ]);
}

const SLOTS = [0, 1, 2, 3, 4];
const SPECIAL = [NaN, Infinity, -Infinity, 0, -0, 1, -1, 5e-324, 1e308, -1e308];

/** Units in the last place between two numbers; infinite when one is special. */
function ulps(a: number, b: number): number {
  if (Object.is(a, b) || a === b) return 0;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity;
  return Math.abs(a - b) / (Math.max(Math.abs(a), Math.abs(b)) * 2 ** -52);
}

/** Largest difference of a rule's sides over inputs, in ulp; exact rules in bits. */
function largestDifference(
  rule: Rule,
  dim: number,
  inputs: readonly (readonly number[])[],
): number {
  const bound = bindings(dim);
  const left = instantiate(rule.left, bound);
  const right = instantiate(rule.right, bound);
  assertEquals(left.dim, right.dim);
  let worst = 0;
  for (const values of inputs) {
    // the components of x and y differ, so that one in the wrong place is seen
    const data = values.map((v, k) => {
      const components = values.map((_, d) => values[(k + d) % values.length]);
      return k < 2 ? { data: components.slice(0, dim), dim } : { data: [v], dim: 1 };
    });
    const a = new ReferenceEvaluator(left, data).at(0, 0);
    const b = new ReferenceEvaluator(right, data).at(0, 0);
    a.forEach((v, d) => {
      const isSame = Object.is(v, b[d]) || (rule.class !== "exact" && v === b[d]);
      worst = Math.max(worst, isSame ? 0 : Math.max(ulps(v, b[d]), Number.MIN_VALUE));
    });
  }
  return worst;
}

function randomInputs(name: string, low: number, high: number): number[][] {
  const random = randomFor(name);
  return Array.from({ length: 300 }, () => SLOTS.map(() => random.uniform(low, high)));
}

/** Dims of x and y on which a rule can stand. */
const DIMS: Readonly<Record<string, readonly number[]>> = {
  "sum-scalar": [1],
  "div-scalar": [3],
  "interleave-halves": [2, 4],
};

for (const rule of RULES) {
  const dims = DIMS[rule.name] ?? [1, 3];
  Deno.test(`rule ${rule.name} (${rule.class}): both sides agree`, () => {
    const random = randomFor(rule.name);
    const special = Array.from({ length: 400 }, () => SLOTS.map(() => random.pick(SPECIAL)));
    for (const dim of dims) {
      if (rule.class === "exact") {
        const inputs = [...special, ...randomInputs(rule.name, -1e3, 1e3)];
        assertEquals(largestDifference(rule, dim, inputs), 0);
      } else {
        const limit = rule.class === "bounded" ? rule.ulps : 1000;
        const got = largestDifference(rule, dim, randomInputs(rule.name, 0.1, 3));
        assert(got <= limit, `${got} ulp; the rule says ${limit}`);
      }
    }
  });
}

Deno.test("a wrong rule is noticed: x·0 = 0 is not exact, and a sign is not forgotten", () => {
  const bound = bindings(1);
  const x = bound.get("x") ?? constant(0);
  const zero = build.mul(x, constant(0));
  const evaluator = new ReferenceEvaluator(zero, [{ data: [-1], dim: 1 }]);
  assert(!Object.is(evaluator.at(0, 0)[0], 0));
  const wrong: Rule = { ...RULES[0], left: RULES[0].left, right: { kind: "constant", value: 0 } };
  assert(largestDifference(wrong, 1, [[1, 2, 3, 4]]) > 0);
  const halves = RULES.find((r) => r.name === "interleave-halves");
  assert(halves !== undefined && halves.left.kind === "op");
  assertEquals(largestDifference(halves, 4, [[1, 2, 3, 4]]), 0);
  const turned = { ...halves.left, args: halves.left.args.toReversed() };
  assert(largestDifference({ ...halves, left: turned }, 4, [[1, 2, 3, 4]]) > 0);
});

Deno.test("rules meet and end: products, signs and scales come out simple", () => {
  const x = variable(0, "i", 3);
  const y = variable(1, "j", 3);
  const c = variable(2, "p", 1);
  const rules = rulesOf("exact", "bounded");
  const cases: [Node, string][] = [
    [build.neg(build.neg(x)), "x0"],
    [build.mul(build.neg(x), build.neg(y)), "x0 * y1"],
    [build.sub(x, build.neg(y)), "x0 + y1"],
    [build.div(build.sqDist(x, y), c), "sqDist(x0, y1) * inv(p2)"],
    [build.mul(build.mul(build.sqDist(x, y), c), c), "p2 * p2 * sqDist(x0, y1)"],
    [build.pow(x, 2), "x0^2"],
    [build.mul(x, x), "x0^2"],
  ];
  for (const [formula, want] of cases) {
    const simple = rewrite(formula, rules);
    // a product of equal parameters is their square
    assertEquals(print(simple).replace("p2^2", "p2 * p2"), want);
  }
});

Deno.test("parts of complex numbers that were put together are the parts, and nothing else", () => {
  const [a, b] = [variable(0, "i", 3), variable(1, "j", 3)];
  const z = variable(2, "i", 6);
  const both = build.interleave(a, b);
  const even = build.strided(z, 0, 2, 3);
  const cases: [Node, Node | null][] = [
    [build.strided(both, 0, 2, 3), a],
    [build.strided(both, 1, 2, 3), b],
    [build.strided(both, 0, 2, 2), null],
    [build.strided(both, 1, 2, 2), null],
    [build.strided(both, 0, 3, 2), null],
    [build.strided(build.stridedT(a, 6, 0, 2), 0, 2, 3), a],
    [build.strided(build.stridedT(a, 6, 1, 2), 1, 2, 3), a],
    [build.strided(build.stridedT(a, 6, 1, 2), 0, 2, 3), null],
    [build.strided(build.stridedT(a, 7, 0, 2), 0, 2, 3), null],
    [build.interleave(even, build.strided(z, 1, 2, 3)), z],
    [build.interleave(build.strided(z, 1, 2, 3), even), null],
    [build.interleave(even, even), null],
  ];
  for (const [formula, want] of cases) {
    assertEquals(print(rewrite(formula, rulesOf("exact"))), print(want ?? formula));
  }
});

Deno.test("a rule never changes a dim: 1·x stays when 1 is broadcast to a vector by nothing", () => {
  const x = variable(0, "i", 3);
  const summed = build.sum(x);
  assertEquals(rewrite(summed, RULES), summed);
});
