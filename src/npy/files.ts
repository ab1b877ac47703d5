// NumPy's files on disks.

import { PairfoldError } from "../error.ts";
import type { Tensor } from "../tensor/mod.ts";
import { decodeNpy, encodeNpy } from "./npy.ts";
import { decodeNpz, encodeNpz, type NpzOptions } from "./npz.ts";

async function guarded<T>(path: string | URL, what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof PairfoldError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new PairfoldError("io", `${path}: could not be ${what}: ${reason}`, { cause: error });
  }
}

/** Writes a tensor to a .npy file. Rejects with `PairfoldError` (io). */
export async function saveNpy(path: string | URL, t: Tensor): Promise<void> {
  const bytes = await encodeNpy(t);
  await guarded(path, "written", () => Deno.writeFile(path, bytes));
}

/** Reads a tensor from a .npy file. Rejects with `PairfoldError` (io). */
export async function loadNpy(path: string | URL): Promise<Tensor> {
  return decodeNpy(await guarded(path, "read", () => Deno.readFile(path)), String(path));
}

/** Writes tensors by name to a .npz file. Rejects with `PairfoldError` (io). */
export async function saveNpz(
  path: string | URL,
  tensors: Readonly<Record<string, Tensor>>,
  options: NpzOptions = {},
): Promise<void> {
  const bytes = await encodeNpz(tensors, options);
  await guarded(path, "written", () => Deno.writeFile(path, bytes));
}

/** Reads the tensors of a .npz file, by name. Rejects with `PairfoldError` (io). */
export async function loadNpz(path: string | URL): Promise<Record<string, Tensor>> {
  return decodeNpz(await guarded(path, "read", () => Deno.readFile(path)), String(path));
}
