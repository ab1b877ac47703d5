// Exact Gaussian-process regression: length scale, amplitude and noise are learnt by gradient of the
// marginal likelihood, then values at new points are predicted with their intervals.
// Run it: deno run examples/gaussian_process.ts [--points 10000] [--large: 100000 points]

import { parseArgs } from "node:util";
import { concatenate, indexOf, lbfgs, minimise, randomNormal, randomUniform } from "pairfold";
import { type LazyTensor, ones, Pm, type Tensor, tensor, valueAndGrad, Vi, Vj } from "pairfold";

const { values: options } = parseArgs({
  options: { points: { type: "string", default: "10000" }, large: { type: "boolean" } },
});
const count = options.large ? 100_000 : Number(options.points);
const tests = 200, probes = 8, dtype = "float64";

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

type Parameters = Record<"scale" | "amplitude" | "noise", Tensor>; // logarithms
const kernel = ({ scale, amplitude }: Parameters, a: Tensor, b: Tensor): LazyTensor =>
  Vi(a).sqDist(Vj(b)).mul(Pm(scale.mul(-2).exp().mul(-0.5))).add(Pm(amplitude.mul(2))).exp();
const covariance = (p: Parameters): LazyTensor =>
  kernel(p, x, x).add(indexOf("i").eq(indexOf("j")).mul(Pm(p.noise.mul(2).exp())));

/**
 * ½ yᵀ A⁻¹ y + ½ log det A + ½ n log 2π, per point, and its gradient: by a parameter it is
 * −½ αᵀ A' α + ½ tr A⁻¹ A' with α = A⁻¹ y, and the trace is the mean of zᵀ A⁻¹ A' z over random z.
 */
const z = randomUniform([count, probes], { seed: 5, low: -1, dtype }).sign();
const loss = async (p: Parameters) => {
  const A = covariance(p);
  const preconditioner = await A.asOperator().preconditioner("vecchia");
  const solved = A.solve(concatenate([y, z], 1), { preconditioner, tol: 1e-4 }).x;
  const left = tensor(await solved.data(), [count, 1 + probes]);
  const alpha = left.slice(null, { stop: 1 });
  const right = concatenate([alpha.mul(-0.5), z.mul(0.5 / probes)], 1);
  const [, gradient] = valueAndGrad((own: Parameters) =>
    covariance(own).matmul(right).mul(left).sum().div(count)
  )(p);
  const { value } = await A.asOperator().logDeterminant({ preconditioner, probes: 2, tol: 1e-4 });
  const fit = await alpha.mul(y).sum().item();
  return { value: 0.5 * ((fit + value) / count + Math.log(2 * Math.PI)), gradient };
};

const start = ones([1], { dtype }).log();
const { params } = await minimise(
  loss,
  { scale: start.sub(1), amplitude: start, noise: start },
  lbfgs(),
  // no further than the probes tell
  {
    gradientTolerance: 3e-3,
    valueTolerance: 1e-4,
    onStep: ({ value }, step) => console.log(`step ${step}: ${value.toFixed(6)}`),
  },
);
const learnt = await Promise.all(
  Object.entries(truth).map(async ([name, value]) => {
    const found = Math.exp(await params[name as keyof Parameters].item());
    console.log(`${name}: ${found.toFixed(4)} (drawn with ${value})`);
    return Math.abs(Math.log(found / value));
  }),
);

// mean k*ᵀ A⁻¹ y and variance a² + s² − k*ᵀ A⁻¹ k*, one right-hand side per new point
const A = covariance(params), cross = kernel(params, x, asked).dense().reshape(count, tests);
const preconditioner = await A.asOperator().preconditioner("vecchia");
const solved = A.solve(concatenate([y, cross], 1), { preconditioner, tol: 1e-5 }).x;
const mean = cross.T.matmul(solved.slice(null, { stop: 1 }));
const explained = cross.mul(solved.slice(null, { start: 1 })).sum(0).reshape(tests, 1);
const [a2, s2] = [params.amplitude, params.noise].map((p) => p.mul(2).exp());
const deviation = a2.add(s2).sub(explained).sqrt();
const inside = await seen.sub(mean).abs().lt(deviation.mul(1.96)).mean().item();
const error = await mean.sub(wanted).square().mean().sqrt().item();

const isGood = inside > 0.9 && inside < 0.99 && error < truth.noise / 2 &&
  learnt.every((off) => off < 0.2);
console.log(
  `check: parameters found to ${(100 * Math.max(...learnt)).toFixed(0)} %, ` +
    `${(100 * inside).toFixed(1)} % of new values in their 95 % intervals, the mean off by ` +
    `${error.toFixed(3)} (noise ${truth.noise}): ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
