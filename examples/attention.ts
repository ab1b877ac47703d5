// Attention: every query's mean of the values under the softmax of its scores, for all heads at
// once and without the matrix of scores; and causal attention, where no query sees what comes
// later. Run it: deno run examples/attention.ts [length of the sequence]

import { indexOf, randomNormal, valueAndGrad, Vi, Vj } from "pairfold";

const length = Number(Deno.args[0] ?? 512);
const [heads, dim] = [4, 16];
const shape = [heads, length, dim];
const [query, key, value] = [0, 1, 2].map((stream) => randomNormal(shape, { seed: 1, stream }));

const scores = (q: typeof query, k: typeof key) => Vi(q).dot(Vj(k)).mul(1 / Math.sqrt(dim));
const isSeen = indexOf("i").ge(indexOf("j"));
const causal = (q: typeof query, k: typeof key, v: typeof value) =>
  isSeen.where(scores(q, k), -Infinity).sumSoftmaxWeight(Vj(v), "j");

const output = scores(query, key).sumSoftmaxWeight(Vj(value), "j");
const energy = valueAndGrad((v: typeof value) => causal(query, key, v).square().sum().mul(0.5));
const [, gradient] = energy(value);

// the same by loops over the dense matrix, in float64; the gradient by v_j is Σ_i p_ij · output_i
const dense = async (isCausal: boolean) => {
  const [q, k, v] = await Promise.all([query.data(), key.data(), value.data()]);
  const out = new Float64Array(v.length), pulled = new Float64Array(v.length);
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < length; i++) {
      const row = (head * length + i) * dim;
      const last = isCausal ? i + 1 : length;
      const p = Float64Array.from({ length: last }, (_, j) => {
        const other = (head * length + j) * dim;
        let dot = 0;
        for (let d = 0; d < dim; d++) dot += q[row + d] * k[other + d];
        return Math.exp(dot / Math.sqrt(dim));
      });
      const total = p.reduce((sum, one) => sum + one, 0);
      for (let d = 0; d < dim; d++) {
        const column = head * length * dim + d;
        for (let j = 0; j < last; j++) out[row + d] += p[j] / total * v[column + j * dim];
        for (let j = 0; j < last; j++) pulled[column + j * dim] += p[j] / total * out[row + d];
      }
    }
  }
  return { out, pulled };
};
const off = (found: ArrayLike<number>, wanted: Float64Array): number =>
  wanted.reduce((worst, w, k) => Math.max(worst, Math.abs(found[k] - w)), 0);

const errors = [
  off(await output.data(), (await dense(false)).out),
  off(await causal(query, key, value).data(), (await dense(true)).out),
  off(await gradient.data(), (await dense(true)).pulled),
];
const isGood = errors.every((error) => error < 2e-5);
console.log(
  `check: attention, causal attention and its gradient differ from dense loops by at most ` +
    `${errors.map((error) => error.toExponential(1)).join(", ")}: ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
