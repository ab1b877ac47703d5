// Sums and means. Blocks of 64 columns are added up plainly, block totals with compensation (Kahan,
// 1965), so that the error does not grow with the number of columns.

import { build } from "../formula/mod.ts";
import type { Builder, Place, Type, Value } from "../loop/mod.ts";
import {
  type EachComponent,
  eachComponent,
  type Emit,
  Field,
  type Folding,
  type FoldOptions,
  perComponent,
  type Reduction,
  sameKind,
} from "./reduction.ts";

/** Running totals of floats, component by component. */
export class Totals {
  readonly fields: readonly Field[];
  /** What columns are added to. */
  readonly #open: Field;
  readonly #total: Field;
  readonly #rest: Field | null;

  constructor(b: Builder, dim: number, options: FoldOptions, name = "total") {
    const wide: Type = options.accumulator;
    this.#total = new Field(b, name, dim, wide);
    this.#open = options.sumScheme === "direct" ? this.#total : new Field(b, "block", dim, b.float);
    // float64 totals of float32 blocks need no compensation
    const compensated = options.sumScheme === "compensated" && wide === b.float;
    this.#rest = compensated ? new Field(b, "rest", dim, b.float) : null;
    this.fields = [
      this.#total,
      ...(this.#open === this.#total ? [] : [this.#open]),
      ...(this.#rest === null ? [] : [this.#rest]),
    ];
  }

  get dim(): number {
    return this.#total.dim;
  }

  get hasBlocks(): boolean {
    return this.#open !== this.#total;
  }

  /** What terms are added to before they reach the totals. */
  get open(): Field | null {
    return this.hasBlocks ? this.#open : null;
  }

  init(b: Builder): void {
    for (const field of this.fields) {
      field.fill(b, () => b.constant(0, field.type));
    }
  }

  add(b: Builder, at: Place, value: Value): void {
    const before = this.#open.get(b, at);
    const term = this.#open.type === b.float ? value : b.promote(value);
    this.#open.set(b, at, b.add(before, term));
  }

  /** Adds a · b (fused with the addition where the target can). */
  addProduct(b: Builder, at: Place, x: Value, y: Value): void {
    this.add(b, at, b.mul(x, y));
  }

  /** Multiplies everything gathered so far. */
  scale(b: Builder, at: Place, factor: Value): void {
    for (const field of this.fields) {
      const fits = field.type === b.float ? factor : b.promote(factor);
      field.set(b, at, b.mul(field.get(b, at), fits));
    }
  }

  close(b: Builder): void {
    eachComponent(b, this.#total.dim, (at) => {
      this.#addTotal(b, at, this.#open.get(b, at));
      this.#open.set(b, at, b.constant(0));
    });
  }

  #addTotal(b: Builder, at: Place, term: Value): void {
    const total = this.#total.get(b, at);
    if (this.#rest === null) {
      const fits = this.#total.type === b.float ? term : b.promote(term);
      this.#total.set(b, at, b.addExactly(total, fits));
      return;
    }
    // Kahan: rest is what the last total rounded away; an infinite total has none
    const y = b.subExactly(term, this.#rest.get(b, at));
    const t = b.addExactly(total, y);
    const rest = b.subExactly(b.subExactly(t, total), y);
    const finite = b.lt(b.abs(rest), b.constant(Infinity));
    this.#rest.set(b, at, b.select(finite, rest, b.constant(0)));
    this.#total.set(b, at, t);
  }

  /** Adds the totals of later columns; both sides' blocks are closed. */
  combine(b: Builder, incoming: Totals): void {
    eachComponent(b, this.#total.dim, (at) => {
      const term = incoming.#total.get(b, at);
      if (this.#total.type !== b.float) {
        this.#total.set(b, at, b.addExactly(this.#total.get(b, at), term));
        return;
      }
      this.#addTotal(b, at, term);
      if (incoming.#rest !== null) this.#addTotal(b, at, b.neg(incoming.#rest.get(b, at)));
    });
  }

  get(b: Builder, at: Place): Value {
    const total = this.#total.get(b, at);
    return this.#total.type === b.float ? total : b.demote(total);
  }
}

class SumFolding implements Folding {
  readonly #dim: number;
  readonly #totals: Totals;
  readonly #isMean: boolean;
  readonly close: ((b: Builder) => void) | null;

  constructor(b: Builder, dim: number, options: FoldOptions, isMean: boolean) {
    this.#dim = dim;
    this.#totals = new Totals(b, dim, options);
    this.#isMean = isMean;
    this.close = this.#totals.hasBlocks ? (b) => this.#totals.close(b) : null;
  }
  get fields(): readonly Field[] {
    return this.#totals.fields;
  }
  get open(): Field | null {
    return this.#totals.open;
  }
  init(b: Builder): void {
    this.#totals.init(b);
  }
  accumulate(b: Builder, each: EachComponent): void {
    each((at, value) => this.#totals.add(b, at, value));
  }
  combine(b: Builder, incoming: Folding): void {
    this.#totals.combine(b, sameKind(SumFolding, incoming).#totals);
  }
  finish(b: Builder, emit: Emit): void {
    const count = b.convert(b.count());
    eachComponent(b, this.#dim, (at) => {
      const total = this.#totals.get(b, at);
      emit(0, at, this.#isMean ? b.div(total, count) : total);
    });
  }
}

export const sum: Reduction = {
  ...perComponent,
  meaning: "Σ F; 0 over nothing",
  outputs: ["float"],
  linear: true,
  fold: (b, dim, options) => new SumFolding(b, dim, options, false),
  derivatives: {
    vjp: ({ cotangent }) => ({ formula: cotangent, weight: null }),
    jvp: ({ tangent }) => tangent,
  },
};

export const mean: Reduction = {
  ...perComponent,
  meaning: "Σ F / number of columns; NaN over nothing",
  outputs: ["float"],
  linear: true,
  fold: (b, dim, options) => new SumFolding(b, dim, options, true),
  derivatives: {
    vjp: ({ cotangent, count }) => ({ formula: build.div(cotangent, count), weight: null }),
    jvp: ({ tangent, count }) => build.div(tangent, count),
  },
};
