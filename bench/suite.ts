// All benchmarks of the CPU side by side, in one command: Pairfold's engines and whatever of KeOps,
// PyTorch, NumPy, scikit-learn, scipy and jax-js is installed, on the same inputs in the same run
// and on as many threads. Writes a Markdown page of tables and one SVG picture per sweep.
//
//     deno task bench:peers
//         [--parts rows,points,dims,widths,neighbours,neighbour-dims,threads,latency]
//         [--engines wasm,native] [--peers keops,torch,numpy,scikit-learn,scipy,jax-js]
//         [--threads 2] [--tiny] [--out folder]
//
// Python is what $PAIRFOLD_PYTHON names (default python3). A peer that is not there is named, one
// that takes more than 20 s for a call is capped, for all larger sizes too; a result that is wrong
// is not timed. `rows` runs bench/peers/run.ts, which holds PERFORMANCE.md's rows against KeOps and
// hand-written loops, in pages of its own. --tiny has the smallest sizes, for a test of this
// script.

import { native } from "pairfold";
import { countOf, namesOf, optionsOf } from "./options.ts";
import { linePlot } from "./plots.ts";
import { cpuSlug, machineLine, table } from "./report.ts";
import {
  type Contestant,
  contestant,
  ENGINES,
  PEERS,
  takes,
  withVariants,
} from "./suite/contestants.ts";
import { firstCalls, firstCallTable, smallTable } from "./suite/latency.ts";
import { type Limits, measure, plotOf, type Sweep, SWEEPS, tableOf } from "./suite/sweeps.ts";

const { values: options, positionals } = optionsOf({
  options: {
    parts: { type: "string" },
    engines: { type: "string" },
    peers: { type: "string" },
    threads: { type: "string", default: `${navigator.hardwareConcurrency}` },
    tiny: { type: "boolean", default: false },
    out: { type: "string" },
    first: { type: "boolean", default: false },
  },
  allowPositionals: true,
});

const OTHER_PARTS = ["rows", "threads", "latency"] as const;
const threads = countOf("threads", options.threads);
const limits: Limits = options.tiny
  ? { call: 20_000, repeats: 1, enough: 1, shortRepeats: 1, shortEnough: 1 }
  : { call: 20_000, repeats: 5, enough: 1500, shortRepeats: 60, shortEnough: 50 };

/** A sweep at sizes that take no time. */
const tiny = (sweep: Sweep): Sweep => ({
  ...sweep,
  values: sweep.values.slice(0, 2),
  problem: (value) => {
    const sizes = sweep.problem(value);
    return {
      ...sizes,
      rows: Math.min(sizes.rows, 65),
      columns: Math.min(sizes.columns, 67),
    };
  },
});

