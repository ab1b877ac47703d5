// What streams, events and copies do, and what a forgotten wait shows.
//
// Enters: a session. Leaves: values as a caller would have seen them.

import { FILL, INCREMENT, SLOW } from "./kernels.ts";
import { cString, type Session } from "./session.ts";

const COUNT = 100;
const NON_BLOCKING = 1;

const stream = (s: Session, flags = NON_BLOCKING): bigint =>
  s.out((p) => s.driver.cuStreamCreate(p, flags), "cuStreamCreate");
const event = (s: Session): bigint => s.out((p) => s.driver.cuEventCreate(p, 0), "cuEventCreate");

/** Fills memory with a value on a stream; the memory. */
function fill(s: Session, value: number, on: bigint): bigint {
  const kernel = s.kernel(FILL, "fill"), out = s.alloc(4 * COUNT);
  const values = [out, { f32: value }, { i32: COUNT }];
  s.want(s.launch(kernel, { grid: 2, block: 64, stream: on }, values), "launch");
  return out;
}

const floats = (bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> =>
  new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);

/** A copy to the host before and after somebody waits. NaN is written as null. */
export function staleRead(s: Session): { before: number | null; after: number } {
  const data = floats(s.pinned(4 * COUNT));
  s.want(s.copyOut(data, fill(s, 5, 0n)), "copy");
  const before = data[0];
  s.want(s.synchronize(), "synchronize");
  return { before: Number.isNaN(before) ? null : before, after: data[0] };
}

/** Host memory that changes between a copy from it and the wait. */
export function stagingReused(s: Session): { pinned: number; pageable: number } {
  const pinned = floats(s.pinned(4 * COUNT)).fill(1);
  const pageable = new Float32Array(COUNT).fill(1);
  const fromPinned = s.alloc(4 * COUNT), fromPageable = s.alloc(4 * COUNT);
  s.want(s.copyIn(fromPinned, pinned), "copy");
  s.want(s.copyIn(fromPageable, pageable), "copy");
  pinned.fill(2);
  pageable.fill(2);
  return {
    pinned: s.download(fromPinned, COUNT)[0],
    pageable: s.download(fromPageable, COUNT)[0],
  };
}

/** One stream reads what another wrote, with and without an event between them. */
export function eventOrder(s: Session): { with: number; without: number | null } {
  const read = (ordered: boolean): number => {
    const writer = stream(s), reader = stream(s), written = event(s);
    const out = fill(s, 7, writer), data = new Float32Array(COUNT);
    s.want(s.driver.cuEventRecord(written, writer), "cuEventRecord");
    if (ordered) s.want(s.driver.cuStreamWaitEvent(reader, written, 0), "cuStreamWaitEvent");
    s.want(s.copyOut(data, out, reader), "copy");
    s.want(s.driver.cuStreamSynchronize(reader), "cuStreamSynchronize");
    return data[0];
  };
  const without = read(false);
  return { with: read(true), without: Number.isNaN(without) ? null : without };
}

/** The default stream waits for a blocking stream, and the other way round. */
export function defaultStreamOrder(s: Session): { read: number; readBack: number } {
  const other = stream(s, 0), data = new Float32Array(COUNT), again = new Float32Array(COUNT);
  const out = fill(s, 3, other);
  s.want(s.copyOut(data, out), "copy");
  s.want(s.driver.cuStreamSynchronize(0n), "cuStreamSynchronize");
  const kernel = s.kernel(INCREMENT, "increment");
  s.want(s.launch(kernel, { grid: 2, block: 64 }, [out, { i32: COUNT }]), "launch");
  s.want(s.copyOut(again, out, other), "copy");
  s.want(s.driver.cuStreamSynchronize(other), "cuStreamSynchronize");
  return { read: data[0], readBack: again[0] };
}

