// Where a tensor's numbers stand: still to be computed, on the host, in memory of engines. They are
// computed once, uploaded once per engine, downloaded once, and freed on request or by the
// collector.

import type { DeviceArray, Engine, Held, NumberArray, RunControl } from "../engine/engine.ts";
import { isDeviceArray } from "../engine/host.ts";
import { PairfoldError } from "../error.ts";
import { SharedRun } from "./shared_run.ts";

/** Computes numbers and has the storage `receive` them before it resolves. */
export type Compute = (control: RunControl) => Promise<void>;

/** How numbers come about, for what looks through deferred tensors; gone once they are there. */
export interface Origin {
  /** What they are computed from. */
  readonly needs: readonly TensorStorage[];
  /** The length of the longest chain of origins that leads here. */
  readonly depth: number;
}

const NONE: Map<Engine, Copy> = new Map();

/** Numbers of one tensor, or of several that differ in shape alone. */
export class TensorStorage {
  /** How many deferred computations were built on it. */
  readers = 0;
  /** What was, or will be, computed. */
  readonly explain: () => string;
  #compute: Compute | null = null;
  #origin: Origin | null = null;
  #host: NumberArray | null = null;
  /** Copies in engines' memory; most tensors on the host never have any. */
  #copies: Map<Engine, Copy> = NONE;
  #download: SharedRun<NumberArray> | null = null;
  #users = 0;
  /** Whether its numbers were given on the host, not computed. */
  readonly #isGiven: boolean;
  #isGone = false;
  /** Whether copies are to go once nobody uses them. */
  #isReleased = false;

  constructor(source: Held | Compute, explain: () => string, origin: Origin | null = null) {
    this.explain = explain;
    this.#origin = origin;
    this.#isGiven = typeof source !== "function" && !isDeviceArray(source);
    if (typeof source === "function") this.#compute = source;
    else this.receive(source);
  }

  /** Whether the numbers are somewhere, or are on their way on a device. */
  get isComputed(): boolean {
    return this.#host !== null || this.#copies.size > 0;
  }

  /** Whether the numbers were given up. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** What will be computed, where that can be looked through; null once the numbers are there. */
  get origin(): Origin | null {
    return this.#origin;
  }

  /** The numbers where they stand on the host, not a copy. */
  get host(): NumberArray | null {
    return this.#host;
  }

  /**
   * The numbers where they were given on the host; null for numbers that were computed, whether
   * they are there or not.
   */
  get given(): NumberArray | null {
    return this.#isGiven ? this.#host : null;
  }

