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
    if (s.kind === "scatter") mark(s.index);
    if (s.kind === "append") mark(s.unless);
    if (s.kind === "scatter" || s.kind === "append") s.parts.forEach((p) => mark(p.value));
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
  { interleave = copies.rows, columns = 1, columnSlots = 0 }: Replication = {},
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
    const mask = rows.map((row) => at(s.mask, row, column)).reduce((a, b) => {
      const value: Value = {
        kind: "operation",
        operation: s.test === "any" ? "maskOr" : "maskAnd",
        type: "mask",
        args: [a, b],
        attribute: 0,
        perRow: true,
        row: 0,
        column,
        id: copies.nextId(),
        region: to,
      };
      to.statements.push({ kind: "let", value });
      return value;
    });
    to.statements.push({ kind: "when", test: s.test, mask, body: perRow });
  };
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
    case "scatter":
    case "append":
      return s.parts.some(({ array }) => copies.isState(array));
    case "for":
    case "when":
      return s.kind === "when" || s.body.statements.some((inner) => touchesState(inner, copies));
  }
  s satisfies never;
  return true;
}
