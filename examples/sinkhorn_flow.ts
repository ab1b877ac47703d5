// Sinkhorn divergence between two scans, S(x, y) = OT(x, y) − ½ OT(x, x) − ½ OT(y, y) with entropic
// transport OT (Feydy et al. 2019), and its gradient flow, which carries one scan onto the other.
// Run it: deno run --allow-read examples/sinkhorn_flow.ts [scan] [other scan] [--points 1000]

import { parseArgs } from "node:util";
import { stopGradient, type Tensor, tensor, valueAndGrad, Vi, Vj, zeros } from "pairfold";
import { readPointCloud, subsample, syntheticScan } from "pairfold/pointcloud";

const { positionals: files, values } = parseArgs({
  allowPositionals: true,
  options: { points: { type: "string", default: "1000" } },
});
const count = Number(values.points);
const blur = 0.15; // √ε, where the scans' standard deviation is ½

/** Points of a scan around their mean, of standard deviation 1/2. */
const scan = async (file: string | undefined, seed: number): Promise<Tensor> => {
  const cloud = file === undefined ? syntheticScan(count, seed) : await readPointCloud(file);
  const part = subsample(cloud, count, seed);
  const x = tensor(part.positions, [part.count, 3]);
  const centred = x.sub(x.mean(0));
  return centred.div(centred.square().sum(1).mean().sqrt().mul(2)).astype("float32");
};

/** −ε log Σ_j exp((h_j − ½ |x_i − y_j|²) / ε) / N: what is left of the cost, [M, 1]. */
const softmin = (epsilon: number, x: Tensor, y: Tensor, h: Tensor): Tensor =>
  Vi(x).sqDist(Vj(y)).mul(-0.5).add(Vj(h)).mul(1 / epsilon)
    .logSumExp("j").sub(Math.log(y.shape[0])).mul(-epsilon);

/** OT(x, y): averaged Sinkhorn steps while ε falls, then one step that has derivatives. */
const transport = (x: Tensor, y: Tensor): Tensor => {
  const [x0, y0] = [stopGradient(x), stopGradient(y)];
  let [f, g] = [x0, y0].map((points) => zeros([points.shape[0], 1]));
  for (let k = 0; k < 30; k++) {
    const epsilon = Math.max(blur, 4 * 0.7 ** k) ** 2;
    const [forth, back] = [softmin(epsilon, x0, y0, g), softmin(epsilon, y0, x0, f)];
    [f, g] = [f.add(forth).mul(0.5), g.add(back).mul(0.5)];
  }
  return softmin(blur ** 2, x, y0, g).mean().add(softmin(blur ** 2, y, x0, f).mean());
};
const divergence = (x: Tensor, y: Tensor): Tensor =>
  transport(x, y).sub(transport(x, x).add(transport(y, y)).mul(0.5));
const valueAndForce = valueAndGrad(divergence);

// of a cloud and the same one moved by t, S = ½ |t|², and its gradient at every point is −t / N
const source = await scan(files[0], 1), shift = [0.3, -0.2, 0.1];
const size = source.shape[0];
const [moved, force] = valueAndForce(source, source.add(shift));
const half = 0.5 * shift.reduce((sum, t) => sum + t * t, 0);
const errorOfValue = Math.abs(await moved.item() / half - 1);
const errorOfForce = await force.mul(size).add(shift).abs().max().item();

// x ← x − rate · N ∂S/∂x; the other scan is turned, unless there is one
const other = await scan(files[1] ?? files[0], 2);
const target = files.length === 2 ? other : other.take([1, 2, 0], 1);
let x = source;
const course: number[] = [];
for (let step = 0; step <= 10; step++) {
  const [value, gradient] = valueAndForce(x, target);
  course.push(await value.item());
  x = x.sub(gradient.mul(0.5 * size));
}
console.log(`S along the flow: ${course.map((s) => s.toExponential(2)).join(", ")}`);

const isGood = errorOfValue < 1e-3 && errorOfForce < 2e-2 && course[10] < 0.01 * course[0];
console.log(
  `check: S of a moved scan is ½ |t|² to ${
    errorOfValue.toExponential(1)
  }, its gradient −t / N to ` +
    `${errorOfForce.toExponential(1)}; the flow leaves ` +
    `${(100 * course[10] / course[0]).toFixed(2)} % of S: ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
