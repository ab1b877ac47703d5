// Drivers and NVRTCs that only say what they are: libraries of a few lines of C, to see which of
// them the shim takes and what it says of the others.

import { join } from "@std/path";
import { ROOT, runWell } from "./tools.ts";

/** The functions that a header of the shim lists behind X( or FIND(. */
function functionsOf(file: string, prefix: string): string[] {
  const text = Deno.readTextFileSync(join(ROOT, "cuda", "src", file));
  return [...text.matchAll(new RegExp(`^\\s*X\\((${prefix}\\w+),`, "gm"))].map(([, name]) => name);
}

/** Every function of the driver that the shim asks for. */
export const DRIVER_FUNCTIONS: readonly string[] = functionsOf("driver.h", "cu");

/** Every function of NVRTC that the shim asks for. */
export const NVRTC_FUNCTIONS: readonly string[] = [
  ...functionsOf("nvrtc.h", "nvrtc"),
  "nvrtcGetErrorString",
];

async function compile(path: string, source: string): Promise<string> {
  await Deno.writeTextFile(`${path}.c`, source);
  await runWell("gcc", ["-shared", "-fPIC", "-o", path, `${path}.c`]);
  return path;
}

/** The functions that are not `defined` as ones that succeed. */
const others = (functions: readonly string[], defined: string): string =>
  functions.filter((name) => !defined.includes(`${name}(`))
    .map((name) => `int ${name}(void) { return 0; }\n`).join("");

/** A driver whose cuInit gives a code. */
export async function fakeDriver(
  path: string,
  { version = 13000, init = 0, devices = 0, without = [] as string[] } = {},
): Promise<string> {
  const defined = `
    int cuInit(unsigned flags) { return ${init}; }
    int cuDriverGetVersion(int *version) { *version = ${version}; return 0; }
    int cuDeviceGetCount(int *count) { *count = ${devices}; return 0; }
    int cuGetErrorName(int code, const char **name) { *name = "CUDA_ERROR_OF_TEST"; return 0; }
    int cuGetErrorString(int code, const char **text) { *text = "said the test"; return 0; }\n`;
  const rest = DRIVER_FUNCTIONS.filter((name) => !without.includes(name));
  return await compile(path, defined + others(rest, defined));
}

/** An NVRTC of a version, which compiles nothing. */
export async function fakeNvrtc(
  path: string,
  { major = 13, minor = 0, without = [] as string[] } = {},
): Promise<string> {
  const defined = `
    int nvrtcVersion(int *major, int *minor) { *major = ${major}; *minor = ${minor}; return 0; }
    int nvrtcGetNumSupportedArchs(int *count) { *count = 2; return 0; }
    int nvrtcGetSupportedArchs(int *list) { list[0] = 80; list[1] = 90; return 0; }
    const char *nvrtcGetErrorString(int code) { return "NVRTC_ERROR_OF_TEST"; }\n`;
  const rest = NVRTC_FUNCTIONS.filter((name) => !without.includes(name));
  return await compile(path, defined + others(rest, defined));
}
