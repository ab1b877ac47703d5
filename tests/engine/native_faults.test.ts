// What can go wrong around native kernels: compilers that are not there, fail or hang; folders that
// cannot be written; entries that are not what was written; permissions.

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { PairfoldError } from "../../src/error.ts";
import { native, type NativeOptions } from "../../src/engine/mod.ts";
import { Vi, Vj } from "../../mod.ts";
import { ROOT, testUnless } from "../cuda/support/tools.ts";
import { withoutCompiler } from "../support/native.ts";

const isWindows = Deno.build.os === "windows";
const test = (name: string, run: () => Promise<void>): void =>
  testUnless(withoutCompiler, `native faults: ${name}`, run);
/** Tests whose compilers are shell scripts. */
const testScripts = (name: string, run: () => Promise<void>): void =>
  testUnless(isWindows ? "scripts want sh" : withoutCompiler, `native faults: ${name}`, run);

/** Runs in a folder that goes afterwards. */
async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pairfold-test" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A fold on an engine of its own; a formula of its own too. */
async function fold(options: NativeOptions): Promise<ReturnType<typeof native>> {
  const device = native(options);
  const sums = Vi([[0, 0], [1, 0]]).sqDist(Vj([[0, 0], [0, 1]])).sum("j", { device });
  assertEquals(await sums.array(), [[1], [3]]);
  return device;
}

async function refused(options: NativeOptions, code: string): Promise<string> {
  const error = await assertRejects(() => fold(options), PairfoldError);
  assertEquals(error.code, code);
  return error.message;
}

/** The files of a folder of libraries with an end. */
const filesIn = (cache: string, end: string): string[] =>
  [...Deno.readDirSync(join(cache, "native"))]
    .map(({ name }) => join(cache, "native", name)).filter((name) => name.endsWith(end));

