// The benchmark suite, at sizes that take no time: its tables, its pictures, its words on peers
// that are not there.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { linePlot } from "../bench/plots.ts";

Deno.test("the benchmark suite runs at tiny sizes and names the peers that are missing", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pairfold-test" });
  try {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "bench/suite.ts", "--tiny", "--engines", "wasm", "--out", folder],
        ...["--peers", "keops,scipy", "--parts", "points,neighbours,latency"],
      ],
      env: { PAIRFOLD_PYTHON: `${folder}/no-python` },
      cwd: new URL("..", import.meta.url),
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    assert(success, decoder.decode(stderr));
    const files = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(files.map((name) => /-suite.*/.exec(name)?.[0]), [
      "-suite-neighbours.svg",
      "-suite-points.svg",
      "-suite.md",
    ]);
    const page = await Deno.readTextFile(`${folder}/${files[2]}`);
    assertMatch(page, /Missing: keops \(no Python\); scipy \(no Python\)/);
    for (const title of ["D = 3", "K nearest neighbours", "First calls", "Small problems"]) {
      assertMatch(page, new RegExp(`## .*${title}`));
    }
    // three sweeps' and tables' rows: a time is a number, nothing is wrong
    assertMatch(page, /^\| 100 +\| 4\.4e\+3 \| +[\d.e-]+ \([\d.e+-]+\) \|$/m);
    assert(!page.includes("wrong"), page);
    assertEquals(decoder.decode(stdout).trim(), page.trim());
    assertMatch(await Deno.readTextFile(`${folder}/${files[1]}`), /^<svg[^]*>wasm<\/text>/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a plot leaves out what its axes cannot show", () => {
  const points = [1, 10, 100, NaN, -1].map((x) => ({ series: "s", x, y: 2 * x }));
  const text = linePlot({ title: "a title", x: "size", y: "speed" }, points);
  assertEquals(text.match(/<circle /g)?.length, 3);
  assertMatch(text, />a title<\/text>/);
});

Deno.test("benchmarks say what they take, and refuse what they do not know in a line", async () => {
  const run = async (...args: string[]): Promise<[number, string, string]> => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "bench/orders.ts", ...args],
      cwd: new URL("..", import.meta.url),
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return [code, decoder.decode(stdout).trim(), decoder.decode(stderr).trim()];
  };
  const usage = "usage: deno run -A bench/orders.ts " +
    "[--size 10000] [--threads 2] [--repeats 7] [--out …]";
  assertEquals(await run("--help"), [0, usage, ""]);
  const [code, printed, unknown] = await run("--sise", "3");
  assertEquals([code, printed], [2, ""]);
  assertMatch(unknown, /^bench\/orders\.ts: Unknown option '--sise'.*\nusage: .*$/);
  assertEquals(await run("--size", "0"), [
    2,
    "",
    'bench/orders.ts: --size: got "0"; expected a whole number from 1',
  ]);
});
