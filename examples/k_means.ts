// k-means (Lloyd's algorithm): the nearest centre of every point, the mean of every centre's
// points, in turns; the first centres are far from each other (Gonzalez 1985). Run it: deno run
// examples/k_means.ts [points]

import { full, randomNormal, randomUniform, type Tensor, tensor, Vi, Vj, zeros } from "pairfold";

const count = Number(Deno.args[0] ?? 100_000);
const [clusters, dim] = [12, 5];
const spread = 0.05;

// points around known centres, in turns
const truth = randomUniform([clusters, dim], { seed: 3 });
const own = tensor(Int32Array.from({ length: count }, (_, k) => k % clusters));
const x = truth.take(own).add(randomNormal([count, dim], { seed: 4, std: spread }));

/** For each point its nearest centre, [count], and the squared distance to it. */
const nearest = (centres: Tensor): [distances: Tensor, labels: Tensor] => {
  const [distances, labels] = Vi(x).sqDist(Vj(centres)).minArgMin("j");
  return [distances, labels.reshape(count)];
};

const chosen = [0];
while (chosen.length < clusters) {
  chosen.push(await nearest(x.take(chosen))[0].argMax().item());
}
let centres = x.take(chosen);
let inertia = Infinity, steps = 0;
for (let isMoving = true; isMoving; steps++) {
  const [distances, labels] = nearest(centres);
  const sizes = zeros([clusters, 1]).scatterAdd(labels, full([count, 1], 1));
  centres = zeros([clusters, dim]).scatterAdd(labels, x).div(sizes);
  const now = await distances.sum().item();
  isMoving = now < inertia * (1 - 1e-6);
  inertia = now;
}
console.log(`${steps} steps, the mean squared distance is ${(inertia / count).toPrecision(4)}`);

// each mean lies as near to its true centre as a mean of its points does: 5 standard errors
const errors = await Vi(truth).sqDist(Vj(centres)).min("j").sqrt().data();
const worst = Math.max(...errors);
const allowed = 5 * spread * Math.sqrt(dim * clusters / count);
const isGood = worst < allowed && Math.abs(inertia / count / (dim * spread ** 2) - 1) < 0.05;
console.log(
  `check: the ${clusters} centres are found to ${worst.toExponential(1)} ` +
    `(five standard errors: ${allowed.toExponential(1)}): ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
