// bench:cuda on the emulated card, at sizes that take no time: its tables, its pictures, its words
// on peers that are not there. Its times mean nothing here.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { fasterFrom } from "../../bench/cuda/itself.ts";
import { boundOf, CUDA_ROWS, tinyRows } from "../../bench/cuda/rows.ts";
import { dataOf, errorOf } from "../../bench/cuda/data.ts";
import { isReal, withoutCard } from "./support/card.ts";
import { emulatorVariables } from "./support/emulator.ts";
import { inFolder, runWell, testUnless } from "./support/tools.ts";

const SCRIPT = fromFileUrl(new URL("../../bench/cuda.ts", import.meta.url));

testUnless(
  isReal ? "a real card takes the real sizes: deno task bench:cuda" : withoutCard,
  "bench:cuda runs on the emulated card and names the peers that are missing",
  () =>
    inFolder(async (folder) => {
      const variables = { ...emulatorVariables(), PAIRFOLD_PYTHON: `${folder}/no-python` };
      const args = ["run", "-A", "--quiet", SCRIPT, "--tiny", "--out", folder];
      const page = await runWell(Deno.execPath(), args, variables);
      assertMatch(page, /Peers: keops missing \(no Python\); torch missing \(no Python\)/);
      for (const part of new Set(CUDA_ROWS.map((row) => row.part))) {
        assert(page.includes(`## ${part}\n`), part);
      }
      // each row with a time, and none that is wrong
      const rows = page.split("\n").filter((line) => / × 53 float/.test(line));
      assertEquals(rows.length, tinyRows().length);
      for (const row of rows) assertMatch(row, /float\d\d \| +[\d.e-]+ \|/);
      // points with themselves, both ways, and what follows from it
      assertEquals(page.match(/^\| gaussian.*, 1\d{3} points +\|.*e-\d+ \|$/gm)?.length, 6);
      assertEquals(
        page.match(/each pair once was faster (at no size|from \d+ points on)/g)?.length,
        3,
      );
      assert(!page.includes("wrong"), page);
      const files = [...Deno.readDirSync(folder)].map(({ name }) => name);
      assertEquals(files.filter((name) => name.endsWith(".svg")).length, 10);
      assertEquals(files.filter((name) => name.endsWith(".md")).length, 1);
    }),
);

Deno.test("bench:cuda: pairs should be met once from where that is faster at every size", () => {
  const from = (...gains: readonly number[]): number | null =>
    fasterFrom(gains.map((gain, k) => ({ points: 1000 * 2 ** k, gain })));
  assertEquals(from(0.7, 0.9, 1.2, 1.6), 4000);
  assertEquals(from(1.1, 0.9, 1.2), 4000);
  assertEquals(from(1.1, 1.2), 1000);
  assertEquals(from(1.5, 0.9), null);
  assertEquals(from(), null);
});

Deno.test("bench:cuda: errors are told, and bounds follow from the card's rates", () => {
  for (const row of tinyRows()) {
    const data = dataOf(row);
    const length = row.rows * Math.max(row.width, row.dim) * (row.k ?? 1);
    assert(errorOf(row, data, new Float64Array(length).fill(7)) > 0.1, row.name);
    assertEquals(errorOf(row, data, new Float64Array(length).fill(NaN)), Infinity, row.name);
  }
  const [gaussian] = CUDA_ROWS;
  const rates = { fma: 128 * 132 * 1.98e9, exp2: 16 * 132 * 1.98e9 };
  const bound = boundOf(gaussian, rates)!;
  assert(bound > 3.4e12 && bound <= 16 * 132 * 1.98e9, `${bound}`);
  assert(boundOf(gaussian, { ...rates, exp2: 1e12 })! <= 1e12);
});
