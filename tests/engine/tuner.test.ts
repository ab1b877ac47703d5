// The tuner: what it takes, what it remembers, and that no bit depends on it.

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { PairfoldError } from "../../src/error.ts";
import { type Engine, native, type TuneMode, wasm } from "../../src/engine/mod.ts";
import { type TrialRun, Tuner } from "../../src/engine/tuner.ts";
import { build, variable } from "../../src/formula/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import {
  checkNativeSchedule,
  checkSchedule,
  chooseNativeSchedule,
  chooseSchedule,
  nativeCandidates,
  wasmCandidates,
} from "../../src/tiling/mod.ts";
import { type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import { testUnless } from "../cuda/support/tools.ts";
import { randomFor } from "../support/random.ts";
import { withoutCompiler } from "../support/native.ts";

/** Rows and columns: with 20 operations a pair they are just worth timing. */
const SIZE = 3331;
const random = randomFor("tuner");
const points = (): Tensor => tensor(random.float32(3 * SIZE), [SIZE, 3]);
const [x, y] = [points(), points()];
const foldOn = (device: Engine): Tensor => Vi(x).sqDist(Vj(y)).neg().exp().sum("j", { device });

interface Options {
  readonly tune: TuneMode;
  readonly cache: string;
}
const ENGINES: Record<string, (options: Options) => Engine & Disposable> = { wasm, native };

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pairfold-test" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What explain() says of the schedule. */
const scheduleOn = (device: Engine): string =>
  /^schedule .*$/m.exec(foldOn(device).explain())?.[0] ?? "";

const entriesIn = (folder: string): string[] =>
  [...Deno.readDirSync(join(folder, "schedules"))].map(({ name }) =>
    join(folder, "schedules", name)
  );

for (const [name, open] of Object.entries(ENGINES)) {
  const test = (title: string, run: () => Promise<void>): void =>
    testUnless(name === "native" ? withoutCompiler : null, `tuner, ${name}: ${title}`, run);

  test("no bit depends on it; what it finds is there in the next process", async () => {
    await inFolder(async (cache) => {
      using off = open({ tune: "off", cache });
      using full = open({ tune: "full", cache });
      const right = await foldOn(off).data();
      assertMatch(scheduleOn(off), /\(cost model: \d+ operations per pair, 1 vector of sums\)/);
      assertEquals(await foldOn(full).data(), right);
      const tuned = scheduleOn(full);
      assertMatch(tuned, /\(tuned: the fastest of [2-9], [1-9]\.\d\d× the cost model's choice\)/);
      assertEquals(await foldOn(full).data(), right);
      const entries = entriesIn(cache);
      assertEquals(entries.map((path) => /[0-9a-f]{16}\.json$/.test(path)), [true]);
      using cached = open({ tune: "cached", cache });
      assertEquals(scheduleOn(cached), tuned);
      assertEquals(await foldOn(cached).data(), right);
      assertMatch(scheduleOn(off), /cost model/);
    });
  });

  test("entries that are not what was written are ignored, and written again", async () => {
    await inFolder(async (cache) => {
      using full = open({ tune: "full", cache });
      const right = await foldOn(full).data();
      const [path] = entriesIn(cache);
      const entry = JSON.parse(await Deno.readTextFile(path));
      const { schedule } = entry;
      for (
        const wrong of [
          "",
          "[]",
          "null",
          JSON.stringify({ ...entry, key: "of another kernel" }),
          JSON.stringify({ ...entry, schedule: { ...schedule, columns: 3 } }),
          JSON.stringify({ ...entry, schedule: { ...schedule, rowVectors: 1e9 } }),
          JSON.stringify({ ...entry, gain: "much" }),
        ]
      ) {
        await Deno.writeTextFile(path, wrong);
        using cached = open({ tune: "cached", cache });
        assertMatch(scheduleOn(cached), /cost model: /, wrong);
        assertEquals(await Deno.readTextFile(path), wrong);
      }
      using again = open({ tune: "full", cache });
      assertEquals(await foldOn(again).data(), right);
      assertEquals(JSON.parse(await Deno.readTextFile(path)).key, entry.key);
    });
  });

  test("without a folder it remembers in memory; short folds are not timed", async () => {
    await inFolder(async (folder) => {
      const cache = join(folder, "file");
      await Deno.writeTextFile(cache, "");
      using full = open({ tune: "full", cache });
      const short = Vi([[1], [2]]).sub(Vj([[1]])).abs().sum("j", { device: full });
      assertEquals(await short.array(), [[0], [1]]);
      assertMatch(short.explain(), /schedule .*(cost model|little work so far)/);
      await foldOn(full).data();
      assertMatch(scheduleOn(full), /tuned/);
    });
  });

  Deno.test(`tuner, ${name}: a mode that there is not is refused`, () => {
    if (name === "native" && withoutCompiler !== null) return;
    const tune = "always" as TuneMode;
    const error = assertThrows(() => open({ tune, cache: "" }), PairfoldError, '"always"');
    assertEquals(error.code, "device");
  });
}

const inputs = [variable(0, "i", 3), variable(1, "j", 3)];
const kernel = lower({
  formula: build.exp(build.neg(build.sqDist(inputs[0], inputs[1]))),
  reduction: "sum",
  inputs,
  float: "f32",
  options: { sumScheme: "compensated", accumulator: "f32", k: 1 },
  fastMath: false,
}, expandedMath);
const segments = [{ i0: 5, i1: 5000, j0: 7, j1: 6000, offsets: [0, 0], output: 0 }];

/** A tuner of names; a run takes as long as `times` says. */
const tunerOf = (): Tuner<string> =>
  new Tuner<string>({
    mode: "full",
    cache: join(import.meta.dirname ?? "", "tuner.test.ts"), // a file: nothing is written
    machine: () => "test",
    parse: (value) => typeof value === "string" ? value : null,
  });
const sleeps = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("tuner: the fastest wins, the first where none is faster, failures are left out", async () => {
  const waits = new Map([["model", 25], ["fast", 2], ["slow", 40]]);
  const slices: unknown[] = [];
  const run: TrialRun<string> = async (name, outputs, parts) => {
    slices.push([outputs.map((a) => a.length), parts]);
    const wait = waits.get(name);
    if (wait === undefined) throw new PairfoldError("compile", "no such luck");
    await sleeps(wait);
  };
  const tuner = tunerOf();
  assert(tuner.wants(kernel, segments));
  const tuned = await tuner.tune(kernel, segments, ["model", "broken", "slow", "fast"], run);
  assertEquals([tuned.schedule, tuned.tried], ["fast", 3]);
  assert(tuned.gain > 2);
  assert(!tuner.wants(kernel, segments));
  assertEquals(tuner.known(kernel, 4995, 5993)?.schedule, "fast");
  assertEquals(tuner.known(kernel, 400, 400), null);
  const [[lengths, [slice]]] = slices as [number[], typeof segments][];
  assertEquals([slice.i0, slice.i1, slice.j0, slice.output, lengths[0]], [5, 773, 7, -5, 768]);
  assert(slice.j1 <= 6000);
  const same = await tunerOf().tune(kernel, segments, ["model", "broken", "slow"], run);
  assertEquals([same.schedule, same.gain], ["model", 1]);
});

Deno.test("tuner: errors that are not the schedule's are told, an abort leaves nothing behind", async () => {
  await assertRejects(
    () => tunerOf().tune(kernel, segments, ["a"], () => Promise.reject(new TypeError("a bug"))),
    TypeError,
    "a bug",
  );
  const controller = new AbortController();
  const tuner = tunerOf();
  let runs = 0;
  await tuner.tune(kernel, segments, ["a", "b", "c"], () => {
    if (++runs === 2) controller.abort();
    return Promise.resolve();
  }, controller.signal);
  assertEquals(runs, 2);
  assert(tuner.wants(kernel, segments));
});

Deno.test("tuner: candidates are legal, all different, the cost model's first", () => {
  for (const [vectorBytes, registers] of [[16, 16], [32, 16], [64, 32]]) {
    const machine = { vectorBytes, registers };
    for (const rows of [1, 100, 10_000]) {
      const nativeList = nativeCandidates(kernel, rows, 1000, machine);
      assertEquals(nativeList[0], chooseNativeSchedule(kernel, rows, 1000, machine));
      nativeList.forEach(checkNativeSchedule);
      const wasmList = wasmCandidates(kernel, rows);
      assertEquals(wasmList[0], chooseSchedule(kernel, rows));
      wasmList.forEach(checkSchedule);
      for (const list of [nativeList, wasmList]) {
        assert(list.length > 1 && list.length <= 9);
        assertEquals(new Set(list.map((one) => JSON.stringify(one))).size, list.length);
      }
    }
  }
});
