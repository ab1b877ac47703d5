// Kernel principal components: eigenpairs of the centred kernel H K H, H = 1 − 11ᵀ/n. Of two rings,
// one inside the other, the first component of a Gaussian kernel tells which is which; of the
// linear kernel, the components are those of ordinary PCA. Run it: deno run examples/kernel_pca.ts
// [points]

import { full, identityOperator, type LazyTensor, lowRankOperator, tensor, Vi, Vj } from "pairfold";
import { concatenate, randomNormal, randomUniform, stack } from "pairfold";

const count = Number(Deno.args[0] ?? 2000);
const dtype = "float64";

const centring = identityOperator(count)
  .sub(lowRankOperator(full([count, 1], 1 / Math.sqrt(count), { dtype })));
/** Leading eigenpairs of the centred kernel, eigenvalues as variances. */
const components = async (K: LazyTensor, k: number) => {
  const { values, vectors } = await centring.matmul(K).matmul(centring).lobpcg({ k, tol: 1e-8 });
  return { variances: values.map((v) => v / count), vectors };
};

// even points on the inner ring, odd ones on the outer
const angles = randomUniform([count], { seed: 1, high: 2 * Math.PI, dtype });
const radii = tensor(Float64Array.from({ length: count }, (_, k) => k % 2 === 0 ? 0.3 : 1))
  .add(randomNormal([count], { seed: 2, std: 0.05, dtype }));
const rings = stack([angles.cos().mul(radii), angles.sin().mul(radii)], 1);
const gaussian = Vi(rings).sqDist(Vj(rings)).mul(-4).exp();
const { variances, vectors } = await components(gaussian, 1);
const parted = vectors.filter((v, k) => v * vectors[0] * (k % 2 === 0 ? 1 : -1) > 0);
console.log(`first component of the rings: variance ${variances[0].toFixed(4)}`);

// a linear kernel: the variances of PCA, those of the coordinates before a turn
const spread = [3, 2, 1];
const z = randomNormal([count, 3], { seed: 3, dtype }).mul(spread);
const turn = [[0.36, 0.48, -0.8], [-0.8, 0.6, 0], [0.48, 0.64, 0.6]];
const cloud = concatenate([z.matmul(turn).add(10), z.matmul(turn)], 1); // twice: six coordinates
const linear = await components(Vi(cloud).dot(Vj(cloud)), 3);
const centred = z.sub(z.mean(0));
const covariance = await centred.T.matmul(centred).div(count).data();
const trace = 2 * (covariance[0] + covariance[4] + covariance[8]);
const sum = linear.variances.reduce((total, v) => total + v, 0);
console.log(`variances of the linear kernel ${[...linear.variances].map((v) => v.toFixed(3))}`);

const isGood = parted.length > 0.99 * count && Math.abs(sum / trace - 1) < 1e-9 &&
  spread.every((s, k) => Math.abs(linear.variances[k] / (2 * s * s) - 1) < 6 / Math.sqrt(count));
console.log(
  `check: ${parted.length} of ${count} points on the side of their ring, PCA's total variance to ` +
    `${Math.abs(sum / trace - 1).toExponential(1)}: ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
