// Real files for the tests. Enters: a file's name. Leaves: its path, in $PAIRFOLD_DATA or else in
// ../shared/data beside the repository, or the reason why a test must skip.

import { fromFileUrl, join } from "@std/path";

const repository = fromFileUrl(new URL("../../", import.meta.url));

/** The folder of real point clouds. */
export const dataFolder: string = Deno.env.get("PAIRFOLD_DATA") ??
  join(repository, "..", "shared", "data");

/** Path of a real file. */
export const dataPath = (name: string): string => join(dataFolder, name);

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A test that reads real files; where one is absent it is ignored, and its name says why. */
export function testWithData(
  name: string,
  files: readonly string[],
  run: (...paths: string[]) => Promise<void>,
): void {
  const absent = files.filter((file) => !exists(dataPath(file)));
  const reason = ` (skipped: no ${absent.join(", ")} in PAIRFOLD_DATA or ../shared/data)`;
  Deno.test({
    name: absent.length === 0 ? name : name + reason,
    ignore: absent.length > 0,
    fn: () => run(...files.map(dataPath)),
  });
}
