// Random tensors by a counter: element k depends on seed, stream and k alone, so that the same
// numbers come out on every device and for every shape. Philox 4x32-10 (Salmon, Moraes, Dror, Shaw:
// Parallel random numbers: as easy as 1, 2, 3. SC 2011), normals by Box and Muller (1958).

import type { NumberArray } from "../engine/engine.ts";
import { allocate } from "../engine/host.ts";
import { PairfoldError, shown } from "../error.ts";
import { checkedShape, sizeOf } from "./shapes.ts";
import { Tensor } from "./tensor.ts";

/** Which random numbers. */
export interface RandomOptions {
  /** An integer from 0 to 2⁵³ − 1. */
  readonly seed: number;
  /** Another integer: streams of one seed are independent. Default 0. */
  readonly stream?: number;
  /** Default float32. */
  readonly dtype?: "float32" | "float64";
}

/** The range of uniform numbers. */
export interface UniformOptions extends RandomOptions {
  /** Default 0, included. */
  readonly low?: number;
  /** Default 1, not included, but for rounding. */
  readonly high?: number;
}

/** The moments of normal numbers. */
export interface NormalOptions extends RandomOptions {
  /** Default 0. */
  readonly mean?: number;
  /** Standard deviation; default 1. */
  readonly std?: number;
}

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
const WEYL = [0x9e3779b9, 0xbb67ae85] as const;
const ROUNDS = 10;

/** The high 32 bits of a product of 32-bit integers. */
function highProduct(a: number, b: number): number {
  const [a0, a1] = [a & 0xffff, a >>> 16];
  const [b0, b1] = [b & 0xffff, b >>> 16];
  const low = a0 * b0;
  const middle = a1 * b0 + (low >>> 16);
  const other = a0 * b1 + (middle % 0x10000);
  return (a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000)) >>> 0;
}

/** Philox 4x32-10 of a counter and a key, written to `out`. */
export function philox(counter: ArrayLike<number>, key: ArrayLike<number>, out: Uint32Array): void {
  let [c0, c1, c2, c3] = [counter[0], counter[1], counter[2], counter[3]];
  let [k0, k1] = [key[0], key[1]];
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = highProduct(MULTIPLIERS[0], c0);
    const low0 = Math.imul(MULTIPLIERS[0], c0) >>> 0;
    const high1 = highProduct(MULTIPLIERS[1], c2);
    const low1 = Math.imul(MULTIPLIERS[1], c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL[0]) >>> 0;
    k1 = (k1 + WEYL[1]) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/**
 * What was asked for; without types, a seed is easily forgotten. Throws `PairfoldError` (shape).
 */
function checkedOptions<T extends RandomOptions>(op: string, options: T): T {
  if (typeof options === "object" && options !== null && options.seed !== undefined) return options;
  const got = typeof options === "object" && options !== null ? "no seed" : shown(options);
  throw new PairfoldError(
    "shape",
    `${op}: got ${got}; expected options with a seed, as { seed: 1 }: the same numbers every time`,
  );
}

const words = (x: number): [low: number, high: number] => [x >>> 0, Math.floor(x / 2 ** 32)];

function checkInteger(op: string, name: string, x: number): void {
  if (Number.isSafeInteger(x) && x >= 0) return;
  throw new PairfoldError(
    "shape",
    `${op}: got ${name} ${shown(x)}; expected an integer from 0 to 2^53 − 1`,
  );
}

/** Runs `take` for every block of a stream that `length` elements need, `each` from every block. */
function blocks(
  { seed, stream = 0 }: RandomOptions,
  length: number,
  each: number,
  take: (block: Uint32Array, at: number) => void,
): void {
  const key = words(seed);
  const counter = new Uint32Array([0, 0, ...words(stream)]);
  const block = new Uint32Array(4);
  for (let at = 0, n = 0; at < length; at += each, n++) {
    [counter[0], counter[1]] = words(n);
    philox(counter, key, block);
    take(block, at);
  }
}

/** Numbers in [0, 1) of as many bits as a float's fraction has. */
function uniforms(options: RandomOptions, length: number, out: NumberArray): void {
  if (out instanceof Float32Array) {
    blocks(options, length, 4, (block, at) => {
      for (let k = 0; k < 4; k++) out[at + k] = (block[k] >>> 8) * 2 ** -24;
    });
  } else {
    blocks(options, length, 2, (block, at) => {
      for (let k = 0; k < 2; k++) {
        out[at + k] = ((block[2 * k] >>> 5) * 2 ** 26 + (block[2 * k + 1] >>> 6)) * 2 ** -53;
      }
    });
  }
}

function random(
  op: string,
  shape: readonly number[],
  options: RandomOptions,
  fill: (out: NumberArray) => void,
): Tensor {
  const { dtype = "float32", seed, stream = 0 } = options;
  if (dtype !== "float32" && dtype !== "float64") {
    throw new PairfoldError("dtype", `${op}: got ${String(dtype)}; expected float32 or float64`);
  }
  checkInteger(op, "seed", seed);
  checkInteger(op, "stream", stream);
  const length = sizeOf(checkedShape(op, shape));
  return new Tensor(shape, dtype, {
    resolve: () => {
      const out = allocate(dtype, length);
      fill(out);
      return Promise.resolve(out);
    },
    explain: () => `${op} over [${shape}], ${dtype}, seed ${seed}, stream ${stream}`,
  });
}

/**
 * Uniform random numbers in [low, high): element k of a seed and stream is the same whatever the
 * shape and the device.
 *
 * Throws `PairfoldError`: `shape` for seeds, streams and shapes that are no integers.
 *
 * ```ts
 * import { randomUniform } from "pairfold";
 * const x = randomUniform([2, 3], { seed: 1 });
 * console.log(x.shape, await x.data()); // the same six numbers every time
 * ```
 */
export function randomUniform(shape: readonly number[], options: UniformOptions): Tensor {
  const { low = 0, high = 1 } = checkedOptions("randomUniform", options);
  return random("randomUniform", shape, options, (out) => {
    uniforms(options, out.length, out);
    if (low === 0 && high === 1) return;
    for (let k = 0; k < out.length; k++) out[k] = low + (high - low) * out[k];
  });
}

/**
 * Normally distributed random numbers; as {@linkcode randomUniform}.
 *
 * ```ts
 * import { randomNormal } from "pairfold";
 * const x = randomNormal([1000], { seed: 1, mean: 5, std: 0.1 });
 * console.log(await x.mean().item()); // about 5
 * ```
 */
export function randomNormal(shape: readonly number[], options: NormalOptions): Tensor {
  const { mean = 0, std = 1 } = checkedOptions("randomNormal", options);
  return random("randomNormal", shape, options, (out) => {
    // pairs of uniforms in float64, so that tails are those of 53 bits
    blocks(options, out.length, 2, (block, at) => {
      const u = ((block[0] >>> 5) * 2 ** 26 + (block[1] >>> 6) + 1) * 2 ** -53; // in (0, 1]
      const angle = 2 * Math.PI * ((block[2] >>> 5) * 2 ** 26 + (block[3] >>> 6)) * 2 ** -53;
      const radius = std * Math.sqrt(-2 * Math.log(u));
      out[at] = mean + radius * Math.cos(angle);
      out[at + 1] = mean + radius * Math.sin(angle);
    });
  });
}
