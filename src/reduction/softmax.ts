// Sums of exp(F) times a weight, for a scalar F: the weighted logSumExp, the softmax-weighted mean,
// and the pair (m, s) of the largest F and Σ exp(F − m) w.
//
// The sums are kept relative to a shift that follows the largest F so far, but only when F exceeds
// it by SLACK, as in logsumexp.ts. They are what arithmetic of unbounded range would give, except
// that an infinite weight beside a term that underflows gives NaN (0 · ∞).

import { build, type Node } from "../formula/mod.ts";
import { type Builder, type MathFunctions, place, shifted, type Value } from "../loop/mod.ts";
import {
  type DerivativeContext,
  type Derivatives,
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

/** e^40 = 2.4e17: 1e20 such terms fit into float32. */
const SLACK = 40;

/** What becomes of Σ exp(F) w: its logarithm, its ratio to Σ exp F, or the pair (m, s). */
type Result = "logarithm" | "mean" | "pair";

const ONLY = place(0);

class SoftmaxFolding implements Folding {
  readonly #math: MathFunctions;
  readonly #result: Result;
  readonly #weightDim: number;
  readonly #shift: Field;
  readonly #limit: Field;
  /** The largest F itself, where it is asked for. */
  readonly #largest: Field | null;
  /** Σ exp(F − shift) w. */
  readonly #sums: Totals;
  /** Σ exp(F − shift), where it is asked for. */
  readonly #mass: Totals | null;
  readonly close: ((b: Builder) => void) | null;

  constructor(
    b: Builder,
    weightDim: number,
    options: FoldOptions,
    math: MathFunctions,
    result: Result,
  ) {
    this.#math = math;
    this.#result = result;
    this.#weightDim = weightDim;
    this.#shift = new Field(b, "shift", 1, b.float);
    this.#limit = new Field(b, "limit", 1, b.float);
    this.#largest = result === "pair" ? new Field(b, "largest", 1, b.float) : null;
    this.#sums = new Totals(b, Math.max(1, weightDim), options);
    this.#mass = result === "mean" ? new Totals(b, 1, options, "mass") : null;
    this.close = this.#sums.hasBlocks ? (b) => this.#totals.forEach((t) => t.close(b)) : null;
  }

  get #totals(): readonly Totals[] {
    return this.#mass === null ? [this.#sums] : [this.#sums, this.#mass];
  }
  get fields(): readonly Field[] {
    const largest = this.#largest === null ? [] : [this.#largest];
    return [this.#shift, this.#limit, ...largest, ...this.#totals.flatMap((t) => [...t.fields])];
  }
  init(b: Builder): void {
    this.#shift.set(b, ONLY, b.constant(-LARGEST[b.float]));
    this.#limit.set(b, ONLY, b.constant(-LARGEST[b.float]));
    this.#largest?.set(b, ONLY, b.constant(-Infinity));
    for (const totals of this.#totals) totals.init(b);
  }

  #scale(b: Builder, factor: Value): void {
    for (const totals of this.#totals) {
      eachComponent(b, totals.dim, (at) => totals.scale(b, at, factor));
    }
  }

  #setShift(b: Builder, shift: Value): void {
    this.#shift.set(b, ONLY, shift);
    this.#limit.set(b, ONLY, b.add(shift, b.constant(SLACK)));
  }

  accumulate(b: Builder, each: EachComponent, weights: EachComponent): void {
    each((_at, value) => {
      const exceeds = b.lt(this.#limit.get(b, ONLY), value);
      b.when("any", exceeds, () => {
        const shift = this.#shift.get(b, ONLY);
        const finite = b.pmin(value, b.constant(LARGEST[b.float]));
        const next = b.select(exceeds, finite, shift);
        this.#scale(b, this.#math.exp(b, b.sub(shift, next)));
        this.#setShift(b, next);
      });
      const term = this.#math.exp(b, b.sub(value, this.#shift.get(b, ONLY)));
      const largest = this.#largest;
      largest?.set(b, ONLY, b.pmax(largest.get(b, ONLY), value));
      this.#mass?.add(b, ONLY, term);
      if (this.#weightDim === 0) this.#sums.add(b, ONLY, term);
      else weights((at, weight) => this.#sums.addProduct(b, at, term, weight));
    });
  }
  combine(b: Builder, incoming: Folding): void {
    const later = sameKind(SoftmaxFolding, incoming);
    const mine = this.#shift.get(b, ONLY);
    const other = later.#shift.get(b, ONLY);
    const next = b.pmax(mine, other);
    this.#scale(b, this.#math.exp(b, b.sub(mine, next)));
    later.#scale(b, this.#math.exp(b, b.sub(other, next)));
    this.#setShift(b, next);
    this.#totals.forEach((totals, k) => totals.combine(b, later.#totals[k]));
    if (this.#largest !== null && later.#largest !== null) {
      const largest = b.pmax(this.#largest.get(b, ONLY), later.#largest.get(b, ONLY));
      this.#largest.set(b, ONLY, largest);
    }
  }

  finish(b: Builder, emit: Emit): void {
    const shift = this.#shift.get(b, ONLY);
    const math = this.#math;
    if (this.#largest !== null) {
      const largest = this.#largest.get(b, ONLY);
      // over nothing and over −∞ alone the sums are 0 (or NaN) whatever the shift
      const isNone = b.eq(largest, b.constant(-Infinity));
      const none = b.constant(1);
      const factor = b.select(isNone, none, math.exp(b, b.sub(shift, largest)));
      emit(0, ONLY, largest);
      eachComponent(b, this.#sums.dim, (at) => {
        const after = shifted(at, 1);
        emit(0, after, b.mul(this.#sums.get(b, at), factor));
      });
      return;
    }
    eachComponent(b, this.#sums.dim, (at) => {
      const sum = this.#sums.get(b, at);
      if (this.#mass === null) emit(0, at, b.add(shift, math.log(b, sum)));
      else emit(0, at, b.div(sum, this.#mass.get(b, ONLY)));
    });
  }
}

/** exp(F − m) for a result m. */
const relative = (formula: Node, m: Node): Node => build.exp(build.sub(formula, m));

/** L_k = log Σ_j e^F w_k: dL_k = Σ_j e^(F − L_k) (w_k dF + dw_k). */
const logarithmDerivatives: Derivatives = {
  vjp: ({ formula, weight, cotangent, result }) => {
    const share = build.mul(cotangent, relative(formula, result("logSumExpWeight")));
    return { formula: build.dot(share, weight), weight: share };
  },
  jvp: ({ formula, weight, tangent, weightTangent, result }) =>
    build.mul(
      relative(formula, result("logSumExpWeight")),
      build.add(build.mul(tangent, weight), weightTangent),
    ),
};

/** R = Σ_j p w with p = e^(F − log Σ e^F): dR = Σ_j p (dw + (w − R) dF). */
const meanDerivatives: Derivatives = {
  vjp: ({ formula, weight, cotangent, result }) => {
    const p = relative(formula, result("logSumExp"));
    const distance = build.sub(weight, result("sumSoftMaxWeight"));
    return {
      formula: build.mul(p, build.dot(cotangent, distance)),
      weight: build.mul(p, cotangent),
    };
  },
  jvp: ({ formula, weight, tangent, weightTangent, result }) => {
    const p = relative(formula, result("logSumExp"));
    const distance = build.sub(weight, result("sumSoftMaxWeight"));
    return build.mul(p, build.add(weightTangent, build.mul(tangent, distance)));
  },
};

/**
 * m = F_w at the winner w, s = Σ_j e^(F − m) g: dm = dF_w, ds = Σ_j e^(F − m) (dg + g dF) − s dm.
 * (KeOps' rule holds only for what does not change when m does, as logSumExp.)
 */
function pairDerivatives(isWeighted: boolean): Derivatives {
  const name = isWeighted ? "maxSumShiftExpWeight" : "maxSumShiftExp";
  const parts = (context: DerivativeContext): { m: Node; s: Node; isWinner: Node; g: Node } => {
    const pair = context.result(name);
    return {
      m: build.extract(pair, 0, 1),
      s: build.extract(pair, 1, pair.dim - 1),
      isWinner: build.eq(context.foldedIndex, context.result("argMax")),
      g: isWeighted ? context.weight : build.constant(1),
    };
  };
  const zero = build.constant(0);
  return {
    vjp: (context) => {
      const { m, s, isWinner, g } = parts(context);
      const ofM = build.extract(context.cotangent, 0, 1);
      const ofS = build.extract(context.cotangent, 1, s.dim);
      const term = build.mul(relative(context.formula, m), ofS);
      const ofWinner = build.where(isWinner, build.sub(ofM, build.dot(ofS, s)), zero);
      return {
        formula: build.add(ofWinner, build.dot(term, g)),
        weight: isWeighted ? term : null,
      };
    },
    jvp: (context) => {
      const { m, s, isWinner, g } = parts(context);
      const ofM = build.where(isWinner, context.tangent, zero);
      const product = build.mul(context.tangent, g);
      const inner = isWeighted ? build.add(context.weightTangent, product) : product;
      const ofS = build.sub(
        build.mul(relative(context.formula, m), inner),
        build.mul(s, ofM),
      );
      return build.concat(ofM, ofS);
    },
  };
}

const weighted = { ...perComponent, takes: "scalar and weight", outputs: ["float"] } as const;

export const logSumExpWeight: Reduction = {
  ...weighted,
  meaning: "log Σ exp(F) w, per component of the weight w; NaN where the sum is negative; " +
    "−∞ over nothing",
  outputDim: (_dim, weightDim) => weightDim,
  fold: (b, _dim, options, math, weightDim) =>
    new SoftmaxFolding(b, weightDim, options, math, "logarithm"),
  derivatives: logarithmDerivatives,
};

export const sumSoftMaxWeight: Reduction = {
  ...weighted,
  meaning: "Σ exp(F) w / Σ exp F: the weight's mean under softmax; NaN over nothing",
  outputDim: (_dim, weightDim) => weightDim,
  fold: (b, _dim, options, math, weightDim) =>
    new SoftmaxFolding(b, weightDim, options, math, "mean"),
  derivatives: meanDerivatives,
};

export const maxSumShiftExp: Reduction = {
  ...weighted,
  takes: "scalar",
  meaning: "m = max F and s = Σ exp(F − m), side by side; NaN never is m; −∞ and 0 over nothing",
  outputDim: () => 2,
  fold: (b, _dim, options, math) => new SoftmaxFolding(b, 0, options, math, "pair"),
  derivatives: pairDerivatives(false),
};

export const maxSumShiftExpWeight: Reduction = {
  ...weighted,
  meaning: "m = max F and s = Σ exp(F − m) w, side by side; NaN never is m; −∞ and 0 over nothing",
  outputDim: (_dim, weightDim) => 1 + weightDim,
  fold: (b, _dim, options, math, weightDim) =>
    new SoftmaxFolding(b, weightDim, options, math, "pair"),
  derivatives: pairDerivatives(true),
};
