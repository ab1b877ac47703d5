// Where a prebuilt shim that was fetched is kept, and what else its search asks of the system.

import { cacheFolder, pathOf } from "../system.ts";
import type { PrebuiltLibrary } from "./prebuilt.ts";

export { cacheFolder, isFile, mayOpen, readVariable } from "../system.ts";

/** Where a library that was fetched is kept: its hash is part of the name. */
export function cachedPath(option: string | undefined, entry: PrebuiltLibrary): string | null {
  const folder = cacheFolder(option);
  if (folder === null) return null;
  const file = entry.file.slice(entry.file.lastIndexOf("/") + 1);
  return pathOf(folder, `${entry.sha256.slice(0, 16)}-${file}`);
}
