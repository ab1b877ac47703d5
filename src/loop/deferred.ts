// Splits the inner loop of a wide fold in two: what every pair computes, and updates of the state's
// many components, which wait until a block of columns is done and then run in register tiles, like
// a matrix product. Each component meets the columns in the same order, so no bit changes.

import {
  type Cell,
  type Counter,
  type LocalArray,
  type Memory,
  type Place,
  type Region,
  region,
  type Statement,
  type Type,
  type Value,
} from "./ir.ts";
import { copyOf } from "./copies.ts";
import type { Kernel } from "./kernel.ts";
import { operands, reads, removeDead } from "./passes.ts";
import { isElementwise, type IsState, splitByState, touchesState } from "./state.ts";

/** The updates of a loop over components. */
export interface Update {
  readonly loop: { readonly counter: Counter; readonly count: number };
  readonly statements: readonly Statement[];
  readonly close: Closing | null;
}

/** The loop that closes what an update has gathered, so that a tile can do both. */
export interface Closing {
  readonly loop: Loop;
  /** Constants that the loop's body takes from around it. */
  readonly around: readonly Value[];
  /** Arrays that hold one constant before and after a block: a tile leaves them as they are. */
  readonly constants: ReadonlyMap<LocalArray, Value>;
}

/** A pair section in two parts. */
export interface Deferred {
  /** Runs first, once per pair; stores what the updates need to `held`. */
  readonly narrow: Region;
  /** Types of what one pair holds for its updates, by slot. */
  readonly held: readonly Type[];
  /** Reads `held`, or computes again what is cheap; for every pair, in every tile. */
  readonly shared: readonly Statement[];
  readonly updates: readonly Update[];
  /** Components of state that are updated, all of them. */
  readonly components: number;
  /** What of the kernel's `close` the tiles leave to do; null: nothing. */
  readonly close: Region | null;
}

/** Values that a pair holds at most: in a tile each takes a register per vector of rows. */
const MOST_HELD = 2;
/** Operations that are rather done again than their result held. */
const CHEAP_OPERATIONS = 2;
/** Operations of one update: more of them leave no registers for the sums. */
const MOST_OPERATIONS = 4;
/** Components below which tiles gain little, and their code takes long to emit. */
const FEWEST_COMPONENTS = 24;

const known = new WeakMap<Kernel, Deferred | null>();

/** The two parts of a kernel's pair section; null where no wide update may, or should, wait. */
export function deferredOf(kernel: Kernel): Deferred | null {
  let deferred = known.get(kernel);
  if (deferred === undefined) known.set(kernel, deferred = split(kernel));
  return deferred;
}

function split(kernel: Kernel): Deferred | null {
  const state = new Set<Cell | LocalArray>(
    kernel.state.map((item) => item.kind === "cell" ? item.cell : item.array),
  );
  const isState: IsState = (place) => state.has(place);
  const { statements } = kernel.pair;
  const { early, strands } = splitByState(statements, isState);
  const waiting = strands.filter((strand) => mayWait(strand, isState));
  const updates = waiting.map((strand) => updateOf(strand, kernel));
  const components = updates.reduce((total, { loop }) => total + loop.count, 0);
  if (components < FEWEST_COMPONENTS) return null;

  // what the updates read of the narrow part: held, or computed again
  const computed = new Set<Value>(early.flatMap((s) => s.kind === "let" ? [s.value] : []));
  const wanted = new Set<Value>();
  for (const s of waiting.flat()) {
    for (const value of reads(s)) if (computed.has(value)) wanted.add(value);
  }
  const held: Type[] = [];
  const shared: Statement[] = [];
  const stores: Statement[] = [];
  const made = new Map<Value, Value>();
  const add = (value: Value): Value => {
    shared.push({ kind: "let", value });
    return value;
  };
  const again = (value: Value): Value => {
    const before = made.get(value);
    if (before !== undefined) return before;
    const copy = value.kind === "operation" ? { ...value, args: value.args.map(again) } : value;
    made.set(value, add(copy));
    return copy;
  };
  for (const value of wanted) {
    if (costAgain(value, CHEAP_OPERATIONS) <= CHEAP_OPERATIONS) {
      again(value);
      continue;
    }
    const place: Place = { offset: held.length, terms: [] };
    const memory: Memory = { kind: "held" };
    stores.push({ kind: "store", memory, place, value, row: 0 });
    const { id, type, region, row, column } = value;
    made.set(
      value,
      add({ kind: "load", memory, place, id, type, region, perRow: true, row, column }),
    );
    held.push(value.type);
  }
  if (held.length > MOST_HELD) return null;

  const narrow = region("root");
  const gone = new Set(waiting.flat());
  narrow.statements.push(...statements.filter((s) => !gone.has(s)), ...stores);
  const closed = new Set<Statement>(updates.flatMap(({ close }) => close?.loop ?? []));
  const open = kernel.close?.statements.filter((s) => !closed.has(s)) ?? [];
  const close = region("root");
  close.statements.push(...open);
  const copied = updates.map(({ loop, statements, close }) => ({
    loop,
    close,
    statements: copyOf(statements, made, (place) => place, () => null),
  }));
  return {
    narrow: removeDead(narrow),
    held,
    shared,
    updates: copied,
    components,
    close: open.length > 0 ? close : null,
  };
}

