// A card against KeOps, dense PyTorch and its own limits, in one command of at most ten minutes:
// the GPU rows of PERFORMANCE.md, sweeps over sizes, points with themselves. Writes a Markdown page
// and an SVG picture per sweep.
//
//     deno task bench:cuda [--card 0] [--budget 540] [--tiny] [--out folder]
//
// Python is what $PAIRFOLD_PYTHON names (default python3); a peer that is missing is named. Every
// contestant has its inputs on the card before its clock starts, and stops when the result is on
// the host; first calls stand apart. The card's limits are measured first. Rows for which no time
// is left are named too. --tiny has sizes that take no time, for a test of this script on the
// emulator.

import { cuda, type CudaEngine, genred, tensor } from "pairfold";
import { dataOf, errorOf, type Numbers, SAMPLE } from "./cuda/data.ts";
import { withItself } from "./cuda/itself.ts";
import { type CardLimits, measureLimits } from "./cuda/limits.ts";
import {
  boundOf,
  CUDA_ROWS,
  type CudaRow,
  inputsOf,
  type Kind,
  KINDS,
  tinyRows,
} from "./cuda/rows.ts";
import { optionsOf } from "./options.ts";
import { PeerProcess, writeNumbers } from "./peers/process.ts";
import { linePlot } from "./plots.ts";
import { NOTHING, ratio, seconds, table, Times } from "./report.ts";

const { values: options } = optionsOf({
  options: {
    card: { type: "string", default: "0" },
    budget: { type: "string", default: "540" },
    tiny: { type: "boolean", default: false },
    out: { type: "string", default: new URL("results", import.meta.url).pathname },
  },
});
const ordinal = Number(options.card);
const started = performance.now();
const timeLeft = (): number => Number(options.budget) * 1000 - (performance.now() - started);
const isOver = (): boolean => timeLeft() < 0;
const repeats = options.tiny ? 1 : 5;
/** Milliseconds of one contestant's calls, after which no further one begins. */
const ENOUGH = 3000;
/** Milliseconds that a peer may take for a row, its build included; least where none is left. */
const PEER_LIMIT = { most: 60_000, least: 10_000 } as const;
/** The largest error of a right result. */
const WRONG = { float32: 1e-3, float64: 1e-9 } as const;

const PEERS = ["keops", "torch"] as const;
type Peer = typeof PEERS[number];

/** What a peer answers (the docstring of peers/cuda_worker.py is the contract). */
interface Answer {
  readonly seconds?: readonly number[];
  readonly first?: number;
  readonly version?: string;
  readonly error?: string;
  readonly missing?: string;
}

/** Times of a contestant, or why there are none. */
type Outcome = { readonly times: Times; readonly first: number; readonly error: number } | string;

const folder = await Deno.makeTempDir({ prefix: "pairfold-bench-" });
const workers = new Map(PEERS.map((peer) => [
  peer,
  new PeerProcess<Answer>({
    command: Deno.env.get("PAIRFOLD_PYTHON") ?? "python3",
    args: [new URL("peers/cuda_worker.py", import.meta.url).pathname, peer],
    env: {},
  }),
]));
const missing = new Map<Peer, string>();
const versions = new Map<Peer, string>();
/** What a peer said last when it had no times. */
const failures = new Map<Peer, string>();

/** A contestant's times, or the first line of what went wrong: other rows are worth having. */
async function tried(run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return error.message.split("\n")[0];
  }
}

async function runPeer(
  peer: Peer,
  row: CudaRow,
  job: object,
  data: ReturnType<typeof dataOf>,
): Promise<Outcome> {
  const known = missing.get(peer);
  if (known !== undefined) return known;
  const limit = Math.max(PEER_LIMIT.least, Math.min(PEER_LIMIT.most, timeLeft()));
  const outcome = await workers.get(peer)!.ask(job, limit);
  if (outcome.answer === null) {
    if (outcome.isMissing) missing.set(peer, outcome.failure);
    failures.set(peer, `${row.name}: ${outcome.failure}`);
    return outcome.failure;
  }
  const { seconds, first = 0, version, error, missing: why } = outcome.answer;
  if (why !== undefined) missing.set(peer, why);
  if (version !== undefined) versions.set(peer, version);
  if (seconds === undefined) {
    const failure = why ?? error ?? "no times";
    failures.set(peer, `${row.name}: ${failure}`);
    return failure;
  }
  const times = new Times();
  for (const s of seconds) times.add(s);
  const bytes = await Deno.readFile(`${folder}/output`);
  return { times, first, error: errorOf(row, data, new Float64Array(bytes.buffer)) };
}

