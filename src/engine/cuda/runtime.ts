// The shim with driver and NVRTC open, once per process and choice of libraries. Leaves: the
// runtime, or one PairfoldError that lists what was looked for.

import { cacheFolder } from "./host.ts";
import type { GraphMode } from "./commands.ts";
import type { LibraryOptions } from "./library.ts";
import { Shim } from "./shim.ts";

/** Which libraries a CUDA engine uses; all are looked for where nothing is said. */
export interface RuntimeOptions extends LibraryOptions {
  /** Path of the CUDA driver; goes before PAIRFOLD_CUDA_DRIVER. */
  readonly driver?: string;
  /** Path of NVRTC; goes before PAIRFOLD_NVRTC. */
  readonly nvrtc?: string;
  /**
   * Which lists of copies and launches that come again become graphs of the driver: "auto" for
   * those that are faster so, by the clock, "never", or "always"; default PAIRFOLD_CUDA_GRAPHS,
   * else "auto". Results are the same bits.
   */
  readonly graphs?: GraphMode;
}

/** The libraries, open. */
export interface Runtime {
  readonly shim: Shim;
  /** Folder of compiled binaries; empty where none may be kept. */
  readonly cache: string;
}

const opened = new Map<string, Runtime>();
const opening = new Map<string, Promise<Runtime>>();

const keyOf = ({ library, cache, prebuilt, driver, nvrtc }: RuntimeOptions): string =>
  JSON.stringify([library, cache, prebuilt?.href, driver, nvrtc]);

/** Opens driver and NVRTC. */
function runtimeOf(shim: Shim, options: RuntimeOptions): Runtime {
  shim.openDriver(options.driver);
  shim.openNvrtc(options.nvrtc);
  const runtime = { shim, cache: cacheFolder(options.cache) ?? "" };
  opened.set(keyOf(options), runtime);
  return runtime;
}

/** Opens the runtime, or finds it open; an error where the shim would have to be fetched first. */
export function openRuntimeNow(options: RuntimeOptions): Runtime {
  return opened.get(keyOf(options)) ?? runtimeOf(Shim.openSync(options), options);
}

/** Opens the runtime, fetching the shim where Pairfold was imported from a URL. */
export function openRuntime(options: RuntimeOptions): Promise<Runtime> {
  const key = keyOf(options);
  const there = opened.get(key);
  if (there !== undefined) return Promise.resolve(there);
  let promise = opening.get(key);
  if (promise === undefined) {
    promise = Shim.open(options).then((shim) => opened.get(key) ?? runtimeOf(shim, options));
    opening.set(key, promise);
    promise.catch(() => {}).finally(() => opening.delete(key));
  }
  return promise;
}
