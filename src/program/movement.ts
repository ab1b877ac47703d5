// Parts of tensors, and tensors joined to larger ones. On the host.

import { PairfoldError } from "../error.ts";
import {
  allocate,
  axisFrom,
  sizeOf,
  type Slice,
  stridesOf,
  Tensor,
  tensor,
  type TensorLike,
} from "../tensor/mod.ts";
import { reshape, viewed } from "./linear.ts";
import { hostTensor } from "./steps.ts";
import { record } from "./trace.ts";

function positionOf(axis: number, position: number, n: number): number {
  const at = position < 0 ? position + n : position;
  if (Number.isInteger(at) && at >= 0 && at < n) return at;
  throw new PairfoldError(
    "shape",
    `slice: got position ${position} on axis ${axis}; expected an integer from ${-n} to ${n - 1}`,
  );
}

/** Where a range begins, and how many entries it has. */
function rangeOf(axis: number, { start, stop, step = 1 }: Slice, n: number): [number, number] {
  const isRange = Number.isInteger(step) && step !== 0 &&
    [start ?? 0, stop ?? 0].every(Number.isInteger);
  if (!isRange) {
    throw new PairfoldError(
      "shape",
      `slice: got start ${start}, stop ${stop}, step ${step} on axis ${axis}; expected integers, ` +
        "and a step that is not 0",
    );
  }
  // as Python's slice.indices
  const [low, high] = step > 0 ? [0, n] : [-1, n - 1];
  const clip = (at: number): number =>
    Math.min(high, Math.max(low, at < 0 ? Math.max(at + n, -1) : at));
  const from = start === undefined ? (step > 0 ? low : high) : clip(start);
  const to = stop === undefined ? (step > 0 ? high : low) : clip(stop);
  return [from, Math.max(0, Math.ceil((to - from) / step))];
}

/** Positions and ranges of the leading axes. */
export function slice(x: Tensor, ranges: readonly (number | Slice | null)[]): Tensor {
  const { shape } = x;
  if (ranges.length > shape.length) {
    throw new PairfoldError(
      "shape",
      `slice: got ${ranges.length} ranges for rank ${shape.length}; expected at most as many`,
    );
  }
  const strides = stridesOf(shape);
  const part: number[] = [];
  const steps: number[] = [];
  let offset = 0;
  shape.forEach((n, axis) => {
    const range = ranges[axis] ?? {};
    if (typeof range === "number") {
      offset += positionOf(axis, range, n) * strides[axis];
      return;
    }
    const [from, count] = rangeOf(axis, range, n);
    if (count > 0) offset += from * strides[axis];
    part.push(count);
    steps.push((range.step ?? 1) * strides[axis]);
  });
  return viewed("slice", x, { shape: part, strides: steps, offset });
}

function tensorsOf(op: string, list: readonly TensorLike[]): Tensor[] {
  if (!Array.isArray(list) || list.length === 0) {
    throw new PairfoldError("shape", `${op}: got no tensors; expected a list of at least one`);
  }
  const isTyped = (x: TensorLike): boolean => x instanceof Tensor || ArrayBuffer.isView(x);
  const first = list.find(isTyped);
  const dtype = first === undefined ? "float32" : tensor(first).dtype;
  const tensors = list.map((x: TensorLike) => tensor(x, undefined, isTyped(x) ? {} : { dtype }));
  const other = tensors.find((t) => t.dtype !== dtype);
  if (other === undefined) return tensors;
  throw new PairfoldError("dtype", `${op}: got ${dtype} and ${other.dtype}; expected one dtype`);
}

/**
 * Tensors one after another along an axis (the first by default); their other lengths are equal.
 * Copied on the host.
 *
 * Throws `PairfoldError`: `shape` for lengths that differ, `dtype` for several types.
 *
 * ```ts
 * import { concatenate, tensor } from "pairfold";
 * const x = tensor([[1, 2]]);
 * console.log(await concatenate([x, [[3, 4], [5, 6]]]).array()); // [[1, 2], [3, 4], [5, 6]]
 * ```
 */
export function concatenate(tensors: readonly TensorLike[], axis = 0): Tensor {
  const list = tensorsOf("concatenate", tensors);
  const [{ shape, dtype }] = list;
  const at = axisFrom("concatenate", axis, shape.length);
  for (const t of list) {
    const fits = t.shape.length === shape.length &&
      t.shape.every((n, k) => k === at || n === shape[k]);
    if (fits) continue;
    throw new PairfoldError(
      "shape",
      `concatenate: got shapes [${shape}] and [${t.shape}]; expected the same but along axis ${at}`,
    );
  }
  return joined(list, at, dtype);
}

function joined(list: readonly Tensor[], axis: number, dtype: Tensor["dtype"]): Tensor {
  const [{ shape }] = list;
  const lengths = list.map((t) => t.shape[axis]);
  const whole = shape.with(axis, lengths.reduce((a, b) => a + b, 0));
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  const result = hostTensor("concatenate", whole, dtype, list, (...arrays) => {
    const out = allocate(dtype, sizeOf(whole));
    for (let o = 0, to = 0; o < outer; o++) {
      arrays.forEach((data, k) => {
        const length = lengths[k] * inner;
        out.set(data.subarray(o * length, (o + 1) * length), to);
        to += length;
      });
    }
    return out;
  });
  record(list, [result], () => ({
    vjp: ([g], wanted) => {
      let start = 0;
      return list.map((_, k) => {
        const range = { start, stop: start += lengths[k] };
        if (g === null || !wanted[k]) return null;
        return slice(g, whole.map((_, own) => own === axis ? range : null));
      });
    },
    jvp: (tangents) => [
      joined(tangents.map((t, k) => t ?? zerosLike(list[k])), axis, dtype),
    ],
  }));
  return result;
}

/** Zeros of a tensor's shape and type. */
export function zerosLike(t: Tensor): Tensor {
  return new Tensor(t.shape, t.dtype, allocate(t.dtype, t.size));
}

/** Ones. */
export function ones(shape: readonly number[], dtype: Tensor["dtype"]): Tensor {
  return new Tensor(shape, dtype, allocate(dtype, sizeOf(shape)).fill(1));
}

/**
 * Tensors of one shape side by side along a new axis (the first by default). Copied on the host.
 *
 * ```ts
 * import { stack, tensor } from "pairfold";
 * console.log(await stack([tensor([1, 2]), tensor([3, 4])], 1).array()); // [ [ 1, 3 ], [ 2, 4 ] ]
 * ```
 */
export function stack(tensors: readonly TensorLike[], axis = 0): Tensor {
  const list = tensorsOf("stack", tensors);
  const [{ shape }] = list;
  const other = list.find((t) => t.shape.join() !== shape.join());
  if (other !== undefined) {
    throw new PairfoldError(
      "shape",
      `stack: got shapes [${shape}] and [${other.shape}]; expected one shape`,
    );
  }
  const at = axisFrom("stack", axis, shape.length + 1);
  return concatenate(list.map((t) => reshape(t, shape.toSpliced(at, 0, 1))), at);
}
