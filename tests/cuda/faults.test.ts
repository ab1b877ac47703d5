// Faults of the card and its libraries: one clear error each, nothing lost, nothing that looks
// right. Each runs in a process of its own, for a fault may cost the card until the process ends.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import { isReal, withoutCard } from "./support/card.ts";
import { emulatorVariables } from "./support/emulator.ts";
import { ROOT, run, testUnless } from "./support/tools.ts";

const without = withoutCard ?? (isReal ? "faults are injected into the emulator" : null);

const MODULE = toFileUrl(join(ROOT, "mod.ts")).href;

/** What a script printed, line by line. */
async function script(body: string, variables: Record<string, string> = {}): Promise<string[]> {
  const cache = await Deno.makeTempDir({ prefix: "pairfold-faults-" });
  const source = `
    import * as pairfold from "${MODULE}";
    const { cuda, doctor, memory, tensor, Vi, Vj } = pairfold;
    const x = Float32Array.from({ length: 300 }, (_, k) => Math.sin(k));
    const gaussian = () => Vi(x, 3).sqDist(Vj(x, 3)).neg().exp();
    const failure = async (work) => {
      try { return "no error: " + JSON.stringify(await work()); }
      catch (error) { return error.message ?? String(error); }
    };
    ${body}`;
  const path = join(cache, "script.ts");
  await Deno.writeTextFile(path, source);
  const env = {
    ...emulatorVariables(),
    PAIRFOLD_CACHE: join(cache, "kernels"),
    NO_COLOR: "1",
    PAIRFOLD_DEVICE: "",
    ...variables,
  };
  const args = ["run", "-A", "--no-check", "--config", join(ROOT, "deno.json"), path];
  const { code, stdout, stderr } = await run(Deno.execPath(), args, env);
  await Deno.remove(cache, { recursive: true });
  assertEquals(code, 0, `the script ended with ${code}:\n${stderr.slice(-2000)}\n${stdout}`);
  return stdout.trim().split("\n");
}

const SUM = 'gaussian().sum("j", { device: "cuda" }).data()';

/** Faults: what is injected, what runs, what the one line says. */
const FAULTS: readonly [name: string, variables: Record<string, string>, message: RegExp][] = [
  ["no driver", { PAIRFOLD_CUDA_DRIVER: "/nowhere/libcuda.so" }, /no CUDA driver[^]*nowhere/],
  ["no NVRTC", { PAIRFOLD_NVRTC: "/nowhere/libnvrtc.so" }, /NVRTC[^]*nowhere/],
  [
    "a driver too old for NVRTC's output",
    { PAIRFOLD_EMULATOR_DRIVER_VERSION: "11.4", PAIRFOLD_EMULATOR_NVRTC_VERSION: "13.0" },
    /NVRTC[^]*(newer|driver)/,
  ],
  ["no card", { PAIRFOLD_EMULATOR_DEVICES: "0" }, /no |got device 0/],
  ["a compiler that fails", { PAIRFOLD_EMULATOR_FAIL: "nvrtcCompileProgram:1=6" }, /compile/],
  ["a launch that is refused", { PAIRFOLD_EMULATOR_FAIL: "cuLaunchKernel:1=1" }, /launch|INVALID/i],
  ["a kernel that faults", { PAIRFOLD_EMULATOR_FAIL: "launch:1=700" }, /lost[^]*700/],
];

for (const [name, variables, message] of FAULTS) {
  testUnless(without, `${name}: one clear error`, async () => {
    const lines = await script(`console.log(await failure(() => ${SUM}))`, variables);
    assertMatch(lines.join("\n"), message);
  });
}

testUnless(without, "after a kernel's fault the next use says so", async () => {
  const lines = await script(
    `console.log((await failure(() => ${SUM})).includes("700"));
     console.log(await failure(() => ${SUM}));
     console.log((await gaussian().sum("j", { device: "wasm" }).data()).length);`,
    { PAIRFOLD_EMULATOR_FAIL: "launch:1=700" },
  );
  assertEquals(lines[0], "true");
  assertMatch(lines.slice(1, -1).join("\n"), /lost until the process ends/);
  assertEquals(lines.at(-1), "100");
});

