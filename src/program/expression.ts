// Elementwise formulas of tensors that are still to be computed. Enters: a formula over operands
// that broadcast. Leaves: numbers. Chains become one kernel: what only one formula reads is computed
// inside it; what several read is computed once. Small tensors are computed on the host.

import { type Engine, engineOf, type RunControl } from "../engine/mod.ts";
import {
  build,
  type Node,
  print,
  scalarTable,
  topological,
  transform,
  variable,
} from "../formula/mod.ts";
import { PairfoldError } from "../error.ts";
import type { ReductionName } from "../reduction/mod.ts";
import {
  type Origin,
  sameShape,
  SharedRun,
  sizeOf,
  storageOf,
  Tensor,
  TensorStorage,
} from "../tensor/mod.ts";
import { type Block, Blocks, type FloatArray } from "./blocks.ts";
import { foldInto } from "./fold.ts";
import { isScalar, type Layout, layoutOf, spread } from "./layout.ts";
import { buildOn, isLong, shorten } from "./origins.ts";

/**
 * Up to so many elements tensors are computed on the host, where no launch has to be prepared: a
 * chain of five ops takes 24 µs for 1,000 elements there, 90 as a kernel, and as long as one for
 * 2,000 (Zen 4, Deno 2.9.6, 2026-11-23).
 */
const HOST_ELEMENTS = 2048;

/** Ops that one kernel computes at most, so that it neither compiles for long nor spills. */
const MAX_OPS = 64;

/** A tensor as an operand: numbers and the shape they are read in. */
export interface Part {
  readonly storage: TensorStorage;
  readonly shape: readonly number[];
}

const opsIn = new WeakMap<Node, number>();

function countOps(formula: Node): number {
  let count = opsIn.get(formula);
  if (count === undefined) {
    count = topological(formula).filter(({ kind }) => kind === "op").length;
    opsIn.set(formula, count);
  }
  return count;
}

/** What a broadcast tensor repeats, for those who read it broadcast anyway. */
export interface Repeats extends Origin {
  readonly repeated: Part;
  readonly shape: readonly number[];
}

/** An elementwise formula of operands, each a slot by its position, that has not been computed. */
export class Elementwise implements Origin {
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
      () => `elementwise ${print(formula)} over [${shape}], ${dtype}`,
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

