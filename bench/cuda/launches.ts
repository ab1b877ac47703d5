// What launches on a card cost the host: calls of the shim and of the driver, bytes that go up and
// down, microseconds. Kernels take no part: calls are counted on the emulator, times are taken on a
// driver whose device does nothing. Lists that come again are queued as lists, and as graphs of the
// driver: on such a driver the difference in time is that of the host's own work alone.
//
//     deno run -A bench/cuda/launches.ts [--calls 2000] [--against another/mod.ts] [--out folder]
//     deno run -A bench/cuda/launches.ts --card [--calls 2000]
//
// With --against, another checkout is counted too, and timed in the same run, taking turns. With
// --card, times are taken on the card of this machine instead: as lists, as graphs, and as the shim
// decides. Wants bash, cmake and gcc.

import { fromFileUrl, resolve, toFileUrl } from "@std/path";
import { cell, type Contestant, type Library, load, timed } from "../overhead/library.ts";
import { countOf, optionsOf } from "../options.ts";
import { uniform } from "../random.ts";
import { cpuSlug, machineLine, table, warm } from "../report.ts";

type Card = ReturnType<Library["cuda"]>;
type Work = (library: Library, device: Card) => Contestant;

/** What is launched, from building to the numbers on the host. */
const WORKS: Record<string, Work> = {
  "100 × 100, all as before": (library, device) => small(library, device, () => 0.5),
  "100 × 100, another scale": (library, device) =>
    small(library, device, () => 0.4 + 0.1 * Math.random()),
  "100 × 100, another b": (library, device) => {
    const { Vi, Vj, tensor } = library;
    const [x, y] = pointsOf(library, 100, 100);
    const K = Vi(x).sqDist(Vj(y)).mul(-0.5).exp();
    const b = numbers(100);
    const run = async (): Promise<void> => {
      b[0] = Math.random();
      using t = tensor(b, [100, 1]);
      using a = K.matmul(t, { device });
      await a.data();
    };
    return { steps: 1, run };
  },
  "a solver's products, 300 × 300; per product": (library, device) => {
    const { Vi, Vj, tensor } = library;
    const [x] = pointsOf(library, 300);
    const K = Vi(x).sqDist(Vj(x)).mul(-50).exp().asOperator({ device });
    const run = async (): Promise<void> => {
      let at = tensor(numbers(300), [300, 1]);
      for (let k = 0; k < 20; k++) {
        const product = K.matmul(at, { precision: "float32" });
        if (!("data" in product)) throw new Error("no vector");
        await product.data();
        at = product;
      }
    };
    return { steps: 20, run };
  },
  "100 × 100, its gradient": (library, device) => {
    const { Vi, Vj } = library;
    const [x, y] = pointsOf(library, 100, 100);
    const K = Vi(x).sqDist(Vj(y)).mul(-0.5).exp();
    const run = async (): Promise<void> => {
      using g = K.vjp("sum", "j", Vi(x), undefined, { device });
      await g.data();
    };
    return { steps: 1, run };
  },
  "100 × 100,000, in splits": (library, device) => small(library, device, () => 0.5, 100_000),
  "a chain of 10, read at its end; per fold": (library, device) => {
    const { Vi, Vj } = library;
    const [x, y] = pointsOf(library, 100, 100);
    const run = async (): Promise<void> => {
      let at = x;
      const all = [];
      for (let k = 0; k < 10; k++) {
        at = Vi(at).sqDist(Vj(y)).mul(-0.5).exp().mul(Vj(y)).sum("j", { device });
        all.push(at);
      }
      await at.data();
      for (const one of all) one.dispose();
    };
    return { steps: 10, run };
  },
  "1,000 batches of 32 × 32": (library, device) => {
    const { Vi, Vj, tensor } = library;
    const [x, y] = [0, 1].map(() => tensor(numbers(96_000), [1000, 32, 3]));
    const run = async (): Promise<void> => {
      using a = Vi(x).sqDist(Vj(y)).mul(-0.5).exp().sum("j", { device });
      await a.data();
    };
    return { steps: 1, run };
  },
};

const draw = uniform(7);
const numbers = (length: number): Float32Array =>
  Float32Array.from({ length }, () => draw.next().value);
const pointsOf = ({ tensor }: Library, ...sizes: readonly number[]) =>
  sizes.map((size) => tensor(numbers(3 * size), [size, 3]));

function small(
  library: Library,
  device: Card,
  scale: () => number,
  columns = 100,
): Contestant {
  const { Vi, Vj } = library;
  const [x, y] = pointsOf(library, 100, columns);
  const run = async (): Promise<void> => {
    using a = Vi(x).sqDist(Vj(y)).mul(-scale()).exp().sum("j", { device });
    await a.data();
  };
  return { steps: 1, run };
}

/** Calls of the driver that cost next to nothing: they are not counted. */
const CHEAP = /^cu(CtxSetCurrent|GetError)/;