/** A compiler that is a shell script: `probe` says what it does when asked about the machine. */
async function script(folder: string, body: string): Promise<string> {
  const path = join(folder, "compiler");
  await Deno.writeTextFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

test("kernels are found on disk by the next process, and not compiled again", async () => {
  await inFolder(async (cache) => {
    assertEquals((await fold({ cache })).compiledLibraries, 1);
    assertEquals((await fold({ cache })).compiledLibraries, 0);
    assertEquals(filesIn(cache, ".sum").length, 1);
    assertEquals(filesIn(cache, ".tmp").length, 0);
    if (!isWindows) {
      assertEquals((Deno.statSync(join(cache, "native")).mode ?? 0) & 0o077, 0);
    }
  });
});

test("an entry that is not what was written is made again", async () => {
  await inFolder(async (cache) => {
    await fold({ cache });
    const [sum] = filesIn(cache, ".sum");
    const library = sum.slice(0, -".sum".length);
    const whole = await Deno.readFile(library);
    const swapped = whole.slice();
    swapped[swapped.length >> 1] ^= 255;
    for (const wrong of [whole.slice(0, 100), new Uint8Array(), swapped]) {
      // a new file, as a damaged disk would have it: this process has the old one open
      await Deno.remove(library);
      await Deno.writeFile(library, wrong);
      assertEquals((await fold({ cache })).compiledLibraries, 1);
      assertEquals((await Deno.readFile(library)).length, whole.length);
    }
    await Deno.remove(sum);
    assertEquals((await fold({ cache })).compiledLibraries, 1);
  });
});

test("an entry of another architecture is made again, though its sum is right", async () => {
  await inFolder(async (cache) => {
    (await fold({ cache })).dispose(); // a process opens no path twice
    const [sum] = filesIn(cache, ".sum");
    const library = sum.slice(0, -".sum".length);
    const foreign = await Deno.readFile(library);
    if (Deno.build.os === "linux") foreign[18] ^= 0x40; // e_machine of the ELF header
    else foreign.fill(0, 0, 64);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", foreign));
    await Deno.remove(library);
    await Deno.writeFile(library, foreign);
    await Deno.writeTextFile(sum, digest.toHex());
    assertEquals((await fold({ cache })).compiledLibraries, 1);
    assertEquals((await fold({ cache })).compiledLibraries, 0);
  });
});

/** Why there can be no small file system for a test; null where there can. */
const withoutMount: string | null = withoutCompiler ?? (() => {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "mounting wants root on Linux";
  const folder = Deno.makeTempDirSync({ prefix: "pairfold-test" });
  const run = (command: string, args: string[]): boolean =>
    new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  try {
    const can = run("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]);
    return can && run("umount", [folder]) ? null : "mounting is not allowed";
  } catch {
    return "there is no mount";
  } finally {
    Deno.removeSync(folder);
  }
})();

testUnless(
  withoutMount,
  "native faults: a full folder: kernels stand in a temporary one",
  async () => {
    await inFolder(async (cache) => {
      const call = async (command: string, args: string[]): Promise<void> => {
        const { success } = await new Deno.Command(command, { args }).output();
        assert(success, command);
      };
      await call("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", cache]);
      try {
        await Deno.mkdir(join(cache, "native"), { mode: 0o700 });
        const filling = await Deno.create(join(cache, "filling"));
        const page = new Uint8Array(4096);
        try {
          while (await filling.write(page) > 0);
        } catch {
          filling.close(); // full
        }
        assertEquals((await fold({ cache })).compiledLibraries, 2); // the folder's fault, then fine
        assertEquals(filesIn(cache, ".sum").length + filesIn(cache, ".tmp").length, 0);
      } finally {
        await call("umount", [cache]);
      }
    });
  },
);

test("what is remembered of the compiler is asked again where it is damaged", async () => {
  await inFolder(async (cache) => {
    await fold({ cache });
    for (const target of filesIn(cache, ".target")) {
      for (const wrong of ["", "{}", '{"machine":["-march=nothing"],"vectorBytes":7}']) {
        await Deno.writeTextFile(target, wrong);
        assertEquals((await fold({ cache })).compiledLibraries, 0);
        assertMatch(await Deno.readTextFile(target), /"identity":"[0-9a-f]{64}"/);
      }
    }
  });
});

test("other options of the machine are other entries", async () => {
  await inFolder(async (cache) => {
    await fold({ cache });
    assertEquals((await fold({ cache, machine: [] })).compiledLibraries, 1);
    assertEquals(filesIn(cache, ".sum").length, 2);
  });
});

test("a folder that cannot be made or written: kernels stand in a temporary one", async () => {
  await inFolder(async (folder) => {
    const file = join(folder, "file");
    await Deno.writeTextFile(file, "");
    assertEquals((await fold({ cache: file })).compiledLibraries, 1);
    if (isWindows) return;
    const open = join(folder, "open");
    await Deno.mkdir(join(open, "native"), { recursive: true });
    await Deno.chmod(join(open, "native"), 0o777); // others could put libraries there
    assertEquals((await fold({ cache: open })).compiledLibraries, 1);
    assertEquals(filesIn(open, "").length, 0);
  });
});

test("several processes that fill one folder at once", async () => {
  await inFolder(async (cache) => {
    const source = `import { native, Vi, Vj } from "${new URL("../../mod.ts", import.meta.url)}";
      const device = native({ cache: ${JSON.stringify(cache)} });
      console.log((await Vi([[1]]).sub(Vj([[3]])).sum("j", { device }).array())[0][0]);`;
    const runs = Array.from({ length: 4 }, () =>
      new Deno.Command(Deno.execPath(), {
        args: ["eval", "--no-lock", source],
        cwd: ROOT,
        stdin: "null",
      }).output());
    for (const { stdout, stderr } of await Promise.all(runs)) {
      assertEquals(new TextDecoder().decode(stdout).trim(), "-2", new TextDecoder().decode(stderr));
    }
    assertEquals(filesIn(cache, ".sum").length, 1);
    assertEquals(filesIn(cache, "").filter((name) => !/\.(target|note)$/.test(name)).length, 2);
  });
});

testScripts("a compiler that fails says why, with its log and the numbered source", async () => {
  await inFolder(async (folder) => {
    const compiler = await script(
      folder,
      `case "$*" in *-dM*) exec cc "$@";; esac\ncat > /dev/null; echo "no such luck" >&2; exit 3`,
    );
    const message = await refused({ compiler, cache: folder }, "compile");
    assertMatch(message, /exit status 3\nno such luck/);
    assertMatch(message, /\n +1 \/\/ .*\n +2 \/\//);
  });
});

testScripts("a compiler that hangs is stopped", async () => {
  await inFolder(async (folder) => {
    const options = { cache: folder, timeout: 300 };
    const always = await script(folder, "sleep 60");
    const started = performance.now();
    assertMatch(await refused({ ...options, compiler: always }, "device"), /within 300 ms/);
    const later = await script(folder, `case "$*" in *-dM*) exec cc "$@";; esac\nsleep 60`);
    const patient = { ...options, timeout: 2000, compiler: later };
    assertMatch(await refused(patient, "compile"), /within 2000 ms/);
    assert(performance.now() - started < 30_000);
  });
});

testScripts("a compiler that makes no library is told of", async () => {
  await inFolder(async (folder) => {
    const compiler = await script(
      folder,
      `for last in "$@"; do [ "$previous" = -o ] && echo junk > "$last"; previous="$last"; done
       case "$*" in *-dM*) exec cc "$@";; esac`,
    );
    assertMatch(await refused({ compiler, cache: folder }, "compile"), /cannot be loaded/);
    const idle = await script(folder, `case "$*" in *-dM*) exec cc "$@";; esac`);
    const message = await refused({ compiler: idle, cache: folder }, "compile");
    assertMatch(message, /says that it succeeded, but made no library\n +1 /);
  });
});

Deno.test("native faults: a compiler that is not there is named", () => {
  const error = assertThrows(
    () => native({ compiler: "/nowhere/cc" }),
    PairfoldError,
    "/nowhere/cc",
  );
  assertEquals(error.code, "device");
});

/** What lines print in a process of their own, its errors too. */
async function processOf(
  lines: string,
  flags: readonly string[],
  env: Record<string, string>,
): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "pairfold-test" });
  const file = join(folder, "main.ts");
  const mod = new URL("../../mod.ts", import.meta.url);
  await Deno.writeTextFile(file, `import { doctor, native, Vi, Vj } from "${mod}";\n${lines}`);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-prompt", "--no-lock", ...flags, file],
    env: { PAIRFOLD_DEVICE: "", ...env },
    cwd: ROOT,
    stdin: "null",
  }).output();
  await Deno.remove(folder, { recursive: true });
  const decoder = new TextDecoder();
  return decoder.decode(stderr) + decoder.decode(stdout);
}

