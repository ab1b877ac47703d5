// What launches of several engines have in common: whose program it is, whose turn, what stops it.

import { PairfoldError } from "../error.ts";
import type { Program, RunControl } from "./engine.ts";

/** A program as one that an engine has made itself. */
export function ownProgram<P extends Program>(
  program: Program,
  kind: abstract new (...args: never[]) => P,
): P {
  if (program instanceof kind) return program;
  throw new PairfoldError("internal", "launch: the program is of another engine");
}

/** Throws `PairfoldError` (aborted) once the signal says so. */
export function throwIfAborted({ signal }: RunControl): void {
  if (signal?.aborted) {
    throw new PairfoldError("aborted", "fold: the signal was aborted", { cause: signal.reason });
  }
}

/** Lets the event loop turn once: 10–16 µs by setImmediate, 2 ms by setTimeout (Deno 2.9.6). */
export function nextTurn(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
  return new Promise((resolve) => {
    if (setImmediate !== undefined) setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}

/**
 * Calls `report` every so many milliseconds once somebody watches a run; the result ends that. A
 * process's first timer takes 4 ms (Deno 2.9.6): there is none where nobody does.
 */
export function reporting(
  { onProgress, whenWatched = (watched) => watched() }: RunControl,
  report: () => void,
  interval: number,
): () => void {
  if (onProgress === undefined) return () => {};
  let timer: ReturnType<typeof setInterval> | null = null;
  let isOver = false;
  whenWatched(() => {
    if (!isOver) timer ??= setInterval(report, interval);
  });
  return () => {
    isOver = true;
    if (timer !== null) clearInterval(timer);
  };
}

/** What is known about a run while it goes. */
export interface Run {
  readonly control: RunControl;
  /** Pairs in all. */
  readonly total: number;
  /** Pairs of finished waves. */
  before: number;
  threads: number;
}

/**
 * Small launches end without a turn of the event loop. Every so often one is made all the same:
 * timers want it, and what weak references have met stays alive until then.
 */
const LAUNCHES_PER_TURN = 256;

/** Runs launches one after another. */
export class LaunchQueue {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #launches = 0;

  /** Whether something runs or waits. */
  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /**
   * Runs work when its turn comes: at once where nothing waits, small launches end before this
   * does.
   */
  run(control: RunControl, work: () => Promise<void>): Promise<void> {
    const isIdle = this.#waiting++ === 0;
    const before = this.#last;
    let end = (): void => {};
    // before it begins: what its progress calls may ask for more, which waits for its end
    this.#last = new Promise((resolve) => end = resolve);
    const begin = (): Promise<void> => this.#begin(control, work);
    const result = isIdle ? begin() : before.then(begin);
    const done = (): void => {
      this.#waiting--;
      end();
    };
    result.then(done, done);
    return result;
  }

  async #begin(control: RunControl, work: () => Promise<void>): Promise<void> {
    if (++this.#launches % LAUNCHES_PER_TURN === 0) await nextTurn();
    throwIfAborted(control);
    await work();
  }
}
