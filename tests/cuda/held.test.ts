// What queued work still uses is given to nobody else: neither where the driver refuses to say when
// that work is over, nor while other threads give back what it needs. On the emulator.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { failureOf, type Status } from "../../src/engine/cuda/report.ts";
import type { Handle } from "../../src/engine/cuda/shim.ts";
import { callsOf, driverCallsOf } from "./support/driver_calls.ts";
import {
  deviceTest,
  launch,
  queueSlowKernel,
  type Session,
  withFailures,
} from "./support/session.ts";

const MIB = 1 << 20;

/** The status of the error that a call comes to. */
function statusOf(work: () => unknown): Status | undefined {
  return failureOf(assertThrows(work, PairfoldError))?.status;
}

/** Whether all bytes are one value. */
const isFilled = (bytes: Uint8Array, value: number): boolean =>
  bytes.every((byte) => byte === value);

/** Lets the event loop turn until something is so. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Arrays of equal size, uploads that fill them, and a look at what they hold. */
class Arrays {
  readonly #session: Session;
  readonly #places: Handle[];
  readonly #bytes: number;

  constructor(session: Session, count: number, bytes: number) {
    const { shim, device } = session;
    this.#session = session;
    this.#bytes = bytes;
    this.#places = Array.from({ length: count }, () => shim.alloc(device, bytes));
  }

