// The .npz format: a zip file of .npy files. Enters: tensors by name, or bytes. Leaves: bytes, or
// tensors by name.

import { unzipSync, zipSync } from "npm:fflate@0.8.3";
import { PairfoldError } from "../error.ts";
import type { Tensor } from "../tensor/mod.ts";
import { decodeNpy, encodeNpy } from "./npy.ts";

/** Choices of writing. */
export interface NpzOptions {
  /** Whether numbers are compressed, as by `numpy.savez_compressed`; default false. */
  readonly compressed?: boolean;
}

const SUFFIX = ".npy";
/** Earliest date that zip files can say, so that equal tensors give equal bytes. */
const DATE = new Date(1980, 0, 1);

/** Tensors by name as the bytes of a .npz file, as `numpy.savez` writes it. */
export async function encodeNpz(
  tensors: Readonly<Record<string, Tensor>>,
  { compressed = false }: NpzOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const files: Record<string, Uint8Array> = {};
  for (const [name, t] of Object.entries(tensors)) files[`${name}${SUFFIX}`] = await encodeNpy(t);
  return zipSync(files, { level: compressed ? 6 : 0, mtime: DATE });
}

/**
 * The tensors in the bytes of a .npz file, by name.
 *
 * Throws `PairfoldError` (io) for what is no such file; as `decodeNpy` for its parts.
 */
export function decodeNpz(bytes: Uint8Array, name = "decodeNpz"): Record<string, Tensor> {
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PairfoldError("io", `${name}: got no zip file (${reason}); expected .npz`, {
      cause: error,
    });
  }
  return Object.fromEntries(
    Object.entries(files).filter(([path]) => path.endsWith(SUFFIX)).map(([path, part]) => [
      path.slice(0, -SUFFIX.length),
      decodeNpy(part, `${name}, ${path}`),
    ]),
  );
}
