// How the threads that share a row of a panel share out its components: pieces of four (not of
// doubles), two and one, each beside those of the other threads, so that a piece is one load.
//
// Enters: how many threads share, and how many components each has. Leaves: expressions and loads.

import type { Numbers } from "./surroundings.ts";

/** A thread's part of a panel. */
interface Part {
  readonly numbers: Numbers;
  /** Rows of a thread: as many threads share a row. */
  readonly rows: number;
  /** Components of a thread. */
  readonly components: number;
}

/** The components of a thread in vectors of four, two, one: where each begins, how many it has. */
function piecesOf({ components, numbers: { width } }: Part) {
  const pieces: { readonly first: number; readonly length: number; readonly count: number }[] = [];
  let first = 0;
  for (const length of [4, 2, 1].filter((n) => n <= width)) {
    const count = length * Math.floor((components - first) / length);
    if (count > 0) pieces.push({ first, length, count });
    first += count;
  }
  return pieces;
}

/** Where component q of a thread stands among those of its row. */
export function placeOf(q: string, part: Part): string {
  const { rows, numbers: { width } } = part;
  const pieces = piecesOf(part);
  const texts = pieces.map(({ first, length }) => {
    const own = `${first * rows} + lane % ${rows} * ${length} + (${q} - ${first})`;
    return length < width ? own : `(${q} - ${first}) / ${width} * ${width * rows} + ` +
      `lane % ${rows} * ${width} + (${q} - ${first}) % ${width}`;
  });
  return texts.reduceRight((rest, text, k) =>
    `${q} < ${pieces[k].first + pieces[k].count} ? ${text} : ${rest}`
  );
}

/** Loads a thread's components from a row `at` into `b`. */
export function loadsOf(part: Part): string[] {
  const { rows, numbers: { one } } = part;
  return piecesOf(part).flatMap(({ first, length, count }) =>
    Array.from({ length: count / length }, (_, n) => {
      const q = first + n * length;
      const from = `at + ${q * rows} + lane % ${rows} * ${length}`;
      if (length === 1) return `b[${q}] = *(${from});`;
      const parts = ["x", "y", "z", "w"].slice(0, length)
        .map((part, e) => `b[${q + e}] = v.${part};`).join(" ");
      return `{ const ${one}${length} v = *(const ${one}${length}*)(${from}); ${parts} }`;
    })
  );
}
