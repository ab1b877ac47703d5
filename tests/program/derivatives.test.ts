// Every reduction's derivatives through the pipeline, in float64: reverse and forward mode against
// central differences and against each other, for variables of i, of j and parameters, in the
// formula, in the weight and in both.

import { assert, assertThrows } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { type Axis, build, variable, type VariableNode } from "../../src/formula/mod.ts";
import { foldDifferential, foldGradient } from "../../src/program/mod.ts";
import {
  type ReductionName,
  REDUCTIONS,
  reductions,
  resultShape,
} from "../../src/reduction/mod.ts";
import { type Tensor, tensor } from "../../src/tensor/mod.ts";
import {
  fitting,
  type FoldCase,
  formulasOf,
  inputsOf,
  runFold,
  variablesIn,
} from "../support/folds.ts";
import { type Random, randomFor } from "../support/random.ts";

const STEP = 1e-5;

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 2);
const s = variable(3, "p", 1);
const scalar = build.mul(s, build.sqDist(x, y));
const vector = build.mul(build.exp(build.neg(build.mul(build.square(s), build.sqDist(x, y)))), b);
// positive, so that its logarithm exists; shares the distance with the formula
const weight = build.add(build.square(b), build.sqDist(x, y));

const DIFFERENTIABLE = REDUCTIONS.filter((name) => reductions[name].derivatives !== null);

/** Tensors that move, by slot. */
type Inputs = ReadonlyMap<number, Tensor>;

function caseOf(reduction: ReductionName, axis: Axis, k: number): FoldCase {
  const [M, N] = [7, 11];
  return {
    ...fitting(reduction, vector, scalar, weight),
    reduction,
    axis,
    M,
    N,
    dtype: "float64",
    k,
  };
}

/** Shape of the first output. */
function shapeOf({ reduction, formula, weight, axis, M, N, k = 1 }: FoldCase): number[] {
  return resultShape(reduction, axis === "j" ? M : N, formula.dim, k, weight?.dim ?? 0);
}

function randomLike(random: Random, shape: readonly number[]): Tensor {
  return tensor(random.float64(shape.reduce((p, n) => p * n, 1)), shape);
}

async function inner(a: Tensor, b: Tensor): Promise<number> {
  const [left, right] = [Float64Array.from(await a.data()), await b.data()];
  return left.reduce((total, v, n) => total + v * right[n], 0);
}

async function firstOutput(c: FoldCase, inputs: Inputs): Promise<Tensor> {
  const [out] = await runFold(c, inputs);
  return tensor(Float64Array.from(out), shapeOf(c));
}

/** (result(inputs + STEP · direction) − result(inputs − STEP · direction)) / 2 STEP. */
async function centralDifference(
  c: FoldCase,
  inputs: Inputs,
  directions: Inputs,
): Promise<Float64Array> {
  const moved = async (by: number): Promise<Float64Array> => {
    const copies = new Map(inputs);
    for (const [slot, direction] of directions) {
      const [values, along] = [await inputs.get(slot)!.data(), await direction.data()];
      const shifted = Float64Array.from(values, (v, n) => v + by * along[n]);
      copies.set(slot, tensor(shifted, inputs.get(slot)!.shape));
    }
    return Float64Array.from(await (await firstOutput(c, copies)).data());
  };
  const [above, below] = [await moved(STEP), await moved(-STEP)];
  return above.map((v, n) => (v - below[n]) / (2 * STEP));
}

function checkEqual(got: ArrayLike<number>, want: ArrayLike<number>, what: string): void {
  assert(got.length === want.length, `${what}: got ${got.length} numbers`);
  for (let n = 0; n < want.length; n++) {
    const error = Math.abs(got[n] - want[n]) / Math.max(1, Math.abs(want[n]));
    assert(error < 1e-7, `${what}, number ${n}: got ${got[n]}, expected ${want[n]}`);
  }
}

