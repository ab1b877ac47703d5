// Several engines as one: who takes which rows, the same bits, what is copied, and what goes wrong.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { assertThrows } from "@std/assert";
import { type Engine, engineOf, type Segment, wasm, WasmEngine } from "../../src/engine/mod.ts";
import { divideRows } from "../../src/engine/several.ts";
import { build, index, variable } from "../../src/formula/mod.ts";
import { REDUCTIONS } from "../../src/reduction/mod.ts";
import { memory, PairfoldError, type Progress, tensor, Vi, Vj } from "../../mod.ts";
import { TestDevice } from "../support/device_engine.ts";
import { fitting, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const gaussian = build.mul(build.exp(build.neg(build.sqDist(x, y))), b);
const vector = build.mul(build.sub(x, y), gaussian);

/** Two test devices and two WebAssembly engines: all compute alike. */
function engines(): { a: TestDevice; b: TestDevice; c: WasmEngine } {
  return {
    a: new TestDevice({ name: "test:0" }),
    b: new TestDevice({ name: "test:1" }),
    c: new WasmEngine({ threads: 2, threadedPairs: 1 }),
  };
}

function segment(i0: number, i1: number, j0: number, j1: number, output = 0): Segment {
  return { i0, i1, j0, j1, offsets: [], output };
}

Deno.test("rows are divided evenly, in order, each once, at whole tiles", () => {
  const pairs = (s: Segment): number => (s.i1 - s.i0) * (s.j1 - s.j0);
  const random = randomFor("divide");
  for (let trial = 0; trial < 200; trial++) {
    const count = 1 + random.integer(5);
    const segments = Array.from({ length: 1 + random.integer(6) }, () => {
      const [i0, j0] = [random.integer(10), random.integer(10)];
      const rows = random.pick([0, 1, 255, 256, 257, 3000, 100_000]);
      const columns = random.pick([0, 1, 7, 5000]);
      return segment(i0, i0 + rows, j0, j0 + columns, random.integer(1000));
    });
    const shares = divideRows(segments, count);
    assertEquals(shares.length, count);
    // put together again, they are what there was
    const parts = shares.flat();
    const joined: Segment[] = [];
    for (const { wholeRows, ...part } of parts) {
      const last = joined.at(-1);
      const isNext = last !== undefined && last.i1 === part.i0 && last.output === part.output &&
        last.i1 - last.i0 < (wholeRows ?? 0) && last.j0 === part.j0 && last.j1 === part.j1;
      if (isNext) joined[joined.length - 1] = { ...last, i1: part.i1 };
      else joined.push(part);
      assert(part.i1 > part.i0, "an empty part");
    }
    assertEquals(joined, segments.filter((s) => s.i1 > s.i0));
    const total = parts.reduce((sum, s) => sum + pairs(s), 0);
    for (const share of shares) {
      const own = share.reduce((sum, s) => sum + pairs(s), 0);
      const slack = 1.5 * 256 * 5000;
      assert(Math.abs(own - total / count) <= slack + 400_000, `${own} of ${total} / ${count}`);
    }
  }
  const [first, second] = divideRows([segment(0, 1000, 0, 10)], 2);
  assertEquals(first, [{ ...segment(0, 512, 0, 10), wholeRows: 1000 }]);
  assertEquals(second, [{ ...segment(512, 1000, 0, 10), wholeRows: 1000 }]);
});

Deno.test("several engines give the bits of one, also where columns are split", async () => {
  const { a, b: second, c } = engines();
  const sizes = [[1, 3], [257, 70], [1031, 517], [600, 17_000], [1100, 9000]];
  for (const reduction of REDUCTIONS) {
    for (const [M, N] of sizes) {
      if (M * N > 5e6 && !["sum", "logSumExp", "minArgMin"].includes(reduction)) continue;
      const formulas = fitting(reduction, vector, gaussian, vector);
      const common = { ...formulas, reduction, axis: "j", M, N, dtype: "float32", k: 3 } as const;
      const bits = (device: FoldCase["device"]) =>
        runFold({ ...common, device }, inputsOf(common, randomFor(`several ${reduction}`)));
      const alone = await bits("wasm");
      assertEquals(await bits([a, second]), alone, `${reduction} ${M}×${N} on two devices`);
      assertEquals(await bits([c, a, second]), alone, `${reduction} ${M}×${N} on three`);
    }
  }
  assert(a.launches > 0 && second.launches > 0);
});

Deno.test("indices of rows, folds over i, float64 and matrices as numbers are divided rightly", async () => {
  const { a, b: second } = engines();
  const device = [a, second];
  const places = build.add(build.mul(index("i"), build.sum(y)), index("j"));
  for (const dtype of ["float32", "float64"] as const) {
    for (const axis of ["i", "j"] as const) {
      const c = { formula: places, reduction: "sum", axis, M: 700, N: 900, dtype } as const;
      const inputs = () => inputsOf(c, randomFor("places"));
      assertEquals(await runFold({ ...c, device }, inputs()), await runFold(c, inputs()));
    }
  }
  const points = randomFor("matrix").float32(3 * 600);
  const K = Vi(points, 3).sqDist(Vj(points.subarray(0, 21), 3));
  assertEquals(await K.dense({ device }).data(), await K.dense().data());
});

Deno.test("inputs are uploaded once to each engine, and freed on each", async () => {
  const { a, b: second } = engines();
  const points = tensor(randomFor("uploads").float32(3 * 1000), [1000, 3]);
  const sums = () => Vi(points).sqDist(Vj(points)).sum("j", { device: [a, second] });
  const first = sums();
  assertEquals(await first.data(), await sums().data());
  assertEquals([a.uploads, second.uploads], [1, 1]);
  assertEquals([a.downloads, second.downloads], [2, 2]);
  assertEquals([a.liveArrays, second.liveArrays], [1, 1], "the input, no outputs");
  assertEquals(memory().filter(({ engine }) => /^test:[01]$/.test(engine)).length >= 2, true);
  points.dispose();
  assertEquals([a.liveArrays, second.liveArrays], [0, 0]);
  assertStringIncludes(first.explain(), "2 engines, each with its share of the rows");
});

Deno.test("a result of one of the engines feeds them all", async () => {
  const { a, b: second } = engines();
  const points = tensor(randomFor("feeds").float32(3 * 800), [800, 3]);
  const chain = (one: "wasm" | Engine, all: "wasm" | Engine[]) => {
    const sums = Vi(points).sqDist(Vj(points)).sum("j", { device: one });
    return Vi(sums).mul(Vj(points)).sum("j", { device: all });
  };
  assertEquals(await chain(a, [a, second]).data(), await chain("wasm", "wasm").data());
});

Deno.test("progress of several goes from 0 to all and never back", async () => {
  const { a, b: second, c } = engines();
  const points = randomFor("progress").float32(3 * 5000);
  const seen: Progress[] = [];
  const sums = Vi(points, 3).sqDist(Vj(points, 3)).sum("j", { device: [a, c, second] });
  await sums.data({ onProgress: (p) => void seen.push(p) });
  const done = seen.map((p) => p.done);
  assertEquals([done[0], done.at(-1)], [0, 25e6]);
  assert(seen.every(({ total }) => total === 25e6));
  assert(done.every((d, k) => k === 0 || d >= done[k - 1]), `${done}`);
  assert(new Set(done).size >= 4, `${done}`);
});

Deno.test("abort reaches all engines, and the next call is right", async () => {
  const { a, b: second } = engines();
  const points = randomFor("abort").float32(3 * 1000);
  const controller = new AbortController();
  const sums = Vi(points, 3).sqDist(Vj(points, 3)).sum("j", { device: [a, second] });
  a.pause();
  const read = sums.data({ signal: controller.signal });
  await new Promise((resolve) => setTimeout(resolve, 20));
  controller.abort();
  const error = await assertRejects(() => read, PairfoldError);
  assertEquals(error.code, "aborted");
  a.resume();
  await Promise.all([a.settled(), second.settled()]);
  assertEquals([a.liveArrays, second.liveArrays], [2, 2], "inputs alone");
  assertEquals(await sums.data(), await Vi(points, 3).sqDist(Vj(points, 3)).sum("j").data());
});

Deno.test("what fails on one engine stops the others, is told, and leaves nothing behind", async () => {
  for (const kind of ["faultsOfRuns", "faultsOfCalls"] as const) {
    const { a, b: second } = engines();
    const points = tensor(randomFor("fault").float32(3 * 1000), [1000, 3]);
    const sums = Vi(points).sqDist(Vj(points)).sum("j", { device: [a, second] });
    second[kind].push(new PairfoldError("device", "the second failed"));
    a.pause(); // its share would never be done
    await assertRejects(() => sums.data(), PairfoldError, "the second failed");
    a.resume();
    await Promise.all([a.settled(), second.settled()]);
    assertEquals([a.liveArrays, second.liveArrays], [1, 1]);
    assertEquals((await sums.data()).length, 1000);
  }
});

Deno.test("an upload that fails on one engine frees those on others", async () => {
  const a = new TestDevice({ name: "test:0" });
  const second = new TestDevice({ name: "test:1", capacity: 100 });
  const points = randomFor("upload").float32(3 * 1000);
  const sums = Vi(points, 3).sqDist(Vj(points, 3)).sum("j", { device: [a, second] });
  const error = await assertRejects(() => sums.data(), PairfoldError, "test:1: cannot allocate");
  assertEquals(error.code, "memory");
  assertEquals([a.liveArrays, second.liveArrays], [0, 0]);
});

Deno.test("a list of devices: one is itself, the same ones are the same engine, others are refused", () => {
  const { a, b: second } = engines();
  assertEquals(engineOf(["wasm"]) === engineOf("wasm"), true);
  assertEquals(engineOf(["auto"]) === engineOf("auto"), true);
  assertEquals(engineOf([a, second]) === engineOf([a, second]), true);
  assertEquals(engineOf([a, second]) === engineOf([second, a]), false);
  assertEquals(engineOf([a, second]).name, "test:0 and test:1");
  assertStringIncludes(engineOf([a, second]).describe().join("\n"), "test:1:");
  const refused = (device: Parameters<typeof engineOf>[0], what: string): void => {
    const error = assertThrows(() => engineOf(device), PairfoldError, what);
    assertEquals(error.code, "device");
  };
  refused([], "empty list");
  refused([a, a], "got one twice in test:0, test:0");
  const other = Object.assign(new TestDevice({ name: "other:0" }), { math: { ...a.math } });
  refused([a, other], "expected devices of one kind");
  refused("wasm:1" as "wasm", 'got "wasm:1"; expected "auto", "wasm"');
  refused("toString" as "wasm", "toString");
  refused(["auto", "gpu" as "wasm"], "gpu");
  using own = wasm();
  assertEquals(engineOf(own) === own, true);
});
