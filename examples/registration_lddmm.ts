// Diffeomorphic registration (LDDMM; Vaillant and Glaunès 2005): momenta p at the points of a scan
// q send it along a geodesic of H(q, p) = ½ Σ_ij k(q_i, q_j) p_i · p_j, and the momenta that bring
// it onto a second scan at little energy are found by L-BFGS, through the flow. Run it: deno run
// --allow-read examples/registration_lddmm.ts [scan] [other scan] [--points 600]

import { parseArgs } from "node:util";
import { grad, lbfgs, minimise, type Tensor, tensor, valueAndGrad, Vi, Vj, zeros } from "pairfold";
import { readPointCloud, subsample, syntheticScan } from "pairfold/pointcloud";

const { positionals: files, values } = parseArgs({
  allowPositionals: true,
  options: { points: { type: "string", default: "400" } },
});
const count = Number(values.points), steps = 5;
const sigma = 0.7, width = 0.3; // of the deformation, and of what counts as near

const scan = async (file: string | undefined, seed: number): Promise<Tensor> => {
  const cloud = file === undefined ? syntheticScan(count, seed) : await readPointCloud(file);
  const part = subsample(cloud, count, seed);
  const x = tensor(part.positions, [part.count, 3]);
  const centred = x.sub(x.mean(0));
  return centred.div(centred.square().sum(1).mean().sqrt());
};

/** Σ_j k(x_i, y_j) b_j for a Gaussian kernel. */
const smooth = (scale: number, x: Tensor, y: Tensor, b: Tensor): Tensor =>
  Vi(x).sqDist(Vj(y)).mul(-0.5 / scale ** 2).exp().matmul(b);
const hamiltonian = (q: Tensor, p: Tensor): Tensor => smooth(sigma, q, q, p).mul(p).sum().mul(0.5);
const flowOf = grad(hamiltonian, { argnums: [0, 1] });

/** Where q and p are at time 1: dq/dt = ∂H/∂p, dp/dt = −∂H/∂q, by the midpoint rule. */
const shoot = (q: Tensor, p: Tensor): [q: Tensor, p: Tensor] => {
  const move = (a: Tensor, b: Tensor, dt: number, [byQ, byP]: readonly Tensor[]) =>
    [a.add(byP.mul(dt)), b.sub(byQ.mul(dt))] as const;
  for (let step = 0; step < steps; step++) {
    const middle = move(q, p, 0.5 / steps, flowOf(q, p));
    [q, p] = move(q, p, 1 / steps, flowOf(...middle));
  }
  return [q, p];
};

// the second scan; unless there is one, the first one bent (that points have partners is not used)
const source = await scan(files[0], 1);
const bend = (x: Tensor): Tensor => x.add(x.take([1, 2, 0], 1).mul(1.5).sin().mul(0.4));
const target = files[1] === undefined ? bend(source) : await scan(files[1], 2);

/** ‖μ_x − μ_y‖² of the clouds as measures, smoothed by a kernel. */
const distance = (x: Tensor, y: Tensor): Tensor => {
  const product = (a: Tensor, b: Tensor): Tensor =>
    Vi(a).sqDist(Vj(b)).mul(-0.5 / width ** 2).exp().mean("j").mean();
  return product(x, x).add(product(y, y)).sub(product(x, y).mul(2));
};
const weight = 1e3;
const energy = (p: Tensor): Tensor =>
  hamiltonian(source, p).mul(1 / count).add(distance(shoot(source, p)[0], target).mul(weight));

const still = zeros(source.shape, { dtype: source.dtype });
const options = { maxSteps: 60, valueTolerance: 1e-3 };
const found = await minimise(valueAndGrad(energy), still, lbfgs(), options);
const [q, p] = shoot(source, found.params);
const left = await distance(q, target).div(distance(source, target)).item();
const drift = Math.abs(await hamiltonian(q, p).div(hamiltonian(source, found.params)).item() - 1);
console.log(`${found.steps} steps; ${(100 * left).toFixed(2)} % of the distance are left`);

// the energy is kept along a geodesic; where the bend is known, points go where it takes them
const start = await source.sub(bend(source)).square().sum(1).mean().sqrt().item();
const off = await q.sub(bend(source)).square().sum(1).mean().sqrt().item();
const isMatched = files[1] === undefined ? left < 0.02 && off < 0.2 * start : left < 0.2;
const isGood = isMatched && drift < 0.03;
const where = `points are ${off.toFixed(3)} from where they belong (before: ${start.toFixed(3)})`;
console.log(
  `check: the Hamiltonian stays within ${drift.toExponential(1)}` +
    `${files[1] === undefined ? `, ${where}` : ""}: ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
