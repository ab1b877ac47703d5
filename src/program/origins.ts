// Long chains of deferred tensors. Enters: what is about to be computed. Leaves: a chain so short
// that computing it needs no deep stack.

import type { RunControl } from "../engine/mod.ts";
import type { Origin, TensorStorage } from "../tensor/mod.ts";

/** Links of a chain that are computed in one go. */
const LINKS = 100;

/** Says that something is built on some storages; gives its depth. */
export function buildOn(needs: readonly TensorStorage[]): number {
  let depth = 0;
  for (const storage of needs) {
    storage.readers++;
    if (storage.origin !== null) depth = Math.max(depth, storage.origin.depth);
  }
  return depth + 1;
}

/** Whether a chain wants to be shortened first. */
export const isLong = ({ depth }: Origin): boolean => depth > LINKS;

/** Computes what stands far down the chains that lead to an origin, from the bottom up. */
export async function shorten(root: Origin, control: RunControl): Promise<void> {
  const stage = (origin: Origin): number => Math.floor(origin.depth / LINKS);
  const seen = new Set<Origin>([root]);
  const milestones = new Map<TensorStorage, number>();
  const open: Origin[] = [root];
  for (let origin = open.pop(); origin !== undefined; origin = open.pop()) {
    for (const storage of origin.needs) {
      const below = storage.origin;
      if (below === null) continue;
      if (stage(below) < stage(origin)) milestones.set(storage, below.depth);
      if (seen.has(below)) continue;
      seen.add(below);
      open.push(below);
    }
  }
  const upwards = [...milestones].sort(([, a], [, b]) => a - b);
  for (const [storage] of upwards) {
    storage.enter();
    try {
      await storage.ensure(control);
    } finally {
      storage.leave();
    }
  }
}
