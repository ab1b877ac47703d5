// Random tensors: the published answers of the generator, moments, and independence of shape.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { PairfoldError, randomNormal, randomUniform } from "../../mod.ts";
import { philox } from "../../src/tensor/random.ts";

/** Counter, key and result: known answers of Random123 1.09 (kat_vectors, philox4x32 10). */
const KNOWN: readonly (readonly [number[], number[], number[]])[] = [
  [[0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

Deno.test("Philox 4x32-10 gives the published answers", () => {
  for (const [counter, key, want] of KNOWN) {
    const out = new Uint32Array(4);
    philox(counter, key, out);
    assertEquals([...out], want);
  }
});

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`uniform ${dtype}: range, moments, no correlation of neighbours`, async () => {
    const n = 100_003;
    const data = await randomUniform([n], { seed: 7, dtype, low: -1, high: 3 }).data();
    let [sum, squares, products] = [0, 0, 0];
    data.forEach((x, k) => {
      assert(x >= -1 && x < 3);
      const u = (x - 1) / 4;
      sum += u;
      squares += u * u;
      products += k > 0 ? u * (data[k - 1] - 1) / 4 : 0;
    });
    assert(Math.abs(sum / n) < 0.005);
    assert(Math.abs(squares / n - 1 / 12) < 0.001);
    assert(Math.abs(products / n) < 0.001);
  });

  Deno.test(`normal ${dtype}: four moments, tails`, async () => {
    const n = 200_003;
    const data = await randomNormal([n], { seed: 3, dtype, mean: 2, std: 0.5 }).data();
    const moments = [0, 0, 0, 0];
    let beyond = 0;
    for (const x of data) {
      const z = (x - 2) / 0.5;
      moments.forEach((_, k) => moments[k] += z ** (k + 1) / n);
      if (Math.abs(z) > 2.5758) beyond++;
    }
    [0, 1, 0, 3].forEach((want, k) => assert(Math.abs(moments[k] - want) < 0.05, `${k}`));
    assert(Math.abs(beyond / n - 0.01) < 0.001);
  });
}

Deno.test("random numbers depend on seed, stream and place alone", async () => {
  for (const make of [randomUniform, randomNormal]) {
    const long = await make([3, 5], { seed: 2 ** 40 + 1 }).data();
    assertEquals(await make([7], { seed: 2 ** 40 + 1 }).data(), long.slice(0, 7));
    for (const other of [{ seed: 1 }, { seed: 2 ** 40 + 1, stream: 1 }]) {
      const data = await make([15], other).data();
      assertEquals(data.filter((x, k) => x === long[k]).length, 0);
    }
  }
});

Deno.test("random tensors refuse seeds and shapes that are none", () => {
  for (const seed of [-1, 0.5, NaN, 2 ** 53]) {
    assertThrows(() => randomUniform([1], { seed }), PairfoldError);
    assertThrows(() => randomNormal([1], { seed: 0, stream: seed }), PairfoldError);
  }
  assertThrows(() => randomUniform([0.5], { seed: 0 }), PairfoldError);
  const dtype = "int32" as unknown as "float32";
  assertThrows(() => randomNormal([1], { seed: 0, dtype }), PairfoldError);
});

Deno.test("random tensors without a seed say that they want one", () => {
  for (const make of [randomUniform, randomNormal]) {
    const untyped = make as (shape: number[], options?: unknown) => unknown;
    for (const options of [undefined, null, {}, 7, { low: 0 }]) {
      assertThrows(() => untyped([64, 3], options), PairfoldError, "seed");
    }
  }
});
