// What a process may survive: kernels that fault, devices that are lost, calls without arguments,
// memory that nobody but the shim holds. On the emulator, each in a process of its own.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { headerFunctions } from "./support/header.ts";
import { emulator, emulatorVariables } from "./support/emulator.ts";
import { OPTIONS, SCALE } from "./support/session.ts";
import { moduleUrl, runScript, testUnless } from "./support/tools.ts";

const PREAMBLE = `
  import { Shim } from "${moduleUrl("shim")}";
  import { failureOf } from "${moduleUrl("report")}";
  import { SYMBOLS } from "${moduleUrl("symbols")}";
  const shim = Shim.openSync();
  shim.openDriver();
  shim.openNvrtc();
  const device = shim.deviceOpen(0);
  const SCALE = ${JSON.stringify(SCALE())};
  const OPTIONS = ${JSON.stringify(OPTIONS)};
  const attempt = async (work) => {
    try {
      await work();
      return "ok";
    } catch (error) {
      return failureOf(error).status + ": " + error.message;
    }
  };
  const launch = (kernel, address, n, shared = 0) => {
    const bytes = new Uint8Array(16), view = new DataView(bytes.buffer);
    view.setBigUint64(0, address, true);
    view.setInt32(8, n, true);
    shim.launch(device, 0n, kernel, new Uint32Array([Math.ceil(n / 32), 1, 1, 32, 1, 1, shared]),
      bytes, new Uint32Array([0, 8]));
  };`;

/** Lines that run in a process with a device, and the JSON that they print. */
async function inProcess<T>(
  lines: string,
  env: Record<string, string> = {},
  flags: readonly string[] = [],
): Promise<T> {
  const permissions = ["-A", ...flags];
  const said = await runScript(PREAMBLE + lines, { ...emulatorVariables(), ...env }, permissions);
  return JSON.parse(said);
}

const faultTest = (name: string, work: () => Promise<void>): void =>
  testUnless(emulator().reason, name, work);

const FAULT = `
  const { module } = shim.compileSync(device, SCALE, "scale.cu", OPTIONS, "");
  const kernel = shim.function(device, module, "scale", 0).function;
  const address = shim.alloc(device, 4096), back = new Float32Array(1);
  // far behind the end of the allocation
  launch(kernel, address, 1 << 24);
  const first = await attempt(() => shim.download(device, 0n, back, address));`;

faultTest(
  "a kernel's fault loses the device: the next call says so, and all after it",
  async () => {
    const said = await inProcess<Record<string, string>>(`${FAULT}
    const then = await attempt(() => shim.alloc(device, 1));
    const launched = await attempt(() => launch(kernel, address, 1));
    const closed = await attempt(() => shim.deviceClose(device));
    const opened = await attempt(() => shim.deviceOpen(0));
    console.log(JSON.stringify({ first, then, launched, closed, opened }));`);
    assertStringIncludes(said.first, "context-lost: PairfoldError[device]: cuda: device 0 is lost");
    assertStringIncludes(said.first, "CUDA_ERROR_ILLEGAL_ADDRESS (700)");
    assertStringIncludes(said.first, "the last kernel launched before was scale");
    for (const one of [said.then, said.launched, said.opened]) {
      assertStringIncludes(one, "context-lost: ");
      assertStringIncludes(one, "first reported by pf_download: CUDA_ERROR_ILLEGAL_ADDRESS");
    }
    assertEquals(said.closed, "ok");
  },
);

faultTest("another device goes on after a fault", async () => {
  const said = await inProcess<Record<string, string | number>>(`
    const other = shim.deviceOpen(1);
    const place = shim.alloc(other, 100);
    shim.fill(other, 0n, place, 7, 100);
    ${FAULT}
    const bytes = new Uint8Array(100);
    const then = await attempt(() => shim.download(other, 0n, bytes, place));
    const sum = bytes.reduce((a, b) => a + b);
    const closed = await attempt(() => shim.deviceClose(other));
    console.log(JSON.stringify({ first, then, sum, closed }));`);
  assertStringIncludes(String(said.first), "context-lost");
  assertEquals([said.then, said.sum, said.closed], ["ok", 700, "ok"]);
});

faultTest(
  "a fault reaches whoever waits: events, queries, synchronising, other threads",
  async () => {
    for (const [code, name] of [[719, "LAUNCH_FAILED"], [716, "MISALIGNED_ADDRESS"]] as const) {
      const said = await inProcess<string[]>(
        `
      const { module } = shim.compileSync(device, SCALE, "scale.cu", OPTIONS, "");
      const kernel = shim.function(device, module, "scale", 0).function;
      const address = shim.alloc(device, 4096);
      launch(kernel, address, 1);
      const event = shim.eventRecord(device, 0n);
      const waits = [0, 1, 2].map(() => attempt(() => shim.eventWait(device, event)));
      waits.push(attempt(() => shim.synchronize(device)));
      const all = await Promise.all(waits);
      all.push(await attempt(() => shim.eventQuery(device, event)));
      all.push(await attempt(() => shim.eventFree(device, event)));
      all.push(await attempt(() => shim.moduleFree(device, module)));
      all.push(await attempt(() => shim.free(device, address)));
      console.log(JSON.stringify(all));`,
        { PAIRFOLD_EMULATOR_FAIL: `launch:1=${code}` },
      );
      assertEquals(said.length, 8);
      for (const one of said) {
        assertStringIncludes(one, "context-lost: ");
        assertStringIncludes(one, name);
      }
    }
  },
);

