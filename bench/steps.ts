// Ten thousand steps of an optimiser whose scalars change at every one: time per step, memory and
// compiled programs, by tenths of the run. None of them may grow.
//
//     deno run -A --v8-flags=--expose-gc bench/steps.ts [--steps 10000] [--points 100]
//
// On the WebAssembly engine. Memory is what is left after a collection.

import { adam, Pm, randomNormal, type Tensor, valueAndGrad, Vi, Vj, WasmEngine } from "pairfold";
import { internedCount } from "../src/formula/mod.ts";
import { countOf, optionsOf } from "./options.ts";

const { values: flags } = optionsOf({
  options: {
    steps: { type: "string", default: "10000" },
    points: { type: "string", default: "100" },
  },
});
const steps = countOf("steps", flags.steps), n = countOf("points", flags.points);
const PARTS = 10;

const device = new WasmEngine();
const y = randomNormal([n, 3], { seed: 1, stream: 1 });
let step = 0;
const loss = (params: { readonly x: Tensor; readonly s: Tensor }) => {
  step++;
  return valueAndGrad(({ x, s }: { readonly x: Tensor; readonly s: Tensor }) =>
    // numbers in the formula, between folds and as a parameter, other ones in every step
    Vi(x).sqDist(Vj(y)).mul(Pm(s.exp())).mul(-1 - 1 / step).exp().sum("j", { device })
      .add(1 / step).log().sum().neg().add(x.square().mul(step / (1 + step)).mean())
  )(params);
};
const run = adam({ rate: (k) => 1e-3 / (1 + k / steps) })
  .init({ x: randomNormal([n, 3], { seed: 1 }), s: randomNormal([1], { seed: 2 }) });

const collect = (globalThis as { gc?: () => void }).gc;
console.log(
  `${steps} steps of Adam, ${n} × ${n} points, wasm, ${navigator.hardwareConcurrency} threads`,
);
if (collect === undefined) {
  console.log("(no --expose-gc: memory holds what nobody has collected yet)");
}
console.log("  steps  ms per step  heap, MiB  all, MiB  programs  formula nodes     value");
for (let part = 0; part < PARTS; part++) {
  const from = performance.now();
  let value = NaN;
  for (let k = 0; k < steps / PARTS; k++) ({ value } = await run.step(loss));
  const perStep = (performance.now() - from) / (steps / PARTS);
  // finalisers of tensors run in turns of their own
  for (let k = 0; k < 3; k++) {
    collect?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, rss } = Deno.memoryUsage();
  console.log(
    String((part + 1) * steps / PARTS).padStart(7),
    perStep.toFixed(3).padStart(12),
    (heapUsed / 2 ** 20).toFixed(1).padStart(10),
    (rss / 2 ** 20).toFixed(0).padStart(9),
    String(device.compiledPrograms).padStart(9),
    String(internedCount()).padStart(14),
    value.toFixed(4).padStart(9),
  );
}