// ---- in processes of their own ------------------------------------------------------------------

/** Calls of the shim by name, and bytes, since the last look. */
const shimCalls = new Map<string, number>();
const bytes = { up: 0, down: 0 };

/** Has every library that Deno opens count its calls. */
function countForeignCalls(): void {
  const open = Deno.dlopen as (path: string, symbols: unknown) => {
    symbols: Record<string, (...args: unknown[]) => unknown>;
    close(): void;
  };
  const counted = (path: string, symbols: unknown): unknown => {
    const library = open(path, symbols);
    const wrapped = Object.entries(library.symbols).map(([name, call]) => [
      name,
      (...args: unknown[]): unknown => {
        const plain = name.replace("_nonblocking", ", on a thread");
        shimCalls.set(plain, (shimCalls.get(plain) ?? 0) + 1);
        return call(...args);
      },
    ]);
    return { symbols: Object.fromEntries(wrapped), close: () => library.close() };
  };
  Object.defineProperty(Deno, "dlopen", { value: counted });
}

/** A checkout, and how it queues lists that come again. */
interface Contender {
  readonly address: string;
  readonly graphs: GraphMode;
}
const MODES = ["never", "always", "auto"] as const;
type GraphMode = typeof MODES[number];

/** Contenders as arguments of a process. */
const argumentOf = ({ address, graphs }: Contender): string => `${graphs}:${address}`;
const contenderOf = (text: string): Contender => {
  const [, graphs, address] = /^(\w+):(.*)$/.exec(text)!;
  return { address, graphs: MODES.find((mode) => mode === graphs)! };
};

