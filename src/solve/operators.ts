// Operators of different kinds. Enters: dense matrices, diagonals, low-rank terms, blocks,
// functions. Leaves: LinearOperators.

import { PairfoldError } from "../error.ts";
import { type Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import {
  type Action,
  type ApplyControl,
  blockAction,
  denseAction,
  diagonalAction,
  entriesByProducts,
  lowRankAction,
} from "./action.ts";
import { actionOf, LinearOperator, type OperatorLike } from "./operator.ts";

/** A matrix by its products, for {@linkcode linearOperator}. Blocks are row-major [rows, width]. */
export interface OperatorFunctions {
  readonly shape: readonly [rows: number, columns: number];
  /** The matrix times a block [columns, width]: [rows, width]. */
  apply(
    block: Float64Array,
    width: number,
    control: ApplyControl,
  ): Float64Array | Promise<Float64Array>;
  /** Its transpose times a block [rows, width]; the matrix counts as symmetric without it. */
  applyTransposed?(
    block: Float64Array,
    width: number,
    control: ApplyControl,
  ): Float64Array | Promise<Float64Array>;
}

/** A matrix that is computed at once when it is first needed, as an action. */
function deferredAction(
  rows: number,
  columns: number,
  make: (control: ApplyControl) => Promise<Action>,
  describe: string,
): Action {
  let made: Promise<Action> | null = null;
  const action = (control: ApplyControl): Promise<Action> => {
    if (made === null) {
      made = make(control);
      made.catch(() => made = null); // who reads next begins anew
    }
    return made;
  };
  return {
    rows,
    columns,
    apply: async (block, width, control) =>
      await (await action(control)).apply(block, width, control),
    transposed: () =>
      deferredAction(
        columns,
        rows,
        async (control) => (await action(control)).transposed(),
        `transpose of ${describe}`,
      ),
    hasEntries: true,
    entries: async (i, j, control) => await (await action(control)).entries(i, j, control),
    points: () => Promise.resolve(null),
    describe: () => describe,
  };
}

/** Numbers of a tensor as float64. */
const numbers = async (t: Tensor, control: ApplyControl): Promise<Float64Array> =>
  Float64Array.from(await t.resolve(control));

/** A tensor of a rank, float64 where it is given by nested arrays. */
function ofRank(op: string, data: TensorLike, rank: number, expected: string): Tensor {
  const t = tensor(data, undefined, Array.isArray(data) ? { dtype: "float64" } : {});
  if (t.shape.length === rank) return t;
  throw new PairfoldError("shape", `${op}: got shape [${t.shape}]; expected ${expected}`);
}

/** A matrix given by its entries [rows, columns]. */
export function denseOperator(matrix: TensorLike): LinearOperator {
  const t = ofRank("denseOperator", matrix, 2, "[rows, columns]");
  const [rows, columns] = t.shape;
  const make = async (control: ApplyControl): Promise<Action> =>
    denseAction(await numbers(t, control), rows, columns);
  return new LinearOperator(deferredAction(rows, columns, make, `dense [${rows}, ${columns}]`));
}

/** A diagonal matrix, given by its diagonal [n]. */
export function diagonalOperator(diagonal: TensorLike): LinearOperator {
  const t = ofRank("diagonalOperator", diagonal, 1, "[n]");
  const [n] = t.shape;
  const make = async (control: ApplyControl): Promise<Action> =>
    diagonalAction(await numbers(t, control), n);
  return new LinearOperator(deferredAction(n, n, make, `diagonal [${n}]`));
}

/** factor · identity. */
export function identityOperator(n: number, factor: number = 1): LinearOperator {
  if (Number.isInteger(n) && n >= 0 && Number.isFinite(factor)) {
    return new LinearOperator(diagonalAction(factor, n));
  }
  throw new PairfoldError(
    "shape",
    `identityOperator: got n ${n} and factor ${factor}; expected an integer from 0, a finite number`,
  );
}

/** U Vᵀ for U [rows, rank] and V [columns, rank]; U Uᵀ without V. */
export function lowRankOperator(u: TensorLike, v: TensorLike = u): LinearOperator {
  const left = ofRank("lowRankOperator", u, 2, "[rows, rank]");
  const right = v === u ? left : ofRank("lowRankOperator", v, 2, "[columns, rank]");
  const [rows, rank] = left.shape, [columns] = right.shape;
  if (right.shape[1] !== rank) {
    throw new PairfoldError(
      "shape",
      `lowRankOperator: got U [${left.shape}] and V [${right.shape}]; expected equal ranks`,
    );
  }
  const make = async (control: ApplyControl): Promise<Action> =>
    lowRankAction(await numbers(left, control), await numbers(right, control), rows, columns, rank);
  const title = `rank ${rank} [${rows}, ${columns}]`;
  return new LinearOperator(deferredAction(rows, columns, make, title));
}

/**
 * Operators as blocks of a larger one; null is a block of zeros.
 *
 * ```ts
 * import { blockOperator, identityOperator } from "pairfold";
 * const A = blockOperator([[identityOperator(2, 3), null], [null, identityOperator(1)]]);
 * console.log(A.shape, await A.diagonal()); // [ 3, 3 ], 3 3 1
 * ```
 */
export function blockOperator(
  grid: readonly (readonly (OperatorLike | null)[])[],
): LinearOperator {
  const width = grid[0]?.length ?? 0;
  if (width === 0 || grid.some((row) => row.length !== width)) {
    const got = grid.map((row) => row.length).join(", ");
    throw new PairfoldError(
      "shape",
      `blockOperator: got rows of ${got === "" ? "no" : got} blocks; expected equal numbers from 1`,
    );
  }
  return new LinearOperator(
    blockAction(grid.map((row) => row.map((part) => part === null ? null : actionOf(part)))),
  );
}

/**
 * A matrix given by functions that multiply blocks of vectors. (SciPy's `LinearOperator`.)
 *
 * ```ts
 * import { linearOperator } from "pairfold";
 * const double = linearOperator({ shape: [3, 3], apply: (block) => block.map((x) => 2 * x) });
 * console.log(await double.add(double).matmul([1, 2, 3]).data()); // 4 8 12
 * ```
 */
export function linearOperator(functions: OperatorFunctions): LinearOperator {
  const { shape: [rows, columns], apply, applyTransposed } = functions;
  if (applyTransposed === undefined && rows !== columns) {
    throw new PairfoldError(
      "shape",
      `linearOperator: got shape [${rows}, ${columns}] and no applyTransposed; expected one unless ` +
        "the matrix is symmetric",
    );
  }
  return new LinearOperator(
    functionAction(rows, columns, apply.bind(functions), applyTransposed?.bind(functions) ?? null),
  );
}

type Applied = OperatorFunctions["apply"];

function functionAction(
  rows: number,
  columns: number,
  apply: Applied,
  applyTransposed: Applied | null,
): Action {
  const checked: Action["apply"] = async (block, width, control) => {
    const out = await apply(block, width, control);
    if (out.length === rows * width) return out;
    throw new PairfoldError(
      "shape",
      `linearOperator: got ${out.length} numbers from apply; expected ${rows} × ${width}`,
    );
  };
  return {
    rows,
    columns,
    apply: checked,
    transposed: () =>
      functionAction(
        columns,
        rows,
        applyTransposed ?? apply,
        applyTransposed === null ? null : apply,
      ),
    hasEntries: false,
    entries: (i, j, control) => entriesByProducts({ rows, columns, apply: checked }, i, j, control),
    points: () => Promise.resolve(null),
    describe: () => `functions [${rows}, ${columns}]`,
  };
}
