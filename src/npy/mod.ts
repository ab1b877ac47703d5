/**
 * NumPy's files: tensors as .npy, several by name as .npz.
 *
 * ```ts
 * import { tensor } from "pairfold";
 * import { decodeNpz, encodeNpz } from "pairfold/npy";
 * const bytes = await encodeNpz({ x: tensor([1, 2]), y: tensor([[3]]) });
 * const { x, y } = decodeNpz(bytes);
 * console.log(await x.array(), await y.array()); // [ 1, 2 ] [ [ 3 ] ]
 * ```
 *
 * @module
 */
import "../program/mod.ts"; // the methods of the tensors that are read

export { decodeNpy, encodeNpy } from "./npy.ts";
export { decodeNpz, encodeNpz, type NpzOptions } from "./npz.ts";
export { loadNpy, loadNpz, saveNpy, saveNpz } from "./files.ts";
