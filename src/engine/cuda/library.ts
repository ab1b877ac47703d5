// Which file is the shim, and opening it. Enters: options, the environment, the place that this
// module was imported from. Leaves: the opened library, or one PairfoldError that says what was
// looked for.
//
// Permissions are asked about, never asked for: what would prompt counts as denied.

import { PairfoldError } from "../../error.ts";
import { fetchPrebuilt, isIntact } from "./fetch.ts";
import { cachedPath, isFile, mayOpen, readVariable } from "./host.ts";
import { PREBUILT, type PrebuiltLibrary } from "./prebuilt.ts";
import { ABI_VERSION, SYMBOLS } from "./symbols.ts";

/** Where to find the shim. */
export interface LibraryOptions {
  /** Path of the library; goes before PAIRFOLD_CUDA_LIBRARY. */
  readonly library?: string;
  /** Folder for what is fetched or compiled; goes before PAIRFOLD_CACHE. */
  readonly cache?: string;
  /** Folder of the prebuilt libraries, as a URL that ends with a slash. */
  readonly prebuilt?: URL;
}

/** What the search came to: a file of this host, or one to be fetched, unless it was before. */
export type LibraryPlace =
  | { readonly path: string }
  | { readonly url: URL; readonly to: string; readonly entry: PrebuiltLibrary };

/** The shim, opened, and its file. */
export interface OpenedLibrary {
  readonly library: Deno.DynamicLibrary<typeof SYMBOLS>;
  readonly path: string;
}

const deviceError = (text: string, cause?: unknown): PairfoldError =>
  new PairfoldError("device", `cuda: ${text}`, { cause });

/** The platform's name as the folders of cuda/prebuilt/ have it. */
const platform = (): string => `${Deno.build.os}-${Deno.build.arch}`;

/** The file of the shim, or from where to fetch it. Throws where there is neither. */
export function findLibrary(options: LibraryOptions = {}): LibraryPlace {
  if (typeof Deno === "undefined") {
    throw deviceError("the device needs Deno, which opens the shim by Deno.dlopen");
  }
  const asked = options.library ?? readVariable("PAIRFOLD_CUDA_LIBRARY");
  // a path that was asked for is never replaced by another
  if (asked) return { path: asked };
  const entry = PREBUILT[platform()];
  if (!entry) {
    throw deviceError(
      `no prebuilt library for ${platform()} (there are ${Object.keys(PREBUILT).join(", ")}); ` +
        `build cuda/ and name the file by PAIRFOLD_CUDA_LIBRARY`,
    );
  }
  const folder = options.prebuilt ?? new URL("../../../cuda/prebuilt/", import.meta.url);
  const url = new URL(entry.file, folder);
  if (url.protocol === "file:") {
    const path = filePath(url);
    if (isFile(path)) return { path };
    throw deviceError(`no library at ${path}; PAIRFOLD_CUDA_LIBRARY names another`);
  }
  const to = cachedPath(options.cache, entry);
  if (to === null) {
    throw deviceError(
      `no cache folder to keep the library in (PAIRFOLD_CACHE names one); it is at ${url.href}`,
    );
  }
  return { url, to, entry };
}

/** Whether the shim has to be fetched before it can be opened. */
export function mustFetch(options: LibraryOptions = {}): boolean {
  const place = findLibrary(options);
  return !("path" in place) && !isFile(place.to, place.entry.bytes);
}

/** Finds the shim, fetches it where that is needed, and opens it. */
export async function openLibrary(options: LibraryOptions = {}): Promise<OpenedLibrary> {
  const place = findLibrary(options);
  if ("path" in place) return openFile(place.path);
  // reading 100 kB costs nothing beside a file that was damaged meanwhile
  if (!await isIntact(place.to, place.entry)) {
    await fetchPrebuilt(place.url, place.to, place.entry);
  }
  return openFile(place.to);
}

/** Finds the shim and opens it; an error where it has to be fetched first. */
export function openLibrarySync(options: LibraryOptions = {}): OpenedLibrary {
  const place = findLibrary(options);
  if ("path" in place) return openFile(place.path);
  if (isFile(place.to, place.entry.bytes)) return openFile(place.to);
  throw deviceError(`the library is not fetched yet from ${place.url.href}`);
}

/** Opens a file that should be the shim. */
function openFile(path: string): OpenedLibrary {
  if (!mayOpen(path)) throw deviceError(`opening ${path} wants --allow-ffi`);
  const version = versionOf(path);
  if (version !== ABI_VERSION) {
    throw deviceError(`${path} has ABI version ${version}; expected ${ABI_VERSION}`);
  }
  try {
    return { library: Deno.dlopen(path, SYMBOLS), path };
  } catch (error) {
    throw deviceError(`${path} is no library of this Pairfold: ${messageOf(error)}`, error);
  }
}

/** The ABI version that a library says it has. */
function versionOf(path: string): number {
  let library;
  try {
    library = Deno.dlopen(path, { pf_abi_version: SYMBOLS.pf_abi_version });
  } catch (error) {
    throw deviceError(`${path} is no library of Pairfold: ${messageOf(error)}`, error);
  }
  try {
    return library.symbols.pf_abi_version();
  } finally {
    library.close();
  }
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : `${error}`;

/** A file URL as a path of this host. */
function filePath(url: URL): string {
  const path = decodeURIComponent(url.pathname);
  return Deno.build.os === "windows" ? path.slice(1).replaceAll("/", "\\") : path;
}
