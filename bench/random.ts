// Random numbers of the benchmarks.

/** Uniform random numbers in [0, 1), the same for the same seed (mulberry32). */
export function* uniform(seed: number): Generator<number, never> {
  for (let state = seed;;) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    yield ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}