async function runPairfold(
  engine: CudaEngine,
  row: CudaRow,
  data: ReturnType<typeof dataOf>,
): Promise<Outcome> {
  const { formula, reduction, weight }: Kind = KINDS[row.kind];
  const inputs = inputsOf(row);
  const aliases = inputs.map(({ name, category, dim }, n) => `${name}=${category}(${n},${dim})`);
  const fold = genred(formula, aliases, {
    reduction,
    weight,
    axis: 1,
    k: row.k,
    dtype: row.dtype,
    distances: row.distances,
    products: row.products,
    device: engine,
  });
  const tensors = inputs.map(({ rows, dim, category }, n) =>
    tensor(data[n], category === "Pm" ? [dim] : [rows, dim])
  );
  const call = async (): Promise<{ time: number; result: Numbers | Int32Array }> => {
    const start = performance.now();
    const result = await fold(...tensors).data();
    return { time: (performance.now() - start) / 1000, result: result as Numbers };
  };
  const { time: first, result } = await call();
  const times = new Times();
  const begun = performance.now();
  do times.add((await call()).time); while (
    times.count < repeats && performance.now() - begun < ENOUGH
  );
  for (const t of tensors) t.dispose();
  return { times, first, error: errorOf(row, data, result) };
}

/** One row, by all contestants. */
interface Measured {
  readonly row: CudaRow;
  readonly pairfold: Outcome;
  readonly peers: ReadonlyMap<Peer, Outcome>;
}

async function measure(engine: CudaEngine, row: CudaRow): Promise<Measured> {
  const data = dataOf(row);
  const inputs = inputsOf(row).map((input) => ({ ...input, path: `${folder}/${input.name}` }));
  inputs.forEach(({ path }, n) => writeNumbers(path, data[n]));
  const { formula, reduction, weight }: Kind = KINDS[row.kind];
  const job = {
    ...{ kind: row.kind, k: row.k, formula, reduction, weight, dtype: row.dtype, inputs, repeats },
    aliases: inputs.map(({ name, category, dim }, n) => `${name}=${category}(${n},${dim})`),
    ...{ limit: ENOUGH / 1000, output: `${folder}/output`, sample: SAMPLE },
  };
  const peers = new Map<Peer, Outcome>();
  for (const peer of PEERS) peers.set(peer, await runPeer(peer, row, job, data));
  return { row, pairfold: await tried(() => runPairfold(engine, row, data)), peers };
}

const pairs = ({ rows, columns }: CudaRow): number => rows * columns;

/** Seconds, or a word on why not. */
function cell(outcome: Outcome | undefined, { dtype }: CudaRow): string {
  if (outcome === undefined || typeof outcome === "string") return NOTHING;
  return outcome.error > WRONG[dtype] ? "wrong" : seconds(outcome.times.best);
}

/** How many times longer another took. */
function times(other: Outcome | undefined, own: Outcome): string {
  if (other === undefined || typeof other === "string" || typeof own === "string") return NOTHING;
  return ratio(other.times.best / own.times.best);
}

function lineOf({ row, pairfold, peers }: Measured, limits: CardLimits): string[] {
  const speed = typeof pairfold === "string" ? null : pairs(row) / pairfold.times.best;
  const bound = boundOf(row, limits);
  return [
    row.name,
    `${row.rows} × ${row.columns} ${row.dtype}`,
    cell(pairfold, row),
    ...PEERS.map((peer) => cell(peers.get(peer), row)),
    speed === null ? NOTHING : (speed / 1e9).toPrecision(4),
    bound === null || speed === null ? NOTHING : `${(100 * speed / bound).toFixed(0)} %`,
    times(peers.get("keops"), pairfold),
    row.target === null ? NOTHING : `≥ ${row.target}`,
    times(peers.get("torch"), pairfold),
    typeof pairfold === "string" ? pairfold : pairfold.error.toExponential(1),
  ];
}

const HEAD = ["row", "pairs", "Pairfold, s", "KeOps, s", "torch, s", "Gpairs/s", "of the bound"]
  .concat("to KeOps", "target", "to torch", "error");

