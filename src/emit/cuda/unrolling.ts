// Which loops of a kernel function are unrolled: wholly where what they work on then fits into
// registers, a few turns where it stands in memory.
//
// Enters: the regions of a function. Leaves: the compiler's directives before their loops.

import {
  type Cell,
  type Counter,
  type LocalArray,
  type Memory,
  placesIn,
  type Region,
  visit,
} from "../../loop/mod.ts";
import { PARTLY_UNROLLED, REGISTER_ARRAY, unrolledStatements } from "../../tiling/mod.ts";

/** What a block of threads keeps of arrays that are too wide for one. */
export interface Slice {
  /** Components of the slice, and of the whole. */
  readonly length: number;
  readonly whole: number;
  /** Counters of the loops over components. */
  readonly counters: ReadonlySet<Counter>;
  readonly arrays: ReadonlySet<LocalArray>;
}

/**
 * Statements of a loop, all turns together, beyond which it stays one, and its arrays in memory.
 */
const LOOP_BUDGET = 1000;

/** Statements of a loop's turn, beyond which turns do not stand side by side. */
const TURN_BUDGET = 300;

/** The same where time does not count, as in the kernel that joins splits. */
const RARE_TURN_BUDGET = 20;
/** Elements that such kernels keep in registers are fewer. */
const RARE_REGISTERS = 16;

/** Turns of a rare loop up to which they stand side by side. */
const SHORT_LOOP = 8;

/** Whether a loop works on arrays, which may be registers. */
function meetsArrays(body: Region): boolean {
  let meets = false;
  visit(body, (s) => meets ||= placesIn(s).some((place) => "length" in place));
  return meets;
}

/** Whether memory is a packed column. */
export const isColumn = (memory: Memory): boolean =>
  memory.kind === "record" && memory.section === "column";

/** Whether a loop's counter picks anything but elements of slices and of packed columns. */
export function meetsOthers(body: Region, counter: Counter): boolean {
  let meets = false;
  visit(body, (s) => {
    if (s.kind !== "let") return;
    const { value } = s;
    if (value.kind === "counter" && value.counter === counter) meets = true;
    if (value.kind !== "load" || value.memory.kind === "array" || isColumn(value.memory)) return;
    if (value.place.terms.some((term) => term.counter === counter)) meets = true;
  });
  return meets;
}

const isRow = (memory: Memory): boolean => memory.kind === "record" && memory.section === "row";

/** Decides about the loops of one function. */
export class Unrolling {
  /** Elements of arrays up to which they are registers. */
  readonly longest: number;
  readonly #slice: Slice | null;
  /** Arrays that stand in memory: stored to at computed places, or by loops that stay loops. */
  readonly #indexed = new Set<Cell | LocalArray>();
  /** Whether rows' records stand in memory: filling them needs no unrolling then. */
  #hasRowsInMemory: boolean;
  /** Whether pairs are computed in patches: other loops over vectors are rare then. */
  readonly #isPatched: boolean;
  /** Turns that stand side by side of loops over arrays in memory. */
  turns: number = PARTLY_UNROLLED;

  constructor(slice: Slice | null, longest: number, isPatched = false) {
    this.#slice = slice;
    this.longest = longest;
    this.#hasRowsInMemory = this.#isPatched = isPatched;
  }

  /**
   * A loop over elements of registers, or one of so many turns side by side. Left to itself the
   * compiler unrolls longer ones too, and takes half a minute for arrays of 100 (NVRTC 13).
   */
  pragma(count: number, turns: number): string {
    return count <= this.longest ? "#pragma unroll" : `#pragma unroll ${turns}`;
  }

  /** What stands before a loop, not over components of a slice. */
  pragmaOf(count: number, body: Region): string {
    if (!this.#isIndexed(body)) {
      // a sixth of the compiler's time for 64 components
      const isRare = this.#isPatched && count > SHORT_LOOP && !meetsArrays(body);
      return isRare ? `#pragma unroll ${PARTLY_UNROLLED}` : this.pragma(count, this.turns);
    }
    return `#pragma unroll ${this.standsSideBySide(body) ? this.turns : 1}`;
  }

  /**
   * Whether some turns of a loop stand side by side: they load several elements of a vector at
   * once.
   */
  standsSideBySide(body: Region): boolean {
    const budget = this.longest < RARE_REGISTERS ? RARE_TURN_BUDGET : TURN_BUDGET;
    return this.#isIndexed(body) && unrolledStatements(body) <= budget &&
      !body.statements.some((s) => s.kind === "for" || s.kind === "when");
  }

  /** Looks at the regions of the function. */
  note(regions: readonly Region[]): void {
    for (const region of regions) this.#noteArrays(region);
    for (const region of regions) this.#noteRows(region);
  }

  /** Notes the arrays that no unrolling brings into registers. */
  #noteArrays(region: Region): void {
    visit(region, (s) => {
      for (const place of placesIn(s)) {
        const isWhole = !("length" in place && this.#slice?.arrays.has(place));
        const isLong = isWhole && "length" in place && place.length > this.longest;
        const isComputed = s.kind === "scatter" || s.kind === "append";
        if (isLong || isComputed) this.#indexed.add(place);
      }
      if (s.kind !== "for") return;
      const count = this.#slice?.counters.has(s.counter) ? this.#slice.length : s.count;
      if (count * unrolledStatements(s.body) > LOOP_BUDGET) {
        visit(s.body, (inner) => placesIn(inner).forEach((place) => this.#indexed.add(place)));
      }
    });
  }

  /** Notes whether a loop that stays one reads the rows' records. */
  #noteRows(region: Region): void {
    visit(region, (s) => {
      if (s.kind !== "for" || this.#slice?.counters.has(s.counter)) return;
      if (!this.#isIndexed(s.body)) return;
      visit(s.body, (inner) => {
        if (inner.kind !== "let" || inner.value.kind !== "load") return;
        const { memory, place } = inner.value;
        if (!isRow(memory) || !place.terms.some((t) => t.counter === s.counter)) return;
        this.#hasRowsInMemory = true;
      });
    });
  }

  /** Whether a loop works on arrays in memory, or holds a loop of many turns. */
  #isIndexed(body: Region): boolean {
    let isIndexed = false;
    visit(body, (s) => {
      if (s.kind === "for" && s.count * PARTLY_UNROLLED > REGISTER_ARRAY) isIndexed = true;
      if (placesIn(s).some((place) => this.#indexed.has(place))) isIndexed = true;
      if (this.#hasRowsInMemory && s.kind === "store" && isRow(s.memory)) isIndexed = true;
    });
    return isIndexed;
  }
}
