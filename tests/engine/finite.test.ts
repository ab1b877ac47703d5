// A sum's factor that belongs to the launch leaves the sum, without a careful loop: launches look
// at their uniform numbers, and take another kernel where one is not finite.

import { assert, assertEquals } from "@std/assert";
import { Pm, type Tensor, tensor, Vi, Vj, wasm } from "pairfold";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import { printKernel } from "../../src/loop/mod.ts";
import { expandedMath, type Fold, lowerLater } from "../../src/lower/mod.ts";
import { testUnless } from "../cuda/support/tools.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { randomFor } from "../support/random.ts";

const [x, y, b] = [variable(0, "i", 3), variable(1, "j", 3), variable(2, "j", 1)];
const [p, a] = [variable(3, "p", 1), variable(4, "i", 1)];
const gaussian = build.exp(build.neg(build.sqDist(x, y)));

function foldOf(formula: Node, expectsFinite: boolean): Fold {
  const options = { sumScheme: "compensated", accumulator: "f32", k: 1 } as const;
  const inputs = [x, y, b, p, a];
  const choices = { options, inputs, fastMath: false, expectsFinite };
  return { formula, reduction: "sum", float: "f32", ...choices };
}

Deno.test("a uniform factor takes a careful loop only where nobody looks at its numbers", () => {
  const factored = {
    "p K b": build.mul(p, build.mul(gaussian, b)),
    "K b / p": build.div(build.mul(gaussian, b), p),
    "-p² (x - y) K": build.neg(build.mul(build.square(p), build.mul(build.sub(x, y), gaussian))),
  };
  for (const [name, formula] of Object.entries(factored)) {
    const kernel = lowerLater(foldOf(formula, true), expandedMath);
    const plain = lowerLater(foldOf(formula, false), expandedMath);
    assertEquals(kernel.careful, null, name);
    assert(plain.careful !== null, name);
    assertEquals(plain.carefully, null, name);
    const other = kernel.carefully?.();
    assert(other !== undefined, name);
    assertEquals(printKernel(other), printKernel(plain), name);
    assertEquals(other.identity, plain.identity, name);
    assertEquals(kernel.carefully?.(), other, `${name}: one kernel, so that its code is kept`);
  }
  const others = {
    "a K b": build.mul(a, build.mul(gaussian, b)),
    "p a K b": build.mul(build.mul(p, a), build.mul(gaussian, b)),
    "2 K": build.mul(build.constant(2), gaussian),
    "K": gaussian,
  };
  for (const [name, formula] of Object.entries(others)) {
    const [kernel, plain] = [true, false].map((is) =>
      lowerLater(foldOf(formula, is), expandedMath)
    );
    assertEquals(kernel.carefully, null, name);
    assertEquals(printKernel(kernel), printKernel(plain), name);
  }
});

const DEVICES = [
  { name: "wasm", device: wasm, unless: null },
  { name: "native", device: testEngine, unless: withoutCompiler },
] as const;

const [M, N] = [301, 509];
/** Memory that makes several waves of all batches. */
const FEW_BYTES = 2 ** 15;

for (const { name, device: made, unless } of DEVICES) {
  const random = randomFor(`finite ${name}`);
  const numbers = (length: number): Float32Array =>
    Float32Array.from({ length }, () => random.uniform(-1, 1));
  const [points, others] = [numbers(3 * M), numbers(3 * N)];
  /** Signs differ, and far points have terms that are 0. */
  const weights = numbers(N);
  for (let d = 0; d < 3; d++) others[3 * 41 + d] = 100;

  /** Σ_j s · K(x_i, y_j) · b_j for each s of some, as batches. */
  const sums = (scales: readonly number[], choices: { memoryLimit?: number } = {}): Tensor => {
    const device = made({ threads: 1, tune: "off", ...choices });
    const s = Pm(tensor(Float32Array.from(scales), [scales.length, 1]));
    const k = Vi(points, 3).sqDist(Vj(others, 3)).neg().exp();
    return k.mul(Vj(weights, 1)).mul(s).sum("j", { device });
  };

  testUnless(
    unless,
    `${name}: factors that are not finite meet every term of their sums`,
    async () => {
      for (const s of [Infinity, -Infinity, NaN, 0, -2.5]) {
        const got = await sums([s]).data();
        for (let i = 0; i < M; i++) {
          let want = 0, size = 0;
          for (let j = 0; j < N; j++) {
            let q = 0;
            for (let d = 0; d < 3; d++) q += (points[3 * i + d] - others[3 * j + d]) ** 2;
            const term = s * (Math.fround(Math.exp(-q)) * weights[j]);
            want += term;
            size += Math.abs(term);
          }
          if (Number.isNaN(want)) assert(Number.isNaN(got[i]), `${s}, row ${i}: ${got[i]}`);
          else assert(Math.abs(got[i] - want) <= 1e-6 * size, `${s}, row ${i}: ${got[i]}, ${want}`);
        }
      }
    },
  );

  testUnless(
    unless,
    `${name}: other batches have the bits that they have alone, also in waves before`,
    async () => {
      const scales = [2, 0.3, -7, Infinity, 5, NaN, 0.1];
      for (const memoryLimit of [2 ** 30, FEW_BYTES]) {
        const got = await sums(scales, { memoryLimit }).data();
        for (const [k, s] of scales.entries()) {
          const own = got.subarray(k * M, (k + 1) * M);
          if (Number.isFinite(s)) assertEquals(own, await sums([s]).data(), `${s}`);
          else assert(own.every(Number.isNaN), `${s}`);
        }
      }
    },
  );
}