/** Counts of one call of each work, once it has run before; a line of JSON for each. */
async function count({ address, graphs }: Contender): Promise<void> {
  const driver = Deno.env.get("PAIRFOLD_CUDA_DRIVER")!;
  const names = [
    ...Deno.readTextFileSync(new URL("../../cuda/src/driver.h", import.meta.url))
      .matchAll(/^ {2}X\((cu\w+),/gm),
  ].map(([, name]) => name);
  const { symbols } = Deno.dlopen(driver, {
    pairfold_emulator_calls: { parameters: ["buffer"], result: "u64" },
  });
  const callsOf = (name: string): number =>
    Number(symbols.pairfold_emulator_calls(new TextEncoder().encode(`${name}\0`)));
  const byName = (): Map<string, number> => new Map(names.map((name) => [name, callsOf(name)]));
  countForeignCalls();
  const library = await load(address);
  for (const [name, work] of Object.entries(WORKS)) {
    const { run, steps } = work(library, library.cuda({ graphs }));
    for (let k = 0; k < 4; k++) await run();
    const before = byName(), [up, down] = [callsOf("bytes up"), callsOf("bytes down")];
    shimCalls.clear();
    await run();
    const shim = Object.fromEntries([...shimCalls].map(([n, k]) => [n, k / steps]));
    const calls = [...byName()].map(([n, k]) => [n, (k - before.get(n)!) / steps] as const)
      .filter(([n, k]) => k > 0 && !CHEAP.test(n));
    bytes.up = (callsOf("bytes up") - up) / steps;
    bytes.down = (callsOf("bytes down") - down) / steps;
    console.log(JSON.stringify({ name, shim, driver: Object.fromEntries(calls), bytes }));
  }
}

/** Times of all works, those of several checkouts taking turns; a line of JSON for each. */
async function time(contenders: readonly Contender[], calls: number): Promise<void> {
  const libraries: Library[] = [];
  for (const { address } of contenders) libraries.push(await load(address));
  for (const [name, work] of Object.entries(WORKS)) {
    const contestants: Contestant[] = [];
    for (const [k, { graphs }] of contenders.entries()) {
      const library = libraries[k];
      contestants.push(work(library, library.cuda({ graphs })));
    }
    warm(50);
    const slow = /batches|splits/.test(name) ? 20 : 1;
    const times = await timed(contestants, Math.ceil(calls / slow / contestants[0].steps));
    console.log(JSON.stringify({ name, times: times.map(cell) }));
  }
}

// ---- the page -----------------------------------------------------------------------------------

interface Counts {
  readonly name: string;
  readonly shim: Readonly<Record<string, number>>;
  readonly driver: Readonly<Record<string, number>>;
  readonly bytes: { readonly up: number; readonly down: number };
}

async function output(command: string, args: readonly string[], env = {}): Promise<string> {
  const { success, stdout } = await new Deno.Command(command, {
    args: [...args],
    env,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout).trim();
}

const rounded = (n: number): string => `${Math.round(n * 10) / 10}`;

/** Calls by name, without what all names begin with: "3 (alloc 2, free 1)". */
function listed(calls: Readonly<Record<string, number>>): string {
  const names = Object.entries(calls).map(([name, n]) =>
    `${name.replace(/^(pf_|cu)/, "").replace(/_v2$/, "")} ${rounded(n)}`
  );
  const sum = Object.values(calls).reduce((a, b) => a + b, 0);
  return `${rounded(sum)} (${names.join(", ")})`;
}

const TITLES = ["This checkout, lists as lists", "This checkout, as graphs", "The other one"];

/** Times by work, in a process of their own: a cell for each contender. */
async function timesOf(
  contenders: readonly Contender[],
  calls: string,
  env: Readonly<Record<string, string>>,
): Promise<Map<string, string[]>> {
  const self = ["run", "-A", "--quiet", fromFileUrl(import.meta.url)];
  const args = [...self, "--time", "--calls", calls, ...contenders.map(argumentOf)];
  const lines = await output(Deno.execPath(), args, env);
  return new Map(
    lines.split("\n").map((line): [string, string[]] => {
      const { name, times } = JSON.parse(line);
      return [name, times];
    }),
  );
}

/** Times on the card of this machine: as lists, as graphs, and as the shim decides by them. */
async function cardPage(address: string, calls: string): Promise<string> {
  const times = await timesOf(MODES.map((graphs) => ({ address, graphs })), calls, {});
  const { cuda } = await load(address);
  const day = new Date().toISOString().slice(0, 10);
  const what = `- ${cuda().describe().slice(0, 2).join("; ")}\n- ${machineLine()}\n` +
    `- Deno ${Deno.version.deno}; microseconds, median (best)`;
  const head = ["launch", "as lists", "as graphs", "by the clock"];
  const rows = [...times].map(([name, cells]) => [name, ...cells]);
  return [`# Launches on a card, ${day}`, what, table(head, rows)].join("\n\n") + "\n";
}

/** A table for each checkout and way. */
async function page(contenders: readonly Contender[], calls: string): Promise<string> {
  const here = fromFileUrl(import.meta.url);
  const root = fromFileUrl(new URL("../..", import.meta.url));
  const folder = await Deno.makeTempDir({ prefix: "pairfold-launches-" });
  try {
    const selected = await output("bash", [`${root}/cuda/emulator/env.sh`, "--print"]);
    const emulator = Object.fromEntries(selected.split("\n").map((line) => line.split("=")));
    const driver = `${folder}/libidle.so`;
    const source = `${root}/tests/cuda/support/instant_driver.c`;
    const flags = ["-std=c11", "-O2", "-DINSTANT_IDLE", "-shared", "-fPIC"];
    await output("gcc", [...flags, source, "-o", driver]);
    const idle = { PAIRFOLD_CUDA_DRIVER: driver, PAIRFOLD_NVRTC: driver };
    const self = ["run", "-A", "--quiet", here];
    const cache = { PAIRFOLD_CACHE: `${folder}/cache` };
    const times = await timesOf(contenders, calls, { ...idle, ...cache });
    const sections: string[] = [];
    for (const [k, contender] of contenders.entries()) {
      const lines = await output(Deno.execPath(), [...self, "--count", argumentOf(contender)], {
        ...emulator,
        ...cache,
      });
      const rows = lines.split("\n").map((line) => {
        const { name, shim, driver, bytes } = JSON.parse(line) as Counts;
        const [up, down] = [rounded(bytes.up), rounded(bytes.down)];
        return [name, times.get(name)![k], listed(shim), listed(driver), up, down];
      });
      const head = ["launch", "µs, median (best)", "shim", "driver", "bytes up", "bytes down"];
      sections.push(`## ${TITLES[k]}`, table(head, rows));
    }
    const day = new Date().toISOString().slice(0, 10);
    const what =
      `- ${machineLine()}\n- Deno ${Deno.version.deno}; microseconds on a driver that does ` +
      "nothing, calls of the shim and of the driver from the emulator, the fifth time";
    return [`# What launches on a card cost the host, ${day}`, what, ...sections].join("\n\n") +
      "\n";
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const { values: options, positionals } = optionsOf({
  options: {
    calls: { type: "string", default: "2000" },
    against: { type: "string" },
    out: { type: "string" },
    card: { type: "boolean", default: false },
    count: { type: "boolean", default: false },
    time: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
if (options.count) await count(contenderOf(positionals[0]));
else if (options.time) await time(positionals.map(contenderOf), countOf("calls", options.calls));
else if (options.card) {
  console.log(await cardPage(new URL("../../mod.ts", import.meta.url).href, options.calls));
} else {
  const address = new URL("../../mod.ts", import.meta.url).href;
  const { against } = options;
  const contenders: Contender[] = [{ address, graphs: "never" }, { address, graphs: "always" }];
  if (against !== undefined) {
    contenders.push({ address: toFileUrl(resolve(against)).href, graphs: "never" });
  }
  const text = await page(contenders, options.calls);
  console.log(text);
  if (options.out !== undefined) {
    const day = new Date().toISOString().slice(0, 10);
    Deno.writeTextFileSync(`${options.out}/${day}-${cpuSlug()}-launches.md`, text);
  }
}
