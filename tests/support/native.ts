// A C compiler for tests of the native engine; without one they say that they are left out.

import { PairfoldError } from "../../src/error.ts";
import { native, type NativeOptions } from "../../src/engine/mod.ts";

/** A folder that all tests of a run share, so that kernels are compiled once. */
let shared: string | null = null;

/** An engine whose kernels are kept apart from the user's. */
export function testEngine(options: NativeOptions = {}): ReturnType<typeof native> {
  if (shared === null) {
    shared = Deno.makeTempDirSync({ prefix: "pairfold-test" });
    const folder = shared;
    globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  }
  return native({ cache: shared, ...options });
}

/** Why native kernels cannot be tested; null where they can. */
export const withoutCompiler: string | null = (() => {
  try {
    native();
    return null;
  } catch (error) {
    if (error instanceof PairfoldError && error.code === "device") return error.message;
    throw error;
  }
})();
