// Pairfold as a value, so that two checkouts can be measured in one run.

import { Times } from "../report.ts";

/** What `mod.ts` exports. */
export type Library = typeof import("pairfold");

/** A checkout's library. */
export async function load(address: string): Promise<Library> {
  return await import(address) as Library;
}

/** Something to be timed: one call, which is so many steps. */
export interface Contestant {
  readonly run: () => unknown;
  readonly steps: number;
}

/**
 * Microseconds per step of some contestants, who take turns; what has run some thousand times is
 * compiled for good.
 */
export async function timed(contestants: readonly Contestant[], calls: number): Promise<Times[]> {
  const times = contestants.map(() => new Times());
  for (let call = -5 * calls; call < calls; call++) {
    for (const [k, { run, steps }] of contestants.entries()) {
      const start = performance.now();
      const result = run();
      if (result instanceof Promise) await result;
      if (call >= 0) times[k].add((performance.now() - start) * 1000 / steps);
    }
  }
  return times;
}

/** Median and best of some times, as a cell. */
export const cell = (t: Times): string => `${t.median.toFixed(1)} (${t.best.toFixed(1)})`;
