// Which file is the shim: options, the environment, beside the source, fetched once; and what is
// refused: damaged downloads, other ABIs, files that are no shim, missing permissions.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { LIBRARIES, PREBUILT_FOLDER } from "../../scripts/build_cuda.ts";
import { PairfoldError } from "../../src/error.ts";
import { cacheFolder } from "../../src/engine/cuda/host.ts";
import { findLibrary, type LibraryOptions } from "../../src/engine/cuda/library.ts";
import { PREBUILT } from "../../src/engine/cuda/prebuilt.ts";
import { Shim } from "../../src/engine/cuda/shim.ts";
import { ABI_VERSION } from "../../src/engine/cuda/symbols.ts";
import {
  inFolder,
  missing,
  moduleUrl,
  ROOT,
  runScript,
  runWell,
  testUnless,
} from "./support/tools.ts";

const HERE = `${Deno.build.os}-${Deno.build.arch}`;
const noPrebuilt = HERE in PREBUILT ? null : `no prebuilt library for ${HERE}`;
const ownFile = join(PREBUILT_FOLDER, HERE, LIBRARIES[HERE] ?? "");
const VARIABLE = "PAIRFOLD_CUDA_LIBRARY";

/** Runs with variables of the environment that are put back afterwards. */
function withVariables(variables: Record<string, string | null>, work: () => void): void {
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  const set = (name: string, value: string | null | undefined): void =>
    value === null || value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  for (const [name, value] of Object.entries(variables)) set(name, value);
  try {
    work();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}

/** The message of the device error that opening comes to. */
function refusal(options: LibraryOptions): string {
  const error = assertThrows(() => Shim.openSync(options), PairfoldError);
  assertEquals(error.code, "device");
  return error.message;
}

// ---- where it is looked for --------------------------------------------------------------------

testUnless(noPrebuilt, "beside the source lies a library that opens", () => {
  withVariables({ [VARIABLE]: null }, () => {
    assertEquals(findLibrary(), { path: ownFile });
    using shim = Shim.openSync();
    assertEquals(shim.path, ownFile);
    assertEquals(shim.versions(), { driver: 0, nvrtc: 0 });
  });
});

Deno.test("an option goes before the environment, the environment before the source's own", () => {
  withVariables({ [VARIABLE]: "/from/environment" }, () => {
    assertEquals(findLibrary({ library: "/from/option" }), { path: "/from/option" });
    assertEquals(findLibrary(), { path: "/from/environment" });
  });
});

Deno.test("a path that was asked for is not replaced by another", () => {
  assertStringIncludes(refusal({ library: "/nowhere/shim.so" }), "/nowhere/shim.so");
  withVariables({ [VARIABLE]: "/nowhere/else.so" }, () => {
    assertStringIncludes(refusal({}), "/nowhere/else.so");
  });
});

testUnless(noPrebuilt, "a source without its prebuilt folder says which file it misses", () => {
  withVariables({ [VARIABLE]: null }, () => {
    const message = refusal({ prebuilt: new URL("file:///nowhere/prebuilt/") });
    assertStringIncludes(message, PREBUILT[HERE].file.split("/")[1]);
    assertStringIncludes(message, "nowhere");
    assertStringIncludes(message, VARIABLE);
  });
});

Deno.test("the cache folder is the option's, the variable's, then the platform's", () => {
  const unset = { PAIRFOLD_CACHE: null, XDG_CACHE_HOME: null, HOME: null, LOCALAPPDATA: null };
  withVariables({ ...unset, PAIRFOLD_CACHE: "/variable" }, () => {
    assertEquals(cacheFolder("/option"), "/option");
    assertEquals(cacheFolder(), "/variable");
  });
  withVariables(unset, () => assertEquals(cacheFolder(), null));
  if (Deno.build.os === "windows") {
    withVariables({ ...unset, LOCALAPPDATA: "C:\\local" }, () => {
      assertEquals(cacheFolder(), "C:\\local\\pairfold");
    });
    return;
  }
  const usual = Deno.build.os === "darwin"
    ? "/home/Library/Caches/pairfold"
    : "/home/.cache/pairfold";
  withVariables({ ...unset, HOME: "/home" }, () => assertEquals(cacheFolder(), usual));
  if (Deno.build.os === "linux") {
    withVariables({ ...unset, HOME: "/home", XDG_CACHE_HOME: "/xdg" }, () => {
      assertEquals(cacheFolder(), "/xdg/pairfold");
    });
  }
});

// ---- what is no shim ---------------------------------------------------------------------------

Deno.test("a file that is no library gives one clear error", () =>
  inFolder(async (folder) => {
    const path = join(folder, "text.so");
    await Deno.writeTextFile(path, "this is no library");
    const message = refusal({ library: path });
    assertStringIncludes(message, path);
    assertStringIncludes(message, "is no library of Pairfold");
  }));

testUnless(
  Deno.build.os === "linux" ? null : "not on Linux",
  "a library that is no shim gives one clear error",
  () => assertStringIncludes(refusal({ library: "libc.so.6" }), "pf_abi_version"),
);

testUnless(
  missing("gcc"),
  "another ABI version, and a shim without its functions, are refused",
  () =>
    inFolder(async (folder) => {
      const build = async (name: string, source: string): Promise<string> => {
        const path = join(folder, `${name}.so`);
        await Deno.writeTextFile(join(folder, `${name}.c`), source);
        await runWell("gcc", ["-shared", "-fPIC", join(folder, `${name}.c`), "-o", path]);
        return path;
      };
      const other = await build("other", "unsigned pf_abi_version(void) { return 77; }\n");
      const message = refusal({ library: other });
      assertStringIncludes(message, `ABI version 77; expected ${ABI_VERSION}`);
      const source = `unsigned pf_abi_version(void) { return ${ABI_VERSION}; }\n`;
      const partial = refusal({ library: await build("partial", source) });
      assertStringIncludes(partial, "is no library of this Pairfold");
      assertStringIncludes(partial, "symbol pf_");
    }),
);

// ---- fetching ----------------------------------------------------------------------------------

/** Serves files of the project; counts requests and may change what is sent. */
function serve(change: (data: Uint8Array<ArrayBuffer>, path: string) => BodyInit | null) {
  const requests: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const path = new URL(request.url).pathname;
    requests.push(path);
    const body = change(Deno.readFileSync(join(ROOT, path)), path);
    if (body === null) return new Response("gone", { status: 404 });
    const type = path.endsWith(".ts") ? "application/typescript" : "application/octet-stream";
    return new Response(body, { headers: { "content-type": type } });
  });
  const base = `http://127.0.0.1:${server.addr.port}/`;
  return {
    requests,
    base,
    prebuilt: new URL("cuda/prebuilt/", base),
    stop: () => server.shutdown(),
  };
}

