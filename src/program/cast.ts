// Tensors as another type, on the host.

import type { DType, NumberArray } from "../engine/mod.ts";
import { PairfoldError, shown } from "../error.ts";
import { allocate, type Tensor } from "../tensor/mod.ts";
import { hostTensor } from "./steps.ts";
import { record } from "./trace.ts";

/** The largest 32-bit integer. */
const LARGEST = 2 ** 31;

function converted(data: NumberArray, dtype: DType): NumberArray {
  const out = allocate(dtype, data.length);
  if (dtype !== "int32") {
    out.set(data);
    return out;
  }
  data.forEach((x, k) => {
    out[k] = Math.trunc(x);
    if (x > -LARGEST - 1 && x < LARGEST) return;
    throw new PairfoldError("dtype", `astype: got ${x}; expected a 32-bit integer`);
  });
  return out;
}

/** The same numbers as another type. */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  if (dtype !== "float32" && dtype !== "float64" && dtype !== "int32") {
    throw new PairfoldError(
      "dtype",
      `astype: got ${shown(dtype)}; expected "float32", "float64" or "int32"`,
    );
  }
  const result = hostTensor(
    `astype ${dtype}`,
    x.shape,
    dtype,
    [x],
    (data) => converted(data, dtype),
  );
  if (x.dtype === "int32" || dtype === "int32") return result;
  const from = x.dtype;
  record([x], [result], () => ({
    vjp: ([g]) => [g === null ? null : cast(g, from)],
    jvp: ([t]) => [t === null ? null : cast(t, dtype)],
  }));
  return result;
}
