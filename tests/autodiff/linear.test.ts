// What is said to be linear is, and the other way round: claims about ops against superposition.

import { assert, assertEquals } from "@std/assert";
import { isLinear } from "../../src/autodiff/mod.ts";
import {
  ALL_OPS,
  apply,
  build,
  constant,
  entryOf,
  type Node,
  type OpName,
  print,
  samplesOf,
  variable,
  zero,
} from "../../src/formula/mod.ts";
import { valueOf } from "../support/derivatives.ts";
import { randomFor } from "../support/random.ts";

/** All sets of arguments but the empty one. */
function subsets(count: number): number[][] {
  const all = Array.from({ length: count }, (_, k) => k);
  return Array.from({ length: 2 ** count - 1 }, (_, n) => all.filter((k) => (n + 1) >> k & 1));
}

/** Whether F(a + t·b) = F(a) + t·F(b) in some arguments, the others fixed, wherever F is finite. */
function superposes(op: OpName, set: readonly number[]): boolean {
  const random = randomFor(`superposition ${op} ${set}`);
  let seen = 0;
  for (const { dims, attributes } of samplesOf(entryOf(op))) {
    const formula = apply(op, dims.map((dim, k) => variable(k, "p", dim)), attributes);
    for (let turn = 0; turn < 200; turn++) {
      // halves and zeros too, so that comparisons, steps and roundings show themselves
      const draw = (dim: number): Float64Array =>
        random.float64(dim, -2, 2).map((v) => random.integer(4) === 0 ? Math.round(2 * v) / 2 : v);
      const [a, b] = [dims.map(draw), dims.map(draw)];
      const t = random.uniform(-2, 2);
      const at = (how: (k: number, d: number) => number): Float64Array =>
        valueOf(formula, a.map((v, k) => set.includes(k) ? v.map((_, d) => how(k, d)) : v));
      const left = at((k, d) => a[k][d] + t * b[k][d]);
      const [fa, fb] = [at((k, d) => a[k][d]), at((k, d) => b[k][d])];
      for (let d = 0; d < left.length; d++) {
        const want = fa[d] + t * fb[d];
        if (!Number.isFinite(want) || !Number.isFinite(left[d])) continue;
        seen++;
        const scale = 1 + Math.abs(fa[d]) + Math.abs(fb[d]);
        if (Math.abs(left[d] - want) > 1e-9 * scale) return false;
      }
    }
  }
  assert(seen > 0, `${op} is finite nowhere`);
  return true;
}

for (const op of ALL_OPS) {
  Deno.test(`${op}: what autodiff/linear.ts says about it holds, and says all`, () => {
    const [{ dims, attributes }] = samplesOf(entryOf(op));
    for (const set of subsets(dims.length)) {
      // arguments of the set are multiples of one variable, the others stand beside it
      const v = variable(9, "p", 1);
      const args = dims.map((dim, k): Node => {
        const other = variable(k, "p", dim);
        return set.includes(k) ? build.mul(v, other) : other;
      });
      const claimed = isLinear(apply(op, args, attributes), v);
      const found = superposes(op, set);
      assertEquals(claimed, found, `${op} in its arguments ${set}: linear?`);
    }
  });
}

Deno.test("linear formulas are seen as such, others are not", () => {
  const [x, v, s] = [variable(0, "i", 3), variable(1, "j", 3), variable(2, "p", 1)];
  const cases: [Node, boolean][] = [
    [v, true],
    [x, false],
    [constant(0), true],
    [zero(3), true],
    [build.mul(s, v), true],
    [build.add(v, build.mul(x, v)), true],
    [build.add(v, x), false],
    [build.add(v, zero(3)), true],
    [build.add(v, build.mul(x, constant(0))), true],
    [build.mul(build.dot(x, v), v), false],
    [build.div(build.square(v), v), false],
    [build.concat(v, x), false],
    [build.concat(v, zero(2)), true],
    [build.where(x, v, build.neg(v)), true],
    [build.where(v, v, v), false],
    [build.mul(build.exp(x), build.sum(v)), true],
    [build.exp(build.log(v)), false],
  ];
  for (const [formula, want] of cases) assertEquals(isLinear(formula, v), want, print(formula));
});
