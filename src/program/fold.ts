// Deferred folds: formulas over tensors, canonicalised, planned once per structure, run on reading.

import {
  type Device,
  type Engine,
  engineOf,
  type Held,
  isDeviceArray,
  type RunControl,
} from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import {
  type Axis,
  index,
  type Node,
  print,
  topological,
  transform,
  variable,
  type VariableNode,
} from "../formula/mod.ts";
import { type Fold, lower } from "../lower/mod.ts";
import { type FloatType, type Kernel, type MathFunctions, printKernel } from "../loop/mod.ts";
import {
  type FoldOptions,
  type ReductionName,
  reductions,
  resultShape,
  type SumScheme,
} from "../reduction/mod.ts";
import {
  type DType,
  freeLostCopies,
  freeSpareCopies,
  type Origin,
  SharedRun,
  sizeOf,
  storageOf,
  Tensor,
  TensorStorage,
} from "../tensor/mod.ts";
import {
  type Batch,
  type BatchedFold,
  type BatchedInput,
  NO_BATCH,
  type Rectangle,
  segmentsOf,
} from "./batch.ts";
import { centred } from "./centre.ts";
import { buildOn, isLong, shorten } from "./origins.ts";
import { isTraced, record, type Rule } from "./trace.ts";

/** What a user may choose about one fold. */
export interface FoldChoices {
  /** Where it runs; default "auto". A list divides the rows between several of one kind. */
  readonly device?: Device;
  /** How floats are added up; default "compensated" (blocks of 64, compensated block totals). */
  readonly sumScheme?: SumScheme;
  /** Type of the totals; default the tensors' own. */
  readonly accumulator?: "float32" | "float64";
  /** Allow rewrites that may overflow or lose accuracy; default false. */
  readonly fastMath?: boolean;
  /**
   * How squared distances of 8 and more components between a row's point and a column's are
   * computed, where the formula has `sqDist` (or `sqNorm2` of a difference; KeOps' `SqDist`):
   * "direct", Σ (a − b)², or "centred", |a|² + |b|² − 2 a·b around the mean of the column's points c,
   * at least 0 (`torch.cdist` with `use_mm_for_euclid_dist`). Centred ones are faster for long
   * vectors; their error is relative to |a − c|² + |b − c|², not to the distance itself: near points
   * lose digits, nearest neighbours may change places. They want finite points. Default "direct".
   */
  readonly distances?: "direct" | "centred";
}

/** A fold over tensors: variables of the formula are slots that name tensors by id. */
export interface FoldRequest {
  readonly formula: Node;
  /** The second formula, for reductions that take one. */
  readonly weight?: Node | null;
  readonly inputs: ReadonlyMap<number, Tensor>;
  readonly reduction: ReductionName;
  /** The axis that is folded away. */
  readonly axis: Axis;
  readonly M: number;
  readonly N: number;
  readonly dtype: "float32" | "float64";
  readonly k: number;
  readonly choices: FoldChoices;
  /** Leading dims; default none. M and N are those of one batch. */
  readonly batch?: Batch;
  /** Rectangles of pairs to fold in each batch, not all, rows being those of the kept axis. */
  readonly segments?: readonly Rectangle[];
  /** Rows of the outputs of each batch; default those of the kept axis. */
  readonly outputRows?: number;
}

/** Exchanges i and j, so that the folded axis is j. */
export function transpose(formula: Node): Node {
  const other = (axis: Axis): Axis => axis === "i" ? "j" : "i";
  return transform(formula, (leaf) => {
    if (leaf.kind === "index") return index(other(leaf.axis));
    if (leaf.kind !== "variable" || leaf.axis === "p") return leaf;
    return variable(leaf.slot, other(leaf.axis), leaf.dim, leaf.number);
  });
}

/** A fold's formulas over slots, and the tensors of the slots. */
interface Canonical {
  readonly formula: Node;
  readonly weight: Node | null;
  readonly variables: readonly VariableNode[];
  /** The slots that the variables had, and their tensors. */
  readonly slots: readonly number[];
  readonly tensors: readonly Tensor[];
}

