// Schedules with panels: which are legal, and which is best.

import { contractionOf, type FloatType, type Kernel, type TensorProducts } from "../loop/mod.ts";
import type { CudaSchedule } from "./cuda_schedule.ts";
import { isPanelSlice, panelBytes, panelOf, PANELS, panelSlice } from "./cuda_panel.ts";
import { PATCH_TURN, PATCHES, patchOf, SHARED_BYTES, TENSOR_CHUNK } from "./cuda_patch.ts";
import { slicesFit } from "./cuda_estimates.ts";
import { sliceableOf } from "./cuda_slices.ts";

/** Columns of a panel where pairs compute their own values: enough to hide copies behind. */
const NARROW_PANEL = 16;
/** Registers of sums and of a row's record, beside which pairs compute their own values. */
const WALK_REGISTERS: Readonly<Record<FloatType, number>> = { f32: 120, f64: 200 };
/**
 * Components of a slice at most. One slice of 104 takes a sixth less than two of 52, whose pairs'
 * values are computed twice; of many slices, those of 64 take 3 in a hundred more, and compile in
 * three fifths of the time.
 */
const SLICE = 64;
const ONE_SLICE: Readonly<Record<FloatType, number>> = { f32: 104, f64: 80 };
/** Components from which on panels take less than slices whose values come pair by pair. */
const WIDE: Readonly<Record<FloatType, number>> = { f32: 41, f64: 33 };

/** Differences, and components, up to which pairs take less than patches. */
const SHORT_DIM = 32;
const SHORT_WIDTH = 16;

/** Refuses panels that a kernel cannot have; true where it has them. */
export function checkPanels(
  kernel: Kernel,
  schedule: CudaSchedule,
  refuse: (got: string, wanted: string) => never,
): boolean {
  const { rows, tile, columns, slice, chunk, panel = 0 } = schedule;
  const products = tensorProductsOf(kernel);
  if (products !== null && panelOf(kernel) !== null && (panel === 0 || chunk !== TENSOR_CHUNK)) {
    refuse(
      `panels of ${panel} columns, chunks of ${chunk}`,
      `panels behind chunks of ${TENSOR_CHUNK}: tensor cores give these products`,
    );
  }
  if (panel === 0) return false;
  if (!PANELS.includes(panel)) refuse(`panels of ${panel} columns`, `0 or one of ${PANELS}`);
  if (panelOf(kernel) === null) {
    refuse(`panels of ${panel} columns`, "0: no wide sums of products of a value and components");
  }
  if (!isPanelSlice(slice, kernel.float)) {
    const most = kernel.float === "f32" ? 128 : 80;
    refuse(`panels in slices of ${slice}`, `a multiple of 4 up to 32, or of 8 up to ${most}`);
  }
  const shape = PATCHES[kernel.float];
  const wanted = chunk === 0 ? panel : shape.tile;
  if (rows !== 1 || tile !== wanted || columns !== PATCH_TURN) {
    refuse(
      `panels with ${rows} rows, tiles of ${tile}, ${columns} columns per turn`,
      `1 row, tiles of ${wanted}, ${PATCH_TURN} columns per turn`,
    );
  }
  if (chunk === 0) return true;
  const { chunks, handed } = shape;
  if (!chunks.includes(chunk)) refuse(`chunks of ${chunk}`, `0 or one of ${chunks}`);
  if (contractionOf(kernel) === null) {
    refuse(`chunks of ${chunk}`, "0: no long vectors of i and j are contracted");
  }
  if (panel !== handed) refuse(`panels of ${panel} columns`, `${handed}, as patches hand over`);
  return true;
}

/** How tensor cores multiply the contraction of a kernel; null where they do not. */
export function tensorProductsOf(kernel: Kernel): TensorProducts | null {
  const patch = patchOf(kernel);
  if (patch !== null) return patch.products;
  const products = contractionOf(kernel)?.products ?? null;
  return products !== null && choosePanels(kernel) !== null ? products : null;
}

/**
 * The best schedule with panels; null where others take less. Behind patches panels take less for
 * all but few differences and components, and compile in two thirds of the time. Counted in machine
 * code (PANEL_CODE).
 */
export function choosePanels(kernel: Kernel): CudaSchedule | null {
  const panel = panelOf(kernel);
  if (panel === null) return null;
  const length = sliceableOf(kernel)?.length ?? 0;
  const contraction = contractionOf(kernel);
  const isWide = length >= WIDE[kernel.float] || panel.factor !== null;
  const isLong = contraction !== null &&
    (contraction.isProduct || contraction.counter.count > SHORT_DIM || length > SHORT_WIDTH);
  if (!isWide && !isLong) return null;
  const isOne = contraction === null && length <= ONE_SLICE[kernel.float];
  const slice = panelSlice(length, isOne ? ONE_SLICE[kernel.float] : SLICE);
  const slots = kernel.records.row.length;
  if (contraction === null) {
    const width = kernel.float === "f32" ? 1 : 2;
    if (width * (slots + slice) > WALK_REGISTERS[kernel.float]) return null;
    // pairs of rows load less, if there are registers for all that is scaled
    const scaled = {
      rows: 2,
      slice: 4 * Math.ceil(length / 4),
      arrays: panel.scaled.length,
      slots,
    };
    if (length < WIDE[kernel.float] && slicesFit(kernel, scaled)) return null;
  }
  const patches = PATCHES[kernel.float];
  const chunks = contraction === null
    ? [0]
    : contraction.products === null
    ? patches.chunks.toReversed()
    : [TENSOR_CHUNK];
  for (const threads of [128, 64, 32]) {
    for (const chunk of chunks) {
      const columns = chunk === 0 ? NARROW_PANEL : patches.handed;
      const shared = { threads, slice, chunk, panel: columns };
      if (panelBytes(kernel, shared) > SHARED_BYTES) continue;
      const tile = chunk === 0 ? columns : patches.tile;
      return { rows: 1, tile, columns: PATCH_TURN, unroll: 1, ...shared };
    }
  }
  return null;
}
