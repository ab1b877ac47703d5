// Sums that share one pass over the pairs: a value and its gradient meet the same exponential.
// Enters: runs of folds over one axis that have not begun. Leaves: one run of all their components
// side by side, where the cost model says that this is less work, whose results are then taken
// apart.

import type { NumberArray, RunControl } from "../engine/mod.ts";
import { build, variable } from "../formula/mod.ts";
import { UNROLL_LIMIT } from "../reduction/mod.ts";
import { costOf } from "../tiling/mod.ts";
import {
  allocate,
  dtypeOf,
  type Origin,
  SharedRun,
  sizeOf,
  storageOf,
  Tensor,
  TensorStorage,
} from "../tensor/mod.ts";
import { NO_BATCH } from "./batch.ts";
import { foldInto, shapeOf } from "./fold.ts";
import { FoldRun, type SharedPass } from "./fold_run.ts";
import type { FoldRequest } from "./request.ts";

/**
 * The joint kernel's operations, of those of the kernels alone, up to which one pass is taken: a
 * Gaussian sum and its gradient take 0.70 of the time together (Zen 4, wasm, 2026-11-23). Near 1
 * the larger state costs more than the shared work saves.
 */
const WORTH = 0.9;

/** Origins that are looked at to find out whether one fold needs another's result. */
const MAX_VISITS = 300;

/** A fold that takes part, and what it was asked for. */
interface Part {
  readonly run: FoldRun;
  /** Its first component in the joint result. */
  readonly start: number;
  readonly dim: number;
}

class JointPass implements SharedPass {
  readonly #parts: readonly Part[];
  readonly #dim: number;
  /** What the parts were asked for, until they are there. */
  #requests: readonly FoldRequest[];
  /** The run of all, once somebody wants it. */
  #joint: FoldRun | null = null;
  #target: TensorStorage | null = null;
  #running: SharedRun<void> | null = null;

  constructor(runs: readonly FoldRun[], requests: readonly FoldRequest[]) {
    let dim = 0;
    const parts = runs.map((run, k): Part => {
      const own = requests[k].formula.dim;
      return { run, start: (dim += own) - own, dim: own };
    });
    this.#parts = parts;
    this.#dim = dim;
    this.#requests = requests;
    for (const { run } of parts) run.share(this);
  }

  get needs(): readonly TensorStorage[] {
    return this.#parts.flatMap(({ run }) => run.ownNeeds);
  }

  #request(): FoldRequest {
    const inputs = new Map<number, Tensor>();
    const of = new Map<number, readonly number[]>();
    for (const request of this.#requests) {
      for (const [slot, t] of request.inputs) inputs.set(slot, t);
      for (const [slot, own] of request.batch?.of ?? []) of.set(slot, own);
    }
    const [request] = this.#requests;
    const formula = build.concat(...this.#requests.map((own) => own.formula));
    const batch = { shape: (request.batch ?? NO_BATCH).shape, of };
    return { ...request, formula, inputs, batch };
  }

