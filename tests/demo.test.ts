// The demo as users run it: as a process of its own with the permissions of its task. What needs no
// process, the check of rows, the progress line and the command line, is tested in this one.

import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { PairfoldError } from "../mod.ts";
import { checkRows, chooseRows, errorLimit } from "../scripts/demo/check.ts";
import { coordinate, duration, wrap } from "../scripts/demo/format.ts";
import { parseOptions } from "../scripts/demo/options.ts";
import { pictureName } from "../scripts/demo/picture.ts";
import { ProgressLine, type Screen } from "../scripts/demo/progress.ts";
import { centre, syntheticScan, writePly } from "../src/pointcloud/mod.ts";
import { testWithData } from "./pointcloud/data.ts";

const script = fromFileUrl(new URL("../scripts/demo.ts", import.meta.url));
const permissions = ["--allow-read", "--allow-write", "--allow-env"];
const errorLine =
  /^largest relative error of (\d+) checked rows: density (\S+), gradient (\S+) \(limit 1e-5\)$/m;

function command(cwd: string, args: readonly string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...permissions, script, ...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function run(
  cwd: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await command(cwd, args).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pairfold-demo-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

function assertErrorsWithinLimit(report: string, rows: number): void {
  const line = errorLine.exec(report) ?? [];
  assertEquals(Number(line[1]), rows, report);
  for (const error of [line[2], line[3]]) {
    assert(Number(error) <= errorLimit, `got ${error}; expected at most ${errorLimit}`);
  }
}

Deno.test("demo: a synthetic scan is checked and drawn", () =>
  inFolder(async (folder) => {
    const { code, stdout, stderr } = await run(folder, "--max-points", "2000", "--out", "scan.png");
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "no file given: a synthetic scan of 30,000 points");
    assertStringIncludes(stdout, "2,000 of 30,000 points");
    assertMatch(stdout, /^density +4,000,000 pairs in [\d.]+ s, [\d.]+ Gpairs\/s$/m);
    assertMatch(stdout, /^gradient +4,000,000 pairs in [\d.]+ s, [\d.]+ Gpairs\/s$/m);
    assertErrorsWithinLimit(stdout, 32);
    assertMatch(stdout, /^picture +scan\.png$/m);
    const png = await Deno.readFile(join(folder, "scan.png"));
    assertEquals([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
    assert(png.length > 10000, `got ${png.length} bytes; expected a picture`);
    assertEquals(names(folder), ["scan.png"]);
  }));

testWithData(
  "demo: a lidar file is read, named and drawn",
  ["autzen_trim.laz"],
  (path) =>
    inFolder(async (folder) => {
      const { code, stdout } = await run(folder, path, "--max-points=1500", "--sigma=20.5");
      assertEquals(code, 0);
      assertMatch(stdout, /^cloud +autzen_trim\.laz \(LAZ\), 110,000 points$/m);
      assertMatch(stdout, /^sigma +20\.5 file units$/m);
      assertErrorsWithinLimit(stdout, 32);
      assertEquals(names(folder), ["autzen_trim-density.png"]);
    }),
);

/** Arguments, and words of the one line that they end with. */
const refusals: readonly (readonly [args: readonly string[], ...words: string[]])[] = [
  [["missing.ply"], "PairfoldError[io]", "missing.ply", "could not be read"],
  [["--speed", "9"], "PairfoldError[syntax]", "--speed"],
  [["--sigma", "0"], '--sigma: got "0"; expected a length above 0'],
  [["--max-points", "0"], '--max-points: got "0"; expected a whole number from 1'],
  [["--out", "missing/x.png"], "PairfoldError[io]", "--out: missing/x.png cannot be written"],
  [["dot.xyz"], "--sigma: all points are the same"],
  [["dot.xyz", "--out", "./dot.xyz"], "--out: ./dot.xyz is the cloud itself"],
];

for (const [args, ...words] of refusals) {
  Deno.test(`demo ${args.join(" ")}: ends with one line and exit code 2`, () =>
    inFolder(async (folder) => {
      await Deno.writeTextFile(join(folder, "dot.xyz"), "1 2 3\n1 2 3\n");
      const { code, stderr } = await run(folder, ...args);
      assertEquals(code, 2, stderr);
      assertMatch(stderr, /^PairfoldError[^\n]+\n$/);
      for (const word of words) assertStringIncludes(stderr, word);
      assertEquals(names(folder), ["dot.xyz"]);
    }));
}

Deno.test({
  name: "demo: Ctrl-C stops it with a message and exit code 130, and leaves no picture",
  ignore: Deno.build.os === "windows", // there a process cannot be sent Ctrl-C
  fn: () =>
    inFolder(async (folder) => {
      // Some seconds of work, of which this test waits for none.
      await writePly(join(folder, "cloud.ply"), syntheticScan(150000));
      const child = command(folder, ["cloud.ply"]).spawn();
      const stderr = new Response(child.stderr).text();
      let stdout = "";
      for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
        if (!stdout.includes("runs on") && (stdout += part).includes("runs on")) {
          child.kill("SIGINT");
        }
      }
      assertEquals((await child.status).code, 130);
      assertMatch((await stderr).trim(), /(^|\n)stopped by Ctrl-C; no picture was written$/);
      assertEquals(names(folder), ["cloud.ply"]);
    }),
});

for (
  const args of [
    ["--sigma", ""],
    ["--sigma", "wide"],
    ["--sigma", "NaN"],
    ["--sigma", "Infinity"],
    ["--sigma=-1"],
    ["--sigma", "-1"],
    ["--sigma"],
    ["--max-points", "2.5"],
    ["--max-points", "-3"],
    ["--out", ""],
    ["one.ply", "two.ply"],
    ["--help=yes"],
  ]
) {
  Deno.test(`demo options ${JSON.stringify(args)}: are refused`, () => {
    const error = assertThrows(() => parseOptions(args), PairfoldError);
    assertEquals(error.code, "syntax");
  });
}

Deno.test("demo options: numbers, names and defaults", () => {
  const all = parseOptions(["a.ply", "--sigma", "1e-3", "--max-points=20", "--out", "b.png"]);
  const { file, sigma, maxPoints, out } = all;
  assertEquals([file, sigma, maxPoints, out], ["a.ply", 1e-3, 20, "b.png"]);
  const none = parseOptions([]);
  assertEquals([none.file, none.sigma, none.maxPoints, none.out, none.help], [
    undefined,
    undefined,
    undefined,
    undefined,
    false,
  ]);
  assertEquals(pictureName("folder/a.b.ply"), "a.b-density.png");
  assertEquals(pictureName("https://host/x/cloud.las?a=b"), "cloud-density.png");
  assertEquals(pictureName(undefined), "synthetic-scan-density.png");
});

/** Density and gradient by a plain double loop, and the points they belong to. */
function exactFolds(n: number, sigma: number): [Float32Array, Float64Array, Float64Array] {
  const { points } = centre(syntheticScan(n));
  const density = new Float64Array(n);
  const gradient = new Float64Array(3 * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const away = [0, 1, 2].map((axis) => points[3 * i + axis] - points[3 * j + axis]);
      const squared = away.reduce((sum, d) => sum + d * d, 0);
      const weight = Math.exp(-squared / (2 * sigma * sigma));
      density[i] += weight;
      away.forEach((d, axis) => gradient[3 * i + axis] -= weight * d / (sigma * sigma));
    }
  }
  return [points, density, gradient];
}

Deno.test("demo check: exact rows pass, a wrong, missing or turned row does not", () => {
  const sigma = 8;
  const [points, density, gradient] = exactFolds(200, sigma);
  const rows = chooseRows(200);
  assertEquals([rows.length, new Set(rows).size], [32, 32]);
  const check = (d: Float64Array, g: Float64Array) => checkRows(points, sigma, d, g, rows);
  const right = check(density, gradient);
  assert(right.density < 1e-14 && right.gradient < 1e-14 && right.plainGradient < 1e-12);
  const [row] = rows;
  const wrong = density.with(row, density[row] * (1 + 3e-5));
  assert(Math.abs(check(wrong, gradient).density - 3e-5) < 1e-9);
  const turned = gradient.map((value) => -value);
  assert(check(density, turned).gradient > errorLimit);
  assert(Math.abs(check(density, turned).plainGradient - 2) < 1e-9);
  const missing = gradient.with(3 * row + 1, NaN);
  assert(!(check(density, missing).gradient <= errorLimit));
  assert(!(check(density.with(row, NaN), gradient).density <= errorLimit));
});

Deno.test("demo check: all rows of a small cloud are chosen", () => {
  assertEquals(chooseRows(3), [0, 1, 2]);
});

/** A screen that keeps what is written, on a clock of its own. */
function recorder(isTerminal: boolean, columns = 80): Screen & { text: string; time: number } {
  return {
    isTerminal,
    columns: () => columns,
    text: "",
    time: 0,
    write(text) {
      this.text += text;
    },
    now() {
      return this.time;
    },
  };
}

Deno.test("demo progress: one line of a terminal is redrawn with speed and time left", () => {
  const screen = recorder(true);
  const line = new ProgressLine("density", screen);
  line.update({ done: 0, total: 8e9, threads: 0 });
  screen.time = 50;
  line.update({ done: 1e9, total: 8e9, threads: 2 }); // too soon
  screen.time = 2000;
  line.update({ done: 2e9, total: 8e9, threads: 2 });
  line.clear();
  line.clear();
  const bar = (full: number): string => "█".repeat(full) + "░".repeat(24 - full);
  assertEquals(
    screen.text,
    `\rdensity   ${bar(0)}   0 %\x1b[K` +
      `\rdensity   ${bar(6)}  25 %   1.00 Gpairs/s   6.0 s left\x1b[K` +
      "\r\x1b[K",
  );
});

Deno.test("demo progress: the line never wraps", () => {
  for (const columns of [1, 20, 60, 80, 200]) {
    const screen = recorder(true, columns);
    const line = new ProgressLine("gradient", screen);
    screen.time = 1000;
    line.update({ done: 1, total: 1e12, threads: 2 });
    const shown = screen.text.replace("\r", "").replace("\x1b[K", "");
    assert(shown.length <= Math.max(1, columns - 1), `got ${shown.length} of ${columns} columns`);
  }
});

Deno.test("demo progress: plain lines are few", () => {
  const screen = recorder(false);
  const line = new ProgressLine("density", screen);
  for (let k = 0; k <= 1000; k++) {
    screen.time = 20 * k;
    line.update({ done: k * 1e7, total: 1e10, threads: 2 });
  }
  line.clear();
  const lines = screen.text.trimEnd().split("\n");
  assertEquals(lines.length, 10);
  assertEquals(lines[1], "density   20 %   0.50 Gpairs/s   16 s left");
});

Deno.test("demo format: times, coordinates and lines for people", () => {
  assertEquals([0.04, 9.96, 61.4, 200, 8000].map(duration), [
    "0.0 s",
    "10 s",
    "61 s",
    "3 min 20 s",
    "2 h 13 min",
  ]);
  assertEquals(coordinate(637012.25, 1310), "637012.3");
  assertEquals(coordinate(-0.034612, 0.1564), "-0.03461");
  assertEquals(coordinate(2e16, 1e16), "2.0000e+16");
  assertEquals(coordinate(5, 0), "5.0000");
  assert(wrap("number ".repeat(60)).split("\n").every((line) => line.length <= 100));
});
