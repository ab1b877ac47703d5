// Launches that come again on a card: what stays there from one to the next is used again, is never
// out of date, and goes when its owners go or memory runs short. And a chain of launches waits
// once.

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { type CudaEngine, type LazyTensor, Pm, type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import { PairfoldError } from "../../src/error.ts";
import type { GraphMode } from "../../src/engine/cuda/commands.ts";
import { KeptMemory } from "../../src/engine/cuda/kept.ts";
import { randomFor } from "../support/random.ts";
import { card, isReal, testOnCard, withoutCard } from "./support/card.ts";
import { driverCallsOf } from "./support/driver_calls.ts";
import { testUnless } from "./support/tools.ts";

const hasPool = Deno.env.get("PAIRFOLD_CUDA_NO_POOL") === undefined;
const emulated = withoutCard ?? (isReal || !hasPool ? "calls are counted by the emulator" : null);

const random = randomFor("launches that come again");
const points = (count: number, dim = 3): Tensor =>
  tensor(random.float32(count * dim), [count, dim]);

/** The bits of a tensor. */
const bits = async (t: Tensor): Promise<Int32Array> =>
  new Int32Array((await t.data()).slice().buffer);

/** The bits that an engine gives that has never launched anything. */
const fresh = (fold: (device: CudaEngine) => Tensor): Promise<Int32Array> => bits(fold(card()));

// ---- what reaches the driver -------------------------------------------------------------------

const kindsOf = (calls: object): number => Object.keys(calls).length;

testUnless(emulated, "a fold that comes again is one launch and one copy back", async () => {
  const device = card({ graphs: "never" });
  const [x, y] = [points(100), points(100)];
  const run = async (scale: number, distances?: "direct"): Promise<void> => {
    using sum = Vi(x).sqDist(Vj(y)).mul(-scale).exp().sum("j", { device, distances });
    await sum.data();
  };
  for (let k = 0; k < 3; k++) await run(1);
  // a busy machine may take longer than reads wait without a thread: one of some runs is quick
  const runs: Awaited<ReturnType<typeof driverCallsOf>>[] = [];
  for (let k = 0; k < 8; k++) runs.push(await driverCallsOf(() => run(1)));
  const [{ calls, up, down }] = runs.sort((a, b) => kindsOf(a.calls) - kindsOf(b.calls));
  const { cuEventQuery: _, ...rest } = calls;
  assertEquals(rest, { cuLaunchKernel: 1, cuMemcpyDtoHAsync_v2: 1, cuEventRecord: 1 });
  assertEquals([up, down], [0, 400]);
  // another scale: the uniform record alone goes up; columns that have the scale are packed anew
  for (const [distances, launches] of [[undefined, 2], ["direct", 1]] as const) {
    for (let k = 0; k < 3; k++) await run(1, distances);
    const other = await driverCallsOf(() => run(2, distances));
    assertEquals([other.calls.cuLaunchKernel, other.calls.cuMemcpyHtoDAsync_v2], [launches, 1]);
    assert(other.up <= 16, `${other.up} bytes for one number`);
  }
});

testUnless(emulated, "a product with another vector packs anew and uploads it alone", async () => {
  const device = card({ graphs: "never" });
  const K = Vi(points(100)).sqDist(Vj(points(100))).neg().exp();
  const run = async (): Promise<void> => {
    using b = points(100, 1);
    using product = K.matmul(b, { device });
    await product.data();
  };
  for (let k = 0; k < 3; k++) await run();
  const { calls, up } = await driverCallsOf(run);
  assertEquals([calls.cuLaunchKernel, calls.cuMemcpyHtoDAsync_v2, up], [2, 1, 400]);
});

testUnless(emulated, "a product with another vector is one launch of a graph", async () => {
  const device = card({ graphs: "always" });
  const K = Vi(points(100)).sqDist(Vj(points(100))).neg().exp();
  const run = async (): Promise<void> => {
    using b = points(100, 1);
    using product = K.matmul(b, { device });
    await product.data();
  };
  for (let k = 0; k < 4; k++) await run();
  const { calls, up, down } = await driverCallsOf(run);
  const { cuGraphLaunch, cuLaunchKernel, cuMemcpyHtoDAsync_v2 } = calls;
  assertEquals([cuGraphLaunch, cuLaunchKernel, cuMemcpyHtoDAsync_v2], [1, undefined, undefined]);
  // read by the graph, or, where the emulator takes its time, once more on a thread
  assertEquals(up, 400);
  assert(down === 400 || down === 800, `${down} bytes down`);
});

testUnless(emulated, "iterations of a solver come again, and are graphs", async () => {
  const x = points(97), b = points(97, 1);
  const solve = async (graphs: GraphMode): Promise<[Float64Array | Float32Array, number]> => {
    const device = card({ graphs });
    const K = Vi(x).sqDist(Vj(x)).mul(-20).exp();
    const settings = { alpha: 1e-3, tol: 1e-8, preconditioner: "none", device } as const;
    const solution = K.solve(b, { ...settings, allowUnconverged: true });
    const { products } = await solution.report();
    return [await solution.x.data() as Float32Array, products.float32 + products.float64];
  };
  const [want] = await solve("never");
  for (const graphs of ["auto", "always"] as const) {
    const { calls } = await driverCallsOf(async () => {
      const [got, products] = await solve(graphs);
      assertEquals(got, want);
      assert(products > 20, `${products} products`);
    });
    const { cuGraphLaunch: launched = 0, cuGraphInstantiateWithFlags: made = 0 } = calls;
    assert(launched >= 8 && made <= 20, `${graphs}: ${launched} launches of ${made} graphs`);
  }
});

testUnless(emulated, "a chain of folds waits for the card once, where it is read", async () => {
  const device = card({ graphs: "never" });
  const y = points(41);
  const chain = (on: CudaEngine): Tensor[] => {
    const all = [y];
    for (let k = 0; k < 10; k++) {
      const at = Vi(all[k]).sqDist(Vj(y)).neg().exp();
      all.push(at.mul(Vj(y)).sum("j", { device: on }));
    }
    return all.slice(1);
  };
  for (let k = 0; k < 3; k++) {
    const all = chain(device);
    await all[9].data();
    for (const one of all) one.dispose();
  }
  const last = chain(device)[9];
  const { calls, up } = await driverCallsOf(() => last.data());
  const waits = ["cuEventSynchronize", "cuCtxSynchronize", "cuMemAlloc_v2"];
  assertEquals(waits.map((name) => calls[name] ?? 0), [0, 0, 0]);
  assertEquals([calls.cuLaunchKernel, calls.cuEventRecord, calls.cuMemcpyDtoHAsync_v2], [10, 1, 1]);
  assertEquals(up, 0);
  assertEquals(await bits(last), await fresh((other) => chain(other)[9]));
});

// ---- never out of date -------------------------------------------------------------------------

/** A test of launches that may become graphs: with all that can, and with none. */
function eachWay(name: string, run: (graphs: GraphMode) => Promise<void>): void {
  for (const graphs of ["never", "always"] as const) {
    testOnCard(`${name} (graphs ${graphs})`, () => run(graphs));
  }
}

eachWay("whatever changes between launches, bits are those of a first launch", async (graphs) => {
  const device = card({ graphs });
  // the column's part depends on the parameter, down to the sign of a zero: packed columns do
  const fold = (x: Tensor, y: Tensor, p: Tensor) => (on: CudaEngine): Tensor => {
    const scaled = Vj(y).mul(Pm(p));
    const weight = scaled.exp().add(scaled.inv().atan());
    return Vi(x).sqDist(Vj(y)).neg().exp().mul(weight).sum("j", { device: on });
  };
  let [x, y, p] = [points(53), points(67), points(1, 3)];
  const change: Record<string, () => void> = {
    nothing: () => {},
    rows: () => x = points(53),
    columns: () => {
      // the next one gets the memory of this one
      y.dispose();
      y = points(67);
    },
    parameter: () => p = points(1, 3),
    "the sign of a zero": () => p = tensor([-0, 0, 0], [1, 3]),
    "a zero": () => p = tensor([0, 0, 0], [1, 3]),
    "number of rows": () => x = points(60),
    "number of columns": () => y = points(70),
    batches: () => x = tensor(random.float32(2 * 31 * 3), [2, 31, 3]),
    "one batch more": () => x = tensor(random.float32(3 * 31 * 3), [3, 31, 3]),
    "batches of parameters": () => p = tensor(random.float32(9), [3, 3]),
    "rows for all batches": () => x = points(31),
  };
  for (const [what, make] of Object.entries(change)) {
    make();
    const one = fold(x, y, p);
    const want = await fresh(one);
    // kept from the second launch on, used from the third on
    // kept as a graph from the third on, and used by those after it
    for (let k = 0; k < 6; k++) assertEquals(await bits(one(device)), want, `${what}, launch ${k}`);
  }
});

eachWay(
  "results that are inputs of launches before they are computed are not mixed up",
  async (graphs) => {
    const device = card({ graphs });
    const y = points(67);
    const step = (at: Tensor, on: CudaEngine): Tensor =>
      Vi(y).sqDist(Vj(at)).neg().exp().mul(Vj(at)).sum("j", { device: on });
    for (let round = 0; round < 3; round++) {
      // each result is freed while the launch that reads it is queued
      let at = points(67);
      const want = await fresh((on) => step(step(step(at, on), on), on));
      for (let k = 0; k < 3; k++) {
        const next = step(at, device);
        const reading = next.resolve({}).catch(() => {});
        at.dispose();
        await reading;
        at = next;
      }
      assertEquals(await bits(at), want);
    }
  },
);

eachWay(
  "sums over changing numbers, vectors and freed arrays are those of lists",
  async (graphs) => {
    const device = card({ graphs }), other = card({ graphs: "never" });
    const x = points(83), y = points(71);
    for (let k = 0; k < 12; k++) {
      using b = points(71, 2);
      const scale = 0.5 + random.uniform(0, 1);
      const product = (on: CudaEngine): Tensor =>
        Vi(x).sqDist(Vj(y)).mul(-scale).exp().matmul(b, { device: on });
      // several are queued before any is read, and some never are
      const [one, two, three] = [device, device, other].map(product);
      if (k % 3 === 0) await one.resolve({});
      assertEquals(await bits(two), await bits(three), `launch ${k}`);
      for (const t of [one, two, three]) t.dispose();
    }
  },
);

testOnCard("small arrays are on the card before anything reads them, or not at all", async () => {
  const device = card();
  const numbers = (k: number): Float32Array => Float32Array.from({ length: 100 }, (_, i) => i + k);
  const placed = [0, 1, 2].map((k) => device.place(numbers(k)));
  // one goes before anything was queued; its memory is another's, who writes to it
  placed[1].dispose();
  placed[1] = device.place(numbers(7));
  for (const [k, first] of [[2, 2], [0, 0], [1, 7]]) {
    assertEquals(await placed[k].download({}), numbers(first));
  }
  // gone without another in its place
  device.place(numbers(9)).dispose();
  assertEquals(await placed[0].download({}), numbers(0));
  // read on a thread, while another read is under way
  const large = device.place(new Float32Array(2 ** 20).fill(5)), reading = large.download({});
  const late = device.place(numbers(11));
  assertEquals(await late.download({}), numbers(11));
  assertEquals((await reading)[2 ** 20 - 1], 5);
  for (const one of [large, late]) one.dispose();
  // more than waits at once, and what changes once it was placed
  const changing = numbers(0);
  const many = Array.from({ length: 400 }, (_, k) => {
    changing.fill(k);
    return device.place(changing);
  });
  changing.fill(-1);
  for (const [k, one] of many.entries()) {
    assertEquals((await one.download({}))[99], k);
    one.dispose();
  }
  for (const one of placed) one.dispose();
});

testUnless(emulated, "what waits to go up is not lost with a launch that is refused", async () => {
  const device = card();
  const y = points(100);
  const sum = (t: Tensor, on: CudaEngine): Tensor =>
    Vi(t).sqDist(Vj(y)).neg().exp().sum("j", { device: on });
  await bits(sum(points(100), device));
  // where memory is short, a launch is tried again
  const rules = [
    ["cuMemcpyHtoDAsync_v2:1=2", false],
    ["cuMemcpyHtoDAsync_v2:2=1", true],
    ["cuLaunchKernel:1=1", true],
  ] as const;
  for (const [rule, isRefused] of rules) {
    const x = points(100);
    const early = device.place(new Float32Array(100).fill(3));
    Deno.env.set("PAIRFOLD_EMULATOR_FAIL", rule);
    try {
      const run = () => sum(x, device).data();
      if (isRefused) await assertRejects(run, PairfoldError);
      else await run();
    } finally {
      Deno.env.delete("PAIRFOLD_EMULATOR_FAIL");
    }
    assertEquals(await early.download({}), new Float32Array(100).fill(3), rule);
    assertEquals(await bits(sum(x, device)), await bits(sum(x, card())), rule);
    early.dispose();
  }
});

testOnCard("a card says what became of lists that came again, and refuses other ways", () => {
  assertThrows(
    () => card({ graphs: "sometimes" as GraphMode }).openNow(),
    PairfoldError,
    'cuda: got "sometimes" for graphs',
  );
  const device = card({ graphs: "never" });
  assertMatch(device.describe().at(-1)!, /^graphs never: \d+ kept, launched \d+ times, /);
});

testOnCard(
  "two engines on one card keep to themselves and give memory back for each other",
  async () => {
    const [one, other] = [card(), card()];
    const [x, y] = [points(100), points(100)];
    const sum = (device: CudaEngine): Promise<Int32Array> =>
      bits(Vi(x).sqDist(Vj(y)).neg().exp().sum("j", { device }));
    const want = await sum(one);
    for (let k = 0; k < 3; k++) {
      for (const device of [one, other]) assertEquals(await sum(device), want);
    }
    if (isReal) return;
    // the card is full, even once what is pooled went back: what is kept goes, whoever kept it, and
    // the launch runs
    Deno.env.set("PAIRFOLD_EMULATOR_FAIL", "cuMemAlloc_v2:1=2,cuMemAlloc_v2:2=2");
    try {
      const big = Vi(points(90_001)).sqDist(Vj(y)).min("j", { device: other });
      assertEquals((await big.data()).length, 90_001);
      big.dispose();
    } finally {
      Deno.env.delete("PAIRFOLD_EMULATOR_FAIL");
    }
    for (const device of [one, other]) {
      const { up } = await driverCallsOf(async () => assertEquals(await sum(device), want));
      assert(up > 0, "the tables were still there");
    }
  },
);

testUnless(emulated, "a launch that is refused leaves nothing that looks filled", async () => {
  const device = card();
  const [x, y] = [points(100), points(100)];
  const sum = (): Promise<Int32Array> => bits(Vi(x).sqDist(Vj(y)).neg().exp().sum("j", { device }));
  const want = await sum();
  // the second launch is the one that keeps the packed columns; call 1 packs, call 2 folds
  for (const rule of ["cuLaunchKernel:1=1", "cuLaunchKernel:2=1", "cuMemcpyHtoDAsync_v2:1=1"]) {
    const own = card();
    const again = (scale: number): Promise<Int32Array> =>
      bits(Vi(x).sqDist(Vj(y)).mul(scale).exp().sum("j", { device: own }));
    await again(-2);
    // the memory where that one packed its columns is another's now
    own.place(new Float32Array(400).fill(7));
    Deno.env.set("PAIRFOLD_EMULATOR_FAIL", rule);
    try {
      await assertRejects(() => again(-1), PairfoldError);
    } finally {
      Deno.env.delete("PAIRFOLD_EMULATOR_FAIL");
    }
    for (let k = 0; k < 3; k++) assertEquals(await again(-1), want, rule);
  }
});

testOnCard("what is disposed of takes what was made from it along", async () => {
  const device = card();
  const live = (): number => device.memory()!.live + device.memory()!.pooled;
  const x = points(100);
  const K = (y: Tensor): LazyTensor => Vi(x).sqDist(Vj(y)).neg().exp();
  const round = async (): Promise<void> => {
    using y = points(20_000);
    for (let k = 0; k < 4; k++) {
      using sum = K(y).sum("j", { device });
      await sum.data();
    }
  };
  // memory that the stream still works on when it is asked for is taken anew: what is held varies
  // by a table, but what leaks is more after each round than after any before
  const held: number[] = [];
  for (let k = 0; k < 20; k++) {
    await round();
    held.push(live());
  }
  const before = Math.max(...held.slice(0, 10)), after = Math.min(...held.slice(10));
  assert(after <= before, `${after - before} bytes more`);
});

// ---- the memory that is kept -------------------------------------------------------------------

Deno.test("kept memory: bounded, oldest first, held while in use, gone with its owners", () => {
  const freed: bigint[] = [];
  const kept = new KeptMemory(100, (address) => freed.push(address));
  const owner = {};
  const a = kept.add("a", 1n, 40, [owner]), b = kept.add("b", 2n, 40, [{}]);
  kept.release(b);
  // a is held: b goes for c, though a is older
  const c = kept.add("c", 3n, 40, []);
  assertEquals([freed, kept.bytes], [[2n], 80]);
  assertEquals(kept.take("b"), null);
  assertEquals(kept.take("a"), a);
  kept.release(a);
  // an owner that goes takes its pieces along, once nobody holds them
  kept.forget(owner);
  assertEquals([kept.take("a"), freed], [null, [2n]]);
  kept.release(a);
  assertEquals([freed, kept.bytes], [[2n, 1n], 40]);
  assertEquals(kept.clear(), false, "c is held");
  kept.release(c);
  assertEquals(kept.take("c"), c);
  kept.release(c);
  assertEquals([kept.clear(), kept.clear(), kept.bytes], [true, false, 0]);
  assertEquals(freed, [2n, 1n, 3n]);
  // what is used again is the youngest
  for (const [n, key] of ["d", "e"].entries()) kept.release(kept.add(key, BigInt(10 + n), 50, []));
  kept.release(kept.take("d")!);
  kept.release(kept.add("f", 12n, 50, []));
  assertEquals([kept.take("e"), freed.at(-1)], [null, 11n]);
  // the first time that something is asked for it is not kept, nor is what is too large
  assertEquals([kept.mayKeep("g", 20), kept.mayKeep("g", 20), kept.mayKeep("g", 20)], [
    false,
    true,
    false,
  ]);
  kept.mayKeep("h", 26);
  assertEquals(kept.mayKeep("h", 26), false);
});
