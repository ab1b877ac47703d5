// Calls of a compiled kernel: one per thread, all of the same lists, whose items they claim by the
// counters of one control block. Enters: lists and scratch memory. Leaves: what has been done.

import { CALL, CALL_WORDS, CONTROL } from "../../emit/c/mod.ts";
import type { Library } from "./library.ts";
import { addressOf, type Block, type Items, type Tables } from "./stage.ts";

/** Lists as threads claim their items. */
export interface Work {
  readonly library: Library;
  readonly tables: Tables;
  /** Those that fold, or those that join; columns are packed before the former. */
  readonly items: Items;
  /** Memory of each thread. */
  readonly scratch: readonly Block[];
}

/** What calls on other threads point to, until they end. */
const held = new Set<unknown>();

/** The calls of one list. */
export class Calls {
  readonly #work: Work;
  /**
   * The words of all calls, then the control block: one array, so that one address is asked for.
   */
  readonly #words: Float64Array<ArrayBuffer>;
  readonly #control: Int32Array<ArrayBuffer>;

  constructor(work: Work) {
    const { tables, items, scratch } = work;
    const { length: threads } = scratch;
    const controlAt = threads * CALL_WORDS;
    const words = new Float64Array(controlAt + Math.ceil((CONTROL.perThread + threads) / 2));
    const bytesBefore = controlAt * words.BYTES_PER_ELEMENT;
    const control = addressOf(words) + bytesBefore;
    const packs = items === tables.folds ? tables.packs : { address: 0, count: 0 };
    for (const [thread, { address }] of scratch.entries()) {
      const at = thread * CALL_WORDS;
      words[at + CALL.tasks] = tables.tasks;
      words[at + CALL.packs] = packs.address;
      words[at + CALL.packCount] = packs.count;
      words[at + CALL.items] = items.address;
      words[at + CALL.count] = items.count;
      words[at + CALL.control] = control;
      words[at + CALL.scratch] = address;
      words[at + CALL.thread] = thread;
    }
    this.#work = work;
    this.#words = words;
    this.#control = new Int32Array(words.buffer, bytesBefore, CONTROL.perThread + threads);
  }

  /** Items done so far. */
  get done(): number {
    return Atomics.load(this.#control, CONTROL.done);
  }

  /** Threads that have done any. */
  get threads(): number {
    return this.#control.subarray(CONTROL.perThread).reduce((n, items) => n + +(items > 0), 0);
  }

  /** Tells all calls to end soon. */
  abort(): void {
    Atomics.store(this.#control, CONTROL.abort, 1);
  }

  /** Runs one call, on this thread. */
  here(): void {
    this.#work.library.symbols.here(Deno.UnsafePointer.of(this.#words));
  }

  /** Runs one call per thread; ends when all of them have. */
  async apart(): Promise<void> {
    const { library, tables, scratch } = this.#work;
    const start = Deno.UnsafePointer.of(this.#words);
    if (start === null) return;
    const memory = [this.#words, tables.held, scratch];
    held.add(memory);
    try {
      const bytes = CALL_WORDS * this.#words.BYTES_PER_ELEMENT;
      await Promise.all(
        scratch.map((_, thread) =>
          library.symbols.apart(Deno.UnsafePointer.offset(start, thread * bytes))
        ),
      );
    } finally {
      held.delete(memory);
    }
  }
}