/** Renumbers slots by first use, so that equal formulas over other tensors are the same nodes. */
function canonicalise(
  formula: Node,
  weight: Node | null,
  inputs: ReadonlyMap<number, Tensor>,
): Canonical {
  const renamed = new Map<Node, VariableNode>();
  const slots: number[] = [];
  const tensors: Tensor[] = [];
  const roots = weight === null ? [formula] : [formula, weight];
  for (const node of topological(...roots)) {
    if (node.kind !== "variable") continue;
    const input = inputs.get(node.slot);
    if (input === undefined) throw new PairfoldError("internal", `no tensor for ${node.slot}`);
    renamed.set(node, variable(slots.length, node.axis, node.dim, node.number));
    slots.push(node.slot);
    tensors.push(input);
  }
  const renumber = (root: Node): Node => transform(root, (leaf) => renamed.get(leaf) ?? leaf);
  return {
    formula: renumber(formula),
    weight: weight === null ? null : renumber(weight),
    variables: [...renamed.values()],
    slots,
    tensors,
  };
}

/**
 * Kernels by what they were lowered from; the oldest leave first. The fold is held, so that its
 * formulas' ids stay their own.
 */
type Plans = Map<string, { readonly kernel: Kernel; readonly fold: Fold }>;
/** Plans by the functions that their target has. */
const plansOf = new WeakMap<MathFunctions, Plans>();
const MAX_PLANS = 512;

function kernelOf(fold: Fold, math: MathFunctions): Kernel {
  let plans = plansOf.get(math);
  if (plans === undefined) plansOf.set(math, plans = new Map());
  const { formula, weight, reduction, float, options, fastMath } = fold;
  const { sumScheme, accumulator, k } = options;
  const formulas = weight ? `${formula.id},${weight.id}` : `${formula.id}`;
  const key = `${formulas}:${reduction}:${float}:${sumScheme}:${accumulator}:${k}:${fastMath}`;
  const known = plans.get(key);
  if (known !== undefined) return known.kernel;
  const kernel = lower(fold, math);
  plans.set(key, { kernel, fold });
  if (plans.size > MAX_PLANS) {
    const [oldest] = plans.keys();
    plans.delete(oldest);
  }
  return kernel;
}

const FLOATS = { float32: "f32", float64: "f64" } as const;

/** One run of a fold, shared by all that read its outputs. */
class FoldRun implements Origin {
  readonly #engine: Engine;
  readonly #fold: Fold;
  readonly #kernel: Kernel;
  readonly #rows: number;
  readonly #columns: number;
  readonly #batched: BatchedFold;
  readonly #lengths: readonly number[];
  #tensors: readonly Tensor[];
  /** What gets the results. */
  #outputs: readonly TensorStorage[];
  #running: SharedRun<void> | null = null;
  readonly depth: number;

