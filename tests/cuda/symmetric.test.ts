// Folds of points with themselves on a card that meet each pair once: against the reference,
// against folds of all pairs, and again.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { CudaEngine, CudaOptions, Progress } from "../../src/engine/mod.ts";
import { build, constant, type Node } from "../../src/formula/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import { fold } from "../../src/program/mod.ts";
import { cudaMirrorCut } from "../../src/tiling/mod.ts";
import { type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import { checkFold, type Float, type FoldCase, runFold } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";
import {
  b,
  bothInputs,
  checkSame,
  gaussian,
  isTaken,
  LEFT_BY_ALL,
  polynomial,
  q,
  SAME,
  TAKEN_BY_ALL,
} from "../support/symmetric.ts";
import { card, isReal, testOnCard, withoutCard } from "./support/card.ts";
import { testUnless } from "./support/tools.ts";

const { exp, mul, neg, sqrt } = build;

/** What is folded once: sums of 1, 2, 3 and 6 components add up across lanes in different ways. */
const TAKEN: Readonly<Record<string, Node>> = {
  ...TAKEN_BY_ALL,
  polynomial: polynomial(2),
  "laplacian of 6 weights in 64-D": mul(exp(neg(sqrt(q(64)))), b(6)),
};

/** Mirrors from few points on, so that there are some to be seen. */
const engine = (options: CudaOptions = {}): CudaEngine => card({ mirrorFrom: 1025, ...options });

/** Points in three blocks, the last of which is no whole one, nor a whole tile, nor a turn. */
const POINTS = 2051;

const caseOf = (formula: Node, dtype: Float, size = POINTS): FoldCase => ({
  formula,
  dtype,
  reduction: "sum",
  axis: "j",
  M: size,
  N: size,
  same: SAME,
});

for (const dtype of ["float32", "float64"] as const) {
  testOnCard(
    `symmetric, cuda: sums agree with the reference and with all pairs, ${dtype}`,
    async () => {
      const device = engine();
      const random = randomFor(`symmetric cuda ${dtype}`);
      for (const [k, [name, formula]] of Object.entries(TAKEN).entries()) {
        if (dtype === "float64" && k % 4 > 0) continue; // the same code but for the type
        const c = { ...caseOf(formula, dtype), device };
        const [once, twice] = bothInputs(c, name);
        assert(isTaken(c, once, { device }), name);
        assert(!isTaken(c, twice, { device }), name);
        const [got] = await runFold(c, once);
        assert(isTaken(c, once, { device }), `${name}: its kernel could be had`);
        const [want] = await runFold(c, twice);
        checkSame(got, want, dtype === "float32" ? 4e-6 : 1e-13, `${name}, ${dtype}`);
        assertEquals(await runFold(c, once), [got], `${name}: the same bits again`);
        if (k % 4 === 0) await checkFold({ ...c, cancels: formula.dim > 1 }, random);
      }
    },
  );
}

testOnCard("symmetric, cuda: one block, and no more than a column in the last", async () => {
  // the emulator looks out for races and for what is out of bounds, in code of its own
  const cache = Deno.makeTempDirSync({ prefix: "pairfold-check-" });
  const device = engine({ cache });
  if (!isReal) Deno.env.set("PAIRFOLD_EMULATOR_CHECK", "1");
  try {
    for (const [size, once] of [[517, false], [1024, false], [1025, true], [1031, true]] as const) {
      const c = { ...caseOf(gaussian, "float32", size), device };
      const [inputs] = bothInputs(c, `size ${size}`);
      assertEquals(isTaken(c, inputs, { device }), once, `${size} points`);
      await checkFold(c, randomFor(`symmetric cuda ${size}`));
    }
  } finally {
    Deno.env.delete("PAIRFOLD_EMULATOR_CHECK");
    Deno.removeSync(cache, { recursive: true });
  }
});

testOnCard(
  "symmetric, cuda: where nothing is gained, or there is no room, all pairs are folded",
  async () => {
    const device = engine();
    for (const [name, formula] of Object.entries(LEFT_BY_ALL)) {
      const c = caseOf(formula, "float32");
      assert(!isTaken(c, bothInputs(c, name)[0], { device }), name);
    }
    const c = caseOf(gaussian, "float32");
    const [inputs] = bothInputs(c, "others");
    const little = engine({ memoryLimit: 2 ** 16 });
    assert(!isTaken(c, inputs, { device: little }), "little memory");
    assert(!isTaken(c, inputs, { device: card() }), "few points");
    const [want] = await runFold({ ...c, device }, inputs);
    for (const other of [little, card()]) {
      const [got] = await runFold({ ...c, device: other }, inputs);
      checkSame(got, want, 4e-6, "another engine");
    }
  },
);

testUnless(
  withoutCard ?? (isReal ? "faults are injected into the emulator" : null),
  "symmetric, cuda: where the kernel for it cannot be had, all pairs are folded, and that is told",
  async () => {
    const cache = Deno.makeTempDirSync({ prefix: "pairfold-mirror-" });
    const c = caseOf(mul(exp(neg(mul(q(3), constant(2)))), b()), "float32");
    const [inputs] = bothInputs(c, "no mirror");
    const explained = (device: CudaEngine): string => {
      const { formula, reduction, axis, M, N, dtype } = c;
      const choices = { device };
      const [sum] = fold({ formula, inputs, reduction, axis, M, N, dtype, k: 1, choices });
      return sum.explain();
    };
    try {
      // room for the states, none for columns beside them: all pairs, by kernels that stay on disk
      const want = await runFold({ ...c, device: engine({ cache, memoryLimit: 80_000 }) }, inputs);
      const device = engine({ cache });
      assertMatch(explained(device), /each pair of points once/);
      Deno.env.set("PAIRFOLD_EMULATOR_FAIL", "nvrtcCompileProgram:1+=6");
      for (const time of ["first", "again"]) {
        assertEquals(await runFold({ ...c, device }, inputs), want, time);
        assertMatch(explained(device), /pairs {5}all, for the kernel .* cannot be had: .*compile/);
        assert(!isTaken(c, inputs, { device }), time);
      }
      // all kernels fail: that is no reason to go on
      const empty = engine({ cache: join(cache, "empty") });
      await assertRejects(() => runFold({ ...c, device: empty }, inputs), PairfoldError, "compil");
    } finally {
      Deno.env.delete("PAIRFOLD_EMULATOR_FAIL");
      Deno.removeSync(cache, { recursive: true });
    }
  },
);

testOnCard("symmetric, cuda: the same bits with any schedule", async () => {
  const c = caseOf(gaussian, "float32");
  const [inputs] = bothInputs(c, "schedules");
  const want = await runFold({ ...c, device: engine() }, inputs);
  const few = { rows: 2, threads: 256, tile: 64, columns: 1, unroll: 2, slice: 0, chunk: 0 };
  for (const schedule of ["untiled", few] as const) {
    const device = engine({ schedule });
    assert(isTaken(c, inputs, { device }), `${schedule}`);
    assertEquals(await runFold({ ...c, device }, inputs), want, `${schedule}`);
  }
});

testOnCard(
  "symmetric, cuda: tables that stay on the host, and NaN and infinity in their rows",
  async () => {
    const device = engine({ arrayLimit: 100 });
    const c = { ...caseOf(gaussian, "float32"), device };
    await checkFold(c, randomFor("symmetric cuda host"));
    const points = randomFor("symmetric cuda special").float32(3 * POINTS);
    points[3 * 7] = NaN;
    points[3 * 2050 + 1] = Infinity;
    const sum = (at: Tensor, on: CudaEngine): Promise<Float32Array> =>
      Vi(at).sqDist(Vj(at)).neg().exp().sum("j", { device: on }).data() as Promise<Float32Array>;
    const at = tensor(points, [POINTS, 3]);
    const [got, want] = [await sum(at, engine()), await sum(at, card())];
    checkSame(got, want, 4e-6, "special rows");
    assert(got.every(Number.isNaN), "a NaN is in every sum");
  },
);

testOnCard("symmetric, cuda: progress tells all pairs, and ends", async () => {
  const device = engine();
  const told: Progress[] = [];
  const points = tensor(randomFor("symmetric cuda progress").float32(3 * POINTS), [POINTS, 3]);
  const sum = Vi(points).sqDist(Vj(points)).neg().exp().sum("j", { device });
  await sum.data({ onProgress: (progress) => told.push(progress) });
  assertEquals(told.at(-1)?.done, POINTS ** 2);
  assertEquals(new Set(told.map(({ total }) => total)), new Set([POINTS ** 2]));
});

Deno.test("blocks of points on a card: whole blocks of threads, enough of them, in bounded memory", () => {
  assertEquals(cudaMirrorCut(65_535, 1, "f32"), null);
  assertEquals(cudaMirrorCut(65_536, 1, "f32"), {
    length: 1024,
    blocks: 64,
    bytes: 64 * 65_536 * 12,
  });
  for (const [points, dim] of [[65_537, 1], [1e6, 1], [2.7e6, 1], [1e6, 2], [131_073, 6]]) {
    const cut = cudaMirrorCut(points, dim, "f32");
    assert(cut !== null, `${points} points`);
    const { length, blocks, bytes } = cut;
    assert(length % 1024 === 0 && length * blocks >= points && length * (blocks - 1) < points);
    assert(blocks > 32 && blocks <= 128 && bytes <= 2 ** 31, `${points}: ${blocks} blocks`);
  }
  assertEquals(cudaMirrorCut(1e7, 1, "f32"), null);
  assertEquals(cudaMirrorCut(1e6, 3, "f64"), null);
});
