// Elements by indices, and the transposes that add them back; sorting. On the host.

import type { NumberArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import {
  allocate,
  axisFrom,
  broadcastShapes,
  type IndicesOf,
  type NestedNumbers,
  sameShape,
  sizeOf,
  Tensor,
  tensor,
} from "../tensor/mod.ts";
import { elementwise, operandOf, type TensorOperand } from "./elementwise.ts";
import type { Extent } from "./host_reduce.ts";
import { broadcastTo } from "./linear.ts";
import { hostTensor } from "./steps.ts";
import { orderOf } from "./sorting.ts";
import { record } from "./trace.ts";

/** Integers in an array, or an int32 tensor. */
export type TensorIndices = IndicesOf<Tensor>;

const extentOf = (shape: readonly number[], axis: number): Extent => [
  sizeOf(shape.slice(0, axis)),
  shape[axis],
  sizeOf(shape.slice(axis + 1)),
];

/** Indices as an int32 tensor; those in arrays are checked, and counted from the end below 0. */
function indexTensor(op: string, indices: TensorIndices, n: number): Tensor {
  const given = indices instanceof Tensor
    ? indices
    : ArrayBuffer.isView(indices)
    ? tensor(indices)
    : tensor(indices as NestedNumbers[], undefined, { dtype: "float64" });
  if (indices instanceof Tensor || given.dtype === "int32" && given.peek() === null) {
    if (given.dtype === "int32") return given;
    throw new PairfoldError("dtype", `${op}: got ${given.dtype} indices; expected int32`);
  }
  const data = given.peek() ?? new Int32Array();
  const places = Int32Array.from(data, (one) => {
    const at = one < 0 ? one + n : one;
    if (Number.isInteger(at) && at >= 0 && at < n) return at;
    throw new PairfoldError(
      "shape",
      `${op}: got index ${one}; expected integers from ${-n} to ${n - 1}`,
    );
  });
  return tensor(places, given.shape, { copy: false });
}

function checkIndex(op: string, index: number, n: number): void {
  if (index >= -1 && index < n) return;
  throw new PairfoldError(
    "shape",
    `${op}: got index ${index} in a tensor; expected integers from 0 to ${n - 1}, or −1 for none`,
  );
}

/** [outer, n, inner] at k indices of the middle: [outer, k, inner]; NaN (of integers, −1) at −1. */
function taken(
  data: NumberArray,
  places: NumberArray,
  [outer, n, inner]: Extent,
  dtype: Tensor["dtype"],
): NumberArray {
  const count = places.length;
  const out = allocate(dtype, outer * count * inner);
  for (const index of places) checkIndex("take", index, n);
  const missing = dtype === "int32" ? -1 : NaN;
  for (let o = 0, to = 0; o < outer; o++) {
    for (let k = 0; k < count; k++, to += inner) {
      const from = (o * n + places[k]) * inner;
      if (places[k] < 0) out.fill(missing, to, to + inner);
      else for (let d = 0; d < inner; d++) out[to + d] = data[from + d];
    }
  }
  return out;
}

/** The transpose of {@linkcode taken}: adds up in float64. */
function added(
  data: NumberArray,
  places: NumberArray,
  [outer, n, inner]: Extent,
  dtype: Tensor["dtype"],
): NumberArray {
  const sums = new Float64Array(outer * n * inner);
  const count = places.length;
  for (const index of places) checkIndex("scatterAdd", index, n);
  for (let o = 0, from = 0; o < outer; o++) {
    for (let k = 0; k < count; k++, from += inner) {
      if (places[k] < 0) continue;
      const to = (o * n + places[k]) * inner;
      for (let d = 0; d < inner; d++) sums[to + d] += data[from + d];
    }
  }
  if (dtype === "float64") return sums;
  const out = allocate(dtype, sums.length);
  out.set(sums);
  return out;
}

function takenAt(x: Tensor, places: Tensor, axis: number): Tensor {
  const { shape, dtype } = x;
  const result = hostTensor(
    "take",
    shape.toSpliced(axis, 1, ...places.shape),
    dtype,
    [x, places],
    (data, indices) => taken(data, indices, extentOf(shape, axis), dtype),
  );
  record([x], [result], () => ({
    vjp: ([g]) => [g === null ? null : addedAt(g, places, axis, shape)],
    jvp: ([t]) => [t === null ? null : takenAt(t, places, axis)],
  }));
  return result;
}

function addedAt(g: Tensor, places: Tensor, axis: number, shape: readonly number[]): Tensor {
  const result = hostTensor(
    "scatterAdd",
    shape,
    g.dtype,
    [g, places],
    (data, indices) => added(data, indices, extentOf(shape, axis), g.dtype),
  );
  record([g], [result], () => ({
    vjp: ([h]) => [h === null ? null : takenAt(h, places, axis)],
    jvp: ([t]) => [t === null ? null : addedAt(t, places, axis, shape)],
  }));
  return result;
}

/** Entries of an axis by indices. */
export function take(x: Tensor, indices: TensorIndices, axis: number): Tensor {
  return takenAt(x, indexTensor("take", indices, x.shape[axis]), axis);
}

/** x with values added at indices of an axis. */
export function scatterAdd(
  x: Tensor,
  indices: TensorIndices,
  values: TensorOperand,
  axis: number,
): Tensor {
  const places = indexTensor("scatterAdd", indices, x.shape[axis]);
  const given = operandOf("scatterAdd", values, x.dtype);
  const t = typeof given === "number" ? tensor(given, undefined, { dtype: x.dtype }) : given;
  const wanted = x.shape.toSpliced(axis, 1, ...places.shape);
  const fits = broadcastShapes(wanted, t.shape);
  if (fits === null || !sameShape(fits, wanted)) {
    throw new PairfoldError(
      "shape",
      `scatterAdd: got values [${t.shape}] for indices [${places.shape}] along axis ${axis} of a ` +
        `tensor [${x.shape}]; expected values [${wanted}], or what broadcasts to them`,
    );
  }
  const terms = addedAt(broadcastTo(t, wanted), places, axis, x.shape);
  return elementwise("add", [x, terms]);
}

// ---- along an axis ------------------------------------------------------------------------------

/**
 * Runs `body` for each index: where it is, and where its entry of the longer axis is; −1 for none.
 */
function eachAlong(
  op: string,
  places: NumberArray,
  [outer, n, inner]: Extent,
  count: number,
  body: (at: number, from: number) => void,
): void {
  for (let o = 0, at = 0; o < outer; o++) {
    for (let k = 0; k < count; k++) {
      for (let d = 0; d < inner; d++, at++) {
        const index = places[at];
        checkIndex(op, index, n);
        body(at, index < 0 ? -1 : (o * n + index) * inner + d);
      }
    }
  }
}

/** The entries that indices name along an axis; NaN at −1. */
export function takenAlong(x: Tensor, places: Tensor, axis: number): Tensor {
  const extent = extentOf(x.shape, axis);
  const result = hostTensor(
    "takeAlongAxis",
    places.shape,
    x.dtype,
    [x, places],
    (data, indices) => {
      const out = allocate(x.dtype, indices.length);
      const missing = x.dtype === "int32" ? -1 : NaN;
      eachAlong("takeAlongAxis", indices, extent, places.shape[axis], (at, from) => {
        out[at] = from < 0 ? missing : data[from];
      });
      return out;
    },
  );
  record([x], [result], () => ({
    vjp: ([g]) => [g === null ? null : placedAlong(g, places, axis, x.shape)],
    jvp: ([t]) => [t === null ? null : takenAlong(t, places, axis)],
  }));
  return result;
}

/**
 * Zeros of a shape with entries added where indices say: the transpose of {@linkcode takenAlong}.
 */
export function placedAlong(
  g: Tensor,
  places: Tensor,
  axis: number,
  shape: readonly number[],
): Tensor {
  const extent = extentOf(shape, axis);
  const result = hostTensor(
    "transpose of takeAlongAxis",
    shape,
    g.dtype,
    [g, places],
    (data, indices) => {
      const out = allocate(g.dtype, sizeOf(shape));
      eachAlong("takeAlongAxis", indices, extent, places.shape[axis], (at, to) => {
        if (to >= 0) out[to] += data[at];
      });
      return out;
    },
  );
  record([g], [result], () => ({
    vjp: ([h]) => [h === null ? null : takenAlong(h, places, axis)],
    jvp: ([t]) => [t === null ? null : placedAlong(t, places, axis, shape)],
  }));
  return result;
}

/** The entries that indices of the same rank name along an axis. */
export function takeAlongAxis(x: Tensor, indices: TensorIndices, axis: number): Tensor {
  const places = indexTensor("takeAlongAxis", indices, x.shape[axis]);
  const fits = places.shape.length === x.shape.length &&
    places.shape.every((n, k) => k === axis || n === x.shape[k]);
  if (!fits) {
    throw new PairfoldError(
      "shape",
      `takeAlongAxis: got indices [${places.shape}] for a tensor [${x.shape}]; expected the same ` +
        `lengths but along axis ${axis}`,
    );
  }
  return takenAlong(x, places, axis);
}

/** Indices that sort an axis; NaN stands last, equal elements keep their order. */
export function argSort(x: Tensor, axis: number): Tensor {
  const [outer, n, inner] = extentOf(x.shape, axisFrom("argSort", axis, x.shape.length));
  return hostTensor("argSort", x.shape, "int32", [x], (data) => {
    if (outer * inner === 1) return orderOf(data);
    const out = new Int32Array(data.length);
    const list = allocate(x.dtype, n), places = new Int32Array(n);
    for (let o = 0; o < outer; o++) {
      for (let d = 0; d < inner; d++) {
        const start = o * n * inner + d;
        for (let k = 0; k < n; k++) list[k] = data[start + k * inner];
        const order = orderOf(list, places);
        for (let k = 0; k < n; k++) out[start + k * inner] = order[k];
      }
    }
    return out;
  });
}
