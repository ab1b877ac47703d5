// What the first use of a formula costs: in a fresh process, where nothing of the library has been
// compiled, and in one that has met others.

import { timesInFreshProcess } from "../fresh.ts";
import { NOTHING, table, Times } from "../report.ts";
import type { Library } from "./library.ts";

type Matrix = ReturnType<Library["Vi"]>;

/** Formulas whose first call is timed; each is another kernel. */
const FORMULAS: Record<string, (x: Matrix, y: Matrix, b: Matrix) => Matrix> = {
  gaussian: (x, y, b) => x.sqDist(y).mul(-0.5).exp().mul(b),
  gradient: (x, y, b) => x.sqDist(y).mul(-0.5).exp().mul(b).grad(x),
  laplacian: (x, y, b) => x.sub(y).norm2().neg().exp().mul(b),
  cauchy: (x, y, b) => x.sqDist(y).add(1).inv().mul(b),
  logarithm: (x, y, b) => x.sqDist(y).add(1).log().mul(b),
};

/**
 * Sums of points with themselves, of so many points, each pair once: a first call less the next
 * one.
 */
const POINTS = 10_000;
const SYMMETRIC: Record<string, (x: Matrix, y: Matrix, b: Matrix) => Matrix> = {
  "gaussian, x = y": FORMULAS.gaussian,
  "laplacian, x = y": FORMULAS.laplacian,
};

/** Links of chains: formulas that have not been met, for a process that has met others. */
const LINKS: readonly ((k: Matrix) => Matrix)[] = [
  (k) => k.add(1).sqrt(),
  (k) => k.neg().exp(),
  (k) => k.square().add(1).inv(),
  (k) => k.add(1).log(),
];

/** Formulas met before warm ones are timed, and how many these are. */
const BEFORE = { wasm: 150, native: 3 } as const;
const WARM = { wasm: 60, native: 8 } as const;

/** A formula of as many ops as the named ones, by a number. */
function chain(x: Matrix, y: Matrix, b: Matrix, n: number): Matrix {
  let k = x.sqDist(y);
  for (let rest = n + LINKS.length; rest > 1; rest = Math.floor(rest / LINKS.length)) {
    k = LINKS[rest % LINKS.length](k);
  }
  return k.mul(b);
}

/** Prints a line of JSON per formula: milliseconds of its first and of its next call. */
export async function firstUse(library: Library, engine: string, cache: string): Promise<void> {
  const { native, tensor, wasm, Vi, Vj } = library;
  const size = 100;
  const device = engine === "native" ? native({ cache, threads: 1 }) : wasm({ threads: 1 });
  const points = (count = size): Float32Array =>
    Float32Array.from({ length: 3 * count }, Math.random);
  const [x, y] = [Vi(points(), 3), Vj(points(), 3)];
  const b = Vj(points().subarray(0, size), 1);
  const first = async (of: () => Matrix): Promise<number[]> => {
    const times = [];
    for (let call = 0; call < 2; call++) {
      const start = performance.now();
      await of().sum("j", { device }).data();
      times.push(performance.now() - start);
    }
    return times;
  };
  for (const [name, of] of Object.entries(FORMULAS)) {
    console.log(JSON.stringify({ name, times: await first(() => of(x, y, b)) }));
  }
  const table = tensor(points(POINTS), [POINTS, 3]);
  const weights = Vj(points(POINTS).subarray(0, POINTS), 1);
  for (const [name, of] of Object.entries(SYMMETRIC)) {
    const [one, next] = await first(() => of(Vi(table), Vj(table), weights));
    console.log(JSON.stringify({ name, times: [one - next] }));
  }
  const kind = engine === "native" ? "native" : "wasm";
  const warm = new Times();
  for (let k = 0; k < BEFORE[kind] + WARM[kind]; k++) {
    const [ms] = await first(() => chain(x, y, b, k));
    if (k >= BEFORE[kind]) warm.add(ms);
  }
  console.log(JSON.stringify({ name: "warm", times: [warm.median, warm.best] }));
}

/** First uses in a fresh process, by formula. */
const fresh = (
  address: string,
  engine: string,
  cache: string,
): Promise<Map<string, number[]>> =>
  timesInFreshProcess("overhead.ts", "--first-use", address, engine, cache);

/** Processes that each figure is the median of. */
const PROCESSES = {
  compiled: { wasm: 15, native: 9 },
  "from disk": { wasm: 0, native: 11 },
} as const;

/** The table of first uses. */
export async function firstUseTable(
  addresses: readonly string[],
  engines: readonly string[],
): Promise<string> {
  const names = [...Object.keys(FORMULAS), ...Object.keys(SYMMETRIC), "warm"];
  const columns: [string, Map<string, string>][] = [];
  for (const engine of engines) {
    const kind = engine === "native" ? "native" : "wasm";
    let caches: string[] = [];
    for (const run of ["compiled", "from disk"] as const) {
      const times = addresses.map(() => new Map(names.map((name) => [name, new Times()])));
      for (let k = 0; k < PROCESSES[run][kind]; k++) {
        if (run === "compiled") caches = addresses.map(() => Deno.makeTempDirSync());
        // what runs first has the processor as others left it: they take turns at that too
        const inTurn = [...addresses.entries()];
        for (const [a, address] of k % 2 === 0 ? inTurn : inTurn.reverse()) {
          for (const [name, [ms]] of await fresh(address, engine, caches[a])) {
            times[a].get(name)?.add(ms);
          }
        }
      }
      if (PROCESSES[run][kind] === 0) continue;
      const cells = names.map((name) => {
        const own = times.map((of) => of.get(name) ?? new Times());
        const one = (t: Times): string =>
          t.isEmpty ? NOTHING : `${t.median.toFixed(1)} (${t.best.toFixed(1)})`;
        return [name, own.map(one).join(" / ")] as const;
      });
      columns.push([`${engine}, ${run}`, new Map(cells)]);
    }
  }
  const titles: Record<string, string> = {
    gaussian: "gaussian (first of its process)",
    warm: "another, after many (median)",
  };
  return "Milliseconds from building the formula to its numbers, N = 100, medians (bests in " +
    "brackets) of fresh\nprocesses, each of which meets these formulas one after another; x = y: N = 10,000, " +
    "each pair\nof points once, less the time of the next call.\n\n" +
    table(
      ["formula", ...columns.map(([name]) => name)],
      names.map((name) => [
        titles[name] ?? name,
        ...columns.map(([, cells]) => cells.get(name) ?? NOTHING),
      ]),
    );
}
