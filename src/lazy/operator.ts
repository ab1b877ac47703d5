// A symbolic matrix of scalars as a linear operator. Enters: a formula with its tensors. Leaves: its
// products with blocks, in float32 and in float64, its entries, where its rows stand.

import type { NumberArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { type Axis, type Node, topological, transform, variable } from "../formula/mod.ts";
import { build } from "../formula/mod.ts";
import { fold, type FoldChoices, transpose } from "../program/mod.ts";
import type { Action, ApplyControl, Points, Precision } from "../solve/mod.ts";
import { allocate, Tensor } from "../tensor/mod.ts";
import type { Input, Term } from "./inputs.ts";

/** Tensors by slot. */
type Tensors = ReadonlyMap<number, Tensor>;

/** The tensors of a formula in a float type; numbers and indices stay as they are. */
function inPrecision(inputs: ReadonlyMap<number, Input>, precision: Precision): Tensors {
  return new Map([...inputs].map(([slot, { tensor: t, isNumber }]) => {
    const isFit = isNumber || t.dtype === "int32" || t.dtype === precision;
    return [slot, isFit ? t : converted(t, precision)];
  }));
}

/** A tensor in another float type, once it is needed. */
function converted(t: Tensor, precision: Precision): Tensor {
  return new Tensor(t.shape, precision, {
    resolve: async (control) => {
      const out = allocate(precision, t.size);
      out.set(await t.resolve(control));
      return out;
    },
    explain: () => `${precision} numbers of: ${t.explain()}`,
  });
}

/** Rows of numbers, in an order, some twice. */
function gathered(numbers: NumberArray, dim: number, at: Int32Array, t: Tensor): Tensor {
  const out = allocate(t.dtype, at.length * dim);
  for (let k = 0, to = 0; k < at.length; k++) {
    const from = at[k] * dim;
    for (let d = 0; d < dim; d++) out[to++] = numbers[from + d];
  }
  return new Tensor([at.length, dim], t.dtype, out);
}

/** The operator's action. `term` is a scalar formula of M × N pairs. */
export function lazyAction(
  term: Term,
  M: number,
  N: number,
  choices: FoldChoices,
  describe: string,
): Action {
  const { formula, inputs: { byId } } = term;
  const tensors: Partial<Record<Precision, Tensors>> = {};
  const tensorsIn = (precision: Precision): Tensors =>
    tensors[precision] ??= inPrecision(byId, precision);
  const summed = (
    root: Node,
    inputs: Tensors,
    [rows, columns]: readonly [number, number],
    dtype: Precision,
    { signal }: ApplyControl,
  ): Promise<NumberArray> => {
    const [sum] = fold({
      formula: root,
      inputs,
      reduction: "sum",
      axis: "j",
      M: rows,
      N: columns,
      dtype,
      k: 1,
      choices: fitting(choices, dtype),
    });
    // read at once, so that nothing stays on a device
    return sum.resolve({ signal }).finally(() => sum.dispose());
  };
  return {
    rows: M,
    columns: N,
    apply: async (block, width, control) => {
      const { precision = "float64" } = control;
      if (width === 0) return new Float64Array(0);
      const numbers = precision === "float64" ? block : Float32Array.from(block);
      using b = new Tensor([N, width], precision, numbers);
      const product = build.mul(formula, variable(b.id, "j", width));
      const inputs = new Map([...tensorsIn(precision), [b.id, b]]);
      const out = await summed(product, inputs, [M, N], precision, control);
      return out instanceof Float64Array ? out : Float64Array.from(out);
    },
    transposed: () => {
      const { inputs } = term;
      const turned = { ...inputs, M: inputs.N, N: inputs.M };
      const other = { formula: transpose(formula), inputs: turned };
      return lazyAction(other, N, M, choices, `transpose of ${describe}`);
    },
    hasEntries: true,
    entries: async (rows, columns, control) => {
      if (rows.length === 0) return new Float64Array(0);
      const { root, inputs } = await atPairs(formula, tensorsIn("float64"), rows, columns, control);
      const out = await summed(root, inputs, [rows.length, 1], "float64", control);
      for (const t of inputs.values()) if (!byId.has(t.id)) t.dispose();
      return out as Float64Array;
    },
    points: (control) => pointsOf(formula, byId, M, control),
    describe: () => describe,
  };
}

/** Choices for a fold of a type: totals are never of a smaller one. */
function fitting({ accumulator, ...rest }: FoldChoices, dtype: Precision): FoldChoices {
  return dtype === "float64" || accumulator === undefined ? rest : { ...rest, accumulator };
}

/** The formula at a list of pairs: all its variables become points of i, gathered. */
async function atPairs(
  formula: Node,
  tensors: Tensors,
  rows: Int32Array,
  columns: Int32Array,
  control: ApplyControl,
): Promise<{ root: Node; inputs: Map<number, Tensor> }> {
  const inputs = new Map<number, Tensor>();
  const made = new Map<string, Tensor>();
  const at = (axis: Axis): Int32Array => axis === "i" ? rows : columns;
  const gather = async (slot: number, axis: Axis, dim: number): Promise<void> => {
    const t = tensors.get(slot);
    if (t === undefined) throw new PairfoldError("internal", `no tensor for ${slot}`);
    const own = gathered(await t.resolve(control), dim, at(axis), t);
    made.set(`${axis}${slot}`, own);
    inputs.set(own.id, own);
  };
  for (const node of topological(formula)) {
    if (node.kind === "index") {
      const own = new Tensor([rows.length, 1], "int32", at(node.axis));
      made.set(`${node.axis} index`, own);
      inputs.set(own.id, own);
    } else if (node.kind === "variable" && node.axis === "p") {
      const t = tensors.get(node.slot);
      if (t !== undefined) inputs.set(node.slot, t);
    } else if (node.kind === "variable" && !made.has(`${node.axis}${node.slot}`)) {
      await gather(node.slot, node.axis as Axis, node.dim);
    }
  }
  const root = transform(formula, (leaf) => {
    if (leaf.kind === "index") {
      const own = made.get(`${leaf.axis} index`);
      return own === undefined ? leaf : variable(own.id, "i", 1, "index");
    }
    if (leaf.kind !== "variable" || leaf.axis === "p") return leaf;
    const own = made.get(`${leaf.axis}${leaf.slot}`);
    return own === undefined ? leaf : variable(own.id, "i", leaf.dim, leaf.number);
  });
  return { root, inputs };
}

/** The coordinates that rows have in the formula, side by side. */
async function pointsOf(
  formula: Node,
  byId: ReadonlyMap<number, Input>,
  M: number,
  control: ApplyControl,
): Promise<Points | null> {
  const parts = new Map<number, { numbers: NumberArray; dim: number }>();
  for (const node of topological(formula)) {
    if (node.kind !== "variable" || node.axis !== "i" || node.number === "index") continue;
    const t = byId.get(node.slot)?.tensor;
    if (t !== undefined) parts.set(node.slot, { numbers: await t.resolve(control), dim: node.dim });
  }
  const dim = [...parts.values()].reduce((sum, part) => sum + part.dim, 0);
  if (dim === 0) return null;
  const data = new Float64Array(M * dim);
  for (let row = 0, at = 0; row < M; row++) {
    for (const { numbers, dim: own } of parts.values()) {
      for (let d = 0; d < own; d++) data[at++] = numbers[row * own + d];
    }
  }
  return { data, dim };
}
