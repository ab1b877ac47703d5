// Functions from KeOps formula strings. Enters: a formula, aliases, a reduction. Leaves: a function
// of tensors that gives deferred tensors, and remembers its calls for `vjp`.

import { PairfoldError } from "../error.ts";
import type { Axis } from "../formula/mod.ts";
import { variable } from "../formula/mod.ts";
import {
  type Batch,
  checkRanges,
  countsOf,
  fold,
  type FoldChoices,
  type FoldRequest,
  keptRanges,
  NO_BATCH,
  type RangedChoices,
} from "../program/mod.ts";
import { type ReductionName, reductions } from "../reduction/mod.ts";
import { BlockRanges } from "../sparse/mod.ts";
import { type InputDeclaration, type KeopsFormula, readKeops, suggestion } from "../syntax/mod.ts";
import { broadcastShapes, type Deferred, sizeOf, Tensor, tensor } from "../tensor/mod.ts";
import { batchOf, type GenredInput, inputTensor } from "./genred_inputs.ts";

/** KeOps' reductions with two results, in both spellings of its documentation. */
export type KeopsPairs =
  | "Min_ArgMin"
  | "MinArgMin"
  | "Max_ArgMax"
  | "MaxArgMax"
  | "KMin_ArgKMin"
  | "KMinArgKMin";

/** KeOps' names of reductions. */
export type KeopsReduction =
  | KeopsPairs
  | "Sum"
  | "LogSumExp"
  | "LogSumExpWeight"
  | "SumSoftMaxWeight"
  | "SoftMax"
  | "Min"
  | "ArgMin"
  | "Max"
  | "ArgMax"
  | "KMin"
  | "ArgKMin"
  | "Max_SumShiftExp"
  | "Max_SumShiftExpWeight";

/** A KeOps reduction in our words. */
interface Meaning {
  readonly reduction: ReductionName;
  /** What it is with a second formula; null where it takes none. */
  readonly weighted: ReductionName | null;
  readonly needsWeight: boolean;
}

const plain = (reduction: ReductionName): Meaning => ({
  reduction,
  weighted: null,
  needsWeight: false,
});
const weighted = (reduction: ReductionName): Meaning => ({
  reduction,
  weighted: reduction,
  needsWeight: true,
});

const MEANINGS: Readonly<Record<KeopsReduction, Meaning>> = {
  Sum: plain("sum"),
  LogSumExp: { reduction: "logSumExp", weighted: "logSumExpWeight", needsWeight: false },
  LogSumExpWeight: weighted("logSumExpWeight"),
  SumSoftMaxWeight: weighted("sumSoftMaxWeight"),
  SoftMax: weighted("sumSoftMaxWeight"), // KeOps' old name
  Min: plain("min"),
  ArgMin: plain("argMin"),
  Min_ArgMin: plain("minArgMin"),
  MinArgMin: plain("minArgMin"),
  Max: plain("max"),
  ArgMax: plain("argMax"),
  Max_ArgMax: plain("maxArgMax"),
  MaxArgMax: plain("maxArgMax"),
  KMin: plain("kMin"),
  ArgKMin: plain("argKMin"),
  KMin_ArgKMin: plain("kMinArgKMin"),
  KMinArgKMin: plain("kMinArgKMin"),
  Max_SumShiftExp: plain("maxSumShiftExp"),
  Max_SumShiftExpWeight: weighted("maxSumShiftExpWeight"),
};

/** Choices of a formula's function. */
export interface GenredOptions<R extends KeopsReduction = KeopsReduction> extends FoldChoices {
  /** KeOps' name of the reduction; default "Sum". */
  readonly reduction?: R;
  /** 1 folds over j (a row per i), 0 over i (a row per j); default 1. */
  readonly axis?: 0 | 1;
  /** The second formula: the weight of LogSumExp, SumSoftMaxWeight and Max_SumShiftExpWeight. */
  readonly weight?: string;
  /** K of the K-smallest reductions. */
  readonly k?: number;
  /** Float type of the inputs; default "float32". */
  readonly dtype?: "float32" | "float64";
}

/** What the function of a reduction gives. */
export type GenredResult<R extends KeopsReduction> = R extends KeopsPairs
  ? [values: Tensor, indices: Tensor]
  : Tensor;

