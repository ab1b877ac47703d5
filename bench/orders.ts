// The K smallest in the worst order of the columns, beside random order: writes a Markdown table.
//
//     deno run -A bench/orders.ts [--size 10000] [--threads 2] [--repeats 7] [--out file.md]
//
// In the worst order every column is nearer to all rows than those before, so that each of them
// enters every list. Both orders of a K, and both engines, take turns; without a C compiler the
// table has WebAssembly alone. Times are of whole calls, first calls excluded.

import { native, type NativeEngine, PairfoldError, wasm, type WasmEngine } from "pairfold";
import { countOf, optionsOf } from "./options.ts";
import { cpuSlug, machineLine, NOTHING, ratio, seconds, table, Times, warm } from "./report.ts";
import { folder, problemOf, refuseWrong, type Workload, WORKLOADS } from "./workloads.ts";

const COUNTS = [1, 10, 50, 100] as const;
/** Milliseconds of idle work before each call; see bench/peers/run.ts. */
const WARMING = 20;

const { values: options } = optionsOf({
  options: {
    size: { type: "string", default: "10000" },
    threads: { type: "string", default: "2" },
    repeats: { type: "string", default: "7" },
    out: { type: "string" },
  },
});
const size = countOf("size", options.size);
const threads = countOf("threads", options.threads);
const repeats = countOf("repeats", options.repeats);

/** The engines that are there, by name. */
function engines(): Map<string, WasmEngine | NativeEngine> {
  const found = new Map<string, WasmEngine | NativeEngine>([["wasm", wasm({ threads })]]);
  try {
    found.set("native", native({ threads }));
  } catch (error) {
    if (!(error instanceof PairfoldError)) throw error;
    console.error(`native kernels are left out: ${error.message}`);
  }
  return found;
}

function workloadOf(name: string): Workload {
  const found = WORKLOADS.find((w) => w.name === name);
  if (found === undefined) throw new TypeError(`no row ${name}`);
  return found;
}

/** A fold that is timed; its first call, whose result is checked, is not. */
async function contestant(
  workload: Workload,
  device: WasmEngine | NativeEngine,
): Promise<{ readonly times: Times; readonly run: () => Promise<void> }> {
  const problem = problemOf(workload, size);
  const fold = folder(workload, problem);
  const numbers = await fold({ device }).data();
  refuseWrong("Pairfold", workload, problem, numbers);
  const times = new Times();
  const run = async (): Promise<void> => {
    warm(WARMING);
    const start = performance.now();
    await fold({ device }).data();
    times.add((performance.now() - start) / 1000);
  };
  return { times, run };
}

const rows: string[][] = [];
const pair = (t: Times): string => `${seconds(t.best)} / ${seconds(t.median)}`;
const devices = engines();
for (const k of COUNTS) {
  const list = [];
  for (const [engine, device] of devices) {
    const random = await contestant(workloadOf(`${k}-smallest`), device);
    const worst = await contestant(workloadOf(`${k}-smallest-nearing`), device);
    list.push({ engine, random, worst });
  }
  for (let n = 0; n < repeats; n++) {
    for (const { random, worst } of list) {
      await random.run();
      await worst.run();
    }
  }
  for (const { engine, random: { times: random }, worst: { times: worst } } of list) {
    rows.push([
      `${k}`,
      engine,
      pair(random),
      pair(worst),
      random.isEmpty ? NOTHING : ratio(worst.best / random.best),
      random.isEmpty ? NOTHING : ratio(worst.median / random.median),
    ]);
  }
}
for (const device of devices.values()) device[Symbol.dispose]();

const date = new Date().toISOString().slice(0, 10);
const head = [
  "K",
  "engine",
  "random order, s (best / median)",
  "worst order, s (best / median)",
  "ratio of bests",
  "ratio of medians",
];
const text = `# K smallest, random order and worst order, ${date}

- ${machineLine()}
- Deno ${Deno.version.deno}, V8 ${Deno.version.v8}
- ${size}² float32 points in three dimensions, ${threads} threads, ${options.repeats} repeats

${table(head, rows)}

In the worst order every column is nearer to all rows than those before. Made by
\`deno run -A bench/orders.ts\`.
`;
console.log(text);
const out = options.out ??
  new URL(`./results/${date}-${cpuSlug()}-orders.md`, import.meta.url);
await Deno.writeTextFile(out, text);
