// What a thread runs for one tile of a kernel that works in patches: loops inside loops (pieces of
// a chunk, chunks of a tile, turns of the walk), each as often as its kernel says.
//
// Enters: a kernel's instructions, its schedule, how many chunks there are. Leaves: each
// instruction of a tile and how often it runs there.

import type { CudaSchedule } from "../../../src/tiling/mod.ts";
import {
  type Code,
  countOf,
  floatsLoaded,
  type Instruction,
  type Loop,
  loopsOf,
  shortestPath,
} from "./sass.ts";

/** Instructions and how often they run. */
export type Times = ReadonlyMap<Instruction, number>;

/** Pieces of 16 bytes that a patch of 8 × 8 pairs loads at a time. */
const PIECES = 16;
/** Columns that are handed over at a time, and of a tile. */
const HANDED = 32;

const isInside = (inner: Loop, outer: Loop): boolean =>
  inner !== outer && inner.head >= outer.head && inner.tail <= outer.tail;

/** Counts the ways through a kernel's loops. */
class Ways {
  readonly times = new Map<Instruction, number>();
  readonly #code: Code;

  constructor(code: Code) {
    this.#code = code;
  }

  /** The shortest way through some places, without the last; null where there is none. */
  path(...places: readonly number[]): number[] | null {
    const way: number[] = [];
    for (let k = 0; k + 1 < places.length; k++) {
      const part = shortestPath(this.#code, places[k], places[k + 1]);
      if (part === null) return null;
      way.push(...part.slice(0, -1));
    }
    return way;
  }

  add(way: readonly number[], times: number): void {
    for (const at of way) {
      const instruction = this.#code.instructions[at];
      if (instruction.name === "NOP") continue;
      this.times.set(instruction, (this.times.get(instruction) ?? 0) + times);
    }
  }
}

/**
 * What a tile of 64 columns takes, all chunks of its vectors being whole; null for other kernels.
 */
export function tileOf(
  code: Code,
  { columns, unroll, chunk }: CudaSchedule,
  components: number,
): Times | null {
  const { instructions } = code;
  const loops = loopsOf(code);
  const barrier = instructions.findIndex(({ name }) => name === "BAR");
  const [chunkLoop, tileLoop] = loops
    .filter(({ head, tail }) => head <= barrier && barrier <= tail)
    .sort((a, b) => a.tail - a.head - (b.tail - b.head));
  if (chunkLoop === undefined || tileLoop === undefined) return null;
  const find = (
    from: number,
    to: number,
    is: (one: Instruction, at: number) => boolean,
  ): number => {
    const at = instructions.slice(from, to).findIndex((one, k) => is(one, from + k));
    return at < 0 ? -1 : from + at;
  };
  const ways = new Ways(code);
  const { head, tail } = chunkLoop;
  // one way through a chunk stages the next chunk's rows, the last one begins the next tile
  const rows = find(head, tail, ({ name, text }) => name === "LDL" && text.includes(".128"));
  const next = rows < 0 ? null : ways.path(head, rows, tail);
  if (next === null) return null;
  const copy = find(
    head,
    tail,
    ({ name }, at) => ["LDGSTS", "LDG"].includes(name) && !next.includes(at),
  );
  const last = copy < 0 ? null : ways.path(head, copy, tail);
  if (last === null) return null;
  const chunks = components / chunk;
  ways.add([...next, tail], chunks - 1);
  ways.add([...last, tail], 1);
  for (const loop of loops.filter((l) => isInside(l, chunkLoop) && next.includes(l.head))) {
    const pieces = floatsLoaded(loop.path) / 4 / PIECES;
    if (pieces < 1) return null;
    // once it is on the way already
    ways.add(shortestPath(code, loop.head, loop.tail)!, chunks * (chunk / 4 / pieces - 1));
  }
  const others = loops.filter((l) => isInside(l, tileLoop) && l !== chunkLoop && l.head > tail);
  const [half] = others.filter((l) => others.some((o) => isInside(o, l)));
  if (half === undefined) return null;
  const [walk] = others.filter((l) => isInside(l, half))
    .sort((a, b) => floatsLoaded(b.path) - floatsLoaded(a.path));
  let given: readonly number[] = [];
  for (let k = 0; k < 2; k++) {
    const store = find(
      half.head,
      walk.head,
      ({ name }, at) => name === "STS" && !given.includes(at),
    );
    const way = store < 0 ? null : ways.path(half.head, store, walk.head);
    const back = ways.path(walk.tail, half.tail);
    if (way === null || back === null) return null;
    ways.add([...way, ...back.slice(1), half.tail], 1);
    given = [...given, ...way];
  }
  ways.add(shortestPath(code, walk.head, walk.tail)!, 2 * HANDED / (columns * unroll));
  const around = [
    ways.path(tileLoop.head, head),
    ways.path(tail, half.head)?.slice(1),
    ways.path(half.tail, tileLoop.tail)?.slice(1),
    [tileLoop.tail],
  ];
  for (const way of around) {
    if (!way) return null;
    ways.add(way, 1);
  }
  return ways.times;
}

/** How often instructions of some names run. */
export const timesOf = (tile: Times, ...names: readonly string[]): number =>
  [...tile].reduce((sum, [one, times]) => sum + times * countOf([one], ...names), 0);
