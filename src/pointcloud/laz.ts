// LAZ decompression. Enters: a LAZ file's bytes with its header. Leaves: the point records as an
// uncompressed LAS file has them. The work is done by laz-perf (wasm), in a fresh instance per
// file: whatever garbled data does to it ends as a PairfoldError and is then thrown away.

import process from "node:process";
// @deno-types="./laz_perf.d.ts"
import lazPerf from "npm:laz-perf@0.0.7";
import { PairfoldError } from "../error.ts";
import { allocate, badFile } from "./cloud.ts";
import type { LasHeader } from "./las_header.ts";

/** Compressed items that the decompressor knows: number in the file, and bytes if fixed. */
const knownItems: ReadonlyMap<number, number | undefined> = new Map([
  [0, undefined], // extra bytes
  [6, 20],
  [7, 8],
  [8, 6],
  [10, 30],
  [11, 6],
  [12, 8],
  [14, undefined], // extra bytes of point formats 6 to 8
]);

const knownFormats = [0, 1, 2, 3, 6, 7, 8];
const variableChunks = 0xffffffff;
/** No point costs less: the coder's cheapest symbol takes 2^-13 bits, a point several of them. */
const mostPointsPerByte = 65536;

/** The point records, count × recordLength bytes. */
export async function decompressLaz(
  bytes: Uint8Array,
  header: LasHeader,
  name: string,
): Promise<Uint8Array> {
  if (!knownFormats.includes(header.pointFormat)) {
    throw badFile(
      name,
      `got compressed point format ${header.pointFormat} (waveforms); ` +
        `expected one of ${knownFormats.join(", ")}, or an uncompressed LAS file`,
    );
  }
  checkChunks(bytes, header, checkItems(header, name), name);
  const module = await instantiate(name);
  const pointer = module._malloc(bytes.length);
  if (pointer === 0) {
    throw new PairfoldError("memory", `readPointCloud: ${name}: no memory for decompression`);
  }
  module.HEAPU8.set(bytes, pointer);
  return decompress(module, pointer, bytes.length, header, name);
}

/** Checks the record that describes the compression; returns the points per chunk. */
function checkItems(header: LasHeader, name: string): number {
  const record = header.records.find((r) => r.user === "laszip encoded" && r.id === 22204);
  if (record === undefined) throw badFile(name, 'LAZ file without its record "laszip encoded"');
  const { data, start } = record;
  const where = `${name}: byte ${start}`;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < 34 || data.length < 34 + 6 * view.getUint16(32, true)) {
    throw badFile(where, `got a compression record of ${data.length} bytes; expected its items`);
  }
  const compressor = view.getUint16(0, true);
  if (compressor !== 2 && compressor !== 3) {
    throw badFile(where, `got compressor ${compressor}; expected 2 (by chunks) or 3 (by layers)`);
  }
  let length = 0;
  for (let k = 0; k < view.getUint16(32, true); k++) {
    const type = view.getUint16(34 + 6 * k, true);
    const size = view.getUint16(36 + 6 * k, true);
    length += size;
    if (!knownItems.has(type) || (knownItems.get(type) ?? size) !== size) {
      throw badFile(where, `got compressed item type ${type} of ${size} bytes; not known`);
    }
  }
  if (length !== header.recordLength) {
    throw badFile(
      where,
      `compressed items have ${length} bytes; the header says ${header.recordLength} per point`,
    );
  }
  return view.getUint32(12, true);
}

/** Holds the number of points against the number of chunks, and both against the file's size. */
function checkChunks(bytes: Uint8Array, header: LasHeader, chunkSize: number, name: string): void {
  const { count, pointStart, recordLength } = header;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const where = `${name}: byte ${pointStart}`;
  const left = bytes.length - pointStart;
  if (left < 16) throw badFile(where, `got ${left} bytes of compressed points; expected more`);
  let table = view.getBigInt64(pointStart, true);
  if (table === -1n) table = view.getBigInt64(bytes.length - 8, true);
  if (table < pointStart + 8 || table > bytes.length - 8) {
    throw badFile(
      where,
      `got a chunk table at byte ${table}; the file has ${bytes.length} bytes (is it cut short?)`,
    );
  }
  const chunks = view.getUint32(Number(table) + 4, true);
  const expected = chunkSize === variableChunks ? chunks : Math.ceil(count / chunkSize);
  if (chunks !== expected) {
    throw badFile(
      `${name}: byte ${table}`,
      `got ${chunks} chunks; ${count} points in chunks of ${chunkSize} need ${expected}`,
    );
  }
  if (chunks * recordLength > left || count > left * mostPointsPerByte) {
    throw badFile(where, `header says ${count} points in ${chunks} chunks; got ${left} bytes`);
  }
}

/** What this file uses of the wasm module. */
type LazPerf = Awaited<ReturnType<typeof lazPerf.createLazPerf>>;

/**
 * A fresh instance. The module's loader sets process-wide handlers for uncaught errors that rethrow
 * them; a library must not, so they are taken away again.
 */
async function instantiate(name: string): Promise<LazPerf> {
  const exceptions = process.listeners("uncaughtException");
  const rejections = process.listeners("unhandledRejection");
  try {
    const loading = lazPerf.createLazPerf({ print: () => {}, printErr: () => {} });
    for (const listener of process.listeners("uncaughtException")) {
      if (!exceptions.includes(listener)) process.off("uncaughtException", listener);
    }
    for (const listener of process.listeners("unhandledRejection")) {
      if (!rejections.includes(listener)) process.off("unhandledRejection", listener);
    }
    return await loading;
  } catch (error) {
    throw badFile(name, `the LAZ decompressor did not load: ${String(error)}`, { cause: error });
  }
}

function decompress(
  module: LazPerf,
  pointer: number,
  length: number,
  header: LasHeader,
  name: string,
): Uint8Array {
  const { count, recordLength } = header;
  const total = count * recordLength;
  let points = new Uint8Array(Math.min(total, 1 << 22));
  let done = 0;
  try {
    const reader = new module.LASZip();
    reader.open(pointer, length);
    const record = module._malloc(recordLength);
    for (; done < count; done++) {
      reader.getPoint(record);
      const start = done * recordLength;
      if (start + recordLength > points.length) {
        const grown = allocate("points", () => new Uint8Array(Math.min(total, 2 * points.length)));
        grown.set(points);
        points = grown;
      }
      // The heap's array is replaced when the heap grows.
      points.set(module.HEAPU8.subarray(record, record + recordLength), start);
    }
    reader.delete();
  } catch (error) {
    if (error instanceof PairfoldError) throw error;
    // The module throws strings, numbers and WebAssembly.RuntimeError; none says what is wrong.
    throw badFile(
      name,
      `compressed points are garbled or cut short: decompression failed after ${done} of ${count}`,
      { cause: error },
    );
  }
  return points;
}
