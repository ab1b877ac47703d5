// Many threads in the shim at once, watched by the sanitizers of the host's compiler, over a driver
// whose device is the host's memory; and cards that NVRTC does not know.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { LIBRARIES } from "../../scripts/build_cuda.ts";
import {
  inFolder,
  missing,
  moduleUrl,
  ROOT,
  run,
  runScript,
  runWell,
  testUnless,
} from "./support/tools.ts";

const SUPPORT = join(ROOT, "tests", "cuda", "support");
const noCompiler = Deno.build.os === "linux" ? missing("gcc") : "not on Linux";

/** Why a sanitizer cannot be used here; null where it can. */
async function noSanitizer(name: string): Promise<string | null> {
  if (noCompiler) return noCompiler;
  return await inFolder(async (folder) => {
    const source = join(folder, "empty.c"), program = join(folder, "empty");
    await Deno.writeTextFile(source, "int main(void) { return 0; }\n");
    const built = await run("gcc", [`-fsanitize=${name}`, source, "-o", program]);
    if (built.code !== 0) return `gcc has no ${name} sanitizer`;
    const ran = await run(program, []);
    return ran.code === 0 ? null : `programs with the ${name} sanitizer do not run`;
  });
}

/** Builds the driver of the tests and gives its path. */
async function buildDriver(folder: string): Promise<string> {
  const path = join(folder, "libinstant.so");
  const source = join(SUPPORT, "instant_driver.c");
  await runWell("gcc", ["-std=c11", "-O1", "-shared", "-fPIC", source, "-o", path]);
  return path;
}

/** Builds the stress with a sanitizer, from the shim's sources or changed ones, and runs it. */
async function stress(
  sanitizer: string,
  rounds: number,
  change?: (file: string, text: string) => string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  return await inFolder(async (folder) => {
    const sources = join(ROOT, "cuda", "src");
    let isChanged = false;
    for (const { name } of Deno.readDirSync(sources)) {
      const text = Deno.readTextFileSync(join(sources, name));
      const written = change?.(name, text) ?? text;
      isChanged ||= written !== text;
      Deno.writeTextFileSync(join(folder, name), written);
    }
    assertEquals(isChanged, change !== undefined, "the sources have no such place");
    const files = [...Deno.readDirSync(folder)].map(({ name }) => name)
      .filter((name) => name.endsWith(".c")).map((name) => join(folder, name));
    const program = join(folder, "stress");
    await runWell("gcc", [
      ...["-std=gnu11", "-O1", "-g", `-fsanitize=${sanitizer}`, `-DSTRESS_ROUNDS=${rounds}`],
      ...["-I", join(ROOT, "cuda", "include"), join(SUPPORT, "stress.c"), ...files],
      ...["-o", program, "-ldl", "-pthread"],
    ]);
    const driver = await buildDriver(folder);
    const env = { TSAN_OPTIONS: "halt_on_error=1", ASAN_OPTIONS: "detect_leaks=1" };
    return await run(program, [driver, driver, join(folder, "cache")], env);
  });
}

// what shows that the stress finds such mistakes takes its time
const short = Deno.env.get("PAIRFOLD_TEST") === "full" ? null : "runs in task test:full";
const noAddress = await noSanitizer("address"), noThread = await noSanitizer("thread");

testUnless(
  noAddress,
  "threads at once: no access to freed memory, no leak, no undefined step",
  async () => {
    const { code, stdout, stderr } = await stress("address,undefined", 6);
    assertEquals([code, stdout, stderr], [0, "0 failures, 0 objects left\n", ""]);
  },
);

testUnless(noThread, "threads at once: no data race", async () => {
  const { code, stdout, stderr } = await stress("thread", 2);
  assertEquals([code, stdout, stderr], [0, "0 failures, 0 objects left\n", ""]);
});

testUnless(
  noAddress ?? short,
  "an event that is freed under those who wait is found by the stress",
  async () => {
    const { code, stderr } = await stress(
      "address,undefined",
      12,
      (file, text) =>
        file === "stream.c"
          ? text.replace("if (found->waiters > 0)", "if (0)")
          : file === "device.h"
          // so that freed events are not kept for the next to use
          ? text.replace("#define IDLE_EVENTS 64", "#define IDLE_EVENTS 1")
          : text,
    );
    assert(code !== 0);
    assertStringIncludes(stderr, "heap-use-after-free");
  },
);

testUnless(
  noThread ?? short,
  "a list that is changed outside of the lock is found by the stress",
  async () => {
    const { code, stderr } = await stress(
      "thread",
      4,
      (file, text) =>
        file === "transfer.c"
          ? text.replace(
            "  ring_give(ring, chunk);\n  condition_wake_all(&device->chunk_free);\n}",
            "  device_step_out(device);\n  ring_give(ring, chunk);\n  device_step_in(device);\n" +
              "  condition_wake_all(&device->chunk_free);\n}",
          )
          : text,
    );
    assert(code !== 0);
    assertStringIncludes(stderr, "data race");
  },
);

testUnless(
  noAddress ?? short,
  "a graph that is dropped under those who read what it copied is found by the stress",
  async () => {
    const { code, stderr } = await stress(
      "address,undefined",
      40,
      (file, text) =>
        file === "graphs.c" ? text.replace("if (graph->readers > 0) {", "if (0) {") : text,
    );
    assert(code !== 0);
    assertStringIncludes(stderr, "heap-use-after-free");
  },
);

testUnless(
  noAddress ?? short,
  "graphs that are never destroyed are found by the stress",
  async () => {
    const { code, stderr } = await stress(
      "address,undefined",
      4,
      (file, text) =>
        file === "graphs.c" ? text.replace("driver_get()->cuGraphExecDestroy", "(void)") : text,
    );
    assert(code !== 0);
    assertStringIncludes(stderr, "detected memory leaks");
  },
);

// ---- cards and compilers -----------------------------------------------------------------------

const here = `${Deno.build.os}-${Deno.build.arch}`;
const noShim = noCompiler ?? (here in LIBRARIES ? null : `no prebuilt library for ${here}`);

/** What compiling comes to on a card of some capability, twice. */
function compileFor(major: number): Promise<string> {
  return inFolder(async (folder) => {
    const driver = await buildDriver(folder);
    const source = `
      import { Shim } from "${moduleUrl("shim")}";
      const shim = Shim.openSync();
      shim.openDriver();
      shim.openNvrtc();
      const device = shim.deviceOpen(0);
      for (let k = 0; k < 2; k++) {
        try {
          const cache = ${JSON.stringify(join(folder, "cache"))};
          const { cached } = shim.compileSync(device, "text", "text.cu", [], cache);
          console.log("cached", cached);
        } catch (error) {
          console.log(error.message);
        }
      }`;
    return await runScript(source, {
      PAIRFOLD_CUDA_LIBRARY: "",
      PAIRFOLD_CUDA_DRIVER: driver,
      PAIRFOLD_NVRTC: driver,
      INSTANT_MAJOR: `${major}`,
    });
  });
}

testUnless(noShim, "a card that NVRTC knows gets its binary", async () => {
  assertEquals(await compileFor(9), "cached false\ncached true\n");
});

testUnless(noShim, "a card newer than NVRTC gets PTX of the newest that it knows", async () => {
  assertEquals(await compileFor(12), "cached false\ncached true\n");
});

testUnless(noShim, "a card older than all that NVRTC knows is one clear error", async () => {
  const said = await compileFor(7);
  assertMatch(said, /the card wants sm_70; NVRTC 13\.0 \(.*libinstant\.so\) knows only 80, 90\n/);
});
