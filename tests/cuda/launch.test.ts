// Launches of the CUDA engine: chunks, arrays that are too large for the card, several cards,
// segments, residency, progress and abort, leaks.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { memory, tensor, Vi, Vj } from "../../mod.ts";
import type { Progress } from "../../src/engine/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import { build, variable } from "../../src/formula/mod.ts";
import { REDUCTIONS } from "../../src/reduction/mod.ts";
import { fitting, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { full, randomFor } from "../support/random.ts";
import { card, isReal, testOnCard } from "./support/card.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const gaussian = build.mul(build.exp(build.neg(build.sqDist(x, y))), b);
const vector = build.mul(build.sub(x, y), gaussian);

const caseOf = (reduction: typeof REDUCTIONS[number], M: number, N: number): FoldCase => ({
  ...fitting(reduction, vector, gaussian, vector),
  reduction,
  axis: "j",
  M,
  N,
  dtype: "float32",
  k: 3,
});

const inputs = (c: FoldCase) => inputsOf(c, randomFor("card launches"));

testOnCard("chunks of any size give the bits of the whole", async () => {
  for (const reduction of full ? REDUCTIONS : ["sum", "logSumExp", "kMinArgKMin"] as const) {
    for (const [M, N] of [[517, 1031], [3, 5003]]) {
      const c = caseOf(reduction, M, N);
      const whole = await runFold({ ...c, device: card() }, inputs(c));
      for (const memoryLimit of [60_000, 150_000]) {
        const device = card({ memoryLimit });
        assertEquals(
          await runFold({ ...c, device }, inputs(c)),
          whole,
          `${reduction} ${memoryLimit}`,
        );
      }
    }
  }
});

testOnCard("arrays that stay on the host are staged piece by piece", async () => {
  for (const [arrayLimit, memoryLimit] of [[0, 60_000], [3000, 100_000]]) {
    for (const reduction of ["sum", "argKMin"] as const) {
      const c = caseOf(reduction, 517, 1031);
      const whole = await runFold({ ...c, device: card() }, inputs(c));
      const device = card({ arrayLimit, memoryLimit });
      assertEquals(await runFold({ ...c, device }, inputs(c)), whole, `${reduction} ${arrayLimit}`);
    }
  }
});

testOnCard("memory for not even one row is an error that says how much is wanted", async () => {
  const c = caseOf("sum", 5, 100);
  const device = card({ memoryLimit: 1000 });
  const error = await assertRejects(() => runFold({ ...c, device }, inputs(c)), PairfoldError);
  assertEquals(error.code, "memory");
  assert(/one row and 64 columns need \d+ bytes/.test(error.message), error.message);
});

testOnCard("dense values are segments of one column each", async () => {
  const random = randomFor("card dense");
  const [p, q] = [random.float32(17 * 3), random.float32(41 * 3)];
  const K = Vi(p, 3).sqDist(Vj(q, 3)).neg().exp();
  const got = await K.dense({ device: card() }).data();
  const want = await K.dense({ device: "wasm" }).data();
  assertEquals(got.length, 17 * 41);
  got.forEach((v, n) => assert(Math.abs(v - want[n]) < 1e-6 * want[n], `${n}: ${v}, ${want[n]}`));
});

testOnCard("results stay on the card and feed the next fold", async () => {
  const device = card();
  const random = randomFor("card chain");
  const points = tensor(random.float32(300), [100, 3]);
  const first = Vi(points).sqDist(Vj(points)).neg().exp().sum("j", { device });
  const total = Vi(first).mul(Vj(points)).sum("j", { device });
  const got = await total.data();
  assertEquals(first.peek(), null, "the first result came to the host");
  const want = await Vi(Vi(points).sqDist(Vj(points)).neg().exp().sum("j", { device: "wasm" }))
    .mul(Vj(points)).sum("j", { device: "wasm" }).data();
  got.forEach((v, n) => assert(Math.abs(v - want[n]) <= 2e-5 * Math.abs(want[n]) + 1e-5, `${n}`));
  const live = (): number => memory().find(({ engine }) => engine === device.name)?.live ?? 0;
  const before = live();
  first.dispose();
  assert(live() < before, `${live()} bytes after dispose, ${before} before`);
});

testOnCard("a second card, and both together, give the same bits", async () => {
  if (isReal) return console.log("skipped: a machine may have one card only");
  const c = caseOf("sum", 2000, 700);
  const one = await runFold({ ...c, device: card() }, inputs(c));
  assertEquals(await runFold({ ...c, device: card({ ordinal: 1 }) }, inputs(c)), one);
  const both = [card({ ordinal: 0 }), card({ ordinal: 1 })];
  assertEquals(await runFold({ ...c, choices: { device: both } }, inputs(c)), one);
  const error = await assertRejects(
    // deno-lint-ignore require-await -- opening throws, reading would reject
    async () => card({ ordinal: 7 }),
    PairfoldError,
  );
  assertEquals(error.code, "device");
});

testOnCard("long folds tell of their progress and can be aborted", async () => {
  const device = card();
  const n = 40_000; // more pairs than are queued at once
  const random = randomFor("card progress");
  const K = Vi(random.float32(n), 1).sub(Vj(random.float32(n), 1));
  const seen: Progress[] = [];
  const aborter = new AbortController();
  const read = K.min("j", { device }).data({
    signal: aborter.signal,
    onProgress: (p) => {
      seen.push(p);
      if (p.done > 0) aborter.abort("enough");
    },
  });
  const error = await assertRejects(() => read, PairfoldError);
  assertEquals(error.code, "aborted");
  assertEquals(seen[0].done, 0);
  assert(seen.length >= 2 && seen[1].done < seen[1].total, "no progress before the end");
  // the card goes on to work
  assertEquals((await Vi([[1]]).mul(Vj([[2], [3]])).sum("j", { device }).data())[0], 5);
});

testOnCard("folds of changing sizes leave no bytes behind", async () => {
  const device = card();
  const live = (): number => device.memory()?.live ?? -1;
  const random = randomFor("card leak");
  const rounds = full ? 10_000 : 300;
  const numbers = random.float32(3000);
  let heap = 0;
  const start = live();
  for (let round = 0; round < rounds; round++) {
    const [M, N] = [1 + random.integer(999), 1 + random.integer(999)];
    using p = tensor(numbers.subarray(0, 3 * M), [M, 3]);
    using q = tensor(numbers.subarray(0, 3 * N), [N, 3]);
    using sum = Vi(p).sqDist(Vj(q)).mul(-1 / (1 + round)).exp().sum("j", { device });
    await sum.data();
    if (round === Math.floor(rounds / 2)) heap = Deno.memoryUsage().heapUsed;
  }
  const grown = Deno.memoryUsage().heapUsed - heap;
  assert(grown < 64 * 2 ** 20, `the heap grew by ${grown} bytes`);
  // what other tests left may go meanwhile
  assert(live() <= start, `${live() - start} bytes are left on the card`);
  assert(device.compiledModules <= 4, `${device.compiledModules} modules for one formula`);
});
