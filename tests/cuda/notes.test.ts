// What cards keep of kernels beside their binaries: who meets an equal formula in a later process
// neither lowers nor emits it, gets the same bits, and takes no note that is not for it.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { FOLDERS, MOST_ROWS, Notes, rangeOf } from "../../src/engine/cuda/notes.ts";
import { build, variable } from "../../src/formula/mod.ts";
import type { Kernel } from "../../src/loop/mod.ts";
import { cudaMath, type Fold, lowerLater } from "../../src/lower/mod.ts";
import { chooseCudaSchedule, describeCudaSchedule } from "../../src/tiling/mod.ts";
import { randomFor } from "../support/random.ts";
import { checkStamped } from "../support/stamps.ts";
import { card } from "./support/card.ts";
import { HEADLINES } from "./support/headlines.ts";
import { type Float, foldOf, FOLDS, notesIn, run, test, watched, x, y } from "./support/notes.ts";
import { inFolder } from "./support/tools.ts";

for (const name of Object.keys(FOLDS)) {
  test(`the same bits without lowering: ${name}`, async () => {
    await inFolder(async (cache) => {
      for (const float of ["f32", "f64"] as const) {
        const fold = foldOf(name, float);
        // few rows and many columns are split, so that states are joined
        for (const size of [[53, 201], [3, 2051]] as const) {
          const first = await run(fold, size, { cache });
          const second = await run(fold, size, { cache });
          assertEquals(second.bits, first.bits);
          assertEquals(second.text, first.text);
          assertEquals(second.seen, []);
          assertEquals(first.bits[1], first.bits[0]);
        }
      }
      // one note for each type: sizes of one schedule share it, and are known all
      assertEquals(notesIn(cache).length, 2);
      assertEquals((await run(foldOf(name, "f32"), [71, 130], { cache })).seen, []);
    });
  });
}

test("the first one has to be lowered, and launches in pieces take notes as well", async () => {
  await inFolder(async (cache) => {
    const fold = foldOf("a parameter's section", "f32");
    const first = await run(fold, [53, 5001], { cache, memoryLimit: 2 ** 18 });
    assert(first.seen.includes("pair"));
    const second = await run(fold, [53, 5001], { cache, memoryLimit: 2 ** 18 });
    assertEquals([second.seen, second.bits], [[], first.bits]);
  });
});

test("points with themselves: not lowered again, whether or not that pays", async () => {
  const own = [1, 16].map((dim) => ({ b: variable(2, "j", dim), twin: variable(3, "i", dim) }));
  const size = 2051;
  await inFolder(async (cache) => {
    for (const { b, twin } of own) {
      const fold: Fold = {
        formula: build.mul(build.exp(build.neg(build.sqDist(x, y))), b),
        reduction: "sum",
        inputs: [x, y, b, twin],
        float: "f32",
        options: { sumScheme: "compensated", accumulator: "f32", k: 1 },
        fastMath: false,
        twins: new Map([[x, y], [y, x], [b, twin], [twin, b]]),
      };
      const random = randomFor("cuda notes, points");
      const [points, weights] = [random.float32(3 * size), random.float32(b.dim * size)];
      const segment = { i0: 0, i1: size, j0: 0, j1: size, offsets: [0, 0, 0, 0], output: 0 };
      const results: ArrayLike<number>[] = [];
      for (const isFirst of [true, false]) {
        const { kernel, seen } = watched(fold);
        const engine = card({ cache, mirrorFrom: 1025 });
        assertEquals(engine.mirrorPays(kernel), b.dim === 1);
        if (b.dim === 1) {
          const program = engine.compile(kernel, size, size);
          assert(engine.isMirrored(program, [segment]));
          const [held, weighing] = [engine.place(points), engine.place(weights)];
          const sums = engine.allocate("float32", b.dim * size);
          await engine.launch(program, [held, held, weighing, weighing], [sums], [segment], {});
          results.push((await sums.download({})).slice());
        }
        assertEquals(seen.size > 0, isFirst, `${b.dim} components: ${[...seen]}`);
      }
      assertEquals(results[1], results[0]);
    }
  });
});