/** What a call of a formula's function may be told, behind the inputs. */
export type GenredCallOptions = Pick<RangedChoices, "ranges">;

/** A formula's function: inputs in position order, and options, to deferred tensors. */
export type GenredFunction<R extends KeopsReduction = KeopsReduction> = (
  ...inputs:
    | readonly GenredInput[]
    | readonly [...inputs: GenredInput[], options: GenredCallOptions]
) => GenredResult<R>;

const OPTIONS: readonly string[] = [
  "reduction",
  "axis",
  "weight",
  "k",
  "dtype",
  "device",
  "sumScheme",
  "accumulator",
  "fastMath",
  "distances",
  "culling",
  "products",
];

/** What a call needs of what was read. */
interface Plan extends KeopsFormula {
  readonly reduction: ReductionName;
  readonly axis: Axis;
  readonly k: number;
  readonly dtype: "float32" | "float64";
  readonly choices: FoldChoices;
  /** The numbers of the formula, by slot. */
  readonly numbers: ReadonlyMap<number, Tensor>;
}

/** What `vjp` knows of functions made here. */
export interface GenredInfo {
  readonly inputs: readonly InputDeclaration[];
  readonly dtype: "float32" | "float64";
}

const infos = new WeakMap<(...args: never[]) => unknown, GenredInfo>();

/** The inputs of a function that `genred` made; undefined for others. */
export function infoOf(f: (...args: never[]) => unknown): GenredInfo | undefined {
  return infos.get(f);
}

function refuse(code: "syntax" | "shape" | "dtype" | "dim", message: string): never {
  throw new PairfoldError(code, `genred: ${message}`);
}

function reductionOf(name: string, hasWeight: boolean): ReductionName {
  if (!Object.hasOwn(MEANINGS, name)) {
    const known = Object.keys(MEANINGS);
    refuse(
      "syntax",
      `got the reduction ${JSON.stringify(name)}; expected one of ${known.join(", ")}` +
        suggestion(name, known),
    );
  }
  const meaning = MEANINGS[name as KeopsReduction];
  if (hasWeight && meaning.weighted === null) {
    refuse("syntax", `got a weight for ${name}; expected none, or a reduction that takes one`);
  }
  if (!hasWeight && meaning.needsWeight) {
    refuse("syntax", `got no weight for ${name}; expected a second formula as option "weight"`);
  }
  return hasWeight ? meaning.weighted ?? meaning.reduction : meaning.reduction;
}

/** Checks the options and reads the formula. */
function planOf(formula: string, aliases: readonly string[], options: GenredOptions): Plan {
  const isText = typeof formula === "string" && Array.isArray(aliases) &&
    aliases.every((alias) => typeof alias === "string");
  if (!isText) {
    refuse("syntax", "got no text; expected a formula and a list of aliases, as strings");
  }
  if (typeof options !== "object" || options === null) {
    refuse("syntax", `got ${String(options)} as options; expected an object`);
  }
  for (const key of Object.keys(options)) {
    if (OPTIONS.includes(key)) continue;
    refuse("syntax", `got the option ${key}; expected ${OPTIONS.join(", ")}`);
  }
  const { reduction: name = "Sum", axis = 1, weight, k, dtype = "float32", ...choices } = options;
  if (axis !== 0 && axis !== 1) refuse("shape", `got axis ${String(axis)}; expected 0 or 1`);
  if (dtype !== "float32" && dtype !== "float64") {
    refuse("dtype", `got dtype ${String(dtype)}; expected "float32" or "float64"`);
  }
  if (weight !== undefined && typeof weight !== "string") {
    refuse("syntax", `got ${typeof weight} as weight; expected a formula as a string`);
  }
  const reduction = reductionOf(name, weight !== undefined);
  const { isList } = reductions[reduction];
  if (isList ? !Number.isInteger(k) || Number(k) < 1 : k !== undefined) {
    const expected = isList ? "an integer from 1" : "none";
    refuse("shape", `got k ${String(k)} for ${name}; expected ${expected}`);
  }
  const numbers = new Map<number, Tensor>();
  const read = readKeops(formula, weight ?? null, aliases, {
    // slots are ids of tensors; that of an input belongs to a tensor that stands for all of its
    input: () => tensor(0).id,
    parameter: (value) => {
      const t = tensor(value, undefined, { dtype: "float64" });
      numbers.set(t.id, t);
      return variable(t.id, "p", 1);
    },
  });
  if (read.weight !== null && read.formula.dim !== 1) {
    refuse(
      "dim",
      `got a formula of dim ${read.formula.dim} for ${name} with a weight; expected a scalar`,
    );
  }
  return { ...read, reduction, axis: axis === 1 ? "j" : "i", k: k ?? 1, dtype, choices, numbers };
}

