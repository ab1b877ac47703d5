// Kernel systems on the Stanford bunny: 35,947 vertices, Gaussian kernel of σ = 0.02 × extent,
// float64, solved to a true relative residual of 1e-6.
//
//     deno run -A bench/solve.ts [name of a case …] [--points 6000]
//
// stanford-bunny.obj is looked for in $PAIRFOLD_DATA, else in ../shared/data beside the repository.
// The residual is computed once more here, by a fold of its own, from the solution that was handed
// over. Fewer points are those nearest to one of them, so that density and σ stay as they are.

import { fromFileUrl, join } from "@std/path";
import { type LazyTensor, type SolveOptions, tensor, Vi, Vj } from "pairfold";
import { boundingBox, readPointCloud } from "pairfold/pointcloud";
import { countOf, optionsOf, refuse } from "./options.ts";

const nystrom = { kind: "nystrom", rank: 500 } as const;
const CASES: Readonly<Record<string, SolveOptions>> = {
  "1e-2-vecchia": { alpha: 1e-2, preconditioner: "vecchia" },
  "1e-4-vecchia": { alpha: 1e-4, preconditioner: "vecchia" },
  "1e-2-vecchia-float64": { alpha: 1e-2, preconditioner: "vecchia", precision: "float64" },
  "1e-2-vecchia-float32": { alpha: 1e-2, preconditioner: "vecchia", precision: "float32" },
  "1e-2-blockJacobi": { alpha: 1e-2, preconditioner: "blockJacobi" },
  "1e-2-nystrom": { alpha: 1e-2, preconditioner: nystrom },
  "1e-2-none": { alpha: 1e-2, preconditioner: "none" },
};

const { values: options, positionals: named } = optionsOf({
  options: { points: { type: "string" } },
  allowPositionals: true,
});
const wanted = options.points === undefined ? Infinity : countOf("points", options.points);
for (const name of named) {
  if (!(name in CASES)) refuse(`got ${name}; expected some of ${Object.keys(CASES).join(", ")}`);
}

const folder = Deno.env.get("PAIRFOLD_DATA") ??
  join(fromFileUrl(new URL("..", import.meta.url)), "..", "shared", "data");
const cloud = await readPointCloud(join(folder, "stanford-bunny.obj"));
const { minimum: low, maximum: high } = boundingBox(cloud.positions);
const sigma = 0.02 * Math.max(...[0, 1, 2].map((d) => high[d] - low[d]));

/** The points nearest to one of them. */
function nearest(positions: Float64Array, count: number): Float64Array {
  const from = 1000;
  const distance = (k: number): number =>
    Math.hypot(...[0, 1, 2].map((d) => positions[3 * k + d] - positions[3 * from + d]));
  const rows = Array.from({ length: positions.length / 3 }, (_, k) => k);
  rows.sort((a, b) => distance(a) - distance(b));
  return Float64Array.from(
    rows.slice(0, count).flatMap((k) => [...positions.subarray(3 * k, 3 * k + 3)]),
  );
}

const x = cloud.count <= wanted ? cloud.positions : nearest(cloud.positions, wanted);
const n = x.length / 3;
const points = tensor(x, [n, 3]);
const K: LazyTensor = Vi(points).sqDist(Vj(points)).mul(-1 / (2 * sigma * sigma)).exp();
// a right-hand side with all frequencies in it: the hardest kind
let state = 1;
const random = (): number => (state = (state * 16807) % 2147483647) / 2147483647;
const b = Float64Array.from({ length: n }, () => random() - 0.5);
const length = Math.sqrt(b.reduce((sum, v) => sum + v * v, 0));

console.log(`${n} points, σ = ${sigma.toPrecision(4)}, ${navigator.hardwareConcurrency} threads`);
console.log("case                    iterations  f32 + f64 products  true residual  seconds");
for (const name of named.length === 0 ? Object.keys(CASES) : named) {
  const options = CASES[name];
  const from = performance.now();
  const solution = K.solve(b, { ...options, allowUnconverged: true });
  const { iterations, products } = await solution.report();
  const seconds = (performance.now() - from) / 1000;
  const found = Float64Array.from(await solution.x.data());
  const product = Float64Array.from(await K.matmul(tensor(found, [n, 1])).data());
  const rest = Math.sqrt(
    product.reduce((sum, v, k) => sum + (b[k] - v - (options.alpha ?? 0) * found[k]) ** 2, 0),
  );
  console.log(
    name.padEnd(24),
    String(iterations).padStart(9),
    `${products.float32} + ${products.float64}`.padStart(19),
    (rest / length).toExponential(2).padStart(14),
    seconds.toFixed(1).padStart(8),
  );
}
