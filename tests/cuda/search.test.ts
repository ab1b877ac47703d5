// Where the shim looks for driver and NVRTC, which it takes, and what it says of those it does not.
// Every case is a process of its own: a process opens one driver and one NVRTC.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { LIBRARIES } from "../../scripts/build_cuda.ts";
import { DRIVER_FUNCTIONS, fakeDriver, fakeNvrtc } from "./support/fakes.ts";
import { inFolder, missing, moduleUrl, runScript, testUnless } from "./support/tools.ts";

/** What a process says that opened a driver, then NVRTC, as the environment and `paths` ask. */
interface Found {
  readonly driver: string;
  readonly nvrtc: string;
  readonly versions: { readonly driver: number; readonly nvrtc: number };
  readonly log: readonly string[];
}

/** Variables that lead to an NVRTC; none of this machine's shall count. */
const NOWHERE = {
  PAIRFOLD_CUDA_LIBRARY: "",
  PAIRFOLD_CUDA_DRIVER: "",
  PAIRFOLD_NVRTC: "",
  CUDA_HOME: "",
  CUDA_PATH: "",
  CONDA_PREFIX: "",
  VIRTUAL_ENV: "",
  LD_LIBRARY_PATH: "",
};

async function search(
  env: Record<string, string>,
  paths: { driver?: string; nvrtc?: string } = {},
): Promise<Found> {
  const source = `
    import { Shim } from "${moduleUrl("shim")}";
    import { failureOf } from "${moduleUrl("report")}";
    const shim = Shim.openSync();
    const attempt = (run) => {
      try {
        run();
        return "ok";
      } catch (error) {
        return failureOf(error).status + " " + error.message;
      }
    };
    const paths = ${JSON.stringify(paths)};
    const driver = attempt(() => shim.openDriver(paths.driver));
    const nvrtc = attempt(() => shim.openNvrtc(paths.nvrtc));
    const found = { driver, nvrtc, versions: shim.versions(), log: shim.searchLog() };
    console.log(JSON.stringify(found));`;
  return JSON.parse(await runScript(source, { ...NOWHERE, ...env }));
}

const here = `${Deno.build.os}-${Deno.build.arch}`;
const noFakes = Deno.build.os !== "linux"
  ? "not on Linux"
  : here in LIBRARIES
  ? missing("gcc")
  : `no prebuilt library for ${here}`;

testUnless(noFakes, "no driver: one error with every name that was tried", async () => {
  const { driver, nvrtc, versions } = await search({}, {
    driver: "/nowhere/libcuda.so",
    nvrtc: "/nowhere/libnvrtc.so",
  });
  assertMatch(driver, /^no-driver PairfoldError\[device\]: cuda: no CUDA driver\n/);
  assertStringIncludes(driver, "driver: /nowhere/libcuda.so: not opened: ");
  assertMatch(nvrtc, /^no-nvrtc /);
  assertStringIncludes(nvrtc, "nvrtc: /nowhere/libnvrtc.so: not opened: ");
  assertStringIncludes(nvrtc, "pip install nvidia-cuda-nvrtc");
  assertEquals(versions, { driver: 0, nvrtc: 0 });
});

testUnless(noFakes, "the usual names are all in the log, or one of them was opened", async () => {
  const { driver, log } = await search({});
  if (driver === "ok") {
    assertMatch(log.join("\n"), /driver: .*: found .*, CUDA \d+\.\d+/);
    return;
  }
  for (const name of ["libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1"]) {
    assertEquals(log.filter((line) => line.startsWith(`driver: ${name}: `)).length, 1, name);
  }
});

testUnless(
  noFakes,
  "a driver without some functions is refused by their names",
  () =>
    inFolder(async (folder) => {
      const without = ["cuMemHostAlloc", "cuLaunchKernel"];
      const path = await fakeDriver(join(folder, "libcuda.so"), { without });
      const { driver } = await search({ PAIRFOLD_CUDA_DRIVER: path });
      assertMatch(driver, /^no-driver /);
      assertStringIncludes(driver, `${path}: refused: it lacks cuMemHostAlloc, cuLaunchKernel`);
    }),
);

testUnless(
  noFakes,
  "a driver without a card, and one that does not start, are told apart",
  () =>
    inFolder(async (folder) => {
      const bare = await fakeDriver(join(folder, "bare.so"), { init: 100 });
      assertMatch((await search({}, { driver: bare })).driver, /^no-device .*but no device\n/);
      const broken = await fakeDriver(join(folder, "broken.so"), { init: 803 });
      const { driver } = await search({}, { driver: broken });
      assertMatch(driver, /^driver .*does not start\n/);
      assertStringIncludes(driver, "CUDA_ERROR_OF_TEST (803): said the test");
    }),
);