const noDownload = noPrebuilt;

testUnless(
  noDownload,
  "imported from a URL: fetched once, then opened from the cache folder",
  () =>
    inFolder(async (cache) => {
      const server = serve((data) => data);
      const options = { cache: join(cache, "new", "folder"), prebuilt: server.prebuilt };
      assertStringIncludes(refusal(options), "is not fetched yet");
      const shims = await Promise.all([Shim.open(options), Shim.open(options)]);
      for (const shim of shims) {
        assert(shim.path.startsWith(options.cache), shim.path);
        shim.close();
      }
      const requests = server.requests.length;
      assert(requests <= 2, `${requests} requests`);
      (await Shim.open(options)).close();
      assertEquals(server.requests.length, requests);
      await server.stop();
      (await Shim.open(options)).close();
      Shim.openSync(options).close();
      assertEquals([...Deno.readDirSync(options.cache)].length, 1);
    }),
);

testUnless(
  noDownload,
  "a corrupted download is refused and not kept",
  () =>
    inFolder(async (cache) => {
      const server = serve((data) => {
        data[1000] ^= 1;
        return data;
      });
      const options = { cache, prebuilt: server.prebuilt };
      const error = await assertRejects(() => Shim.open(options), PairfoldError);
      assertEquals(error.code, "device");
      assertStringIncludes(error.message, PREBUILT[HERE].sha256);
      assertStringIncludes(error.message, server.prebuilt.href);
      assertEquals([...Deno.readDirSync(cache)], []);
      await server.stop();
    }),
);

testUnless(
  noDownload,
  "a download cut short, and one that is not there, are refused",
  () =>
    inFolder(async (cache) => {
      const short = serve((data) => data.slice(0, 5000));
      const error = await assertRejects(
        () => Shim.open({ cache, prebuilt: short.prebuilt }),
        PairfoldError,
      );
      assertStringIncludes(error.message, "5000 bytes");
      await short.stop();
      const gone = serve(() => null);
      const other = await assertRejects(
        () => Shim.open({ cache, prebuilt: gone.prebuilt }),
        PairfoldError,
      );
      assertStringIncludes(other.message, "status 404");
      await gone.stop();
      const offline = await assertRejects(
        () => Shim.open({ cache, prebuilt: gone.prebuilt }),
        PairfoldError,
      );
      assertStringIncludes(offline.message, "cannot be fetched");
      assertEquals([...Deno.readDirSync(cache)], []);
    }),
);

