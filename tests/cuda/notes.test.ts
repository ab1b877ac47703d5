// What cards keep of kernels beside their binaries: who meets an equal formula in a later process
// neither lowers nor emits it, gets the same bits, and takes no note that is not for it.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { CudaArray } from "../../src/engine/cuda/array.ts";
import type { CudaOptions } from "../../src/engine/cuda/mod.ts";
import { FOLDERS, MOST_ROWS, Notes, rangeOf } from "../../src/engine/cuda/notes.ts";
import { ownStamp, SHARED_FOLDERS } from "../../src/engine/notes/sources.ts";
import { build, constant, index, variable } from "../../src/formula/mod.ts";
import type { Kernel } from "../../src/loop/mod.ts";
import { cudaMath, type Fold, lowerLater } from "../../src/lower/mod.ts";
import { chooseCudaSchedule, describeCudaSchedule } from "../../src/tiling/mod.ts";
import { randomFor } from "../support/random.ts";
import { card, isReal, withoutCard } from "./support/card.ts";
import { emulatorVariables } from "./support/emulator.ts";
import { HEADLINES } from "./support/headlines.ts";
import { inFolder, runScript, testUnless } from "./support/tools.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 2);
const p = variable(3, "p", 1);
const [q, keys, values] = [variable(0, "i", 33), variable(1, "j", 33), variable(2, "j", 5)];
const gaussian = build.exp(build.mul(p, build.sqDist(x, y)));

/** Folds by what is particular about them. */
const FOLDS: Record<string, Partial<Fold> & { readonly k?: number }> = {
  "a parameter's section": { formula: build.mul(gaussian, b), reduction: "sum" },
  "packed by a parameter": { formula: build.mul(x, build.exp(build.mul(p, y))), reduction: "sum" },
  "constants without a name in JSON": {
    formula: build.mul(gaussian, build.min(build.mul(p, constant(-0)), constant(Infinity))),
    reduction: "max",
  },
  "short lists": { formula: build.sqDist(x, y), reduction: "argKMin", k: 5 },
  "long lists": { formula: build.sqDist(x, y), reduction: "kMin", k: 50 },
  "indices": { formula: build.mul(index("j"), gaussian), reduction: "logSumExp" },
  "attention": {
    formula: build.mul(p, build.dot(q, keys)),
    reduction: "sumSoftMaxWeight",
    weight: values,
    inputs: [q, keys, values, p],
  },
};

type Float = "f32" | "f64";

function foldOf(name: string, float: Float): Fold {
  const { k = 1, ...rest } = FOLDS[name];
  const options = { sumScheme: "compensated", accumulator: float, k } as const;
  const fold = { inputs: [x, y, b, p], float, options, fastMath: false, ...rest };
  return fold as Fold;
}

/** Parts of a kernel that are known without lowering it. */
const HEADER = ["float", "inputs", "outputs", "identity", "products", "title"];

/** A kernel that has not been lowered, and which of its lowered parts were looked at since. */
function watched(fold: Fold): { kernel: Kernel; seen: Set<string> } {
  const seen = new Set<string>();
  const later = lowerLater(fold, cudaMath);
  const kernel = new Proxy(later, {
    get: (target, name: keyof Kernel) => {
      // of a fold without twins it is known to be none
      const isKnown = HEADER.includes(name) || (name === "mirror" && !fold.twins);
      if (!isKnown) seen.add(name);
      return target[name];
    },
  });
  return { kernel, seen };
}

interface Ran {
  readonly bits: Int32Array[];
  readonly text: string;
  /** Parts of the kernel that were looked at before anybody asked for an explanation. */
  readonly seen: string[];
}

/** Runs a fold three times on an engine of its own, as another process would: bits of each run. */
async function run(
  fold: Fold,
  [M, N]: readonly [number, number],
  options: CudaOptions,
): Promise<Ran> {
  const { kernel, seen } = watched(fold);
  const engine = card(options);
  const random = randomFor("notes of cards");
  const inputs = fold.inputs.map(({ axis, dim }) => {
    if (axis === "p") return Float64Array.of(-0.7);
    const length = (axis === "i" ? M : N) * dim;
    return engine.place(fold.float === "f32" ? random.float32(length) : random.float64(length));
  });
  const segment = { i0: 0, i1: M, j0: 0, j1: N, offsets: fold.inputs.map(() => 0), output: 0 };
  const bits: Int32Array[] = [];
  for (let launch = 0; launch < 3; launch++) {
    // packed columns are found again where nothing that they are made of has changed
    if (launch === 2) {
      for (const input of inputs) if (input instanceof Float64Array) input[0] = -1.3;
    }
    const program = engine.compile(kernel, M, N);
    const outputs = kernel.outputs.map(({ number, dim }) =>
      engine.allocate(
        number === "index" ? "int32" : fold.float === "f32" ? "float32" : "float64",
        M * dim,
      )
    );
    await engine.launch(program, inputs, outputs, [segment], {});
    for (const output of outputs) {
      const numbers = await output.download({});
      bits.push(new Int32Array(numbers.slice().buffer));
      output.dispose();
    }
  }
  for (const input of inputs) if (input instanceof CudaArray) input.dispose();
  const parts = [...seen]; // explaining looks at all
  const text = Object.values(engine.compile(kernel, M, N).explain()).join("\n");
  return { bits, seen: parts, text };
}

const notesIn = (cache: string): string[] =>
  [...Deno.readDirSync(join(cache, "cuda"))]
    .map(({ name }) => join(cache, "cuda", name)).filter((name) => name.endsWith(".note"));

/** Files that were just written say nothing about what runs: such source keeps no notes. */
const withoutNotes = withoutCard ??
  (ownStamp(FOLDERS) === null ? "the source was just changed, or cannot be told apart" : null);