testUnless(
  noFakes,
  "an argument goes before the environment, for both libraries",
  () =>
    inFolder(async (folder) => {
      const driver = await fakeDriver(join(folder, "driver.so"));
      const nvrtc = await fakeNvrtc(join(folder, "nvrtc.so"));
      const env = { PAIRFOLD_CUDA_DRIVER: "/nowhere/a.so", PAIRFOLD_NVRTC: "/nowhere/b.so" };
      const found = await search(env, { driver, nvrtc });
      assertEquals([found.driver, found.nvrtc], ["ok", "ok"]);
      assertEquals(found.versions, { driver: 13000, nvrtc: 13000 });
      const asked = await search(env);
      assertStringIncludes(asked.driver, "/nowhere/a.so");
      assertStringIncludes(asked.nvrtc, "/nowhere/b.so");
    }),
);

testUnless(
  noFakes,
  "an NVRTC newer than the driver is passed over for an older one",
  () =>
    inFolder(async (folder) => {
      const driver = await fakeDriver(join(folder, "driver.so"), { version: 12040 });
      await Deno.mkdir(join(folder, "lib64"));
      const newer = await fakeNvrtc(join(folder, "lib64", "libnvrtc.so.13"));
      const alone = await search({ CUDA_HOME: folder }, { driver, nvrtc: newer });
      assertMatch(alone.nvrtc, /^no-nvrtc /);
      assertStringIncludes(
        alone.nvrtc,
        "refused: version 13.0 is newer than the driver, which knows CUDA 12.4",
      );
      const older = await fakeNvrtc(join(folder, "lib64", "libnvrtc.so.12"), {
        major: 12,
        minor: 9,
      });
      // the loader's own folders go first: this makes them ours
      for (
        const [variable, value] of [["CUDA_HOME", folder], ["LD_LIBRARY_PATH", `${folder}/lib64`]]
      ) {
        const { nvrtc, versions, log } = await search({ [variable]: value }, { driver });
        assertEquals(nvrtc, "ok", log.join("\n"));
        assertEquals(versions, { driver: 12040, nvrtc: 12090 });
        assertStringIncludes(log.join("\n"), `${newer}, refused: version 13.0 is newer`);
        assertStringIncludes(log.join("\n"), `found ${older}, version 12.9`);
      }
    }),
);

testUnless(
  noFakes,
  "an NVRTC without some functions is refused by their names",
  () =>
    inFolder(async (folder) => {
      const without = ["nvrtcGetCUBIN"];
      const path = await fakeNvrtc(join(folder, "nvrtc.so"), { without });
      const { nvrtc } = await search({ PAIRFOLD_NVRTC: path });
      assertStringIncludes(nvrtc, `${path}: refused: it lacks nvrtcGetCUBIN`);
    }),
);

testUnless(
  noFakes,
  "NVRTC is found in CUDA's folders, conda's and Python's packages",
  () =>
    inFolder(async (folder) => {
      const cases: [string, string][] = [
        ["CUDA_HOME", "lib64"],
        ["CUDA_PATH", "lib"],
        ["CONDA_PREFIX", "lib"],
        ["CONDA_PREFIX", "lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib"],
        ["VIRTUAL_ENV", "lib/python3.11/site-packages/nvidia/cu13/lib"],
        ["VIRTUAL_ENV", "lib/python3.9/site-packages/nvidia/cuda_nvrtc/lib"],
      ];
      const made = await fakeNvrtc(join(folder, "made.so"));
      for (const [k, [variable, inner]] of cases.entries()) {
        const prefix = join(folder, `prefix${k}`);
        await Deno.mkdir(join(prefix, inner), { recursive: true });
        const path = join(prefix, inner, "libnvrtc.so.13");
        await Deno.copyFile(made, path);
        const { nvrtc, log } = await search({ [variable]: prefix });
        assertEquals(nvrtc, "ok", log.join("\n"));
        const found = log.filter((line) => line.includes(": found "));
        // where the loader itself knows an NVRTC, that one goes first
        if (!found[0].includes(prefix)) assertMatch(found[0], /^nvrtc: libnvrtc\.so/);
        else assertStringIncludes(found[0], `found ${path}, version 13.0`);
      }
    }),
);

Deno.test("the driver's functions are those that the header of the table lists", () => {
  assertEquals(DRIVER_FUNCTIONS.length, new Set(DRIVER_FUNCTIONS).size);
  assertEquals(DRIVER_FUNCTIONS.includes("cuLaunchKernel"), true);
});
