// What a gradient costs beside its value, for Gaussian energies of N points: medians of times, the
// value alone, the gradient alone and both, taking turns in one run.
//
//     deno run -A bench/gradient.ts [--points 10000] [--repeats 9] [--device wasm]
//
// The target is 3 for the gradient alone at N = 10,000.

import {
  type DeviceName,
  grad,
  Pm,
  randomNormal,
  type Tensor,
  tensor,
  valueAndGrad,
  Vi,
  Vj,
} from "pairfold";
import { countOf, optionsOf } from "./options.ts";

const { values: flags } = optionsOf({
  options: {
    points: { type: "string", default: "10000" },
    repeats: { type: "string", default: "9" },
    device: { type: "string", default: "auto" },
  },
});
const N = countOf("points", flags.points), repeats = countOf("repeats", flags.repeats);
const device = flags.device as DeviceName;
const TARGET = 3;

type Energy = (x: Tensor, y: Tensor, b: Tensor, s: Tensor) => Tensor;
const kernel = (x: Tensor, y: Tensor, s: Tensor) => Vi(x).sqDist(Vj(y)).mul(Pm(s)).neg().exp();

/** Energies by name, and the arguments that the gradient is taken by. */
const ENERGIES: Readonly<Record<string, { energy: Energy; by: readonly number[] }>> = {
  "Σ k(x_i, y_j), by x": {
    energy: (x, y, _, s) => kernel(x, y, s).sum("j", { device }).sum(),
    by: [0],
  },
  "Σ k(x_i, x_j), by x": {
    energy: (x, _y, _b, s) => kernel(x, x, s).sum("j", { device }).sum(),
    by: [0],
  },
  "Σ k(x_i, y_j) b_i · b_j, by x, y": {
    energy: (x, y, b, s) => kernel(x, y, s).matmul(b, { device }).mul(b).sum(),
    by: [0, 1],
  },
  "Σ k(x_i, x_j) b_i · b_j, by x, b": {
    energy: (x, _y, b, s) => kernel(x, x, s).matmul(b, { device }).mul(b).sum(),
    by: [0, 2],
  },
  "Σ log Σ k(x_i, y_j), by x, scale": {
    energy: (x, y, _, s) => kernel(x, y, s).sum("j", { device }).log().sum(),
    by: [0, 3],
  },
};

function median(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

console.log(`N = ${N}, device ${device}, ${navigator.hardwareConcurrency} threads; milliseconds`);
console.log("energy                            dtype      value  gradient  ratio  both  ratio");
for (const dtype of ["float32", "float64"] as const) {
  const draw = (stream: number): Tensor => randomNormal([N, 3], { seed: 1, stream, dtype });
  const inputs = [draw(0), draw(1), draw(2), tensor([0.7], undefined, { dtype })] as const;
  await Promise.all(inputs.map((t) => t.data()));
  for (const [name, { energy, by }] of Object.entries(ENERGIES)) {
    const read = (all: unknown): Promise<unknown> =>
      Promise.all((all as readonly Tensor[]).map((t) => t.data()));
    const contestants = [
      () => energy(...inputs).item(),
      () => read(grad(energy, { argnums: by })(...inputs)),
      () => read(valueAndGrad(energy, { argnums: by })(...inputs).flat()),
    ];
    const times: readonly number[][] = contestants.map(() => []);
    for (const run of contestants) await run();
    for (let k = 0; k < repeats; k++) {
      for (let turn = 0; turn < contestants.length; turn++) {
        const who = (k + turn) % contestants.length;
        const start = performance.now();
        await contestants[who]();
        times[who].push(performance.now() - start);
      }
    }
    const [value, gradient, both] = times.map(median);
    console.log(
      name.padEnd(33),
      dtype,
      value.toFixed(1).padStart(8),
      gradient.toFixed(1).padStart(9),
      (gradient / value).toFixed(2).padStart(6),
      both.toFixed(1).padStart(5),
      (both / value).toFixed(2).padStart(6),
      gradient / value > TARGET ? `above ${TARGET}` : "",
    );
  }
}
