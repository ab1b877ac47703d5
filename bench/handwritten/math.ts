// The pieces that several hand-written loops share: distances, exponentials, compensated totals.

import { CONSTANTS } from "../../src/lower/constants.ts";
import type { Fixed, Float, Operand, Rows, RowWriter } from "./writer.ts";

/** Locals for a column's number and for differences, reused by every column. */
export interface Work {
  readonly y: number;
  readonly difference: Rows;
}

/** New working locals. */
export function workOf(w: RowWriter): Work {
  return { y: w.shared(), difference: w.rows() };
}

/** out = |x − y|² in three dimensions, y from place `first` of the record on. */
export function squaredDistance(w: RowWriter, out: Rows, work: Work, first = 0): void {
  for (let axis = 0; axis < 3; axis++) {
    w.column(work.y, first + axis);
    w.op("sub", work.difference, w.row(axis), work.y);
    if (axis === 0) w.op("mul", out, work.difference, work.difference);
    else w.madd(out, work.difference, work.difference, out);
  }
}

/** The number that rounds to an integer when added, and leaves it in the low bits with the bias of
 * half the power: coefficients are doubled and the power halved, so that 0 is reached. */
function roundingMagic(w: RowWriter): number {
  const { magic, exponentBias } = CONSTANTS[w.float];
  return magic + exponentBias - 1;
}

/** The least exponent of two whose power is not yet 0. */
export function leastExponent(float: Float): number {
  return -(CONSTANTS[float].exponentBias - 1);
}

/** Locals of an exponential. */
export interface PowerWork {
  readonly rounded: Rows;
  readonly fraction: Rows;
}

/** New locals of an exponential. */
export function powerWorkOf(w: RowWriter): PowerWork {
  return { rounded: w.rows(), fraction: w.rows() };
}

function reassemble(w: RowWriter, out: Rows, work: PowerWork): void {
  const coefficients = CONSTANTS[w.float].exp2.map((c) => w.constant(2 * c));
  const last = coefficients.length - 1;
  w.madd(out, work.fraction, coefficients[last], coefficients[last - 1]);
  for (let k = last - 2; k >= 0; k--) w.madd(out, work.fraction, out, coefficients[k]);
  w.timesPowerOfTwo(out, out, work.rounded);
}

/** out = 2^(z·scale), where z·scale lies between the least exponent and 0. `out` may be z. */
export function powerOfScaled(
  w: RowWriter,
  out: Rows,
  z: Rows,
  scale: Operand,
  work: PowerWork,
): void {
  const magic = w.constant(roundingMagic(w));
  w.madd(work.rounded, z, scale, magic);
  w.op("sub", work.fraction, magic, work.rounded);
  w.madd(work.fraction, z, scale, work.fraction);
  reassemble(w, out, work);
}

/** out = 2^z, z between the least exponent and the largest less 1. `out` may be z. */
export function powerOf(w: RowWriter, out: Rows, z: Rows, work: PowerWork): void {
  const magic = w.constant(roundingMagic(w));
  w.op("add", work.rounded, z, magic);
  w.op("sub", work.fraction, work.rounded, magic);
  w.op("sub", work.fraction, z, work.fraction);
  reassemble(w, out, work);
}

/**
 * A sum over columns: plain inside a block of 64, block totals with compensation (Kahan), as the
 * engine's default. Only the open sum is in locals; what is touched once per block waits in memory.
 */
export class Total {
  readonly open: Rows;
  readonly #total: Fixed;
  readonly #rest: Fixed;
  readonly #w: RowWriter;

  constructor(w: RowWriter) {
    this.#w = w;
    this.open = w.rows();
    this.#total = w.scratch();
    this.#rest = w.scratch();
  }

  get result(): Operand {
    return this.#total;
  }

  begin(): void {
    this.#w.set(this.open, this.#w.constant(0));
    this.#w.store(this.#total, this.#w.constant(0));
    this.#w.store(this.#rest, this.#w.constant(0));
  }

  /** After each block: the open sum joins the total. Uses working locals. */
  close(term: Rows, next: Rows): void {
    const w = this.#w;
    w.op("sub", term, this.open, this.#rest);
    w.op("add", next, this.#total, term);
    w.op("sub", this.open, next, this.#total);
    w.op("sub", this.open, this.open, term);
    w.store(this.#rest, this.open);
    w.store(this.#total, next);
    w.set(this.open, w.constant(0));
  }

  /** Multiplies everything gathered so far. Uses a working local. */
  scale(factor: Rows, product: Rows): void {
    const w = this.#w;
    w.op("mul", this.open, this.open, factor);
    for (const part of [this.#total, this.#rest]) {
      w.op("mul", product, part, factor);
      w.store(part, product);
    }
  }
}