  /** Fills array k with the number k + 1. */
  upload(k: number): void {
    const { shim, device } = this.#session;
    shim.upload(device, 0n, this.#places[k], new Uint8Array(this.#bytes).fill(k + 1));
  }

  fill(k: number, value: number): void {
    const { shim, device } = this.#session;
    shim.fill(device, 0n, this.#places[k], value, this.#bytes);
  }

  read(k: number): Uint8Array {
    const { shim, device } = this.#session, back = new Uint8Array(this.#bytes);
    shim.downloadSync(device, 0n, back, this.#places[k]);
    return back;
  }

  /** Refuses arrays that hold others' bytes, and frees them. */
  check(): void {
    const { shim, device } = this.#session;
    const wrong = this.#places.flatMap((_, k) => isFilled(this.read(k), k + 1) ? [] : [k]);
    assertEquals(wrong, [], "arrays that hold others' bytes");
    for (const place of this.#places) shim.free(device, place);
  }
}

// ---- pinned memory -----------------------------------------------------------------------------

for (const [name, bytes] of [["small", 1000], ["large", MIB]] as const) {
  deviceTest(`a ${name} upload that no event follows keeps its memory until it ran`, (session) => {
    // a small one's chunk is the 17th that would be taken
    const arrays = new Arrays(session, 18, bytes);
    withFailures("cuEventRecord:1=999", () => {
      assertEquals(statusOf(() => arrays.upload(0)), "driver");
    });
    for (let k = 1; k < 18; k++) arrays.upload(k);
    arrays.check();
  });

  deviceTest(`a ${name} download that no event follows keeps its memory, too`, (session) => {
    const arrays = new Arrays(session, 18, bytes);
    arrays.fill(0, 1);
    withFailures("cuEventRecord:1=999", () => {
      assertEquals(statusOf(() => arrays.read(0)), "driver");
    });
    for (let k = 1; k < 18; k++) arrays.upload(k);
    arrays.check();
  });

  deviceTest(`a ${name} download whose event cannot be asked keeps its memory`, (session) => {
    const arrays = new Arrays(session, 18, bytes);
    arrays.fill(0, 1);
    withFailures("cuEventQuery:1=999", () => {
      assertEquals(statusOf(() => arrays.read(0)), "driver");
    });
    for (let k = 1; k < 18; k++) arrays.upload(k);
    arrays.check();
  });
}

deviceTest("however many copies no event follows, no more memory is pinned", async (session) => {
  const arrays = new Arrays(session, 12, MIB);
  const { calls } = await driverCallsOf(() => {
    withFailures("cuEventRecord:1+=999", () => {
      for (let k = 0; k < 12; k++) assertEquals(statusOf(() => arrays.upload(k)), "driver");
    });
    arrays.check();
    return Promise.resolve();
  });
  assert(calls.cuMemHostAlloc <= 4, `${calls.cuMemHostAlloc} pieces of pinned memory`);
});

deviceTest("a chunk whose event cannot be asked is not taken for a free one", (session) => {
  const { shim, device } = session;
  const { module, address } = queueSlowKernel(session);
  // four wait behind the kernel in all the chunks that there are
  const arrays = new Arrays(session, 8, MIB);
  for (let k = 0; k < 4; k++) arrays.upload(k);
  withFailures(
    "cuEventQuery:2=999,cuEventQuery:4=999,cuEventQuery:6=999,cuEventQuery:8=999",
    () => {
      for (let k = 4; k < 8; k++) assertEquals(statusOf(() => arrays.upload(k)), "driver");
    },
  );
  for (let k = 4; k < 8; k++) arrays.upload(k);
  arrays.check();
  shim.moduleFree(device, module);
  shim.free(device, address);
});

// ---- modules, streams, memory ------------------------------------------------------------------

deviceTest("nothing of a module is launched while its last kernels end", async (session) => {
  const { shim, device } = session;
  const { module, kernel, address } = queueSlowKernel(session);
  const before = callsOf("cuCtxSynchronize");
  const freeing = shim.moduleFreeAsync(device, module);
  await until(() => callsOf("cuCtxSynchronize") > before);
  assertEquals(statusOf(() => launch(session, kernel, [address, 1])), "invalid");
  await freeing;
  shim.synchronizeSync(device);
  shim.free(device, address);
});

deviceTest("a module stays where the driver cannot wait for its kernels", async (session) => {
  const { shim, device } = session;
  const { module, address, count } = queueSlowKernel(session);
  const numbers = new Float32Array(count), unloaded = callsOf("cuModuleUnload");
  withFailures("cuCtxSynchronize:1=999", () => {
    assertEquals(statusOf(() => shim.moduleFree(device, module)), "driver");
  });
  assertEquals(callsOf("cuModuleUnload"), unloaded, "unloaded with kernels on their way");
  assertEquals(statusOf(() => shim.moduleFree(device, module)), "invalid");
  await shim.download(device, 0n, numbers, address);
  assertEquals([numbers[0], numbers[count - 1]], [4, 4]);
  shim.free(device, address);
});

deviceTest("a module that the driver does not unload is an error", (session) => {
  const { shim, device } = session;
  const { module, address } = queueSlowKernel(session);
  withFailures("cuModuleUnload:1=999", () => {
    assertEquals(statusOf(() => shim.moduleFree(device, module)), "driver");
  });
  shim.free(device, address);
});

deviceTest("a stream may be freed while an upload waits in it", async (session) => {
  const { shim, device } = session;
  const stream = shim.streamCreate(device);
  const { module, address } = queueSlowKernel(session, stream);
  // more than the chunks hold: the rest waits for the kernel
  const bytes = 32 * MIB, place = shim.alloc(device, bytes), back = new Uint8Array(bytes);
  const before = callsOf("cuMemcpyHtoDAsync_v2");
  const sending = shim.uploadAsync(device, stream, place, new Uint8Array(bytes).fill(7));
  await until(() => callsOf("cuMemcpyHtoDAsync_v2") > before);
  shim.streamFree(device, stream);
  assertEquals(statusOf(() => shim.streamFree(device, stream)), "invalid");
  assertEquals(statusOf(() => shim.fill(device, stream, address, 0, 1)), "invalid");
  const destroyed = callsOf("cuStreamDestroy_v2");
  await sending;
  assertEquals(callsOf("cuStreamDestroy_v2"), destroyed + 1, "the stream outlives its upload");
  await shim.synchronize(device);
  await shim.download(device, 0n, back, place);
  assert(isFilled(back, 7));
  await shim.moduleFreeAsync(device, module);
  for (const one of [address, place]) shim.free(device, one);
});

deviceTest("without the pool, what the driver cannot wait for is freed later", ({ shim }) => {
  Deno.env.set("PAIRFOLD_CUDA_NO_POOL", "1");
  const device = shim.deviceOpen(1);
  Deno.env.delete("PAIRFOLD_CUDA_NO_POOL");
  const before = shim.memory(device), address = shim.alloc(device, 1000);
  withFailures("cuCtxSynchronize:1=999", () => {
    assertEquals(statusOf(() => shim.free(device, address)), "driver");
  });
  const { live, pooled } = shim.memory(device);
  assertEquals([live, pooled], [0, 1000]);
  shim.trim(device);
  assertEquals(shim.memory(device), before);
  shim.deviceClose(device);
});

deviceTest("a device that is closed goes with the streams that calls used", async ({ shim }) => {
  const device = shim.deviceOpen(1), session = { shim, device };
  const stream = shim.streamCreate(device);
  queueSlowKernel(session, stream);
  const event = shim.eventRecord(device, stream), before = callsOf("cuEventSynchronize");
  const waiting = shim.eventWait(device, event);
  await until(() => callsOf("cuEventSynchronize") > before);
  shim.streamFree(device, stream);
  shim.deviceClose(device);
  await waiting;
  await assertRejects(() => shim.eventWait(device, event), PairfoldError, "no open device");
});
