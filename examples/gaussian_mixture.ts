// A mixture of Gaussians with full covariances, by gradient: the log-likelihood is a logSumExp over
// the components, and L-BFGS climbs it from points that are far from each other.
// Run it: deno run examples/gaussian_mixture.ts [points]

import { eye, lbfgs, minimise, randomNormal, tensor, valueAndGrad, Vi, Vj, zeros } from "pairfold";

const count = Number(Deno.args[0] ?? 5000);
const [components, dim] = [3, 2];
const dtype = "float64";

// the truth: weights, means and A_k, with points μ_k + A_k⁻¹ z for normal z
const truth = {
  logits: tensor(Float64Array.from([0.5, 0.3, 0.2], Math.log)),
  means: tensor([[0, 0], [3, 1], [-2, 3]], undefined, { dtype }),
  factors: tensor([[2, 1, -1, 1], [1, 0, 0, 3], [1.5, -1, 1, 1.5]], undefined, { dtype }),
};
const own = Int32Array.from({ length: count }, (_, k) => [0, 0, 0, 0, 0, 1, 1, 1, 2, 2][k % 10]);
const z = randomNormal([count, dim], { seed: 1, dtype });
const inverse = tensor(
  (await truth.factors.array() as number[][]).map(([a, b, c, d]) =>
    [d, -b, -c, a].map((entry) => entry / (a * d - b * c))
  ),
  undefined,
  { dtype },
);
const x = truth.means.take(own).add(Vi(inverse.take(own)).matVecMult(Vi(z)).sum("j"));

/** −1/N Σ_i log Σ_k w_k |det A_k| exp(−½ |A_k (x_i − μ_k)|²) / 2π. */
const loss = ({ logits, means, factors }: typeof truth): typeof x => {
  const [a, b, c, d] = [0, 1, 2, 3].map((m) => factors.slice(null, m));
  const volumes = a.mul(d).sub(b.mul(c)).abs().log();
  const logs = logits.logSoftmax().add(volumes).sub(Math.log(2 * Math.PI));
  const whitened = Vj(factors).matVecMult(Vi(x).sub(Vj(means)));
  return whitened.square().sum("d").mul(-0.5).add(Vj(logs.reshape(components, 1)))
    .logSumExp("j").mean().neg();
};

// the start: equal weights, round components around points that are far from each other
const centre = await x.mean(0, { keepDims: true }).data();
const chosen: number[] = [];
let known = tensor(centre, [1, dim]);
while (chosen.length < components) {
  chosen.push(await Vi(x).sqDist(Vj(known)).min("j").argMax().item());
  known = x.take(chosen);
}
const start = {
  logits: zeros([components], { dtype }),
  means: known,
  factors: zeros([components, 1], { dtype }).add(eye(dim, { dtype }).reshape(1, dim * dim)),
};
const options = { gradientTolerance: 1e-7, maxSteps: 500 };
const { params, value, steps } = await minimise(valueAndGrad(loss), start, lbfgs(), options);

const best = await loss(truth).item();
const [distances, names] = Vi(truth.means).sqDist(Vj(params.means)).minArgMin("j");
const off = Math.sqrt(await distances.max().item());
const weights = await params.logits.softmax().take(names.reshape(components)).data();
console.log(`${steps} steps, −log-likelihood per point ${value} (of the truth: ${best})`);
const isGood = value < best && best - value < 20 / count && off < 8 / Math.sqrt(count) &&
  [0.5, 0.3, 0.2].every((w, k) => Math.abs(weights[k] - w) < 2 / Math.sqrt(count));
console.log(
  `check: means are found to ${off.toFixed(3)}, the weights as ` +
    `${[...weights].map((w) => w.toFixed(3)).join(", ")}: ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
