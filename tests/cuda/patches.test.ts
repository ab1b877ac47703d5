// Patches of pairs on the emulated card in check mode, where races, reads of what nothing has
// written and copies that nobody waited for end the process: reductions and gradients at sizes that
// divide nothing, with products in float32 and by tensor cores.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { emulator, emulatorVariables } from "./support/emulator.ts";
import type { PatchedFold } from "./support/patch_folds.ts";
import { seed } from "../support/random.ts";
import { run, testUnless } from "./support/tools.ts";

const SCRIPT = fromFileUrl(new URL("support/patch_folds.ts", import.meta.url));

/** Runs the script in check mode; `left` is left out of every source. */
async function checked(...left: readonly string[]) {
  const chosen = { PAIRFOLD_EMULATOR_CHECK: "1", PAIRFOLD_SEED: `${seed}`, NO_COLOR: "1" };
  const variables = { ...emulatorVariables(), ...chosen };
  return await run(Deno.execPath(), ["run", "-A", "--quiet", SCRIPT, ...left], variables);
}

testUnless(
  emulator().reason,
  "patches: sums, minima, gradients are near float64, by any products, without a race",
  async () => {
    const { code, stdout, stderr } = await checked();
    assertEquals(code, 0, stderr);
    const folds = stdout.trim().split("\n").map((line) => JSON.parse(line) as PatchedFold);
    assertEquals(folds.length, 8);
    for (const { name, products, isPatched, error } of folds) {
      assert(isPatched, name);
      // a product of TF32 is off by 2^-10 at most, and would be float32's were nothing rounded
      const [least, most] = products === "tf32" ? [2e-6, 6e-4] : [0, 1e-6];
      assert(error >= least && error < most, `${name}, ${products}: ${error}`);
    }
  },
);

for (
  const [left, said] of [
    ["__syncwarp();", "race: read of what another thread w"],
    ["__syncthreads();", "read of memory that nothing has w"],
    ["pf_cp_async_wait<0>();", "read of memory that nothing has w"],
  ]
) {
  testUnless(emulator().reason, `patches without ${left} are found out in check mode`, async () => {
    const { code, stderr } = await checked(left);
    assert(code !== 0);
    assertStringIncludes(stderr, said);
  });
}
