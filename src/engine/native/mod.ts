// The native engine: kernels as C, compiled for this machine.

import { PairfoldError } from "../../error.ts";
import { NativeEngine } from "./engine.ts";

export { NativeEngine, type NativeOptions } from "./engine.ts";

/** What came of looking for a compiler that nobody asked for by name. */
export type NativeSearch =
  | { readonly engine: NativeEngine }
  | { readonly engine: null; readonly reason: string };

/** Milliseconds that a compiler may take which nobody asked for by name. */
const PATIENCE = 15_000;

/** Looks for a compiler, without asking for permissions. */
export function findNative(): NativeSearch {
  try {
    return { engine: new NativeEngine({ timeout: PATIENCE }) };
  } catch (error) {
    if (!(error instanceof PairfoldError)) throw error;
    return { engine: null, reason: error.message.replace(/^PairfoldError\[\w+\]: /, "") };
  }
}
