// The CUDA emulator, through its own entry points: what it computes, what it refuses, and that it
// catches the faults it is there to catch. Each trial runs in a process of its own.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { FaultName } from "./emulator/kernels.ts";
import { crashNames, emulator, trial } from "./emulator/trial.ts";

const test = (name: string, body: () => Promise<void>): void =>
  Deno.test({
    name: emulator.missing
      ? `emulator: ${name} (skipped: ${emulator.missing})`
      : `emulator: ${name}`,
    ignore: emulator.missing !== "",
    fn: body,
  });
if (emulator.missing) console.log(`emulator: all tests skipped: ${emulator.missing}`);

const CHECK = { CHECK: "1" };

// ---- right kernels ------------------------------------------------------------------------------

for (const name of ["none", "noneDynamic", "noneCopied"] as const) {
  for (const settings of [{ ORDER: "forward" }, { ORDER: "reverse" }, { ORDER: "random" }, CHECK]) {
    test(`a right kernel is right: ${name} with ${JSON.stringify(settings)}`, async () => {
      const { code, text, wrong } = await trial("gauss", settings, name);
      assertEquals({ code, text, wrong }, { code: 0, text: "", wrong: 0 });
    });
  }
}

test("one and several host threads give the same sums", async () => {
  const one = await trial("gauss", { THREADS: "1" }, "none");
  const several = await trial("gauss", { THREADS: "3" }, "none");
  assertEquals([several.code, several.worst], [one.code, one.worst]);
});

test("functions and conversions are CUDA's, in both modes", async () => {
  for (const settings of [{}, CHECK]) {
    for (const { name, got, expected } of await trial("functionValues", settings)) {
      const near = typeof got === "number" && typeof expected === "number"
        ? Math.abs(got - expected) <= 3e-7 * Math.abs(expected)
        : got === expected;
      assert(near, `${name}: got ${got}, expected ${expected}`);
    }
  }
});

test("pf_exp2 errs by less than a card's ex2.approx", async () => {
  const error = await trial("exp2Error", {});
  assert(error > 0.1 && error < 2, `${error} units in the last place`);
});

test("warp operations and barriers are CUDA's, in any order and in check mode", async () => {
  for (const settings of [{ ORDER: "forward" }, { ORDER: "reverse" }, CHECK]) {
    for (const { name, got, expected } of await trial("warpValues", settings)) {
      assertEquals(got, expected, name);
    }
  }
});

test("atomics of many blocks add up, also with several host threads", async () => {
  for (const settings of [{ THREADS: "4" }, CHECK]) {
    const { sums, expected } = await trial("atomics", settings);
    assertEquals(sums, expected);
  }
});

// ---- planted faults -----------------------------------------------------------------------------

/** What each mode says of a fault: a code and words, or 0 and wrong rows. */
interface Caught {
  fast: [number, RegExp?];
  check: [number, RegExp];
  columns?: number;
  /** What a fast run may say instead, as the host's compiler has it. */
  fastMay?: number;
}

const caught: Partial<Record<FaultName, Caught>> = {
  firstBarrierDropped: { fast: [0], check: [719, /nothing has written.*shared|race/] },
  secondBarrierDropped: { fast: [0], check: [719, /kernel\.cu:\d+: race.*shared.*the other is/] },
  firstBarrierOfDynamicDropped: { fast: [0], check: [719, /nothing has written.*shared|race/] },
  secondBarrierOfDynamicDropped: { fast: [0], check: [719, /race/] },
  tileOffByOne: { fast: [700, /2048 of a shared array of 2048/], check: [700, /index 128/] },
  tileTooSmall: {
    fast: [700, /of a shared array of 2032/],
    check: [700, /byte 2032 of a shared array of 2032|index 127/],
  },
  readPastTheEnd: {
    fast: [700, /allocation of 3420/],
    check: [700, /read of 4 bytes.*allocation/],
  },
  readOnePastTheEnd: { fast: [700], check: [700, /byte 1140 of an allocation of 1140/] },
  unguardedWrite: {
    fast: [700, /allocation of 1324/],
    check: [700, /write of 4 bytes.*of an allocation of 1324/],
  },
  // within the 16 bytes that a fast run cannot see until the memory is freed
  writeOnePastTheEnd: {
    fast: [700, /behind the end of an allocation of 1324/],
    check: [700, /thread \(75,0,0\).*write of 4 bytes.*byte 1324 of an allocation of 1324/],
  },
  earlyReturn: {
    fast: [719, /53 threads have left the kernel, 75 wait at the barrier of line 14/],
    check: [719, /53 threads have left the kernel/],
  },
  divergentBarriers: {
    fast: [719, /divergent barriers.*line 1[57].*line 1[57]/],
    check: [719, /divergent barriers/],
  },
  misalignedVector: { fast: [0], fastMay: 716, check: [716, /line 18: misaligned access/] },
  uninitialisedTail: { fast: [0], check: [719, /nothing has written.*shared/], columns: 100 },
  lanesMissing: {
    fast: [719, /124 in the warp operation of line 22/],
    check: [719, /4 threads have left/],
  },
  waitDropped: { fast: [0], check: [719, /nothing has written/] },
  waitTooWeak: { fast: [0], check: [719, /nothing has written/] },
  readWhileCopied: { fast: [0], check: [719, /nothing has written|race/] },
  blocksWriteTheSame: {
    fast: [0],
    check: [719, /block \(1,0,0\).*race: two threads write.*global.*the other is block \(0,0,0\)/],
  },
  // no fault but an error: the comparison itself is not blind
  wrongSum: { fast: [0], check: [0, /^$/] },
};

