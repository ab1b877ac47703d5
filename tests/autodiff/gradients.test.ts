// Every gradient rule against central differences in float64, on the dense reference; and through
// the whole pipeline, for every reduction and every kind of variable.

import { assert, assertThrows } from "@std/assert";
import { gradient } from "../../src/autodiff/mod.ts";
import { ReferenceEvaluator } from "../../src/engine/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import {
  ALL_OPS,
  build,
  entryOf,
  type Node,
  samplesOf,
  variable,
  type VariableNode,
} from "../../src/formula/mod.ts";
import { foldGradient } from "../../src/program/mod.ts";
import { type ReductionName, REDUCTIONS, reductions } from "../../src/reduction/mod.ts";
import { type Tensor, tensor } from "../../src/tensor/mod.ts";
import {
  distance,
  hasNoGradient,
  inner,
  type Inputs,
  numericJacobian,
  opCase,
  STEP,
  valueOf,
} from "../support/derivatives.ts";
import { inputsOf, runFold, variablesIn } from "../support/folds.ts";
import { type Random, randomFor } from "../support/random.ts";

/** Largest difference between a gradient formula and central differences, relative. */
function gradientError(
  formula: Node,
  gradientOf: (v: VariableNode, g: VariableNode) => Node,
  inputs: Inputs,
  random: Random,
): number {
  const cotangent = random.float64(formula.dim);
  const g = variable(inputs.length, "p", formula.dim);
  let worst = 0;
  for (const v of variablesIn(formula)) {
    const symbolic = valueOf(gradientOf(v, g), [...inputs, cotangent]);
    const jacobian = numericJacobian(formula, v, inputs);
    const numeric = Array.from(symbolic, (_, d) => inner(cotangent, jacobian.map((row) => row[d])));
    worst = Math.max(worst, distance(symbolic, numeric));
  }
  return worst;
}

for (const op of ALL_OPS) {
  Deno.test(`grad ${op}: matches central differences, and a flipped sign does not`, () => {
    const random = randomFor(`grad ${op}`);
    const samples = samplesOf(entryOf(op));
    for (const sample of [...samples, ...samples, ...samples]) {
      const { formula, inputs } = opCase(op, random, sample);
      const right = gradientError(formula, (v, g) => gradient(formula, v, g), inputs, random);
      assert(right < 1e-7, `relative error ${right}`);
    }
    // where an op is flat, as a clamp is outside its bounds, no sign shows: some draws do not
    // suffice
    let wrong = 0;
    for (let draw = 0; draw < 20 && wrong <= 1e-3; draw++) {
      const { formula, inputs } = opCase(op, random, samples[0]);
      if (hasNoGradient(formula)) return;
      const flipped = (v: VariableNode, g: VariableNode): Node =>
        build.neg(gradient(formula, v, g));
      wrong = gradientError(formula, flipped, inputs, random);
    }
    assert(wrong > 1e-3, `a flipped sign passes: ${wrong}`);
  });

  Deno.test(`second derivative ${op}: matches central differences`, () => {
    const random = randomFor(`hessian ${op}`);
    const samples = samplesOf(entryOf(op));
    for (const sample of [...samples, ...samples]) {
      const { formula, inputs } = opCase(op, random, sample);
      const [v] = variablesIn(formula);
      if (v === undefined) return;
      const direction = variable(inputs.length, "p", formula.dim);
      const first = gradient(formula, v, direction);
      const values = [...inputs, random.float64(formula.dim)];
      const error = gradientError(first, (w, g) => gradient(first, w, g), values, random);
      assert(error < 1e-6, `relative error ${error}`);
    }
  });
}

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 2);
const s = variable(3, "p", 1);
const kernel = build.mul(build.exp(build.neg(build.mul(build.square(s), build.sqDist(x, y)))), b);

/** ⟨cotangent, result⟩ of a fold, by the pipeline in float64. */
async function foldPairing(
  reduction: ReductionName,
  axis: "i" | "j",
  inputs: ReadonlyMap<number, Tensor>,
  cotangent: Tensor,
  M: number,
  N: number,
): Promise<number> {
  const c = { formula: kernel, reduction, axis, M, N, dtype: "float64", k: 2 } as const;
  const [out] = await runFold(c, inputs);
  const weights = await cotangent.data();
  let total = 0;
  weights.forEach((w, n) => total += w * out[n]);
  return total;
}

for (const reduction of REDUCTIONS) {
  const { derivatives, takes, isList } = reductions[reduction];
  if (derivatives === null || takes !== "components") continue;
  Deno.test(`gradient of ${reduction}: matches central differences for i, j and p`, async () => {
    const random = randomFor(`vjp ${reduction}`);
    const [M, N] = [7, 11];
    for (const axis of ["i", "j"] as const) {
      const c = { formula: kernel, reduction, axis, M, N, dtype: "float64" } as const;
      const inputs = inputsOf(c, random);
      const rows = axis === "j" ? M : N;
      const dim = isList ? 4 : 2;
      const cotangent = tensor(random.float64(rows * dim), [rows, dim]);
      for (const v of [x, y, b, s]) {
        const request = { ...c, inputs, variable: v, cotangent, k: 2, choices: {} };
        const symbolic = await foldGradient(request).data();
        const values = await inputs.get(v.slot)!.data();
        for (const at of [0, values.length - 1, random.integer(values.length)]) {
          const moved = async (by: number): Promise<number> => {
            const copy = values.slice();
            copy[at] += by;
            const shape = inputs.get(v.slot)!.shape;
            const changed = new Map(inputs).set(v.slot, tensor(copy, shape));
            return await foldPairing(reduction, axis, changed, cotangent, M, N);
          };
          const numeric = (await moved(STEP) - await moved(-STEP)) / (2 * STEP);
          const error = Math.abs(symbolic[at] - numeric) / Math.max(1, Math.abs(numeric));
          assert(error < 1e-7, `over ${axis}, slot ${v.slot}, element ${at}: error ${error}`);
        }
      }
    }
  });
}

Deno.test("a cotangent of the wrong dim is refused", () => {
  const error = assertThrows(() => gradient(kernel, x, variable(8, "i", 5)), PairfoldError);
  assert(error.code === "dim");
});

Deno.test("gradients at zero distance are finite and zero", () => {
  const distance = [
    build.norm2(build.sub(x, y)),
    build.sqrt(build.sqDist(x, y)),
    build.rsqrt(build.sqDist(x, y)),
  ];
  for (const formula of distance) {
    const same = new Float64Array([1, 2, 3]);
    const evaluator = new ReferenceEvaluator(
      gradient(formula, x, variable(2, "p", 1)),
      [{ data: same, dim: 3 }, { data: same, dim: 3 }, { data: [1], dim: 1 }],
    );
    assert(evaluator.at(0, 0).every((v) => v === 0));
  }
});
