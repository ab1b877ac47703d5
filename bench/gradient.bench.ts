// What a gradient costs beside its value: Gaussian energies of 10,000 points.
//
//     deno bench -A bench/gradient.bench.ts
//
// A gradient is to cost at most 3 times its value; valueAndGrad shares the pass over the pairs.

import { grad, type Tensor, tensor, valueAndGrad, Vi, Vj } from "pairfold";

const N = 10_000;
const drawn = (dim: number): Tensor =>
  tensor(Float32Array.from({ length: dim * N }, () => Math.random()), [N, dim]);
const [x, y, b, c] = [drawn(3), drawn(3), drawn(1), drawn(1)];
const scale = tensor([-2]);

/** Energies of one tensor, and that. */
const ENERGIES: Readonly<Record<string, readonly [(t: Tensor) => Tensor, Tensor]>> = {
  "Σ c_i k(x_i, y_j) b_j by x": [
    (t) => Vi(t).sqDist(Vj(y)).mul(-2).exp().matmul(b).mul(c).sum(),
    x,
  ],
  "Σ b_i k(x_i, x_j) b_j by x": [
    (t) => Vi(t).sqDist(Vj(t)).mul(-2).exp().matmul(b).mul(b).sum(),
    x,
  ],
  "Σ k(x_i, y_j; s) by s": [
    (t) => Vi(x).sqDist(Vj(y)).mul(t).exp().sum("j").sum(),
    scale,
  ],
};

for (const [group, [f, at]] of Object.entries(ENERGIES)) {
  const both = valueAndGrad(f);
  Deno.bench({ name: "value", group, baseline: true, fn: async () => void await f(at).data() });
  Deno.bench({ name: "gradient", group, fn: async () => void await grad(f)(at).data() });
  Deno.bench({
    name: "valueAndGrad",
    group,
    fn: async () => {
      const [value, gradient] = both(at);
      await Promise.all([value.data(), gradient.data()]);
    },
  });
}