for (const [name, expected] of Object.entries(caught) as [FaultName, Caught][]) {
  const { fast, check, columns, fastMay } = expected;
  test(`${name}: fast mode ${fast[0] ? `says ${fast[0]}` : "shows wrong results"}`, async () => {
    const { code, text, wrong } = await trial("gauss", {}, name, columns);
    assertEquals(code === fastMay ? fast[0] : code, fast[0], text);
    if (fast[1]) assertMatch(text, fast[1]);
    if (code === 0) assert(wrong > 100, `${wrong} rows are wrong`);
  });
  test(`${name}: check mode ${check[0] ? `says ${check[0]}` : "shows wrong results"}`, async () => {
    const { code, text, wrong } = await trial("gauss", CHECK, name, columns);
    assertEquals(code, check[0], text);
    assertMatch(text, check[1]);
    if (code) assertMatch(text, /kernel gauss_\w+, block \(\d+,0,0\), thread \(\d+,0,0\), /);
    else assert(wrong > 100, `${wrong} rows are wrong`);
  });
}

test("dropped barriers show in fast mode whatever the order", async () => {
  for (const ORDER of ["forward", "reverse", "random", "mixed"]) {
    for (const name of ["firstBarrierDropped", "secondBarrierDropped"] as const) {
      const { code, wrong } = await trial("gauss", { ORDER }, name);
      assert(code === 0 && wrong > 100, `${ORDER}, ${name}: ${wrong} rows are wrong`);
    }
  }
});

test("warps are ordered by __syncwarp and by nothing else", async () => {
  assertEquals(await trial("warpTree", CHECK, true), { code: 0, sum: 32 });
  assertEquals((await trial("warpTree", CHECK, false)).code, 719);
  assert((await trial("warpTree", {}, false)).sum !== 32);
});

test("check mode has nothing against fences and atomics between blocks", async () => {
  assertEquals(await trial("lastBlock", CHECK), 45);
});

test("memory that was freed faults", async () => {
  for (const settings of [{}, CHECK]) {
    const { code, text } = await trial("useAfterFree", settings);
    assertEquals(code, 700);
    assertMatch(text, /allocation of 400 bytes that was freed/);
  }
});

for (const name of crashNames) {
  test(`${name}: the process lives, the context is lost, the other device is not`, async () => {
    for (const settings of [{}, CHECK]) {
      const { launched, code, text, later, other, after } = await trial("crash", settings, name);
      assertEquals({ launched, other, after }, { launched: 0, other: 0, after: 0 });
      assertEquals(later, [code, code, code, code]);
      assert([700, 715, 719].includes(code), text);
      assertMatch(text, new RegExp(`kernel ${name}, block .*kernel\\.cu:\\d+: `));
    }
  });
}

// ---- streams and copies -------------------------------------------------------------------------

test("a result that nobody waited for is stale", async () => {
  assertEquals(await trial("staleRead", {}), { before: null, after: 5 });
});

test("pinned staging is read when the copy runs, other memory at once", async () => {
  assertEquals(await trial("stagingReused", {}), { pinned: 2, pageable: 1 });
});

test("streams are independent but for events", async () => {
  assertEquals(await trial("eventOrder", {}), { with: 7, without: null });
});

test("the default stream and blocking streams wait for each other", async () => {
  assertEquals(await trial("defaultStreamOrder", {}), { read: 3, readBack: 4 });
});

test("polling an event makes progress, says 600 until it is done, and ends", async () => {
  const { polls, ready, elapsed } = await trial("polling", { THREADS: "1" });
  assertEquals(ready, 0);
  assert(polls > 3 && polls < 100_000, `${polls} polls`);
  assert(elapsed > 0);
});

test("several threads may wait at once", async () => {
  const { codes, values } = await trial("manyThreads", {});
  assertEquals({ codes, values }, { codes: [0, 0, 0, 0], values: [50, 51, 52, 53] });
});

