// What a wave needs on the card beyond the arrays that are there: pieces of those that are too
// large for it, tables and parameters.

import type { Kernel } from "../../loop/mod.ts";
import type { NumberArray } from "../engine.ts";
import { columnRuns, rowBytes, type Wave } from "../plan.ts";
import type { Place } from "./array.ts";
import type { CudaDevice } from "./device.ts";

/** Allocates bytes that are freed when the wave is done. */
export type Alloc = (bytes: number) => bigint;

/** Where an output is written, and where its rows go from there; null where they stay. */
export interface StagedOutput {
  /** The address that row 0 has, or would have. */
  readonly base: bigint;
  readonly target: NumberArray | null;
}

/** Addresses that row 0 of each input has, or would have; uniform inputs (null) have none. */
export function stageInputs(
  device: CudaDevice,
  kernel: Kernel,
  places: readonly (Place | null)[],
  wave: Wave,
  alloc: Alloc,
): bigint[] {
  return kernel.inputs.map((input, slot) => {
    const place = places[slot];
    if (place === null) return 0n;
    if (place.kind === "device") return place.address;
    const { first, last } = rangeOf(wave, (task) => {
      const offset = task.segment.offsets[slot] ?? 0;
      const [from, to] = input.axis === "row" ? [task.i0, task.i1] : columnsOf(task);
      return [from + offset, to + offset];
    });
    const bytes = rowBytes(kernel, input);
    const address = alloc((last - first) * bytes);
    const part = place.numbers.subarray(first * input.dim, last * input.dim);
    device.upload(address, part);
    return address - BigInt(first * bytes);
  });
}

/** Where a wave writes each output. */
export function stageOutputs(
  kernel: Kernel,
  places: readonly Place[],
  wave: Wave,
  alloc: Alloc,
): StagedOutput[] {
  const { first, last } = rangeOf(wave, ({ segment, i0, i1 }) => [
    i0 + segment.output,
    i1 + segment.output,
  ]);
  return kernel.outputs.map((output, slot) => {
    const place = places[slot];
    if (place.kind === "device") return { base: place.address, target: null };
    const bytes = rowBytes(kernel, output);
    const base = alloc((last - first) * bytes) - BigInt(first * bytes);
    return { base, target: place.numbers };
  });
}

/** Brings the finished rows of outputs that stand on the host there. */
export async function collect(
  device: CudaDevice,
  kernel: Kernel,
  outputs: readonly StagedOutput[],
  wave: Wave,
): Promise<void> {
  for (const [slot, { base, target }] of outputs.entries()) {
    if (target === null) continue;
    const output = kernel.outputs[slot];
    for (const { segment, i0, i1, last } of wave) {
      if (!last || i1 === i0) continue;
      const [from, to] = [i0 + segment.output, i1 + segment.output];
      const source = base + BigInt(from * rowBytes(kernel, output));
      const part = target.subarray(from * output.dim, to * output.dim);
      await device.download(part, source);
    }
  }
}

/** The first column of a task, and one beyond the last. */
function columnsOf({ segment, j0, j1 }: Wave[number]): readonly [number, number] {
  const runs = [...columnRuns(segment, j0, j1)];
  const last = runs.at(-1);
  return last === undefined ? [j0, j0] : [runs[0].column, last.column + last.count];
}

/** The rows of an array that a wave meets. */
function rangeOf(
  wave: Wave,
  rows: (task: Wave[number]) => readonly [number, number],
): { first: number; last: number } {
  let [first, last] = [Infinity, 0];
  for (const task of wave) {
    const [from, to] = rows(task);
    if (to <= from) continue;
    first = Math.min(first, from);
    last = Math.max(last, to);
  }
  return first === Infinity ? { first: 0, last: 0 } : { first, last };
}

/** Arrays as one, each at a multiple of 16 bytes. */
export function concatenated(
  parts: readonly (NumberArray | BigInt64Array)[],
): { bytes: Uint8Array<ArrayBuffer>; offsets: number[] } {
  const offsets: number[] = [];
  let length = 0;
  for (const part of parts) {
    offsets.push(length);
    length += Math.ceil(part.byteLength / 16) * 16;
  }
  const bytes = new Uint8Array(length);
  parts.forEach((part, k) => {
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), offsets[k]);
  });
  return { bytes, offsets };
}