for (const reduction of DIFFERENTIABLE) {
  const counts = reductions[reduction].isList ? [1, 3] : [1];
  for (const k of counts) {
    const name = reductions[reduction].isList ? `${reduction}, k ${k}` : reduction;

    Deno.test(`gradient of ${name}: matches central differences for every variable`, async () => {
      const random = randomFor(`gradient ${name}`);
      for (const axis of ["i", "j"] as const) {
        const c = caseOf(reduction, axis, k);
        const inputs = inputsOf(c, random);
        const cotangent = randomLike(random, shapeOf(c));
        for (const v of variablesIn(...formulasOf(c))) {
          const symbolic = await foldGradient({
            ...c,
            inputs,
            k,
            choices: {},
            variable: v,
            cotangent,
          }).data();
          const { shape, size } = inputs.get(v.slot)!;
          for (const at of [0, size - 1, random.integer(size)]) {
            const unit = new Float64Array(size);
            unit[at] = 1;
            const direction = new Map([[v.slot, tensor(unit, shape)]]);
            const difference = tensor(await centralDifference(c, inputs, direction), shapeOf(c));
            const numeric = await inner(difference, cotangent);
            checkEqual([symbolic[at]], [numeric], `over ${axis}, slot ${v.slot}, element ${at}`);
          }
        }
      }
    });

    Deno.test(`differential of ${name}: matches central differences, and the gradient`, async () => {
      const random = randomFor(`differential ${name}`);
      for (const axis of ["i", "j"] as const) {
        const c = caseOf(reduction, axis, k);
        const inputs = inputsOf(c, random);
        const variables = variablesIn(...formulasOf(c));
        const directions = new Map(
          variables.map((v) => [v.slot, randomLike(random, inputs.get(v.slot)!.shape)]),
        );
        const request = { ...c, inputs, k, choices: {} };
        const tangents = variables.map((v) => ({
          variable: v,
          tangent: directions.get(v.slot)!,
        }));
        const along = foldDifferential({ ...request, tangents });
        const values = await along.data();
        assert(`${along.shape}` === `${shapeOf(c)}`, `got shape ${along.shape}`);
        checkEqual(values, await centralDifference(c, inputs, directions), `over ${axis}`);
        assert(values.some((v) => Math.abs(v) > 1e-3), "a zero differential proves nothing");

        // ⟨J u, c⟩ = ⟨u, Jᵀ c⟩, each variable on its own as well
        const cotangent = randomLike(random, shapeOf(c));
        for (const { variable: v, tangent } of tangents) {
          const alone = foldDifferential({ ...request, tangents: [{ variable: v, tangent }] });
          const back = foldGradient({ ...request, variable: v, cotangent });
          const want = await inner(back, tangent);
          checkEqual([await inner(alone, cotangent)], [want], `over ${axis}, slot ${v.slot}`);
        }
      }
    });
  }
}

Deno.test("the checks refuse a differential of the wrong sign and one without the weight", async () => {
  const random = randomFor("wrong");
  const c = caseOf("logSumExpWeight", "j", 1);
  const inputs = inputsOf(c, random);
  const direction = randomLike(random, [11, 2]);
  const request = { ...c, inputs, k: 1, choices: {} };
  const right = await foldDifferential({
    ...request,
    tangents: [{ variable: b, tangent: direction }],
  }).data();
  const want = await centralDifference(c, inputs, new Map([[b.slot, direction]]));
  checkEqual(right, want, "right");
  assertThrows(() => checkEqual(right.map((v) => -v), want, "flipped"), Error, "flipped");
  const without = foldDifferential({ ...request, tangents: [] });
  const none = await without.data();
  assertThrows(() => checkEqual(none, want, "nothing moves"), Error, "nothing");
});

Deno.test("missing neighbours and rows of NaN have no derivative", async () => {
  const values = variable(0, "j", 1);
  const inputs = new Map([[0, tensor(Float64Array.of(3, NaN, 1), [3, 1])]]);
  for (const reduction of ["kMin", "min", "max"] as const) {
    const k = reduction === "kMin" ? 5 : 1;
    const c = { formula: values, reduction, axis: "j", M: 1, N: 3, dtype: "float64", k } as const;
    const request = { ...c, inputs, choices: {} };
    const cotangent = tensor(new Float64Array(k).fill(2), [1, k]);
    const back = await foldGradient({ ...request, variable: values, cotangent }).data();
    const expected = { kMin: [2, 0, 2], min: [0, 0, 2], max: [2, 0, 0] }[reduction];
    checkEqual(back, expected, reduction);
    const tangents = [{ variable: values, tangent: tensor(Float64Array.of(5, 6, 7), [3, 1]) }];
    const along = await foldDifferential({ ...request, tangents }).data();
    checkEqual(along, { kMin: [7, 5, 0, 0, 0], min: [7], max: [5] }[reduction], reduction);
  }
});

Deno.test("derivatives of integers, and parts that do not fit, are refused", () => {
  const inputs = new Map([[0, tensor(new Float64Array(3), [3, 1])]]);
  const v: VariableNode = variable(0, "j", 1);
  const base = { formula: v, axis: "j", M: 1, N: 3, dtype: "float64", k: 1 } as const;
  const good = tensor(new Float64Array(1), [1, 1]);
  const refusal = (work: () => unknown, code: string): void => {
    const error = assertThrows(work, PairfoldError);
    assert(error.code === code, `got ${error.code}: ${error.message}`);
  };
  for (const reduction of ["argMin", "argKMin", "count", "any", "all"] as const) {
    const request = { ...base, reduction, inputs, choices: {} };
    refusal(() => foldGradient({ ...request, variable: v, cotangent: good }), "dtype");
    refusal(() => foldDifferential({ ...request, tangents: [] }), "dtype");
  }
  const request = { ...base, reduction: "sum", inputs, choices: {} } as const;
  const long = tensor(new Float64Array(2), [2, 1]);
  const narrow = tensor(new Float32Array(1), [1, 1]);
  refusal(() => foldGradient({ ...request, variable: v, cotangent: long }), "shape");
  refusal(() => foldGradient({ ...request, variable: v, cotangent: narrow }), "dtype");
  refusal(
    () => foldDifferential({ ...request, tangents: [{ variable: v, tangent: long }] }),
    "shape",
  );
  const unweighted = { ...request, reduction: "logSumExpWeight" } as const;
  refusal(() => foldGradient({ ...unweighted, variable: v, cotangent: good }), "dim");
});