/** First calls: compiled, and found on disk; and what a small reduction takes once all is there. */
async function latency(): Promise<string> {
  const cache = `${folder}/cache`;
  const row = { ...CUDA_ROWS[0], rows: 1000, columns: 1000 };
  const data = dataOf(row);
  const cells: string[] = [];
  for (const _ of ["cold", "from disk"]) {
    const outcome = await tried(() => runPairfold(cuda({ ordinal, cache }), row, data));
    cells.push(typeof outcome === "string" ? outcome : (outcome.first * 1000).toFixed(1));
  }
  const engine = cuda({ ordinal, cache });
  const x = tensor(data[1], [row.rows, row.dim]);
  const [y, b] = [tensor(data[2], [row.columns, row.dim]), tensor(data[3], [row.columns, 1])];
  const fold = genred(
    KINDS.gaussian.formula,
    ["G=Pm(0,1)", "X=Vi(1,3)", "Y=Vj(2,3)", "B=Vj(3,1)"],
    {
      reduction: "Sum",
      axis: 1,
      device: engine,
    },
  );
  const scale = tensor(data[0], [1]);
  const calls = options.tiny ? 3 : 500;
  await fold(scale, x, y, b).data();
  const from = performance.now();
  for (let call = 0; call < calls; call++) await fold(scale, x, y, b).data();
  const waited = (performance.now() - from) / calls * 1000;
  return table(
    ["1000 × 1000, D=3", "measured", "target"],
    [
      ["first call, compiled, ms", cells[0], "≤ 500"],
      ["first call, from disk, ms", cells[1], "≤ 10"],
      ["one call of many, each read, µs", waited.toFixed(1), "≤ 30"],
    ],
  );
}

const engine = cuda({ ordinal });
const limits = await measureLimits(ordinal, options.tiny);
const [card, driver] = engine.describe();
const done: Measured[] = [];
const left: string[] = [];
try {
  const small = await latency();
  const wrong = WRONG.float32;
  const itself = await withItself(ordinal, limits, { tiny: options.tiny, repeats, wrong, isOver })
    .catch((error: Error) => ["", "## with itself", "", `Failed: ${error.message}`]);
  for (const row of options.tiny ? tinyRows() : CUDA_ROWS) {
    if (isOver()) left.push(`${row.part}: ${row.name}`);
    else {
      const measured = await measure(engine, row);
      done.push(measured);
      // what was measured is to be seen, however this ends
      console.error(lineOf(measured, limits).join(" | "));
    }
  }
  const date = new Date().toISOString().slice(0, 10);
  const slug = card.split(",")[0].toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  const parts = [...new Set(done.map(({ row }) => row.part))];
  const peersLine = PEERS.map((peer) =>
    versions.has(peer)
      ? `${peer} ${versions.get(peer)}`
      : `${peer} missing (${missing.get(peer) ?? failures.get(peer) ?? "no row came to it"})`
  );
  const lines = [
    `# Pairfold on ${card.split(",")[0]}, ${date}`,
    "",
    `- ${card}; ${driver}; Deno ${Deno.version.deno}`,
    `- Peers: ${peersLine.join("; ")}`,
    `- The card's own rates, measured: copy ${(limits.copy / 1e9).toPrecision(4)} GB/s, ` +
    `${(limits.fma / 1e9).toPrecision(4)} G fused products/s, ` +
    `${(limits.exp2 / 1e9).toPrecision(4)} G exponentials/s`,
    ...PEERS.filter((peer) => versions.has(peer) && failures.has(peer))
      .map((peer) => `- ${peer} failed, the last time at ${failures.get(peer)}`),
    ...(left.length > 0 ? [`- No time was left for: ${left.join("; ")}`] : []),
    "",
    small,
    ...parts.flatMap((part) => {
      const rows = done.filter(({ row }) => row.part === part);
      return ["", `## ${part}`, "", table(HEAD, rows.map((m) => lineOf(m, limits)))];
    }),
    ...itself,
    "",
    "Bests of whole calls, inputs on the card, results on the host; first calls excluded. The bound is",
    "what the inner loop's machine code allows at the measured rates. Errors are relative to the",
    `largest entry, on ${SAMPLE} rows, against float64 loops.`,
  ];
  const text = `${lines.join("\n")}\n`;
  await Deno.mkdir(options.out, { recursive: true });
  await Deno.writeTextFile(`${options.out}/${slug}.md`, text);
  for (const part of parts.filter((p) => p !== "targets")) {
    const points = done.filter(({ row }) => row.part === part).flatMap(({ row, ...all }) =>
      [["Pairfold", all.pairfold] as const, ...all.peers].flatMap(([series, outcome]) =>
        typeof outcome === "string"
          ? []
          : [{ series, x: row.at, y: pairs(row) / outcome.times.best / 1e9 }]
      )
    );
    const frame = { title: `${card.split(",")[0]}: ${part}`, x: part, y: "Gpairs/s" };
    await Deno.writeTextFile(
      `${options.out}/${slug}-${part.replace(/\W+/g, "-").toLowerCase()}.svg`,
      linePlot(frame, points),
    );
  }
  console.log(text.trim());
} finally {
  for (const worker of workers.values()) worker.stop();
  await Deno.remove(folder, { recursive: true });
}
