// Where tensors stand: what stays on a device, what moves, what is freed and when, what fails
// where.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isDeviceArray, wasm } from "../../src/engine/mod.ts";
import { reshaped } from "../../src/tensor/mod.ts";
import {
  genred,
  type LazyTensor,
  memory,
  PairfoldError,
  Pm,
  type Progress,
  realPart,
  type Tensor,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";
import { TestDevice } from "../support/device_engine.ts";
import { randomFor } from "../support/random.ts";

const N = 300;

function points(name: string, rows = N): Tensor {
  return tensor(randomFor(name).float32(3 * rows), [rows, 3]);
}

function gaussian(x: Tensor, y: Tensor): LazyTensor {
  return Vi(x).sqDist(Vj(y)).neg().exp();
}

/** Lets the collector run, and what it calls. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    collect();
  }
  await new Promise((resolve) => setTimeout(resolve, 0));
}

async function assertGone(read: () => Promise<unknown>, what: string): Promise<void> {
  const error = await assertRejects(read, PairfoldError, what);
  assertEquals(error.code, "device");
}

Deno.test("a chain of folds uploads its inputs once, downloads its end, and has the same bits", async () => {
  const device = new TestDevice();
  const [x, y] = [points("x"), points("y", 200)];
  const chain = (on: TestDevice | "wasm"): Tensor => {
    const sums = gaussian(x, y).sum("i", { device: on }); // [200, 1]
    const means = Vi(x).sub(Vj(y)).mul(Vj(sums)).mean("j", { device: on }); // [N, 3]
    return gaussian(means, x).logSumExp("j", { device: on });
  };
  assertEquals(await chain(device).data(), await chain("wasm").data());
  assertEquals([device.uploads, device.downloads, device.launches], [2, 1, 3]);
});

Deno.test("a tensor is uploaded once for two folds, also where it is rows and columns", async () => {
  const device = new TestDevice();
  const x = points("twice");
  await Promise.all([
    gaussian(x, x).sum("j", { device }).data(),
    gaussian(x, x).max("j", { device }).data(),
  ]);
  await gaussian(x, x).min("j", { device }).data();
  assertEquals([device.uploads, device.launches], [1, 3]);
});

Deno.test("launches are queued: a result is there before it has been computed, reading waits", async () => {
  const device = new TestDevice();
  const x = points("queued");
  device.pause();
  const sums = gaussian(x, x).sum("j", { device });
  const weighted = gaussian(x, x).mul(Vj(sums)).sum("j", { device });
  assert(!weighted.isComputed);
  assert(isDeviceArray(await weighted.resolveOn(device)));
  assertEquals([device.launches, sums.isComputed, weighted.isComputed], [0, true, true]);
  assertEquals(`${weighted}`, `Tensor float32 [${N},1], on test:0, not read yet`);
  assertEquals(weighted.peek(), null);
  let isRead = false;
  const read = weighted.data().then((data) => {
    isRead = true;
    return data;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert(!isRead);
  device.resume();
  const onHost = gaussian(x, x).mul(Vj(gaussian(x, x).sum("j"))).sum("j");
  assertEquals(await read, await onHost.data());
  assertStringIncludes(`${weighted}`, `Tensor float32 [${N},1]: [[`);
});

Deno.test("readers share one download, and later ones need none", async () => {
  const device = new TestDevice();
  const x = points("shared");
  const sums = gaussian(x, x).sum("j", { device });
  const [a, b] = await Promise.all([sums.data(), sums.data({ onProgress: () => {} })]);
  a[0] = -1;
  assert(b[0] > 0, "readers share an array");
  assertEquals(await sums.data(), b);
  assertEquals([device.downloads, device.launches], [1, 1]);
});

Deno.test("progress on a device goes from 0 to all", async () => {
  const device = new TestDevice();
  const x = points("progress");
  const seen: Progress[] = [];
  await gaussian(x, x).sum("j", { device }).data({ onProgress: (p) => void seen.push(p) });
  assertEquals(seen.map(({ done, total }) => [done, total]), [[0, N * N], [N * N, N * N]]);
});

Deno.test("a uniform input is brought to the host, where its section is computed", async () => {
  const device = new TestDevice();
  const x = points("uniform");
  const scaled = (on: TestDevice | "wasm"): Tensor => {
    const mean = reshaped(Vi(x).mean("i", { device: on }), [3]);
    return Vi(x).sub(Pm(mean)).mul(Vj(x)).sum("j", { device: on });
  };
  assertEquals(await scaled(device).data(), await scaled("wasm").data());
  assertEquals(device.downloads, 2);
});

Deno.test("a tensor of another engine is brought over through the host, once", async () => {
  const [first, second] = [new TestDevice({ name: "test:0" }), new TestDevice({ name: "test:1" })];
  const x = points("mixed");
  const sums = gaussian(x, x).sum("j", { device: first });
  const there = (): Tensor => gaussian(x, x).mul(Vj(sums)).sum("j", { device: second });
  const got = await there().data();
  await there().data();
  assertEquals([first.uploads, first.downloads, first.launches], [1, 1, 1]);
  assertEquals([second.uploads, second.downloads, second.launches], [2, 2, 2]);
  assertEquals(got, await gaussian(x, x).mul(Vj(sums)).sum("j", { device: "wasm" }).data());
  assertEquals(first.downloads, 1);
  assertEquals(`${sums}`.includes("not read yet"), false);
});

Deno.test("dispose frees what is on devices; numbers on the host stay and can go up again", async () => {
  const device = new TestDevice();
  const x = points("given");
  const sums = gaussian(x, x).sum("j", { device });
  const read = await sums.data();
  assertEquals(device.liveArrays, 2);
  for (let times = 0; times < 2; times++) {
    x.dispose();
    sums.dispose();
    assertEquals([device.liveArrays, device.liveBytes], [0, 0]);
  }
  assertEquals(await sums.data(), read);
  const again = gaussian(x, x).mul(Vj(sums)).sum("j", { device });
  assertEquals(
    await again.data(),
    await gaussian(x, x).mul(Vj(tensor(read, [N, 1]))).sum("j").data(),
  );
  assertEquals(device.uploads, 3);
});

Deno.test("a tensor without numbers on the host is gone when it is disposed of", async () => {
  const device = new TestDevice();
  const x = points("gone");
  const sums = gaussian(x, x).sum("j", { device });
  await sums.resolveOn(device);
  const dependent = gaussian(x, x).mul(Vj(sums)).sum("j", { device });
  sums.dispose();
  sums.dispose();
  const what = `tensor float32 [${N},1] was disposed of`;
  await assertGone(() => sums.data(), what);
  await assertGone(() => sums.array(), what);
  await assertGone(() => sums.resolveOn(device), what);
  await assertGone(() => dependent.data(), what);
  assertEquals(`${sums}`, `Tensor float32 [${N},1], disposed of`);
  assertEquals(device.liveArrays, 1, "the input alone");
  const unread = gaussian(x, x).sum("j");
  unread.dispose(); // nothing was there: not to be computed any more
  await assertGone(() => unread.data(), what);
});

Deno.test("using disposes of a result at the end of its block", async () => {
  const device = new TestDevice();
  const x = points("using");
  {
    using sums = gaussian(x, x).sum("j", { device });
    await sums.data();
    assertEquals(device.liveArrays, 2);
  }
  assertEquals(device.liveArrays, 1);
});

Deno.test("what is disposed of while it is read goes when all who read it have ended", async () => {
  const device = new TestDevice();
  const x = points("while");
  const want = await gaussian(x, x).mul(Vj(gaussian(x, x).sum("j"))).sum("j").data();
  device.pause();
  const sums = gaussian(x, x).sum("j", { device });
  await sums.resolveOn(device);
  const dependent = gaussian(x, x).mul(Vj(sums)).sum("j", { device });
  const reading = [sums.data(), dependent.data()];
  x.dispose();
  sums.dispose();
  assertEquals(device.liveArrays, 2, "freed under a reader");
  await assertGone(() => sums.data(), "disposed");
  setTimeout(() => device.resume(), 10);
  assertEquals((await Promise.all(reading))[1], want);
  assertEquals(device.liveArrays, 1, "the dependent alone");
  dependent.dispose();
  assertEquals([device.liveArrays, device.liveBytes], [0, 0]);
});

Deno.test("disposing of inputs right after their launches are queued changes no result", async () => {
  const device = new TestDevice();
  const x = points("right after");
  const want = await gaussian(x, x).sum("j").data();
  device.pause();
  const sums = gaussian(x, x).sum("j", { device });
  await sums.resolveOn(device);
  x.dispose();
  assertEquals(device.liveArrays, 1);
  device.resume();
  assertEquals(await sums.data(), want);
});

Deno.test("each result of a pair is freed on its own, also one that nobody wanted", async () => {
  const device = new TestDevice();
  const x = points("pair");
  const [values, indices] = Vi(x).sqDist(Vj(x)).minArgMin("j", { device });
  indices.dispose();
  await values.resolveOn(device);
  assertEquals(device.liveArrays, 2, "the input and the values");
  await assertGone(() => indices.data(), `tensor int32 [${N},1] was disposed of`);
  assertEquals((await values.data()).length, N);
  values.dispose();
  assertEquals(device.liveArrays, 1);
});

Deno.test("matrices as numbers free what they are made from", async () => {
  const device = new TestDevice();
  for (const [M, columns] of [[5, 9], [9, 5]]) {
    const [x, y] = [points("dense x", M), points("dense y", columns)];
    const K = gaussian(x, y);
    const whole = K.dense({ device });
    assertEquals(await whole.data(), await K.dense().data());
    for (const t of [whole, x, y]) t.dispose();
    assertEquals(device.liveArrays, 0, `${M} × ${columns}`);
  }
});

Deno.test("gradients, chosen rows, parts of complex sums and padded indices take up device tensors", async () => {
  const device = new TestDevice();
  const results = (on: TestDevice | "wasm"): Tensor[] => {
    const x = points("derived");
    const choices = { device: on };
    const sums = gaussian(x, x).sum("j", choices);
    const chosen = Vi(sums).take([3, 1, -1], "i").sub(Vj(sums)).sum("j", choices);
    const phases = Vi(sums).mul(Vj(sums)).exp1j().sum("j", choices);
    const nearest = genred("SqDist(X,Y)", ["X=Vi(1)", "Y=Vj(1)"], {
      reduction: "ArgKMin",
      k: 4,
      device: on,
    });
    return [chosen, realPart(phases), nearest(sums, [[1], [2]])];
  };
  const [there, here] = [results(device), results("wasm")];
  for (const [k, t] of there.entries()) assertEquals(await t.data(), await here[k].data());
});

Deno.test("abort while queued: the reader leaves, others and later ones get the numbers", async () => {
  const device = new TestDevice();
  const x = points("abort");
  const want = await gaussian(x, x).sum("j").data();
  for (const hasCompany of [true, false]) {
    device.pause();
    const sums = gaussian(x, x).sum("j", { device });
    const controller = new AbortController();
    const impatient = sums.data({ signal: controller.signal });
    const patient = hasCompany ? sums.data() : null;
    await sums.resolveOn(device);
    controller.abort(new Error("enough"));
    const error = await assertRejects(() => impatient, PairfoldError);
    assertEquals(error.code, "aborted");
    device.resume();
    assertEquals(await (patient ?? sums.data()), want);
  }
});

Deno.test("an aborted signal rejects before anything is launched", async () => {
  const device = new TestDevice();
  const x = points("aborted");
  const sums = gaussian(x, x).sum("j", { device });
  const error = await assertRejects(
    () => sums.data({ signal: AbortSignal.abort() }),
    PairfoldError,
  );
  assertEquals(error.code, "aborted");
  await device.settled();
  assertEquals(device.launches, 0);
  assertEquals((await sums.data()).length, N);
});

Deno.test("what goes wrong in a queued launch is told by all that depends on it, and by nothing else", async () => {
  const device = new TestDevice();
  const x = points("fault");
  const before = gaussian(x, x).max("j", { device });
  await before.resolveOn(device);
  await device.settled();
  device.faultsOfRuns.push(new PairfoldError("device", "a kernel failed"));
  const sums = gaussian(x, x).sum("j", { device });
  const dependent = gaussian(x, x).mul(Vj(sums)).sum("j", { device });
  await dependent.resolveOn(device); // queued without complaint
  await assertGone(() => dependent.data(), "a kernel failed");
  await assertGone(() => sums.data(), "a kernel failed");
  assertEquals(await before.data(), await gaussian(x, x).max("j").data());
  const again = gaussian(x, x).sum("j", { device });
  assertEquals(await again.data(), await gaussian(x, x).sum("j").data());
});

Deno.test("a launch that is refused leaves nothing behind, and the next read tries again", async () => {
  const device = new TestDevice();
  const x = points("refused");
  device.faultsOfCalls.push(new PairfoldError("device", "refused"));
  const sums = gaussian(x, x).sum("j", { device });
  await assertGone(() => sums.data(), "refused");
  assertEquals(device.liveArrays, 1, "the input alone");
  assertEquals(await sums.data(), await gaussian(x, x).sum("j").data());
});

Deno.test("full memory: copies that the host has too make room, others stay", async () => {
  const bytes = 4 * 3 * N;
  const device = new TestDevice({ capacity: 3 * bytes + 100 });
  const held = points("held");
  const kept = Vi(held).add(Vj([[1, 2, 3]])).sum("j", { device });
  await kept.resolveOn(device); // full but for one: input and result
  const results: Tensor[] = [];
  for (let k = 0; k < 8; k++) {
    const x = points(`room ${k}`, N);
    const sums = Vi(x).mul(Vj([[1, 1, 1]])).sum("j", { device });
    assertEquals(await sums.data(), await x.data());
    results.push(sums, x);
  }
  assert(device.liveBytes <= 3 * bytes + 100);
  assertStringIncludes(`${kept}`, "on test:0, not read yet");
  assertEquals((await kept.data())[0], Math.fround((await held.data())[0] + 1));
  assertEquals(results.length, 16);
});

Deno.test("full memory with nothing to free is one clear error; earlier tensors are intact", async () => {
  const device = new TestDevice({ capacity: 4 * 3 * N });
  const x = points("full");
  await x.resolveOn(device);
  const sums = gaussian(x, x).sum("j", { device });
  const error = await assertRejects(() => sums.data(), PairfoldError, "cannot allocate");
  assertEquals(error.code, "memory");
  assertEquals([device.liveArrays, x.isComputed], [1, true]);
  assertEquals(`${sums}`, `Tensor float32 [${N},1], not computed yet`);
});

Deno.test("a loop that disposes of nothing runs in bounded memory", async () => {
  const device = new TestDevice({ capacity: 40_000 });
  const y = points("bounded", 10);
  let x = points("start", 300);
  for (let step = 0; step < 150; step++) {
    x = Vi(x).sub(Vj(y)).mul(0.5).mean("j", { device }); // 3600 bytes each
    await x.resolveOn(device);
  }
  await device.settled();
  assertEquals(device.launches, 150);
  assert((await x.data()).every(Number.isFinite));
});

Deno.test("the collector frees tensors that nobody has any more, and nothing else", async () => {
  const device = new TestDevice();
  const x = points("collected");
  const kept = await (async () => {
    for (let k = 0; k < 20; k++) await gaussian(x, x).mul(k).sum("j", { device }).resolveOn(device);
    const middle = gaussian(x, x).sum("j", { device });
    const end = gaussian(x, x).mul(Vj(middle)).sum("j", { device });
    const [values] = Vi(x).sqDist(Vj(x)).minArgMin("j", { device });
    await end.resolveOn(device);
    await values.resolveOn(device);
    return [end, values];
  })();
  assertEquals(device.liveArrays, 1 + 20 + 2 + 2);
  await collectGarbage();
  assertEquals(device.liveArrays, 3, "x, the end of the chain, the values of the pair");
  for (const t of kept) assert((await t.data()).every((v) => v >= 0), `${t}`);
});

Deno.test("memory() tells of every engine in use", async () => {
  const device = new TestDevice({ name: "test:memory", capacity: 100_000 });
  using own = wasm({ threads: 1 });
  const of = (name: string) => memory().filter(({ engine }) => engine === name);
  assertEquals(of("test:memory"), []);
  const x = points("memory");
  const sums = gaussian(x, x).sum("j", { device });
  await sums.data();
  const live = 4 * (3 * N + N);
  const want = {
    engine: "test:memory",
    live,
    pooled: 0,
    available: 100_000 - live,
    total: 100_000,
  };
  assertEquals(of("test:memory"), [want]);
  sums.dispose();
  x.dispose();
  assertEquals(of("test:memory")[0].live, 0);
  const before = of("wasm").reduce((sum, { pooled }) => sum + pooled, 0);
  await gaussian(x, x).sum("j", { device: own }).data();
  const after = of("wasm").reduce((sum, { pooled }) => sum + pooled, 0);
  assert(after > before, "linear memory does not show");
});