test("a thousand modules, streams and launches leave memory where it was", async () => {
  const { growth, used } = await trial("leaks", {});
  assertEquals(used, 0);
  assert(growth < 16 << 20, `${growth} bytes`);
});

// ---- devices, limits, programs ------------------------------------------------------------------

test("there are two devices with different limits", async () => {
  const { count, unknown, facts } = await trial("devices", {});
  assertEquals([count, unknown], [2, 1]);
  assertEquals(facts.map((f) => f.major), [9, 7]);
  assertEquals(facts.map((f) => f.multiprocessors), [132, 46]);
  assertEquals(facts.map((f) => f.shared), [232448, 65536]);
  for (const { name } of facts) assertMatch(name, /^Pairfold emulator /);
});

test("the environment sets devices, memory and versions", async () => {
  const settings = { DEVICES: "3", MEMORY: "1000000,2000000" };
  const { count, facts } = await trial("devices", settings);
  assertEquals([count, ...facts.map((f) => f.memory)], [3, 1000000, 2000000, 2000000]);
  const old = await trial("versions", { DRIVER_VERSION: "11.4", NVRTC_VERSION: "12.8" });
  assertEquals([old.driver, old.nvrtc, old.architectures[0]], [11040, "12.8", 50]);
});

test("without a device cuInit says so", async () => {
  const error = await assertRejects(() => trial("devices", { DEVICES: "0" }), Error);
  assertMatch(error.message, /cuInit: CUDA_ERROR_NO_DEVICE/);
});

test("checked and fast runs have devices of different names", async () => {
  const [fast, check] = [await trial("devices", {}), await trial("devices", CHECK)];
  assert(fast.facts[0].name !== check.facts[0].name);
});

test("launches beyond a limit are refused and break nothing", async () => {
  const { allowed, withinLaunchBounds, sharedAsked, sharedAllowed, nothingBroken, ...refused } =
    await trial("limits", {});
  const fine = [allowed, withinLaunchBounds, sharedAsked, sharedAllowed, nothingBroken];
  assertEquals(fine, [0, 0, 0, 0, 0]);
  assertEquals(Object.keys(refused).length, 9);
  for (const [limit, code] of Object.entries(refused)) assertEquals(code, 1, limit);
});

test("functions tell their shared memory, bounds and occupancy", async () => {
  assertEquals(await trial("functionFacts", {}), {
    shared: 4104,
    threads: 256,
    dynamic: 49152 - 4104,
    occupancy: 6,
    occupancyShared: 4,
    occupancyTooLarge: 0,
  });
});

test("a device takes only whole images of its own kind", async () => {
  assertEquals(await trial("images", {}), {
    good: 0,
    damaged: 200,
    foreign: 200,
    otherArchitecture: 209,
    noSuchKernel: 500,
    mangled: 500,
  });
});