/**
 * Operations that computing a value again takes; infinite where it cannot be, or where they are
 * more than so many: what is shared by many operations is not looked at once for each.
 */
function costAgain(value: Value, most: number): number {
  switch (value.kind) {
    case "constant":
    case "count":
      return 0;
    case "index":
      return value.axis === "row" ? 0 : Infinity;
    case "load":
      return value.memory.kind === "record" && value.place.terms.length === 0 ? 0 : Infinity;
    case "operation": {
      let cost = 1;
      for (const argument of operands(value)) {
        if (cost > most) break;
        cost += costAgain(argument, most - cost);
      }
      return cost > most ? Infinity : cost;
    }
    default:
      return Infinity;
  }
}

/** Whether what a strand does to the state may wait for the other columns' narrow parts. */
function mayWait(strand: readonly Statement[], isState: IsState): boolean {
  const [loop, ...others] = strand.filter((s) => s.kind === "for");
  // up to 32 components are cells, faster pair by pair: 1.2 times with weights, gradients 1.4 times
  if (loop === undefined || others.length > 0 || !isElementwise(loop, isState)) return false;
  // what is computed beside the loop must not need the state
  if (operationsOf(loop.body) > MOST_OPERATIONS) return false;
  return strand.every((s) => s === loop || (s.kind === "let" && !touchesState(s, isState))) &&
    loop.body.statements.every((s) =>
      s.kind === "let"
        ? isFree(s.value, isState)
        : s.kind === "store" && s.memory.kind === "array" &&
          isState(s.memory.array)
    );
}

function operationsOf({ statements }: Region): number {
  return statements.filter((s) => s.kind === "let" && s.value.kind === "operation").length;
}

/** Whether a value needs nothing of the narrow part's own memory. */
function isFree(value: Value, isState: IsState): boolean {
  if (value.kind === "counter") return false;
  if (value.kind === "get") return isState(value.cell);
  if (value.kind !== "load") return true;
  if (value.place.terms.some(({ step }) => step <= 0)) return false;
  return value.memory.kind !== "array" || isState(value.memory.array);
}

function updateOf(strand: readonly Statement[], kernel: Kernel): Update {
  const loop = strand.find((s) => s.kind === "for");
  if (loop === undefined) throw new TypeError("what waits has a loop");
  const { counter, count, body } = loop;
  const before = strand.filter((s) => s !== loop);
  const close = closingOf(loop, kernel);
  return { loop: { counter, count }, statements: [...before, ...body.statements], close };
}

/** A loop. */
export type Loop = Statement & { readonly kind: "for" };

/** Arrays that a loop's body stores to, each with the last value stored. */
function storedBy(body: Region): Map<LocalArray, Value> {
  const stored = new Map<LocalArray, Value>();
  for (const s of body.statements) {
    if (s.kind === "store" && s.memory.kind === "array") stored.set(s.memory.array, s.value);
  }
  return stored;
}

/** The one loop of `close` over the components that a loop updates, and nothing besides. */
function closingOf(loop: Loop, { close, init }: Kernel): Closing | null {
  const updated = [...storedBy(loop.body).keys()];
  const closing =
    close?.statements.filter((s): s is Loop =>
      s.kind === "for" && updated.some((array) => storedBy(s.body).has(array))
    ) ?? [];
  const [only, ...others] = closing;
  if (only === undefined || others.length > 0 || only.count !== loop.count) return null;
  const isPlain = only.body.statements.every((s) => s.kind === "let" || s.kind === "store");
  if (!isPlain || !isElementwise(only, () => true) || !isSimple(only) || !isSimple(loop)) {
    return null;
  }
  const constants = new Map<LocalArray, Value>();
  for (const [array, value] of storedBy(only.body)) {
    const before = init.statements.flatMap((s) =>
      s.kind === "for" && s.count === loop.count ? storedBy(s.body).get(array) ?? [] : []
    );
    const isSame = value.kind === "constant" && before.length === 1 &&
      before[0].kind === "constant" && Object.is(before[0].value, value.value);
    if (isSame && updated.includes(array)) constants.set(array, value);
  }
  const inside = new Set(only.body.statements.flatMap((s) => s.kind === "let" ? [s.value] : []));
  const around = [...reads(only)].filter((value) => !inside.has(value));
  if (!around.every(({ kind }) => kind === "constant")) return null;
  return updated.every((array) => constants.has(array)) ? { loop: only, around, constants } : null;
}

/** Whether a loop's counter is the place in the arrays of state. */
function isSimple({ counter, body }: Loop): boolean {
  return body.statements.every((s) => {
    const access = s.kind === "store" ? s : s.kind === "let" ? s.value : null;
    if (access === null || !("memory" in access) || access.memory.kind !== "array") return true;
    const { offset, terms: [term] } = access.place;
    return offset === 0 && term?.counter === counter && term.step === 1;
  });
}
