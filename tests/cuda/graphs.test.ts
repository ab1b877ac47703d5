// Lists that come again, as graphs of the driver: the same numbers as lists, whatever bytes are
// copied and however many are under way; never out of date; bounded; gone with what they name; and
// where the driver will not have them, lists as before. On the emulator.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { PairfoldError } from "../../src/error.ts";
import { CommandList, type GraphMode } from "../../src/engine/cuda/commands.ts";
import { findLibrary } from "../../src/engine/cuda/library.ts";
import { type GraphCounts, type Handle, Shim } from "../../src/engine/cuda/shim.ts";
import { driverCallsOf } from "./support/driver_calls.ts";
import { emulator } from "./support/emulator.ts";
import { deviceTest, OPTIONS, type Session, withFailures } from "./support/session.ts";
import { inFolder, testUnless } from "./support/tools.ts";

/** total += x, and out = factor · total, of n floats. */
const SOURCE = `
extern "C" __global__ void gather(float* total, const float* x, long long n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) total[i] += x[i];
}
extern "C" __global__ void scaled(float* out, const float* total, long long n, long long factor) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = factor * total[i];
}
`;
const COUNT = 100, BYTES = 4 * COUNT;

const hasPool = Deno.env.get("PAIRFOLD_CUDA_NO_POOL") === undefined;

/** Three arrays and two kernels: what is uploaded is added up. */
class Adder {
  readonly shim: Shim;
  readonly device: Handle;
  readonly module: Handle;
  readonly #gather: Handle;
  readonly #scaled: Handle;
  readonly #arrays: readonly bigint[];
  readonly commands = new CommandList();
  sum = 0;

