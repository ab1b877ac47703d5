// Mean shift: points climb to the modes of their Gaussian density. Four clusters, four modes.
// Run it: deno run examples/mean_shift.ts

import { tensor, Vi, Vj } from "pairfold";

const centres = [[0, 0], [4, 0], [0, 4], [4, 4]];
const count = 2000;
const sigma = 0.8;

let state = 1;
const random = (): number => (state = (state * 16807) % 2147483647) / 2147483647;
const noise = (): number => random() + random() + random() + random() - 2;
const data = Float32Array.from({ length: 2 * count }, (_, k) => {
  const [x, y] = centres[(k >> 1) % 4];
  return (k % 2 === 0 ? x : y) + noise();
});

const sources = tensor(data, [count, 2]);
let moving = sources;
for (let step = 0; step < 60; step++) {
  const K = Vi(moving).sqDist(Vj(sources)).mul(-1 / (2 * sigma * sigma)).exp();
  // the weighted mean of the sources, and the weights' sum
  const sums = K.mul(Vj(sources).concat(1)).sum("j");
  moving = Vi(sums).extract(0, 2).div(Vi(sums).elem(2)).sum("j");
}

const modes = await moving.data();
let worst = 0;
for (let i = 0; i < count; i++) {
  const [x, y] = centres[i % 4];
  worst = Math.max(worst, Math.hypot(modes[2 * i] - x, modes[2 * i + 1] - y));
}
console.log(`check: the points of each cluster end within ${worst.toFixed(3)} of its centre`);
if (!(worst < 0.3)) Deno.exit(1);
