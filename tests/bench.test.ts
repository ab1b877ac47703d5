// The benchmark suite, at sizes that take no time: its tables, its pictures, its words on peers that
// are not there.

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
