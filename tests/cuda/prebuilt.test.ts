// The libraries under cuda/prebuilt/: small, stripped, old enough for every glibc in use, exporting
// what the header says and nothing else, and built from the sources as they are.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import {
  BUILD_FILE,
  buildLibrary,
  type BuildRecord,
  findZig,
  LIBRARIES,
  PREBUILT_FOLDER,
  sha256,
  sourcesHash,
  TABLE_FILE,
  tableSource,
} from "../../scripts/build_cuda.ts";
import { PREBUILT } from "../../src/engine/cuda/prebuilt.ts";
import { type Binary, readBinary } from "./support/binary.ts";
import { headerAbi, headerFunctions } from "./support/header.ts";
import { inFolder, missing, ROOT, runWell, testUnless, which } from "./support/tools.ts";

const record: BuildRecord = JSON.parse(Deno.readTextFileSync(BUILD_FILE));
const names = headerFunctions().map(({ name }) => name).sort();
const fileOf = (platform: string): string => `${platform}/${LIBRARIES[platform]}`;
const read = (platform: string): Uint8Array<ArrayBuffer> =>
  Deno.readFileSync(join(PREBUILT_FOLDER, fileOf(platform)));

/** Symbols of a glibc newer than 2.17. */
const tooNew = (binary: Binary): string[] =>
  binary.imports.filter((name) => {
    const [, major, minor] = /@GLIBC_(\d+)\.(\d+)/.exec(name) ?? [];
    return Number(major) > 2 || Number(minor) > 17;
  });

for (const platform of Object.keys(LIBRARIES)) {
  Deno.test(`${platform}: under 150 KB, stripped, for its processor`, () => {
    const data = read(platform), binary = readBinary(data);
    assert(data.length < 150 * 1024, `${data.length} bytes`);
    assertEquals(binary.hasSymbols, false);
    assertEquals(binary.machine, platform.split("-")[1]);
  });

  Deno.test(`${platform}: exports the header's functions and nothing else`, () => {
    assertEquals([...readBinary(read(platform)).exports].sort(), names);
  });

  Deno.test(`${platform}: links the system's C library alone`, () => {
    const allowed = platform.startsWith("linux")
      ? /^(libc\.so\.6|libdl\.so\.2|libpthread\.so\.0|ld-linux-aarch64\.so\.1)$/
      : /^(kernel32\.dll|api-ms-win-crt-[a-z]+-l1-1-0\.dll)$/i;
    for (const library of readBinary(read(platform)).libraries) assertMatch(library, allowed);
  });

  Deno.test(`${platform}: BUILD.json and the table in the source tell its size and hash`, async () => {
    const data = read(platform), file = fileOf(platform);
    const told = { bytes: data.length, sha256: await sha256(data) };
    assertEquals(record.files[file], told);
    assertEquals(PREBUILT[platform], { file, ...told });
  });
}

for (const platform of Object.keys(LIBRARIES).filter((name) => name.startsWith("linux"))) {
  Deno.test(`${platform}: asks for no glibc newer than 2.17`, () => {
    const binary = readBinary(read(platform));
    assert(binary.imports.some((name) => name.includes("@GLIBC_2.")));
    assertEquals(tooNew(binary), []);
  });
}

Deno.test("BUILD.json names the sources, the ABI and the compiler", async () => {
  assertEquals(record.sources, await sourcesHash(), "run scripts/build_cuda.ts");
  assertEquals(record.abi, headerAbi());
  assertMatch(record.compiler, /^zig \d/);
  assertEquals(Object.keys(record.files), Object.keys(LIBRARIES).map(fileOf));
  assertEquals(Deno.readTextFileSync(TABLE_FILE), tableSource(record));
});

testUnless(
  Deno.build.os === "linux" ? missing("gcc") : "not on Linux",
  "a library with symbols, other exports and a newer glibc is told apart",
  () =>
    inFolder(async (folder) => {
      const source = join(folder, "other.c"), library = join(folder, "other.so");
      // stat is a symbol of its own since glibc 2.33
      await Deno.writeTextFile(
        source,
        '#include <sys/stat.h>\nint other(struct stat *s) { return stat("/", s); }\n',
      );
      await runWell("gcc", ["-shared", "-fPIC", "-g", source, "-o", library]);
      const binary = readBinary(await Deno.readFile(library));
      assertEquals(binary.hasSymbols, true);
      assert(binary.exports.includes("other") && binary.libraries.includes("libc.so.6"));
      assertEquals(tooNew({ ...binary, imports: ["stat@GLIBC_2.33", "open@GLIBC_2.2.5"] }), [
        "stat@GLIBC_2.33",
      ]);
    }),
);

const zig = await findZig();
const noRebuild = missing("cmake") ??
  (zig === null
    ? "no zig (pip install ziglang)"
    : zig.version === record.compiler
    ? null
    : `${zig.version}, the libraries were built by ${record.compiler}`);

testUnless(noRebuild, "building again gives the same bytes", () =>
  inFolder(async (folder) => {
    for (const platform of Object.keys(LIBRARIES)) {
      const built = await Deno.readFile(await buildLibrary(platform, zig!.path, folder));
      assertEquals(await sha256(built), record.files[fileOf(platform)].sha256, platform);
    }
  }));

testUnless(
  Deno.build.os === "windows" ? "POSIX only" : missing("cmake") ?? (which("cc") ? null : "no cc"),
  "the host's own compiler builds a library with the same exports",
  () =>
    inFolder(async (folder) => {
      const cuda = join(ROOT, "cuda");
      await runWell("cmake", ["-S", cuda, "-B", folder]);
      await runWell("cmake", ["--build", folder]);
      const binary = readBinary(await Deno.readFile(join(folder, "libpairfold_cuda.so")));
      assertEquals([...binary.exports].filter((name) => name.startsWith("pf_")).sort(), names);
    }),
);
