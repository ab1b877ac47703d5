// Random inputs with a seed: fixed in `deno task test`, drawn and printed in `deno task test:full`.

/** mulberry32: small, good enough for test inputs. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  /** Uniform in an interval. */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }
  /** An integer from 0 to n − 1. */
  integer(n: number): number {
    return Math.floor(this.next() * n);
  }
  float32(length: number, low = -1, high = 1): Float32Array {
    return Float32Array.from({ length }, () => this.uniform(low, high));
  }
  float64(length: number, low = -1, high = 1): Float64Array {
    return Float64Array.from({ length }, () => this.uniform(low, high));
  }
  array(
    dtype: "float32" | "float64",
    length: number,
    low = -1,
    high = 1,
  ): Float32Array | Float64Array {
    return dtype === "float32" ? this.float32(length, low, high) : this.float64(length, low, high);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.integer(list.length)];
  }
}

function drawnSeed(): number {
  const seed = Math.floor(Math.random() * 2 ** 32);
  console.log(`random inputs of this run: PAIRFOLD_SEED=${seed}`);
  return seed;
}

const given = Deno.env.get("PAIRFOLD_SEED");
const isFull = Deno.env.get("PAIRFOLD_TEST") === "full";
/** What the inputs of this run are drawn from. */
export const seed: number = given !== undefined ? Number(given) : isFull ? drawnSeed() : 20261122;

/** A generator for one test; tests do not share one, so that order does not matter. */
export function randomFor(name: string): Random {
  let hash = seed;
  for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return new Random(hash);
}

/** Whether the long variants of tests run. */
export const full: boolean = isFull;
