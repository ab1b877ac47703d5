// Copies the regions of a kernel for several rows of a group and several columns of a turn.

import {
  type LocalArray,
  type Memory,
  type Operation,
  type Region,
  region,
  type Statement,
  type Type,
  type Value,
} from "./ir.ts";
import type { RowCopies } from "./copies.ts";
import { copyGuarded } from "./guarded.ts";
import { hasLoops } from "./kernel.ts";
import { chainByChain } from "./passes.ts";
import { shifted } from "./place.ts";
import { guardedParts, isElementwise, type IsState, splitByState } from "./state.ts";

type Store = Statement & { readonly kind: "store" };

/** How a region is copied: rows of a group, columns of a turn. */
export interface Replication {
  /** The rows of the group that are copied; default all. */
  readonly rows?: readonly number[];
  /** Rows that are taken at a time, operation by operation; default all. */
  readonly interleave?: number;
  /** Columns of a turn; default 1. */
  readonly columns?: number;
  /** Slots of a column's record. */
  readonly columnSlots?: number;
  /** Slots of what a pair holds for deferred updates. */
  readonly heldSlots?: number;
  /** Whether branches are tested for the whole turn; default true. */
  readonly guards?: boolean;
  /** Whether bodies of loops are arranged chain by chain; default side by side. */
  readonly chains?: boolean;
  /**
   * Whether what a turn's branch does rarely computes each column anew, row by row, in a loop: then
   * nothing is kept for it. Where branches have loops or something stands after them, it is not
   * done.
   */
  readonly again?: boolean;
  /**
   * Whether what a turn's branch does takes the columns one after another, in a loop, and computes
   * each anew: then its code stands once for all columns. Not where bounds are compared with, whose
   * branches are less rare; default false.
   */
  readonly oneByOne?: boolean;
  /**
   * Whether each column is copied whole before the next, which takes fewer registers; default
   * false.
   */
  readonly inOrder?: boolean;
  /** Whether each row is, after what rows share; default false. */
  readonly rowByRow?: boolean;
}

/**
 * Copies what differs between rows once per row, and what differs between the columns of a turn
 * once per column; what they share stays single. Copies stand operation by operation side by side,
 * so that independent work does. What touches the row's state sees the columns in order, strand by
 * strand; what touches cells that rows share sees the rows in order, after all else. A copy's `row`
 * and `column` tell where it belongs.
 */
export function replicate(
  root: Region,
  copies: RowCopies,
  replication: Replication = {},
): Region {
  const { chains = false } = replication;
  const isArranged = chains && hasLoops(root);
  // a first fold does without the code below
  return copies.isSingle && !isArranged ? root : copied(root, copies, replication);
}