/** Polls an event behind a long launch. */
export function polling(
  s: Session,
): { polls: number; longest: number; ready: number; elapsed: number } {
  const kernel = s.kernel(SLOW, "slow"), blocks = 400, out = s.alloc(4 * 64 * blocks);
  const own = stream(s), from = event(s), to = event(s);
  s.want(s.driver.cuEventRecord(from, own), "cuEventRecord");
  const values = [out, { i32: 5000 }];
  s.want(s.launch(kernel, { grid: blocks, block: 64, stream: own }, values), "launch");
  s.want(s.driver.cuEventRecord(to, own), "cuEventRecord");
  let polls = 0, longest = 0, code = 600;
  for (; code === 600 && polls < 100_000; polls++) {
    const begun = performance.now();
    code = s.driver.cuEventQuery(to);
    longest = Math.max(longest, performance.now() - begun);
  }
  const milliseconds = new Float32Array(1);
  s.want(s.driver.cuEventElapsedTime(milliseconds, from, to), "cuEventElapsedTime");
  return { polls, longest, ready: code, elapsed: milliseconds[0] };
}

/** Several host threads wait for several streams at once. */
export async function manyThreads(s: Session): Promise<{ values: number[]; codes: number[] }> {
  const path = Deno.env.get("PAIRFOLD_CUDA_DRIVER")!;
  const { symbols } = Deno.dlopen(path, {
    cuCtxSetCurrent: { parameters: ["u64"], result: "i32" },
    cuEventSynchronize: { parameters: ["u64"], result: "i32", nonblocking: true },
  });
  const kernel = s.kernel(INCREMENT, "increment"), events: bigint[] = [], memory: bigint[] = [];
  for (let k = 0; k < 4; k++) {
    const own = stream(s), done = event(s);
    const out = s.upload(new Float32Array(COUNT).fill(k), own);
    for (let repeat = 0; repeat < 50; repeat++) {
      const shape = { grid: 2, block: 64, stream: own };
      s.want(s.launch(kernel, shape, [out, { i32: COUNT }]), "launch");
    }
    s.want(s.driver.cuEventRecord(done, own), "cuEventRecord");
    events.push(done), memory.push(out);
  }
  const codes = await Promise.all(events.map((done) => symbols.cuEventSynchronize(done)));
  return { codes, values: memory.map((out) => s.download(out, COUNT)[COUNT - 1]) };
}

/** Host memory of the process while kernels are loaded, run and forgotten. */
export function leaks(s: Session): { growth: number; used: number } {
  const compilation = s.compile(FILL);
  const available = (): bigint => {
    const sizes = new BigUint64Array(2);
    s.want(s.driver.cuMemGetInfo_v2(sizes, sizes.subarray(1)), "cuMemGetInfo");
    return sizes[0];
  };
  const round = (count: number): void => {
    const module = s.out((p) => s.driver.cuModuleLoadData(p, compilation.image));
    const kernel = s.out((p) => s.driver.cuModuleGetFunction(p, module, cString("fill")));
    const out = s.alloc(4 * count), own = stream(s), done = event(s);
    const shape = { grid: 1, block: 64, stream: own };
    s.want(s.launch(kernel, shape, [out, { f32: 1 }, { i32: count }]), "launch");
    s.want(s.driver.cuEventRecord(done, own), "cuEventRecord");
    s.want(s.driver.cuEventSynchronize(done), "cuEventSynchronize");
    s.want(s.driver.cuEventDestroy_v2(done), "cuEventDestroy");
    s.want(s.driver.cuStreamDestroy_v2(own), "cuStreamDestroy");
    s.want(s.driver.cuMemFree_v2(out), "cuMemFree");
    s.want(s.driver.cuModuleUnload(module), "cuModuleUnload");
  };
  const before = available();
  for (let k = 0; k < 300; k++) round(1 + k % 64);
  const held = Deno.memoryUsage().rss;
  for (let k = 0; k < 1000; k++) round(1 + k % 64);
  return { growth: Deno.memoryUsage().rss - held, used: Number(before - available()) };
}
