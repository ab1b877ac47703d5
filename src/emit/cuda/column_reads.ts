// The columns' records as one function of a kernel reads them: in variables that hold vectors of
// them, where they were loaded, else in memory.

import type { Kernel, Place, Region } from "../../loop/mod.ts";
import type { Lines } from "../c/lines.ts";
import { isFixed } from "../c/statements.ts";
import { type Surroundings, vectorOf } from "./surroundings.ts";
import { isColumn } from "./unrolling.ts";

const COMPONENTS = ["x", "y", "z", "w"] as const;

/** The records of the columns of a turn. */
export class ColumnReads {
  readonly #kernel: Kernel;
  readonly #around: Surroundings;
  /** Vectors of the record that stand in variables, and numbers of one. */
  readonly #loaded = new Map<number, string>();
  #width = 1;

  constructor(kernel: Kernel, around: Surroundings) {
    this.#kernel = kernel;
    this.#around = around;
  }

  /** Where a slot stands in memory; slots of a turn's later columns follow. */
  placeOf(place: Place): Place {
    const slots = this.#kernel.records.column.length;
    const column = Math.floor(place.offset / slots);
    const offset = this.#around.columnPlace(place.offset - column * slots);
    return { ...place, offset: offset + column * this.#around.staged };
  }

  /** Loads what a region reads at fixed places, of one column or of so many. */
  load(lines: Lines, pair: Region, columns: number): void {
    const { type, width } = vectorOf(this.#kernel, this.#around.staged * columns);
    this.#width = width;
    this.#loaded.clear();
    const wanted = new Set<number>();
    for (const s of pair.statements) {
      if (s.kind !== "let" || s.value.kind !== "load" || !isColumn(s.value.memory)) continue;
      if (!isFixed(s.value.place)) continue;
      wanted.add(Math.floor(this.placeOf(s.value.place).offset / width));
    }
    for (const vector of [...wanted].sort((a, b) => a - b)) {
      const name = `y${vector}`;
      lines.add(`const ${type} ${name} = ((const ${type}*)${this.#around.column})[${vector}];`);
      this.#loaded.set(vector, name);
    }
  }

  /** Forgets the variables, at the end of their scope. */
  leave(): void {
    this.#loaded.clear();
  }

  /** The variable's component at a place; null where none holds it. */
  variable(place: Place): string | null {
    if (!isFixed(place)) return null;
    const { offset } = this.placeOf(place);
    const vector = this.#loaded.get(Math.floor(offset / this.#width));
    if (vector === undefined) return null;
    return this.#width === 1 ? vector : `${vector}.${COMPONENTS[offset % this.#width]}`;
  }
}
