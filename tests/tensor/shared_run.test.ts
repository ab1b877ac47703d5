// Runs with several readers: who runs them hears when somebody watches.

import { assertEquals } from "@std/assert";
import type { Progress, RunControl } from "../../src/engine/mod.ts";
import { reporting } from "../../src/engine/launches.ts";
import { SharedRun } from "../../src/tensor/shared_run.ts";

/** Runs `use` while timers are counted; how many were started and not stopped. */
async function timersOf(use: () => Promise<void>): Promise<{ started: number; left: number }> {
  const { setInterval, clearInterval } = globalThis;
  const live = new Set<unknown>();
  let started = 0;
  globalThis.setInterval = ((...args: Parameters<typeof setInterval>) => {
    started++;
    const timer = setInterval(...args);
    live.add(timer);
    return timer;
  }) as typeof setInterval;
  globalThis.clearInterval = (timer) => {
    live.delete(timer);
    clearInterval(timer);
  };
  try {
    await use();
  } finally {
    Object.assign(globalThis, { setInterval, clearInterval });
  }
  return { started, left: live.size };
}

/** A run inside a run, that reports until it is told to end. */
function nested(): { readonly run: SharedRun<void>; readonly end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const inner = new SharedRun(async (control: RunControl) => {
    let done = 0;
    const tell = (): void => control.onProgress?.({ done: done++, total: 9, threads: 1 });
    tell();
    const stop = reporting(control, tell, 1);
    await promise;
    stop();
  });
  return { run: new SharedRun((control) => inner.join(control)), end: resolve };
}

Deno.test("a run that nobody watches has no timer, though it is within another", async () => {
  const timers = await timersOf(async () => {
    const { run, end } = nested();
    const { signal } = new AbortController();
    const all = [run.join({}), run.join({ signal })];
    end();
    await Promise.all(all);
  });
  assertEquals(timers, { started: 0, left: 0 });
});

Deno.test("who watches a run later hears how far it is, and of all that follows", async () => {
  const heard: number[] = [];
  const timers = await timersOf(async () => {
    const { run, end } = nested();
    const first = run.join({});
    await Promise.resolve(); // it goes on
    const onProgress = ({ done }: Progress): void => {
      heard.push(done);
      if (done === 3) end();
    };
    await Promise.all([first, run.join({ onProgress })]);
  });
  assertEquals(heard.slice(0, 4), [0, 1, 2, 3]);
  assertEquals(timers, { started: 1, left: 0 });
});
