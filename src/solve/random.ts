// Random numbers for probes, starts and orders. Enters: a seed. Leaves: a stream that is the same
// on every machine.

import { philox } from "../tensor/mod.ts";

/** The second word of keys, so that no stream is one of random tensors. */
const SOLVERS = 0x50616972;

/** The words of Philox 4x32-10, one after another: a stream per seed. */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #block = new Uint32Array(4);
  #count = 0;

  constructor(seed: number) {
    this.#key = [seed >>> 0, SOLVERS];
  }

  #word(): number {
    const at = this.#count++ % 4;
    if (at === 0) {
      const blocks = (this.#count - 1) / 4;
      const counter = [blocks >>> 0, Math.floor(blocks / 2 ** 32), 0, 0];
      philox(counter, this.#key, this.#block);
    }
    return this.#block[at];
  }

  /** Uniform in (0, 1). */
  uniform(): number {
    return (this.#word() + 0.5) / 4294967296;
  }

  /** −1 or 1. */
  sign(): number {
    return this.#word() >>> 31 === 0 ? 1 : -1;
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** 0 … n − 1 in random order (Fisher and Yates). */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, k) => k);
    for (let k = n - 1; k > 0; k--) {
      const other = Math.floor(this.uniform() * (k + 1));
      [order[k], order[other]] = [order[other], order[k]];
    }
    return order;
  }
}
