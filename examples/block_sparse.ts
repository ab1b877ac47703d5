// The density of a scan under a narrow Gaussian, and its gradient, from near clusters of points alone.
// Run it: deno run examples/block_sparse.ts [points, default 30000]

import { Clusters, grad, gridCluster, type Tensor, tensor, Vi, Vj } from "pairfold";
import { centre, syntheticScan } from "pairfold/pointcloud";

const scan = centre(syntheticScan(Number(Deno.args[0] ?? 30_000)));
const count = scan.points.length / 3;
const extent = scan.points.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
const sigma = 0.01 * extent;

// points sorted by the cells of a grid; rows of a cell meet the cells within 6 σ of it
const labels = gridCluster(scan.points, 5 * sigma, { dim: 3 });
const clusters = new Clusters(scan.points, labels, { dim: 3 });
const ranges = clusters.near(clusters, 6 * sigma);
const share = ranges.pairs / count ** 2;
console.log(`${clusters.count} clusters; ${(100 * share).toFixed(1)} % of the pairs are folded`);

const points = tensor(clusters.points, [count, 3]);
const kernel = (x: Tensor) => Vi(x).sqDist(Vj(x)).mul(-1 / (2 * sigma ** 2)).exp();
const time = async (what: string, t: Tensor): Promise<Float32Array> => {
  const start = performance.now();
  const numbers = await t.data();
  console.log(`${what}: ${(performance.now() - start).toFixed(0)} ms`);
  return numbers as Float32Array;
};
const near = await time("density of near clusters", kernel(points).sum("j", { ranges }));
const all = await time("density of all pairs    ", kernel(points).sum("j"));

const energy = (x: Tensor, options: { ranges?: typeof ranges }): Tensor =>
  kernel(x).sum("j", options).sum();
const [nearSlope, slope] = [{ ranges }, {}].map((options) =>
  grad((x: Tensor) => energy(x, options))(points) as Tensor
);
const g = await time("gradient of near clusters", nearSlope);
const whole = await time("gradient of all pairs    ", slope);

const order = clusters.restored(near); // densities in the scan's own order
console.log(`densest point: ${order.indexOf(order.reduce((a, b) => Math.max(a, b), 0))}`);

// what is left out is below exp(−18) for each pair
const scale = whole.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
let worst = 0;
near.forEach((x, i) => worst = Math.max(worst, Math.abs(x - all[i]) / all[i]));
g.forEach((x, k) => worst = Math.max(worst, Math.abs(x - whole[k]) / scale));
console.log(`check: density and gradient differ by ${worst.toExponential(1)} at most`);
if (!(worst < 1e-4)) Deno.exit(1);
