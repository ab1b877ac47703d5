// Reverse mode through functions made by `genred`.

import { PairfoldError } from "../error.ts";
import { build, type Node, variable } from "../formula/mod.ts";
import { fold, type FoldChoices, foldGradient } from "../program/mod.ts";
import { reductions } from "../reduction/mod.ts";
import { allocate, reshaped, sizeOf, Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import { infoOf } from "./genred.ts";
import { type GenredInput, inputTensor } from "./genred_inputs.ts";
import { type CallRecord, watch } from "./tape.ts";

/** What a function under `vjp` may give: a tensor, or a genred pair, whose values count. */
export type VjpOutput = Tensor | readonly [values: Tensor, indices: Tensor];

function refuse(code: "shape" | "dtype", message: string): never {
  throw new PairfoldError(code, `vjp: ${message}`);
}

/** Inputs as tensors; one object is one tensor, wherever it stands. */
function tensorsOf(
  f: (...inputs: Tensor[]) => VjpOutput,
  inputs: readonly GenredInput[],
): Tensor[] {
  const info = infoOf(f);
  if (info !== undefined && info.inputs.length !== inputs.length) {
    refuse("shape", `got ${inputs.length} inputs; expected ${info.inputs.length}`);
  }
  const known = new Map<GenredInput, Tensor>();
  return inputs.map((value, position) => {
    const before = typeof value === "number" ? undefined : known.get(value);
    if (before !== undefined) return before;
    const t = info === undefined
      ? tensor(value)
      : inputTensor(info.inputs[position], position, value, info.dtype);
    known.set(value, t);
    return t;
  });
}

/** The sum of tensors of one size, as a fold over a single column. */
function total(terms: readonly Tensor[], choices: FoldChoices): Tensor {
  if (terms.length === 1) return terms[0];
  const nodes = terms.map((t): Node => variable(t.id, "i", 1));
  const [sum] = fold({
    formula: nodes.reduce((a, b) => build.add(a, b)),
    inputs: new Map(terms.map((t) => [t.id, t])),
    reduction: "sum",
    axis: "j",
    M: terms[0].size,
    N: 1,
    dtype: terms[0].dtype === "float64" ? "float64" : "float32",
    k: 1,
    choices,
  });
  return sum;
}

/** The cotangent of an output, of its shape and type. */
function cotangentOf(output: Tensor, value: TensorLike | number): Tensor {
  const { shape, dtype } = output;
  const t = ArrayBuffer.isView(value) && !(value instanceof Tensor)
    ? tensor(value, value.length === output.size ? shape : undefined)
    : tensor(value, undefined, value instanceof Tensor ? {} : { dtype });
  if (t.shape.join() !== shape.join()) {
    refuse("shape", `got a cotangent of shape [${t.shape}]; expected [${shape}]`);
  }
  if (t.dtype !== dtype) refuse("dtype", `got a cotangent of ${t.dtype}; expected ${dtype}`);
  return t;
}

/** The output that cotangents belong to. */
function floatOutput(output: VjpOutput): Tensor {
  const first: unknown = Array.isArray(output) ? output[0] : output;
  if (first instanceof Tensor) return first;
  return refuse("dtype", "got a function that gives no tensor; expected one, without a promise");
}

/**
 * A function's value and its derivative in reverse (vector-Jacobian products): `[output, pull]`,
 * where `pull(cotangent)` gives (∂ output / ∂ input)ᵀ · cotangent for every input, deferred, of the
 * input's shape. An input that is used several times, as Vi and as Vj, or for two positions, gets
 * the sum. Of a pair `[values, indices]` the values count.
 *
 * `f` is a function that {@linkcode genred} made, or one that calls such functions on its inputs, on
 * their results, and on constants.
 *
 * Throws `PairfoldError`: `dtype` where the output is not a float or comes from elsewhere, `shape`
 * for cotangents that do not fit.
 *
 * ```ts
 * import { genred, tensor, vjp } from "pairfold";
 * const energy = genred("Exp(-SqDist(X,Y))", ["X=Vi(0,2)", "Y=Vj(1,2)"]);
 * const x = tensor([[0, 0], [1, 0], [0, 2]]);
 * const [output, pull] = vjp((points) => energy(points, points), [x]);
 * const [gradient] = pull([[1], [1], [1]]);
 * console.log(output.shape, gradient.shape); // [ 3, 1 ] [ 3, 2 ]
 * ```
 */
export function vjp<Output extends VjpOutput>(
  f: (...inputs: Tensor[]) => Output,
  inputs: readonly GenredInput[],
): [output: Output, pull: (cotangent: TensorLike | number) => Tensor[]] {
  if (typeof f !== "function" || !Array.isArray(inputs)) {
    refuse("dtype", "got no function and list of inputs; expected vjp(f, [x, y])");
  }
  const tensors = tensorsOf(f, inputs);
  const before = tensor(0).id;
  const { result, calls } = watch(() => f(...tensors));
  const output = floatOutput(result);
  const made = new Map<Tensor, CallRecord>();
  for (const call of calls) for (const t of call.outputs) made.set(t, call);
  checkMade(output, made, tensors);
  const wanted = new Set(tensors);
  for (const { tensors: args } of calls) {
    for (const t of args) {
      const isConstant = wanted.has(t) || made.has(t) || t.id < before || t.isComputed;
      if (!isConstant) {
        refuse(
          "dtype",
          `got ${t}, made inside the function by something else than genred; expected only ` +
            "functions made by genred, so that the derivative misses nothing",
        );
      }
    }
  }
  const pull = (cotangent: TensorLike | number): Tensor[] => {
    const terms = new Map<Tensor, Tensor[]>([[output, [cotangentOf(output, cotangent)]]]);
    let choices: FoldChoices = {};
    // calls in reverse: a result's cotangent is complete once all who read it are done
    for (const { request, variables, tensors: args, outputs } of calls.toReversed()) {
      const own = terms.get(outputs[0]);
      if (own === undefined) continue;
      choices = request.choices;
      const g = reshaped(total(own, choices), outputs[0].shape);
      args.forEach((t, position) => {
        if (!wanted.has(t) && !made.has(t)) return;
        const term = foldGradient({ ...request, variable: variables[position], cotangent: g });
        terms.set(t, [...terms.get(t) ?? [], term]);
      });
    }
    return tensors.map((t) => {
      const own = terms.get(t);
      if (own !== undefined) return reshaped(total(own, choices), t.shape);
      const zeros = allocate(t.dtype, sizeOf(t.shape));
      return tensor(zeros, t.shape, { copy: false });
    });
  };
  return [result, pull];
}

/** The output must be a float that watched calls made, or an input itself. */
function checkMade(
  output: Tensor,
  made: ReadonlyMap<Tensor, CallRecord>,
  inputs: readonly Tensor[],
): void {
  const call = made.get(output);
  if (call === undefined) {
    if (inputs.includes(output)) return;
    refuse("dtype", `got ${output}, which no function made by genred gave; expected such a tensor`);
  }
  const { reduction } = call.request;
  if (output !== call.outputs[0] || reductions[reduction].outputs[0] !== "float") {
    refuse("dtype", `got indices from ${reduction}; expected a reduction to floats`);
  }
}
