// What statements have to do with the state that a row keeps between columns: which of them may run
// for several columns at once, and which must see the columns in order.

import { reads, visit } from "./passes.ts";
import type { Cell, Counter, LocalArray, Region, Statement, Value } from "./ir.ts";

/** Whether a place is remembered between columns. */
export type IsState = (place: Cell | LocalArray) => boolean;

/** Statements in two parts. */
export interface Split {
  /** What may run for all columns of a turn before the rest, in order. */
  readonly early: readonly Statement[];
  /** What must see the columns in order; strands have no state in common. */
  readonly strands: readonly (readonly Statement[])[];
}

/** The arrays to which each lane stores at a place of its own. */
function scatteredBy(s: Statement): LocalArray[] {
  if (s.kind !== "scatter" && s.kind !== "append") return [];
  const arrays = s.parts.map(({ array }) => array);
  return s.kind === "append" ? [...arrays, s.size] : arrays;
}

/** The cells and arrays that a statement reads or writes, inner statements included. */
function placesOf(statement: Statement): Set<Cell | LocalArray> {
  const places = new Set<Cell | LocalArray>();
  const look = (s: Statement): void => {
    if (s.kind === "set") places.add(s.cell);
    if (s.kind === "store" && s.memory.kind === "array") places.add(s.memory.array);
    if (s.kind === "scatter") { for (const { array } of s.parts) places.add(array); }
    if (s.kind === "let" && s.value.kind === "get") places.add(s.value.cell);
    if (s.kind === "let" && s.value.kind === "load" && s.value.memory.kind === "array") {
      places.add(s.value.memory.array);
    }
  };
  look(statement);
  if (statement.kind === "for" || statement.kind === "when") visit(statement.body, look);
  return places;
}

/** Whether a loop's turns touch different elements of the state, each the same for every column. */
export function isElementwise(s: Statement & { kind: "for" }, isState: IsState): boolean {
  const counter: Counter = s.counter;
  const offsets = new Map<LocalArray, number>();
  let fits = true;
  visit(s.body, (inner) => {
    if (inner.kind === "for" || inner.kind === "when" || scatteredBy(inner).length > 0) {
      fits = false;
    }
    if (inner.kind === "set" && isState(inner.cell)) fits = false;
    if (inner.kind === "let" && inner.value.kind === "get" && isState(inner.value.cell)) {
      fits = false;
    }
    const access = inner.kind === "store"
      ? inner
      : inner.kind === "let" && inner.value.kind === "load"
      ? inner.value
      : null;
    if (access === null || access.memory.kind !== "array" || !isState(access.memory.array)) return;
    const { array } = access.memory;
    const offset = offsets.get(array) ?? access.place.offset;
    offsets.set(array, offset);
    const [term, ...others] = access.place.terms;
    if (term?.counter !== counter || others.length > 0) fits = false;
    if (term?.step === 0 || access.place.offset !== offset) fits = false;
  });
  return fits;
}

/** Splits statements into what needs no state and strands of what does. */
export function splitByState(statements: readonly Statement[], isState: IsState): Split {
  const lateValues = new Set<Value>();
  const latePlaces = new Set<Cell | LocalArray>();
  const early: Statement[] = [];
  const late: Statement[] = [];
  for (const s of statements) {
    const places = placesOf(s);
    const isLate = [...places].some((p) => isState(p) || latePlaces.has(p)) ||
      [...reads(s)].some((value) => lateValues.has(value));
    if (isLate) {
      if (s.kind === "let") lateValues.add(s.value);
      for (const p of places) latePlaces.add(p);
    }
    (isLate ? late : early).push(s);
  }
  const strands = strandsOf(late, lateValues);
  return { early: moveLoads(early, strands), strands };
}

/** Groups statements that share a place or a value, in order. */
function strandsOf(late: readonly Statement[], lateValues: ReadonlySet<Value>): Statement[][] {
  const groups = new Map<unknown, Set<unknown>>();
  const join = (a: unknown, b: unknown): void => {
    const left = groups.get(a) ?? new Set([a]);
    const right = groups.get(b) ?? new Set([b]);
    if (left === right) return;
    for (const x of right) left.add(x);
    for (const x of left) groups.set(x, left);
  };
  for (const s of late) {
    groups.set(s, groups.get(s) ?? new Set([s]));
    for (const p of placesOf(s)) join(p, s);
    for (const value of reads(s)) if (lateValues.has(value)) join(value, s);
    if (s.kind === "let") join(s.value, s);
  }
  const strands = new Map<Set<unknown> | undefined, Statement[]>();
  for (const s of late) {
    const group = groups.get(s);
    const strand = strands.get(group) ?? [];
    strands.set(group, strand);
    strand.push(s);
  }
  return [...strands.values()];
}

