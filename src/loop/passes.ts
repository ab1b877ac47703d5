// Passes over regions: pure functions from region to region.

import {
  type Cell,
  type LocalArray,
  type Memory,
  type Region,
  region,
  type Statement,
  type Value,
} from "./ir.ts";
import type { StateItem } from "./kernel.ts";

/** The values that a value or a statement reads directly. */
function operands(value: Value): readonly Value[] {
  return value.kind === "operation" ? value.args : [];
}

/** Visits every statement of a region, inner ones after the statement that holds them. */
export function visit(root: Region, see: (statement: Statement) => void): void {
  for (const statement of root.statements) {
    see(statement);
    if (statement.kind === "for" || statement.kind === "when") visit(statement.body, see);
    if (statement.kind === "when" && statement.otherwise !== undefined) {
      visit(statement.otherwise, see);
    }
  }
}

/** Drops the values that nothing reads. */
export function removeDead(root: Region): Region {
  const live = new Set<Value>();
  const mark = (value: Value): void => {
    if (live.has(value)) return;
    live.add(value);
    operands(value).forEach(mark);
  };
  visit(root, (s) => {
    if (s.kind === "set" || s.kind === "store") mark(s.value);
    if (s.kind === "when") mark(s.mask);
  });
  const copy = (from: Region): Region => {
    const to = region(from.kind);
    for (const s of from.statements) {
      if (s.kind === "for" || s.kind === "when") {
        const body = copy(s.body);
        if (body.statements.length > 0) to.statements.push({ ...s, body });
      } else if (s.kind !== "let" || live.has(s.value)) {
        to.statements.push(s);
      }
    }
    return to;
  };
  return copy(root);
}

/** The values that a statement reads, its inner statements included. */
function reads(statement: Statement): Set<Value> {
  const found = new Set<Value>();
  const look = (s: Statement): void => {
    switch (s.kind) {
      case "let":
        for (const value of operands(s.value)) found.add(value);
        return;
      case "set":
      case "store":
        found.add(s.value);
        return;
      case "when":
        found.add(s.mask);
        s.body.statements.forEach(look);
        return;
      case "for":
        s.body.statements.forEach(look);
        return;
    }
    s satisfies never;
  };
  look(statement);
  return found;
}

/** Moves loads of records down to the first statement that reads them, to hold no register before. */
export function delayLoads(root: Region): Region {
  const to = region(root.kind);
  const waiting = new Map<Value, Statement>();
  for (const s of root.statements) {
    if (s.kind === "let" && s.value.kind === "load" && s.value.memory.kind === "record") {
      waiting.set(s.value, s);
      continue;
    }
    for (const value of reads(s)) {
      const load = waiting.get(value);
      if (load === undefined) continue;
      to.statements.push(load);
      waiting.delete(value);
    }
    to.statements.push(s);
  }
  return to;
}

/** Moves operations that only one `when` needs into it, so that they run where it does. */
export function sink(root: Region): Region {
  const to = region(root.kind);
  const users = new Map<Value, Statement[]>();
  for (const s of [...root.statements].reverse()) {
    const using = s.kind === "let" ? users.get(s.value) ?? [] : [];
    const [only] = using;
    const moves = s.kind === "let" && s.value.kind === "operation" && using.length === 1 &&
      only.kind === "when" && only.mask !== s.value;
    const placed: Statement = s.kind === "when" ? { ...s, body: sink(s.body) } : s;
    for (const value of reads(s)) {
      const list = users.get(value) ?? [];
      const user = moves ? only : placed;
      if (!list.includes(user)) users.set(value, [...list, user]);
    }
    if (moves) only.body.statements.unshift(s);
    else to.statements.unshift(placed);
  }
  return to;
}

/** Gives each row its own cells and arrays; shared by all the regions of one kernel. */
export class RowCopies {
  readonly #copies = new Map<Cell | LocalArray, (Cell | LocalArray)[]>();
  readonly rows: number;
  /** What a row remembers between columns: the columns of a turn share it. */
  readonly #state: ReadonlySet<Cell | LocalArray>;
  #nextId = 0;

  constructor(rows: number, state: readonly StateItem[] = []) {
    this.rows = rows;
    this.#state = new Set(state.map((item) => item.kind === "cell" ? item.cell : item.array));
  }

  nextId(): number {
    return this.#nextId++;
  }

  isState(place: Cell | LocalArray): boolean {
    return this.#state.has(place);
  }

  of<T extends Cell | LocalArray>(original: T, row: number, column = 0): T {
    const copies = this.#copies.get(original) ?? [];
    this.#copies.set(original, copies);
    const index = row + (this.isState(original) ? 0 : column * this.rows);
    if (copies[index] === undefined) {
      const name = this.rows === 1 ? original.name : `${original.name}.${index}`;
      copies[index] = { ...original, id: this.nextId(), name };
    }
    return copies[index] as T;
  }
}