testUnless(
  without,
  "a fault of a launch that came again: one clear error, the rest goes",
  async () => {
    const lines = await script(
      `const points = tensor(x, [100, 3]);
     const sum = () => Vi(points).sqDist(Vj(points)).neg().exp().sum("j", { device: "cuda" });
     const kept = sum();
     for (let k = 0; k < 3; k++) await sum().data();
     Deno.env.set("PAIRFOLD_EMULATOR_FAIL", "launch:1=700");
     const waiting = [sum(), sum()];
     const said = await Promise.all(waiting.map((t) => failure(() => t.data())));
     console.log(said.every((text) => /lost/.test(text)));
     for (const t of [points, kept, ...waiting]) t.dispose();
     console.log(await failure(() => sum().data()));`,
    );
    assertEquals(lines[0], "true");
    assertMatch(lines.slice(1).join("\n"), /disposed|lost until the process ends/);
  },
);

testUnless(
  without,
  "memory that runs out in the middle: smaller pieces, the same bits",
  async () => {
    const body = `
    const first = gaussian().sum("j", { device: "cuda" });
    await first.data();
    Deno.env.set("PAIRFOLD_EMULATOR_FAIL", "cuMemAlloc_v2:1=2,cuMemAlloc_v2:2=2");
    const n = 30000, big = Float32Array.from({ length: 3 * n }, (_, k) => Math.sin(k));
    const fold = () => Vi(big, 3).sqDist(Vj(big.subarray(0, 3000), 3)).sum("j", { device: "cuda" });
    const got = await fold().data();
    Deno.env.delete("PAIRFOLD_EMULATOR_FAIL");
    const want = await fold().data();
    console.log(got.every((v, k) => v === want[k]));
    console.log((await first.data()).length);`;
    assertEquals(await script(body), ["true", "100"]);
  },
);

testUnless(
  without,
  "memory that is not there at all: one error, earlier tensors stay",
  async () => {
    const body = `
    const first = gaussian().sum("j", { device: "cuda" });
    await Vi(first).sum("i", { device: "cuda" }).data();
    Deno.env.set("PAIRFOLD_EMULATOR_FAIL", "cuMemAlloc_v2:1+=2");
    const big = Float32Array.from({ length: 900000 }, (_, k) => Math.sin(k));
    console.log(await failure(() => Vi(big, 3).sqDist(Vj(x, 3)).sum("j", { device: "cuda" }).data()));
    Deno.env.delete("PAIRFOLD_EMULATOR_FAIL");
    console.log((await first.data()).length);`;
    const lines = await script(body);
    assertMatch(lines.slice(0, -1).join("\n"), /memory/);
    assertEquals(lines.at(-1), "100");
  },
);

testUnless(
  without,
  'device "auto" takes a card that works and tells of one that does not',
  async () => {
    const works = await script("console.log(doctor())");
    assertMatch(works[0], /"auto" takes cuda:0/);
    const source = 'console.log((await gaussian().sum("j").data()).length); console.log(doctor())';
    const broken = await script(
      `console.warn = (text) => console.log("warned: " + text.split("\\n")[0]); ${source}`,
      { PAIRFOLD_NVRTC: "/nowhere/libnvrtc.so" },
    );
    assertMatch(broken[0], /warned: .*a card, but it cannot be used/);
    assert(broken.includes("100"));
    assertMatch(broken.join("\n"), /"auto" takes (native|wasm)[^]*NVRTC/);
    const none = await script(
      `console.warn = () => console.log("warned"); ${source}`,
      { PAIRFOLD_CUDA_DRIVER: "/nowhere/libcuda.so" },
    );
    assertEquals(none[0], "100", "no card is nothing to warn of");
  },
);

testUnless(
  without,
  "compiled kernels are kept on disk, and two processes may fill the cache at once",
  async () => {
    const cache = await Deno.makeTempDir({ prefix: "pairfold-shared-" });
    const body = `console.log((await ${SUM}).length)`;
    const both = await Promise.all([1, 2].map(() => script(body, { PAIRFOLD_CACHE: cache })));
    assertEquals(both, [["100"], ["100"]]);
    // with a compiler that fails, what is on disk still runs
    const variables = { PAIRFOLD_CACHE: cache, PAIRFOLD_EMULATOR_FAIL: "nvrtcCompileProgram:1+=6" };
    assertEquals(await script(body, variables), ["100"]);
    await Deno.remove(cache, { recursive: true });
  },
);

testUnless(without, "no pinned memory: one clear error", async () => {
  const body = `
    const big = Float32Array.from({ length: 90000 }, (_, k) => Math.sin(k));
    const sum = () => Vi(big, 3).sqDist(Vj(x, 3)).sum("j", { device: "cuda" }).data();
    console.log(await failure(sum));`;
  const lines = await script(body, { PAIRFOLD_EMULATOR_FAIL: "cuMemHostAlloc:1+=2" });
  assertMatch(lines.join("\n"), /PairfoldError\[memory\].*pf_upload/);
});
