// Random ranges of clusters: uneven, some empty, with gaps, some rows without columns. Enters: a
// generator and how many points. Leaves: lists that `fromMatrix` takes, and the mask that they mean.

import { BlockRanges } from "../../mod.ts";
import type { Random } from "./random.ts";

/** About so many ranges of points, in order: uneven ones, empty ones, gaps between some. */
export function randomClusters(random: Random, points: number, count: number): [number, number][] {
  const cuts = Array.from({ length: count }, () => Math.floor(points * random.next() ** 2));
  const all = [0, ...cuts, points].sort((a, b) => a - b);
  const ranges = all.slice(1).map((end, k): [number, number] => [all[k], end]);
  return ranges.filter(() => random.next() < 0.9);
}

/** Clusters of rows and of columns, and which of them meet. */
export interface RandomRanges {
  readonly rows: [number, number][];
  readonly columns: [number, number][];
  readonly keep: boolean[][];
  readonly ranges: BlockRanges;
  /** Whether row i meets column j, row by row. */
  readonly mask: Uint8Array;
}

/** Ranges of so many rows and columns; the more clusters, the fewer meet. */
export function randomRanges(random: Random, M: number, N: number, clusters = 9): RandomRanges {
  const rows = randomClusters(random, M, Math.min(M, clusters));
  const columns = randomClusters(random, N, Math.min(N, clusters));
  const keep = rows.map(() => {
    const share = random.pick([0, 0.4, 0.4, 1]);
    return columns.map(() => random.next() < share);
  });
  const mask = new Uint8Array(M * N);
  rows.forEach(([i0, i1], k) =>
    columns.forEach(([j0, j1], l) => {
      if (!keep[k][l]) return;
      for (let i = i0; i < i1; i++) mask.fill(1, i * N + j0, i * N + j1);
    })
  );
  return { rows, columns, keep, mask, ranges: BlockRanges.fromMatrix(rows, columns, keep) };
}

/** The mask of ranges, by way of KeOps' arrays; of folds over i, from the last three. */
export function maskOf(ranges: BlockRanges, M: number, N: number, axis: "i" | "j"): Uint8Array {
  const [rangesI, slicesI, redrangesJ, rangesJ, slicesJ, redrangesI] = ranges.toKeops();
  const mask = new Uint8Array(M * N);
  const [kept, slices, folded] = axis === "j"
    ? [rangesI, slicesI, redrangesJ]
    : [rangesJ, slicesJ, redrangesI];
  kept.forEach(([start, end], block) => {
    for (const [from, to] of folded.slice(slices[block - 1] ?? 0, slices[block])) {
      for (let row = start; row < end; row++) {
        for (let column = from; column < to; column++) {
          mask[axis === "j" ? row * N + column : column * N + row]++;
        }
      }
    }
  });
  return mask;
}
