// What a tensor's numbers say about shapes: where they are not 0, and which of them differ. Both
// read the numbers, so that they are promises.

import type { NumberArray } from "../engine/mod.ts";
import { inPlace } from "../sparse/mod.ts";
import { type Distinct, type ReadOptions, sizeOf, type Tensor, tensor } from "../tensor/mod.ts";
import { take } from "./gather.ts";
import { permute, reshape } from "./linear.ts";
import { compared, orderOf } from "./sorting.ts";

const whole = (numbers: Int32Array): Tensor => tensor(numbers, undefined, { copy: false });

/** Places of what is not 0, row-major. */
export async function nonZero(x: Tensor, options: ReadOptions): Promise<Tensor> {
  const data = await x.resolve(options);
  const places = new Int32Array(data.length);
  let count = 0;
  data.forEach((value: number, k: number) => {
    if (value !== 0) places[count++] = k;
  });
  return whole(places.slice(0, count));
}

/** Order of two rows of a matrix, by their first numbers that differ. */
function compareRows(data: NumberArray, width: number, p: number, q: number): number {
  for (let d = 0; d < width; d++) {
    const order = compared(data[p * width + d], data[q * width + d]);
    if (order !== 0) return order;
  }
  return 0;
}

/** The entries of an axis that differ, in ascending order. */
export async function unique(
  x: Tensor,
  axis: number | null,
  options: ReadOptions,
): Promise<Distinct<Tensor>> {
  const list = axis === null ? reshape(x, [x.size]) : x;
  const along = axis ?? 0;
  const others = [...list.shape.keys()].filter((k) => k !== along);
  const n = list.shape[along];
  const width = sizeOf(others.map((k) => list.shape[k]));
  const data = await permute(list, [along, ...others]).resolve(options);
  const order = width === 1
    ? orderOf(data)
    : inPlace(n).sort((p, q) => compareRows(data, width, p, q) || p - q);
  const [first, inverse, counts] = [0, 1, 2].map(() => new Int32Array(n));
  let count = 0;
  order.forEach((at, k) => {
    const isNew = k === 0 || compareRows(data, width, order[k - 1], at) !== 0;
    if (isNew) first[count++] = at;
    inverse[at] = count - 1;
    counts[count - 1]++;
  });
  const indices = whole(first.slice(0, count));
  return {
    values: take(list, indices, along),
    indices,
    inverse: axis === null ? reshape(whole(inverse), x.shape) : whole(inverse),
    counts: whole(counts.slice(0, count)),
  };
}
