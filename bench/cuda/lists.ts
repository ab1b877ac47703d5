// What large lists of smallest values cost a warp, by counting: how often the lists of its threads
// are narrowed, and how many passes over them that takes, where each thread narrows its own when it
// has to and where all do as soon as one has to. Enters: nothing; columns are drawn. Leaves: a
// table.
//
//     deno run bench/cuda/lists.ts
//
// Instructions are those of 50-smallest on sm_90 (NVRTC 13.5, 2026-11-23), of which a thread has
// two rows.

import { table } from "../report.ts";
import { uniform } from "../random.ts";

/** Per pair; per element of a list, of each pass that bisects it, and of what else narrows it. */
const PAIR = 8.75;
const PASS = 17 / 4;
const NARROWING = (33 + 46) / 4;

const THREADS = 32;
const BLOCK = 64;
/** Bytes of shared memory that a multiprocessor has (sm_90), and registers' warps beside that. */
const SHARED = 227 * 1024;
const WARPS = 40;

const word = new DataView(new ArrayBuffer(4));
/** A float's pattern; all of them are positive here. */
const patternOf = (x: number): number => {
  word.setFloat32(0, x);
  return word.getInt32(0);
};
const floatOf = (pattern: number): number => {
  word.setInt32(0, pattern);
  return word.getFloat32(0);
};

/** Candidates of a row, as src/reduction/candidates.ts keeps them. */
class List {
  #values: number[] = [];
  #threshold = Infinity;

  get size(): number {
    return this.#values.length;
  }

  offer(value: number): void {
    if (value < this.#threshold) this.#values.push(value);
  }

  /** Leaves K to `most`; gives the passes that this took. */
  narrow(k: number, most: number): number {
    const values = this.#values;
    let [low, high] = [patternOf(Math.min(...values)) - 1, patternOf(Math.max(...values))];
    let [held, passes] = [values.length, 0];
    while (held > most && high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const pivot = floatOf(middle);
      const found = values.reduce((count, v) => count + (v <= pivot ? 1 : 0), 0);
      if (found >= k) [high, held] = [middle, found];
      else low = middle;
      passes++;
    }
    const pivot = floatOf(high);
    if (values.length >= k) this.#threshold = pivot;
    this.#values = values.filter((v) => v <= pivot);
    return passes;
  }
}

const draw = uniform(11);
const next = (): number => draw.next().value;
/** A squared distance in 3-D. */
const distance = (): number => {
  let sum = 0;
  for (let d = 0; d < 3; d++) sum += (next() - next()) ** 2;
  return Math.fround(sum);
};

/** Narrowings of a warp and their passes, for a row of each thread. */
function count(k: number, columns: number, isTogether: boolean): { times: number; passes: number } {
  const most = k + (k >> 2);
  const lists = Array.from({ length: THREADS }, () => new List());
  let [times, passes] = [0, 0];
  for (let j = 0; j < columns; j += BLOCK) {
    for (let c = j; c < Math.min(j + BLOCK, columns); c++) {
      for (const list of lists) list.offer(distance());
    }
    const full = lists.filter(({ size }) => size > 2 * most);
    if (full.length === 0) continue;
    times++;
    passes += Math.max(...(isTogether ? lists : full).map((list) => list.narrow(k, most)));
  }
  return { times, passes };
}

const rows: string[][] = [];
for (const k of [17, 50, 100, 200]) {
  const capacity = 2 * (k + (k >> 2)) + BLOCK;
  for (const columns of [1e4, 1e5]) {
    const [alone, together] = [false, true].map((isTogether) => {
      const { times, passes } = count(k, columns, isTogether);
      const perPair = capacity * (NARROWING * times + PASS * passes) / columns;
      return { times, passes, perPair };
    });
    const warps = Math.floor(SHARED / (8 * capacity * THREADS));
    rows.push([
      `${k} of ${columns}`,
      `${alone.times}, ${alone.passes}`,
      `${together.times}, ${together.passes}`,
      alone.perPair.toFixed(1),
      together.perPair.toFixed(1),
      ((PAIR + alone.perPair) / (PAIR + together.perPair)).toFixed(1),
      `${warps} of ${WARPS}`,
    ]);
  }
}
const head = ["smallest", "narrowed, passes: alone", "together", "instructions per pair: alone"];
console.log(table(head.concat("together", "gain", "warps with lists in shared memory"), rows));