  /** The engines that have the numbers. */
  get engines(): Engine[] {
    return [...this.#copies.keys()];
  }

  /** Takes over numbers that were computed; how they were is forgotten. */
  receive(held: Held): void {
    const isWanted = !this.isComputed && (!this.#isGone || this.#users > 0);
    if (isWanted) {
      this.#compute = null;
      this.#origin = null;
      if (isDeviceArray(held)) this.#keep(held);
      else this.#host = held;
    } else if (isDeviceArray(held) && this.#copies.get(held.engine)?.array !== held) {
      held.dispose();
    }
  }

  /** Throws `PairfoldError` (device) if the numbers were given up. */
  check(title = "a tensor"): void {
    if (!this.#isGone) return;
    throw new PairfoldError(
      "device",
      `${title} was disposed of before its numbers were read; expected one that is kept until ` +
        "what reads it has run",
    );
  }

  /** Says that the numbers are in use until `leave`: as long, none of them is freed. */
  enter(): void {
    this.#users++;
  }

  /** Ends a use. */
  leave(): void {
    if (--this.#users === 0 && this.#isReleased) this.#release();
  }

  /** Has the numbers computed, wherever. For users. */
  async ensure(control: RunControl): Promise<void> {
    if (!this.isComputed && this.#compute !== null) await this.#compute(control);
  }

  /** The numbers on the host, not a copy. For users. */
  async onHost(control: RunControl): Promise<NumberArray> {
    if (this.#host === null && this.#compute !== null) await this.#compute(control);
    return this.#host ?? await this.#downloaded(control);
  }

  /** The numbers where an engine's launches read them, uploaded if need be. For users. */
  async on(engine: Engine, control: RunControl): Promise<Held> {
    if (this.#compute !== null && !this.isComputed) await this.#compute(control);
    const computed = this.#copies.get(engine);
    if (computed !== undefined) return computed.array;
    const host = this.#host ?? await this.onHost(control);
    const uploaded = this.#copies.get(engine); // another user may have been faster
    if (uploaded !== undefined) return uploaded.array;
    const placed = engine.place(host);
    if (isDeviceArray(placed)) this.#keep(placed);
    return placed;
  }

  #downloaded(control: RunControl): Promise<NumberArray> {
    if (this.#download === null || this.#download.isLost) {
      const [copy] = this.#copies.values();
      if (copy === undefined) throw new PairfoldError("internal", "a tensor has no numbers");
      this.#download = new SharedRun(async (shared) => {
        const numbers = await copy.array.download(shared);
        if (!this.#isGone) this.#host = numbers;
        this.#download = null;
        return numbers;
      });
    }
    return this.#download.join(control);
  }

  /**
   * Frees copies in engines' memory, once nobody uses them. Numbers that stand on the host stay
   * there; others are gone.
   */
  dispose(): void {
    if (this.#host === null) this.#isGone = true;
    this.#isReleased = true;
    if (this.#users === 0) this.#release();
  }

  #release(): void {
    this.#isReleased = false;
    for (const copy of [...this.#copies.values()]) this.#free(copy);
    if (!this.#isGone) return;
    this.#compute = null;
    this.#origin = null;
    this.#host = null;
  }

  /** Frees the copy in an engine's memory where the host has the numbers and nobody uses it. */
  makeRoom(engine: Engine): void {
    const copy = this.#copies.get(engine);
    if (copy !== undefined && this.#host !== null && this.#users === 0) this.#free(copy);
  }

  #keep(array: DeviceArray): void {
    const copy: Copy = { array, owner: new WeakRef(this) };
    if (this.#copies === NONE) this.#copies = new Map();
    this.#copies.set(array.engine, copy);
    copiesOn(array.engine).add(copy);
    net.register(this, copy, copy);
  }

  #free(copy: Copy): void {
    this.#copies.delete(copy.array.engine);
    net.unregister(copy);
    freeCopy(copy);
  }
}

/** Numbers in an engine's memory, and whose they are. */
interface Copy {
  readonly array: DeviceArray;
  readonly owner: WeakRef<TensorStorage>;
}

function freeCopy(copy: Copy): void {
  copiesOn(copy.array.engine).delete(copy);
  copy.array.dispose();
}

/** Frees the copies of tensors that nobody disposed of and nobody has any more. */
const net = new FinalizationRegistry<Copy>(freeCopy);

/** The copies in each engine's memory. */
const copies = new WeakMap<Engine, Set<Copy>>();

function copiesOn(engine: Engine): Set<Copy> {
  let set = copies.get(engine);
  if (set === undefined) copies.set(engine, set = new Set());
  return set;
}

/**
 * Frees copies in an engine's memory of what the host has too and nobody uses. False where there
 * were none.
 */
export function freeSpareCopies(engine: Engine): boolean {
  const set = copiesOn(engine);
  const before = set.size;
  for (const copy of [...set]) copy.owner.deref()?.makeRoom(engine);
  return set.size < before;
}

/**
 * The collector sees no device. Arrays on the host make it set in: they are never touched, so that
 * they take addresses alone, and some are kept for a while, for it looks at what is young first.
 */
const PRESSURE_BYTES = 64 * 2 ** 20;
const PRESSURE_KEPT = 8;
/** A round takes a millisecond or two, a collection of all 2 to 20 rounds (Deno 2.9.6). */
const PRESSURE_ROUNDS = 64;

/**
 * Lets the collector find tensors that nobody has any more, so that their copies in an engine's
 * memory go. False where it found none.
 */
export async function freeLostCopies(engine: Engine): Promise<boolean> {
  const set = copiesOn(engine);
  const before = set.size;
  let kept: ArrayBuffer[] = [];
  for (let round = 0; round < PRESSURE_ROUNDS && set.size > 0; round++) {
    try {
      kept.push(new ArrayBuffer(PRESSURE_BYTES));
    } catch {
      kept = []; // the host has no more addresses: the collector knows
    }
    if (kept.length >= PRESSURE_KEPT) kept = [];
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (set.size < before) return true;
  }
  return false;
}