/** How a region is copied: rows of a group, columns of a turn. */
export interface Replication {
  /** Rows that are taken at a time, operation by operation; default all. */
  readonly interleave?: number;
  /** Columns of a turn; default 1. */
  readonly columns?: number;
  /** Slots of a column's record. */
  readonly columnSlots?: number;
  /**
   * Whether the columns of a turn may be tested together: where none of them takes a branch that
   * changes state, they stand side by side; else the turn runs column by column. Default true.
   */
  readonly together?: boolean;
}

/**
 * Copies what differs between rows once per row, and what differs between the columns of a turn once
 * per column; what they share stays single. Copies stand operation by operation side by side, so that
 * independent work does. From the first touch of the row's state on, columns follow one another, so
 * that the state sees them in order. A copy's `row` and `column` tell where it belongs.
 */
export function replicate(
  root: Region,
  copies: RowCopies,
  { interleave = copies.rows, columns = 1, columnSlots = 0, together = true }: Replication = {},
): Region {
  const made = new Map<Value, Value[]>();
  const differs = new Map<Value, boolean>(); // between columns
  const slot = (value: Value, row: number, column: number): number =>
    (value.perRow ? row : 0) + (differs.get(value) ? column * copies.rows : 0);
  const at = (value: Value, row: number, column: number): Value => {
    const copy = made.get(value)?.[slot(value, row, column)];
    if (copy === undefined) throw new TypeError(`value ${value.id} is used before its definition`);
    return copy;
  };
  const memoryOf = (memory: Memory, row: number, column: number): Memory =>
    memory.kind === "array"
      ? { kind: "array", array: copies.of(memory.array, row, column) }
      : memory;
  const copyValue = (value: Value, row: number, column: number, home: Region): Value => {
    const base = { ...value, id: copies.nextId(), region: home, row, column };
    switch (base.kind) {
      case "get":
        return { ...base, cell: copies.of(base.cell, row, column) };
      case "load": {
        const isColumn = base.memory.kind === "record" && base.memory.section === "column";
        const offset = base.place.offset + (isColumn ? column * columnSlots : 0);
        const memory = memoryOf(base.memory, row, column);
        return { ...base, memory, place: { ...base.place, offset } };
      }
      case "operation":
        return { ...base, args: base.args.map((a) => at(a, row, column)) };
      default:
        return base;
    }
  };
  const differsBetweenColumns = (value: Value): boolean => {
    switch (value.kind) {
      case "operation":
        return value.args.some((a) => differs.get(a));
      case "load":
        return value.memory.kind === "array" ||
          (value.memory.kind === "record" && value.memory.section === "column");
      case "index":
        return value.axis === "column";
      case "get":
        return true;
      default:
        return false;
    }
  };
  /** Copies a statement for some rows and some columns of a turn. */
  const copyStatement = (
    s: Statement,
    rows: readonly number[],
    turn: readonly number[],
    to: Region,
  ): void => {
    const each = (body: (row: number, column: number) => void): void => {
      for (const column of turn) for (const row of rows) body(row, column);
    };
    switch (s.kind) {
      case "let": {
        const { value } = s;
        const list = made.get(value) ?? [];
        made.set(value, list);
        differs.set(value, differsBetweenColumns(value));
        each((row, column) => {
          const isFirst = (value.perRow || row === rows[0]) &&
            (differs.get(value) || column === turn[0]);
          if (!isFirst) return;
          const copy = copyValue(value, row, column, to);
          list[slot(value, row, column)] = copy;
          to.statements.push({ kind: "let", value: copy });
        });
        return;
      }
      case "set":
        each((row, column) => {
          const cell = copies.of(s.cell, row, column);
          to.statements.push({ ...s, cell, value: at(s.value, row, column) });
        });
        return;
      case "store":
        each((row, column) => {
          const memory = memoryOf(s.memory, row, column);
          to.statements.push({ ...s, memory, value: at(s.value, row, column), row });
        });
        return;
      case "for":
        to.statements.push({ ...s, body: copyRegion(s.body, rows, turn) });
        return;
      case "when":
        each((_row, column) => {
          if (_row === rows[0]) copyWhen(s, rows, column, to);
        });
        return;
    }
    s satisfies never;
  };
  /** One test for all rows, then one per row, whose body is rare. */
  const copyWhen = (
    s: Statement & { kind: "when" },
    rows: readonly number[],
    column: number,
    to: Region,
  ): void => {
    const perRow = region("when");
    for (const row of rows) {
      const body = copyRegion(s.body, [row], [column]);
      perRow.statements.push({ ...s, mask: at(s.mask, row, column), body });
    }
    if (rows.length === 1) {
      to.statements.push(...perRow.statements);
      return;
    }
    const mask = joined(s.test, rows.map((row) => at(s.mask, row, column)), to);
    to.statements.push({ kind: "when", test: s.test, mask, body: perRow });
  };
  /** One mask of several: a test of it asks whether the test of any of them says yes. */
  const joined = (test: "any" | "notAll", masks: readonly Value[], to: Region): Value =>
    masks.reduce((a, b) => {
      const value: Value = {
        kind: "operation",
        operation: test === "any" ? "maskOr" : "maskAnd",
        type: "mask",
        args: [a, b],
        attribute: 0,
        perRow: true,
        row: 0,
        column: b.column,
        id: copies.nextId(),
        region: to,
      };
      to.statements.push({ kind: "let", value });
      return value;
    });
  const copyRegion = (
    from: Region,
    rows: readonly number[],
    turn: readonly number[],
  ): Region => {
    const to = region(from.kind);
    for (const s of from.statements) copyStatement(s, rows, turn, to);
    return to;
  };
  const rows = Array.from({ length: copies.rows }, (_, row) => row);
  const turn = Array.from({ length: columns }, (_, column) => column);
  const guarded = together && columns > 1 && interleave >= copies.rows
    ? guardedParts(root, copies)
    : null;
  if (guarded !== null) {
    const to = region(root.kind);
    const { before, test, masks, after } = guarded;
    for (const s of before) copyStatement(s, rows, turn, to);
    const all = masks.flatMap((mask) =>
      turn.flatMap((column) => rows.map((row) => at(mask, row, column)))
    );
    const mask = joined(test, all, to);
    const otherwise = region("when");
    const late = after.findIndex((s) => touchesState(s, copies));
    const shared = late < 0 ? after : after.slice(0, late);
    for (const s of shared) copyStatement(s, rows, turn, otherwise);
    for (const column of turn) {
      for (const s of after.slice(shared.length)) copyStatement(s, rows, [column], otherwise);
    }
    const body = replicate(root, copies, { interleave, columns, columnSlots, together: false });
    to.statements.push({ kind: "when", test, mask, body, otherwise });
    return to;
  }
  const touches = root.statements.findIndex((s) => touchesState(s, copies));
  const stateful = touches < 0 ? root.statements.length : touches;
  const to = region(root.kind);
  for (let start = 0; start < copies.rows; start += interleave) {
    const batch = rows.slice(start, start + interleave);
    const run = (s: Statement, some: readonly number[]): void => {
      const isShared = s.kind === "let" && !s.value.perRow;
      if (start === 0 || !isShared) copyStatement(s, batch, some, to);
    };
    for (const s of root.statements.slice(0, stateful)) run(s, turn);
    for (const column of turn) {
      for (const s of root.statements.slice(stateful)) run(s, [column]);
    }
  }
  return to;
}

