// Batch dims on a card, real or emulated: folds, gradients and entries have the bits of batches one
// by one, however inputs are broadcast.

import { assert } from "@std/assert";
import { type LazyTensor, Pm, type Tensor, Vi, Vj } from "../../mod.ts";
import {
  addedUp,
  batchByBatch,
  checkBatches,
  PATTERNS,
  randomBatches,
} from "../support/batches.ts";
import { randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";

const SIZES = [{ M: 5, N: 67 }, { M: 517, N: 3 }, { M: 3, N: 2500 }];

/** A fold of a Gaussian with a signal, by row, by column and by parameter. */
const FOLDS: Readonly<
  Record<string, (K: LazyTensor, device: ReturnType<typeof card>) => Tensor[]>
> = {
  "sum over j": (K, device) => [K.sum("j", { device })],
  "sum over i": (K, device) => [K.sum("i", { device })],
  "nearest": (K, device) => K.kMinArgKMin(3, "j", { device }),
  "entries": (K, device) => [K.dense({ device })],
};

for (const [what, fold] of Object.entries(FOLDS)) {
  testOnCard(`batches on a card, ${what}: what each has alone`, async () => {
    const device = card();
    const random = randomFor(`card batches ${what}`);
    for (const [name, { x, y, p }] of Object.entries(PATTERNS)) {
      const sizes = what === "entries" ? SIZES.slice(0, 1) : SIZES;
      for (const { M, N } of sizes) {
        const inputs = [
          randomBatches(random, x, [M, 3], "float32"),
          randomBatches(random, y, [N, 3], "float32"),
          randomBatches(random, p, [2], "float32", [0.5, 2]),
        ];
        await checkBatches(inputs, (a, b, c) => {
          const K = Vi(a).sqDist(Vj(b)).mul(Pm(c).elem(0)).neg().exp().mul(Pm(c));
          return fold(K, device);
        }, `${name}, ${M} × ${N}`);
      }
    }
  });
}

testOnCard("batches on a card: the gradient by what they share is the sum of theirs", async () => {
  const device = card();
  const random = randomFor("card batch gradient");
  const x = randomBatches(random, [11], [5, 3], "float32");
  const y = randomBatches(random, [], [67, 3], "float32");
  const gradient = (a: Tensor, b: Tensor): Tensor =>
    Vi(a).sqDist(Vj(b)).neg().exp().vjp("sum", "j", Vj(b), undefined, { device });
  const [parts] = await batchByBatch([11], [x, y], (a, b) => [gradient(a, b)]);
  const want = addedUp(parts, [11], []);
  const got = await gradient(x.t, y.t).data();
  want.forEach((value, k) => {
    const error = Math.abs(got[k] - value) / Math.max(1, Math.abs(value));
    assert(error < 1e-5, `number ${k} is ${got[k]}, want ${value}`);
  });
});