const LONG = `const p = new Float32Array(12_000).map((_, k) => Math.sin(k));
  const sums = Vi(p, 3).sqDist(Vj(p, 3)).sqrt().neg().exp().sum("j");
  console.log((await sums.data()).length, doctor().split("\\n")[0]);
  console.log(/target +(\\w+)/.exec(sums.explain())?.[1] ?? "");`;
const SHORT = `const sums = Vi([[1]]).sub(Vj([[2]])).exp().sum("j");
  console.log(/target +(\\w+)/.exec(sums.explain())?.[1]);`;

testScripts("auto takes native where that works, for folds that are long", async () => {
  await inFolder(async (folder) => {
    const env = { PAIRFOLD_CACHE: folder, PAIRFOLD_CUDA_LIBRARY: "/nowhere" };
    assertMatch(await processOf(LONG, ["-A"], env), /^4000 device "auto" takes native/m);
    assertMatch(await processOf(SHORT, ["-A"], env), /^wasm$/m);
    const allowed = [
      "--allow-env",
      "--allow-run",
      "--allow-read",
      `--allow-write=${folder}`,
      "--allow-ffi",
    ];
    assertMatch(await processOf(LONG, allowed, env), /"auto" takes native/);
  });
});

testScripts("auto goes on with wasm where the compiler fails, and says so", async () => {
  await inFolder(async (folder) => {
    const compiler = await script(
      folder,
      `case "$*" in *-dM*) exec cc "$@";; esac\necho "no such luck" >&2; exit 3`,
    );
    const env = { PAIRFOLD_CACHE: folder, PAIRFOLD_CUDA_LIBRARY: "/nowhere", CC: compiler };
    const said = await processOf(LONG, ["-A"], env);
    assertMatch(said, /native kernels do not work; folds run on WebAssembly/);
    assertMatch(said, /^4000 device "auto" takes wasm/m);
  });
});

Deno.test("native faults: without permissions auto takes wasm, and native says what it wants", async () => {
  const env = { PAIRFOLD_CUDA_LIBRARY: "/nowhere" };
  assertMatch(
    await processOf("console.log(doctor());", [], env),
    /takes wasm[^]*native: not avail/,
  );
  const code = "try { native(); } catch (error) { console.log(error.code, error.message); }";
  for (
    const [flags, wanted] of [
      [[], /^device .*--allow-(env|run)/m],
      [["--allow-env", "--allow-read"], /^device .*(--allow-run|no C compiler)/m],
    ] as const
  ) {
    assertMatch(await processOf(code, flags, env), wanted);
  }
});