/** Moves loads of records into the strand that alone reads them; returns what stays. */
function moveLoads(early: readonly Statement[], strands: Statement[][]): Statement[] {
  const users = new Map<Value, Set<Statement[] | null>>();
  const note = (s: Statement, where: Statement[] | null): void => {
    for (const value of reads(s)) {
      users.set(value, (users.get(value) ?? new Set()).add(where));
    }
  };
  for (const s of early) note(s, null);
  for (const strand of strands) for (const s of strand) note(s, strand);
  return early.filter((s) => {
    if (s.kind !== "let" || s.value.kind !== "load" || s.value.memory.kind !== "record") {
      return true;
    }
    const { value } = s;
    const [only, ...others] = users.get(value) ?? [];
    if (only === undefined || only === null || others.length > 0) return true;
    only.splice(only.findIndex((user) => reads(user).has(value)), 0, s);
    return false;
  });
}

/** A branch, or an append, which is one inside. */
export type Branch = Pick<Statement & { readonly kind: "when" }, "test" | "mask" | "skipsNaN">;

function branchOf(s: Statement): Branch | null {
  if (s.kind === "when") return s;
  return s.kind === "append" ? { test: "notAll", mask: s.unless, skipsNaN: s.skipsNaN } : null;
}

/** A region whose branches are all known before anything is remembered. */
export interface Guarded {
  /** What the masks need. */
  readonly before: readonly Statement[];
  readonly branches: readonly Branch[];
  /** What runs where no branch is taken, the reads of state that it changes last. */
  readonly after: readonly Statement[];
}

/**
 * Splits a region at its branches: possible where their masks depend on no state that is written
 * outside of them, so that they can be asked for several columns before any is folded.
 */
export function guardedParts(root: Region, isState: IsState): Guarded | null {
  const written = new Set<Cell | LocalArray>();
  const branches: Branch[] = [];
  for (const s of root.statements) {
    if (s.kind === "for" && touchesState(s, isState)) return null;
    if (s.kind === "set" && isState(s.cell)) written.add(s.cell);
    if (s.kind === "store" && s.memory.kind === "array") written.add(s.memory.array);
    if (s.kind === "scatter") { for (const { array } of s.parts) written.add(array); }
    const branch = branchOf(s);
    if (branch !== null) branches.push(branch);
  }
  if (new Set(branches.map(({ test }) => test)).size !== 1) return null;
  const late = new Set<Value>();
  const readsWritten = (value: Value): boolean => {
    switch (value.kind) {
      case "get":
        return written.has(value.cell);
      case "load":
        return value.memory.kind === "array" && written.has(value.memory.array);
      case "operation":
        return value.args.some((a) => late.has(a));
      default:
        return false;
    }
  };
  const early: Statement[] = [];
  const rest: Statement[] = [];
  for (const s of root.statements) {
    if (branchOf(s) !== null) continue;
    if (s.kind === "let" && readsWritten(s.value)) late.add(s.value);
    const isLate = s.kind === "let" ? late.has(s.value) : s.kind !== "for" &&
      ([...reads(s)].some((value) => late.has(value)) || touchesState(s, isState));
    if (isLate && s.kind === "set") written.add(s.cell);
    (isLate ? rest : early).push(s);
  }
  if (branches.some(({ mask }) => late.has(mask))) return null;
  const wanted = new Set(branches.map(({ mask }) => mask));
  const last = early.findLastIndex((s) => s.kind === "let" && wanted.has(s.value));
  return {
    before: early.slice(0, last + 1),
    branches,
    after: [...early.slice(last + 1), ...rest],
  };
}

/** Whether a statement reads or writes what a row remembers between columns. */
export function touchesState(s: Statement, isState: IsState): boolean {
  switch (s.kind) {
    case "let":
      if (s.value.kind === "get") return isState(s.value.cell);
      return s.value.kind === "load" && s.value.memory.kind === "array" &&
        isState(s.value.memory.array);
    case "set":
      return isState(s.cell);
    case "store":
      return s.memory.kind === "array" && isState(s.memory.array);
    case "scatter":
    case "append":
      return scatteredBy(s).some(isState);
    case "for":
    case "when":
      return s.kind === "when" || s.body.statements.some((inner) => touchesState(inner, isState));
  }
  s satisfies never;
  return true;
}
