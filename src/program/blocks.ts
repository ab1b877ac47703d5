// The scalar definitions of the op tables, carried out on whole arrays on the host: what small
// tensors are computed with. Enters: arrays of one length, or numbers that stand for equal
// elements. Leaves: arrays, rounded to their type after every operation, as engines do.

import { erf, erfc, type ScalarAlgebra } from "../formula/mod.ts";
import { allocate } from "../tensor/mod.ts";

/** Floats of one type. */
export type FloatArray = Float32Array | Float64Array;

/** Equal elements, or an array of them. */
export type Block = number | FloatArray;

/** Truth values, 0 or 1. */
type Mask = number | Uint8Array;

const first = (x: number): number => x;

/**
 * Arithmetic on arrays of one length. What is used most has loops of its own, which the host's
 * compiler turns into a third of the time of a call per element.
 */
export class Blocks implements ScalarAlgebra<Block, Mask> {
  readonly #dtype: "float32" | "float64";
  readonly #length: number;

  constructor(dtype: "float32" | "float64", length: number) {
    this.#dtype = dtype;
    this.#length = length;
  }

  #make(): FloatArray {
    return allocate(this.#dtype, this.#length) as FloatArray;
  }

  #map(x: Block, f: (x: number) => number): Block {
    if (typeof x === "number") return f(x);
    const out = this.#make();
    for (let k = 0; k < out.length; k++) out[k] = f(x[k]);
    return out;
  }

  #both(a: Block, b: Block, f: (a: number, b: number) => number): Block {
    if (typeof a === "number" && typeof b === "number") return f(a, b);
    const out = this.#make();
    if (typeof a === "number") {
      const second = b as FloatArray;
      for (let k = 0; k < out.length; k++) out[k] = f(a, second[k]);
    } else if (typeof b === "number") {
      for (let k = 0; k < out.length; k++) out[k] = f(a[k], b);
    } else {
      for (let k = 0; k < out.length; k++) out[k] = f(a[k], b[k]);
    }
    return out;
  }

  #test(a: Block, b: Block, f: (a: number, b: number) => boolean): Mask {
    if (typeof a === "number" && typeof b === "number") return f(a, b) ? 1 : 0;
    const out = new Uint8Array(this.#length);
    for (let k = 0; k < out.length; k++) {
      const x = typeof a === "number" ? a : a[k];
      const y = typeof b === "number" ? b : b[k];
      out[k] = f(x, y) ? 1 : 0;
    }
    return out;
  }

  /** An array of its own; numbers are spread. */
  filled(x: Block): FloatArray {
    return typeof x === "number" ? this.#make().fill(x) : x;
  }

  constant(value: number): Block {
    return value;
  }
  add(a: Block, b: Block): Block {
    if (typeof a === "number") return typeof b === "number" ? a + b : this.#addTo(a, b);
    const out = this.#make();
    if (typeof b === "number") { for (let k = 0; k < out.length; k++) out[k] = a[k] + b; }
    else for (let k = 0; k < out.length; k++) out[k] = a[k] + b[k];
    return out;
  }
  #addTo(a: number, b: FloatArray): Block {
    const out = this.#make();
    for (let k = 0; k < out.length; k++) out[k] = a + b[k];
    return out;
  }
  sub(a: Block, b: Block): Block {
    if (typeof a === "number") return typeof b === "number" ? a - b : this.#subTo(a, b);
    const out = this.#make();
    if (typeof b === "number") { for (let k = 0; k < out.length; k++) out[k] = a[k] - b; }
    else for (let k = 0; k < out.length; k++) out[k] = a[k] - b[k];
    return out;
  }
  #subTo(a: number, b: FloatArray): Block {
    const out = this.#make();
    for (let k = 0; k < out.length; k++) out[k] = a - b[k];
    return out;
  }
  mul(a: Block, b: Block): Block {
    if (typeof a === "number") return typeof b === "number" ? a * b : this.#mulTo(a, b);
    const out = this.#make();
    if (typeof b === "number") { for (let k = 0; k < out.length; k++) out[k] = a[k] * b; }
    else for (let k = 0; k < out.length; k++) out[k] = a[k] * b[k];
    return out;
  }
  #mulTo(a: number, b: FloatArray): Block {
    const out = this.#make();
    for (let k = 0; k < out.length; k++) out[k] = a * b[k];
    return out;
  }
  div(a: Block, b: Block): Block {
    if (typeof a === "number") return typeof b === "number" ? a / b : this.#divTo(a, b);
    const out = this.#make();
    if (typeof b === "number") { for (let k = 0; k < out.length; k++) out[k] = a[k] / b; }
    else for (let k = 0; k < out.length; k++) out[k] = a[k] / b[k];
    return out;
  }
  #divTo(a: number, b: FloatArray): Block {
    const out = this.#make();
    for (let k = 0; k < out.length; k++) out[k] = a / b[k];
    return out;
  }
  neg(x: Block): Block {
    if (typeof x === "number") return -x;
    const out = this.#make();
    for (let k = 0; k < out.length; k++) out[k] = -x[k];
    return out;
  }
  exp(x: Block): Block {
    if (typeof x === "number") return Math.exp(x);
    const out = this.#make();
    for (let k = 0; k < out.length; k++) out[k] = Math.exp(x[k]);
    return out;
  }
  log(x: Block): Block {
    if (typeof x === "number") return Math.log(x);
    const out = this.#make();
    for (let k = 0; k < out.length; k++) out[k] = Math.log(x[k]);
    return out;
  }
  sqrt(x: Block): Block {
    if (typeof x === "number") return Math.sqrt(x);
    const out = this.#make();
    for (let k = 0; k < out.length; k++) out[k] = Math.sqrt(x[k]);
    return out;
  }
  abs(x: Block): Block {
    return this.#map(x, Math.abs);
  }
  floor(x: Block): Block {
    return this.#map(x, Math.floor);
  }
  exp2(x: Block): Block {
    return this.#map(x, (one) => 2 ** one);
  }
  expm1(x: Block): Block {
    return this.#map(x, Math.expm1);
  }
  log1p(x: Block): Block {
    return this.#map(x, Math.log1p);
  }
  log2(x: Block): Block {
    return this.#map(x, Math.log2);
  }
  log10(x: Block): Block {
    return this.#map(x, Math.log10);
  }
  sin(x: Block): Block {
    return this.#map(x, Math.sin);
  }
  cos(x: Block): Block {
    return this.#map(x, Math.cos);
  }
  asin(x: Block): Block {
    return this.#map(x, Math.asin);
  }
  acos(x: Block): Block {
    return this.#map(x, Math.acos);
  }
  atan(x: Block): Block {
    return this.#map(x, Math.atan);
  }
  atan2(y: Block, x: Block): Block {
    return this.#both(y, x, Math.atan2);
  }
  sinh(x: Block): Block {
    return this.#map(x, Math.sinh);
  }
  cosh(x: Block): Block {
    return this.#map(x, Math.cosh);
  }
  tanh(x: Block): Block {
    return this.#map(x, Math.tanh);
  }
  asinh(x: Block): Block {
    return this.#map(x, Math.asinh);
  }
  acosh(x: Block): Block {
    return this.#map(x, Math.acosh);
  }
  atanh(x: Block): Block {
    return this.#map(x, Math.atanh);
  }
  erf(x: Block): Block {
    return this.#map(x, erf);
  }
  erfc(x: Block): Block {
    return this.#map(x, erfc);
  }
  pow(x: Block, y: Block): Block {
    return this.#both(x, y, (a, b) => b === 0 ? 1 : a < 0 ? NaN : Math.abs(a) ** b);
  }
  cbrt(x: Block): Block {
    return this.#map(x, Math.cbrt);
  }
  hypot(x: Block, y: Block): Block {
    return this.#both(x, y, Math.hypot);
  }
  lt(a: Block, b: Block): Mask {
    return this.#test(a, b, (x, y) => x < y);
  }
  le(a: Block, b: Block): Mask {
    return this.#test(a, b, (x, y) => x <= y);
  }
  eq(a: Block, b: Block): Mask {
    return this.#test(a, b, (x, y) => x === y);
  }
  not(m: Mask): Mask {
    return typeof m === "number" ? 1 - m : m.map((one) => 1 - one);
  }
  or(a: Mask, b: Mask): Mask {
    if (typeof a === "number") return a === 1 ? 1 : b;
    if (typeof b === "number") return b === 1 ? 1 : a;
    return a.map((one, k) => one | b[k]);
  }
  select(m: Mask, a: Block, b: Block): Block {
    if (typeof m === "number") return this.#map(m === 1 ? a : b, first);
    const out = this.#make();
    for (let k = 0; k < out.length; k++) {
      const from = m[k] === 1 ? a : b;
      out[k] = typeof from === "number" ? from : from[k];
    }
    return out;
  }
}