  constructor(request: FoldRequest, outputs: readonly TensorStorage[] | null = null) {
    const { axis, M, N, choices, reduction, k } = request;
    const orient = (root: Node): Node => axis === "j" ? root : transpose(root);
    const { formula, weight, variables, slots, tensors } = canonicalise(
      orient(request.formula),
      request.weight ? orient(request.weight) : null,
      request.inputs,
    );
    const float: FloatType = FLOATS[request.dtype];
    const options: FoldOptions = {
      sumScheme: choices.sumScheme ?? "compensated",
      accumulator: FLOATS[choices.accumulator ?? request.dtype],
      k,
    };
    if (options.accumulator === "f32" && float === "f64") {
      throw new PairfoldError(
        "dtype",
        `${reduction}: got a float32 accumulator for float64 tensors; expected float64`,
      );
    }
    this.#fold = {
      formula,
      weight,
      reduction,
      float,
      inputs: variables,
      options,
      fastMath: choices.fastMath ?? false,
    };
    this.#engine = engineOf(choices.device);
    this.#kernel = kernelOf(this.#fold, this.#engine.math);
    this.#tensors = tensors;
    [this.#rows, this.#columns] = axis === "j" ? [M, N] : [N, M];
    const { segments, outputRows = this.#rows, batch = NO_BATCH } = request;
    const tableRows = { row: this.#rows, column: this.#columns, uniform: 1 } as const;
    this.#batched = {
      rows: this.#rows,
      columns: this.#columns,
      batch: batch.shape,
      inputs: this.#kernel.inputs.map(({ axis }, k): BatchedInput => ({
        slot: slots[k],
        axis,
        rows: tableRows[axis],
        batch: batch.of.get(slots[k]) ?? [],
      })),
      parts: segments === undefined ? null : { rectangles: segments, outputRows },
      usesRowIndex: topological(...(weight === null ? [formula] : [formula, weight]))
        .some((node) => node.kind === "index" && node.axis === "i"),
    };
    const rowsOfAll = outputRows * sizeOf(batch.shape);
    this.#lengths = this.#kernel.outputs.map((o) => o.dim * rowsOfAll);
    this.depth = buildOn(this.needs);
    this.#outputs = outputs ??
      this.#kernel.outputs.map(() =>
        new TensorStorage((control) => this.join(control), () => this.explain(), this)
      );
  }

  /** The storages of its inputs, as long as it has not run. */
  get needs(): readonly TensorStorage[] {
    return this.#tensors.map(storageOf);
  }

  /** The storage of each output. */
  get outputs(): readonly TensorStorage[] {
    return this.#outputs;
  }

  explain(): string {
    const { rows } = segmentsOf(this.#batched);
    const program = this.#engine.compile(this.#kernel, rows, this.#columns);
    const { target, schedule, source } = program.explain();
    const { reduction, formula, weight, float } = this.#fold;
    return [
      `formula   ${reduction} over the folded axis of ${print(formula)}`,
      ...(weight ? [`weight    ${print(weight)}`] : []),
      `size      ${this.#batches()}${this.#rows} rows, ${this.#columns} columns, ${float}`,
      `target    ${target}`,
      `schedule  ${schedule}`,
      "",
      "sections (loop IR)",
      printKernel(this.#kernel),
      "",
      "generated source",
      source,
    ].join("\n");
  }

  #batches(): string {
    const { batch } = this.#batched;
    return batch.length === 0 ? "" : `batches of shape [${batch}], each of `;
  }

  /** Runs the fold, or joins the run that goes on. */
  join(control: RunControl): Promise<void> {
    if (this.#running === null || this.#running.isLost) {
      this.#running = new SharedRun((shared) => this.#run(shared));
    }
    return this.#running.join(control);
  }

  async #run(control: RunControl): Promise<void> {
    const used: TensorStorage[] = [];
    let results: Held[] | null = null;
    try {
      for (const t of this.#tensors) {
        const storage = storageOf(t);
        storage.enter();
        used.push(storage);
      }
      if (isLong(this)) await shorten(this, control);
      while (results === null) {
        try {
          results = await this.#launch(used, control);
        } catch (error) {
          await this.#makeRoom(error);
        }
      }
    } finally {
      for (const storage of used) storage.leave();
    }
    for (const [slot, output] of this.#outputs.entries()) output.receive(results[slot]);
    // history goes once the result is there, and each result is its own tensor's alone
    this.#tensors = [];
    this.#outputs = [];
  }

  /** Makes room where the engine's memory was full; throws what went wrong if it cannot. */
  async #makeRoom(error: unknown): Promise<void> {
    const isFull = error instanceof PairfoldError && error.code === "memory";
    if (isFull && (freeSpareCopies(this.#engine) || await freeLostCopies(this.#engine))) return;
    throw error;
  }

  async #launch(storages: readonly TensorStorage[], control: RunControl): Promise<Held[]> {
    const engine = this.#engine;
    const { float, outputs: kinds, inputs: descriptions } = this.#kernel;
    if (engine.open !== undefined) await engine.open();
    // tensors that are there cost no turn of the event loop
    const inputs: Held[] = [];
    for (const [slot, storage] of storages.entries()) {
      const isUniform = descriptions[slot].axis === "uniform";
      inputs.push(await (isUniform ? storage.onHost(control) : storage.on(engine, control)));
    }
    const { segments, rows } = segmentsOf(this.#batched);
    const program = engine.compile(this.#kernel, rows, this.#columns);
    const outputs: Held[] = [];
    try {
      for (const [slot, { number }] of kinds.entries()) {
        const dtype = number === "index" ? "int32" : float === "f32" ? "float32" : "float64";
        outputs.push(engine.allocate(dtype, this.#lengths[slot]));
      }
      await engine.launch(program, inputs, outputs, segments, control);
      return outputs;
    } catch (error) {
      for (const output of outputs) if (isDeviceArray(output)) output.dispose();
      throw error;
    }
  }
}

/** Runs a fold whose results belong to storages that are there already. */
export function foldInto(
  request: FoldRequest,
  outputs: readonly TensorStorage[],
  control: RunControl,
): Promise<void> {
  return new FoldRun(request, outputs).join(control);
}

/** Shape of each output of a fold; rows are those of the kept axis unless the request says. */
export function shapeOf(request: FoldRequest): number[] {
  const { reduction, formula, weight, k, axis, M, N, batch = NO_BATCH } = request;
  const rows = request.outputRows ?? (axis === "j" ? M : N);
  return [...batch.shape, ...resultShape(reduction, rows, formula.dim, k, weight?.dim ?? 0)];
}

/** Says how a fold is differentiated. */
export type FoldRule = (
  request: FoldRequest,
  variables: readonly VariableNode[],
  outputs: readonly Tensor[],
) => Rule;

let ruleOfFolds: FoldRule | null = null;

/** Derivatives of folds are folds again, so that their rule comes from a file after this one. */
export function provideFoldRule(rule: FoldRule): void {
  ruleOfFolds = rule;
}

/** The fold with its distances computed as its choices say. */
function withDistances(request: FoldRequest): FoldRequest {
  const { distances = "direct" } = request.choices;
  if (distances === "direct") return request;
  if (distances === "centred") return centred(request, fold);
  throw new PairfoldError(
    "syntax",
    `${request.reduction}: got distances ${
      JSON.stringify(distances)
    }; expected "direct" or "centred"`,
  );
}

/** A fold's outputs as deferred tensors, one per output of the reduction. */
export function fold(request: FoldRequest): Tensor[] {
  const run = new FoldRun(withDistances(request));
  const { reduction, dtype } = request;
  const shape = shapeOf(request);
  const { outputs } = run;
  const results = reductions[reduction].outputs.map((number, slot) => {
    const outputType: DType = number === "index" ? "int32" : dtype;
    return new Tensor(shape, outputType, outputs[slot]);
  });
  noteFold(request, results);
  return results;
}

/** Tells those who watch an input. */
function noteFold(request: FoldRequest, outputs: readonly Tensor[]): void {
  const { formula, weight, inputs } = request;
  if (!isTraced(inputs.values())) return;
  const variables: VariableNode[] = [];
  const tensors: Tensor[] = [];
  for (const node of topological(...weight ? [formula, weight] : [formula])) {
    const t = node.kind === "variable" ? inputs.get(node.slot) : undefined;
    if (node.kind !== "variable" || t === undefined || t.dtype === "int32") continue;
    variables.push(node);
    tensors.push(t);
  }
  record(tensors, outputs, () => {
    if (ruleOfFolds !== null && request.segments === undefined) {
      return ruleOfFolds(request, variables, outputs);
    }
    throw new PairfoldError("internal", "a fold over rectangles has no derivative of its own");
  });
}