faultTest("without the pool every allocation has its own bounds", async () => {
  const lines = `
    const { module } = shim.compileSync(device, SCALE.replace("*=", "="), "scale.cu", OPTIONS, "");
    const kernel = shim.function(device, module, "scale", 0).function;
    const before = shim.memory(device);
    const address = shim.alloc(device, 1100 * 4), back = new Float32Array(1);
    const { available } = shim.memory(device);
    launch(kernel, address, 1101);
    const first = await attempt(() => shim.download(device, 0n, back, address));
    const freed = await attempt(() => shim.free(device, address));
    const pooled = first === "ok" ? shim.memory(device).pooled : null;
    console.log(JSON.stringify({ first, freed, taken: before.available - available, pooled }));`;
  // checked, for a page of the host is larger than one number
  const check = { PAIRFOLD_EMULATOR_CHECK: "1" };
  const pooled = await inProcess<Record<string, string | number>>(lines, check);
  assertEquals(pooled, { first: "ok", freed: "ok", taken: 5120, pooled: 5120 });
  const exact = { ...check, PAIRFOLD_CUDA_NO_POOL: "1" };
  const said = await inProcess<Record<string, string | number>>(lines, exact);
  assertEquals(said.taken, 4400);
  assertStringIncludes(String(said.first), "context-lost");
  assertStringIncludes(String(said.freed), "context-lost");
});

faultTest("no entry point falls over calls without arguments", async () => {
  const said = await inProcess<[string, number, boolean][]>(`
    const raw = Deno.dlopen(shim.path, SYMBOLS).symbols;
    const called = [];
    // a device that is none, then one that is: with every pointer null and every number 0
    for (const first of [0n, 12345678901234567890n, device]) {
      for (const [name, { parameters, nonblocking }] of Object.entries(SYMBOLS)) {
        if (nonblocking || name === "pf_abi_version") continue;
        if (name === "pf_device_close" && first === device) continue;
        const values = parameters.map((type, k) =>
          type === "buffer" ? null : type === "u64" ? (k === 1 ? first : 0n) : 0);
        called.push([name, raw[name](...values), first === device]);
      }
    }
    const still = shim.alloc(device, 10);
    shim.free(device, still);
    console.log(JSON.stringify(called));`);
  const names = headerFunctions().map(({ name }) => name).filter((name) =>
    name !== "pf_abi_version"
  );
  assertEquals(said.length, 3 * names.length - 1);
  const INVALID = 4;
  // what has nothing to refuse: open already, only a text to give, or nothing to do
  const fine = ["pf_open_driver", "pf_open_nvrtc", "pf_search_log"];
  const fineOnDevice = [
    "pf_device_name",
    "pf_device_attributes",
    "pf_trim",
    "pf_synchronize",
    "pf_run",
  ];
  for (const [name, status, onDevice] of said) {
    const allowed = fine.includes(name) || (onDevice && fineOnDevice.includes(name));
    assertEquals(status, allowed ? 0 : INVALID, `${name}, ${onDevice ? "a device" : "no device"}`);
  }
});

faultTest("handles of one kind are not taken for another's", async () => {
  const said = await inProcess<string[]>(`
    const { module } = shim.compileSync(device, SCALE, "scale.cu", OPTIONS, "");
    const kernel = shim.function(device, module, "scale", 0).function;
    const stream = shim.streamCreate(device), event = shim.eventRecord(device, stream);
    const address = shim.alloc(device, 100);
    const other = shim.deviceOpen(1);
    const wrong = [
      () => shim.streamFree(device, event), () => shim.streamFree(other, stream),
      () => shim.eventFree(device, stream), () => shim.eventQuery(other, event),
      () => shim.eventWait(device, kernel), () => shim.streamWait(device, event, stream),
      () => shim.moduleFree(device, kernel), () => shim.moduleFree(other, module),
      () => shim.function(device, event, "scale", 0), () => shim.function(other, module, "scale", 0),
      () => shim.occupancy(device, module, 32, 0), () => launch(module, address, 1),
      () => shim.free(other, address), () => shim.deviceName(module), () => shim.alloc(event, 1),
      () => shim.eventElapsed(device, event, module), () => shim.eventRecord(device, module),
      () => shim.download(device, 0n, new Uint8Array(4), stream),
    ];
    const said = [];
    for (const work of wrong) said.push((await attempt(work)).split(":")[0]);
    console.log(JSON.stringify(said));`);
  assertEquals(said.length, 18);
  assertEquals(new Set(said), new Set(["invalid"]));
});

faultTest("memory of a call on another thread is held until it ends", async () => {
  const said = await inProcess<boolean[]>(
    `
    const bytes = 3 << 20, right = [];
    const address = shim.alloc(device, bytes);
    for (let k = 1; k < 12; k++) {
      // nobody but the shim knows the source
      const sent = shim.uploadAsync(device, 0n, address, new Uint8Array(bytes).fill(k));
      for (let g = 0; g < 3; g++) gc();
      const litter = Array.from({ length: 10 }, () => new Uint8Array(bytes).fill(255));
      await sent;
      const back = new Uint8Array(bytes);
      await shim.download(device, 0n, back, address);
      right.push(litter.length === 10 && back.every((byte) => byte === k));
    }
    console.log(JSON.stringify(right));`,
    {},
    ["--v8-flags=--expose-gc"],
  );
  assertEquals(said.length, 11);
  assert(said.every((one) => one), `${said}`);
});

faultTest("closing the library waits for the calls that are under way", async () => {
  const said = await inProcess<string>(`
    const bytes = 8 << 20, back = new Uint8Array(bytes);
    const address = shim.alloc(device, bytes);
    shim.fill(device, 0n, address, 3, bytes);
    const reading = shim.download(device, 0n, back, address);
    shim.close();
    await reading;
    console.log(JSON.stringify("" + back[0] + back[bytes - 1]));`);
  assertEquals(said, "33");
});
