// Batches one by one: what a fold over batch dims is held against. Enters: tensors with leading
// dims and a function of tensors without any. Leaves: what the function gives for every batch.

import { assert, assertEquals } from "@std/assert";
import {
  broadcastShapes,
  broadcastStrides,
  sizeOf,
  type Tensor,
  tensor,
} from "../../src/tensor/mod.ts";
import type { Random } from "./random.ts";

/** A tensor, and how many of its axes, the first ones, are batch dims. */
export interface Batched {
  readonly t: Tensor;
  readonly batch: readonly number[];
}

/** Leading dims of the inputs of a formula. */
export interface Pattern {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly p: readonly number[];
}

/** What batches look like: missing, one, several, several dims, and mixtures. */
export const PATTERNS: Readonly<Record<string, Pattern>> = {
  "all batched": { x: [3], y: [3], p: [3] },
  "rows alone": { x: [3], y: [], p: [] },
  "columns alone": { x: [], y: [3], p: [] },
  "parameters alone": { x: [], y: [], p: [3] },
  "one for several": { x: [3], y: [1], p: [3] },
  "a batch of one": { x: [1], y: [], p: [1] },
  "two dims": { x: [2, 3], y: [2, 3], p: [] },
  "dims that one lacks": { x: [2, 3], y: [3], p: [2, 1] },
  "rows and columns crossed": { x: [2, 1], y: [1, 3], p: [] },
  "rows that go on in the last dim": { x: [2, 3], y: [2, 1], p: [2, 1] },
  "three dims": { x: [2, 1, 2], y: [1, 3, 1], p: [3, 2] },
};

/** A random tensor [...batch, ...shape]. */
export function randomBatches(
  random: Random,
  batch: readonly number[],
  shape: readonly number[],
  dtype: "float32" | "float64",
  [low, high]: readonly [number, number] = [-1, 1],
): Batched {
  const all = [...batch, ...shape];
  const numbers = random.array(dtype, sizeOf(all), low, high);
  return { t: tensor(numbers, all, { copy: false }), batch };
}

/** What several leading dims broadcast to. */
export function commonBatch(...all: (readonly number[])[]): number[] {
  const common = broadcastShapes(...all);
  assert(common !== null, "the batch dims of a test do not broadcast");
  return common;
}

/** The numbers of a tensor, read before `batchAt` looks at them. */
async function read({ t }: Batched): Promise<void> {
  await t.resolve();
}

/** A batch's part of a tensor, by the batch's index among those of a shape. */
function batchAt({ t, batch }: Batched, shape: readonly number[], at: number): Tensor {
  const numbers = t.peek();
  assert(numbers !== null, "a tensor that nobody has read");
  const own = t.shape.slice(batch.length);
  let rest = at;
  let first = 0;
  const strides = broadcastStrides(batch, shape);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    first += (rest % shape[axis]) * strides[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  const length = sizeOf(own);
  return tensor(numbers.slice(first * length, (first + 1) * length), own, { copy: false });
}

/** What a function of tensors gives for every batch, one after another, output by output. */
export async function batchByBatch(
  shape: readonly number[],
  inputs: readonly Batched[],
  fold: (...tensors: Tensor[]) => readonly Tensor[],
): Promise<number[][]> {
  await Promise.all(inputs.map(read));
  const outputs: number[][] = [];
  for (let batch = 0; batch < sizeOf(shape); batch++) {
    const results = fold(...inputs.map((input) => batchAt(input, shape, batch)));
    for (const [slot, result] of results.entries()) {
      (outputs[slot] ??= []).push(...await result.data());
    }
  }
  return outputs;
}

/** Parts [...shape, length], one for each batch, added up to leading dims that broadcast to it. */
export function addedUp(
  parts: readonly number[],
  shape: readonly number[],
  own: readonly number[],
): Float64Array {
  const length = parts.length / sizeOf(shape);
  const sums = new Float64Array(sizeOf(own) * length);
  const strides = broadcastStrides(own, shape);
  for (let batch = 0; batch < sizeOf(shape); batch++) {
    let rest = batch;
    let first = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      first += (rest % shape[axis]) * strides[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    for (let k = 0; k < length; k++) sums[first * length + k] += parts[batch * length + k];
  }
  return sums;
}

/** Throws unless numbers are the same, bit for bit but for NaN's. */
export function checkSame(got: ArrayLike<number>, want: ArrayLike<number>, what: string): void {
  assertEquals(got.length, want.length, what);
  for (let k = 0; k < want.length; k++) {
    assert(Object.is(got[k], want[k]), `${what}: number ${k} is ${got[k]}, alone ${want[k]}`);
  }
}

/** Throws unless a fold of all batches has the shapes and the bits of folds one by one. */
export async function checkBatches(
  inputs: readonly Batched[],
  fold: (...inputs: Tensor[]) => readonly Tensor[],
  what: string,
): Promise<void> {
  const shape = commonBatch(...inputs.map(({ batch }) => batch));
  const want = await batchByBatch(shape, inputs, fold);
  const got = fold(...inputs.map(({ t }) => t));
  for (const [slot, t] of got.entries()) {
    assertEquals(t.shape.slice(0, shape.length), shape, what);
    checkSame(await t.data(), want[slot] ?? [], `${what}, output ${slot}`);
  }
}
