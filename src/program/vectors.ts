// Operations on the vectors along a tensor's last axis.

import { PairfoldError } from "../error.ts";
import { axisFrom, broadcastedShape, type Tensor, tensor } from "../tensor/mod.ts";
import { elementwise, floatTypeOf, operandOf, type TensorOperand } from "./elementwise.ts";
import { take } from "./gather.ts";

/** Refuses what is no array of 3-vectors. */
function vectorsOf(x: Tensor): Tensor {
  if (x.shape.at(-1) === 3) return x;
  throw new PairfoldError(
    "shape",
    `cross: got a tensor [${x.shape}]; expected vectors of length 3 along the last axis`,
  );
}

/** Cross products of the 3-vectors along the last axis; leading axes broadcast. */
export function cross(a: Tensor, b: TensorOperand): Tensor {
  const given = operandOf("cross", b, a.dtype);
  const other = typeof given === "number" ? tensor(given, undefined, { dtype: a.dtype }) : given;
  const [x, y] = [vectorsOf(a), vectorsOf(other)];
  floatTypeOf("cross", [x, y]);
  broadcastedShape("cross", [x.shape, y.shape]);
  const turned = (t: Tensor, by: 1 | 2): Tensor => {
    const order = [0, 1, 2].map((k) => (k + by) % 3);
    return take(t, order, axisFrom("cross", -1, t.shape.length));
  };
  // component k is x_(k+1) y_(k+2) − x_(k+2) y_(k+1)
  const products = [turned(x, 1), turned(y, 2), turned(x, 2), turned(y, 1)] as const;
  return elementwise("sub", [
    elementwise("mul", [products[0], products[1]]),
    elementwise("mul", [products[2], products[3]]),
  ]);
}
