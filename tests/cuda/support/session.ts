// A device of the emulator for one test: opened before, closed after, with nothing left behind.

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type Handle, Shim } from "../../../src/engine/cuda/shim.ts";
import { findLibrary } from "../../../src/engine/cuda/library.ts";
import { emulator } from "./emulator.ts";
import { testUnless } from "./tools.ts";

/** What a test works with. */
export interface Session {
  readonly shim: Shim;
  readonly device: Handle;
}

// One for the process: the driver, too, stays open.
let shared: Shim | null = null;

function openShim(): Shim {
  if (shared) return shared;
  const one = emulator(), place = findLibrary();
  if (one.reason !== null) throw new Error(one.reason);
  if (!("path" in place)) throw new Error("the tests run from a checkout");
  // a copy has a state of its own: devices that other tests of the process have open do not count
  const folder = Deno.makeTempDirSync({ prefix: "pairfold-shim-" });
  try {
    const library = join(folder, "shim.so");
    Deno.copyFileSync(place.path, library);
    shared = Shim.openSync({ library });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
  shared.openDriver(one.driver);
  shared.openNvrtc(one.nvrtc);
  return shared;
}

/** Runs with device 0. */
export async function withDevice(work: (session: Session) => void | Promise<void>): Promise<void> {
  const shim = openShim();
  const device = shim.deviceOpen(0);
  try {
    await work({ shim, device });
    assertEquals(shim.memory(device).live, 0, "allocations are left");
  } finally {
    shim.deviceClose(device);
  }
}

/** A test on the emulator's first device. */
export function deviceTest(
  name: string,
  work: (session: Session) => void | Promise<void>,
): void {
  testUnless(emulator().reason, name, () => withDevice(work));
}

/** Runs with rules for failures of the emulator, as "cuMemAlloc_v2:1=2". */
export function withFailures<T>(rules: string, work: () => T): T {
  Deno.env.set("PAIRFOLD_EMULATOR_FAIL", rules);
  try {
    return work();
  } finally {
    Deno.env.delete("PAIRFOLD_EMULATOR_FAIL");
  }
}

/** The source of a kernel that multiplies n floats. */
export const SCALE = (factor = 2): string =>
  `extern "C" __global__ void scale(float* x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= ${factor}.0f;
}
`;

/** Options as the engine gives them. */
export const OPTIONS: readonly string[] = ["--std=c++17", "-default-device", "--ftz=true"];

/** Arguments of a launch: addresses as bigint, 32-bit integers as numbers. */
export function packArguments(
  values: readonly (bigint | number)[],
): { bytes: Uint8Array<ArrayBuffer>; offsets: Uint32Array<ArrayBuffer> } {
  const bytes = new Uint8Array(8 * values.length), view = new DataView(bytes.buffer);
  const offsets = new Uint32Array(values.length);
  values.forEach((value, k) => {
    offsets[k] = 8 * k;
    if (typeof value === "bigint") view.setBigUint64(8 * k, value, true);
    else view.setInt32(8 * k, value, true);
  });
  return { bytes, offsets };
}

/** Queues a launch on blocks in a row. */
export function launch(
  { shim, device }: Session,
  kernel: Handle,
  values: readonly (bigint | number)[],
  { grid = 1, block = 32, shared = 0, stream = 0n } = {},
): void {
  const { bytes, offsets } = packArguments(values);
  const dims = Uint32Array.of(grid, 1, 1, block, 1, 1, shared);
  shim.launch(device, stream, kernel, dims, bytes, offsets);
}

/** Runs a kernel of `SCALE` on 1000 numbers and gives what comes back. */
export async function runScale(session: Session, module: Handle): Promise<Float32Array> {
  const { shim, device } = session;
  const kernel = shim.function(device, module, "scale", 0);
  const numbers = Float32Array.from({ length: 1000 }, (_, k) => k);
  const address = shim.alloc(device, numbers.byteLength);
  shim.upload(device, 0n, address, numbers);
  launch(session, kernel.function, [address, numbers.length], { grid: 8, block: 128 });
  const result = new Float32Array(numbers.length);
  await shim.download(device, 0n, result, address);
  shim.free(device, address);
  return result;
}

/** Queues a kernel that takes a while; gives its module, and the address of what it computes. */
export function queueSlowKernel(
  session: Session,
  stream = 0n,
): { module: Handle; kernel: Handle; address: bigint; count: number } {
  const { shim, device } = session;
  const source = SCALE().replace("x[i] *=", "for (int k = 0; k < 3000; k++) x[i] = x[i] * 0.5f +");
  const { module } = shim.compileSync(device, source, "slow.cu", OPTIONS, "");
  const kernel = shim.function(device, module, "scale", 0);
  const count = 1 << 16, address = shim.alloc(device, 4 * count);
  shim.fill(device, stream, address, 0, 4 * count);
  launch(session, kernel.function, [address, count], { grid: count / 256, block: 256, stream });
  return { module, kernel: kernel.function, address, count };
}
