// Tests of what is kept on disk for one version of the source, which its stamp tells apart.

import { assert } from "@std/assert";
import { ownStamp, SHARED_FOLDERS } from "../../src/engine/notes/sources.ts";
import { testUnless } from "../cuda/support/tools.ts";

/**
 * Why nothing is kept for the source that runs: files that were just written tell nothing of it.
 */
export function unstamped(folders: readonly string[]): string | null {
  return ownStamp(folders) === null ? "the source was just changed, or cannot be told apart" : null;
}

/** A test of what is kept, unless there is a reason against it. */
export function stampedTest(
  reason: string | null,
  folders: readonly string[],
  name: string,
  body: () => Promise<void>,
): void {
  testUnless(reason, name, async () => {
    try {
      await body();
    } catch (cause) {
      if (ownStamp(folders) !== null) throw cause;
      // this may be all that is wrong, or not: only another run tells
      throw new Error("the source was changed meanwhile, so that nothing is kept", { cause });
    }
  });
}

/** Checks that all files which some folders' modules are made of stand in folders with a stamp. */
export async function checkStamped(
  entries: readonly string[],
  folders: readonly string[],
): Promise<void> {
  const source = new URL("../../src/", import.meta.url);
  const stamped = new Set([...SHARED_FOLDERS, ...folders]);
  const seen = new Set<string>();
  const look = async (file: URL): Promise<void> => {
    const path = file.href.slice(source.href.length);
    if (seen.has(path)) return;
    seen.add(path);
    if (path !== "error.ts") assert(stamped.has(path.replace(/\/[^/]*$/, "")), path);
    for (const [, from] of (await Deno.readTextFile(file)).matchAll(/ from "(\.[^"]*)"/g)) {
      await look(new URL(from, file));
    }
  };
  for (const entry of entries) await look(new URL(`${entry}/mod.ts`, source));
  assert(seen.size > 50);
}
