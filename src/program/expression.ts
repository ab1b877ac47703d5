// Elementwise formulas of tensors that are still to be computed. Enters: a formula over operands
// that broadcast. Leaves: numbers. Chains become one kernel: what only one formula reads is
// computed inside it; what several read is computed once. Small tensors are computed on the host.

import type { Engine, RunControl } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { type Node, print, scalarTable, topological } from "../formula/mod.ts";
import {
  type Origin,
  sameShape,
  SharedRun,
  sizeOf,
  storageOf,
  type Tensor,
  TensorStorage,
} from "../tensor/mod.ts";
import { type Block, Blocks, type FloatArray } from "./blocks.ts";
import { Group, type Member, type Part, VALUES } from "./group.ts";
import { spread } from "./layout.ts";
import { buildOn, isLong, shorten } from "./origins.ts";

/**
 * Up to so many elements tensors are computed on the host, where no launch has to be prepared: a
 * chain of five ops takes 24 µs for 1,000 elements there, 90 as a kernel, and as long as one for
 * 2,000 (Zen 4, Deno 2.9.6, 2026-11-23).
 */
const HOST_ELEMENTS = 2048;

const isSmall = ({ shape }: Member): boolean => sizeOf(shape) <= HOST_ELEMENTS;

/** What a broadcast tensor repeats, for those who read it broadcast anyway. */
export interface Repeats extends Origin {
  readonly repeated: Part;
  readonly shape: readonly number[];
}

/** An elementwise formula of operands, each a slot by its position, that has not been computed. */
export class Elementwise implements Origin, Member {
  readonly formula: Node;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "float64";
  readonly depth: number;
  readonly storage: TensorStorage;
  #operands: readonly (Part | number)[];
  #running: SharedRun<void> | null = null;

  constructor(
    formula: Node,
    operands: readonly (Part | number)[],
    shape: readonly number[],
    dtype: "float32" | "float64",
  ) {
    this.formula = formula;
    this.shape = shape;
    this.dtype = dtype;
    this.#operands = operands;
    this.depth = buildOn(this.needs);
    this.storage = new TensorStorage(
      (control) => this.#compute(control),
      () => this.#explain(),
      this,
    );
  }

  get needs(): readonly TensorStorage[] {
    const found: TensorStorage[] = [];
    for (const operand of this.#operands) {
      if (typeof operand !== "number") found.push(operand.storage);
    }
    return found;
  }

  /**
   * Operands as they stand: what a broadcast tensor repeats in its place, as long as it is pending.
   */
  get operands(): readonly (Part | number)[] {
    return this.#operands.map((operand) => {
      if (typeof operand === "number") return operand;
      const { origin } = operand.storage;
      if (origin === null || !("repeated" in origin)) return operand;
      const { repeated, shape } = origin as Repeats;
      return sameShape(shape, operand.shape) ? repeated : operand; // not where it was reshaped
    });
  }

  async #compute(control: RunControl): Promise<void> {
    if (this.#running === null || this.#running.isLost) {
      const pending = collected(this);
      if (pending.isHere && pending.members.every(isSmall)) {
        for (const member of pending.members) member.computeHere();
        return;
      }
      this.#running = new SharedRun((shared) => materialise(this, shared));
    }
    await this.#running.join(control);
  }

  /** Computes it on the host, where its operands are. */
  computeHere(): void {
    if (this.storage.isComputed) return;
    const size = sizeOf(this.shape);
    const blocks = new Blocks(this.dtype, size);
    const values = this.operands.map((operand): Block => {
      if (typeof operand === "number") return operand;
      const data = operand.storage.host as FloatArray | null;
      if (data === null) throw new PairfoldError("internal", "an operand is not on the host");
      if (data.length === 1) return data[0];
      return data.length === size ? data : spread(data, operand.shape, this.shape) as FloatArray;
    });
    const result = blocks.filled(evaluate(this.formula, blocks, values));
    // an operand handed on as it is stays its own tensor's
    this.receive(values.includes(result) ? result.slice() : result);
  }

  /** What will be computed, and where, as long as it has not been. */
  #explain(): string {
    const title = `elementwise ${print(this.formula)} over [${this.shape}], ${this.dtype}`;
    if (this.storage.isComputed || this.storage.isGone) return title;
    const { members, leaves, isHere } = collected(this);
    if (isHere && members.every(isSmall)) {
      const steps = members.length === 1 ? "one step" : `${members.length} steps`;
      return `${title}\ntarget    the host: ${steps} of at most ${HOST_ELEMENTS} elements`;
    }
    const groups = grouped(members, engineBehind(leaves));
    const before = groups.length === 1 ? [] : [`before    ${groups.length - 1} others, read by it`];
    return [title, ...before, groups[groups.length - 1].explain(VALUES)].join("\n");
  }

  /** Takes over its numbers. */
  receive(data: FloatArray): void {
    this.storage.receive(data);
    this.forget();
  }

  /** Forgets what it came from, once its numbers are there. */
  forget(): void {
    this.#operands = [];
    this.#running = null;
  }
}

const orders = new WeakMap<Node, readonly Node[]>();