function copied(root: Region, copies: RowCopies, replication: Replication): Region {
  const { interleave = copies.rows, columns = 1, columnSlots = 0, heldSlots = 0 } = replication;
  const { guards = true, inOrder = false, chains = false, again = false } = replication;
  const { rowByRow = false, oneByOne = false } = replication;
  const arranged = (body: Region): Region => chains ? chainByChain(body) : body;
  const isState: IsState = (place) => copies.isState(place);
  const isShared: IsState = (place) => copies.isShared(place);
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
  /** Elements between one column's and the next. */
  const slotsOf = (memory: Memory): number => {
    if (memory.kind === "held") return heldSlots;
    return memory.kind === "record" && memory.section === "column" ? columnSlots : 0;
  };
  const copyValue = (value: Value, row: number, column: number, home: Region): Value => {
    const base = { ...value, id: copies.nextId(), region: home, row, column };
    switch (base.kind) {
      case "get":
        return { ...base, cell: copies.of(base.cell, row, column) };
      case "load": {
        const memory = memoryOf(base.memory, row, column);
        return { ...base, memory, place: shifted(base.place, column * slotsOf(memory)) };
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
        return value.memory.kind === "array" || value.memory.kind === "held" ||
          (value.memory.kind === "record" && value.memory.section === "column");
      case "index":
        return value.axis === "column";
      case "get":
        return true;
      default:
        return false;
    }
  };
  /**
   * In a loop whose turns meet one element of each array of state: what was stored there last. The
   * next column takes it from there, not from memory.
   */
  let element: Map<LocalArray, Store> | null = null;
  const storedIn = (value: Value, row: number, column: number): Value | null => {
    if (element === null || value.kind !== "load" || value.memory.kind !== "array") return null;
    if (!isState(value.memory.array)) return null;
    return element.get(copies.of(value.memory.array, row, column))?.value ?? null;
  };
  /**
   * The column that copies what columns share; where they follow one another, the first of all, but
   * within a region of its own, which the others do not see.
   */
  const firstOf = (turn: readonly number[], to: Region): number =>
    inOrder && to.kind === "root" ? 0 : turn[0];
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
            (differs.get(value) || column === firstOf(turn, to));
          if (!isFirst) return;
          const stored = storedIn(value, row, column);
          if (stored !== null) {
            list[slot(value, row, column)] = stored;
            return;
          }
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
          const place = shifted(s.place, column * slotsOf(memory));
          const copy = { ...s, memory, place, value: at(s.value, row, column), row };
          const keeps = s.memory.kind === "array" && isState(s.memory.array);
          if (keeps && memory.kind === "array" && element !== null) {
            const before = element.get(memory.array);
            if (before !== undefined) to.statements.splice(to.statements.indexOf(before), 1);
            element.set(memory.array, copy);
          }
          to.statements.push(copy);
        });
        return;
      case "scatter":
      case "append":
        each((row, column) => {
          const parts = s.parts.map(({ array, value }) => ({
            array: copies.of(array, row, column),
            value: at(value, row, column),
          }));
          to.statements.push(
            s.kind === "scatter" ? { ...s, parts, index: at(s.index, row, column) } : {
              ...s,
              parts,
              unless: at(s.unless, row, column),
              size: copies.of(s.size, row, column),
            },
          );
        });
        return;
      case "for":
        element = turn.length > 1 && isElementwise(s, isState) ? new Map() : null;
        to.statements.push({ ...s, body: arranged(copyRegion(s.body, rows, turn)) });
        element = null;
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
    to.statements.push({ kind: "when", test: s.test, mask, body: perRow, skipsNaN: false });
  };
  /** A new operation beside its last operand. */
  const operation = (
    name: Operation,
    args: readonly Value[],
    type: Type,
    to: Region,
    attribute = 0,
  ): Value => {
    const { row, column } = args[args.length - 1];
    const shape = { kind: "operation", operation: name, type, args, attribute } as const;
    const value = { ...shape, perRow: true, row, column, id: copies.nextId(), region: to };
    to.statements.push({ kind: "let", value });
    return value;
  };
  /** One mask of several: a test of it asks whether the test of any of them says yes. */
  const joined = (test: "any" | "notAll", masks: readonly Value[], to: Region): Value =>
    masks.reduce((a, b) => operation(test === "any" ? "maskOr" : "maskAnd", [a, b], "mask", to));
  const copyRegion = (
    from: Region,
    rows: readonly number[],
    turn: readonly number[],
  ): Region => {
    const to = region(from.kind);
    copyAll(from.statements, rows, turn, to);
    return to;
  };
  /**
   * Copies statements: what needs no state for all columns at once, each strand of the rest in
   * turn.
   */
  const copyAll = (
    all: readonly Statement[],
    rows: readonly number[],
    turn: readonly number[],
    to: Region,
  ): void => {
    if (!copies.hasShared) return copyOfRows(all, rows, turn, to);
    const { early: statements, strands: ofColumns } = splitByState(all, isShared);
    copyOfRows(statements, rows, turn, to);
    for (const strand of ofColumns) {
      for (const column of turn) {
        for (const row of rows) for (const s of strand) copyStatement(s, [row], [column], to);
      }
    }
  };
  const copyOfRows = (
    statements: readonly Statement[],
    rows: readonly number[],
    turn: readonly number[],
    to: Region,
  ): void => {
    if (turn.length === 1) {
      for (const s of statements) copyStatement(s, rows, turn, to);
      return;
    }
    const { early, strands } = splitByState(statements, isState);
    for (const s of early) copyStatement(s, rows, turn, to);
    for (const strand of strands) {
      const isLoop = strand.every((s) => s.kind !== "for" || isElementwise(s, isState)) &&
        hasLoops({ statements: strand }) && strand.length === 1;
      for (const columns of isLoop ? [turn] : turn.map((column) => [column])) {
        for (const s of strand) copyStatement(s, rows, columns, to);
      }
    }
  };
  const rows = replication.rows ?? Array.from({ length: copies.rows }, (_, row) => row);
  const turn = Array.from({ length: columns }, (_, column) => column);
  const isWhole = guards && columns > 1 && interleave >= copies.rows;
  const guarded = isWhole ? guardedParts(root, isState) : null;
  const to = region(root.kind);
  if (guarded !== null) {
    const copying = { isState, at, statement: copyStatement, all: copyAll, operation, joined };
    copyGuarded({ ...guarded, root, rows, turn, again, oneByOne }, copying, to);
    return to;
  }
  for (let start = 0; start < rows.length; start += interleave) {
    const batch = rows.slice(start, start + interleave);
    const isNew = (s: Statement): boolean => s.kind !== "let" || s.value.perRow;
    const { statements } = root;
    const fresh = start === 0 ? statements : statements.filter(isNew);
    for (const columns of inOrder ? turn.map((column) => [column]) : [turn]) {
      if (!rowByRow) copyAll(fresh, batch, columns, to);
      else {
        copyAll(statements.filter((s) => !isNew(s)), batch, columns, to);
        for (const row of batch) copyAll(statements.filter(isNew), [row], columns, to);
      }
    }
  }
  return to;
}