test("what is damaged, or is no note, is made again", async () => {
  await inFolder(async (cache) => {
    const fold = foldOf("a parameter's section", "f32");
    const { bits } = await run(fold, [53, 201], { cache });
    const [path] = notesIn(cache);
    const whole = await Deno.readTextFile(path);
    const half = whole.slice(0, whole.length / 2);
    const [body] = half.split("\n", 1);
    const note = JSON.parse(body);
    const [[schedule, program]] = Object.entries<Record<string, unknown>>(note.programs);
    const other = (change: object): string => JSON.stringify({ ...note, ...change });
    const changed = (change: object): string =>
      other({ programs: { [schedule]: { ...program, ...change } } });
    const [constantStep] = note.steps.filter(({ kind }: { kind: string }) => kind === "constant");
    const broken = [
      "",
      "null",
      "[]",
      "{}",
      body.slice(0, -1),
      other({ facts: {} }),
      other({ facts: { ...note.facts, cost: { ...note.facts.cost, operations: "9" } } }),
      other({ packsUniforms: 1 }),
      other({ steps: [{ kind: "operation", to: 0, name: "toString", a: 0, b: 0, c: 0 }] }),
      other({ steps: [{ kind: "store", at: 0, from: 3 }] }),
      other({ steps: [constantStep], constants: null }),
      other({ programs: { [schedule]: null } }),
      other({ programs: { "another schedule": program } }),
      changed({ layout: { ...(program.layout as object), size: 8 } }),
      changed({ layout: { ...(program.layout as object), recordStride: "4" } }),
      changed({ mirror: {} }),
      changed({ rows: [0] }),
      changed({ sources: { fold: 1 } }),
      changed({ schedule: { rows: 1 } }),
    ].map((text) => half.replace(body, () => text).repeat(2));
    const damaged = [
      "",
      whole.slice(0, whole.length >> 1),
      whole.slice(1),
      whole.replace("0.0f", "1.0f"), // the other half says so still
      half.replace(/\n[^\n]*$/, "\nanother kernel").repeat(2),
    ];
    for (const text of [...damaged, ...broken]) {
      assertNotEquals(text, whole);
      await Deno.writeTextFile(path, text);
      const again = await run(fold, [53, 201], { cache });
      assertEquals(again.bits, bits);
      assert(again.seen.includes("pair"), text);
      assertEquals(await Deno.readTextFile(path), whole);
    }
    // binaries that are gone are made of the sources that were noted
    for await (const { name, isFile } of Deno.readDir(cache)) {
      if (isFile) await Deno.remove(join(cache, name));
    }
    const again = await run(fold, [53, 201], { cache });
    assertEquals([again.bits, again.seen], [bits, []]);
  });
});

test("schedules of a kernel share a note, and what was asked for is none of the model's", async () => {
  await inFolder(async (cache) => {
    const fold = foldOf("a parameter's section", "f32");
    const schedule = {
      ...{ rows: 1, threads: 128, tile: 256, columns: 1, unroll: 8, slice: 0, chunk: 0 },
    };
    const asked = await run(fold, [53, 201], { cache, schedule });
    assertEquals((await run(fold, [53, 201], { cache, schedule })).seen, []);
    // the model may choose the same: it says so once
    const model = await run(fold, [53, 201], { cache });
    assertEquals((await run(fold, [53, 201], { cache })).seen, []);
    const two = await run(fold, [53, 201], { cache, schedule: { ...schedule, rows: 2 } });
    assertEquals((await run(fold, [53, 201], { cache })).seen, []);
    assertEquals([model.bits, two.bits], [asked.bits, asked.bits]);
    assertEquals(notesIn(cache).length, 1);
    // nine schedules: the first leaves
    for (const threads of [32, 64, 96, 160, 192, 224, 256]) {
      await run(fold, [53, 201], { cache, schedule: { ...schedule, threads } });
    }
    const [path] = notesIn(cache);
    const note = JSON.parse((await Deno.readTextFile(path)).split("\n", 1)[0]);
    assertEquals(Object.keys(note.programs).length, 8);
    assertEquals((await run(fold, [53, 201], { cache })).bits, asked.bits);
  });
});

test("a version takes no note of another one", async () => {
  await inFolder((folder) => {
    const make = (float: Float = "f32"): Kernel =>
      lowerLater(foldOf("short lists", float), cudaMath);
    const kernel = make();
    const schedule = chooseCudaSchedule(kernel, 100);
    const layout = {
      ...{ size: 4, recordStride: 4, blockRows: 128, slices: 1 },
      ...{ stateBytes: 12, uniforms: 1, segmentWords: 18 },
    };
    const shape = { layout, packs: true, mirror: null };
    new Notes(folder, "one").keep(kernel, schedule, 100, shape, "fold", "source");
    const kept = new Notes(folder, "one");
    assertEquals(kept.program(make(), schedule)?.sources, { fold: "source" });
    assertEquals(kept.chosen(make(), 101), schedule);
    assertEquals(new Notes(folder, "two").of(make()), null);
    assertEquals(new Notes(folder, "one").of(make("f64")), null);
    assertEquals(new Notes(null, "one").of(make()), null);
    return Promise.resolve();
  });
});

Deno.test("cuda notes: the stamp knows all files that sources are made by", () =>
  checkStamped(["lower", "tiling", "emit/cuda"], FOLDERS));

Deno.test("cuda notes: a schedule is chosen for all rows between two numbers", () => {
  const sizes = [
    0,
    1,
    100,
    1e4,
    67_456,
    67_457,
    134_912,
    134_913,
    1e5,
    2e5,
    270_000,
    1e6,
    MOST_ROWS,
  ];
  let several = 0;
  for (const [name, make] of Object.entries(HEADLINES)) {
    const kernel = make();
    const found = sizes.map((rows) => {
      const schedule = chooseCudaSchedule(kernel, rows);
      return { rows, key: describeCudaSchedule(schedule), range: rangeOf(kernel, schedule, rows) };
    });
    const more = chooseCudaSchedule(kernel, Infinity);
    assertEquals(describeCudaSchedule(more), found.at(-1)?.key, name);
    assertEquals(rangeOf(kernel, more, 1e9), found.at(-1)?.range, name);
    for (const { rows, key, range: [least, most] } of found) {
      assert(least <= rows && rows <= most, name);
      for (const other of found) {
        const isWithin = least <= other.rows && other.rows <= most;
        assertEquals(other.key === key, isWithin, `${name}: ${rows} and ${other.rows} rows`);
      }
    }
    if (new Set(found.map(({ key }) => key)).size > 1) several++;
  }
  assert(several > 5);
});
