// Pairfold and KeOps on the same inputs, in the same run, taking turns: writes a Markdown table.
//
//     deno run -A bench/peers/run.ts [--rows gaussian,cauchy] [--threads 2] [--repeats 5]
//         [--device native] [--out file.md]
//
// KeOps runs in the Python that $PAIRFOLD_PYTHON names (default python3); where it or pykeops is
// missing, the table says so and the other columns are filled. Each repeat times, one after
// another, KeOps and Pairfold on as many threads, then Pairfold and the hand-written loop on one.
// KeOps' time is a call of its routine, Pairfold's runs from building the formula to having its
// numbers; neither includes the first call. Machines are noisy: compare bests with bests and
// medians with medians.

import { native, type NativeEngine, wasm, type WasmEngine } from "pairfold";
import { prepare } from "../handwritten/loop.ts";
import { countOf, namesOf, optionsOf } from "../options.ts";
import { cpuSlug, machineLine, NOTHING, ratio, seconds, table, Times, warm } from "../report.ts";
import {
  comparable,
  errorOf,
  folder,
  type Problem,
  problemOf,
  refuseWrong,
  relativeDifference,
  type Workload,
  WORKLOADS,
} from "../workloads.ts";
import { Keops } from "./keops.ts";

/** The least ratio to a hand-written loop on the same engine and thread. */
const HANDWRITTEN_TARGET = 0.9;
/**
 * Milliseconds of idle work before each contestant: OpenMP's threads spin a while after theirs, and
 * a core that has slept is slow at first (2.6 instead of 3.7 GHz for up to half a second, EPYC,
 * 2026-11).
 */
const WARMING = 50;

const { values: options } = optionsOf({
  options: {
    rows: { type: "string" },
    threads: { type: "string", default: "2" },
    repeats: { type: "string", default: "5" },
    device: { type: "string", default: "wasm" },
    out: { type: "string" },
  },
});
const [device] = namesOf("device", options.device, ["wasm", "native"]);
const isNative = device === "native";
const threads = countOf("threads", options.threads);
const repeats = countOf("repeats", options.repeats);

function chosenRows(): readonly Workload[] {
  if (options.rows === undefined) return WORKLOADS.filter((w) => w.target !== null);
  const names = namesOf("rows", options.rows, WORKLOADS.map((w) => w.name));
  return WORKLOADS.filter((w) => names.includes(w.name));
}

/** What was found out about one row. */
interface Result {
  readonly workload: Workload;
  readonly peer: Times;
  readonly pairfold: Times;
  readonly single: Times;
  readonly handwritten: Times;
  /** Why there is no peer, and how results differ. */
  readonly peerProblem: string | null;
  readonly difference: number | null;
  readonly peerError: number | null;
  readonly pairfoldError: number;
}

/** The native targets of PERFORMANCE.md by those of WebAssembly. */
const NATIVE_TARGETS: ReadonlyMap<number, number> = new Map([[8.5, 20], [6, 12], [5, 8], [2.5, 6]]);

function targetOf({ target }: Workload): number | null {
  return isNative && target !== null ? NATIVE_TARGETS.get(target) ?? null : target;
}

const engineWith = (count: number): WasmEngine | NativeEngine =>
  isNative ? native({ threads: count }) : wasm({ threads: count });

async function timed(times: Times, work: () => unknown): Promise<void> {
  warm(WARMING);
  const start = performance.now();
  await work();
  times.add((performance.now() - start) / 1000);
}

/** The peer's results from its file. */
function readOutput(workload: Workload, path: string): ArrayLike<number> {
  const { buffer } = Deno.readFileSync(path);
  if (workload.indices) return new Int32Array(buffer);
  return workload.dtype === "float32" ? new Float32Array(buffer) : new Float64Array(buffer);
}

function handwrittenLoop(workload: Workload, problem: Problem): (() => void) | null {
  if (workload.handwritten === null) return null;
  const { x, y, b, scale } = problem;
  const loop = prepare(workload.handwritten, { x, y, weights: b, scale });
  loop.run();
  refuseWrong("the hand-written loop", workload, problem, loop.results());
  return loop.run;
}

