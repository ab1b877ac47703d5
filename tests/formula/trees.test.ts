// Random formulas through the whole pipeline against the dense evaluation, values and gradients:
// what differs must be explained by rounding.

import fc from "npm:fast-check@4.10.2";
import { assert, assertEquals } from "@std/assert";
import { gradient } from "../../src/autodiff/mod.ts";
import {
  ALL_OPS,
  apply,
  build,
  constant,
  entryOf,
  type Node,
  type OpName,
  print,
  topological,
  transform,
  variable,
} from "../../src/formula/mod.ts";
import { fold } from "../../src/program/mod.ts";
import { tensor } from "../../src/tensor/mod.ts";
import { type Float, variablesIn } from "../support/folds.ts";
import { NOISY_FORMATS, NoisyEvaluator, spreadAt } from "../support/noise.ts";
import { full, Random } from "../support/random.ts";
import { anyTree, drawInputs, DRAWN, runs } from "../support/trees.ts";

/** One random fold: a formula or its gradient, summed over an axis. */
interface TreeCase {
  readonly tree: Node;
  /** Which of the tree's variables to differentiate by; null: the value itself. */
  readonly by: number | null;
  readonly axis: "i" | "j";
  readonly M: number;
  readonly N: number;
  readonly seed: number;
}

const CASES: fc.Arbitrary<TreeCase> = fc.record({
  tree: anyTree,
  by: fc.option(fc.nat(5), { freq: 1 }),
  axis: fc.constantFrom("i", "j"),
  M: fc.constantFrom(1, 3, 5),
  N: fc.constantFrom(1, 4, 7),
  seed: fc.noShrink(fc.nat()),
}).map((c) => ({
  ...c,
  [fc.toStringMethod]: () =>
    `${print(formulaOf(c))}, ${JSON.stringify({ ...c, tree: print(c.tree) })}`,
}));

function formulaOf({ tree, by }: TreeCase): Node {
  const variables = variablesIn(tree);
  if (by === null || variables.length === 0) return tree;
  const cotangent = variable(1000, "j", tree.dim);
  return gradient(tree, variables[by % variables.length], cotangent);
}

/** How much of the error that rounding explains is allowed. */
const SAFETY = 2;

/**
 * Folds a case and gives its largest error, in units of what is allowed; null where values leave
 * the format. `sabotage` changes what is folded, not what is expected.
 */
async function treeError(
  c: TreeCase,
  dtype: Float,
  sabotage = (formula: Node): Node => formula,
): Promise<number | null> {
  const formula = formulaOf(c);
  const { axis, M, N, seed } = c;
  const format = NOISY_FORMATS[dtype];
  const inputs = drawInputs(variablesIn(formula), seed, M, N);
  const evaluator = new NoisyEvaluator(formula, inputs, new Random(seed));
  const { dim } = formula;
  const rows = axis === "j" ? M : N;
  const want = new Float64Array(rows * dim);
  const allowed = new Float64Array(rows * dim);
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      const at = spreadAt(evaluator, i, j, format);
      if (at === null) return null;
      const row = axis === "j" ? i : j;
      at.value.forEach((x, d) => {
        want[row * dim + d] += x;
        allowed[row * dim + d] += SAFETY * (at.spread[d] + 2 * format.epsilon * Math.abs(x));
      });
    }
  }
  const array = dtype === "float32" ? Float32Array : Float64Array;
  const tensors = new Map([...inputs].map(([slot, { data, dim }]) => [
    slot,
    tensor(array.from(data), [data.length / dim, dim]),
  ]));
  const request = {
    formula: sabotage(formula),
    inputs: tensors,
    reduction: "sum",
    axis,
    M,
    N,
    dtype,
  } as const;
  const [result] = fold({ ...request, k: 1, choices: {} });
  const got = await result.data();
  assertEquals(got.length, want.length);
  return want.reduce((worst, x, n) => {
    const error = Math.abs(got[n] - x);
    return error === 0
      ? worst
      : Math.max(worst, Number.isNaN(error) ? Infinity : error / allowed[n]);
  }, 0);
}

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`random formulas and their gradients fold right in ${dtype}`, async () => {
    let kept = 0;
    let tried = 0;
    const property = fc.asyncProperty(CASES, async (c) => {
      tried++;
      const error = await treeError(c, dtype);
      if (error === null) return;
      kept++;
      assert(error <= 1, `error ${error} times what rounding explains`);
    });
    await fc.assert(property, runs(`trees ${dtype}`, 200, 3000));
    assert(kept > 0.4 * tried, `only ${kept} of ${tried} formulas stay in range`);
  });
}

Deno.test("every op is drawn but those whose arguments must be in order", () => {
  const orderly = ALL_OPS.filter((op) => entryOf(op).draw !== undefined);
  assertEquals(ALL_OPS.filter((op) => !DRAWN.has(op)), orderly);
});

/** The smallest formula on which a changed op is noticed; null if there is none. */
async function smallestFailure(op: OpName, change: (node: Node) => Node): Promise<Node | null> {
  const wrong = (formula: Node): Node =>
    transform(formula, (leaf) => leaf, (node, args) => {
      const right = apply(node.op, args, node.attributes);
      return node.op === op ? change(right) : right;
    });
  const property = fc.asyncProperty(CASES, async (c) => {
    const error = await treeError(c, "float32", wrong);
    assert(error === null || error <= 1);
  });
  const { counterexample } = await fc.check(property, runs(`wrong ${op}`, 1000, 1000));
  return counterexample?.[0].tree ?? null;
}

for (
  const op of full ? ALL_OPS.filter((o) => DRAWN.has(o)) : ["sin", "dot", "complexMult"] as const
) {
  Deno.test(`${op} off by a thousandth is noticed${full ? "" : ", on a small formula"}`, async () => {
    const tree = await smallestFailure(op, (node) => build.add(constant(1e-3), node));
    assert(tree !== null, "it passes");
    // how small depends on what was drawn
    const ops = topological(tree).filter((node) => node.kind === "op");
    assert(full || ops.length <= 12, `shrinks to ${print(tree)} only`);
  });
}

Deno.test("the allowed error is rounding's: small for x + y, large where a difference cancels", () => {
  const [x, y] = [variable(0, "i", 1), variable(1, "j", 1)];
  const inputs = new Map([[0, { data: [1], dim: 1 }], [1, { data: [1 + 1e-4], dim: 1 }]]);
  const spread = (formula: Node): number => {
    const evaluator = new NoisyEvaluator(formula, inputs, new Random(1));
    const at = spreadAt(evaluator, 0, 0, NOISY_FORMATS.float32);
    return (at?.spread[0] ?? NaN) / Math.abs(at?.value[0] ?? NaN);
  };
  assert(spread(build.add(x, y)) < 5e-7);
  assert(spread(build.sub(x, y)) < 5e-7, "exact inputs cancel exactly");
  assert(spread(build.sub(build.exp(x), build.exp(y))) > 1e-4);
  assert(spread(build.sum(build.concat(x, build.neg(y)))) > 1e-4);
  assertEquals(spread(build.lt(x, y)), 0);
  // the angle of a negative number jumps with the sign of the zero beside it
  const zero = build.sum(build.mul(constant(0), build.concat(x, y)));
  assert(spread(build.atan2(zero, build.neg(x))) > 1);
});
