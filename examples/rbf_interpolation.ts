// Interpolation with radial basis functions: a function known at scattered points, its interpolant
// at others.
// Run it: deno run examples/rbf_interpolation.ts

import { tensor, Vi, Vj } from "pairfold";

const count = 3000;
const sigma = 0.05;
const truth = (x: number, y: number): number => Math.sin(6 * x) * Math.cos(4 * y) + x * y;

let state = 1;
const random = (): number => (state = (state * 16807) % 2147483647) / 2147483647;
const draw = (n: number, low: number, high: number): Float64Array =>
  Float64Array.from({ length: 2 * n }, () => low + (high - low) * random());
const valuesAt = (points: Float64Array): Float64Array =>
  Float64Array.from(
    { length: points.length / 2 },
    (_, k) => truth(points[2 * k], points[2 * k + 1]),
  );

const known = draw(count, 0, 1);
const centres = tensor(known, [count, 2]);
// Matérn's kernel of order 3/2, smooth enough and not too flat
const kernel = (at: ReturnType<typeof Vi>) => {
  const r = at.sqDist(Vj(centres)).sqrt().mul(Math.sqrt(3) / sigma);
  return r.add(1).mul(r.neg().exp());
};

// weights w with Σ_j k(x_i, x_j) w_j = f(x_i); a little alpha keeps coincident points apart
const solution = kernel(Vi(centres)).solve(valuesAt(known), {
  alpha: 1e-6,
  tol: 1e-8,
  preconditioner: "vecchia",
});
const { iterations, residual } = await solution.report();
console.log(`weights of ${count} points: ${iterations} iterations, residual ${residual}`);

const asked = draw(1000, 0.05, 0.95);
const found = await kernel(Vi(asked, 2)).matmul(solution.x).data();
const worst = valuesAt(asked).reduce((most, v, k) => Math.max(most, Math.abs(v - found[k])), 0);
console.log(`check: at 1000 other points the interpolant is off by at most ${worst.toFixed(4)}`);
if (!(worst < 0.02)) Deno.exit(1);
