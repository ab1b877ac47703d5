// One reduction of a tensor over some neighbouring axes. Enters: a tensor seen as [outer, n,
// inner]. Leaves: [outer, inner]. Where the tensor is a large elementwise formula, or stands on a
// device, a fold computes formula and reduction at once; else loops on the host.

import type { RunControl } from "../engine/mod.ts";
import { build, type Node, variable } from "../formula/mod.ts";
import { type Origin, SharedRun, sizeOf, Tensor, TensorStorage } from "../tensor/mod.ts";
import { Elementwise, isOnlyOnDevice, partOf, prepared } from "./expression.ts";
import { type Group, type Launch, type Part, VALUES } from "./group.ts";
import { type Extent, type HostReduction, reduceOnHost } from "./host_reduce.ts";
import { buildOn, isLong, shorten } from "./origins.ts";

/** A tensor as a formula of itself. */
const ITSELF = variable(0, "i", 1);

/** Reductions of a vector's components, where formulas have them. */
const OVER_COMPONENTS: Partial<Record<HostReduction, (x: Node) => Node>> = {
  sum: build.sum,
  min: build.minOf,
  max: build.maxOf,
};

class ReduceStep implements Origin {
  readonly depth: number;
  readonly storage: TensorStorage;
  readonly #name: HostReduction;
  readonly #extent: Extent;
  readonly #dtype: "float32" | "float64";
  readonly #isFloat: boolean;
  #part: Part | null;
  #running: SharedRun<void> | null = null;

  constructor(name: HostReduction, x: Tensor, extent: Extent) {
    this.#name = name;
    this.#extent = extent;
    this.#dtype = x.dtype === "float64" ? "float64" : "float32";
    this.#isFloat = x.dtype !== "int32";
    this.#part = partOf(x);
    this.depth = buildOn(this.needs);
    this.storage = new TensorStorage(
      (control) => this.#run(control),
      () => `${name} over the middle of [${extent}]`,
      this,
    );
  }

  get needs(): readonly TensorStorage[] {
    return this.#part === null ? [] : [this.#part.storage];
  }

  async #run(control: RunControl): Promise<void> {
    if (this.#running === null || this.#running.isLost) {
      this.#part?.storage.check();
      if (this.#finish()) return;
      this.#running = new SharedRun((shared) => this.#compute(shared));
    }
    await this.#running.join(control);
  }

  async #compute(control: RunControl): Promise<void> {
    const part = this.#part;
    if (part === null) return;
    part.storage.enter();
    try {
      if (isLong(this)) await shorten(this, control);
      if (await this.#fused(part, control)) return;
      await part.storage.onHost(control);
      this.#finish();
    } finally {
      part.storage.leave();
    }
  }

  /** Reduces numbers that are on the host; false where they are not. */
  #finish(): boolean {
    const data = this.#part?.storage.host ?? null;
    if (data === null) return this.storage.isComputed;
    this.storage.receive(reduceOnHost(this.#name, data, this.#extent));
    this.#forget();
    return true;
  }

  #forget(): void {
    this.#part = null;
    this.#running = null;
  }

  /** Reduces by a fold; false where the host has to. */
  async #fused(part: Part, control: RunControl): Promise<boolean> {
    const { storage, shape } = part;
    const { origin } = storage;
    const run = async (group: Group): Promise<boolean> => {
      const isDone = await this.#fold(group, control);
      if (isDone) this.#forget();
      else if (group.root.storage === storage) await group.into(VALUES, storage, control);
      return isDone;
    };
    if (origin instanceof Elementwise && storage.readers === 1) {
      const isDone = await prepared(origin, control, run);
      if (isDone !== null) return isDone;
    } else if (!storage.isComputed) {
      await storage.ensure(control);
    }
    if (!this.#isFloat || !isOnlyOnDevice(storage)) return false;
    const itself = new Elementwise(ITSELF, [part], shape, this.#dtype);
    return await prepared(itself, control, run) ?? false;
  }

  async #fold(group: Group, control: RunControl): Promise<boolean> {
    const [outer, n, inner] = this.#extent;
    const { shape } = group.root;
    const components = OVER_COMPONENTS[this.#name];
    const into = async (launch: Launch, rowAxes: number): Promise<boolean> => {
      const layout = group.layout(rowAxes);
      if (layout === null) return false;
      await group.into({ ...launch, layout }, this.storage, control);
      return true;
    };
    const folded: Launch = { reduction: this.#name, keepsRows: false };
    if (outer === 1) {
      for (let rowAxes = shape.length; rowAxes >= 0; rowAxes--) {
        const dim = sizeOf(shape.slice(rowAxes));
        if (dim === inner && await into(folded, rowAxes)) return true;
        // short vectors first, then rows
        const isOver = inner === 1 && dim > 1 && components !== undefined;
        if (isOver && await into({ ...folded, wrap: components }, rowAxes)) return true;
      }
    } else if (inner === 1 && components !== undefined) {
      for (let rowAxes = shape.length - 1; rowAxes >= 0; rowAxes--) {
        if (sizeOf(shape.slice(rowAxes)) !== n) continue;
        if (await into({ ...VALUES, wrap: components }, rowAxes)) return true;
      }
    }
    return false;
  }
}

/** The reduction of a tensor over the middle of an extent of its size: [outer, inner]. */
export function reduced(name: HostReduction, x: Tensor, extent: Extent): Tensor {
  const step = new ReduceStep(name, x, extent);
  const isIndex = name === "argMin" || name === "argMax";
  return new Tensor([extent[0], extent[2]], isIndex ? "int32" : x.dtype, step.storage);
}