testUnless(
  noDownload,
  "what was damaged in the cache folder is fetched again",
  () =>
    inFolder(async (cache) => {
      const server = serve((data) => data);
      const options = { cache, prebuilt: server.prebuilt };
      const first = await Shim.open(options);
      first.close();
      const data = await Deno.readFile(first.path);
      // a new file, for the old one may be mapped still
      await Deno.remove(first.path);
      await Deno.writeFile(first.path, data.map((byte, k) => k === 2000 ? byte ^ 1 : byte));
      const again = await Shim.open(options);
      again.close();
      assertEquals(await Deno.readFile(again.path), data);
      assertEquals(server.requests.length, 2);
      await server.stop();
    }),
);

testUnless(
  noDownload ?? (Deno.build.os === "windows" ? "POSIX only" : null),
  "a cache folder that cannot be written to is one clear error",
  () =>
    inFolder(async (folder) => {
      const server = serve((data) => data);
      const file = join(folder, "file");
      await Deno.writeTextFile(file, "");
      const options = { cache: join(file, "cache"), prebuilt: server.prebuilt };
      const error = await assertRejects(() => Shim.open(options), PairfoldError);
      assertEquals(error.code, "device");
      assertStringIncludes(error.message, "cannot be kept");
      await server.stop();
    }),
);

// ---- in a process of its own -------------------------------------------------------------------

const MODULES = ["calls", "fetch", "host", "library", "prebuilt", "report", "shim", "symbols"];

/** Runs a script with some permissions and no path of a shim but one given. */
const script = (
  source: string,
  permissions: readonly string[],
  env: Record<string, string> = {},
): Promise<string> => runScript(source, { [VARIABLE]: "", ...env }, permissions);

const opening = (base = moduleUrl("shim")): string => `
  import { Shim } from "${base}";
  try {
    const shim = await Shim.open();
    console.log("opened " + shim.path);
    shim.close();
  } catch (error) {
    console.log(error.name + " " + error.code + " " + error.message);
  }`;

Deno.test("importing the modules needs no permission, does nothing and says nothing", async () => {
  const imports = MODULES.map((name) => `import "${moduleUrl(name)}";`).join("\n");
  assertEquals(await script(`${imports}\nconsole.log("imported");`, []), "imported\n");
});

testUnless(
  noPrebuilt,
  "without permissions opening names the flag, and nobody is asked",
  async () => {
    const said = await script(opening(), []);
    assertStringIncludes(said, "PairfoldError device");
    assertStringIncludes(said, "wants --allow-ffi");
    const denied = await script(opening(), ["--allow-read", "--allow-env", "--deny-ffi"]);
    assertStringIncludes(denied, "wants --allow-ffi");
  },
);

testUnless(
  noPrebuilt,
  "opening needs --allow-ffi alone; the environment is read where granted",
  async () => {
    const env = { [VARIABLE]: "/nowhere/shim.so" };
    assertStringIncludes(await script(opening(), [`--allow-ffi=${ownFile}`]), `opened ${ownFile}`);
    assertStringIncludes(await script(opening(), ["--allow-ffi"], env), `opened ${ownFile}`);
    const granted = ["--allow-ffi", `--allow-env=${VARIABLE}`];
    assertStringIncludes(await script(opening(), granted, env), "/nowhere/shim.so");
  },
);

testUnless(
  noDownload,
  "the whole library imported over http opens the shim from its cache folder",
  () =>
    inFolder(async (folder) => {
      const server = serve((data) => data);
      const source = opening(`${server.base}src/engine/cuda/shim.ts`);
      const env = { DENO_DIR: join(folder, "deno"), PAIRFOLD_CACHE: join(folder, "cache") };
      const imports = `--allow-import=127.0.0.1`;
      const named = PREBUILT[HERE].file.split("/")[1];
      const all = [imports, "--allow-ffi", "--allow-env", "--allow-read", "--allow-write"];
      const offline = await script(source, all, env);
      assertStringIncludes(offline, "wants --allow-net");
      const said = await script(source, [...all, "--allow-net"], env);
      assertStringIncludes(said, `opened ${env.PAIRFOLD_CACHE}`);
      const fetched = server.requests.filter((path) => path.endsWith(named));
      assertEquals(fetched.length, 1);
      // now the network is not needed
      assertStringIncludes(await script(source, all, env), `opened ${env.PAIRFOLD_CACHE}`);
      await server.stop();
    }),
);