  /** Operands as they stand: what a broadcast tensor repeats in its place, as long as it is pending. */
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
      if (pending.isHere && !pending.members.some(({ shape }) => sizeOf(shape) > HOST_ELEMENTS)) {
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
  await prepared(root, control, (group) => group.into("max", "rows", root.storage, control));
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
    const { members, leaves } = collected(root); // less, where the chain was long
    let engine: Engine | null = null;
    for (const leaf of leaves) {
      if (!leaf.isComputed) await leaf.ensure(control);
      if (leaf.host === null) engine ??= leaf.engines[0] ?? null;
    }
    for (const group of grouped(members, engine)) {
      if (group.root.storage.isComputed) continue;
      if (engine === null && sizeOf(group.root.shape) <= HOST_ELEMENTS) {
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

/** Formulas that become one kernel each, in the order in which they can be computed. */
function grouped(members: readonly Elementwise[], engine: Engine | null): Group[] {
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
  const groups: Group[] = [];
  for (const member of members.toReversed()) {
    const own = readers.get(member) ?? [];
    const group = own.length > 0 && own.length === member.storage.readers
      ? groupOf.get(own[0])
      : undefined;
    const isInside = group !== undefined && own.every((reader) => groupOf.get(reader) === group) &&
      group.takes(member, engine);
    if (isInside) group.add(member);
    else groups.push(new Group(member, engine));
    groupOf.set(member, isInside ? group : groups[groups.length - 1]);
  }
  return groups.reverse();
}

/** Formulas that are computed as one. */
export class Group {
  readonly root: Elementwise;
  readonly #engine: Engine | null;
  readonly #inside: Set<Elementwise>;
  #ops: number;

  constructor(root: Elementwise, engine: Engine | null) {
    this.root = root;
    this.#engine = engine;
    this.#inside = new Set([root]);
    this.#ops = countOps(root.formula);
  }

  /** Whether a formula that only this group reads may be part of it. */
  takes(member: Elementwise, engine: Engine | null): boolean {
    const fits = sameShape(member.shape, this.root.shape);
    const isSmall = engine === null && sizeOf(member.shape) <= HOST_ELEMENTS;
    return fits && !isSmall && this.#ops + countOps(member.formula) <= MAX_OPS;
  }

  add(member: Elementwise): void {
    this.#inside.add(member);
    this.#ops += countOps(member.formula);
  }

  /** What the formulas read that is not one of them, each once. */
  #leaves(): Part[] {
    const found = new Map<string, Part>();
    const ids = new Map<TensorStorage, number>();
    for (const member of this.#inside) {
      for (const operand of member.operands) {
        if (typeof operand === "number" || this.#isInside(operand)) continue;
        const { storage, shape } = operand;
        if (!ids.has(storage)) ids.set(storage, ids.size);
        found.set(`${ids.get(storage)}:${shape}`, operand);
      }
    }
    return [...found.values()];
  }

  #isInside({ storage }: Part): boolean {
    return storage.origin instanceof Elementwise && this.#inside.has(storage.origin);
  }

  /** How the elements are rows and components, so that reductions over rows keep components. */
  layout(rowAxes?: number): Layout | null {
    return layoutOf(this.root.shape, this.#leaves().map(({ shape }) => shape), rowAxes);
  }

  /**
   * Runs the group as a fold and hands the result over: with rows kept, each row's value (over one
   * column, whose maximum it is), or with rows folded.
   */
  async into(
    reduction: ReductionName,
    fate: "rows" | "folded",
    storage: TensorStorage,
    control: RunControl,
    layout: Layout | null = this.layout(),
    wrap: (formula: Node) => Node = (formula) => formula,
  ): Promise<void> {
    const { shape, dtype } = this.root;
    const size = sizeOf(shape);
    const { rows, dim } = layout ?? { rows: size, dim: 1 };
    const [many, one] = fate === "rows" ? ["i", "j"] as const : ["j", "i"] as const;
    const inputs = new Map<number, Tensor>();
    const nodes = new Map<Elementwise, Node>();
    const variables = new Map<TensorStorage, Map<string, Node>>();
    const place = (part: Part, axis: "i" | "j" | "p", components: number): Node => {
      const byShape = variables.get(part.storage) ?? new Map<string, Node>();
      variables.set(part.storage, byShape);
      const key = `${axis}${components}`;
      const known = byShape.get(key);
      if (known !== undefined) return known;
      const node = variable(inputs.size, axis, components);
      const count = axis === many ? rows : 1;
      inputs.set(node.slot, new Tensor([count, components], dtype, part.storage));
      byShape.set(key, node);
      return node;
    };
    const spreads = new Map<Part, Part>();
    for (const part of this.#leaves()) {
      const isDirect = layout !== null || isScalar(part.shape) || sizeOf(part.shape) === size;
      if (isDirect) continue;
      const data = spread(await part.storage.onHost(control), part.shape, shape);
      spreads.set(part, { storage: new TensorStorage(data, () => "broadcast"), shape });
    }
    const leafNode = (part: Part): Node => {
      for (const [from, to] of spreads) {
        if (from.storage === part.storage && sameShape(from.shape, part.shape)) {
          return place(to, many, 1);
        }
      }
      const role = layout?.roleOf(part.shape) ?? (sizeOf(part.shape) === size ? "full" : "scalar");
      switch (role) {
        case "full":
          return place(part, many, dim);
        case "row":
          return place(part, many, 1);
        case "vector":
          return place(part, one, dim);
        case "scalar":
          return place(part, one, 1);
        default:
          throw new PairfoldError("internal", role satisfies never);
      }
    };
    const nodeOf = (member: Elementwise): Node => {
      const known = nodes.get(member);
      if (known !== undefined) return known;
      const args = member.operands.map((operand): Node => {
        if (typeof operand === "number") {
          const node = variable(inputs.size, "p", 1);
          inputs.set(node.slot, new Tensor([], "float64", Float64Array.of(operand)));
          return node;
        }
        const { origin } = operand.storage;
        if (origin instanceof Elementwise && this.#inside.has(origin)) return nodeOf(origin);
        return leafNode(operand);
      });
      const node = transform(member.formula, (leaf) => {
        if (leaf.kind === "variable") return args[leaf.slot];
        return leaf.kind === "zero" ? build.constant(0) : leaf;
      });
      nodes.set(member, node);
      return node;
    };
    const formula = wrap(nodeOf(this.root));
    await foldInto(
      {
        formula,
        inputs,
        reduction,
        axis: "j",
        M: fate === "rows" ? rows : 1,
        N: fate === "rows" ? 1 : rows,
        dtype,
        k: 1,
        choices: { device: this.#engine ?? engineOf() },
      },
      [storage],
      control,
    );
  }
}

/** A tensor as an operand. Throws `PairfoldError` (device) if its numbers are gone. */
export function partOf(t: Tensor): Part {
  return { storage: storageOf(t), shape: t.shape };
}

/** Whether numbers stand in a device's memory alone. */
export function isOnlyOnDevice(storage: TensorStorage): boolean {
  return storage.isComputed && storage.host === null;
}
