// Sums over leading axes of a tensor, as folds: what a gradient needs where an input was broadcast.

import { build, type Node, variable, zero } from "../formula/mod.ts";
import { UNROLL_LIMIT } from "../reduction/mod.ts";
import { allocate, reshaped, sizeOf, Tensor, tensor } from "../tensor/mod.ts";
import type { Rectangle } from "./batch.ts";
import { fold } from "./fold.ts";
import { sumTo } from "./linear.ts";
import type { FoldRequest } from "./request.ts";
import { isTraced } from "./trace.ts";

/** What a sum takes over from the fold whose results it adds up. */
export type SumChoices = Pick<FoldRequest, "dtype" | "choices">;

/** Tables that one fold adds up. */
const TERMS = 8;

/**
 * A float tensor summed over the axes that have length 1 in a shape to which it reduces: its own
 * broadcasts the other way round. The shape's rank is the tensor's. (PyTorch's `sum_to_size`.)
 */
export function sumToSize(t: Tensor, to: readonly number[], choices: SumChoices): Tensor {
  if (isTraced([t])) return sumTo(t, to);
  let sums = t;
  // runs of axes that vanish, the last first: what is left of them needs the fewest folds
  for (let end = to.length; end > 0; end--) {
    const { shape } = sums;
    if (shape[end - 1] === to[end - 1]) continue;
    let start = end - 1;
    while (start > 0 && to[start - 1] === 1) start--;
    const [outer, count, inner] = [shape.slice(0, start), shape.slice(start, end), shape.slice(end)]
      .map(sizeOf);
    const left = shape.map((length, axis) => axis >= start && axis < end ? 1 : length);
    sums = reshaped(summed(sums, outer, count, inner, choices), left);
    end = start + 1;
  }
  return reshaped(sums, to);
}

/** [outer, count, inner] summed over its middle axis. */
function summed(
  t: Tensor,
  outer: number,
  count: number,
  inner: number,
  choices: SumChoices,
): Tensor {
  if (outer * count * inner === 0) {
    return new Tensor([outer, inner], t.dtype, allocate(t.dtype, outer * inner));
  }
  if (inner <= UNROLL_LIMIT) return byColumns(t, outer, count, inner, choices);
  let sums = t;
  for (let left = count; left > 1;) {
    const length = Math.ceil(left / TERMS);
    sums = byTerms(sums, outer, left, length, inner, choices);
    left = length;
  }
  return sums;
}

/** Short vectors are columns of a fold with one row. */
function byColumns(
  t: Tensor,
  outer: number,
  count: number,
  inner: number,
  choices: SumChoices,
): Tensor {
  const [sums] = fold({
    ...choices,
    formula: variable(t.id, "j", inner),
    inputs: new Map([[t.id, t]]),
    reduction: "sum",
    axis: "j",
    M: 1,
    N: count,
    k: 1,
    batch: { shape: [outer], of: new Map([[t.id, [outer]]]) },
  });
  return sums;
}

/**
 * Long ones are added in a tree: [outer, count, inner] to [outer, length, inner], where entry n is
 * the sum of n, n + length, n + 2 length … The last of these ends early; there, a flag says so.
 */
function byTerms(
  t: Tensor,
  outer: number,
  count: number,
  length: number,
  inner: number,
  choices: SumChoices,
): Tensor {
  const terms = Math.ceil(count / length);
  const slots = Array.from({ length: terms }, () => tensor(0).id);
  const tables = slots.map((slot): Node => variable(slot, "i", 1));
  const inputs = new Map(slots.map((slot) => [slot, t]));
  const whole = count - (terms - 1) * length;
  const flags = tensor(Float64Array.of(1, 0), [2, 1], { copy: false });
  if (whole < length) {
    inputs.set(flags.id, flags);
    tables[terms - 1] = build.where(variable(flags.id, "p", 1), tables[terms - 1], zero(1));
  }
  const segments: Rectangle[] = [];
  for (let o = 0; o < outer; o++) {
    const add = (from: number, to: number, isWhole: boolean): void => {
      const first = o * count + from; // of the terms
      const offsets = new Map([[flags.id, isWhole ? 0 : 1]]);
      slots.forEach((slot, k) => {
        const isRead = isWhole || k < terms - 1;
        offsets.set(slot, (first + (isRead ? k * length : 0)) * inner);
      });
      const rows = { i0: 0, i1: (to - from) * inner, j0: 0, j1: 1 };
      segments.push({ ...rows, output: (o * length + from) * inner, offsets });
    };
    add(0, whole, true);
    if (whole < length) add(whole, length, false);
  }
  const [sums] = fold({
    ...choices,
    formula: tables.reduce((a, b) => build.add(a, b)),
    inputs,
    reduction: "sum",
    axis: "j",
    M: length * inner,
    N: 1,
    k: 1,
    segments,
    outputRows: outer * length * inner,
  });
  return sums;
}