const test = (name: string, body: () => Promise<void>): void =>
  testUnless(withoutNotes, `cuda notes: ${name}`, async () => {
    try {
      await body();
    } catch (error) {
      if (ownStamp(FOLDERS) !== null) throw error;
      console.warn("left out: the source was changed while this ran, and keeps no notes since");
    }
  });

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

const withoutModes = withoutNotes ?? (Deno.build.os === "windows" ? "no modes on Windows" : null);
testUnless(withoutModes, "cuda notes: a folder that others may write to has none", async () => {
  await inFolder(async (cache) => {
    const fold = foldOf("a parameter's section", "f32");
    const { bits } = await run(fold, [53, 201], { cache });
    await Deno.chmod(join(cache, "cuda"), 0o777);
    const open = await run(fold, [53, 201], { cache });
    assertEquals(open.bits, bits);
    assert(open.seen.includes("pair"));
    await Deno.chmod(join(cache, "cuda"), 0o700);
    assertEquals((await run(fold, [53, 201], { cache })).seen, []);
  });
});

test("where nothing can be written, notes are taken and none are made", async () => {
  await inFolder(async (cache) => {
    const [noted, other] = ["short lists", "indices"].map((name) => foldOf(name, "f32"));
    const { bits } = await run(noted, [53, 201], { cache });
    const { querySync } = Deno.permissions, { writeTextFileSync } = Deno;
    Deno.permissions.querySync = (descriptor) =>
      descriptor.name === "write"
        ? { state: "denied", partial: false } as Deno.PermissionStatus
        : querySync.call(Deno.permissions, descriptor);
    Deno.writeTextFileSync = () => {
      throw new Deno.errors.NotCapable("write");
    };
    try {
      const again = await run(noted, [53, 201], { cache });
      assertEquals([again.bits, again.seen], [bits, []]);
      for (let k = 0; k < 2; k++) {
        assert((await run(other, [53, 201], { cache })).seen.includes("pair"));
      }
      // nor is a folder made
      assert((await run(noted, [53, 201], { cache: join(cache, "new") })).seen.includes("pair"));
    } finally {
      Deno.permissions.querySync = querySync;
      Deno.writeTextFileSync = writeTextFileSync;
    }
    assertEquals(notesIn(cache).length, 1);
  });
});

/** Says the bits of two folds, and how often something was lowered. */
const SCRIPT = (folder: URL): string => `
import { Vi, Vj, tensor } from ${JSON.stringify(new URL("mod.ts", folder).href)};
import { FormulaLowering } from ${JSON.stringify(new URL("src/lower/formula.ts", folder).href)};
let lowered = 0;
const { each } = FormulaLowering.prototype;
FormulaLowering.prototype.each = function (...all) { lowered++; return each.apply(this, all); };
const numbers = (n, s) => Float32Array.from({ length: n }, (_, k) => Math.sin(s + 0.37 * k));
const [x, y, b] = [[213, 1], [2057, 2], [2057, 3]];
const [X, Y] = [x, y].map(([n, s]) => tensor(numbers(3 * n, s), [n, 3]));
const B = tensor(numbers(b[0], b[1]), [b[0], 1]);
const device = "cuda";
const distance = Vi(X).sqDist(Vj(Y));
const sum = await distance.mul(-0.3).exp().mul(Vj(B)).sum("j", { device }).data();
const nearest = await distance.argKMin(10, "j", { device }).data();
console.log(JSON.stringify({ lowered, sum: [...sum], nearest: [...nearest] }));
`;

testUnless(
  withoutNotes ?? (isReal ? "the emulator's processes" : null),
  "cuda notes: processes at once, later ones, and those that may do less",
  async () => {
    await inFolder(async (cache) => {
      const script = SCRIPT(new URL("../../", import.meta.url));
      const env = { ...emulatorVariables(), PAIRFOLD_CACHE: cache };
      const ask = async (permissions?: string[]): Promise<{ lowered: number }> =>
        JSON.parse(await runScript(script, env, permissions));
      const [one, other] = await Promise.all([ask(), ask()]);
      assert(one.lowered > 0 && other.lowered > 0);
      const { lowered: _, ...result } = one;
      assertEquals({ ...other, lowered: 0 }, { ...result, lowered: 0 });
      assertEquals(await ask(), { ...result, lowered: 0 });
      // when a process began is told to those with all permissions: who knows no version has no notes
      const rest = ["--allow-ffi", "--allow-env", "--allow-sys", "--allow-write"];
      for (const permissions of [["--allow-read", ...rest], rest, ["-A", "--deny-write"]]) {
        const { lowered, ...same } = await ask(permissions);
        assert(lowered > 0);
        assertEquals(same, result);
      }
      const left = [...Deno.readDirSync(join(cache, "cuda"))].map(({ name }) => name);
      assertEquals(left.filter((name) => !name.endsWith(".note")), []);
    });
  },
);

Deno.test("cuda notes: the stamp knows all files that sources are made by", async () => {
  const root = new URL("../../", import.meta.url);
  const stamped = new Set([...SHARED_FOLDERS, ...FOLDERS]);
  const seen = new Set<string>();
  const look = async (file: URL): Promise<void> => {
    const path = file.href.slice(`${root}src/`.length);
    if (seen.has(path)) return;
    seen.add(path);
    if (path !== "error.ts") assert(stamped.has(path.replace(/\/[^/]*$/, "")), path);
    for (const [, from] of (await Deno.readTextFile(file)).matchAll(/ from "(\.[^"]*)"/g)) {
      await look(new URL(from, file));
    }
  };
  for (const entry of ["lower", "tiling", "emit/cuda"]) {
    await look(new URL(`src/${entry}/mod.ts`, root));
  }
  assert(seen.size > 50);
});

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
