// The pieces that several hand-written loops share: distances, powers of two, compensated totals.

import { CONSTANTS } from "../../src/lower/math/constants.ts";
import type { ColumnLocals, Fixed, Float, Locals, LoopWriter, Operand } from "./writer.ts";

/** Locals for a number of each column and for differences, reused all over a turn. */
export interface Work {
  readonly y: ColumnLocals;
  readonly difference: Locals;
}

/** New working locals. */
export function workOf(w: LoopWriter): Work {
  return { y: w.columns(), difference: w.chains() };
}

/**
 * Vectors from here on have no use for interleaving: each chain is a sum of many terms by itself.
 */
const LONG = 8;

/** out = |x − y|²: one multiplication, then fused ones; unrolled, whatever the length. */
export function squaredDistance(w: LoopWriter, out: Locals, work: Work, turnsAhead = 0): void {
  const { difference, y } = work;
  for (let axis = 0; axis < w.packed.dim; axis++) {
    const x = w.coordinate(axis);
    w.load(y, axis, turnsAhead);
    if (w.packed.dim > LONG) {
      if (axis === 0) w.set(out, w.constant(0));
      w.addSquares(out, x, y);
      continue;
    }
    w.op("sub", difference, x, y);
    if (axis === 0) w.op("mul", out, difference, difference);
    else w.madd(out, difference, difference, out);
  }
}

/** The exponent of two below which a power counts as 0. */
export function leastExponent(float: Float): number {
  return -(CONSTANTS[float].exponentBias - 1);
}

/**
 * The number that rounds to an integer when added, and leaves it in the low bits with the
 * exponent's bias, less 1: coefficients are doubled and powers halved, so that 0 is reached.
 */
function roundingMagic(float: Float): number {
  const { magic, exponentBias } = CONSTANTS[float];
  return magic + exponentBias - 1;
}

/** Locals of a power of two. */
export interface PowerWork {
  readonly rounded: Locals;
  readonly fraction: Locals;
}

/** New locals of a power of two. */
export function powerWorkOf(w: LoopWriter): PowerWork {
  return { rounded: w.chains(), fraction: w.chains() };
}

/** out = 2^(rounded + fraction): a polynomial (degree 5, in float64 11) and a shift. */
function reassemble(w: LoopWriter, out: Locals, { rounded, fraction }: PowerWork): void {
  const coefficients = CONSTANTS[w.float].exp2.map((c) => w.constant(2 * c));
  const last = coefficients.length - 1;
  w.madd(out, fraction, coefficients[last], coefficients[last - 1]);
  for (let k = last - 2; k >= 0; k--) w.madd(out, fraction, out, coefficients[k]);
  w.timesPowerOfTwo(out, out, rounded);
}

/** out = 2^(z·scale), z·scale from the least exponent to the largest less 1. `out` may be z. */
export function powerOfScaled(
  w: LoopWriter,
  out: Locals,
  z: Locals,
  scale: Operand,
  work: PowerWork,
): void {
  const { rounded, fraction } = work;
  const magic = w.constant(roundingMagic(w.float));
  w.madd(rounded, z, scale, magic);
  w.op("sub", fraction, magic, rounded);
  w.madd(fraction, z, scale, fraction);
  reassemble(w, out, work);
}

/** out = 2^z, z from the least exponent to the largest less 1. `out` may be z. */
export function powerOf(w: LoopWriter, out: Locals, z: Locals, work: PowerWork): void {
  const { rounded, fraction } = work;
  const magic = w.constant(roundingMagic(w.float));
  w.op("add", rounded, z, magic);
  w.op("sub", fraction, rounded, magic);
  w.op("sub", fraction, z, fraction);
  reassemble(w, out, work);
}

/**
 * A sum over columns: plain inside a block of 64, block totals with compensation (Kahan), as the
 * engine's default. Only the open sum is in locals; what is touched once per block waits in memory.
 */
export class Total {
  readonly open: Locals;
  readonly #total: Fixed;
  readonly #rest: Fixed;
  readonly #w: LoopWriter;

  constructor(w: LoopWriter) {
    this.#w = w;
    this.open = w.rows();
    this.#total = w.scratch();
    this.#rest = w.scratch();
  }

  get result(): Operand {
    return this.#total;
  }

  begin(): void {
    const zero = this.#w.constant(0);
    this.#w.set(this.open, zero);
    this.#w.store(this.#total, zero);
    this.#w.store(this.#rest, zero);
  }

  /** After each block: the open sum joins the total. */
  close(): void {
    const w = this.#w;
    const [term, next] = [w.rows(), w.rows()];
    w.op("sub", term, this.open, this.#rest);
    w.op("add", next, this.#total, term);
    w.op("sub", this.open, next, this.#total);
    w.op("sub", this.open, this.open, term);
    w.store(this.#rest, this.open);
    w.store(this.#total, next);
    w.set(this.open, w.constant(0));
  }

  /** Multiplies everything gathered so far. */
  scale(factor: Locals): void {
    const w = this.#w;
    const product = w.rows();
    w.op("mul", this.open, this.open, factor);
    for (const part of [this.#total, this.#rest]) {
      w.op("mul", product, part, factor);
      w.store(part, product);
    }
  }
}
