// Compiling, the folder of compiled binaries, kernels and launches through the shim, on the
// emulator.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { PairfoldError } from "../../src/error.ts";
import { failureOf, type Status } from "../../src/engine/cuda/report.ts";
import { emulator, emulatorVariables } from "./support/emulator.ts";
import {
  deviceTest,
  launch,
  OPTIONS,
  runScale,
  SCALE,
  type Session,
  withFailures,
} from "./support/session.ts";
import { inFolder, moduleUrl, runScript, testUnless } from "./support/tools.ts";

/** The status of the error that a call comes to. */
function statusOf(work: () => unknown): Status | undefined {
  return failureOf(assertThrows(work, PairfoldError))?.status;
}

const entries = (folder: string): string[] => [...Deno.readDirSync(folder)].map(({ name }) => name);
const doubled = Float32Array.from({ length: 1000 }, (_, k) => 2 * k);

/** Compiles, runs and frees; says whether the binary came from the cache. */
async function compileAndRun(
  session: Session,
  cache: string,
  source = SCALE(),
  wanted = doubled,
): Promise<{ cached: boolean; notes: string }> {
  const { shim, device } = session;
  const { module, cached, notes } = await shim.compile(device, source, "scale.cu", OPTIONS, cache);
  assertEquals(await runScale(session, module), wanted);
  await shim.moduleFreeAsync(device, module);
  return { cached, notes };
}

/** A test with a device and a folder for the cache, which is not there yet. */
const cacheTest = (
  name: string,
  work: (session: Session, cache: string, folder: string) => void | Promise<void>,
): void =>
  deviceTest(
    name,
    (session) =>
      inFolder(async (folder) => await work(session, join(folder, "some", "cache"), folder)),
  );

// ---- the cache ---------------------------------------------------------------------------------

cacheTest("a program compiles once, then comes from the cache", async (session, cache) => {
  assertEquals(await compileAndRun(session, cache), { cached: false, notes: "" });
  assertEquals(entries(cache).length, 1);
  assert(/^[0-9a-f]{64}\.cubin$/.test(entries(cache)[0]));
  assertEquals(await compileAndRun(session, cache), { cached: true, notes: "" });
  const { shim, device } = session;
  const blocking = shim.compileSync(device, SCALE(), "scale.cu", OPTIONS, cache);
  assertEquals(blocking.cached, true);
  shim.moduleFree(device, blocking.module);
  assertEquals(entries(cache).length, 1);
  assertEquals((await compileAndRun(session, "")).cached, false);
});

cacheTest(
  "source, name, options and card make an entry of their own each",
  (session, cache) => {
    const { shim, device } = session;
    const other = shim.deviceOpen(1);
    const variants: [bigint, string, string, readonly string[]][] = [
      [device, SCALE(), "scale.cu", OPTIONS],
      [device, SCALE(3), "scale.cu", OPTIONS],
      [device, SCALE(), "other.cu", OPTIONS],
      [device, SCALE(), "scale.cu", OPTIONS.slice(1)],
      [other, SCALE(), "scale.cu", OPTIONS],
    ];
    for (const expected of [false, true]) {
      for (const [on, source, name, options] of variants) {
        const { module, cached } = shim.compileSync(on, source, name, options, cache);
        assertEquals(cached, expected);
        shim.moduleFree(on, module);
      }
    }
    assertEquals(entries(cache).length, variants.length);
    shim.deviceClose(other);
  },
);

cacheTest(
  "entries that are damaged, short, empty or another's are compiled anew",
  async (session, cache) => {
    await compileAndRun(session, cache);
    const path = join(cache, entries(cache)[0]);
    const whole = await Deno.readFile(path);
    const flipped = (at: number) => whole.map((byte, k) => k === at ? byte ^ 1 : byte);
    const damage: Uint8Array<ArrayBuffer>[] = [
      flipped(0), // the magic
      flipped(20), // the key
      flipped(60), // the binary's hash
      flipped(82), // the length
      flipped(whole.length - 1), // the binary
      whole.slice(0, whole.length - 1),
      whole.slice(0, 40),
      new Uint8Array(0),
    ];
    for (const [k, bytes] of damage.entries()) {
      await Deno.writeFile(path, bytes);
      assertEquals((await compileAndRun(session, cache)).cached, false, `damage ${k}`);
      assertEquals((await compileAndRun(session, cache)).cached, true, `damage ${k}`);
    }
    await compileAndRun(session, cache, SCALE(3), doubled.map((x) => x * 1.5));
    const other = entries(cache).find((name) => !path.endsWith(name))!;
    await Deno.copyFile(join(cache, other), path);
    assertEquals((await compileAndRun(session, cache)).cached, false);
    assertEquals(entries(cache).length, 2);
  },
);

