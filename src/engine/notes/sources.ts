// Which version of Pairfold this is, as what it keeps on disk has to know. Enters: the folders that
// count. Leaves: a text that is another one as soon as any file is that says what kernels are made
// of a formula; null where files cannot be told apart, so that nothing is kept.
//
// On disk, files are told apart by their times and lengths, so that who works on Pairfold meets
// nothing that an older version left. A registry's versions never change.

import { granted } from "../system.ts";

/** Folders of src/ that say what a formula's kernel and its schedule are, and these notes. */
export const SHARED_FOLDERS: readonly string[] = [
  ...["formula", "loop", "reduction", "lower", "lower/math", "tiling", "engine/notes"],
];

/** Where engines stand: before it is the root of a source on disk. */
const ENGINES = "/src/engine/";
/** Addresses whose files never change. */
const REGISTRIES = [/^https:\/\/jsr\.io\/@[^/]+\/[^/]+\/\d[^/]*\//];

/**
 * The stamp of some folders of a source, by the address of an engine's file in it; `since`: when it
 * was read.
 */
export function stampOf(
  address: string,
  since: number,
  folders: readonly string[],
): string | null {
  const [registry] = REGISTRIES.flatMap((versions) => versions.exec(address) ?? []);
  if (registry !== undefined) return registry;
  if (!address.startsWith("file:")) return null;
  const path = decodeURIComponent(new URL(address).pathname);
  const engines = path.lastIndexOf(ENGINES);
  const root = engines < 0 ? null : path.slice(0, engines); // null: one file, a bundle
  if (!granted({ name: "read", path: root ?? path })) return null;
  const entries: string[] = [];
  /** Whether a file is as it was when it was read: what was written later is not what runs. */
  const add = (file: string): boolean => {
    const { size, mtime, ctime } = Deno.statSync(file);
    const changed = mtime?.getTime() ?? Infinity;
    entries.push(`${size} ${changed.toString(36)}`);
    return Math.max(changed, ctime?.getTime() ?? 0) < since;
  };
  try {
    if (root === null) return add(path) ? `${path} ${entries}` : null;
    for (const folder of folders) {
      const place = `${root}/src/${folder}/`;
      for (const { name, isFile } of Deno.readDirSync(place)) {
        if (isFile && !add(place + name)) return null;
      }
    }
    return `${path} ${entries.sort()}`;
  } catch {
    return null;
  }
}

/** Milliseconds by which clocks of files and of processes may differ. */
const MARGIN = 1000;
/** Of Linux's clock of processes, per second. */
const TICKS = 100;

/**
 * When this process began, in milliseconds since 1970: no source was read before. Workers and test
 * files begin later, with modules that were read for others. Null where the system does not tell.
 */
function beginning(): number | null {
  if (Deno.build.os !== "linux" || !granted({ name: "read" })) return null;
  try {
    const [uptime] = Deno.readTextFileSync("/proc/uptime").split(" ");
    // behind the command's name, which may hold anything
    const fields = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /s, "").split(" ");
    const age = 1000 * (Number(uptime) - Number(fields[19]) / TICKS);
    // not so where a container has an uptime of its own
    return age >= performance.now() - MARGIN / 2 ? Date.now() - age : null;
  } catch {
    return null;
  }
}

/** The stamp of the source that runs, of these folders and the shared ones. */
export function ownStamp(folders: readonly string[]): string | null {
  const since = import.meta.url.startsWith("file:") ? beginning() : 0;
  if (since === null) return null;
  return stampOf(import.meta.url, since - MARGIN, [...SHARED_FOLDERS, ...folders]);
}
