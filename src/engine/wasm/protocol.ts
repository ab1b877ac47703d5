// What the main thread and the workers say to each other, and the shared control block.

/** 32-bit words of the control block at the start of linear memory. */
export const CONTROL = {
  /** Next item to claim, items done, and whether to stop. */
  next: 0,
  done: 1,
  abort: 2,
  /** Items done by each worker. */
  perWorker: 16,
} as const;

/** Bytes kept for the control block. */
export const CONTROL_BYTES = 4096;
/** Workers that the control block has room for. */
export const MAX_WORKERS = CONTROL_BYTES / 4 - CONTROL.perWorker;

/** 32-bit words of one work item: which function, then its parameters less the scratch address. */
export const ITEM_WORDS = 10;
export const ITEM_FOLD = 0;
export const ITEM_COMBINE = 1;
/** Parameters that an item holds for each function. */
export const ITEM_PARAMETERS = [8, 6] as const;

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
  readonly combine: KernelFunction;
  readonly pack: KernelFunction;
}

/** Instantiates a kernel over a memory. */
export function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): KernelExports {
  const instance = new WebAssembly.Instance(module, { pairfold: { memory } });
  return instance.exports as unknown as KernelExports;
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
  const isFold = words[at] === ITEM_FOLD;
  const p = words.subarray(at + 1, at + 1 + ITEM_PARAMETERS[words[at] as 0 | 1]);
  (isFold ? kernel.fold : kernel.combine)(...p, scratch);
}
