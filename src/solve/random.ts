// Random numbers for probes, starts and orders. Enters: a seed. Leaves: a stream that is the same on
// every machine.

/** splitmix32 with a 32-bit state: a stream per seed. */
export class RandomStream {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed | 0, 0x9e3779b1) ^ 0x5bf03635;
  }

  #word(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let h = this.#state;
    h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
    h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
    return (h ^ (h >>> 15)) >>> 0;
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