  /** The run of all; null where it would be more work than one run each. */
  #chosen(): FoldRun | null {
    if (this.#joint !== null) return this.#joint;
    const storage: TensorStorage = new TensorStorage(
      (control) => joint.join(control),
      () => joint.explain(),
    );
    const joint: FoldRun = new FoldRun(this.#request(), [storage]);
    const operations = (run: FoldRun): number => costOf(run.kernel).operations;
    const alone = this.#parts.reduce((sum, { run }) => sum + operations(run), 0);
    if (operations(joint) > WORTH * alone) {
      this.#end();
      return null;
    }
    this.#target = storage;
    return this.#joint = joint;
  }

  /** From now on everyone runs alone. */
  #end(): void {
    for (const { run } of this.#parts) run.share(null);
  }

  async join(wanted: FoldRun, control: RunControl): Promise<void> {
    const joint = this.#chosen();
    if (joint === null) return await wanted.join(control);
    if (this.#running === null || this.#running.isLost) {
      this.#running = new SharedRun((shared) => this.#run(joint, shared));
    }
    const running = this.#running;
    try {
      await running.join(control);
    } catch (error) {
      // an input of another part may be gone, or memory too small for all at once
      if (control.signal?.aborted || !running.isLost) throw error;
      this.#end();
      await wanted.join(control);
    }
  }

  async #run(joint: FoldRun, control: RunControl): Promise<void> {
    const all = this.#target as TensorStorage;
    await joint.join(control);
    const { host } = all;
    for (const part of this.#parts) {
      if (host !== null) part.run.receive([componentsOf(host, this.#dim, part)]);
      else await this.#extract(part, all, { signal: control.signal });
    }
    all.dispose();
    // history goes once the results are there
    this.#target = null;
    this.#requests = [];
  }

  /** Takes a part of the result where it stands, in an engine's memory. */
  async #extract(
    { run, start, dim }: Part,
    all: TensorStorage,
    control: RunControl,
  ): Promise<void> {
    const [request] = this.#requests;
    const { dtype, choices } = request;
    const rows = sizeOf(shapeOf(request)) / request.formula.dim;
    await foldInto(
      {
        formula: build.extract(variable(0, "i", this.#dim), start, dim),
        inputs: new Map([[0, new Tensor([rows, this.#dim], dtype, all)]]),
        reduction: "max",
        axis: "j",
        M: rows,
        N: 1,
        dtype,
        k: 1,
        choices: { device: choices.device },
        pairs: sizeOf((request.batch ?? NO_BATCH).shape) * pairsOf(request),
      },
      run.outputs,
      control,
    );
    run.forget();
  }

  explain(of: FoldRun): string {
    const joint = this.#chosen();
    if (joint === null) return of.explainAlone();
    const start = this.#parts.find(({ run }) => run === of)?.start ?? 0;
    return [
      `shared    one pass for ${this.#parts.length} sums: components from ${start} on of`,
      joint.explain(),
    ].join("\n");
  }
}

/** The pairs that one batch folds. */
const pairsOf = ({ ranges, M, N }: FoldRequest): number => ranges?.pairs ?? M * N;

/** Some components of each row of dim `width`. */
function componentsOf(all: NumberArray, width: number, { start, dim }: Part): NumberArray {
  const rows = all.length / width;
  const out = allocate(dtypeOf(all), rows * dim);
  for (let row = 0, at = 0; row < rows; row++) {
    const from = row * width + start;
    for (let d = 0; d < dim; d++) out[at++] = all[from + d];
  }
  return out;
}

/**
 * Whether what some runs need leads back to one of them; true where that takes long to find out.
 */
function needEachOther(runs: readonly FoldRun[]): boolean {
  const own = new Set<Origin>(runs);
  const seen = new Set<Origin>();
  const open: TensorStorage[] = runs.flatMap((run) => [...run.ownNeeds]);
  for (let storage = open.pop(); storage !== undefined; storage = open.pop()) {
    const { origin } = storage;
    if (origin === null || seen.has(origin)) continue;
    if (own.has(origin) || seen.size >= MAX_VISITS) return true;
    seen.add(origin);
    open.push(...origin.needs);
  }
  return false;
}

/** Whether every slot is one tensor in all requests. */
function haveOneMeaning(requests: readonly FoldRequest[]): boolean {
  const all = new Map<number, Tensor>();
  return requests.every(({ inputs }) =>
    [...inputs].every(([slot, t]) => {
      const before = all.get(slot);
      all.set(slot, t);
      return before === undefined || before === t;
    })
  );
}

/**
 * Has sums over one axis computed by one pass, if none of them needs another's result; what this
 * is worth is asked when one of them is read. Runs that have begun go on alone. False where no pass
 * is shared.
 */
export function shareOnePass(runs: readonly FoldRun[]): boolean {
  const own: FoldRun[] = [];
  const requests: FoldRequest[] = [];
  for (const run of runs) {
    const { pending } = run;
    if (pending === null || pending.reduction !== "sum" || pending.weight) continue;
    own.push(run);
    requests.push(pending);
  }
  const dim = requests.reduce((sum, { formula }) => sum + formula.dim, 0);
  if (own.length < 2 || dim > UNROLL_LIMIT || !haveOneMeaning(requests)) {
    return false;
  }
  if (needEachOther(own)) return false;
  new JointPass(own, requests);
  return true;
}

/** A fold, and folds of its gradient over the same axis. */
interface Undecided {
  readonly value: FoldRun;
  readonly runs: readonly FoldRun[];
}

/** Those of the derivatives that are being built; null while none are. */
let undecided: Undecided[] | null = null;

/** Has folds of a gradient share a pass: with the fold itself, where that will be read too. */
export function shareWithValue(
  value: FoldRun | null,
  runs: readonly FoldRun[],
  isWanted: boolean,
): void {
  if (runs.length === 0) return;
  if (value !== null && !isWanted && undecided !== null) undecided.push({ value, runs });
  else if (value === null || !isWanted || !shareOnePass([value, ...runs])) shareOnePass(runs);
}

/**
 * Builds a gradient. Only when all of it is there can be seen whether it needs a fold's own value,
 * as that of bᵀ K b by b does: then this shares the pass of the fold's derivatives.
 */
export function sharingNeededValues(build: () => Tensor[]): Tensor[] {
  const before = undecided;
  const own: Undecided[] = undecided = [];
  try {
    const results = build();
    const needed = own.length === 0 ? new Set<Origin>() : originsOf(results);
    for (const { value, runs } of own) {
      if (!needed.has(value) || !shareOnePass([value, ...runs])) shareOnePass(runs);
    }
    return results;
  } finally {
    undecided = before;
  }
}

/** What tensors will be computed from: some hundred origins at most. */
function originsOf(tensors: readonly Tensor[]): ReadonlySet<Origin> {
  const seen = new Set<Origin>();
  const open = tensors.map(storageOf);
  for (let storage = open.pop(); storage !== undefined; storage = open.pop()) {
    const { origin } = storage;
    if (origin === null || seen.has(origin)) continue;
    if (seen.size >= MAX_VISITS) break;
    seen.add(origin);
    open.push(...origin.needs);
  }
  return seen;
}
