// The library on its hosts: imported from a URL without permissions, in a script that ends by
// itself, and as a bundle in Node.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { bundle } from "../scripts/bundle.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

async function run(command: string, args: readonly string[], cwd: string): Promise<Run> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  });
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), error: text.decode(stderr) };
}

/** Serves the checkout on a port of its own while `body` runs. */
async function served(body: (origin: string) => Promise<void>): Promise<void> {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const path = join(ROOT, new URL(request.url).pathname);
      try {
        const text = await Deno.readTextFile(path);
        return new Response(text, { headers: { "content-type": "application/typescript" } });
      } catch {
        return new Response("not found", { status: 404 });
      }
    },
  );
  await body(`http://127.0.0.1:${server.addr.port}`);
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * A script over 20,000 points: prints the largest error of some rows and how many threads worked.
 */
const SCRIPT = `
const n = 20000;
let state = 1;
const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
const points = Float32Array.from({ length: 3 * n }, random);
const x = Vi(points, 3), y = Vj(points, 3);
let threads = 0;
const sums = await x.sqDist(y).mul(-2).exp().sum("j").data({
  onProgress: (p) => threads = p.threads,
});
let worst = 0;
for (const i of [0, 7, 9999, n - 1]) {
  let want = 0;
  for (let j = 0; j < n; j++) {
    let q = 0;
    for (let d = 0; d < 3; d++) q += (points[3 * i + d] - points[3 * j + d]) ** 2;
    want += Math.exp(-2 * q);
  }
  worst = Math.max(worst, Math.abs(sums[i] - want) / want);
}
console.log(JSON.stringify({ worst, threads }));
`;

function checkScript({ code, out, error }: Run): void {
  assertEquals(code, 0, error);
  const { worst, threads } = JSON.parse(out);
  assert(worst < 1e-6, `relative error ${worst}`);
  assert(threads > 1 || navigator.hardwareConcurrency === 1, `${threads} threads took part`);
}

Deno.test("imported from a URL, with no permission but the import, on all threads", async () => {
  await inFolder((folder) =>
    served(async (origin) => {
      const script = join(folder, "script.ts");
      await Deno.writeTextFile(script, `import { Vi, Vj } from "${origin}/mod.ts";${SCRIPT}`);
      const args = [
        "run",
        "--no-prompt",
        "--no-lock",
        `--allow-import=${new URL(origin).host}`,
        script,
      ];
      checkScript(await run(Deno.execPath(), args, folder));
    })
  );
});

/** Workers of pages that forbid them: by an event without a message, as Chromium, or at once. */
const FORBIDDEN = {
  later: "constructor() { setTimeout(() => this.onerror({})); } postMessage() {} terminate() {}",
  "at once": 'constructor() { throw new Error("forbidden"); }',
};

for (const [when, members] of Object.entries(FORBIDDEN)) {
  Deno.test(`where workers are refused ${when}, one thread folds everything`, async () => {
    await inFolder(async (folder) => {
      const url = new URL("../mod.ts", import.meta.url);
      const script = join(folder, "script.js");
      await Deno.writeTextFile(
        script,
        `globalThis.Worker = class { ${members} };
delete globalThis.process; // a page has none
const { Vi, Vj } = await import("${url}");
{ ${SCRIPT} } // the second run has no workers to start
{ ${SCRIPT} }`,
      );
      const args = ["run", "--no-prompt", "--no-lock", "--allow-read", script];
      const { code, out, error } = await run(Deno.execPath(), args, folder);
      assertEquals(code, 0, error);
      const runs = out.trim().split("\n").map((line) => JSON.parse(line));
      assertEquals(runs.length, 2);
      for (const { worst, threads } of runs) {
        assert(worst < 1e-6, `relative error ${worst}`);
        assertEquals(threads, 1);
      }
    });
  });
}

Deno.test("importing costs nothing and says nothing", async () => {
  await inFolder((folder) =>
    served(async (origin) => {
      const script = join(folder, "script.ts");
      await Deno.writeTextFile(script, `import "${origin}/mod.ts";`);
      const args = ["run", "--no-prompt", "--no-lock", "--allow-import", "--quiet", script];
      const { code, out, error } = await run(Deno.execPath(), args, folder);
      assertEquals([code, out, error], [0, "", ""]);
    })
  );
});

Deno.test("a floating data().then(print) prints, and the process ends right after", async () => {
  await inFolder(async (folder) => {
    const script = join(folder, "script.ts");
    const url = new URL("../mod.ts", import.meta.url);
    await Deno.writeTextFile(
      script,
      `import { Vi, Vj } from "${url}";
const points = new Float32Array(3 * 20000).fill(0.5);
Vi(points, 3).sqDist(Vj(points, 3)).neg().exp().sum("j").data().then((d) => console.log(d[0]));
console.log("first");`,
    );
    const started = performance.now();
    const { code, out, error } = await run(Deno.execPath(), [
      "run",
      "--no-prompt",
      "--no-lock",
      script,
    ], folder);
    assertEquals([code, out], [0, "first\n20000\n"], error);
    assert(performance.now() - started < 20_000, "the process did not end by itself");
  });
});

Deno.test("the bundle runs in Node, on all threads", async () => {
  const version = await run("node", ["--version"], ROOT).catch(() => null);
  if (version === null) {
    console.log("skipped: there is no node on this machine");
    return;
  }
  await inFolder(async (folder) => {
    const library = await bundle(join(folder, "pairfold.js"));
    const script = join(folder, "script.mjs");
    await Deno.writeTextFile(script, `import { Vi, Vj } from "${library}";${SCRIPT}`);
    checkScript(await run("node", [script], folder));
    const floating = join(folder, "floating.mjs");
    await Deno.writeTextFile(
      floating,
      `import { Vi, Vj } from "${library}";
const points = new Float32Array(3 * 20000).fill(0.5);
Vi(points, 3).sqDist(Vj(points, 3)).sum("j").data().then((d) => console.log(d[0]));`,
    );
    const { code, out, error } = await run("node", [floating], folder);
    assertEquals([code, out], [0, "0\n"], error);
  });
});

Deno.test("the bundle imports nothing but node:worker_threads", async () => {
  await inFolder(async (folder) => {
    const text = await Deno.readTextFile(await bundle(join(folder, "pairfold.js")));
    const imports = [...text.matchAll(/import\(?\s*["']([^"']+)["']/g)].map((m) => m[1]);
    assertEquals(imports.filter((s) => s !== "node:worker_threads"), []);
    assertStringIncludes(text, "sqDist");
  });
});
