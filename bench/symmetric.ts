// Sums of a table with itself, each pair of points once, beside the same sums over all pairs:
// writes a Markdown table.
//
//     deno run -A bench/symmetric.ts [--engines native,wasm] [--rows Gaussian]
//                                    [--sizes 10000,30000] [--threads 2] [--repeats 7]
//                                    [--out file.md]
//
// Both take turns on each engine; `--rows` takes those whose names begin so. Times are of whole
// calls, first calls excluded.

import { type LazyTensor, native, type Tensor, tensor, Vi, Vj, wasm } from "pairfold";
import { countOf, namesOf, optionsOf } from "./options.ts";
import { uniform } from "./random.ts";
import { cpuSlug, machineLine, ratio, seconds, table, Times, warm } from "./report.ts";

/** Milliseconds of idle work before each call; see bench/peers/run.ts. */
const WARMING = 20;

const { values: options } = optionsOf({
  options: {
    engines: { type: "string", default: "native,wasm" },
    rows: { type: "string", default: "" },
    sizes: { type: "string", default: "10000,30000" },
    threads: { type: "string", default: "2" },
    repeats: { type: "string", default: "7" },
    out: { type: "string" },
  },
});

const repeats = countOf("repeats", options.repeats);

interface Row {
  readonly name: string;
  readonly dim: number;
  readonly width: number;
  readonly dtype: "float32" | "float64";
  /** Of points x and y, the same table or a copy of it, and weights b. */
  readonly formula: (x: Tensor, y: Tensor, b: Tensor) => LazyTensor;
}

const gaussian: Row["formula"] = (x, y, b) => Vi(x).sqDist(Vj(y)).neg().exp().mul(Vj(b));
const laplacian: Row["formula"] = (x, y, b) => Vi(x).sqDist(Vj(y)).sqrt().neg().exp().mul(Vj(b));
const cauchy: Row["formula"] = (x, y, b) => Vi(x).sqDist(Vj(y)).add(1).inv().mul(Vj(b));
const energy: Row["formula"] = (x, y, b) => Vi(x).sqDist(Vj(y)).sqrt().neg().mul(Vj(b));
const gravity: Row["formula"] = (x, y, b) => {
  const d = Vj(y).sub(Vi(x));
  return d.mul(d.sqNorm2().add(0.01).pow(-1.5)).mul(Vj(b));
};

const gradient: Row["formula"] = (x, y, b) =>
  Vi(x).sqDist(Vj(y)).neg().exp().mul(Vi(x).sub(Vj(y))).mul(Vi(b).mul(Vj(b)));

const row = (
  name: string,
  formula: Row["formula"],
  { dim = 3, width = 1, dtype = "float32" }: Partial<Row> = {},
): Row => ({ name, formula, dim, width, dtype });

const ROWS: readonly Row[] = [
  row("Gaussian", gaussian),
  row("Gaussian, float64", gaussian, { dtype: "float64" }),
  row("Gaussian's gradient", gradient),
  row("Gaussian's gradient, float64", gradient, { dtype: "float64" }),
  row("Gaussian, 2 weights", gaussian, { width: 2 }),
  row("Gaussian, 4 weights", gaussian, { width: 4 }),
  row("Gaussian, 8 weights", gaussian, { width: 8 }),
  row("Gaussian, 10-D", gaussian, { dim: 10 }),
  row("Gaussian, 64-D", gaussian, { dim: 64 }),
  row("Gaussian, 64-D, 8 weights", gaussian, { dim: 64, width: 8 }),
  row("Laplacian", laplacian),
  row("Laplacian, float64", laplacian, { dtype: "float64" }),
  row("Cauchy", cauchy),
  row("Cauchy, float64", cauchy, { dtype: "float64" }),
  row("energy distance", energy),
  row("energy distance, float64", energy, { dtype: "float64" }),
  row("gravity", gravity),
];

const THREADS = countOf("threads", options.threads);
const OPEN = { native, wasm } as const;
const HEAD = ["sum", "points", "once?", "once, s", "all pairs, s", "ratio", "ratio of bests"];

/** The table of one engine. */
async function measured(name: keyof typeof OPEN): Promise<string> {
  using device = OPEN[name]({ threads: THREADS });
  const lines: string[][] = [];
  for (const { name, dim, width, dtype, formula } of ROWS) {
    if (!name.startsWith(options.rows)) continue;
    for (const size of options.sizes.split(",").map(Number)) {
      const TypedArray = dtype === "float32" ? Float32Array : Float64Array;
      const random = uniform(1);
      const drawn = (length: number, scale = 1): Float32Array | Float64Array =>
        TypedArray.from(Array.from({ length }, () => scale * random.next().value));
      const points = drawn(size * dim, 1 / Math.sqrt(dim));
      const x = tensor(points, [size, dim]);
      const copy = tensor(points.slice(), [size, dim]);
      const b = tensor(drawn(size * width), [size, width]);
      const once = (): Tensor => formula(x, x, b).sum("j", { device });
      const twice = (): Tensor => formula(x, copy, b).sum("j", { device });
      const isTaken = /each pair of points once/.test(once().explain());
      const contestants = [{ run: once, times: new Times() }, { run: twice, times: new Times() }];
      for (const { run } of contestants) await run().data();
      for (let n = 0; n < repeats; n++) {
        for (const { run, times } of contestants) {
          warm(WARMING);
          const start = performance.now();
          await run().data();
          times.add((performance.now() - start) / 1000);
        }
      }
      const [own, all] = contestants.map(({ times }) => times);
      const figures = [seconds(own.median), seconds(all.median), ratio(all.median / own.median)];
      lines.push([name, `${size}`, isTaken ? "yes" : "no", ...figures, ratio(all.best / own.best)]);
    }
  }
  return `## ${name}\n\n${table(HEAD, lines)}`;
}

const tables: string[] = [];
for (const name of namesOf("engines", options.engines, ["native", "wasm"])) {
  tables.push(await measured(name));
}

const date = new Date().toISOString().slice(0, 10);
const text = `# Points with themselves: each pair once, beside all pairs, ${date}

- ${machineLine()}
- Deno ${Deno.version.deno}, V8 ${Deno.version.v8}
- ${THREADS} threads, medians of ${repeats} repeats

${tables.join("\n\n")}

Where it says "no", the cost model leaves all pairs to be folded: the columns differ by chance. Made by
\`deno run -A bench/symmetric.ts\`.
`;
console.log(text);
const out = options.out ?? new URL(`./results/${date}-${cpuSlug()}-symmetric.md`, import.meta.url);
await Deno.writeTextFile(out, text);
