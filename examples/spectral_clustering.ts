// Spectral clustering: two rings, one inside the other, parted by the second eigenvector of the
// normalised kernel D^(−1/2) K D^(−1/2); no straight line parts them.
// Run it: deno run examples/spectral_clustering.ts

import { diagonalOperator, tensor, Vi, Vj } from "pairfold";

const count = 2000;
const sigma = 0.12;

let state = 1;
const random = (): number => (state = (state * 16807) % 2147483647) / 2147483647;
const points = new Float64Array(2 * count);
for (let k = 0; k < count; k++) {
  const angle = 2 * Math.PI * random();
  const radius = (k % 2 === 0 ? 1 : 2) + 0.2 * (random() - 0.5); // even: inner ring
  points.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * k);
}

const x = tensor(points, [count, 2]);
const K = Vi(x).sqDist(Vj(x)).mul(-1 / (2 * sigma * sigma)).exp();
const degrees = await K.sum("j").data();
const root = diagonalOperator(Float64Array.from(degrees, (degree) => 1 / Math.sqrt(degree)));
const normalised = root.matmul(K.asOperator()).matmul(root);

// two clusters that barely touch: the eigenvalue 1 nearly twice
const { values, vectors, iterations } = await normalised.lobpcg({ k: 2, tol: 1e-7 });
console.log(`eigenvalues ${[...values].map((v) => v.toFixed(6))} after ${iterations} iterations`);

// rows of the eigenvectors, turned to length 1, are one direction per cluster
const row = (k: number): [number, number] => {
  const [a, b] = [vectors[2 * k], vectors[2 * k + 1]];
  return [a / Math.hypot(a, b), b / Math.hypot(a, b)];
};
const [a, b] = row(0);
let right = 0;
for (let k = 0; k < count; k++) {
  const [c, d] = row(k);
  const isInner = (a * c + b * d) ** 2 > 0.5;
  if (isInner === (k % 2 === 0)) right++;
}
console.log(`check: ${right} of ${count} points are in the ring that they were drawn from`);
if (right < 0.99 * count) Deno.exit(1);
