// What a fold costs beside its arithmetic: first calls, calls that find their kernel on disk, small
// problems against a plain loop.

import { type LazyTensor, native, tensor, Vi, Vj, wasm } from "pairfold";
import { uniform } from "../random.ts";
import { timesInFreshProcess } from "../fresh.ts";
import { NOTHING, table, Times } from "../report.ts";

/** Formulas whose first call is timed; each is another kernel. */
const FORMULAS: Record<string, (x: LazyTensor, y: LazyTensor, b: LazyTensor) => LazyTensor> = {
  gaussian: (x, y, b) => x.sqDist(y).mul(-0.5).exp().mul(b),
  gradient: (x, y, b) => x.sqDist(y).mul(-0.5).exp().mul(b).grad(x),
  laplacian: (x, y, b) => x.sub(y).norm2().neg().exp().mul(b),
  cauchy: (x, y, b) => x.sqDist(y).add(1).inv().mul(b),
  logarithm: (x, y, b) => x.sqDist(y).add(1).log().mul(b),
};

/** Prints one line per formula: milliseconds of the first and of the next call in this process. */
export async function firstCalls(engine: string, cache: string): Promise<void> {
  const device = engine === "native" ? native({ cache }) : wasm();
  const points = (): Float32Array => Float32Array.from({ length: 3000 }, Math.random);
  const [x, y] = [Vi(points(), 3), Vj(points(), 3)];
  const b = Vj(points().subarray(0, 1000), 1);
  for (const [name, of] of Object.entries(FORMULAS)) {
    const times = [];
    for (let call = 0; call < 2; call++) {
      const start = performance.now();
      await of(x, y, b).sum("j", { device }).data();
      times.push(performance.now() - start);
    }
    console.log(JSON.stringify({ name, times }));
  }
}

/** First calls in a fresh process, by formula. */
const fresh = (engine: string, cache: string): Promise<Map<string, number[]>> =>
  timesInFreshProcess("suite.ts", "--first", engine, cache);

/** The table of first calls: the first formula of a process pays for waking Deno's parts. */
export async function firstCallTable(engines: readonly string[], folder: string): Promise<string> {
  const columns: [string, Map<string, number[]>][] = [];
  for (const engine of engines) {
    const cache = `${folder}/cache-${engine}`;
    const runs = engine === "native" ? ["compiled", "from disk"] : ["compiled"];
    for (const run of runs) columns.push([`${engine}, ${run}`, await fresh(engine, cache)]);
  }
  const ms = (t: number | undefined): string => t === undefined ? NOTHING : t.toFixed(1);
  return table(
    ["formula", ...columns.map(([name]) => `${name}, ms (next call)`)],
    Object.keys(FORMULAS).map((name) => [
      name,
      ...columns.map(([, times]) => `${ms(times.get(name)?.[0])} (${ms(times.get(name)?.[1])})`),
    ]),
  );
}

/** The reduction as a program without a library would have it. */
function plainLoop(x: Float32Array, y: Float32Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let j = 0; j < y.length; j += 3) {
      const [a, b, c] = [x[3 * i] - y[j], x[3 * i + 1] - y[j + 1], x[3 * i + 2] - y[j + 2]];
      sum += Math.exp(-0.5 * (a * a + b * b + c * c));
    }
    out[i] = sum;
  }
}

/** Small problems on the calling thread against a plain loop, in microseconds. */
export async function smallTable(engines: readonly string[], calls: number): Promise<string> {
  const devices = engines.map((name) =>
    name === "native" ? native({ threads: 1 }) : wasm({ threads: 1 })
  );
  const rows: string[][] = [];
  for (const size of [10, 30, 100, 300]) {
    const next = uniform(size);
    const [x, y] = [0, 1].map(() =>
      Float32Array.from({ length: 3 * size }, () => next.next().value)
    );
    const out = new Float32Array(size);
    const [vi, vj] = [Vi(tensor(x, [size, 3])), Vj(tensor(y, [size, 3]))];
    const calling = [
      () => plainLoop(x, y, out),
      ...devices.map((device) => async () =>
        void await vi.sqDist(vj).mul(-0.5).exp().sum("j", { device }).data()
      ),
    ];
    const times = calling.map(() => new Times());
    // what has run a thousand times is compiled for good
    for (let call = -5 * calls; call < calls; call++) {
      for (const [k, one] of calling.entries()) {
        if (call < 0) {
          await one();
          continue;
        }
        const start = performance.now();
        await one();
        times[k].add((performance.now() - start) * 1000);
      }
    }
    const [plain, ...own] = times.map((t) => t.median);
    rows.push([
      `${size}`,
      plain.toFixed(1),
      ...own.map((t) => `${t.toFixed(1)} (${t > plain ? "+" : ""}${(t - plain).toFixed(1)})`),
    ]);
  }
  for (const device of devices) device.dispose();
  return table(
    ["N", "plain loop, µs", ...engines.map((e) => `${e}, µs (more than the loop)`)],
    rows,
  );
}
