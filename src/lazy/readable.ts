// Symbolic matrices as numbers: whole, by rows, by blocks, under a guard for memory; and choosing
// rows and columns, which stays symbolic.

import { PairfoldError, shown } from "../error.ts";
import { type Axis, type Node, transform, variable } from "../formula/mod.ts";
import { type Batch, dense, type FoldChoices, NO_BATCH } from "../program/mod.ts";
import { sizeOf, type Tensor, tensor } from "../tensor/mod.ts";
import { floatTypeOf, type Input, type Inputs } from "./inputs.ts";
import { type FoldAxis, Symbolic } from "./symbolic.ts";

/** Some rows or columns: an index or several, negative ones counted from the end. */
export type Indices = number | readonly number[] | Int32Array;

/** Choices of {@linkcode Readable.dense} and its kin. */
export interface DenseOptions extends Pick<FoldChoices, "device"> {
  /** Bytes that the result may take; default 1 GiB. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 2 ** 30;

/** Whole bytes, or MiB and GiB when there are many. */
function bytesText(bytes: number): string {
  const units = [[2 ** 30, "GiB"], [2 ** 20, "MiB"]] as const;
  const [unit, name] = units.find(([u]) => bytes >= 10 * u) ?? [1, "bytes"];
  return `${Math.ceil(bytes / unit)} ${name}`;
}

/** Checked indices along an axis, from 0. */
/** Refuses what holds no options. Throws `PairfoldError` (dtype). */
export function checkOptions(op: string, options: object): void {
  if (typeof options === "object" && options !== null) return;
  throw new PairfoldError("dtype", `${op}: got ${shown(options)} as options; expected an object`);
}

function positions(op: string, indices: Indices, axis: Axis, rows: number): Int32Array {
  const list = typeof indices === "number" ? [indices] : indices;
  if (typeof list?.[Symbol.iterator] !== "function" || typeof list === "string") {
    throw new PairfoldError(
      "dtype",
      `${op}: got ${typeof list} as indices along ${axis}; expected an integer or an array of them`,
    );
  }
  return Int32Array.from(list, (given) => {
    const at = given < 0 ? given + rows : given;
    if (Number.isInteger(at) && at >= 0 && at < rows) return at;
    throw new PairfoldError(
      "shape",
      `${op}: got index ${given} along ${axis}; expected integers from ${-rows} to ${rows - 1}`,
    );
  });
}

/** Rows of a tensor, in an order, the same of every batch, once somebody reads them. */
function gathered({ tensor: t, batch }: Input, dim: number, at: Int32Array): Tensor {
  const rows = t.size / (sizeOf(batch) * dim);
  return t.reshape(...batch, rows, dim).take(at, batch.length);
}

/** Symbolic matrices whose entries can be read. */
export abstract class Readable extends Symbolic {
  /**
   * Some rows (axis "i") or columns ("j") of the matrix, in the order given; stays symbolic.
   * Global indices in the formula keep their values. (NumPy's `take`.)
   *
   * Throws `PairfoldError` (shape) for indices out of range.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const K = Vi([[1], [2], [3]]).sub(Vj([[0], [10]]));
   * const some = K.take([2, 0, -1], "i"); // [3, 2, 1]
   * console.log(await some.max("j").array()); // [ [ 3 ], [ 1 ], [ 3 ] ]
   * ```
   */
  take(indices: Indices, axis: FoldAxis): this {
    return this.#take("take", indices, this.foldAxis("take", axis));
  }

