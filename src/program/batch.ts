// Batch dimensions of folds. Enters: leading dims of a fold and of its inputs. Leaves: the segments
// that one launch makes of all batches, each with the rows at which it reads every input.

import type { Segment } from "../engine/mod.ts";
import { broadcastStrides, sizeOf } from "../tensor/mod.ts";

/** Leading dims: those of a fold's results, and of its inputs, which broadcast to them. */
export interface Batch {
  readonly shape: readonly number[];
  /** By slot; none where missing. */
  readonly of: ReadonlyMap<number, readonly number[]>;
}

/** One fold alone. */
export const NO_BATCH: Batch = { shape: [], of: new Map() };

/**
 * Rows × columns that are folded together, and the output row that its row 0 is written to. Inputs
 * are read from their first row on, or from what `offsets` says, by slot.
 */
export interface Rectangle extends Omit<Segment, "offsets"> {
  readonly offsets?: ReadonlyMap<number, number>;
}

/** Where an input stands: what its rows belong to, how many a batch has, its leading dims. */
export interface BatchedInput {
  readonly slot: number;
  readonly axis: "row" | "column" | "uniform";
  readonly rows: number;
  readonly batch: readonly number[];
}

/**
 * How many batches, the last ones of a batch shape, stand one after another as rows of one fold:
 * row inputs go on from batch to batch, all others are the same for all.
 */
function joinedBatches(shape: readonly number[], strides: readonly BatchStrides[]): number {
  let joined = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const goesOn = strides.every(({ axis: of, rows, steps }) =>
      steps[axis] === (of === "row" ? rows * joined : 0)
    );
    if (shape[axis] !== 1 && !goesOn) break;
    joined *= shape[axis];
  }
  return joined;
}

/** An input, and how many rows it is from a batch to the next along each axis of a batch shape. */
interface BatchStrides extends BatchedInput {
  readonly steps: readonly number[];
}

/** The segments of a fold of so many rows and columns, and the rows of the longest. */
export interface BatchedSegments {
  readonly segments: readonly Segment[];
  readonly rows: number;
}

/** A fold as what a launch is planned from. */
export interface BatchedFold {
  readonly rows: number;
  readonly columns: number;
  readonly batch: readonly number[];
  readonly inputs: readonly BatchedInput[];
  /** Rectangles of each batch, and rows that each writes; null: all pairs, a row each. */
  readonly parts: { readonly rectangles: readonly Rectangle[]; readonly outputRows: number } | null;
  /** Whether the formula speaks of the index of a row, which starts anew in every batch. */
  readonly usesRowIndex: boolean;
}

/** The first row of every input. */
const firstRows = (inputs: readonly unknown[]): number[] =>
  new Array<number>(inputs.length).fill(0);

/** One segment per batch, or per run of batches that are rows of one fold. */
export function segmentsOf(fold: BatchedFold): BatchedSegments {
  const { rows, columns, batch: shape, inputs, parts, usesRowIndex } = fold;
  if (shape.length === 0 && parts === null) {
    const offsets = firstRows(inputs);
    const all = { i0: 0, i1: rows, j0: 0, j1: columns, output: 0, wholeRows: rows, offsets };
    return { segments: [all], rows };
  }
  const strides = inputs.map((input): BatchStrides => {
    const steps = broadcastStrides(input.batch, shape).map((stride) => stride * input.rows);
    return { ...input, steps };
  });
  const batches = sizeOf(shape);
  const joined = parts === null && !usesRowIndex && batches > 0 ? joinedBatches(shape, strides) : 1;
  const whole = { i0: 0, i1: rows * joined, j0: 0, j1: columns, output: 0, wholeRows: rows };
  const rectangles: readonly Rectangle[] = parts?.rectangles ?? [whole];
  const outputRows = parts?.outputRows ?? rows;
  const segments: Segment[] = [];
  const at = shape.map(() => 0);
  const first = firstRows(inputs);
  for (let batch = 0; batch < batches; batch += joined) {
    for (const { offsets, output, ...rectangle } of rectangles) {
      segments.push({
        ...rectangle,
        output: output + batch * outputRows,
        offsets: offsets === undefined
          ? first.slice()
          : first.map((row, k) => row + (offsets.get(inputs[k].slot) ?? 0)),
      });
    }
    advance(at, shape, joined, (axis, by) => {
      for (let k = 0; k < first.length; k++) first[k] += by * strides[k].steps[axis];
    });
  }
  return { segments, rows: rows * joined };
}

/** Moves an index of a shape on by so many of its last elements; tells of each axis that moves. */
function advance(
  at: number[],
  shape: readonly number[],
  by: number,
  moved: (axis: number, by: number) => void,
): void {
  let axis = shape.length - 1;
  for (let length = 1; axis >= 0 && length < by; axis--) length *= shape[axis];
  for (; axis >= 0; axis--) {
    if (++at[axis] < shape[axis]) return moved(axis, 1);
    moved(axis, 1 - shape[axis]);
    at[axis] = 0;
  }
}
