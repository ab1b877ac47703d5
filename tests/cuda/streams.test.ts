// Devices, streams and events through the shim, on the emulator.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { failureOf, type Status } from "../../src/engine/cuda/report.ts";
import { deviceTest, queueSlowKernel } from "./support/session.ts";

/** The status of the error that a call comes to. */
function statusOf(work: () => unknown): Status | undefined {
  return failureOf(assertThrows(work, PairfoldError))?.status;
}

deviceTest("devices say what they are, and are opened as often as closed", ({ shim, device }) => {
  assertEquals(shim.deviceCount(), 2);
  assertStringIncludes(shim.deviceName(device), "emulator");
  // threads per block, threads of a warp, compute capability
  assertEquals(shim.deviceAttributes(device, [1, 10, 75, 76]), [1024, 32, 9, 0]);
  assertEquals(shim.deviceAttributes(device, []), []);
  assertEquals(statusOf(() => shim.deviceAttributes(device, [-5])), "invalid");
  assertEquals(shim.deviceOpen(0), device);
  shim.deviceClose(device);
  assert(shim.deviceName(device) !== "");
  const other = shim.deviceOpen(1);
  assert(other !== device);
  assertEquals(shim.deviceAttributes(other, [75, 76]), [7, 5]);
  shim.deviceClose(other);
  assertEquals(statusOf(() => shim.deviceName(other)), "invalid");
  assertEquals(statusOf(() => shim.deviceClose(other)), "invalid");
  for (const ordinal of [2, -1, 99]) {
    assertEquals(statusOf(() => shim.deviceOpen(ordinal)), "no-device");
  }
});

deviceTest("a device that was closed is another one when it is opened again", ({ shim }) => {
  const first = shim.deviceOpen(1);
  const address = shim.alloc(first, 5000), event = shim.eventRecord(first, 0n);
  shim.deviceClose(first);
  const second = shim.deviceOpen(1);
  assert(second !== first);
  assertEquals(shim.memory(second), { ...shim.memory(second), live: 0, pooled: 0 });
  assertEquals(statusOf(() => shim.free(first, address)), "invalid");
  assertEquals(statusOf(() => shim.free(second, address)), "invalid");
  assertEquals(statusOf(() => shim.eventQuery(second, event)), "invalid");
  shim.deviceClose(second);
});

deviceTest("events happen when the work before them is done", async ({ shim, device }) => {
  const address = shim.alloc(device, 1000);
  const before = shim.eventRecord(device, 0n);
  shim.fill(device, 0n, address, 5, 1000);
  const after = shim.eventRecord(device, 0n);
  await shim.eventWait(device, after);
  assertEquals([shim.eventQuery(device, before), shim.eventQuery(device, after)], [true, true]);
  assert(shim.eventElapsed(device, before, after) >= 0);
  for (const event of [before, after]) shim.eventFree(device, event);
  assertEquals(statusOf(() => shim.eventQuery(device, after)), "invalid");
  assertEquals(statusOf(() => shim.eventFree(device, after)), "invalid");
  const rejected = await assertRejects(() => shim.eventWait(device, after), PairfoldError);
  assertEquals(failureOf(rejected)?.status, "invalid");
  shim.free(device, address);
});

deviceTest("an event may be freed while others wait for it", async ({ shim, device }) => {
  const address = shim.alloc(device, 1 << 20);
  for (let k = 0; k < 20; k++) {
    shim.fill(device, 0n, address, k, 1 << 20);
    const event = shim.eventRecord(device, 0n);
    const waits = [1, 2, 3].map(() => shim.eventWait(device, event).catch(failureOf));
    shim.eventFree(device, event);
    // those that came too late find no event
    for (const one of await Promise.all(waits)) assert(!one || one.status === "invalid");
  }
  shim.free(device, address);
});