test("the compiler says what is wrong and where", async () => {
  const logs = await trial("compilations", {});
  assertEquals(logs.syntax.code, 6);
  assertMatch(logs.syntax.log, /broken\.cu:4:\d+: error/);
  assertMatch(logs.unknownName.log, /broken\.cu:4:\d+: error.*valeu/);
  assertEquals([logs.unknownOption.code, logs.unknownArchitecture.code], [5, 5]);
  assertMatch(logs.unknownOption.log, /--make-it-fast/);
  assertEquals(logs.knownOptions.code, 0, logs.knownOptions.log);
  assertEquals(logs.tooMuchShared.code, 6);
  assertMatch(logs.tooMuchShared.log, /'large' uses too much shared data \(49156 bytes/);
  assertEquals(logs.copiesBeforeAmpere.code, 6);
});

test("device memory runs out and comes back", async () => {
  assertEquals(await trial("memoryRunsOut", { MEMORY: `${640 << 20}` }), {
    count: 10,
    refused: 2,
    afterFree: 0,
  });
});

test("a second compiler that is not there fails the compile and says so", async () => {
  const { knownOptions } = await trial("compilations", { NVRTC_CHECK: "/nowhere/libnvrtc.so" });
  assertEquals(knownOptions.code, 6);
  assertMatch(knownOptions.log, /cannot use \/nowhere\/libnvrtc\.so/);
});

const nvrtc = Deno.env.get("PAIRFOLD_EMULATOR_NVRTC_CHECK") ?? "";
const noNvrtc = emulator.missing || (nvrtc ? "" : "PAIRFOLD_EMULATOR_NVRTC_CHECK names no NVRTC");
if (noNvrtc) console.log(`emulator: NVIDIA's compiler is not asked: ${noNvrtc}`);
Deno.test({
  name: `emulator: NVIDIA's compiler has its say${noNvrtc && ` (skipped: ${noNvrtc})`}`,
  ignore: noNvrtc !== "",
  fn: async () => {
    for (const name of ["none", "noneDynamic", "noneCopied"] as const) {
      const { code, wrong } = await trial("gauss", { NVRTC_CHECK: nvrtc }, name);
      assertEquals([code, wrong], [0, 0]);
    }
    const { syntax } = await trial("compilations", { NVRTC_CHECK: nvrtc });
    assertMatch(syntax.log, /NVIDIA's NVRTC refuses.*\n.*broken\.cu\(\d+\): error/);
  },
});

// ---- injected failures --------------------------------------------------------------------------

test("the n-th call of an entry point fails as asked", async () => {
  const fills = (FAIL: string): Promise<number[]> => trial("threeFills", { FAIL });
  assertEquals(await fills("cuMemAlloc_v2:2=2"), [0, 2, 0]);
  assertEquals(await fills("cuMemAlloc_v2:2+=2"), [0, 2, 2]);
  assertEquals(await fills("cuLaunchKernel:1=719"), [719, 0, 0]);
  assertEquals(await fills("launch:3=700,cuMemAlloc_v2:1=2"), [2, 0, 0]);
  assertEquals(await fills("launch:2=700"), [0, 700, 0]);
});

test("compiling fails as asked", async () => {
  const { syntax, knownOptions } = await trial("compilations", {
    FAIL: "nvrtcCompileProgram:5=1",
  });
  assertEquals([syntax.code, knownOptions.code], [6, 1]);
});

test("each library comes without one entry point, too", () => {
  const missing = (library: string, name: string): boolean => {
    const path = emulator.libraries[library];
    try {
      Deno.dlopen(path, { [name]: { parameters: [], result: "i32" } }).close();
      return false;
    } catch (error) {
      assertMatch(String(error), new RegExp(name));
      return true;
    }
  };
  assertEquals(missing("cuda_emulator_without_launch", "cuLaunchKernel"), true);
  assertEquals(missing("cuda_emulator_without_launch", "cuMemAlloc_v2"), false);
  assertEquals(missing("cuda_emulator_without_graphs", "cuGraphLaunch"), true);
  assertEquals(missing("nvrtc_emulator_without_compile", "nvrtcCompileProgram"), true);
  assertEquals(missing("cuda_emulator", "cuLaunchKernel"), false);
  return Promise.resolve();
});

// ---- graphs -------------------------------------------------------------------------------------

for (const CHECK of ["0", "1"]) {
  test(`a graph's nodes run in their order, with what memory has then (CHECK=${CHECK})`, async () => {
    const [before, first, between, second] = await trial("graphOrder", { CHECK }, true);
    assertEquals([first, between, second], [2, 2, 11]);
    assert(before !== 2, "it ran before anyone waited");
  });
}

test("nodes that do not wait for each other run as it comes", async () => {
  const [, first, , second] = await trial("graphOrder", {}, false);
  assert(first !== 2 && second !== 11, `${first}, ${second}`);
});

test("launches of a graph wait for each other on any stream, and end when it is gone", async () => {
  assertEquals(await trial("graphStreams", {}), 12);
});

test("what is no node, and no graph, is refused", async () => {
  const { kernel, still, ...others } = await trial("graphRefusals", {});
  assertEquals([kernel, still], [400, 0]);
  assertEquals(new Set(Object.values(others)), new Set([1]));
});

test("a graph that outlives its memory or its kernel loses the context", async () => {
  assertEquals(await trial("graphOutlives", {}, "memory"), [0, 700]);
  assertEquals(await trial("graphOutlives", {}, "kernel"), [700, 700]);
});

// ---- the compiler's cache -----------------------------------------------------------------------

test("several processes may fill one cache at once", async () => {
  const CACHE = await Deno.makeTempDir();
  try {
    const runs = await Promise.all([1, 2, 3, 4].map(() => trial("gauss", { CACHE }, "none")));
    for (const { code, wrong } of runs) assertEquals([code, wrong], [0, 0]);
    const files = [...Deno.readDirSync(CACHE)].map((entry) => entry.name);
    assertEquals(files.length, 1, `${files}`);
    assertMatch(files[0], /^[0-9a-f]{32}\.so$/);
    const again = await trial("gauss", { CACHE }, "none");
    assert(again.compileMilliseconds < Math.min(...runs.map((run) => run.compileMilliseconds)));
  } finally {
    await Deno.remove(CACHE, { recursive: true });
  }
});

test("a cache that cannot be written costs only time", async () => {
  const { code, wrong } = await trial("gauss", { CACHE: "/dev/null/nowhere" }, "none");
  assertEquals([code, wrong], [0, 0]);
});
