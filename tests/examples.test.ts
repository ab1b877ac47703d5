// Every script in examples/ runs to its end and finds its own check good.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";

const FOLDER = new URL("../examples/", import.meta.url);

/** Fewer points than by default, so that all of them take seconds. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  "attention.ts": ["256"],
  "gaussian_mixture.ts": ["2000"],
  "gaussian_process.ts": ["--points", "300"],
  "k_means.ts": ["20000"],
  "kernel_pca.ts": ["1000"],
  "n_body.ts": ["300"],
  "registration_affine.ts": ["--points", "500"],
  "registration_lddmm.ts": ["--points", "150"],
  "sinkhorn_flow.ts": ["--points", "300"],
};

for (const { name } of Deno.readDirSync(FOLDER)) {
  Deno.test(`example ${name}: runs, and its check holds`, async () => {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-read",
        "--allow-env",
        fromFileUrl(new URL(name, FOLDER)),
        ...ARGUMENTS[name] ?? [],
      ],
      stdout: "piped",
      stderr: "piped",
    });
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    assertEquals(code, 0, text.decode(stderr));
    assertStringIncludes(text.decode(stdout), "check: ");
  });
}
