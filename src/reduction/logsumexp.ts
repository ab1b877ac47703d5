// log Σ exp F, in powers of two: lowering multiplies F by log₂e (a uniform scale of F takes it up),
// so that a term relative to the shift m is one fused operation, z = F log₂e − m, and one 2^z. The
// shift follows the largest F so far, but only when z exceeds LIMIT: one row in thousands takes the
// branch that rescales.

import { build } from "../formula/mod.ts";
import type { Builder, MathFunctions, Value } from "../loop/mod.ts";
import {
  type EachComponent,
  eachComponent,
  type Emit,
  Field,
  type Folding,
  type FoldOptions,
  LARGEST,
  perComponent,
  type Reduction,
  sameKind,
} from "./reduction.ts";
import { Totals } from "./sum.ts";

/** 2^58 = 2.9e17: 1e20 such terms fit into float32. */
const LIMIT = 58;

/** Where 2^z is +∞. */
const OVERFLOW = { f32: 128, f64: 1024 } as const;

/** ln 2 in two parts, the first with so few bits that small multiples of it are exact. */
const LN2 = {
  f32: [0.693145751953125, 1.428606765330187e-6],
  f64: [0.6931471805598903, 5.497923018708371e-14],
} as const;

class LogSumExpFolding implements Folding {
  readonly #math: MathFunctions;
  /** −m: what is added to F log₂e. */
  readonly #shift: Field;
  readonly #totals: Totals;
  readonly close: ((b: Builder) => void) | null;

  constructor(b: Builder, dim: number, options: FoldOptions, math: MathFunctions) {
    this.#math = math;
    this.#shift = new Field(b, "shift", dim, b.float);
    this.#totals = new Totals(b, dim, options);
    this.close = this.#totals.hasBlocks ? (b) => this.#totals.close(b) : null;
  }
  get fields(): readonly Field[] {
    return [this.#shift, ...this.#totals.fields];
  }
  init(b: Builder): void {
    this.#shift.fill(b, () => b.constant(LARGEST[b.float]));
    this.#totals.init(b);
  }
  accumulate(b: Builder, each: EachComponent): void {
    each((at, value) => {
      const exponent = b.cell("exponent");
      const z = b.add(this.#shift.get(b, at), value);
      b.set(exponent, z);
      const exceeds = b.lt(b.constant(LIMIT), z);
      b.when("any", exceeds, () => {
        const shift = this.#shift.get(b, at);
        const own = b.pmax(b.neg(value), b.constant(-LARGEST[b.float])); // F may be +∞
        const next = b.select(exceeds, own, shift);
        this.#totals.scale(b, at, this.#math.exp2(b, b.subExactly(next, shift)));
        this.#shift.set(b, at, next);
        const above = b.pmin(b.addExactly(own, value), b.constant(OVERFLOW[b.float]));
        b.set(exponent, b.select(exceeds, above, z)); // 0; not fused, which would leave the rounding
      });
      this.#totals.add(b, at, this.#math.exp2(b, b.get(exponent)));
    });
  }
  combine(b: Builder, incoming: Folding): void {
    const later = sameKind(LogSumExpFolding, incoming);
    eachComponent(b, this.#shift.dim, (at) => {
      const mine = this.#shift.get(b, at);
      const other = later.#shift.get(b, at);
      const next = b.pmin(mine, other);
      const factor = (shift: Value): Value => this.#math.exp2(b, b.subExactly(next, shift));
      this.#totals.scale(b, at, factor(mine));
      later.#totals.scale(b, at, factor(other));
      this.#shift.set(b, at, next);
    });
    this.#totals.combine(b, later.#totals);
  }
  finish(b: Builder, emit: Emit): void {
    const [high, low] = LN2[b.float];
    eachComponent(b, this.#shift.dim, (at) => {
      const shift = this.#shift.get(b, at);
      const log = this.#math.log(b, this.#totals.get(b, at));
      const rest = b.nmadd(shift, b.constant(low), log);
      emit(0, at, b.nmadd(shift, b.constant(high), rest));
    });
  }
}

export const logSumExp: Reduction = {
  ...perComponent,
  meaning: "log Σ exp F; −∞ over nothing",
  scale: Math.LOG2E,
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
