// The shim's allocator and its copies, on the emulator.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { failureOf, type Status } from "../../src/engine/cuda/report.ts";
import { deviceTest, type Session, withFailures } from "./support/session.ts";

const MIB = 1 << 20;

/** The status of the error that a call comes to. */
function statusOf(work: () => unknown): Status | undefined {
  return failureOf(assertThrows(work, PairfoldError))?.status;
}

/** Bytes that tell where they are. */
function pattern(bytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(bytes);
  for (let k = 0; k < bytes; k++) data[k] = (k * 7 + (k >> 8) * 13 + seed) & 255;
  return data;
}

/** Whether two arrays are the same; comparing millions by assertEquals takes seconds. */
function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((value, k) => value === other[k]);
}

// ---- the allocator -----------------------------------------------------------------------------

deviceTest("live bytes are what was asked for, pooled bytes what is held", ({ shim, device }) => {
  const before = shim.memory(device);
  assertEquals([before.live, before.pooled], [0, 0]);
  const sizes = [1, 255, 1000, 1025, 70_000, 3 * MIB];
  const addresses = sizes.map((bytes) => shim.alloc(device, bytes));
  assertEquals(shim.memory(device).live, sizes.reduce((a, b) => a + b));
  for (const address of addresses) assertEquals(address % 256n, 0n);
  assertEquals(new Set(addresses).size, sizes.length);
  for (const address of addresses) shim.free(device, address);
  const { live, pooled, available } = shim.memory(device);
  assertEquals(live, 0);
  assertEquals(pooled, 256 + 256 + 1024 + 1280 + 80 * 1024 + 4 * MIB);
  assertEquals(available, before.available - pooled);
  shim.trim(device);
  assertEquals(shim.memory(device), before);
});

deviceTest("a block of the same size class is used again", ({ shim, device }) => {
  const first = shim.alloc(device, 5000), second = shim.alloc(device, 5000);
  shim.free(device, first);
  const other = shim.alloc(device, 6000);
  assert(other !== first);
  const again = shim.alloc(device, 4999);
  assertEquals(again, first);
  assertEquals(shim.memory(device).pooled, 0);
  // large ones may be an eighth too large, not more
  const large = shim.alloc(device, 64 * MIB);
  shim.free(device, large);
  const half = shim.alloc(device, 32 * MIB);
  assert(half !== large);
  const fitting = shim.alloc(device, 60 * MIB);
  assertEquals(fitting, large);
  for (const one of [second, other, again, half, fitting]) shim.free(device, one);
});

deviceTest("no bytes have an address of their own", ({ shim, device }) => {
  const addresses = [shim.alloc(device, 0), shim.alloc(device, 0)];
  assert(addresses[0] !== 0n && addresses[0] !== addresses[1]);
  shim.upload(device, 0n, addresses[0], new Uint8Array(0));
  assertEquals(statusOf(() => shim.upload(device, 0n, addresses[0], pattern(1))), "invalid");
  for (const address of addresses) shim.free(device, address);
});

deviceTest("ten thousand allocations of changing sizes leave nothing live", ({ shim, device }) => {
  const held: bigint[] = [];
  let random = 1;
  for (let k = 0; k < 10_000; k++) {
    random = (random * 48271) % 2147483647;
    if (held.length > 20 || (held.length > 0 && random % 2)) {
      shim.free(device, held.splice(random % held.length, 1)[0]);
    } else {
      held.push(shim.alloc(device, random % (random % 3 ? 100_000 : 5 * MIB)));
    }
  }
  for (const address of held) shim.free(device, address);
  const { live, pooled } = shim.memory(device);
  assertEquals(live, 0);
  assert(pooled < 200 * MIB, `${pooled} bytes are kept`);
});

deviceTest("what is kept goes back before memory runs out", ({ shim, device }) => {
  const { total } = shim.memory(device);
  const part = Math.floor(total / 5);
  const first = shim.alloc(device, 3 * part);
  assertEquals(statusOf(() => shim.alloc(device, 3 * part)), "out-of-memory");
  shim.free(device, first);
  assert(shim.memory(device).pooled > total / 2);
  const second = shim.alloc(device, 4 * part);
  assertEquals(shim.memory(device).pooled, 0);
  shim.free(device, second);
  shim.trim(device);
});

deviceTest("out of memory is an error with code memory, and nothing is lost by it", (session) => {
  const { shim, device } = session;
  const address = shim.alloc(device, 1000);
  shim.upload(device, 0n, address, pattern(1000));
  const error = assertThrows(() => shim.alloc(device, 1e15), PairfoldError);
  assertEquals(error.code, "memory");
  assert(error.message.includes("1000000000000000 bytes beside 1000 in use"), error.message);
  withFailures("cuMemAlloc_v2:1=2", () => {
    assertEquals(statusOf(() => shim.alloc(device, 50_000)), "out-of-memory");
    shim.free(device, shim.alloc(device, 50_000));
  });
  assertEquals(shim.memory(device).live, 1000);
  const back = new Uint8Array(1000);
  shim.downloadSync(device, 0n, back, address);
  assertEquals(back, pattern(1000));
  shim.free(device, address);
});

