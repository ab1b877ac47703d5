// Reverse mode through functions of tensors, those that `genred` made among them.

import { PairfoldError } from "../error.ts";
import { likeTensor, pulled, watched, withValues } from "../program/mod.ts";
import { Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import { infoOf } from "./genred.ts";
import { type GenredInput, inputTensor } from "./genred_inputs.ts";

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

/** The output that cotangents belong to. */
function floatOutput(output: unknown): Tensor {
  const first: unknown = Array.isArray(output) ? output[0] : output;
  if (!(first instanceof Tensor)) {
    return refuse("dtype", "got a function that gives no tensor; expected one, without a promise");
  }
  if (first.dtype === "int32") {
    refuse("dtype", "got a function that gives indices; expected one that gives floats");
  }
  return first;
}

/**
 * A function's value and its derivative in reverse (vector-Jacobian products): `[output, pull]`,
 * where `pull(cotangent)` gives (∂ output / ∂ input)ᵀ · cotangent for every input, deferred, of the
 * input's shape. An input that is used several times, as Vi and as Vj, or for two positions, gets
 * the sum; what the output does not depend on gets zeros. Of a pair `[values, indices]` the values
 * count.
 *
 * `f` is a function that {@linkcode genred} made, or any other that gives a tensor built of its
 * inputs: by reductions of symbolic matrices, by operations on tensors.
 *
 * Throws `PairfoldError`: `dtype` where the output is not a float tensor, `shape` for cotangents
 * that do not fit.
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
  const distinct = [...new Set(tensors)];
  const places = tensors.map((t) => distinct.indexOf(t));
  const run = watched(distinct, (own) => f(...places.map((place) => own[place])));
  const output = floatOutput(run.output);
  const pull = (cotangent: TensorLike | number): Tensor[] => {
    const g = likeTensor("vjp", "cotangent", cotangent, output);
    const found = withValues(() => pulled(run, output, g));
    return places.map((place) => found[place]);
  };
  return [run.output, pull];
}
