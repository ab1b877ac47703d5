// Hands the operations of this folder to the methods of tensors; and those that are functions.

import { provideOperations, type Tensor } from "../tensor/mod.ts";
import { cumSum, reduce } from "./axes.ts";
import { cast } from "./cast.ts";
import { nonZero, unique } from "./distinct.ts";
import { elementwise, type TensorOperand } from "./elementwise.ts";
import { argSort, scatterAdd, take, takeAlongAxis } from "./gather.ts";
import { broadcastTo, permute, reshape } from "./linear.ts";
import { matmul as product } from "./matmul.ts";
import { slice } from "./movement.ts";
import { cross } from "./vectors.ts";

provideOperations<Tensor>({
  elementwise,
  cast,
  reduce,
  cumSum,
  matmul: product,
  reshape,
  permute,
  broadcastTo,
  slice,
  take,
  takeAlongAxis,
  scatterAdd,
  argSort,
  cross,
  nonZero,
  unique,
});

/**
 * a where a condition is not 0, else b, element by element; shapes broadcast.
 *
 * ```ts
 * import { tensor, where } from "pairfold";
 * const x = tensor([-1, 2, -3]);
 * console.log(await where(x.lt(0), 0, x).array()); // [ 0, 2, 0 ]
 * ```
 */
export function where(condition: TensorOperand, a: TensorOperand, b: TensorOperand): Tensor {
  return elementwise("where", [condition, a, b]);
}

/**
 * Matrix product [M, K] · [K, N], as NumPy's `@`; see {@linkcode Tensor.matmul}.
 *
 * ```ts
 * import { matmul, tensor } from "pairfold";
 * const a = tensor([[1, 2], [3, 4]]);
 * console.log(await matmul(a, [[1, 0], [0, 10]]).array()); // [ [ 1, 20 ], [ 3, 40 ] ]
 * ```
 */
export function matmul(a: TensorOperand, b: TensorOperand): Tensor {
  return product(a, b);
}
