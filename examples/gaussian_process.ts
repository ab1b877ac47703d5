// Exact Gaussian-process regression: length scale, amplitude and noise are learnt by gradient of
// the marginal likelihood, then values at new points are predicted with their intervals. Run it:
// deno run examples/gaussian_process.ts [--points 10000] [--large] [--learn 10000]
// --large: 100,000 points, minutes; parameters are learnt on so many of them, predictions use all.

import { parseArgs } from "node:util";
import { concatenate, indexOf, type LazyTensor, lbfgs, minimise, ones, Pm } from "pairfold";
import { randomNormal, randomUniform, type Tensor, valueAndGrad } from "pairfold";
import { Vi, Vj } from "pairfold";

const { values: flags } = parseArgs({
  options: { points: { type: "string" }, large: { type: "boolean" }, learn: { type: "string" } },
});
const count = flags.large ? 100_000 : Number(flags.points ?? 10_000);
const tests = flags.large ? 50 : 200, dtype = "float64";

// a function drawn from the process by 4000 waves (Rahimi and Recht 2007), seen with noise
const truth = { scale: 0.1, amplitude: 1.5, noise: 0.3 };
const waves = randomNormal([4000, 2], { seed: 1, std: 1 / truth.scale, dtype });
const phases = randomUniform([4000, 1], { seed: 2, high: 2 * Math.PI, dtype });
const draw = (n: number, stream: number): [x: Tensor, f: Tensor, y: Tensor] => {
  const x = randomUniform([n, 2], { seed: 3, stream, dtype });
  const f = Vi(x).dot(Vj(waves)).add(Vj(phases)).cos().sum("j").mul(truth.amplitude / 2000 ** 0.5);
  return [x, f, f.add(randomNormal([n, 1], { seed: 4, stream, std: truth.noise, dtype }))];
};
const [x, , y] = draw(count, 0), [asked, wanted, seen] = draw(tests, 1);
const learning = Math.min(count, Number(flags.learn ?? 10_000));
const [some, seenOfSome] = [x, y].map((t) => t.slice({ stop: learning }));

type Parameters = Record<keyof typeof truth, Tensor>; // logarithms
const kernel = ({ scale, amplitude }: Parameters, a: Tensor, b: Tensor): LazyTensor =>
  Vi(a).sqDist(Vj(b)).mul(Pm(scale.mul(-2).exp().mul(-0.5))).add(Pm(amplitude.mul(2))).exp();
const covariance = (p: Parameters, a: Tensor): LazyTensor =>
  kernel(p, a, a).add(indexOf("i").eq(indexOf("j")).mul(Pm(p.noise.mul(2).exp())));

/** ½ yᵀ A⁻¹ y + ½ log det A + ½ n log 2π, per point. */
const loss = async (p: Parameters) => {
  const preconditioner = await covariance(p, some).asOperator().preconditioner("vecchia");
  const options = { preconditioner, probes: 4, tol: 1e-4, solveTol: 1e-4 };
  return valueAndGrad((own: Parameters) => {
    const A = covariance(own, some);
    const fit = A.solve(seenOfSome, options).x.mul(seenOfSome).sum();
    return fit.add(A.logDeterminant(options)).div(learning).add(Math.log(2 * Math.PI)).mul(0.5);
  })(p);
};
const start = ones([1], { dtype }).log();
const first = { scale: start.sub(1), amplitude: start, noise: start };
const { params } = await minimise(loss, first, lbfgs(), {
  gradientTolerance: 1e-3,
  valueTolerance: 0.1 / learning, // no further than the probes tell
  onStep: ({ value }, step) => console.log(`step ${step}: ${value.toFixed(6)}`),
});
const learnt = await concatenate([params.scale, params.amplitude, params.noise]).exp().data();
const off = Object.values(truth).map((value, k) => Math.abs(Math.log(learnt[k] / value)));
console.log(`learnt ${Object.keys(truth)}: ${[...learnt].map((v) => v.toFixed(4))}`);

// mean k*ᵀ A⁻¹ y and variance a² − k*ᵀ A⁻¹ k* (of what is seen: + s²), a right-hand side per point
const cross = kernel(params, x, asked).dense().reshape(count, tests);
const { x: solved } = kernel(params, x, x).solve(concatenate([y, cross], 1), {
  alpha: learnt[2] ** 2,
  preconditioner: { kind: "nystrom", rank: 400 }, // smooth kernels of many points have a low rank
  tol: 1e-5,
});
const mean = cross.T.matmul(solved.slice(null, { stop: 1 }));
const explained = cross.mul(solved.slice(null, { start: 1 })).sum(0).reshape(tests, 1);
const variance = params.amplitude.mul(2).exp().sub(explained);
const interval = variance.add(params.noise.mul(2).exp()).sqrt().mul(1.96);
const inside = await seen.sub(mean).abs().le(interval).mean().item();
const error = await mean.sub(wanted).square().mean().sqrt().item();
const expected = await variance.mean().sqrt().item();

const isGood = Math.abs(inside - 0.95) < 3 * Math.sqrt(0.95 * 0.05 / tests) &&
  Math.abs(error / expected - 1) < 0.3 && off.every((o) => o < 0.2);
console.log(
  `check: parameters found to ${(100 * Math.max(...off)).toFixed(0)} %, ` +
    `${(100 * inside).toFixed(1)} % of new values in their 95 % intervals, the mean off by ` +
    `${error.toFixed(3)} (expected: ${expected.toFixed(3)}): ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