/** Rows along an axis: those of its inputs, 1 without any. */
function rowsAlong(axis: Axis, plan: Plan, tensors: readonly Tensor[]): number {
  let rows: number | null = null;
  let first = 0;
  for (const [k, input] of plan.inputs.entries()) {
    if (input.variable.axis !== axis) continue;
    const { shape } = tensors[k];
    const own = shape.length === 1 ? shape[0] : shape[shape.length - 2];
    if (rows !== null && rows !== own) {
      refuse(
        "shape",
        `got ${rows} rows in input ${first} and ${own} in input ${k}, both along ${axis}; ` +
          "expected the same number",
      );
    }
    if (rows === null) first = k;
    rows = own;
  }
  return rows ?? 1;
}

/** The leading dims of all inputs, by slot, and what they broadcast to. */
function batchOfAll(plan: Plan, tensors: readonly Tensor[]): Batch {
  const of = new Map<number, readonly number[]>();
  let shape: readonly number[] = [];
  for (const [k, input] of plan.inputs.entries()) {
    const own = batchOf(input, tensors[k]);
    if (own.length === 0) continue;
    of.set(input.variable.slot, own);
    const common = broadcastShapes(shape, own);
    if (common === null) {
      refuse(
        "shape",
        `got batch dims [${own}] in input ${k} and [${shape}] before it; expected ones that ` +
          "broadcast (equal, or 1)",
      );
    } else shape = common;
  }
  return of.size === 0 ? NO_BATCH : { shape, of };
}

/** KeOps gives index 0 to neighbours that are not there; ours is −1. */
function padWithZero(indices: Tensor, request: FoldRequest): Tensor {
  const { shape, dtype } = indices;
  const { k, axis, M, N, batch = NO_BATCH } = request;
  const [rows, columns] = axis === "j" ? [M, N] : [N, M];
  const ranges = keptRanges(request);
  const counts = ranges === null ? null : countsOf(ranges, rows);
  if (k <= columns && (counts === null || counts.every((count) => k <= count))) return indices;
  const width = sizeOf(shape.slice(batch.shape.length + 2));
  const deferred: Deferred = {
    resolve: async (control) => {
      const padded = (await indices.resolve(control)).slice();
      padded.forEach((value, at) => {
        const place = Math.floor(at / width);
        const there = counts === null ? columns : counts[Math.floor(place / k) % rows];
        if (place % k >= there && value === -1) padded[at] = 0;
      });
      return padded;
    },
    explain: () => indices.explain(),
  };
  return new Tensor(shape, dtype, deferred);
}

/** The inputs of a call, and what it was told behind them. */
function argumentsOf(
  values: readonly (GenredInput | GenredCallOptions)[],
): { inputs: readonly GenredInput[]; options: GenredCallOptions } {
  const last = values.at(-1);
  const isObject = typeof last === "object" && last !== null;
  const isInput = !isObject || last instanceof Tensor || ArrayBuffer.isView(last) ||
    Array.isArray(last);
  if (isInput) return { inputs: values as readonly GenredInput[], options: {} };
  if (last instanceof BlockRanges) {
    refuse("syntax", "got BlockRanges behind the inputs; expected { ranges }, an object");
  }
  const options = last as GenredCallOptions;
  for (const key of Object.keys(options)) {
    if (key !== "ranges") refuse("syntax", `got the option ${key} of a call; expected ranges`);
  }
  return { inputs: values.slice(0, -1) as readonly GenredInput[], options };
}

