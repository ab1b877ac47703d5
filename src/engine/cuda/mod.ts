// The CUDA engine: NVIDIA cards through a shim over the driver and NVRTC.

import { PairfoldError } from "../../error.ts";
import { CudaEngine, type CudaOptions } from "./engine.ts";
import { mustFetch } from "./library.ts";
import { statusOf } from "./report.ts";

export { CudaEngine, type CudaOptions } from "./engine.ts";

/**
 * An engine for a card, opened, unless the shim has to be fetched first: then it is opened by its
 * first fold. Throws `PairfoldError` (device) where there is no such card, with all that was tried.
 */
export function openCuda(options: CudaOptions = {}): CudaEngine {
  const engine = new CudaEngine(options);
  if (!mustFetch(options)) engine.openNow();
  return engine;
}

/** What came of looking for a card that nobody asked for by name. */
export type CudaSearch =
  | { readonly engine: CudaEngine }
  | {
    readonly engine: null;
    readonly reason: string;
    /** Whether there is a card all the same, so that its owner will want to know. */
    readonly isBroken: boolean;
  };

/** Looks for a card, without asking for permissions or fetching anything. */
export function findCuda(): CudaSearch {
  const none = (reason: string): CudaSearch => ({ engine: null, reason, isBroken: false });
  if (typeof Deno === "undefined") return none("cuda wants Deno");
  try {
    if (mustFetch()) {
      return none('the shim is not fetched yet: a fold with device: "cuda" does that');
    }
    const engine = new CudaEngine();
    engine.openNow();
    return { engine };
  } catch (error) {
    if (!(error instanceof PairfoldError)) throw error;
    const status = statusOf(error);
    const isBroken = status !== null && status !== "no-driver" && status !== "no-device";
    return { engine: null, reason: error.message.replace(/^PairfoldError\[\w+\]: /, ""), isBroken };
  }
}
