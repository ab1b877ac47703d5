// Differentials: against central differences and against gradients, for every op; several variables
// at once; through the whole pipeline.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { differential, differentials, gradient } from "../../src/autodiff/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import {
  ALL_OPS,
  build,
  constant,
  entryOf,
  type Node,
  print,
  samplesOf,
  topological,
  variable,
  type VariableNode,
  zero,
} from "../../src/formula/mod.ts";
import { distance, inner, numericJacobian, opCase, valueOf } from "../support/derivatives.ts";
import { checkFold, variablesIn } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";

type Rule = (formula: Node, v: VariableNode, direction: Node) => Node;

const flipped: Rule = (formula, v, u) => build.neg(differential(formula, v, u));

for (const op of ALL_OPS) {
  Deno.test(`diff ${op}: matches central differences and is adjoint to grad`, () => {
    const random = randomFor(`diff ${op}`);
    for (const sample of samplesOf(entryOf(op))) {
      const { formula, inputs } = opCase(op, random, sample);
      let wrong = 0;
      let largest = 0;
      for (const v of variablesIn(formula)) {
        const u = variable(inputs.length, "p", v.dim);
        const g = variable(inputs.length, "p", formula.dim);
        const [tangent, cotangent] = [random.float64(v.dim), random.float64(formula.dim)];
        const symbolic = valueOf(differential(formula, v, u), [...inputs, tangent]);
        const numeric = numericJacobian(formula, v, inputs).map((row) => inner(row, tangent));
        const error = distance(symbolic, numeric);
        assert(error < 1e-7, `relative error ${error}`);
        const pulled = valueOf(gradient(formula, v, g), [...inputs, cotangent]);
        const [left, right] = [inner(symbolic, cotangent), inner(tangent, pulled)];
        assert(distance([left], [right]) < 1e-12, `⟨Diff u, g⟩ = ${left}, ⟨u, Grad g⟩ = ${right}`);
        const other = valueOf(flipped(formula, v, u), [...inputs, tangent]);
        wrong = Math.max(wrong, distance(other, numeric));
        largest = Math.max(largest, ...numeric.map(Math.abs));
      }
      assert(wrong > 1e-3 || largest < 1e-3, "a flipped sign passes");
    }
  });
}

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const c = variable(2, "p", 1);
const u = variable(3, "i", 3);
const kernel = build.exp(build.neg(build.mul(c, build.sqDist(x, y))));

Deno.test("a differential holds no variables but the formula's and the tangent's", () => {
  for (const op of ALL_OPS) {
    const { formula } = opCase(op, randomFor(`placeholders ${op}`));
    for (const v of variablesIn(formula)) {
      const known = new Set<Node>([...topological(formula), variable(9, "j", v.dim)]);
      const left = variablesIn(differential(formula, v, variable(9, "j", v.dim)));
      assertEquals(left.filter((w) => !known.has(w)), [], op);
    }
  }
});

Deno.test("several variables move at once; one that is not there does not matter", () => {
  const random = randomFor("several variables");
  const inputs = [3, 3, 1, 3, 3].map((dim) => random.float64(dim));
  const w = variable(4, "j", 3);
  const field = build.mul(kernel, build.sub(x, y));
  const together = valueOf(differentials(field, [x, y], [u, w]), inputs);
  const [a, b] = [differential(field, x, u), differential(field, y, w)];
  assert(distance(together, valueOf(build.add(a, b), inputs)) < 1e-14);
  assertEquals(differential(field, w, u), zero(3));
  assertEquals(differential(x, x, u), u);
  const twice = differentials(field, [x, x], [u, w]);
  const sum = differential(field, x, build.add(u, w));
  assert(distance(valueOf(twice, inputs), valueOf(sum, inputs)) < 1e-14);
});

Deno.test("tangents that do not fit are refused", () => {
  const cases: [() => unknown, string][] = [
    [
      () => differential(kernel, x, c),
      "diff: got a tangent of dim 1 (parameter); expected the variable's, 3",
    ],
    [() => differentials(kernel, [x, y], [u]), "diff: got 1 tangents; expected 2"],
  ];
  for (const [make, message] of cases) {
    assertEquals(assertThrows(make, PairfoldError, message).code, "dim");
  }
});

Deno.test("differentials of differentials are Hessians, and symmetric", () => {
  const random = randomFor("hessian by diff");
  const inputs = [3, 3, 1, 3, 3].map((dim) => random.float64(dim));
  const w = variable(4, "i", 3);
  const [uw, wu] = [[u, w], [w, u]].map(([first, second]) =>
    valueOf(differential(differential(kernel, x, first), x, second), inputs)
  );
  assert(distance(uw, wu) < 1e-13);
  const mixed = differential(gradient(kernel, x, constant(1)), x, u);
  assert(distance([inner(valueOf(mixed, inputs), inputs[4])], uw) < 1e-13);
});

Deno.test("shared parts are differentiated once: sixty doublings stay small", () => {
  let formula: Node = build.sin(x);
  for (let n = 0; n < 60; n++) formula = build.mul(constant(0.5), build.add(formula, formula));
  const moved = differential(formula, x, u);
  assert(topological(moved).length < 1000, `${topological(moved).length} nodes`);
  const inputs = [[1, 2, 3], [0, 0, 0], [0], [1, 1, 1]].map((list) => Float64Array.from(list));
  assert(distance(valueOf(moved, inputs), inputs[0].map(Math.cos)) < 1e-12);
});

for (const dtype of ["float32", "float64"] as const) {
  for (const axis of ["i", "j"] as const) {
    Deno.test(`differentials fold over ${axis} in ${dtype}`, async () => {
      const random = randomFor(`diff folds ${axis} ${dtype}`);
      const field = build.mul(kernel, build.sub(x, y));
      const parameter = differential(field, c, variable(4, "p", 1));
      for (const formula of [differential(field, x, u), differential(field, y, x), parameter]) {
        const fold = { formula, reduction: "sum", axis, M: 31, N: 517, dtype } as const;
        await checkFold(fold, random).catch((error) => {
          throw new Error(`${print(formula)}: ${error.message}`);
        });
      }
    });
  }
}