function call(plan: Plan, given: readonly (GenredInput | GenredCallOptions)[]): Tensor[] {
  const { inputs, axis, reduction, k, dtype, numbers } = plan;
  const { inputs: values, options: { ranges } } = argumentsOf(given);
  if (values.length !== inputs.length) {
    const names = inputs.map(({ name }, position) => name ?? `position ${position}`).join(", ");
    refuse("shape", `got ${values.length} inputs; expected ${inputs.length} (${names})`);
  }
  const tensors = inputs.map((input, position) =>
    inputTensor(input, position, values[position], dtype)
  );
  const [M, N] = [rowsAlong("i", plan, tensors), rowsAlong("j", plan, tensors)];
  checkRanges("genred", ranges, M, N);
  const slots = new Map(numbers);
  inputs.forEach(({ variable: { slot } }, position) => slots.set(slot, tensors[position]));
  const { formula, weight, choices } = plan;
  const batch = batchOfAll(plan, tensors);
  const request: FoldRequest = {
    formula,
    weight,
    inputs: slots,
    reduction,
    axis,
    M,
    N,
    dtype,
    k,
    choices,
    batch,
    ...(ranges === undefined ? {} : { ranges }),
  };
  const outputs = fold(request);
  const { outputs: kinds, isList } = reductions[reduction];
  return outputs.map((t, slot) => isList && kinds[slot] === "index" ? padWithZero(t, request) : t);
}

/**
 * A function from a KeOps formula (KeOps' `Genred`). It takes the inputs in position order and
 * gives a deferred tensor: (rows, dim), for K-smallest reductions (rows, k) or, of vectors, (rows,
 * k, dim); reductions with two results give `[values, indices]`. Without a Vj (Vi) variable there
 * is one column (row).
 *
 * `formula` is KeOps' language: infix `+ - * / **`, `|` for the scalar product and comparisons, with
 * Python's precedence; functions in KeOps' spelling; numbers; names of aliases; `Var(pos,dim,cat)`,
 * `Vi(pos,dim)` and their like. `aliases` name the inputs: `"x=Vi(0,3)"`, or `"x=Vi(3)"` with the
 * position by order. Nothing is evaluated as code.
 *
 * Inputs are tensors or nested arrays [rows, dim], flat typed arrays, and for Pm vectors and
 * numbers; their type is `dtype`. They may have batch dims, [...batch, rows, dim] and for Pm
 * [...batch, dim], which broadcast as NumPy's do and stand in front of the result's. (KeOps 2.3
 * takes them too, but inputs with fewer of them than others, and parameters beside points without
 * any, give wrong results there or end the process.)
 *
 * A call may end with `{ ranges }`, which rows meet which columns (KeOps' keyword argument):
 * `f(x, y, { ranges: BlockRanges.fromMatrix(…) })`.
 *
 * Throws `PairfoldError`: `syntax` with the line and a caret under the character, `dim` where
 * vectors do not fit, `shape` and `dtype` for options and inputs that do not.
 *
 * ```ts
 * import { genred } from "pairfold";
 * const density = genred("Exp(-G*SqDist(X,Y))*B", ["G=Pm(0,1)", "X=Vi(1,2)", "Y=Vj(2,2)", "B=Vj(3,1)"]);
 * const a = density(0.5, [[0, 0], [1, 0]], [[0, 1], [2, 0], [1, 1]], [[1], [2], [3]]);
 * console.log(a.shape, await a.array()); // [ 2, 1 ], KeOps' sums over j
 * const nearest = genred("SqDist(X,Y)", ["X=Vi(2)", "Y=Vj(2)"], { reduction: "ArgKMin", k: 2 });
 * console.log(await nearest([[0, 0]], [[3, 0], [1, 0], [2, 0]]).array()); // [ [ 1, 2 ] ]
 * ```
 */
export function genred<R extends KeopsReduction = "Sum">(
  formula: string,
  aliases: readonly string[] = [],
  options: GenredOptions<R> = {},
): GenredFunction<R> {
  const plan = planOf(formula, aliases, options);
  const f = (...values: readonly (GenredInput | GenredCallOptions)[]): GenredResult<R> => {
    const outputs = call(plan, values);
    return (outputs.length === 1 ? outputs[0] : outputs) as GenredResult<R>;
  };
  infos.set(f, { inputs: plan.inputs, dtype: plan.dtype });
  return f;
}