  constructor({ shim, device }: Session) {
    [this.shim, this.device] = [shim, device];
    this.module = shim.compileSync(device, SOURCE, "adder.cu", OPTIONS, "").module;
    this.#gather = shim.function(device, this.module, "gather", 0).function;
    this.#scaled = shim.function(device, this.module, "scaled", 0).function;
    this.#arrays = [0, 1, 2].map(() => shim.alloc(device, BYTES));
    shim.fill(device, 0n, this.#arrays[1], 0, BYTES);
  }

  get out(): bigint {
    return this.#arrays[2];
  }

  /** Queues one more number for all to be added, and their sum times a factor. */
  add(value: number, graphs: GraphMode, factor = 2): void {
    const { shim, device, commands } = this;
    const [x, total, out] = this.#arrays, n = BigInt(COUNT);
    commands.write(x, new Float32Array(COUNT).fill(value));
    commands.launch(this.#gather, 1, 128, [total, x], [n]);
    commands.launch(this.#scaled, 1, 128, [out, total], [n, BigInt(factor)]);
    try {
      shim.run(device, 0n, commands, null, graphs);
      this.sum += value;
    } finally {
      commands.done();
    }
  }

  /** What the last list gave, read at once where that is soon. */
  async read(): Promise<number> {
    const { shim, device } = this;
    const numbers = new Float32Array(COUNT);
    if (!shim.downloadSoon(device, 0n, numbers, this.out, 100_000)) {
      await shim.download(device, 0n, numbers, this.out);
    }
    assertEquals(numbers, new Float32Array(COUNT).fill(numbers[0]));
    return numbers[0];
  }

  counts(): GraphCounts {
    return this.shim.graphs(this.device);
  }

  /** Frees the arrays and the module. */
  leave(): void {
    for (const array of this.#arrays) this.shim.free(this.device, array);
    this.shim.moduleFree(this.device, this.module);
  }
}

/** A test with an adder, which is given back. */
function adderTest(name: string, work: (adder: Adder) => void | Promise<void>): void {
  deviceTest(name, async (session) => {
    const adder = new Adder(session);
    await work(adder);
    adder.leave();
    assertEquals(adder.counts().kept, 0, "graphs outlive their kernels");
  });
}

// ---- what it gives, and what it costs -----------------------------------------------------------

adderTest("a list that comes again is one launch, with other bytes each time", async (adder) => {
  for (let k = 1; k <= 4; k++) {
    adder.add(k, "always");
    assertEquals(await adder.read(), 2 * adder.sum);
  }
  const { calls, up, down } = await driverCallsOf(async () => {
    adder.add(1000, "always");
    assertEquals(await adder.read(), 2 * adder.sum);
  });
  const { cuEventQuery: _, ...rest } = calls;
  assertEquals(rest, { cuGraphLaunch: 1, cuEventRecord: 1 });
  assertEquals([up, down], [BYTES, BYTES]);
  assertEquals(adder.counts().recorded, 1);
});

adderTest("what is copied is not overwritten while launches before it are under way", (adder) => {
  // nothing is read, so that nothing waits; with other factors between, graphs take turns
  for (let k = 0; k < 60; k++) adder.add(1 + k, "always", k % 3 === 2 ? 3 : 2);
  return adder.read().then((got) => assertEquals(got, 3 * adder.sum));
});

adderTest("a read gets what was queued last, not what a graph has copied back", async (adder) => {
  const { shim, device } = adder;
  for (let k = 0; k < 5; k++) {
    adder.add(k, "always");
    assertEquals(await adder.read(), 2 * adder.sum);
  }
  // the same array again: by another list, a copy, a fill
  adder.add(1, "always");
  adder.add(1, "never", 5);
  assertEquals(await adder.read(), 5 * adder.sum);
  adder.add(1, "always");
  shim.upload(device, 0n, adder.out, new Float32Array(COUNT).fill(-7));
  assertEquals(await adder.read(), -7);
  adder.add(1, "always");
  shim.fill(device, 0n, adder.out, 0, BYTES);
  assertEquals(await adder.read(), 0);
  // a part of it, and twice the same
  adder.add(1, "always");
  const part = new Float32Array(2);
  shim.downloadSync(device, 0n, part, adder.out + 4n);
  assertEquals(part, Float32Array.of(2 * adder.sum, 2 * adder.sum));
  for (let k = 0; k < 2; k++) assertEquals(await adder.read(), 2 * adder.sum);
});

adderTest("what nobody reads is no longer copied back", async (adder) => {
  for (let k = 0; k < 3; k++) {
    adder.add(k, "always");
    await adder.read();
  }
  for (let k = 0; k < 20; k++) adder.add(k, "always");
  const { down } = await driverCallsOf(() => Promise.resolve(adder.add(1, "always")));
  assertEquals(down, 0);
  assertEquals(await adder.read(), 2 * adder.sum);
});

adderTest("graphs of two streams stay apart", async (adder) => {
  const { shim, device } = adder;
  const stream = shim.streamCreate(device);
  const target = shim.alloc(device, BYTES), numbers = new Float32Array(COUNT);
  for (let k = 0; k < 5; k++) {
    adder.add(k, "always");
    const list = new CommandList();
    list.write(target, numbers.fill(k));
    shim.run(device, stream, list, null, "always");
    const back = new Float32Array(COUNT);
    await shim.download(device, stream, back, target);
    assertEquals([back[0], await adder.read()], [k, 2 * adder.sum]);
  }
  assertEquals(adder.counts().kept, 2);
  shim.free(device, target);
  shim.trim(device);
  shim.streamFree(device, stream);
});

// ---- which lists --------------------------------------------------------------------------------

adderTest(
  "by the clock: a list becomes a graph or stays one, and both give its sums",
  async (adder) => {
    for (let k = 0; k < 40; k++) {
      adder.add(k, "auto");
      assertEquals(await adder.read(), 2 * adder.sum);
    }
    const { recorded, launched, slower, kept } = adder.counts();
    // eight times each way, and from then on the better one
    assertEquals([recorded, kept + slower], [1, 1]);
    assertEquals(launched, kept === 1 ? 30 : 8);
  },
);

adderTest("lists of two commands, and none where that was asked for, are left alone", (adder) => {
  const { shim, device, commands } = adder;
  for (let k = 0; k < 10; k++) {
    adder.add(1, "never");
    for (let c = 0; c < 2; c++) commands.write(adder.out, Float32Array.of(k));
    shim.run(device, 0n, commands, null, "auto");
    commands.done();
  }
  assertEquals(adder.counts().recorded, 0);
});

adderTest("as many graphs as are kept, and the oldest goes for another", async (adder) => {
  // more lists than are kept: some stay lists
  for (let round = 0; round < 4; round++) {
    for (let factor = 1; factor <= 40; factor++) adder.add(1, "always", factor);
    assertEquals(await adder.read(), 40 * adder.sum);
  }
  const before = adder.counts();
  assertEquals([before.kept, before.recorded], [32, 32]);
  // once they have not come for long, others do
  for (let k = 0; k < 300; k++) adder.add(1, "always", 50);
  for (let k = 0; k < 3; k++) adder.add(1, "always", 51);
  assertEquals(await adder.read(), 51 * adder.sum);
  const { kept, recorded } = adder.counts();
  assertEquals(kept, 32);
  assert(recorded > before.recorded, `${recorded} recorded`);
});

adderTest("long lists and large copies are lists", async ({ shim, device, commands }) => {
  const target = shim.alloc(device, 40_000), numbers = new Float32Array(10_000);
  for (let k = 0; k < 4; k++) {
    commands.write(target, numbers.fill(k));
    shim.run(device, 0n, commands, null, "always");
    commands.done();
    for (let c = 0; c < 300; c++) commands.write(target, Float32Array.of(k, c));
    shim.run(device, 0n, commands, null, "always");
    commands.done();
    const back = new Float32Array(10_000);
    await shim.download(device, 0n, back, target);
    assertEquals([...back.subarray(0, 3)], [k, 299, k]);
  }
  assertEquals(shim.graphs(device).recorded, 0);
  shim.free(device, target);
});

// ---- what they name goes ------------------------------------------------------------------------

adderTest("memory that the driver gets back takes its graphs along", async (adder) => {
  const { shim, device, commands } = adder;
  const target = shim.alloc(device, 64);
  for (let k = 0; k < 4; k++) {
    adder.add(k, "always");
    commands.write(target, Float32Array.of(k));
    shim.run(device, 0n, commands, null, "always");
    commands.done();
  }
  assertEquals(adder.counts().kept, 2);
  shim.free(device, target);
  shim.trim(device);
  // all of them by a trim; without a pool, that which names the memory
  assertEquals(adder.counts().kept, hasPool ? 0 : 1);
  for (let k = 0; k < 4; k++) {
    adder.add(k, "always");
    assertEquals(await adder.read(), 2 * adder.sum);
  }
});

deviceTest("a device that is opened again has no graphs of the one before", async (session) => {
  const { shim } = session;
  for (let round = 0; round < 3; round++) {
    const device = shim.deviceOpen(1), adder = new Adder({ shim, device });
    for (let k = 0; k < 4; k++) {
      adder.add(k, "always");
      assertEquals(await adder.read(), 2 * adder.sum);
    }
    assertEquals(adder.counts().recorded, 1);
    // closed with all that it has
    shim.deviceClose(device);
  }
});

// ---- what the driver refuses --------------------------------------------------------------------

for (
  const rule of [
    "cuGraphCreate:1=2",
    "cuGraphAddKernelNode_v2:2=1",
    "cuGraphAddMemcpyNode:1=801",
    "cuGraphInstantiateWithFlags:1=801",
    "cuGraphLaunch:1=801",
    "cuGraphLaunch:2=1",
  ]
) {
  adderTest(`a graph that is refused (${rule}) is a list, and nothing is lost`, async (adder) => {
    await withFailures(rule, async () => {
      // the variable is read at each call: what comes first is queued before the first await
      for (let k = 1; k <= 6; k++) adder.add(k, "auto");
      assertEquals(adder.counts().refused, 1);
      const want = 2 * adder.sum;
      assertEquals(await adder.read(), want);
    });
    // it is not tried again
    adder.add(7, "auto");
    assertEquals(await adder.read(), 2 * adder.sum);
    assertEquals([adder.counts().kept, adder.counts().refused], [0, 1]);
  });
}

adderTest(
  "where nothing says when a launch is over, its memory is not used again",
  async (adder) => {
    for (let k = 0; k < 3; k++) {
      adder.add(k, "always");
      assertEquals(await adder.read(), 2 * adder.sum);
    }
    withFailures("cuEventRecord:1=1", () => {
      assertThrows(() => adder.add(5, "always"), PairfoldError, "pf_run");
    });
    // it was launched all the same: once
    adder.sum += 5;
    assertEquals(adder.counts().kept, 0);
    for (let k = 0; k < 20; k++) adder.add(k, "always");
    assertEquals(await adder.read(), 2 * adder.sum);
  },
);

testUnless(emulator().reason, "a driver without graphs carries out lists as before", async () => {
  const one = emulator(), place = findLibrary();
  if (one.reason !== null || !("path" in place)) throw new Error("no emulator");
  await inFolder(async (folder) => {
    // a copy has a driver of its own
    const library = join(folder, "shim.so");
    Deno.copyFileSync(place.path, library);
    const shim = Shim.openSync({ library });
    shim.openDriver(one.driver.replace("cuda_emulator.", "cuda_emulator_without_graphs."));
    shim.openNvrtc(one.nvrtc);
    const device = shim.deviceOpen(0), adder = new Adder({ shim, device });
    for (let k = 0; k < 5; k++) {
      adder.add(k, "always");
      assertEquals(await adder.read(), 2 * adder.sum);
    }
    assertEquals(adder.counts(), { kept: 0, recorded: 0, launched: 0, slower: 0, refused: 0 });
    adder.leave();
    shim.deviceClose(device);
  });
});

Deno.test("a list keeps what is written first, whatever else is forgotten", () => {
  const list = new CommandList();
  list.write(16n, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
  list.write(32n, Float32Array.of(1));
  list.write(16n, Uint8Array.of());
  list.launch(7n, 1, 32, [1n], []);
  assertEquals([list.written, list.length], [5 + 4 + 3, 5 + 4 + 3 + 7]);
  list.unwrite(16n);
  assertEquals([list.written, list.length], [4, 11]);
  assertEquals([...list.words.subarray(0, 6)], [3n, 32n, 4n, 0x3f800000n, 2n, 7n]);
  list.clear();
  assertEquals([list.written, list.length], [4, 4]);
  list.done();
  assertEquals([list.written, list.length], [0, 0]);
});

deviceTest(
  "what another stream wrote since is read, however it was waited for",
  async ({ shim }) => {
    // a device of its own, that has had no streams yet
    for (const graphs of ["never", "always"] as const) {
      for (const wait of ["stream", "event", "all"]) {
        const device = shim.deviceOpen(1);
        const text = `
extern "C" __global__ void late(float* x, long long turns, long long value) {
  float a = 0;
  for (long long k = 0; k < turns; ++k) a = a * 0.5f + (float)(k & 7);
  x[threadIdx.x] = a > -1 ? (float)value : 0;
}
extern "C" __global__ void adds(float* y) { y[threadIdx.x] += 1; }`;
        const { module } = shim.compileSync(device, text, "late.cu", OPTIONS, "");
        const late = shim.function(device, module, "late", 0).function;
        const adds = shim.function(device, module, "adds", 0).function;
        const [x, y] = [shim.alloc(device, 128), shim.alloc(device, 128)];
        shim.fill(device, 0n, x, 0, 128);
        shim.fill(device, 0n, y, 0, 128);
        const out = new Float32Array(32);
        const read = async (): Promise<void> => {
          if (!shim.downloadSoon(device, 0n, out, x, 1000)) await shim.download(device, 0n, out, x);
        };
        const list = (): void => {
          const commands = new CommandList();
          commands.write(y, new Float32Array(32));
          commands.launch(adds, 1, 32, [y], []);
          commands.launch(adds, 1, 32, [y], []);
          shim.run(device, 0n, commands, null, graphs);
        };
        for (let k = 0; k < 4; k++) {
          list();
          await read();
        }
        const stream = shim.streamCreate(device);
        const commands = new CommandList();
        commands.launch(late, 1, 32, [x], [1_000_000n, 7n]);
        shim.run(device, stream, commands, null, "never");
        const event = shim.eventRecord(device, stream);
        list();
        if (wait === "stream") shim.streamWait(device, 0n, event);
        else if (wait === "event") await shim.eventWait(device, event);
        else await shim.synchronize(device);
        await read();
        assertEquals(out[0], 7, `graphs ${graphs}, waited for ${wait}`);
        for (const address of [x, y]) shim.free(device, address);
        shim.deviceClose(device);
      }
    }
  },
);
