// A run with several readers. Enters: what to run, and readers with their signals and watchers.
// Leaves: what it gives, for each reader; the run is aborted only when all of them have left.

import type { Progress, RunControl } from "../engine/engine.ts";
import { PairfoldError } from "../error.ts";

/** A run that goes on, and those who wait for it. */
export class SharedRun<T> {
  readonly #abort = new AbortController();
  readonly #promise: Promise<T>;
  /** What each reader that watches does with progress. */
  readonly #watchers = new Set<(progress: Progress) => void>();
  /** Who is to be told once anybody watches. */
  #waiting: (() => void)[] = [];
  /** How far it was when last told, for who joins later. */
  #progress: Progress | null = null;
  #readers = 0;
  #failed = false;

  constructor(start: (control: RunControl) => Promise<T>) {
    this.#promise = start({
      signal: this.#abort.signal,
      onProgress: (progress) => {
        this.#progress = progress;
        this.#watchers.forEach((watch) => watch(progress));
      },
      whenWatched: (watched) => {
        if (this.#watchers.size > 0) watched();
        else this.#waiting.push(watched);
      },
    });
    // each reader hears of it by its own join
    this.#promise.catch(() => this.#failed = true);
  }

  /** Whether it gives nothing, so that who wants to read begins anew. */
  get isLost(): boolean {
    return this.#failed || this.#abort.signal.aborted;
  }

  /** Waits for the run, until the signal says to leave or the watcher throws. */
  join({ signal, onProgress, whenWatched = (watched) => watched() }: RunControl): Promise<T> {
    this.#readers++;
    if (signal === undefined && onProgress === undefined) return this.#promise;
    return new Promise<T>((resolve, reject) => {
      const leave = (error: unknown): void => {
        reject(error);
        settle();
        if (--this.#readers === 0) this.#abort.abort(error);
      };
      const aborted = (): void => {
        const cause = signal?.reason;
        leave(new PairfoldError("aborted", "fold: the signal was aborted", { cause }));
      };
      const watch = (progress: Progress): void => {
        try {
          onProgress?.(progress);
        } catch (error) {
          leave(error); // the reader's own error, as it is
        }
      };
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
        signal?.removeEventListener("abort", aborted);
        this.#watchers.delete(watch);
      };
      signal?.addEventListener("abort", aborted, { once: true });
      this.#promise.finally(settle).then(resolve, reject);
      if (onProgress !== undefined) whenWatched(() => isSettled || this.#watch(watch));
      if (signal?.aborted) aborted();
    });
  }

  #watch(watch: (progress: Progress) => void): void {
    this.#watchers.add(watch);
    if (this.#progress !== null) watch(this.#progress);
    for (const watched of this.#waiting.splice(0)) watched();
  }
}