cacheTest("an entry that the driver refuses is compiled anew", async (session, cache) => {
  await compileAndRun(session, cache);
  // 200: CUDA_ERROR_INVALID_IMAGE
  Deno.env.set("PAIRFOLD_EMULATOR_FAIL", "cuModuleLoadData:1=200");
  assertEquals((await compileAndRun(session, cache)).cached, false);
  Deno.env.delete("PAIRFOLD_EMULATOR_FAIL");
  assertEquals((await compileAndRun(session, cache)).cached, true);
});

cacheTest(
  "a cache that cannot be made or written to costs only time",
  async (session, _, folder) => {
    const file = join(folder, "file");
    await Deno.writeTextFile(file, "");
    const places = [join(file, "cache"), file];
    // no one can make a folder here, not even root
    if (Deno.build.os === "linux") places.push("/proc/pairfold");
    if (Deno.build.os !== "windows" && Deno.uid() !== 0) {
      const locked = join(folder, "locked");
      await Deno.mkdir(locked, { mode: 0o555 });
      places.push(locked, join(locked, "below"));
    }
    for (const place of places) {
      const { cached, notes } = await compileAndRun(session, place);
      assertEquals(cached, false);
      assertStringIncludes(notes, place);
    }
    assertEquals(await Deno.readTextFile(file), "");
  },
);

cacheTest(
  "many threads that fill the cache at once leave whole entries",
  async (session, cache) => {
    const sources = Array.from({ length: 12 }, (_, k) => SCALE(2 + k % 3));
    await Promise.all(
      sources.map((source, k) =>
        compileAndRun(session, cache, source, doubled.map((x) => x / 2 * (2 + k % 3)))
      ),
    );
    assertEquals(entries(cache).length, 3);
    assert(
      entries(cache).every((name) => name.endsWith(".cubin")),
    );
    assertEquals((await compileAndRun(session, cache)).cached, true);
  },
);

// ---- programs in processes of their own --------------------------------------------------------

/** Lines that compile in a folder and print whether the binary was there, and a result. */
const compiling = (cache: string): string => `
  import { Shim } from "${moduleUrl("shim")}";
  const shim = Shim.openSync();
  shim.openDriver();
  shim.openNvrtc();
  const device = shim.deviceOpen(0);
  const { module, cached } = shim.compileSync(device, ${JSON.stringify(SCALE())}, "scale.cu",
    ${JSON.stringify(OPTIONS)}, ${JSON.stringify(cache)});
  const kernel = shim.function(device, module, "scale", 0).function;
  const address = shim.alloc(device, 4), bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, address, true);
  new DataView(bytes.buffer).setInt32(8, 1, true);
  const number = new Float32Array([21]);
  shim.upload(device, 0n, address, number);
  shim.launch(device, 0n, kernel, new Uint32Array([1, 1, 1, 32, 1, 1, 0]), bytes,
    new Uint32Array([0, 8]));
  await shim.download(device, 0n, number, address);
  console.log(cached, number[0]);
  shim.free(device, address);
  shim.deviceClose(device);`;

testUnless(
  emulator().reason,
  "processes that fill the cache at once all get their program",
  () =>
    inFolder(async (folder) => {
      const cache = join(folder, "cache");
      const run = () => runScript(compiling(cache), emulatorVariables());
      const said = await Promise.all([run(), run(), run()]);
      for (const line of said) assert(["false 42\n", "true 42\n"].includes(line), line);
      assertEquals(entries(cache).length, 1);
      assertEquals(await run(), "true 42\n");
    }),
);

testUnless(
  emulator().reason,
  "binaries of one driver are not taken for another's",
  () =>
    inFolder(async (folder) => {
      const cache = join(folder, "cache"), variables = emulatorVariables();
      await runScript(compiling(cache), variables);
      // the same card by its name, but another file
      const copy = join(folder, "libcuda_emulator_copy.so");
      await Deno.copyFile(variables.PAIRFOLD_CUDA_DRIVER, copy);
      const other = { ...variables, PAIRFOLD_CUDA_DRIVER: copy };
      assertEquals(await runScript(compiling(cache), other), "false 42\n");
      const newer = { ...variables, PAIRFOLD_EMULATOR_DRIVER_VERSION: "13.1" };
      assertEquals(await runScript(compiling(cache), newer), "false 42\n");
      assertEquals(entries(cache).length, 3);
      assertEquals(await runScript(compiling(cache), variables), "true 42\n");
    }),
);

