// Folds of points with themselves: how the square of pairs is cut, and when its half is worth it.
//
// Points are cut into blocks. A block of rows with a later block of columns is folded once, for
// both; a block with itself in the ordinary way. What a block of points gets from each of the
// others is a split of its own, written once, by whichever thread; splits are joined in order. All
// of this is decided by size alone.

import { bytesOf, type FloatType, type Kernel } from "../loop/mod.ts";
import { type Cost, costOf, costOfLoop } from "./schedule.ts";

/** Numbers that a point's sum takes per component: total, open block, rest. */
const STATE_VALUES = 3;
/** Bytes of all splits together, beyond which all pairs are folded. */
const MOST_BYTES = 256 * 2 ** 20;
/** Blocks are of so many points: whole groups of rows, whatever the schedule. */
const UNIT = 512;
/** Blocks at most: of n blocks, (n + 1) / 2n of all pairs are evaluated. */
const MOST_BLOCKS = 16;
const FEWEST_BLOCKS = 4;
/** Fewer points gain little: Gaussian 1.2 times at 4,097, 1.5 at 5,003, 1.7 at 10,000. */
const FEWEST_POINTS = 4096;

/** How points are cut. */
export interface MirrorCut {
  /** Points of a block. */
  readonly length: number;
  readonly blocks: number;
  /** Bytes of all states. */
  readonly bytes: number;
}

/** The cut for sums of so many components; null where all pairs are to be folded. */
export function mirrorCut(points: number, dim: number, float: FloatType): MirrorCut | null {
  if (points < FEWEST_POINTS) return null;
  const state = points * dim * STATE_VALUES * bytesOf(float, float);
  const most = Math.min(MOST_BLOCKS, Math.floor(MOST_BYTES / state));
  if (most < FEWEST_BLOCKS) return null;
  const length = Math.ceil(points / most / UNIT) * UNIT;
  const blocks = Math.ceil(points / length);
  return { length, blocks, bytes: blocks * state };
}

/** What a mirror costs on a target, in operations. */
export interface MirrorCosts {
  /** Of sums of columns, per component, and of the loop. */
  readonly perComponent: number;
  readonly atAll: number;
  /** Of a quotient or a root, more than other operations. */
  readonly division: number;
}

/**
 * Measured and estimated (Zen 4, gcc 12, 2 threads, 20,000 points): Gaussian 1.7 and 1.6, with 4
 * weights 1.35 and 1.3, with 8 1.1 and 1.05, with 16 0.8 and 0.85.
 */
export const NATIVE_MIRROR: MirrorCosts = { perComponent: 2.2, atAll: 2.5, division: 6 };

/**
 * Measured and estimated (Zen 4, Deno 2.9.6, 2 threads, 10,000 points): Gaussian 1.5 and 1.6, with
 * 2 weights 1.3 and 1.45, with 4 1.2 and 1.25, with 6 1.05 and 1.1, with 8 0.95 and 1.0, its
 * gradient 1.25 and 1.3, in 10-D 1.1 and 1.1.
 */
export const WASM_MIRROR: MirrorCosts = { perComponent: 2.6, atAll: 2.5, division: 6 };

/** How many times faster than folding all pairs it has to be. */
const WORTH = 1.2;

/** What is asked about a kernel's mirror: plain data, so that it can be kept. */
export interface MirrorFacts {
  /** Components of the sum. */
  readonly components: number;
  /** Of its inner loop. */
  readonly cost: Pick<Cost, "operations" | "divisions">;
}

const facts = new WeakMap<Kernel, MirrorFacts | null>();

/** What is known of a kernel's mirror; null: it has none. */
export function mirrorFacts(kernel: Kernel): MirrorFacts | null {
  let known = facts.get(kernel);
  if (known === undefined) {
    const { mirror } = kernel;
    known = mirror === null ? null : {
      components: mirror.sums.length,
      cost: costOfLoop(kernel, mirror.pair),
    };
    facts.set(kernel, known);
  }
  return known;
}

/** Says what was found for an equal kernel, before this one is lowered. */
export function recallMirror(kernel: Kernel, found: MirrorFacts | null): void {
  facts.set(kernel, found);
}

/**
 * How many times faster a kernel's mirror is estimated to be than folding all pairs; 0: has none.
 */
export function mirrorGain(kernel: Kernel, costs: MirrorCosts): number {
  const mirror = mirrorFacts(kernel);
  if (mirror === null) return 0;
  const { perComponent, atAll, division } = costs;
  const { components, cost: { operations, divisions } } = mirror;
  const once = operations + division * divisions + atAll + perComponent * components;
  const twice = costOf(kernel);
  return 2 * (twice.operations + division * twice.divisions) / once;
}

/** Whether that is worth it. */
export const mirrorPays = (kernel: Kernel, costs: MirrorCosts): boolean =>
  mirrorGain(kernel, costs) >= WORTH;
