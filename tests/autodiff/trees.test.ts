// Random formulas: differentials and gradients are adjoint, and agree with central differences
// where a formula is smooth.

import { assert } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { differential, gradient } from "../../src/autodiff/mod.ts";
import { build, type Node, print, variable, type VariableNode } from "../../src/formula/mod.ts";
import { variablesIn } from "../support/folds.ts";
import { NOISY_FORMATS, NoisyEvaluator, type Spread, spreadAt } from "../support/noise.ts";
import { Random } from "../support/random.ts";
import { anyTree, drawInputs, runs } from "../support/trees.ts";

/** A random formula, one of its variables (if any), values. */
interface TreeCase {
  readonly tree: Node;
  readonly by: number;
  readonly seed: number;
}

const CASES: fc.Arbitrary<TreeCase> = fc.record({
  tree: anyTree,
  by: fc.nat(5),
  seed: fc.noShrink(fc.nat()),
}).map((c) => ({
  ...c,
  [fc.toStringMethod]: () => `${print(c.tree)} by variable ${c.by}, seed ${c.seed}`,
}));

function variableOf({ tree, by }: TreeCase): VariableNode | null {
  const variables = variablesIn(tree);
  return variables.length === 0 ? null : variables[by % variables.length];
}

/** A scalar formula at the pair (0, 0), and what float64 leaves open. */
function valueAt(formula: Node, seed: number): Spread | null {
  const inputs = drawInputs(variablesIn(formula), seed, 1, 1);
  const evaluator = new NoisyEvaluator(formula, inputs, new Random(seed));
  return spreadAt(evaluator, 0, 0, NOISY_FORMATS.float64);
}

type Derivative = (formula: Node, v: VariableNode, direction: Node) => Node;

/** |⟨Diff F·u, g⟩ − ⟨u, Grad F·g⟩| in units of what rounding explains; null: out of range. */
function adjointError(c: TreeCase, diff: Derivative): number | null {
  const v = variableOf(c);
  if (v === null) return null;
  const [u, g] = [variable(1001, "i", v.dim), variable(1002, "j", c.tree.dim)];
  const left = valueAt(build.dot(diff(c.tree, v, u), g), c.seed);
  const right = valueAt(build.dot(u, gradient(c.tree, v, g)), c.seed);
  if (left === null || right === null) return null;
  const error = Math.abs(left.value[0] - right.value[0]);
  const size = Math.abs(left.value[0]) + Math.abs(right.value[0]);
  return error === 0 ? 0 : error / (4 * (left.spread[0] + right.spread[0] + 2 ** -52 * size));
}

Deno.test("random formulas: ⟨Diff F·u, g⟩ = ⟨u, Grad F·g⟩, and not with a wrong factor", async () => {
  let [tried, kept, moved] = [0, 0, 0];
  const property = fc.property(CASES, (c) => {
    tried++;
    const error = adjointError(c, differential);
    if (error === null) return;
    kept++;
    assert(error <= 1, `error ${error} times what rounding explains`);
    const wrong = adjointError(
      c,
      (f, v, u) => build.mul(build.constant(1.001), differential(f, v, u)),
    );
    if (wrong !== null && wrong > 1) moved++;
  });
  await fc.assert(property, runs("adjoint trees", 300, 5000));
  assert(kept > 0.5 * tried, `only ${kept} of ${tried} formulas stay in range`);
  assert(moved > 0.3 * kept, `a wrong factor shows in ${moved} of ${kept} formulas only`);
});

const STEP = 1e-4;

/** Third differences say how good central differences can be; null: no derivative to speak of. */
function differenceError(c: TreeCase, derivative: Derivative): number | null {
  const v = variableOf(c);
  if (v === null) return null;
  const [u, g] = [variable(1001, "i", v.dim), variable(1002, "j", c.tree.dim)];
  const symbolic = valueAt(build.dot(derivative(c.tree, v, u), g), c.seed);
  const inputs = drawInputs([...variablesIn(c.tree), u, g], c.seed, 1, 1);
  const [start, along] = [inputs.get(v.slot), inputs.get(u.slot)];
  if (symbolic === null || start === undefined || along === undefined) return null;
  const pairing = build.dot(c.tree, g);
  const at = (t: number): number => {
    const data = Float64Array.from(start.data, (x, d) => x + t * along.data[d]);
    const changed = new Map(inputs).set(v.slot, { data, dim: v.dim });
    return new NoisyEvaluator(pairing, changed, new Random(0)).at(0, 0, null)?.[0] ?? NaN;
  };
  const slope = (h: number): number => (at(h) - at(-h)) / (2 * h);
  const [coarse, fine] = [slope(2 * STEP), slope(STEP)];
  const size = Math.max(1, Math.abs(fine));
  // kinks and poles nearby: the two slopes do not agree
  if (!(Math.abs(coarse - fine) < 1e-3 * size)) return null;
  const rounding = 2 ** -52 * Math.abs(at(0)) / STEP;
  const best = fine + (fine - coarse) / 3;
  return Math.abs(symbolic.value[0] - best) / (1e-5 * size + 100 * rounding + symbolic.spread[0]);
}

Deno.test("random formulas: differentials match central differences where these converge", async () => {
  let [tried, kept, moved] = [0, 0, 0];
  const property = fc.property(CASES, (c) => {
    tried++;
    const error = differenceError(c, differential);
    if (error === null) return;
    kept++;
    assert(error <= 1, `error ${error} times what is allowed`);
    const wrong = differenceError(
      c,
      (f, v, u) => build.mul(build.constant(1.001), differential(f, v, u)),
    );
    if (wrong !== null && wrong > 1) moved++;
  });
  await fc.assert(property, runs("difference trees", 300, 5000));
  assert(kept > 0.5 * tried, `only ${kept} of ${tried} formulas stay in range`);
  assert(moved > 0.3 * kept, `a wrong factor shows in ${moved} of ${kept} formulas only`);
});
