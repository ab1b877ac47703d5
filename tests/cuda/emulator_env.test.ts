// cuda/emulator/env.sh: what it sets, and what it says where it cannot build.

import { assertEquals, assertMatch } from "@std/assert";
import { dirname, fromFileUrl } from "@std/path";
import { emulator } from "./emulator/trial.ts";

const test = (name: string, body: () => Promise<void>): void =>
  Deno.test({
    name: `env.sh ${name}${emulator.missing && ` (skipped: ${emulator.missing})`}`,
    ignore: emulator.missing !== "",
    fn: body,
  });
if (emulator.missing) console.log(`env.sh: all tests skipped: ${emulator.missing}`);

const SCRIPT = fromFileUrl(new URL("../../cuda/emulator/env.sh", import.meta.url));

/** Runs a line of bash in a folder that has nothing to do with the project. */
async function bash(line: string, env: Record<string, string>): Promise<[number, string, string]> {
  const options = { args: ["-c", line], cwd: "/", env, clearEnv: true };
  const { code, stdout, stderr } = await new Deno.Command("/bin/bash", options).output();
  const text = new TextDecoder();
  return [code, text.decode(stdout), text.decode(stderr)];
}

test("selects the emulator from any folder and leaves nothing else behind", async () => {
  const env = { PATH: Deno.env.get("PATH")! };
  const line = `set -eu; before=$(compgen -v; compgen -A function || true); source "${SCRIPT}"
    after=$(compgen -v; compgen -A function || true); echo "$PAIRFOLD_CUDA_DRIVER"; echo "$PAIRFOLD_NVRTC"
    comm -13 <(sort <<<"$before") <(sort <<<"$after") | grep -vE '^(before|PIPESTATUS|_)$'`;
  const [code, out] = await bash(line, env);
  assertEquals(code, 0);
  const { PAIRFOLD_CUDA_DRIVER, PAIRFOLD_NVRTC } = emulator.environment;
  const names = ["PAIRFOLD_CUDA_DRIVER", "PAIRFOLD_NVRTC"];
  assertEquals(out.trim().split("\n"), [PAIRFOLD_CUDA_DRIVER, PAIRFOLD_NVRTC, ...names]);
});

test("says what is missing and fails, without ending the shell", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // the same sources, not built, and a PATH without cmake
    const [copied] = await bash(
      `mkdir "${folder}/bin" "${folder}/emulator" && cd "${dirname(SCRIPT)}" &&
       cp -r env.sh CMakeLists.txt src prelude "${folder}/emulator" &&
       for tool in dirname find head uname mkdir touch cat rm mv flock; do
         ln -s "$(command -v $tool)" "${folder}/bin/$tool" || true
       done`,
      { PATH: Deno.env.get("PATH")! },
    );
    assertEquals(copied, 0);
    const line = `source "${folder}/emulator/env.sh"; echo "$? \${PAIRFOLD_NVRTC:-unset}"`;
    const [code, out, error] = await bash(line, { PATH: `${folder}/bin` });
    assertEquals([code, out.trim()], [0, "1 unset"]);
    assertMatch(error, /cannot be built: there is no cmake/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
