// The .npy format, versions 1 to 3 (NumPy enhancement proposal 1): a line of Python that says type,
// order and shape, then the numbers. Enters: tensors, or bytes. Leaves: bytes, or tensors.

import { PairfoldError } from "../error.ts";
import { type DType, type Tensor, tensor } from "../tensor/mod.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
/** Numbers begin at a multiple of this. */
const ALIGNMENT = 64;

const DESCRIPTIONS: Readonly<Record<DType, string>> = {
  float32: "<f4",
  float64: "<f8",
  int32: "<i4",
};

/** How a type of NumPy is read, and what it becomes. */
interface Reading {
  readonly bytes: number;
  readonly dtype: DType;
  readonly read: (view: DataView, at: number, isLittle: boolean) => number;
}

const READINGS: Readonly<Record<string, Reading>> = {
  f4: { bytes: 4, dtype: "float32", read: (v, at, little) => v.getFloat32(at, little) },
  f8: { bytes: 8, dtype: "float64", read: (v, at, little) => v.getFloat64(at, little) },
  b1: { bytes: 1, dtype: "int32", read: (v, at) => v.getUint8(at) },
  i1: { bytes: 1, dtype: "int32", read: (v, at) => v.getInt8(at) },
  u1: { bytes: 1, dtype: "int32", read: (v, at) => v.getUint8(at) },
  i2: { bytes: 2, dtype: "int32", read: (v, at, little) => v.getInt16(at, little) },
  u2: { bytes: 2, dtype: "int32", read: (v, at, little) => v.getUint16(at, little) },
  i4: { bytes: 4, dtype: "int32", read: (v, at, little) => v.getInt32(at, little) },
  u4: { bytes: 4, dtype: "int32", read: (v, at, little) => v.getUint32(at, little) },
  i8: { bytes: 8, dtype: "int32", read: (v, at, little) => Number(v.getBigInt64(at, little)) },
  u8: { bytes: 8, dtype: "int32", read: (v, at, little) => Number(v.getBigUint64(at, little)) },
};

function bad(name: string, message: string): never {
  throw new PairfoldError("io", `${name}: ${message}`);
}

/**
 * A tensor as the bytes of a .npy file, version 1.0, little-endian, C order.
 *
 * ```ts
 * import { tensor } from "pairfold";
 * import { decodeNpy, encodeNpy } from "pairfold/npy";
 * const bytes = await encodeNpy(tensor([[1, 2], [3, 4]]));
 * console.log(await decodeNpy(bytes).array()); // [ [ 1, 2 ], [ 3, 4 ] ]
 * ```
 */
export async function encodeNpy(t: Tensor): Promise<Uint8Array<ArrayBuffer>> {
  const { shape, dtype } = t;
  const data = await t.resolve();
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${DESCRIPTIONS[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const fixed = MAGIC.length + 4;
  const length = Math.ceil((fixed + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const width = dtype === "float64" ? 8 : 4;
  const bytes = new Uint8Array(length + data.length * width);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  bytes.set([1, 0], MAGIC.length);
  view.setUint16(MAGIC.length + 2, length - fixed, true);
  bytes.set(new TextEncoder().encode(`${text.padEnd(length - fixed - 1)}\n`), fixed);
  data.forEach((x, k) => {
    const at = length + k * width;
    if (dtype === "float64") view.setFloat64(at, x, true);
    else if (dtype === "float32") view.setFloat32(at, x, true);
    else view.setInt32(at, x, true);
  });
  return bytes;
}

interface Header {
  readonly reading: Reading;
  readonly isLittle: boolean;
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  /** Where the numbers begin. */
  readonly start: number;
}

function headerOf(bytes: Uint8Array, name: string): Header {
  if (bytes.length < 10 || MAGIC.some((byte, k) => bytes[k] !== byte)) {
    bad(name, "got no .npy file; expected bytes that begin with \\x93NUMPY");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6];
  if (version < 1 || version > 3) bad(name, `got .npy version ${version}; expected 1, 2 or 3`);
  if (version > 1 && bytes.length < 12) bad(name, "got a file that ends in its header");
  const fixed = version === 1 ? 10 : 12;
  const start = fixed + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (start > bytes.length) bad(name, "got a file that ends in its header");
  const text = new TextDecoder().decode(bytes.subarray(fixed, start));
  const type = /'descr':\s*'([<>|=])([a-z]\d+)'/.exec(text);
  const order = /'fortran_order':\s*(True|False)/.exec(text);
  const shape = /'shape':\s*\(([\d,\sL]*)\)/.exec(text);
  if (type === null || order === null || shape === null) {
    return bad(name, `got the header ${text.trim()}; expected a plain type, an order and a shape`);
  }
  const reading = READINGS[type[2]];
  if (reading === undefined) {
    const known = Object.keys(READINGS).join(", ");
    return bad(name, `got numbers of type ${type[2]}; expected one of ${known}`);
  }
  return {
    reading,
    isLittle: type[1] !== ">",
    isFortran: order[1] === "True",
    shape: shape[1].split(",").map((n) => n.replace("L", "").trim()).filter((n) => n !== "")
      .map(Number),
    start,
  };
}

/**
 * The tensor in the bytes of a .npy file. float32 and float64 stay what they are; integers and
 * truth values become int32. Fortran order and big-endian numbers are read too.
 *
 * Throws `PairfoldError` (io) for what is no such file, ends too early, or holds other types or
 * integers beyond 32 bits; the message begins with `name`.
 */
export function decodeNpy(bytes: Uint8Array, name = "decodeNpy"): Tensor {
  const { reading, isLittle, isFortran, shape, start } = headerOf(bytes, name);
  const size = shape.reduce((product, n) => product * n, 1);
  const wanted = size * reading.bytes;
  if (bytes.length - start < wanted) {
    bad(name, `got ${bytes.length - start} bytes of numbers; expected ${wanted}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, wanted);
  const Numbers = { float32: Float32Array, float64: Float64Array, int32: Int32Array };
  const data = new Numbers[reading.dtype](size);
  for (let k = 0; k < size; k++) {
    const x = reading.read(view, k * reading.bytes, isLittle);
    data[k] = x;
    if (reading.dtype === "int32" && data[k] !== x) bad(name, `got ${x}; expected 32-bit integers`);
  }
  const options = { copy: false };
  if (!isFortran) return tensor(data, shape, options);
  return tensor(data, shape.toReversed(), options).transpose();
}