  #take(op: string, indices: Indices, axis: Axis): this {
    const { M, N } = this.inputs;
    const at = positions(op, indices, axis, (axis === "i" ? M : N) ?? 1);
    const byId = new Map<number, Input>();
    const taken = new Map<number, Tensor>();
    const place = tensor(at, [at.length, 1], { copy: false });
    const formula = transform(this.formula, (leaf) => {
      if (leaf.kind === "index" && leaf.axis === axis) {
        byId.set(place.id, { tensor: place, isNumber: false, batch: [] });
        return variable(place.id, axis, 1, "index");
      }
      if (leaf.kind !== "variable") return leaf;
      const input = this.inputs.byId.get(leaf.slot);
      if (input === undefined) throw new PairfoldError("internal", `no tensor for ${leaf.slot}`);
      if (leaf.axis !== axis) {
        byId.set(leaf.slot, input);
        return leaf;
      }
      const t = taken.get(leaf.slot) ?? gathered(input, leaf.dim, at);
      taken.set(leaf.slot, t);
      byId.set(t.id, { ...input, tensor: t });
      return variable(t.id, axis, leaf.dim, leaf.number);
    });
    const rows = { [axis === "i" ? "M" : "N"]: at.length };
    return this.derive({ formula, inputs: { ...this.inputs, byId, ...rows } });
  }

  /**
   * All entries as a tensor [...batch, M, N, D] (complex ones interleaved, [..., M, N, 2 D]),
   * computed by the engine of the folds. For looking at small matrices: reductions never need it.
   *
   * Throws `PairfoldError` (memory) where it would take more than `maxBytes`, 1 GiB unless given.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const K = Vi([[0], [1]]).sub(Vj([[1], [2], [4]])).abs();
   * console.log(await K.dense().array()); // [[[1], [2], [4]], [[0], [1], [3]]]
   * ```
   */
  dense(options: DenseOptions = {}): Tensor {
    return this.#dense("dense", this, options);
  }

  /**
   * Some rows as a tensor [...batch, k, N, D]; as {@linkcode dense} of {@linkcode take}.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = Vi([[0], [1], [5]]), y = Vj([[1], [2]]);
   * console.log(await x.mul(y).rows([0, -1]).array()); // [[[0], [0]], [[5], [10]]]
   * ```
   */
  rows(i: Indices, options: DenseOptions = {}): Tensor {
    return this.#dense("rows", this.#take("rows", i, "i"), options);
  }

  /** Entries of some rows and columns as a tensor [...batch, k, l, D]; as {@linkcode rows}. */
  block(i: Indices, j: Indices, options: DenseOptions = {}): Tensor {
    return this.#dense("block", this.#take("block", i, "i").#take("block", j, "j"), options);
  }

  #dense(op: string, matrix: Readable, options: DenseOptions): Tensor {
    checkOptions(op, options);
    const { device, maxBytes = MAX_BYTES } = options;
    const { formula, inputs } = matrix;
    const shape = [...inputs.batch, inputs.M ?? 1, inputs.N ?? 1, formula.dim];
    const dtype = floatTypeOf(op, inputs);
    const bytes = sizeOf(shape) * (dtype === "float32" ? 4 : 8);
    if (bytes > maxBytes) {
      throw new PairfoldError(
        "memory",
        `${op}: [${shape.join(", ")}] in ${dtype} takes ${bytesText(bytes)}; expected at ` +
          `most ${bytesText(maxBytes)} (rows and block read parts, maxBytes allows more)`,
      );
    }
    return dense({ ...foldInputs(formula, inputs), dtype, choices: { device } });
  }
}

/** What a fold wants to know of a formula's tensors. */
export function foldInputs(
  formula: Node,
  inputs: Inputs,
): { formula: Node; inputs: Map<number, Tensor>; M: number; N: number; batch: Batch } {
  const tensors = new Map<number, Tensor>();
  const of = new Map<number, readonly number[]>();
  for (const [slot, { tensor, batch: own }] of inputs.byId) {
    tensors.set(slot, tensor);
    if (own.length > 0) of.set(slot, own);
  }
  const batch = inputs.batch.length === 0 ? NO_BATCH : { shape: inputs.batch, of };
  return { formula, inputs: tensors, M: inputs.M ?? 1, N: inputs.N ?? 1, batch };
}
