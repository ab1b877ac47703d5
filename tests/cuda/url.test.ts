// Imported from a URL: the library loads without a permission and without a card; with them the
// shim is fetched once from beside it, and folds run on the card.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { isReal, withoutCard } from "./support/card.ts";
import { emulatorVariables } from "./support/emulator.ts";
import { inFolder, ROOT, run, testUnless } from "./support/tools.ts";

const TYPES: Readonly<Record<string, string>> = {
  ts: "application/typescript",
  json: "application/json",
};

/** Serves the project; tells which libraries were asked for. */
function serve(): { url: string; asked: string[]; stop: () => Promise<void> } {
  const asked: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const path = new URL(request.url).pathname;
    if (path.includes("/prebuilt/")) asked.push(path);
    try {
      const type = TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
      const bytes = Deno.readFileSync(join(ROOT, path));
      return new Response(bytes, { headers: { "content-type": type } });
    } catch {
      return new Response("not found", { status: 404 });
    }
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, asked, stop: () => server.shutdown() };
}

/** Runs a script that imports the library by URL. */
async function scriptAt(
  url: string,
  folder: string,
  device: string,
  permissions: readonly string[],
): Promise<string> {
  const path = join(folder, "script.ts");
  await Deno.writeTextFile(
    path,
    `import { doctor, Vi, Vj } from "${url}/mod.ts";
     const sum = Vi([[1], [2]]).mul(Vj([[3], [4]])).sum("j", { device: "${device}" });
     console.log([...await sum.data()].join(), doctor().split("\\n")[0]);`,
  );
  const env = {
    ...(isReal || withoutCard !== null ? {} : emulatorVariables()),
    PAIRFOLD_CACHE: join(folder, "cache"),
    DENO_DIR: join(folder, "deno"),
    NO_COLOR: "1",
    PAIRFOLD_DEVICE: "",
  };
  const args = ["run", "--quiet", "--no-check", "--no-config", "--no-prompt", ...permissions, path];
  const { code, stdout, stderr } = await run(Deno.execPath(), args, env);
  assertEquals(code, 0, stderr);
  return stdout + stderr;
}

const ALL = [
  "--allow-import",
  "--allow-ffi",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-net",
];

testUnless(
  withoutCard,
  "imported from a URL, the shim is fetched once and folds run on a card",
  async () => {
    const server = serve();
    try {
      await inFolder(async (folder) => {
        assertMatch(await scriptAt(server.url, folder, "cuda", ALL), /^7,14 /);
        assertEquals(server.asked.length, 1, server.asked.join());
        assertMatch(await scriptAt(server.url, folder, "auto", ALL), /^7,14 .*takes cuda:0/);
        assertEquals(server.asked.length, 1, "the shim was fetched again");
      });
    } finally {
      await server.stop();
    }
  },
);

Deno.test("imported from a URL, the library needs no permission and fetches nothing", async () => {
  const server = serve();
  try {
    await inFolder(async (folder) => {
      const said = await scriptAt(server.url, folder, "auto", ["--allow-import"]);
      assertMatch(said, /^7,14 .*takes wasm/);
      assert(said.trim().split("\n").length === 1, `it said more: ${said}`);
      assertEquals(server.asked, []);
    });
  } finally {
    await server.stop();
  }
});
