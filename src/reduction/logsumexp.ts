// log Σ exp F. The sum is kept relative to a shift m that follows the largest F so far, but only
// when F exceeds m by SLACK: then one row in thousands takes the branch that rescales, and the
// inner loop needs a single exponential.

import { build } from "../formula/mod.ts";
import type { Builder, MathFunctions, Value } from "../loop/mod.ts";
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
import { Totals } from "./sum.ts";

/** e^40 = 2.4e17: 1e20 such terms fit into float32. */
const SLACK = 40;

/** The shift before any term, and the shift of +∞: differences with them stay numbers. */
const LARGEST = { f32: 3.4028234663852886e38, f64: Number.MAX_VALUE } as const;

class LogSumExpFolding implements Folding {
  readonly #math: MathFunctions;
  readonly #shift: Field;
  readonly #limit: Field;
  readonly #totals: Totals;
  readonly close: ((b: Builder) => void) | null;

  constructor(b: Builder, dim: number, options: FoldOptions, math: MathFunctions) {
    this.#math = math;
    this.#shift = new Field(b, "shift", dim, b.float);
    this.#limit = new Field(b, "limit", dim, b.float);
    this.#totals = new Totals(b, dim, options);
    this.close = this.#totals.hasBlocks ? (b) => this.#totals.close(b) : null;
  }
  get fields(): readonly Field[] {
    return [this.#shift, this.#limit, ...this.#totals.fields];
  }
  init(b: Builder): void {
    this.#shift.fill(b, () => b.constant(-LARGEST[b.float]));
    this.#limit.fill(b, () => b.constant(-LARGEST[b.float]));
    this.#totals.init(b);
  }
  accumulate(b: Builder, each: EachComponent): void {
    each((at, value) => {
      const exceeds = b.lt(this.#limit.get(b, at), value);
      b.when("any", exceeds, () => {
        const shift = this.#shift.get(b, at);
        const finite = b.pmin(value, b.constant(LARGEST[b.float]));
        const next = b.select(exceeds, finite, shift);
        this.#totals.scale(b, at, this.#math.exp(b, b.sub(shift, next)));
        this.#shift.set(b, at, next);
        this.#limit.set(b, at, b.add(next, b.constant(SLACK)));
      });
      const shifted = b.sub(value, this.#shift.get(b, at));
      this.#totals.add(b, at, this.#math.exp(b, shifted));
    });
  }
  combine(b: Builder, incoming: Folding): void {
    const later = sameKind(LogSumExpFolding, incoming);
    eachComponent(b, this.#shift.dim, (at) => {
      const mine = this.#shift.get(b, at);
      const other = later.#shift.get(b, at);
      const next = b.pmax(mine, other);
      const factor = (shift: Value): Value => this.#math.exp(b, b.sub(shift, next));
      this.#totals.scale(b, at, factor(mine));
      later.#totals.scale(b, at, factor(other));
      this.#shift.set(b, at, next);
      this.#limit.set(b, at, b.add(next, b.constant(SLACK)));
    });
    this.#totals.combine(b, later.#totals);
  }
  finish(b: Builder, emit: Emit): void {
    eachComponent(b, this.#shift.dim, (at) => {
      emit(0, at, b.add(this.#shift.get(b, at), this.#math.log(b, this.#totals.get(b, at))));
    });
  }
}

export const logSumExp: Reduction = {
  ...perComponent,
  meaning: "log Σ exp F; −∞ over nothing",
  outputs: ["float"],
  fold: (b, dim, options, math) => new LogSumExpFolding(b, dim, options, math),
  // ∂ log Σ exp F / ∂F_j = exp(F_j − result)
  derivatives: {
    vjp: ({ cotangent, formula, result }) => ({
      formula: build.mul(cotangent, build.exp(build.sub(formula, result("logSumExp")))),
      weight: null,
    }),
    jvp: ({ tangent, formula, result }) =>
      build.mul(build.exp(build.sub(formula, result("logSumExp"))), tangent),
  },
};
