// A pool of workers that starts in part: what did start is ended, and folds run without it.

import { assertEquals, assertRejects } from "@std/assert";
import { PairfoldError, Vi, Vj, wasm } from "pairfold";
import { WorkerPool } from "../../src/engine/wasm/pool.ts";
import { randomFor } from "../support/random.ts";

/** What became of the workers of a host. */
interface Counts {
  started: number;
  ended: number;
}

/** Runs on a host of web workers, like a page, on which the n-th start fails (from 1 on). */
async function onPage(failing: number, body: () => Promise<void>): Promise<Counts> {
  const counts: Counts = { started: 0, ended: 0 };
  const { Worker } = globalThis;
  const node = Object.getOwnPropertyDescriptor(globalThis, "process");
  if (node === undefined) throw new TypeError("this host has no process to hide");
  let attempts = 0;
  globalThis.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      if (++attempts === failing) throw new DOMException("no more workers", "QuotaExceededError");
      super(url, options);
      counts.started++;
    }
    override terminate(): void {
      counts.ended++;
      super.terminate();
    }
  };
  Reflect.deleteProperty(globalThis, "process");
  try {
    await body();
  } finally {
    globalThis.Worker = Worker;
    Object.defineProperty(globalThis, "process", node);
  }
  return counts;
}

Deno.test("where the n-th worker does not start, those before it are ended", async () => {
  for (const failing of [1, 2, 4]) {
    const counts = await onPage(failing, async () => {
      const error = await assertRejects(
        () => WorkerPool.start(4),
        PairfoldError,
        "no more workers",
      );
      assertEquals(error.code, "device");
    });
    assertEquals(counts, { started: failing - 1, ended: failing - 1 });
  }
});

Deno.test("a pool whose workers all start has as many as it was asked for", async () => {
  const counts = await onPage(Infinity, async () => {
    const pool = await WorkerPool.start(3);
    assertEquals(pool.size, 3);
    pool.terminate();
  });
  assertEquals(counts, { started: 3, ended: 3 });
});

Deno.test("a fold whose pool starts in part gives what one thread gives", async () => {
  const points = randomFor("part of a pool").float32(3 * 2000);
  const fold = (threads: number): Promise<ArrayLike<number>> => {
    const device = wasm({ threads, threadedPairs: 1 });
    const sums = Vi(points, 3).sqDist(Vj(points, 3)).neg().exp().sum("j", { device });
    return sums.data().finally(() => device.dispose());
  };
  const want = await fold(1);
  const counts = await onPage(2, async () => assertEquals(await fold(4), want));
  assertEquals(counts, { started: 1, ended: 1 });
});
