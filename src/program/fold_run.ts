// Runs of folds. Enters: what a fold is asked for, over tensors. Leaves: numbers in the storages of
// its results, computed once for all who read them; what will run, for people.

import { type Engine, engineOf, type Held, isDeviceArray, type RunControl } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { checkDepth, print } from "../formula/mod.ts";
import type { Fold } from "../lower/mod.ts";
import { type FloatType, type Kernel, printKernel } from "../loop/mod.ts";
import { type FoldOptions, reductions } from "../reduction/mod.ts";
import {
  freeLostCopies,
  freeSpareCopies,
  type Origin,
  SharedRun,
  sizeOf,
  storageOf,
  type Tensor,
  TensorStorage,
} from "../tensor/mod.ts";
import { type BatchedFold, type BatchedInput, NO_BATCH, segmentsOf } from "./batch.ts";
import { canonicalise, kernelOf, tensorsIn } from "./canonical.ts";
import { checkChoices, productsOf } from "./choices.ts";
import { Culling, nearestOf } from "./nearest.ts";
import { buildOn, isLong, shorten } from "./origins.ts";
import { RangedFold } from "./ranges.ts";
import type { FoldRequest } from "./request.ts";
import { RoundedFold } from "./rounded.ts";
import { symmetricFold } from "./symmetric.ts";

const FLOATS = { float32: "f32", float64: "f64" } as const;

/** A pass over the pairs that computes several folds. */
export interface SharedPass {
  /** What all of them need. */
  readonly needs: readonly TensorStorage[];
  /** Computes all of them for the one that is wanted. */
  join(wanted: FoldRun, control: RunControl): Promise<void>;
  explain(of: FoldRun): string;
}

/** One run of a fold, shared by all that read its outputs. */
export class FoldRun implements Origin {
  /** The kernel that computes it alone. */
  readonly kernel: Kernel;
  readonly #engine: Engine;
  readonly #fold: Fold;
  readonly #rows: number;
  readonly #columns: number;
  readonly #batched: BatchedFold;
  /** Whether it meets pairs once; null where so few points never do. */
  readonly hasMirror: boolean | null;
  readonly #lengths: readonly number[];
  /** Leaves out points that are too far; null where it looks for no nearest ones. */
  readonly #culling: Culling | null;
  /** What ranges come to; null of a fold of all pairs. */
  readonly #ranged: RangedFold | null;
  /** Looks at rounded points first; null where it does not. */
  readonly #rounded: RoundedFold | null;
  /** What is said about a Gaussian's scale. */
  readonly #scaling: readonly string[];
  #request: FoldRequest | null;
  #pass: SharedPass | null = null;
  #tensors: readonly Tensor[];
  /** What gets the results. */
  #outputs: readonly TensorStorage[];
  #running: SharedRun<void> | null = null;
  readonly depth: number;

