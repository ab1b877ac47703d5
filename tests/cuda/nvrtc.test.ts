// The real compiler through the shim's own path: found in Python's packages, compiling for cards
// that are not here. NVRTC is PAIRFOLD_NVRTC's, or nvidia-cuda-nvrtc's in the virtual environment.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { realNvrtc, withoutNvrtc, withoutPackages } from "./support/nvrtc.ts";
import { moduleUrl, runScript, testUnless } from "./support/tools.ts";

/** Runs lines with `shim` in a process of its own and gives what they print. */
const withShim = (lines: string, env: Record<string, string>): Promise<string> =>
  runScript(
    `import { Shim } from "${moduleUrl("shim")}";
     const shim = Shim.openSync();
     ${lines}`,
    { PAIRFOLD_CUDA_LIBRARY: "", ...env },
  );

const OPTIONS = ["--std=c++17", "-default-device", "--ftz=true"];
const KERNEL = `
extern "C" __global__ void twice(float* x, long long n) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < n) x[i] = exp2f(x[i]) * 2.0f;
}`;

testUnless(withoutPackages, "NVRTC is found in the packages of a virtual environment", async () => {
  const said = await withShim(
    `shim.openNvrtc(); console.log(shim.versions().nvrtc, shim.searchLog().join("\\n"));`,
    { PAIRFOLD_NVRTC: "", VIRTUAL_ENV: Deno.env.get("VIRTUAL_ENV") ?? "" },
  );
  const [, version] = /^(\d+) /.exec(said)!;
  assert(Number(version) >= 11020, said);
  assertMatch(said, /found .*libnvrtc\.so\.[\d.]+, version \d+\.\d+/);
});

testUnless(withoutNvrtc, "a kernel compiles for sm_75, sm_90 and sm_100", async () => {
  const said = await withShim(
    `shim.openNvrtc(${JSON.stringify(realNvrtc)});
     const options = ${JSON.stringify(OPTIONS)};
     for (const architecture of [75, 90, 100]) {
       const { binary } = await shim.compileBinary(
         architecture, ${JSON.stringify(KERNEL)}, "twice.cu", options);
       const view = new DataView(binary.buffer);
       const text = new TextDecoder("latin1").decode(binary);
       // ELF for CUDA (machine 190), with the kernel in a section of its own
       console.log(architecture, view.getUint32(0).toString(16), view.getUint16(18, true),
         text.includes(".text.twice"), text.includes("sm_" + architecture));
     }`,
    {},
  );
  assertEquals(
    said.trim().split("\n").map((line) => line.split(" ").slice(0, 4).join(" ")),
    ["75 7f454c46 190 true", "90 7f454c46 190 true", "100 7f454c46 190 true"],
  );
});

testUnless(withoutNvrtc, "an error of the compiler carries log and numbered source", async () => {
  const source = KERNEL.replace("x[i]) *", "y[i]) *");
  const said = await withShim(
    `shim.openNvrtc(${JSON.stringify(realNvrtc)});
     try {
       await shim.compileBinary(90, ${JSON.stringify(source)}, "wrong.cu", []);
     } catch (error) {
       console.log(error.code, error.message);
     }`,
    {},
  );
  assertStringIncludes(said, "compile PairfoldError[compile]");
  assertStringIncludes(said, 'wrong.cu(4): error: identifier "y" is undefined');
  assertStringIncludes(said, "4 |   if (i < n) x[i] = exp2f(y[i]) * 2.0f;");
});

testUnless(
  withoutNvrtc,
  "warnings are notes; a wrong option and an unknown card are errors",
  async () => {
    const warned = KERNEL.replace("long long i", "int unused; long long i");
    const said = await withShim(
      `shim.openNvrtc(${JSON.stringify(realNvrtc)});
     const { notes } = await shim.compileBinary(90, ${JSON.stringify(warned)}, "warned.cu", []);
     console.log(notes);
     for (const [architecture, options] of [[90, ["--no-such-option"]], [12345, []]]) {
       try {
         await shim.compileBinary(architecture, ${JSON.stringify(KERNEL)}, "twice.cu", options);
       } catch (error) {
         console.log(error.code, error.message);
       }
     }`,
      {},
    );
    assertStringIncludes(said, 'variable "unused" was declared but never referenced');
    assertStringIncludes(said, "compile PairfoldError[compile]: cuda: nvrtcCompileProgram: ");
    assertStringIncludes(said, "--no-such-option");
    assertMatch(said, /internal .*got architecture 12345; NVRTC \d+\.\d+ knows /);
  },
);

testUnless(withoutNvrtc, "a binary larger than the first guess comes whole", async () => {
  // a table of 2 MB in the binary
  const source = `__device__ int table[1 << 19] = { 1 };
    extern "C" __global__ void first(int* x) { *x = table[threadIdx.x]; }`;
  const said = await withShim(
    `shim.openNvrtc(${JSON.stringify(realNvrtc)});
     const { binary } = await shim.compileBinary(90, ${JSON.stringify(source)}, "large.cu", []);
     console.log(binary.length, new DataView(binary.buffer).getUint32(0).toString(16));`,
    {},
  );
  const [bytes, magic] = said.trim().split(" ");
  assert(Number(bytes) > 2 << 20, said);
  assertEquals(magic, "7f454c46");
});
