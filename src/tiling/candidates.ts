// What the tuner tries: the cost model's schedule and a few around it. All are legal and give the
// same bits; which is fastest depends on the machine.

import type { Kernel } from "../loop/mod.ts";
import { checkCudaSchedule, chooseCudaSchedule, choosePatches, chooseRows } from "./cuda.ts";
import { type CudaSchedule, describeCudaSchedule } from "./cuda_schedule.ts";
import {
  checkNativeSchedule,
  chooseNativeSchedule,
  type NativeRegisters,
  type NativeSchedule,
} from "./native.ts";
import { choosePanels } from "./cuda_panel_choice.ts";
import { checkSchedule, chooseSchedule, costOf, type WasmSchedule } from "./schedule.ts";

/** Row vectors and columns per turn around a choice, the likeliest first. */
function around(
  { rowVectors, columns }: { readonly rowVectors: number; readonly columns: number },
  most: number,
): { readonly rowVectors: number; readonly columns: number }[] {
  const cuts = [
    [rowVectors, columns],
    [rowVectors, 2 * columns],
    [rowVectors, columns / 2],
    [rowVectors - 1, columns],
    [rowVectors + 1, columns],
    [Math.floor(rowVectors / 2), 2 * columns],
    [2 * rowVectors, columns / 2],
    [2 * rowVectors, columns],
  ];
  const seen = new Set<string>();
  return cuts.filter(([rows, turn]) => {
    const isLegal = rows >= 1 && rows <= most && [1, 2, 4, 8, 16].includes(turn);
    const key = `${rows}:${turn}`;
    if (!isLegal || seen.has(key)) return false;
    seen.add(key);
    return true;
  }).map(([rows, turn]) => ({ rowVectors: rows, columns: turn }));
}

const MOST_WASM_VECTORS = 8;
const MOST_NATIVE_VECTORS = 16;

/** Schedules of a WebAssembly kernel, the cost model's first. */
export function wasmCandidates(kernel: Kernel, rows: number): WasmSchedule[] {
  const chosen = chooseSchedule(kernel, rows);
  const other = chosen.operands === "memory" ? "locals" : "memory";
  // all rows side by side, but where the cost model takes fewer at a time
  const isPartial = chosen.interleave < chosen.rowVectors;
  const interleaved = (rows: number): number =>
    isPartial ? Math.min(chosen.interleave, rows) : rows;
  return [
    ...around(chosen, MOST_WASM_VECTORS)
      .map((cut) => ({ ...chosen, ...cut, interleave: interleaved(cut.rowVectors) })),
    { ...chosen, operands: other },
  ];
}

/** Schedules of a native kernel, the cost model's first. */
export function nativeCandidates(
  kernel: Kernel,
  rows: number,
  folded: number,
  registers: NativeRegisters,
): NativeSchedule[] {
  const chosen = chooseNativeSchedule(kernel, rows, folded, registers);
  return around(chosen, MOST_NATIVE_VECTORS)
    .map((cut) => ({ ...chosen, ...cut, interleave: cut.rowVectors }));
}

/**
 * Schedules of a CUDA kernel, the cost model's first: other rows, threads, columns, tiles, slices.
 */
export function cudaCandidates(kernel: Kernel, rows: number): CudaSchedule[] {
  const chosen = chooseCudaSchedule(kernel, rows);
  const { rows: perThread, threads, tile, columns, unroll, slice } = chosen;
  const changes: readonly Partial<CudaSchedule>[] = [
    {},
    { rows: perThread * 2 },
    { rows: perThread / 2 },
    { threads: threads * 2 },
    { threads: threads / 2 },
    { columns: columns * 2, unroll: 1 },
    { columns: columns / 2 },
    { unroll: unroll === 1 ? 2 : unroll / 2 },
    { tile: tile / 2 },
    ...patches(kernel),
    ...panels(kernel),
    ...(slice === 0 ? [] : [
      { slice: slice * 2, rows: Math.max(1, perThread / 2) },
      { slice: slice / 2, rows: perThread * 2 },
    ]),
  ];
  const seen = new Set<string>();
  return changes.map((change) => ({ ...chosen, ...change })).filter((one) => {
    const key = describeCudaSchedule(one);
    if (seen.has(key)) return false;
    seen.add(key);
    try {
      checkCudaSchedule(kernel, one);
      return true;
    } catch {
      return false;
    }
  });
}

/** Patches with chunks and threads of other lengths, and rows instead of them. */
function patches(kernel: Kernel): CudaSchedule[] {
  const best = choosePatches(kernel);
  if (best === null) return [];
  const none = chooseRows(kernel, Infinity);
  return [best, { ...best, chunk: best.chunk === 16 ? 8 : 16 }, { ...best, threads: 64 }, none];
}

/** Panels in slices of other lengths, and rows instead of them. */
function panels(kernel: Kernel): CudaSchedule[] {
  const best = choosePanels(kernel);
  if (best === null) return [];
  const none = { ...chooseRows(kernel, Infinity), panel: 0 };
  const half = 8 * Math.ceil(best.slice / 16);
  return [best, { ...best, slice: half }, { ...best, threads: 64 }, none];
}

/** A CUDA schedule from what was written of one; null where no kernel has such a one. */
export function parseCudaSchedule(value: unknown): CudaSchedule | null {
  if (typeof value !== "object" || value === null) return null;
  const { rows, threads, tile, columns, unroll, slice, chunk, panel = 0 } = value as CudaSchedule;
  const schedule = { rows, threads, tile, columns, unroll, slice, chunk };
  const isWhole = [...Object.values(schedule), panel].every(Number.isInteger);
  return isWhole ? { ...schedule, ...(panel === 0 ? {} : { panel }) } : null;
}

/** A schedule from what was written of one; null where it is none. */
export function parseWasmSchedule(value: unknown): WasmSchedule | null {
  try {
    const schedule = value as WasmSchedule;
    const { interleave, operands } = schedule;
    checkSchedule(schedule);
    const isWhole = Number.isInteger(interleave) && interleave >= 1 &&
      (operands === "memory" || operands === "locals");
    return isWhole ? schedule : null;
  } catch {
    return null;
  }
}

/** A schedule from what was written of one; null where it is none. */
export function parseNativeSchedule(value: unknown): NativeSchedule | null {
  try {
    const { rowVectors, interleave, columns, components, surveys } = value as NativeSchedule;
    const schedule = {
      ...{ rowVectors, interleave, columns },
      ...(components === undefined ? {} : { components }),
      ...(surveys === true ? { surveys } : {}),
    };
    checkNativeSchedule(schedule);
    return schedule;
  } catch {
    return null;
  }
}

/** Each kernel's text is made once: every launch asks for it. */
const texts = new WeakMap<Kernel, string>();

/** What the cost model goes by, for people. */
export function costText(kernel: Kernel): string {
  let text = texts.get(kernel);
  if (text === undefined) texts.set(kernel, text = newText(kernel));
  return text;
}

function newText(kernel: Kernel): string {
  const { operations, divisions, state, isWide, rare } = costOf(kernel);
  const count = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`;
  return [
    `cost model: ${count(operations, "operation")} per pair`,
    ...(divisions > 0 ? [`${divisions} of them divisions or square roots`] : []),
    ...(isWide ? ["long sums in memory"] : state > 0 ? [`${count(state, "vector")} of sums`] : []),
    ...(rare === "contest" ? ["a branch that is rarely taken"] : []),
    ...(rare === "appends" ? ["lists of candidates"] : []),
  ].join(", ");
}
