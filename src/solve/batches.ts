// Matrices of one size that are worked on at the same time, such as those of a symbolic matrix with
// batch dims. Enters: products and entries of several of them at once, a task that knows one.
// Leaves: every task's result; what the tasks ask for is computed together whenever all of them
// wait.

import { PairfoldError } from "../error.ts";
import { sizeOf } from "../tensor/mod.ts";
import type { Action, ApplyControl, Points } from "./action.ts";

/** A block to be multiplied with one of several matrices. */
export interface BatchedBlock {
  /** Which matrix. */
  readonly of: number;
  /** [columns, width], which is not changed. */
  readonly block: Float64Array;
}

/** Places of one of several matrices. */
export interface BatchedPlaces {
  readonly of: number;
  readonly rows: Int32Array;
  readonly columns: Int32Array;
}

/** Several matrices of one size, row-major in a batch shape. */
export interface ActionBatch {
  readonly shape: readonly number[];
  readonly rows: number;
  readonly columns: number;
  /** Products with blocks of one width: [rows, width] each. */
  apply(
    blocks: readonly BatchedBlock[],
    width: number,
    control: ApplyControl,
  ): Promise<Float64Array[]>;
  /** Entries in float64. */
  entries(places: readonly BatchedPlaces[], control: ApplyControl): Promise<Float64Array[]>;
  /** Where the rows of one stand. */
  points(of: number, control: ApplyControl): Promise<Points | null>;
  transposed(): ActionBatch;
  describe(): string;
}

/** A batch as people write it. */
export function batchName(at: number, shape: readonly number[]): string {
  const index = shape.map(() => 0);
  for (let axis = shape.length - 1, left = at; axis >= 0; axis--) {
    index[axis] = left % shape[axis];
    left = Math.floor(left / shape[axis]);
  }
  return `batch [${index.join(", ")}]`;
}

/** One of several matrices, by itself. */
export function actionOfBatch(all: ActionBatch, of: number): Action {
  const { rows, columns, shape } = all;
  return {
    rows,
    columns,
    apply: async (block, width, control) => (await all.apply([{ of, block }], width, control))[0],
    transposed: () => actionOfBatch(all.transposed(), of),
    hasEntries: true,
    entries: async (i, j, control) =>
      (await all.entries([{ of, rows: i, columns: j }], control))[0],
    points: (control) => all.points(of, control),
    describe: () =>
      shape.length === 0 ? all.describe() : `${batchName(of, shape)} of ${all.describe()}`,
  };
}

/** What a task waits for. */
interface Ask {
  readonly control: ApplyControl;
  /** A product, with its width; else entries. */
  readonly block: (BatchedBlock & { readonly width: number }) | null;
  readonly places: BatchedPlaces | null;
  readonly resolve: (numbers: Float64Array) => void;
  readonly reject: (error: unknown) => void;
}

/** What can be computed at once has one key. */
const keyOf = ({ block, control }: Ask): string =>
  block === null ? "entries" : `${control.precision ?? "float64"} × ${block.width}`;

/** Computes what is asked for with one key. */
function computed(all: ActionBatch, asks: readonly Ask[]): Promise<Float64Array[]> {
  const [{ control, block }] = asks;
  if (block === null) {
    return all.entries(asks.flatMap(({ places }) => places ?? []), control);
  }
  return all.apply(asks.flatMap((ask) => ask.block ?? []), block.width, control);
}

/**
 * Runs a task for each matrix. Each works as if it were alone, but what all of them wait for is
 * computed at once: one launch for a product with every matrix. Where a task fails, the others end
 * with it, and its error says which batch it was.
 */
export async function together<T>(
  all: ActionBatch,
  task: (matrix: Action, of: number) => Promise<T>,
): Promise<T[]> {
  const count = sizeOf(all.shape);
  const waiting: Ask[] = [];
  let going = count;
  const failures: unknown[] = [];
  /** Errors of what was computed for several, which belong to no batch. */
  const common = new Set<unknown>();

  const meet = async (): Promise<void> => {
    if (waiting.length === 0 || waiting.length < going) return;
    const groups = new Map<string, Ask[]>();
    for (const one of waiting.splice(0)) {
      const key = keyOf(one), others = groups.get(key);
      if (others === undefined) groups.set(key, [one]);
      else others.push(one);
    }
    for (const group of groups.values()) {
      try {
        const found = await computed(all, group);
        group.forEach((ask, k) => ask.resolve(found[k]));
      } catch (error) {
        if (group.length > 1) common.add(error);
        group.forEach((ask) => ask.reject(error));
      }
    }
  };
  const ask = (own: Pick<Ask, "control" | "block" | "places">): Promise<Float64Array> =>
    new Promise((resolve, reject) => {
      if (failures.length > 0) return reject(failures[0]);
      waiting.push({ ...own, resolve, reject });
      void meet();
    });
  const matrixOf = (of: number): Action => ({
    ...actionOfBatch(all, of),
    apply: (block, width, control) =>
      width === 0
        ? Promise.resolve(new Float64Array(0))
        : ask({ control, block: { of, block, width }, places: null }),
    entries: (rows, columns, control) =>
      ask({ control, block: null, places: { of, rows, columns } }),
  });

  const results = new Array<T>(count);
  const run = async (of: number): Promise<void> => {
    try {
      results[of] = await task(matrixOf(of), of);
    } catch (error) {
      failures.push(common.has(error) ? error : inBatch(error, of, all.shape));
      waiting.splice(0).forEach(({ reject }) => reject(failures[0]));
    }
    going--;
    void meet();
  };
  await Promise.all(Array.from({ length: count }, (_, of) => run(of)));
  if (failures.length > 0) throw failures[0];
  return results;
}

/** An error with the batch that it happened in; being aborted belongs to none. */
function inBatch(error: unknown, of: number, shape: readonly number[]): unknown {
  if (!(error instanceof PairfoldError) || error.code === "aborted" || shape.length === 0) {
    return error;
  }
  const message = error.message.replace(`PairfoldError[${error.code}]: `, "");
  return new PairfoldError(error.code, `${message} (in ${batchName(of, shape)})`, {
    cause: error.cause,
  });
}
