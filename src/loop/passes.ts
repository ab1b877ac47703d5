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
  #nextId = 0;

  constructor(rows: number) {
    this.rows = rows;
  }

  nextId(): number {
    return this.#nextId++;
  }

  of<T extends Cell | LocalArray>(original: T, row: number): T {
    let copies = this.#copies.get(original);
    if (copies === undefined) {
      copies = Array.from({ length: this.rows }, (_, r) => ({
        ...original,
        id: this.nextId(),
        name: this.rows === 1 ? original.name : `${original.name}.${r}`,
      }));
      this.#copies.set(original, copies);
    }
    return copies[row] as T;
  }
}

/**
 * Copies what differs between rows once per row; what all rows share stays single. Rows are taken
 * `interleave` at a time, operation by operation across them, so that independent work stands side
 * by side while what is alive still fits into registers. A copy's `row` tells which row of the group
 * it belongs to.
 */
export function replicate(
  root: Region,
  copies: RowCopies,
  interleave: number = copies.rows,
): Region {
  const made = new Map<Value, Value[]>();
  const at = (value: Value, row: number): Value => {
    const copy = made.get(value)?.[value.perRow ? row : 0];
    if (copy === undefined) throw new TypeError(`value ${value.id} is used before its definition`);
    return copy;
  };
  const memoryOf = (memory: Memory, row: number): Memory =>
    memory.kind === "array" ? { kind: "array", array: copies.of(memory.array, row) } : memory;
  const copyValue = (value: Value, row: number, home: Region): Value => {
    const base = { ...value, id: copies.nextId(), region: home, row };
    switch (base.kind) {
      case "get":
        return { ...base, cell: copies.of(base.cell, row) };
      case "load":
        return { ...base, memory: memoryOf(base.memory, row) };
      case "operation":
        return { ...base, args: base.args.map((a) => at(a, row)) };
      default:
        return base;
    }
  };
  const copyStatement = (s: Statement, rows: readonly number[], to: Region): void => {
    switch (s.kind) {
      case "let": {
        const list = made.get(s.value) ?? [];
        made.set(s.value, list);
        for (const row of s.value.perRow ? rows : [0]) {
          list[row] = copyValue(s.value, row, to);
          to.statements.push({ kind: "let", value: list[row] });
        }
        return;
      }
      case "set":
        for (const row of rows) {
          to.statements.push({ ...s, cell: copies.of(s.cell, row), value: at(s.value, row) });
        }
        return;
      case "store":
        for (const row of rows) {
          const value = at(s.value, row);
          to.statements.push({ ...s, memory: memoryOf(s.memory, row), value, row });
        }
        return;
      case "for":
        to.statements.push({ ...s, body: copyRegion(s.body, rows) });
        return;
      case "when": {
        // one test for all rows, then one per row, whose body is rare
        const perRow = region("when");
        for (const row of rows) {
          const body = copyRegion(s.body, [row]);
          perRow.statements.push({ ...s, mask: at(s.mask, row), body });
        }
        if (rows.length === 1) {
          to.statements.push(...perRow.statements);
          return;
        }
        const mask = rows.map((row) => at(s.mask, row)).reduce((a, b) => {
          const value: Value = {
            kind: "operation",
            operation: s.test === "any" ? "maskOr" : "maskAnd",
            type: "mask",
            args: [a, b],
            attribute: 0,
            perRow: true,
            row: 0,
            id: copies.nextId(),
            region: to,
          };
          to.statements.push({ kind: "let", value });
          return value;
        });
        to.statements.push({ kind: "when", test: s.test, mask, body: perRow });
        return;
      }
    }
    s satisfies never;
  };
  const copyRegion = (from: Region, rows: readonly number[]): Region => {
    const to = region(from.kind);
    for (const s of from.statements) copyStatement(s, rows, to);
    return to;
  };
  const rows = Array.from({ length: copies.rows }, (_, row) => row);
  const to = region(root.kind);
  for (let start = 0; start < copies.rows; start += interleave) {
    const batch = rows.slice(start, start + interleave);
    for (const s of root.statements) {
      const isShared = s.kind === "let" && !s.value.perRow;
      if (start === 0 || !isShared) copyStatement(s, batch, to);
    }
  }
  return to;
}
