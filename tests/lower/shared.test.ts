// Formulas that use their own parts twice, over and over: as many paths lead through sixty steps as
// 2^60, so that whatever follows them all never ends.

import { assert, assertEquals } from "@std/assert";
import { type LazyTensor, Vi, Vj, wasm } from "pairfold";
import { randomFor } from "../support/random.ts";

const STEPS: Readonly<Record<string, (v: LazyTensor) => LazyTensor>> = {
  "sums with a root": (v) => v.mul(0.5).add(v.sqrt()),
  "products with a root": (v) => v.mul(v.sqrt().add(1)).add(v),
  "products with an exponential": (v) => v.mul(v.neg().exp()),
  "differences": (v) => v.sub(v.mul(0.3).sin()),
  "quotients": (v) => v.div(v.add(1)),
  "powers": (v) => v.pow(0.5).mul(v.add(0.1)),
  "choices": (v) => v.ifElse(v.mul(0.5), v.sqrt().add(0.1)),
  "clamps": (v) => v.clamp(0, 3).add(v.relu().mul(0.2)),
  "angles": (v) => v.atan2(v.add(1)).add(0.5),
  "logarithms": (v) => v.add(1).log().mul(v.add(0.2)),
  "expanded functions": (v) => v.erf().add(v.tanh()).mul(0.6),
};

const [M, N] = [7, 70];

for (const [name, step] of Object.entries(STEPS)) {
  Deno.test(`${name} of themselves, sixty times: every fold ends, with the same bits`, async () => {
    const random = randomFor(name);
    const [x, y] = [Vi(random.float32(3 * M, 0.1), 3), Vj(random.float32(3 * N, 0.1), 3)];
    const b = Vj(random.float32(40 * N), 40);
    using untiled = wasm({ threads: 1, schedule: "untiled" });
    using tiled = wasm({ threads: 1, quickOperations: 0 });
    let v = x.sqDist(y);
    for (let k = 0; k < 60; k++) v = step(v);
    const folds = (device: ReturnType<typeof wasm>) => [
      v.sum("j", { device }),
      v.neg().exp().sum("j", { device }),
      v.logSumExp("j", { device }),
      v.mul(b).sum("j", { device }),
      v.kMin(3, "j", { device }),
      v.grad(x).sum("j", { device }),
    ];
    const wanted = folds(untiled);
    for (const [n, fold] of folds(tiled).entries()) {
      assertEquals(await fold.data(), await wanted[n].data(), `fold ${n}`);
    }
    assert(`${v}`.length > 0);
  });
}
