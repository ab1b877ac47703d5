// Copies: cells and arrays for the rows of a group and the columns of a turn; statements in which
// elements of arrays become cells.

import type { Cell, LocalArray, Place, Statement, Value } from "./ir.ts";
import type { StateItem } from "./kernel.ts";

/** Gives each row its own cells and arrays; shared by all the regions of one kernel. */
export class RowCopies {
  readonly #copies = new Map<Cell | LocalArray, (Cell | LocalArray)[]>();
  readonly rows: number;
  /** What a row remembers between columns: the columns of a turn share it. */
  readonly #state: Set<Cell | LocalArray>;
  /** Cells of a column: every so many rows have one. */
  readonly #shared: ReadonlyMap<Cell | LocalArray, number>;
  /** One row, and one column at a time: there is nothing to copy. */
  readonly isSingle: boolean;
  #nextId = 0;

  constructor(
    rows: number,
    state: readonly StateItem[] = [],
    shared: ReadonlyMap<Cell | LocalArray, number> = new Map(),
    isSingle = false,
  ) {
    this.rows = rows;
    this.isSingle = isSingle;
    this.#state = new Set(state.map((item) => item.kind === "cell" ? item.cell : item.array));
    this.#shared = shared;
  }

  /** Counts a cell as state. */
  remember(cell: Cell): void {
    this.#state.add(cell);
  }

  nextId(): number {
    return this.#nextId++;
  }

  isState(place: Cell | LocalArray): boolean {
    return this.#state.has(place);
  }

  /** Whether rows share anything. */
  get hasShared(): boolean {
    return this.#shared.size > 0;
  }

  /** Whether rows share a place. */
  isShared(place: Cell | LocalArray): boolean {
    return this.#shared.has(place);
  }

  of<T extends Cell | LocalArray>(original: T, row: number, column = 0): T {
    if (this.isSingle) return original;
    const copies = this.#copies.get(original) ?? [];
    this.#copies.set(original, copies);
    const own = row % (this.#shared.get(original) ?? this.rows);
    const index = own + (this.isState(original) ? 0 : column * this.rows);
    if (copies[index] === undefined) {
      const name = this.rows === 1 ? original.name : `${original.name}.${index}`;
      copies[index] = { ...original, id: this.nextId(), name };
    }
    return copies[index] as T;
  }
}

/** Copies statements; elements of arrays that have a cell become gets and sets of it. */
export function copyOf(
  statements: readonly Statement[],
  made: ReadonlyMap<Value, Value>,
  placeOf: (place: Place) => Place,
  cellOf: (array: LocalArray) => Cell | null,
): Statement[] {
  const own = new Map<Value, Value>();
  const use = (value: Value): Value => own.get(value) ?? made.get(value) ?? value;
  const valueOf = (value: Value): Value => {
    const { id, type, region, perRow, row, column } = value;
    switch (value.kind) {
      case "operation":
        return { ...value, args: value.args.map(use) };
      case "load": {
        const cell = value.memory.kind === "array" ? cellOf(value.memory.array) : null;
        if (cell !== null) return { kind: "get", cell, id, type, region, perRow, row, column };
        return { ...value, place: placeOf(value.place) };
      }
      default:
        return { ...value };
    }
  };
  return statements.map((s): Statement => {
    switch (s.kind) {
      case "let": {
        const value = valueOf(s.value);
        own.set(s.value, value);
        return { kind: "let", value };
      }
      case "store": {
        const cell = s.memory.kind === "array" ? cellOf(s.memory.array) : null;
        if (cell !== null) return { kind: "set", cell, value: use(s.value) };
        return { ...s, place: placeOf(s.place), value: use(s.value) };
      }
      case "set":
        return { ...s, value: use(s.value) };
      default:
        return s;
    }
  });
}
