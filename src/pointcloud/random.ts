// Random numbers by counter. Enters: a seed, a counter and a stream. Leaves: a number that depends
// on nothing else, made of integer operations only and so the same on every machine.

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hash(seed: number, counter: number, stream: number, half: number): number {
  const first = mix(Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream * 2 + half, 0x7feb352d));
  const second = mix(first ^ mix(Math.imul(counter, 0x27d4eb2f) + half));
  return mix(second + Math.imul(counter, 0x165667b1));
}

/** A uniform number in [0, 1), a multiple of 2^-53, for counters and streams below 2^31. */
export function uniform(seed: number, counter: number, stream: number): number {
  const high = hash(seed, counter, stream, 0) >>> 5;
  const low = hash(seed, counter, stream, 1) >>> 6;
  return (high * 67108864 + low) / 9007199254740992;
}

/** A nearly normal number: twelve uniform ones, mean 0, variance 1, within ±6. */
export function normal(seed: number, counter: number, stream: number): number {
  let sum = -6;
  for (let k = 0; k < 12; k++) sum += uniform(seed, counter, stream * 12 + k + 1024);
  return sum;
}