// ---- copies ------------------------------------------------------------------------------------

/** Up, across and down again. */
async function roundTrip({ shim, device }: Session, bytes: number, seed: number): Promise<boolean> {
  const data = pattern(bytes, seed), back = new Uint8Array(bytes);
  const [there, across] = [shim.alloc(device, bytes), shim.alloc(device, bytes)];
  shim.upload(device, 0n, there, data);
  shim.copy(device, 0n, across, there, bytes);
  await shim.download(device, 0n, back, across);
  shim.free(device, there);
  shim.free(device, across);
  return same(data, back);
}

deviceTest(
  "copies come back as they went, at odd sizes and beyond the staging",
  async (session) => {
    const chunk = 4 * MIB;
    for (const bytes of [1, 3, 4097, 16384, 16385, chunk - 1, chunk, chunk + 1, 5 * chunk + 7]) {
      assert(await roundTrip(session, bytes, bytes), `${bytes} bytes`);
    }
  },
);

deviceTest("views are copied from and to where they begin", async ({ shim, device }) => {
  const numbers = Float64Array.from({ length: 100 }, (_, k) => k / 3);
  const address = shim.alloc(device, 800);
  shim.upload(device, 0n, address + 80n, numbers.subarray(10, 20));
  const target = new Float64Array(30);
  await shim.download(device, 0n, target.subarray(5, 15), address + 80n);
  assertEquals([...target.subarray(5, 15)], [...numbers.subarray(10, 20)]);
  assertEquals([target[4], target[15]], [0, 0]);
  shim.free(device, address);
});

deviceTest("an upload has taken its source when it returns", async ({ shim, device }) => {
  for (const bytes of [100, 100_000, 9 * MIB]) {
    const address = shim.alloc(device, bytes), data = pattern(bytes), back = new Uint8Array(bytes);
    shim.upload(device, 0n, address, data);
    data.fill(0);
    await shim.download(device, 0n, back, address);
    assert(same(back, pattern(bytes)), `${bytes} bytes`);
    shim.free(device, address);
  }
});

deviceTest("many copies on other threads at once do not mix", async (session) => {
  const { shim, device } = session;
  const sizes = Array.from({ length: 24 }, (_, k) => [100, 20_000, 3 * MIB, 9 * MIB][k % 4] + k);
  const right = await Promise.all(sizes.map(async (bytes, seed) => {
    const data = pattern(bytes, seed), back = new Uint8Array(bytes);
    const address = shim.alloc(device, bytes);
    await shim.uploadAsync(device, 0n, address, data);
    await shim.download(device, 0n, back, address);
    shim.free(device, address);
    return same(data, back);
  }));
  assertEquals(right.filter((one) => !one).length, 0);
});

deviceTest("filling and copying touch what they should", async ({ shim, device }) => {
  const address = shim.alloc(device, 1000), back = new Uint8Array(1000);
  shim.fill(device, 0n, address, 1, 1000);
  shim.fill(device, 0n, address + 10n, 2, 100);
  shim.copy(device, 0n, address + 500n, address + 5n, 10);
  await shim.download(device, 0n, back, address);
  const wanted = new Uint8Array(1000).fill(1).fill(2, 10, 110).fill(2, 505, 510);
  assertEquals(back, wanted);
  shim.free(device, address);
});

deviceTest(
  "addresses that are none, and ranges that leave an allocation, are refused",
  async (session) => {
    const { shim, device } = session;
    const address = shim.alloc(device, 1000), data = pattern(11);
    assertEquals(statusOf(() => shim.free(device, address + 1n)), "invalid");
    assertEquals(statusOf(() => shim.free(device, 0n)), "invalid");
    assertEquals(statusOf(() => shim.upload(device, 0n, address + 990n, data)), "invalid");
    assertEquals(statusOf(() => shim.upload(device, 0n, 4096n, data)), "invalid");
    assertEquals(statusOf(() => shim.copy(device, 0n, address, address + 1n, 1000)), "invalid");
    assertEquals(statusOf(() => shim.fill(device, 0n, address - 1n, 0, 10)), "invalid");
    assertEquals(statusOf(() => shim.fill(device, 0n, address, 0, 2 ** 53)), "invalid");
    const refused = await assertRejects(
      () => shim.download(device, 0n, data, address + 2n ** 63n),
      PairfoldError,
    );
    assertEquals(failureOf(refused)?.status, "invalid");
    shim.free(device, address);
    assertEquals(statusOf(() => shim.free(device, address)), "invalid");
    assertEquals(statusOf(() => shim.upload(device, 0n, address, data)), "invalid");
  },
);

deviceTest(
  "pinned memory that runs out is an error, and copies work when it is there again",
  async (session) => {
    const { shim, device } = session;
    const address = shim.alloc(device, 100_000);
    withFailures("cuMemHostAlloc:1=2", () => {
      assertEquals(
        statusOf(() => shim.upload(device, 0n, address, pattern(100_000))),
        "out-of-memory",
      );
    });
    shim.free(device, address);
    assert(await roundTrip(session, 100_000, 3));
  },
);
