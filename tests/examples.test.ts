// Every script in examples/ runs to its end and finds its own check good.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";

const FOLDER = new URL("../examples/", import.meta.url);

for (const { name } of Deno.readDirSync(FOLDER)) {
  Deno.test(`example ${name}: runs, and its check holds`, async () => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-read", "--allow-env", fromFileUrl(new URL(name, FOLDER))],
      stdout: "piped",
      stderr: "piped",
    });
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    assertEquals(code, 0, text.decode(stderr));
    assertStringIncludes(text.decode(stdout), "check: ");
  });
}
