// Every op, reduction, dtype and schedule through the real compiler, for cards from Turing to
// Blackwell.

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { full, seed } from "../support/random.ts";
import { realNvrtc, withoutNvrtc } from "./support/nvrtc.ts";
import { runWell, testUnless } from "./support/tools.ts";

const SCRIPT = fromFileUrl(new URL("support/compile_sources.ts", import.meta.url));

testUnless(
  withoutNvrtc,
  "all kernels compile for sm_75, sm_90 and sm_100, without a warning",
  async () => {
    const args = ["run", "-A", "--quiet", SCRIPT, full ? "all" : "some", "75", "90", "100"];
    const variables = {
      PAIRFOLD_NVRTC: realNvrtc ?? "",
      PAIRFOLD_CUDA_LIBRARY: "",
      PAIRFOLD_SEED: `${seed}`,
    };
    const lines = (await runWell(Deno.execPath(), args, variables)).trim().split("\n");
    assertEquals(lines.slice(0, -1).join("\n"), "");
    assert(Number(lines.at(-1)) > 150, `only ${lines.at(-1)} sources`);
  },
);