function evaluate(formula: Node, blocks: Blocks, values: readonly Block[]): Block {
  let order = orders.get(formula);
  if (order === undefined) orders.set(formula, order = topological(formula));
  const done = new Map<Node, Block>();
  const valueOf = (node: Node): Block => {
    switch (node.kind) {
      case "variable":
        return values[node.slot];
      case "constant":
        return node.value;
      case "zero":
        return 0;
      case "op": {
        const entry = scalarTable[node.op as keyof typeof scalarTable];
        return entry.scalar(blocks, node.args.map((a) => done.get(a) ?? 0), node.attributes);
      }
      case "index":
        throw new PairfoldError("internal", "elementwise formulas have no indices");
      default:
        throw new PairfoldError("internal", node satisfies never);
    }
  };
  for (const node of order) done.set(node, valueOf(node));
  return done.get(formula) ?? 0;
}

/** Pending formulas that lead to one, what comes first before what reads it; and what they read. */
interface Pending {
  readonly members: readonly Elementwise[];
  readonly leaves: ReadonlySet<TensorStorage>;
  /** Whether all leaves stand on the host. */
  readonly isHere: boolean;
}

function collected(root: Elementwise): Pending {
  const members: Elementwise[] = [];
  const leaves = new Set<TensorStorage>();
  const entered = new Set<Elementwise>();
  const done = new Set<Elementwise>();
  const open: Elementwise[] = [root];
  for (let member = open.at(-1); member !== undefined; member = open.at(-1)) {
    if (entered.has(member)) {
      open.pop();
      if (!done.has(member)) members.push(member);
      done.add(member);
      continue;
    }
    entered.add(member);
    for (const operand of member.operands) {
      if (typeof operand === "number") continue;
      const { storage } = operand;
      storage.check();
      if (!(storage.origin instanceof Elementwise)) leaves.add(storage);
      else if (!entered.has(storage.origin)) open.push(storage.origin);
    }
  }
  let isHere = true;
  for (const leaf of leaves) isHere &&= leaf.host !== null;
  return { members, leaves, isHere };
}

async function materialise(root: Elementwise, control: RunControl): Promise<void> {
  await prepared(root, control, (group) => group.into(VALUES, root.storage, control));
  root.forget();
}

/**
 * Computes all that a formula needs to be one kernel, and runs something with it. Null where the
 * formula has been computed on the host on the way, because it is small.
 */
export async function prepared<T>(
  root: Elementwise,
  control: RunControl,
  run: (group: Group) => Promise<T>,
): Promise<T | null> {
  const before = collected(root);
  // nobody takes away what is in use, also not before the first turn of the event loop
  const used = [...before.leaves, ...before.members.map(({ storage }) => storage)];
  for (const storage of used) storage.enter();
  try {
    if (isLong(root)) await shorten(root, control);
    const { leaves } = collected(root);
    for (const leaf of leaves) if (!leaf.isComputed) await leaf.ensure(control);
    const engine = engineBehind(leaves);
    if (root.storage.isComputed) return null; // another reader was faster
    const { members } = collected(root); // some may have been computed meanwhile
    for (const group of grouped(members, engine)) {
      if (group.root.storage.isComputed) continue;
      if (engine === null && isSmall(group.root)) {
        group.root.computeHere();
      } else if (group.root === root) {
        return await run(group);
      } else {
        await group.root.storage.ensure(control); // once, for all who want it
      }
    }
    return null;
  } finally {
    for (const storage of used) storage.leave();
  }
}

/** The engine that has what stands on one alone, if any. */
function engineBehind(leaves: Iterable<TensorStorage>): Engine | null {
  for (const leaf of leaves) {
    if (leaf.host === null && leaf.engines.length > 0) return leaf.engines[0];
  }
  return null;
}

/** Formulas that become one kernel each, in the order in which they can be computed. */
function grouped(members: readonly Elementwise[], engine: Engine | null): Group<Elementwise>[] {
  const readers = new Map<Elementwise, Elementwise[]>();
  for (const member of members) {
    for (const operand of member.operands) {
      if (typeof operand === "number") continue;
      const { origin } = operand.storage;
      if (!(origin instanceof Elementwise)) continue;
      const list = readers.get(origin) ?? [];
      list.push(member);
      readers.set(origin, list);
    }
  }
  const groupOf = new Map<Elementwise, Group>();
  const groups: Group<Elementwise>[] = [];
  for (const member of members.toReversed()) {
    const own = readers.get(member) ?? [];
    const group = own.length > 0 && own.length === member.storage.readers
      ? groupOf.get(own[0])
      : undefined;
    const isInside = group !== undefined && own.every((reader) => groupOf.get(reader) === group) &&
      !(engine === null && isSmall(member)) && group.takes(member);
    if (isInside) group.add(member);
    else groups.push(new Group(member, engine));
    groupOf.set(member, isInside ? group : groups[groups.length - 1]);
  }
  return groups.reverse();
}

/** A tensor as an operand. Throws `PairfoldError` (device) if its numbers are gone. */
export function partOf(t: Tensor): Part {
  return { storage: storageOf(t), shape: t.shape };
}

/** Whether numbers stand in a device's memory alone. */
export function isOnlyOnDevice(storage: TensorStorage): boolean {
  return storage.isComputed && storage.host === null;
}
