// Operations that move elements or reduce axes, on the host. Enters: tensors and a function of
// their numbers. Leaves: a deferred tensor. Numbers on devices come over for it.

import type { DType, NumberArray, RunControl } from "../engine/mod.ts";
import { type Origin, SharedRun, storageOf, Tensor, TensorStorage } from "../tensor/mod.ts";
import type { Part } from "./group.ts";
import { buildOn, isLong, shorten } from "./origins.ts";

/** Computes numbers from those of the operands, none of which it may change or hand on. */
export type HostFunction = (...operands: readonly NumberArray[]) => NumberArray;

/** Computes a step by an engine, where that is better; false where the host has to. */
export type EngineFunction = (
  operands: readonly TensorStorage[],
  into: TensorStorage,
  control: RunControl,
) => Promise<boolean>;

/** A step on the host. */
export class HostStep implements Origin {
  readonly depth: number;
  readonly storage: TensorStorage;
  #needs: readonly TensorStorage[];
  #compute: HostFunction | null;
  readonly #launch: EngineFunction | null;
  #running: SharedRun<void> | null = null;

  constructor(
    name: string,
    operands: readonly Tensor[],
    compute: HostFunction,
    launch: EngineFunction | null = null,
  ) {
    this.#needs = operands.map(storageOf);
    this.#compute = compute;
    this.#launch = launch;
    this.depth = buildOn(this.#needs);
    this.storage = new TensorStorage(
      (control) => this.#run(control),
      () => this.#explain(name),
      this,
    );
  }

  get needs(): readonly TensorStorage[] {
    return this.#needs;
  }

  /** The step, and what will be folded or computed for it; not the steps before those. */
  #explain(name: string): string {
    const step = this.#launch === null ? `${name}, on the host` : `${name}, a kernel on an engine`;
    const before = this.#needs.filter(({ isComputed, isGone, origin }) =>
      !isComputed && !isGone && !(origin instanceof HostStep)
    );
    return [step, ...before.map((storage) => `of what this gives:\n${storage.explain()}`)].join(
      "\n",
    );
  }

  async #run(control: RunControl): Promise<void> {
    if (this.#running === null || this.#running.isLost) {
      for (const storage of this.#needs) storage.check();
      const isHere = this.#launch === null && this.#needs.every(({ host }) => host !== null);
      if (isHere) return this.#finish();
      this.#running = new SharedRun(async (shared) => {
        const used = this.#needs;
        for (const storage of used) storage.enter();
        try {
          if (isLong(this)) await shorten(this, shared);
          for (const storage of used) await storage.ensure(shared);
          if (await this.#launch?.(used, this.storage, shared)) return this.forget();
          for (const storage of used) await storage.onHost(shared);
          this.#finish();
        } finally {
          for (const storage of used) storage.leave();
        }
      });
    }
    await this.#running.join(control);
  }

  #finish(): void {
    const compute = this.#compute;
    if (compute === null) return; // another reader was faster
    const arrays = this.#needs.map(({ host }) => host as NumberArray);
    this.storage.receive(compute(...arrays));
    this.forget();
  }

  /** Forgets what it came from. */
  protected forget(): void {
    this.#needs = [];
    this.#compute = null;
    this.#running = null;
  }
}

/** A deferred tensor that a function on the host computes; derivatives are the caller's. */
export function hostTensor(
  name: string,
  shape: readonly number[],
  dtype: DType,
  operands: readonly Tensor[],
  compute: HostFunction,
  launch: EngineFunction | null = null,
): Tensor {
  return new Tensor(shape, dtype, new HostStep(name, operands, compute, launch).storage);
}

/** A broadcast tensor; what reads it broadcast anyway may read what it repeats instead. */
export class BroadcastStep extends HostStep {
  readonly shape: readonly number[];
  #repeated: Part | null;

  constructor(t: Tensor, shape: readonly number[], compute: HostFunction) {
    super("broadcastTo", [t], compute);
    this.shape = shape;
    this.#repeated = { storage: storageOf(t), shape: t.shape };
  }

  get repeated(): Part {
    return this.#repeated as Part;
  }

  protected override forget(): void {
    super.forget();
    this.#repeated = null;
  }
}