async function measure(workload: Workload, keops: Keops): Promise<Result> {
  console.error(`${workload.name}: ${workload.size}×${workload.size}`);
  const problem = problemOf(workload);
  const fold = folder(workload, problem);
  using device = engineWith(threads);
  using one = engineWith(1);
  const numbers = await fold({ device }).data();
  refuseWrong("Pairfold", workload, problem, numbers);
  await fold({ device: one }).data();
  const loop = handwrittenLoop(workload, problem);
  const call = await keops.prepare(workload, problem);

  const [peer, pairfold] = [new Times(), new Times()];
  const [single, handwritten] = [new Times(), new Times()];
  let peerProblem = typeof call === "string" ? call : null;
  let output: string | null = null;
  const askPeer = async (): Promise<void> => {
    if (typeof call === "string" || peerProblem !== null) return;
    warm(WARMING);
    const answer = await call();
    if (typeof answer === "string") peerProblem = answer;
    else {
      peer.add(answer.seconds);
      output = answer.output;
    }
  };
  const turns = [askPeer, () => timed(pairfold, () => fold({ device }).data())];
  if (loop !== null) {
    turns.push(
      () => timed(single, () => fold({ device: one }).data()),
      () => timed(handwritten, loop),
    );
  }
  for (let k = 0; k < repeats; k++) {
    for (let turn = 0; turn < turns.length; turn++) await turns[(k + turn) % turns.length]();
  }

  const mine = comparable(workload, problem, numbers);
  const theirs = output === null
    ? null
    : comparable(workload, problem, readOutput(workload, output));
  return {
    workload,
    peer,
    pairfold,
    single,
    handwritten,
    peerProblem,
    difference: theirs === null ? null : relativeDifference(mine, theirs),
    peerError: theirs === null ? null : errorOf(workload, problem, theirs),
    pairfoldError: errorOf(workload, problem, mine),
  };
}

// ---- the report ---------------------------------------------------------------------------------

const scientific = (x: number | null): string => x === null ? NOTHING : x.toExponential(1);
const pair = (t: Times): string =>
  t.isEmpty ? NOTHING : `${seconds(t.best)} / ${seconds(t.median)}`;

function speedRow(r: Result): string[] {
  const { workload, peer, pairfold, single, handwritten, peerProblem } = r;
  const { name, size, dtype } = workload;
  const target = targetOf(workload);
  const overPeer = (of: "best" | "median"): string =>
    peer.isEmpty ? NOTHING : ratio(peer[of] / pairfold[of]);
  const overHand = (of: "best" | "median"): string =>
    handwritten.isEmpty ? NOTHING : ratio(handwritten[of] / single[of]);
  return [
    name,
    `${size}² ${dtype}`,
    peer.isEmpty ? peerProblem ?? NOTHING : pair(peer),
    pair(pairfold),
    (size ** 2 / pairfold.best / 1e9).toFixed(2),
    overPeer("best"),
    overPeer("median"),
    target === null ? NOTHING : `≥ ${target}`,
    overHand("best"),
    overHand("median"),
    handwritten.isEmpty ? NOTHING : `≥ ${HANDWRITTEN_TARGET}`,
  ];
}

function report(results: readonly Result[], keops: Keops, date: string): string {
  const speed = table(
    [
      "row",
      "size",
      "KeOps, s (best / median)",
      "Pairfold, s (best / median)",
      "Gpairs/s",
      "ratio of bests",
      "ratio of medians",
      "target",
      "to hand-written, bests",
      "medians",
      "target",
    ],
    results.map(speedRow),
  );
  const agreement = table(
    ["row", "KeOps to Pairfold", "error of KeOps", "error of Pairfold"],
    results.map((r) => [
      r.workload.name,
      scientific(r.difference),
      scientific(r.peerError),
      scientific(r.pairfoldError),
    ]),
  );
  return `# Pairfold and KeOps, CPU, ${date}

- ${machineLine()}
- Deno ${Deno.version.deno}, V8 ${Deno.version.v8}; KeOps ${keops.version ?? "missing"}
- Engine ${device}, ${threads} threads each, ${repeats} repeats, the contestants taking turns

${speed}

Times are of whole calls, first calls excluded. The ratio to KeOps is KeOps' time over Pairfold's on
as many threads. The ratio to the hand-written loop of bench/handwritten is its time over
Pairfold's, both on one thread.

${agreement}

Differences and errors are the largest ones relative to the result's largest entry; errors are
against a float64 dense loop on 32 rows. KeOps' own float32 sums err by up to 1e-4.
`;
}

const date = new Date().toISOString().slice(0, 10);
const folderName = await Deno.makeTempDir({ prefix: "pairfold-peers-" });
const keops = new Keops(threads, folderName);
const results: Result[] = [];
try {
  for (const workload of chosenRows()) results.push(await measure(workload, keops));
} finally {
  keops.stop();
  await Deno.remove(folderName, { recursive: true });
}
const text = report(results, keops, date);
console.log(text);
const out = options.out ??
  new URL(`../results/${date}-${cpuSlug()}${isNative ? "-native" : ""}.md`, import.meta.url);
await Deno.writeTextFile(out, text);
