// Where the picture goes. Enters: a path. Leaves: a file, or a PairfoldError before the work.

import { parse } from "node:path";
import { PairfoldError } from "../../mod.ts";

/** The picture's path where none is given: in the current folder, after the file. */
export function pictureName(file: string | undefined): string {
  if (file === undefined) return "synthetic-scan-density.png";
  const { name } = parse(file.replace(/^\w+:\/\/|[?#].*$/g, ""));
  return `${name || "cloud"}-density.png`;
}

function refused(path: string, error: unknown): PairfoldError {
  const reason = error instanceof Error ? error.message : String(error);
  return new PairfoldError("io", `--out: ${path} cannot be written: ${reason}`, { cause: error });
}

/** Refuses a path that cannot be written, or that is the cloud itself; leaves no file behind. */
export async function checkWritable(path: string, file: string | undefined): Promise<void> {
  if (file !== undefined && await isSameFile(path, file)) {
    throw new PairfoldError("io", `--out: ${path} is the cloud itself; expected another file`);
  }
  try {
    const isNew = await touch(path);
    if (isNew) await Deno.remove(path);
  } catch (error) {
    throw refused(path, error);
  }
}

/** Opens a file for writing as it is; true if there was none. */
async function touch(path: string): Promise<boolean> {
  try {
    (await Deno.open(path, { write: true, createNew: true })).close();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    (await Deno.open(path, { write: true })).close();
    return false;
  }
}

async function isSameFile(path: string, file: string): Promise<boolean> {
  try {
    return await Deno.realPath(path) === await Deno.realPath(file);
  } catch {
    return false; // one of them is not there, or no path
  }
}

/** Writes the picture. */
export async function writePicture(path: string, png: Uint8Array): Promise<void> {
  try {
    await Deno.writeFile(path, png);
  } catch (error) {
    throw refused(path, error);
  }
}
