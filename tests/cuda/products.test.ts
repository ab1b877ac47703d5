// Dot products on tensor cores: how far they are from float64, that schedules and sizes change no
// bit, and that everything else computes in full float32.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { genred, grad, PairfoldError, type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import type { FoldChoices } from "../../src/program/request.ts";
import { randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";

type Products = FoldChoices["products"];

/** Σ_j (x_i · y_j)² with vectors whose components from `used` on are 0. */
function squares(M: number, N: number, dim: number, used = dim) {
  const random = randomFor(`products ${M} ${N} ${dim} ${used}`);
  const points = (n: number): Float32Array<ArrayBuffer> =>
    random.float32(n * dim).map((v, k) => k % dim < used ? v : 0);
  const [x, y] = [points(M), points(N)];
  const folded = (device: FoldChoices["device"], products?: Products) =>
    Vi(tensor(x, [M, dim])).dot(Vj(tensor(y, [N, dim]))).square().sum("j", { device, products });
  /** The largest error, relative to the sum of squares of Σ |x_k y_k|. */
  const errorOf = async (device: FoldChoices["device"], products: Products): Promise<number> => {
    const got = await folded(device, products).data();
    let worst = 0;
    for (let i = 0; i < M; i++) {
      let [wanted, scale] = [0, 0];
      for (let j = 0; j < N; j++) {
        let [product, size] = [0, 0];
        for (let k = 0; k < used; k++) {
          const term = x[i * dim + k] * y[j * dim + k];
          product += term;
          size += Math.abs(term);
        }
        wanted += product * product;
        scale += size * size;
      }
      worst = Math.max(worst, Math.abs(got[i] - wanted) / scale);
    }
    return worst;
  };
  return { folded, errorOf };
}

testOnCard(
  "three products of TF32 err as float32 does, one far more, on a card",
  async () => {
    for (const [dim, used] of [[33, 3], [64, 64], [100, 100]]) {
      const { errorOf } = squares(37, 70, dim, used);
      const single = await errorOf(card(), "float32");
      const three = await errorOf(card(), "tf32x3");
      const one = await errorOf(card(), "tf32");
      assert(single < 3e-7 && three < 2 * single + 1e-7, `D=${used}: ${single}, ${three}`);
      // 2^-10 at most; were numbers not rounded, this would be float32's
      assert(one > 20 * single && one < 2 ** -9, `D=${used}: ${single}, ${one}`);
      if (used === 3) assert(one > 5e-5, `D=3: ${one}`);
    }
  },
);

testOnCard("products of TF32 are the same bits by every schedule and size, on a card", async () => {
  for (const [M, N] of [[1, 3], [131, 77], [3, 1031]]) {
    const { folded } = squares(M, N, 40);
    const wanted = await folded(card(), "tf32x3").data();
    assertEquals(await folded(card({ schedule: "untiled" }), "tf32x3").data(), wanted);
  }
});

Deno.test("without tensor cores products are float32's, and explain says so", async () => {
  const { folded } = squares(5, 7, 40);
  assertEquals(await folded("wasm", "tf32").data(), await folded("wasm").data());
  assertStringIncludes(folded("wasm", "tf32").explain(), "products  float32: no tensor cores");
  assertThrows(() => folded("wasm", "bf16" as Products), PairfoldError, 'got products "bf16"');
});

/** Products that no fold takes: whoever passes them on is told so. */
const WRONG = { products: "bf16" as Products } as const;
const points = Float64Array.from({ length: 12 }, (_, k) => Math.sin(k));
const kernel = (at = tensor(points, [6, 2])) => Vi(at).sqDist(Vj(at)).neg().exp();
const ones = new Float64Array(6).fill(1);
const noted = { probes: 2, iterations: 2, ...WRONG };

/** Ways to a fold, and what reads its result. */
const WAYS: Readonly<Record<string, () => unknown>> = {
  "a reduction": () => kernel().logSumExp("j", WRONG).data(),
  "matmul": () => kernel().matmul(ones, WRONG).data(),
  "K smallest": () => kernel().argKMin(2, "j", WRONG).data(),
  "genred": () =>
    genred("SqDist(X,Y)", ["X = Vi(2)", "Y = Vj(2)"], { ...WRONG, dtype: "float64" })(
      points,
      points,
    ).data(),
  "solve": () => kernel().solve(ones, { alpha: 1, ...WRONG }).x.data(),
  "the derivative of solve": () => {
    const solved = (at: Tensor) => kernel(at).solve(ones, { alpha: 1, ...WRONG }).x.sum();
    return grad(solved)(tensor(points, [6, 2])).data();
  },
  "logDeterminant": () => kernel().logDeterminant({ alpha: 1, ...noted }).item(),
  "an operator": () => kernel().asOperator(WRONG).matmul(ones).data(),
};

for (const [name, way] of Object.entries(WAYS)) {
  Deno.test(`${name} passes products on`, async () => {
    await assertRejects(async () => await way(), PairfoldError, 'got products "bf16"');
  });
}
