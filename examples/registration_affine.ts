// Affine registration: the matrix A and the shift t for which A x_i + t lies as a second scan of
// the same object does. No point has a partner; what is least is the energy distance between the
// clouds, E|x − y| − ½ E|x − x'| − ½ E|y − y'| (Székely and Rizzo 2013). Run it: deno run
// --allow-read examples/registration_affine.ts [scan] [--points 2000]

import { parseArgs } from "node:util";
import { eye, lbfgs, minimise, type Tensor, tensor, valueAndGrad, Vi, Vj, zeros } from "pairfold";
import { readPointCloud, subsample, syntheticScan } from "pairfold/pointcloud";

const { positionals: [file], values } = parseArgs({
  allowPositionals: true,
  options: { points: { type: "string", default: "2000" } },
});
const count = Number(values.points), dtype = "float64";

/** Points of the object, others for every seed, around their mean, of standard deviation 1. */
const scan = async (seed: number): Promise<Tensor> => {
  const cloud = file === undefined ? syntheticScan(count, seed) : await readPointCloud(file);
  const part = subsample(cloud, count, seed);
  const x = tensor(part.positions, [part.count, 3]);
  const centred = x.sub(x.mean(0));
  return centred.div(centred.square().sum(1).mean().sqrt());
};

// the second scan: other points, turned, sheared, stretched and moved
const truth = {
  A: tensor([[0.9, -0.4, 0.1], [0.5, 1, 0.1], [0, 0.2, 0.8]], undefined, { dtype }),
  t: tensor([0.3, -0.2, 0.5], undefined, { dtype }),
};
type Affine = typeof truth;
const apply = ({ A, t }: Affine, x: Tensor): Tensor => x.matmul(A.T).add(t);
const x = await scan(1), y = apply(truth, await scan(2));

const meanDistance = (a: Tensor, b: Tensor): Tensor => Vi(a).sqDist(Vj(b)).sqrt().mean("j").mean();
const own = meanDistance(y, y);
const energyDistance = (z: Tensor): Tensor =>
  meanDistance(z, y).sub(meanDistance(z, z).add(own).mul(0.5));
const loss = valueAndGrad((affine: Affine) => energyDistance(apply(affine, x)));

const start = { A: eye(3, { dtype }), t: zeros([3], { dtype }) };
const before = await energyDistance(x).item();
const { params, value, steps } = await minimise(loss, start, lbfgs(), { gradientTolerance: 1e-7 });
console.log(`${steps} steps, energy distance ${before} → ${value}`);

const errorA = await params.A.sub(truth.A).abs().max().item();
const errorT = await params.t.sub(truth.t).abs().max().item();
// two samples of one surface differ by about 1 / √count
const allowed = 4 / Math.sqrt(count);
const isGood = value < 0.02 * before && Math.max(errorA, errorT) < allowed;
console.log(
  `check: A is found to ${errorA.toFixed(4)}, t to ${errorT.toFixed(4)} ` +
    `(two scans of ${count} points: ${allowed.toFixed(4)}): ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
