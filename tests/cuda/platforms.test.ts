// The prebuilt shims loaded, and the shim's own parts tried, on every platform that this machine
// can run: its own, ARM under qemu, Windows under wine.

import { assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { LIBRARIES, PREBUILT_FOLDER } from "../../scripts/build_cuda.ts";
import { headerAbi } from "./support/header.ts";
import { endWine, platforms } from "./support/platforms.ts";
import { ROOT, testUnless } from "./support/tools.ts";

const SUPPORT = join(ROOT, "tests", "cuda", "support");
const SOURCES = join(ROOT, "cuda", "src");
const FOLDERS = [SOURCES, join(ROOT, "cuda", "include")];
// the parts that need neither driver nor device
const PARTS = [
  "cache",
  "folders",
  "handles",
  "platform_posix",
  "platform_windows",
  "pool",
  "report",
  "sha256",
  "text",
];

let folder: string | null = null;
const shared = (): string => folder ??= Deno.makeTempDirSync({ prefix: "pairfold-platforms-" });

for (const platform of platforms(shared)) {
  const { name, reason } = platform;

  testUnless(
    reason,
    `${name}: the library loads and names the driver it did not find`,
    async () => {
      const program = join(shared(), `loader-${name}.exe`);
      await platform.compile([join(SUPPORT, "loader.c")], FOLDERS, program);
      const library = platform.path(join(PREBUILT_FOLDER, name, LIBRARIES[name]));
      const driver = platform.path("/nowhere/cuda");
      const said = await platform.run(program, [library, driver], {});
      assertMatch(said, new RegExp(`^abi ${headerAbi()}\ndriver 1\n`));
      assertStringIncludes(said, `driver: ${driver}: not opened`);
      assertMatch(said, /alloc 4\npf_alloc: got 42, which is no open device/);
    },
  );

  testUnless(reason, `${name}: text, hashes, handles, sizes, files and cache`, async () => {
    const program = join(shared(), `units-${name}.exe`);
    const parts = PARTS.map((part) => join(SOURCES, `${part}.c`));
    await platform.compile([join(SUPPORT, "units.c"), ...parts], FOLDERS, program);
    const cache = join(shared(), `cache-${name}`);
    await Deno.mkdir(cache);
    const said = await platform.run(program, [platform.path(cache)], { CUDA_HOME: "cuda-home" });
    assertMatch(said, /^\d+ checks, 0 failures\n$/);
  });
}

Deno.test.afterAll(async () => {
  if (folder === null) return;
  await endWine(folder);
  await Deno.remove(folder, { recursive: true });
});