  constructor(asked: FoldRequest, outputs: readonly TensorStorage[] | null = null) {
    this.#request = asked;
    this.#scaling = asked.scaling === undefined ? [] : [`scale     ${asked.scaling}`];
    this.#ranged = RangedFold.of(asked);
    const request = this.#ranged?.request ?? asked;
    const { axis, M, N, choices, reduction, k } = request;
    checkDepth(request.formula); // derivatives are deeper than what they are of
    const { formula, weight, variables, slots, usesRowIndex } = canonicalise(
      request.formula,
      request.weight ?? null,
      axis,
    );
    const float: FloatType = FLOATS[request.dtype];
    const options: FoldOptions = {
      sumScheme: choices.sumScheme ?? "compensated",
      accumulator: FLOATS[choices.accumulator ?? request.dtype],
      k,
    };
    checkChoices(reduction, options, choices);
    if (options.accumulator === "f32" && float === "f64") {
      throw new PairfoldError(
        "dtype",
        `${reduction}: got a float32 accumulator for float64 tensors; expected float64`,
      );
    }
    this.#engine = engineOf(choices.device);
    this.#fold = {
      formula,
      weight,
      reduction,
      float,
      inputs: variables,
      options,
      fastMath: choices.fastMath ?? false,
      expectsFinite: this.#engine.expectsFinite === true && reductions[reduction].linear,
      ...productsOf(request),
    };
    [this.#rows, this.#columns] = axis === "j" ? [M, N] : [N, M];
    const { outputRows = this.#rows, batch = NO_BATCH } = request;
    const segments = this.#ranged?.rectangles ?? request.segments;
    const isSquare = M === N && segments === undefined && batch.shape.length === 0;
    const size = [this.#rows, this.#columns] as const;
    const what = nearestOf(request, this.#fold, ...size);
    this.#rounded = what && RoundedFold.of(this.#engine, request, this.#fold, what, this.#columns);
    const rounding = this.#rounded?.saving ?? 1;
    this.#culling = Culling.of(this.#engine, request, this.#fold, ...size, rounding);
    const tensors = tensorsIn(request.inputs, slots);
    const symmetric = isSquare ? symmetricFold(this.#fold, slots, tensors, this.#engine, M) : null;
    const mayMirror = isSquare && this.#engine.mirrors?.(M, formula.dim, float) === true;
    this.hasMirror = mayMirror ? symmetric !== null : null;
    const used = symmetric?.slots ?? slots;
    this.kernel = symmetric?.kernel ?? kernelOf(this.#fold, this.#engine.math);
    this.#tensors = symmetric === null ? tensors : tensorsIn(request.inputs, used);
    const tableRows = { row: this.#rows, column: this.#columns, uniform: 1 } as const;
    this.#batched = {
      rows: this.#rows,
      columns: this.#columns,
      batch: batch.shape,
      inputs: this.kernel.inputs.map(({ axis }, k): BatchedInput => ({
        slot: used[k],
        axis,
        rows: tableRows[axis],
        batch: batch.of.get(used[k]) ?? [],
      })),
      parts: segments === undefined ? null : { rectangles: segments, outputRows },
      usesRowIndex,
    };
    const rowsOfAll = outputRows * sizeOf(batch.shape);
    this.#lengths = this.kernel.outputs.map((o) => o.dim * rowsOfAll);
    this.depth = buildOn(this.needs);
    this.#outputs = outputs ??
      this.kernel.outputs.map(() =>
        new TensorStorage((control) => this.join(control), () => this.explain(), this)
      );
  }

  /** The storages of its inputs, and of those that it shares a pass with, until it has run. */
  get needs(): readonly TensorStorage[] {
    return this.#pass?.needs ?? this.ownNeeds;
  }

  /** The storages of its inputs alone. */
  get ownNeeds(): readonly TensorStorage[] {
    return this.#tensors.map(storageOf);
  }

  /** What was asked for, as long as it has not begun. */
  get pending(): FoldRequest | null {
    return this.#running === null && this.#pass === null ? this.#request : null;
  }

  /** Says who computes it, with others; null: it does so itself. */
  share(pass: SharedPass | null): void {
    this.#pass = pass;
  }

  /** The storage of each output. */
  get outputs(): readonly TensorStorage[] {
    return this.#outputs;
  }

  explain(): string {
    return this.#pass?.explain(this) ?? this.explainAlone();
  }

  /** How it is computed where it shares no pass. */
  explainAlone(): string {
    const { rows, segments } = segmentsOf(this.#batched);
    const kernel = this.#rounded?.used ?? this.kernel;
    const program = this.#engine.compile(kernel, ...this.#planned(rows));
    const isMirrored = this.#engine.isMirrored?.(program, segments) ?? false;
    const { target, schedule, source, pairs, products = "float32: no tensor cores here" } = program
      .explain();
    const { reduction, formula, weight, float } = this.#fold;
    return [
      `formula   ${reduction} over the folded axis of ${print(formula)}`,
      ...(weight ? [`weight    ${print(weight)}`] : []),
      `size      ${this.#batches()}${this.#rows} rows, ${this.#columns} columns, ${float}`,
      `target    ${target}`,
      `schedule  ${schedule}`,
      ...(this.#ranged?.explain() ?? []),
      ...(this.#culling?.explain() ?? []),
      ...(this.#rounded?.explain() ?? []),
      ...this.#scaling,
      ...(isMirrored ? ["pairs     each pair of points once, for both"] : []),
      ...(pairs === undefined ? [] : [`pairs     ${pairs}`]),
      ...(this.#fold.products === undefined ? [] : [`products  ${products}`]),
      "",
      "sections (loop IR)",
      printKernel(kernel),
      "",
      "generated source",
      source,
    ].join("\n");
  }

  /** Rows and columns that a schedule is chosen for, of so many rows in all. */
  #planned(rows: number): readonly [rows: number, columns: number] {
    return this.#ranged?.sizeOn(this.#engine, rows) ?? [rows, this.#columns];
  }

  #batches(): string {
    const { batch } = this.#batched;
    return batch.length === 0 ? "" : `batches of shape [${batch}], each of `;
  }

  /** Runs the fold, or joins the run that goes on. */
  join(control: RunControl): Promise<void> {
    if (this.#pass !== null) return this.#pass.join(this, control);
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
    this.receive(results);
  }

  /** Takes over its results. */
  receive(results: readonly Held[]): void {
    for (const [slot, output] of this.#outputs.entries()) output.receive(results[slot]);
    this.forget();
  }

  /** Forgets where its results come from and go to, once they are there. */
  forget(): void {
    this.#request = null;
    this.#tensors = [];
    this.#outputs = [];
  }

  /** Makes room where the engine's memory was full; throws what went wrong if it cannot. */
  async #makeRoom(error: unknown): Promise<void> {
    const isFull = error instanceof PairfoldError && error.code === "memory";
    if (isFull && (freeSpareCopies(this.#engine) || await freeLostCopies(this.#engine))) return;
    if (isFull && this.#rounded?.giveUp()) return;
    throw error;
  }

  async #launch(storages: readonly TensorStorage[], control: RunControl): Promise<Held[]> {
    const engine = this.#engine;
    const { float, outputs: kinds, inputs: descriptions } = this.kernel;
    const { segments, rows } = segmentsOf(this.#batched);
    if (engine.open !== undefined) await engine.open(this.kernel, rows, this.#columns);
    // tensors that are there cost no turn of the event loop
    const inputs: Held[] = [];
    for (const [slot, storage] of storages.entries()) {
      const isUniform = descriptions[slot].axis === "uniform";
      inputs.push(await (isUniform ? storage.onHost(control) : storage.on(engine, control)));
    }
    const nearest = this.#culling === null ? null : await this.#culling.run(inputs, control);
    if (nearest !== null) return nearest;
    const launch = this.#rounded?.launch(inputs, segments) ??
      { kernel: this.kernel, inputs, segments };
    const program = engine.compile(launch.kernel, ...this.#planned(rows));
    const outputs: Held[] = [];
    try {
      for (const [slot, { number }] of kinds.entries()) {
        const dtype = number === "index" ? "int32" : float === "f32" ? "float32" : "float64";
        outputs.push(engine.allocate(dtype, this.#lengths[slot]));
      }
      const pairs = this.#request?.pairs;
      const own = pairs === undefined ? control : { ...control, pairs };
      await engine.launch(program, launch.inputs, outputs, launch.segments, own);
      if (this.#ranged === null) return outputs;
      return await this.#ranged.lookUp(this.kernel, outputs, control);
    } catch (error) {
      for (const output of outputs) if (isDeviceArray(output)) output.dispose();
      throw error;
    }
  }
}