/** A region whose branches are all known before anything is remembered. */
interface Guarded {
  /** What the masks need. */
  readonly before: readonly Statement[];
  readonly test: "any" | "notAll";
  readonly masks: readonly Value[];
  /** What runs where no branch is taken, the reads of state that it changes last. */
  readonly after: readonly Statement[];
}

/**
 * Splits a region at its branches: possible where their masks depend on no state that is written
 * outside of them, so that they can be asked for several columns before any is folded.
 */
function guardedParts(root: Region, copies: RowCopies): Guarded | null {
  const written = new Set<Cell | LocalArray>();
  const masks: Value[] = [];
  const tests = new Set<"any" | "notAll">();
  for (const s of root.statements) {
    if (s.kind === "for" && touchesState(s, copies)) return null;
    if (s.kind === "set" && copies.isState(s.cell)) written.add(s.cell);
    if (s.kind === "store" && s.memory.kind === "array") written.add(s.memory.array);
    if (s.kind !== "when") continue;
    masks.push(s.mask);
    tests.add(s.test);
  }
  const [test] = tests;
  if (tests.size !== 1) return null;
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
    if (s.kind === "when") continue;
    if (s.kind === "let" && readsWritten(s.value)) late.add(s.value);
    const isLate = s.kind === "let"
      ? late.has(s.value)
      : s.kind !== "for" && (late.has(s.value) || touchesState(s, copies));
    if (isLate && s.kind === "set") written.add(s.cell);
    (isLate ? rest : early).push(s);
  }
  if (masks.some((mask) => late.has(mask))) return null;
  const wanted = new Set(masks);
  const last = early.findLastIndex((s) => s.kind === "let" && wanted.has(s.value));
  return {
    before: early.slice(0, last + 1),
    test,
    masks,
    after: [...early.slice(last + 1), ...rest],
  };
}

/** Whether a statement reads or writes what a row remembers between columns. */
function touchesState(s: Statement, copies: RowCopies): boolean {
  switch (s.kind) {
    case "let":
      if (s.value.kind === "get") return copies.isState(s.value.cell);
      return s.value.kind === "load" && s.value.memory.kind === "array" &&
        copies.isState(s.value.memory.array);
    case "set":
      return copies.isState(s.cell);
    case "store":
      return s.memory.kind === "array" && copies.isState(s.memory.array);
    case "for":
    case "when":
      return s.kind === "when" || s.body.statements.some((inner) => touchesState(inner, copies));
  }
  s satisfies never;
  return true;
}