/** Why the native engine is not there; null where it is. */
function withoutNative(): string | null {
  try {
    native().dispose();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** PERFORMANCE.md's rows: a page per engine. */
async function rowPages(engines: readonly string[], folder: string, stem: string): Promise<string> {
  const pages: string[] = [];
  for (const engine of engines) {
    const name = `${stem}-rows-${engine}.md`;
    const args = ["--device", engine, "--threads", `${threads}`, "--out", `${folder}/${name}`];
    const few = options.tiny ? ["--rows", "cauchy", "--repeats", "1"] : [];
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", new URL("peers/run.ts", import.meta.url).pathname, ...args, ...few],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).output();
    pages.push(success ? `- [${engine}](${name})` : `- ${engine}: it failed`);
  }
  return `## Rows of the targets\n\n${pages.join("\n")}\n`;
}

/** The Gaussian sum at one size on 1, 2, 4 … threads. */
async function threadTable(names: readonly string[], scratch: string): Promise<string> {
  const cores = navigator.hardwareConcurrency;
  const counts = [1, 2, 4, 8, 16, 32, 64].filter((n) => n < cores).concat(cores);
  const points = SWEEPS.find(({ name }) => name === "points");
  if (points === undefined) throw new TypeError("there is no sweep of points");
  const sweep: Sweep = { ...points, name: "threads", values: [30_000] };
  const rows: string[][] = [];
  for (const count of counts) {
    const all = names.map((name) => contestant(name, count, scratch));
    try {
      const [point] = await measure(options.tiny ? tiny(sweep) : sweep, all, limits, scratch, say);
      rows.push([
        `${count}`,
        ...names.map((name) => {
          const cell = point.cells.get(name);
          return cell?.why ?? cell?.times.best.toPrecision(3) ?? "";
        }),
      ]);
    } finally {
      for (const one of all) one.stop();
    }
  }
  return `## Threads: Gaussian sum, D = 3, N = 30,000, seconds\n\n${
    table(["threads", ...names], rows)
  }\n`;
}

const say = (line: string): void => console.error(line);

async function main(): Promise<void> {
  const date = new Date().toISOString().slice(0, 10);
  const folder = options.out ?? new URL("results", import.meta.url).pathname;
  const stem = `${date}-${cpuSlug()}-suite`;
  const parts = namesOf("parts", options.parts, [
    ...SWEEPS.map(({ name }) => name),
    ...OTHER_PARTS,
  ]);
  const missing = withoutNative();
  const engines = namesOf("engines", options.engines, ENGINES)
    .filter((name) => name !== "native" || missing === null);
  const peers = namesOf("peers", options.peers, PEERS);
  const names = [...engines, ...peers];
  const scratch = await Deno.makeTempDir({ prefix: "pairfold-suite-" });
  const sections: string[] = [];
  const versions = new Map<string, string>();
  const absent = new Map<string, string>();
  if (missing !== null) absent.set("native", missing);
  await Deno.mkdir(folder, { recursive: true });
  try {
    if (parts.includes("rows")) sections.push(await rowPages(engines, folder, stem));
    for (const whole of SWEEPS) {
      if (!parts.includes(whole.name)) continue;
      const sweep = options.tiny ? tiny(whole) : whole;
      const { operation } = sweep.problem(sweep.values[0]);
      const own = operation === "neighbours"
        ? withVariants(engines, "all pairs")
        : whole.name === "dims"
        ? withVariants(engines, "centred")
        : engines;
      const taking = peers.filter((name) => takes(name, operation));
      const all: Contestant[] = [...own, ...taking]
        .map((name) => contestant(name, threads, scratch));
      try {
        const points = await measure(sweep, all, limits, scratch, say);
        const picture = `${stem}-${sweep.name}.svg`;
        await Deno.writeTextFile(`${folder}/${picture}`, linePlot(...plotOf(sweep, points)));
        sections.push(
          `## ${sweep.title}\n\n![${sweep.title}](${picture})\n\n${
            tableOf(sweep, points, own, peers)
          }\n`,
        );
        for (const { name, version } of all) if (version !== null) versions.set(name, version);
        for (const [name, cell] of points.flatMap(({ cells }) => [...cells])) {
          if (cell.isMissing && cell.why !== null) absent.set(name, cell.why);
        }
      } finally {
        for (const one of all) one.stop();
      }
    }
    const dense = names.filter((name) => takes(name, "gaussian"));
    if (parts.includes("threads")) sections.push(await threadTable(dense, scratch));
    if (parts.includes("latency")) {
      sections.push(
        `## First calls in a fresh process, N = 1000\n\n${await firstCallTable(
          engines,
          scratch,
        )}\n`,
        `## Small problems on the calling thread\n\n${await smallTable(
          engines,
          options.tiny ? 3 : 400,
        )}\n`,
      );
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  const taking = [...versions].map(([name, version]) => `${name} ${version}`).join(", ");
  const gone = [...absent].filter(([name]) => !versions.has(name));
  const page = `# Pairfold beside others, CPU, ${date}

- ${machineLine()}
- Deno ${Deno.version.deno}, V8 ${Deno.version.v8}; ${taking === "" ? "no peers" : taking}
- ${threads} threads each; best of ${limits.repeats} to ${limits.shortRepeats} whole calls (fewer where they take seconds), the contestants taking turns, first calls excluded
- Missing: ${gone.length === 0 ? "none" : gone.map(([name, why]) => `${name} (${why})`).join("; ")}

PyTorch and NumPy work on dense blocks with distances from a matrix product (as "centred" does,
which counts points from their mean first); jax-js works on the whole dense matrix on WebAssembly;
scipy's time has the building of its tree in it, and Pairfold's the sorting of points by which most
pairs are left out where it says no "all pairs" (speeds count them as folded). "n×" is the peer's
time over Pairfold's. "> 20 s" is a call that was given up, and all larger ones with it.

${sections.join("\n")}`;
  await Deno.writeTextFile(`${folder}/${stem}.md`, page);
  console.log(page);
}

if (options.first) await firstCalls(positionals[0], positionals[1]);
else await main();
