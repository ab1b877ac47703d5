// What the shim's search asks of the host: permissions, variables, files, the cache folder. Nothing
// here prompts or throws; what may not be known is taken for absent.

import type { PrebuiltLibrary } from "./prebuilt.ts";

function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

/** Whether a library may be opened. */
export function mayOpen(path: string): boolean {
  return granted({ name: "ffi", path });
}

/** A variable of the environment; undefined where it is unset, empty or may not be read. */
export function readVariable(variable: string): string | undefined {
  if (!granted({ name: "env", variable })) return undefined;
  return Deno.env.get(variable) || undefined;
}

/**
 * Whether a file is there, and, where given, as long as it should be. Where reading is not granted
 * the answer is yes: opening it will tell.
 */
export function isFile(path: string, bytes?: number): boolean {
  if (!granted({ name: "read", path })) return bytes === undefined;
  try {
    const info = Deno.statSync(path);
    return info.isFile && (bytes === undefined || info.size === bytes);
  } catch {
    return false;
  }
}

/** The folder for what is fetched or compiled; null where none can be known. */
export function cacheFolder(option?: string): string | null {
  const asked = option ?? readVariable("PAIRFOLD_CACHE");
  if (asked) return asked;
  if (Deno.build.os === "windows") {
    const base = readVariable("LOCALAPPDATA");
    return base ? `${base}\\pairfold` : null;
  }
  const home = readVariable("HOME");
  if (Deno.build.os === "darwin") return home ? `${home}/Library/Caches/pairfold` : null;
  const base = readVariable("XDG_CACHE_HOME") ?? (home ? `${home}/.cache` : undefined);
  return base ? `${base}/pairfold` : null;
}

/** Where a library that was fetched is kept: its hash is part of the name. */
export function cachedPath(option: string | undefined, entry: PrebuiltLibrary): string | null {
  const folder = cacheFolder(option);
  if (folder === null) return null;
  const separator = Deno.build.os === "windows" ? "\\" : "/";
  const file = entry.file.slice(entry.file.lastIndexOf("/") + 1);
  return [folder, `${entry.sha256.slice(0, 16)}-${file}`].join(separator);
}
