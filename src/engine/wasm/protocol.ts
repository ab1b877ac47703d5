// What the main thread and the workers say to each other, and the shared control block.

import { CONSTANTS_ADDRESS } from "../../emit/wasm/addresses.ts";

/** 32-bit words of the control block at the start of linear memory. */
export const CONTROL = {
  /** Next item to claim, items done, and whether to stop. */
  next: 0,
  done: 1,
  abort: 2,
  /** Items done by each worker. */
  perWorker: 16,
} as const;

/** Workers that the control block has room for: it ends where the constants begin. */
export const MAX_WORKERS = CONSTANTS_ADDRESS / 4 - CONTROL.perWorker;

/** 32-bit words of one work item: the parameters of `fold` less the scratch address. */
export const ITEM_WORDS = 8;

/** Runs all items, together with the other workers. */
export interface RunMessage {
  readonly kind: "run";
  readonly program: number;
  /** Sent with a program's first run in a memory. */
  readonly setup:
    | { readonly module: WebAssembly.Module; readonly memory: WebAssembly.Memory }
    | null;
  readonly worker: number;
  readonly items: number;
  readonly count: number;
  readonly scratch: number;
}

/** Forgets programs: one, or all with the memory (null). */
export interface ForgetMessage {
  readonly kind: "forget";
  readonly program: number | null;
}

export type ToWorker = RunMessage | ForgetMessage;

/** A worker has run out of items, or has failed. */
export interface FromWorker {
  readonly error: string | null;
}

/** An exported function of a kernel. */
export type KernelFunction = (...parameters: number[]) => void;
export interface KernelExports {
  readonly fold: KernelFunction;
  readonly pack: KernelFunction;
}
export interface CombineExports {
  readonly combine: KernelFunction;
}

/**
 * A page that this thread has for itself: one for all programs, for hosts may have few memories.
 */
let own: WebAssembly.Memory | null = null;

/** Instantiates a module over a memory, and the thread's own where it asks for that. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): unknown {
  const memories: Record<string, WebAssembly.Memory> = { memory };
  if (WebAssembly.Module.imports(module).length > 1) {
    memories.own = own ??= new WebAssembly.Memory({ initial: 1, maximum: 1 });
  }
  return new WebAssembly.Instance(module, { pairfold: memories }).exports;
}

/** Runs one item of a list. `words` covers the whole memory. */
export function runItem(
  kernel: KernelExports,
  words: Int32Array,
  items: number,
  index: number,
  scratch: number,
): void {
  const at = (items >>> 2) + index * ITEM_WORDS;
  kernel.fold(
    words[at],
    words[at + 1],
    words[at + 2],
    words[at + 3],
    words[at + 4],
    words[at + 5],
    words[at + 6],
    words[at + 7],
    scratch,
  );
}
