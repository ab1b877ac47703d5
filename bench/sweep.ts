// Throughput of one engine along the width of b (1 … 512) and the dim of the points (1 … 3000), as
// a table: where it drops from one row to the next is a cliff. One thread, so that it is the inner
// loop's.
//
//     deno run -A bench/sweep.ts [--along width,dim] [--device wasm] [--f64]

import { type LazyTensor, native, Vi, Vj, wasm } from "pairfold";
import { namesOf, optionsOf } from "./options.ts";

const WIDTHS = [
  1,
  2,
  3,
  4,
  6,
  8,
  9,
  12,
  16,
  20,
  24,
  32,
  33,
  48,
  64,
  65,
  96,
  125,
  128,
  253,
  256,
  509,
  512,
];
const DIMS = [
  1,
  2,
  3,
  5,
  8,
  12,
  16,
  24,
  32,
  33,
  48,
  64,
  100,
  128,
  200,
  256,
  500,
  512,
  1000,
  1024,
  2000,
  3000,
];

/** Seconds that one measurement may take, all repetitions. */
const SECONDS = 0.4;
/** Columns; rows are as many as fit into the time. */
const COLUMNS = 4096;

/** A narrow pair's operations beside its vectors': an exponential with its scale. */
const EXPONENTIAL = 18;

const { values: options } = optionsOf({
  options: {
    along: { type: "string" },
    device: { type: "string", default: "wasm" },
    f64: { type: "boolean", default: false },
  },
});
const along = namesOf("along", options.along, ["width", "dim"]);
const [device] = namesOf("device", options.device, ["wasm", "native"]);
const isDouble = options.f64;
const make = (length: number): Float32Array | Float64Array => {
  const array = isDouble ? new Float64Array(length) : new Float32Array(length);
  return array.map(() => Math.random());
};
const engine = device === "native" ? native({ threads: 1 }) : wasm({ threads: 1 });

/** The best time of one fold over `rows` × COLUMNS pairs, in seconds. */
async function timeOf(matrix: LazyTensor): Promise<number> {
  let best = Infinity;
  const start = performance.now();
  for (let turn = 0; turn < 40; turn++) {
    const before = performance.now();
    await matrix.sum("j", { device: engine }).data();
    best = Math.min(best, performance.now() - before);
    if (turn >= 3 && performance.now() - start > 1000 * SECONDS) break;
  }
  return best / 1000;
}

/** Σ_j exp(−s |x − y|²) b_j. */
async function row(dim: number, width: number): Promise<string> {
  const operations = 3 * dim + EXPONENTIAL + 2 * width;
  const rows = Math.min(4096, 24 * Math.max(4, Math.round(4e7 / operations / COLUMNS / 2)));
  const x = Vi(make(rows * dim), dim);
  const y = Vj(make(COLUMNS * dim), dim);
  const b = Vj(make(COLUMNS * width), width);
  const seconds = await timeOf(x.sqDist(y).mul(-0.5 / dim).exp().mul(b));
  const pairs = rows * COLUMNS / seconds;
  const numbers = [dim, width, (pairs / 1e9).toFixed(3), (pairs * operations / 1e9).toFixed(1)];
  return `| ${numbers.map((n) => String(n).padStart(8)).join(" | ")} |`;
}

console.log(`|      dim |    width | Gpairs/s |  GFLOP/s |`);
console.log(`| -------: | -------: | -------: | -------: |`);
if (along.includes("width")) { for (const width of WIDTHS) console.log(await row(3, width)); }
if (along.includes("dim")) { for (const dim of DIMS) console.log(await row(dim, 1)); }