testUnless(emulator().reason, "an NVRTC newer than the driver is refused", async () => {
  const said = runScript(compiling(""), {
    ...emulatorVariables(),
    PAIRFOLD_EMULATOR_DRIVER_VERSION: "12.4",
  });
  const error = await assertRejects(() => said, Error);
  assertStringIncludes(String(error), "is newer than the driver, which knows CUDA 12.4");
});

// ---- kernels and launches ----------------------------------------------------------------------

deviceTest("an error of the compiler carries its log and the numbered source", async (session) => {
  const { shim, device } = session;
  const wrong = SCALE().replace("x[i] *=", "y[i] *=");
  for (
    const work of [
      () => Promise.resolve().then(() => shim.compileSync(device, wrong, "wrong.cu", OPTIONS, "")),
      () => shim.compile(device, wrong, "wrong.cu", OPTIONS, ""),
    ]
  ) {
    const error = await assertRejects(work, PairfoldError);
    assertEquals([error.code, failureOf(error)?.status], ["compile", "compile"]);
    assertStringIncludes(error.message, "wrong.cu");
    assertStringIncludes(error.message, "3 |   if (i < n) y[i] *= 2.0f;");
  }
});

deviceTest("a kernel is found once and says what it takes", ({ shim, device }) => {
  const { module } = shim.compileSync(device, SCALE(), "scale.cu", OPTIONS, "");
  const kernel = shim.function(device, module, "scale", 0);
  assert(kernel.registers > 0 && kernel.threads >= 128);
  assert(shim.occupancy(device, kernel.function, 128, 0) > 0);
  assertEquals(shim.function(device, module, "scale", 64 << 10).function, kernel.function);
  const missing = assertThrows(() => shim.function(device, module, "absent", 0), PairfoldError);
  assertStringIncludes(missing.message, "absent");
  assertEquals(statusOf(() => shim.function(device, module + 1n, "scale", 0)), "invalid");
  assertEquals(statusOf(() => shim.function(device, module, "scale", 2 ** 32 - 1)), "launch");
  assertEquals(statusOf(() => shim.occupancy(device, kernel.function, 0, 0)), "invalid");
  shim.moduleFree(device, module);
  assertEquals(statusOf(() => shim.occupancy(device, kernel.function, 128, 0)), "invalid");
  assertEquals(statusOf(() => shim.moduleFree(device, module)), "invalid");
});

deviceTest("a launch that cannot be is refused, and the next one works", async (session) => {
  const { shim, device } = session;
  const { module } = shim.compileSync(device, SCALE(), "scale.cu", OPTIONS, "");
  const kernel = shim.function(device, module, "scale", 0).function;
  const address = shim.alloc(device, 4);
  const go = (shape: { grid?: number; block?: number; shared?: number; stream?: bigint }) => () =>
    launch(session, kernel, [address, 1], shape);
  const refused = assertThrows(go({ block: 2048 }), PairfoldError);
  assertEquals(failureOf(refused)?.status, "launch");
  assertStringIncludes(refused.message, "scale, grid 1 x 1 x 1, block 2048 x 1 x 1");
  assertEquals(statusOf(go({ grid: 0 })), "launch");
  assertEquals(statusOf(go({ shared: 1 << 20 })), "launch");
  assertEquals(statusOf(go({ stream: 5n })), "invalid");
  assertEquals(statusOf(() => launch(session, kernel + 1n, [address, 1])), "invalid");
  const many = Array.from({ length: 2000 }, () => 0);
  assertEquals(statusOf(() => launch(session, kernel, many)), "invalid");
  withFailures("cuLaunchKernel:1=701", () => {
    assertEquals(statusOf(go({})), "launch");
  });
  shim.free(device, address);
  assertEquals(await runScale(session, module), doubled);
  shim.moduleFree(device, module);
});

deviceTest("a module may be freed behind its last launch", async (session) => {
  const { shim, device } = session;
  const { module } = shim.compileSync(device, SCALE(), "scale.cu", OPTIONS, "");
  const kernel = shim.function(device, module, "scale", 0).function;
  const address = shim.alloc(device, 4), number = new Float32Array([21]);
  shim.upload(device, 0n, address, number);
  launch(session, kernel, [address, 1]);
  shim.moduleFree(device, module);
  await shim.download(device, 0n, number, address);
  assertEquals(number[0], 42);
  shim.free(device, address);
});
