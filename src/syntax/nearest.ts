// The known name nearest to a misspelt one.

/** Longer names are not compared: no known name is nearly as long. */
const LONGEST = 40;

/** Number of letters to insert, drop, change or swap with a neighbour; case counts a quarter. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let r = 1; r <= a.length; r++) {
    const row = [r];
    for (let c = 1; c <= b.length; c++) {
      const [x, y] = [a[r - 1], b[c - 1]];
      const change = x === y ? 0 : x.toLowerCase() === y.toLowerCase() ? 0.25 : 1;
      row[c] = Math.min(last[c] + 1, row[c - 1] + 1, last[c - 1] + change);
      const swapped = r > 1 && c > 1 && x === b[c - 2] && y === a[r - 2];
      if (swapped) row[c] = Math.min(row[c], before[c - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}

/** The nearest of some names, or null where none is near. */
export function nearest(name: string, known: Iterable<string>): string | null {
  if (name.length > LONGEST) return null;
  let best: string | null = null;
  let least = Math.max(1, Math.floor(name.length / 3)) + 0.5;
  if (name.length === 1) least = 0.5; // only the other case of one letter
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const d = distance(name, candidate);
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}

/** `; did you mean …?`, or nothing. */
export function suggestion(name: string, known: Iterable<string>): string {
  const found = nearest(name, known);
  return found === null ? "" : `; did you mean ${found}?`;
}
