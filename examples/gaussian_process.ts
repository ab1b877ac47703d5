// Exact Gaussian-process regression with known hyper-parameters: mean, variance and likelihood.
// Run it: deno run examples/gaussian_process.ts

import { tensor, Vi, Vj } from "../mod.ts";

const count = 2000, tests = 100;
const [scale, noise] = [0.15, 0.2];
const truth = (x: number, y: number): number => Math.sin(7 * x) + Math.cos(9 * y * x);

let state = 1;
const random = (): number => (state = (state * 16807) % 2147483647) / 2147483647;
const normal = (): number => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
const draw = (n: number): Float64Array => Float64Array.from({ length: 2 * n }, random);
const observed = (points: Float64Array): Float64Array =>
  Float64Array.from(
    { length: points.length / 2 },
    (_, k) => truth(points[2 * k], points[2 * k + 1]) + noise * normal(),
  );

const [seen, unseen] = [draw(count), draw(tests)];
const [y, yUnseen] = [observed(seen), observed(unseen)];
const x = tensor(seen, [count, 2]), asked = tensor(unseen, [tests, 2]);
const kernel = (i: typeof x, j: typeof x) =>
  Vi(i).sqDist(Vj(j)).mul(-1 / (2 * scale * scale)).exp();
const K = kernel(x, x), cross = kernel(x, asked);
const alpha = noise * noise;
const preconditioner = await K.asOperator().preconditioner("vecchia", { alpha });
const options = { alpha, preconditioner, tol: 1e-8 };

// mean: k*ᵀ (K + σ² I)⁻¹ y; variance: 1 + σ² − k*ᵀ (K + σ² I)⁻¹ k*, one right-hand side per point
const weights = K.solve(y, options);
const mean = await cross.T.matmul(weights.x).data();
const sides = await cross.dense().data();
const solved = await K.solve(tensor(sides, [count, tests]), options).x.data();
let inside = 0, squares = 0;
for (let k = 0; k < tests; k++) {
  let explained = 0;
  for (let i = 0; i < count; i++) explained += sides[i * tests + k] * solved[i * tests + k];
  const deviation = Math.sqrt(1 + alpha - explained);
  if (Math.abs(yUnseen[k] - mean[k]) < 1.96 * deviation) inside++;
  squares += (truth(unseen[2 * k], unseen[2 * k + 1]) - mean[k]) ** 2;
}
const { iterations } = await weights.report();
const { value: logDeterminant } = await K.asOperator().logDeterminant({ ...options, seed: 1 });
const w = await weights.x.data();
const fit = y.reduce((sum, v, k) => sum + v * w[k], 0);
const likelihood = -0.5 * (fit + logDeterminant + count * Math.log(2 * Math.PI));
console.log(`${iterations} iterations, log-likelihood ${likelihood.toFixed(1)}`);

const error = Math.sqrt(squares / tests);
console.log(
  `check: ${inside} of ${tests} new values in their 95 % intervals, the mean is off by ` +
    `${error.toFixed(3)} (noise ${noise})`,
);
if (inside < 0.9 * tests || inside > 0.99 * tests || !(error < noise / 3)) Deno.exit(1);