deviceTest("a stream waits for another one's event", async ({ shim, device }) => {
  const stream = shim.streamCreate(device), bytes = 1 << 16;
  const address = shim.alloc(device, bytes), back = new Uint8Array(bytes);
  for (let k = 1; k < 10; k++) {
    shim.fill(device, 0n, address, k, bytes);
    const event = shim.eventRecord(device, 0n);
    shim.streamWait(device, stream, event);
    await shim.download(device, stream, back, address);
    assertEquals([back[0], back[bytes - 1]], [k, k]);
    shim.eventFree(device, event);
  }
  shim.streamFree(device, stream);
  assertEquals(statusOf(() => shim.fill(device, stream, address, 0, 1)), "invalid");
  assertEquals(statusOf(() => shim.streamFree(device, stream)), "invalid");
  assertEquals(statusOf(() => shim.streamFree(device, 0n)), "invalid");
  shim.free(device, address);
});

deviceTest("synchronising ends all work, on this thread or another", async ({ shim, device }) => {
  const stream = shim.streamCreate(device), address = shim.alloc(device, 1000);
  shim.fill(device, stream, address, 1, 1000);
  const event = shim.eventRecord(device, stream);
  await shim.synchronize(device);
  assertEquals(shim.eventQuery(device, event), true);
  shim.fill(device, stream, address, 2, 1000);
  const other = shim.eventRecord(device, stream);
  shim.synchronizeSync(device);
  assertEquals(shim.eventQuery(device, other), true);
  for (const one of [event, other]) shim.eventFree(device, one);
  shim.streamFree(device, stream);
  shim.free(device, address);
});

deviceTest("a wait does not stop other calls, nor the event loop", async (session) => {
  const { shim, device } = session;
  const { module, address, count } = queueSlowKernel(session);
  const result = new Float32Array(count);
  let done = false, turns = 0, slowest = 0;
  const reading = shim.download(device, 0n, result, address).then(() => done = true);
  const begin = performance.now();
  while (!done) {
    const start = performance.now();
    shim.free(device, shim.alloc(device, 1000));
    shim.memory(device);
    slowest = Math.max(slowest, performance.now() - start);
    turns++;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await reading;
  const whole = performance.now() - begin;
  assert(turns > 3, `${turns} turns of the event loop in ${whole} ms`);
  assert(slowest < whole / 2, `a call took ${slowest} of ${whole} ms`);
  assertEquals([result[0], result[count - 1]], [4, 4]);
  shim.moduleFree(device, module);
  shim.free(device, address);
});

deviceTest(
  "hundreds of small uploads queue behind a kernel without waiting for it",
  async (session) => {
    const { shim, device } = session;
    const { module, address } = queueSlowKernel(session);
    const running = shim.eventRecord(device, 0n);
    const places = Array.from({ length: 300 }, () => shim.alloc(device, 1000));
    places.forEach((place, k) => {
      shim.upload(device, 0n, place, new Uint8Array(1000).fill(k));
    });
    assertEquals(shim.eventQuery(device, running), false, "the kernel ended too soon to tell");
    const back = new Uint8Array(1000);
    for (const [k, place] of places.entries()) {
      await shim.download(device, 0n, back, place);
      assertEquals([back[0], back[999]], [k & 255, k & 255]);
      shim.free(device, place);
    }
    shim.eventFree(device, running);
    shim.moduleFree(device, module);
    shim.free(device, address);
  },
);

deviceTest("a device closed during a download goes away after it", async ({ shim }) => {
  const device = shim.deviceOpen(1), bytes = 12 << 20;
  const address = shim.alloc(device, bytes), back = new Uint8Array(bytes);
  shim.fill(device, 0n, address, 9, bytes);
  const reading = shim.download(device, 0n, back, address).then(() => "read", failureOf);
  shim.deviceClose(device);
  const came = await reading;
  // the call may also come too late: then it says so
  if (came === "read") assertEquals([back[0], back[bytes - 1]], [9, 9]);
  else assertEquals(came, { status: "invalid", code: 0 });
  const again = shim.deviceOpen(1);
  assertEquals(shim.memory(again).live, 0);
  shim.deviceClose(again);
});
