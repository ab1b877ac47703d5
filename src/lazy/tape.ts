// Calls of formulas' functions, noted while `vjp` watches and at no other time.

import type { VariableNode } from "../formula/mod.ts";
import type { FoldRequest } from "../program/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** One call: the fold, its inputs by position, what it gave. */
export interface CallRecord {
  readonly request: FoldRequest;
  readonly variables: readonly VariableNode[];
  readonly tensors: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Those who watch now, the innermost last. */
const tapes: CallRecord[][] = [];

/** Notes a call for all who watch. */
export function record(call: CallRecord): void {
  for (const tape of tapes) tape.push(call);
}

/** Runs something and gives what it gave with the calls that it made, in order. */
export function watch<T>(run: () => T): { readonly result: T; readonly calls: CallRecord[] } {
  const calls: CallRecord[] = [];
  tapes.push(calls);
  try {
    return { result: run(), calls };
  } finally {
    tapes.pop();
  }
}
