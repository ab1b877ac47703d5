// What native engines keep of kernels beside their libraries: who meets an equal formula in a later
// process neither lowers nor emits it, gets the same bits, and takes no note that is not for it.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { native, type NativeOptions } from "../../src/engine/mod.ts";
import { LibraryCache } from "../../src/engine/native/cache.ts";
import { FOLDERS, Notes } from "../../src/engine/native/notes.ts";
import { SHARED_FOLDERS, stampOf } from "../../src/engine/notes/sources.ts";
import {
  build,
  constant,
  fingerprint,
  index,
  type Node,
  variable,
  zero,
} from "../../src/formula/mod.ts";
import { type Kernel, printKernel } from "../../src/loop/mod.ts";
import { expandedMath, type Fold, lowerLater } from "../../src/lower/mod.ts";
import { inFolder, testUnless } from "../cuda/support/tools.ts";
import { withoutCompiler } from "../support/native.ts";
import { randomFor } from "../support/random.ts";
import { checkStamped, stampedTest, unstamped } from "../support/stamps.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 2);
const p = variable(3, "p", 1);
const inputs = [x, y, b, p];
const gaussian = build.exp(build.mul(p, build.sqDist(x, y)));

/** Folds by what is particular about them. */
const FOLDS: Record<string, Pick<Fold, "formula" | "reduction"> & { readonly k?: number }> = {
  "a parameter's section": { formula: build.mul(gaussian, b), reduction: "sum" },
  "constants without a name in JSON": {
    formula: build.mul(gaussian, build.min(build.mul(p, constant(-0)), constant(Infinity))),
    reduction: "max",
  },
  "lists": { formula: build.sqDist(x, y), reduction: "argKMin", k: 5 },
  "indices": { formula: build.mul(index("j"), gaussian), reduction: "logSumExp" },
};

type Float = "f32" | "f64";

function foldOf(name: string, float: Float): Fold {
  const { formula, reduction, k = 1 } = FOLDS[name];
  const options = { sumScheme: "compensated", accumulator: float, k } as const;
  return { formula, reduction, inputs, float, options, fastMath: false };
}

/** A kernel that has not been lowered, and which of its parts were looked at since. */
function watched(fold: Fold): { kernel: Kernel; seen: Set<string> } {
  const seen = new Set<string>();
  const kernel = new Proxy(lowerLater(fold, expandedMath), {
    get: (target, name: keyof Kernel) => {
      seen.add(name);
      return target[name];
    },
  });
  return { kernel, seen };
}

const HEADER = ["float", "inputs", "outputs", "identity", "hasKeys"];

const notesIn = (cache: string): string[] =>
  [...Deno.readDirSync(join(cache, "native"))]
    .map(({ name }) => join(cache, "native", name)).filter((name) => name.endsWith(".note"));

/**
 * Runs a fold on an engine of its own, as another process would; libraries compiled, parts seen.
 */
async function run(
  fold: Fold,
  [M, N]: readonly [number, number],
  options: NativeOptions,
): Promise<{ bits: ArrayLike<number>[]; compiled: number; seen: string[]; text: string }> {
  const { kernel, seen } = watched(fold);
  using engine = native(options);
  await engine.open();
  const numbers = randomFor("native notes, inputs");
  const arrays = fold.inputs.map(({ axis, dim }) => {
    if (axis === "p") return Float64Array.of(-0.7);
    const length = (axis === "i" ? M : N) * dim;
    return fold.float === "f32" ? numbers.float32(length) : numbers.float64(length);
  });
  const outputs = kernel.outputs.map(({ number, dim }) => {
    if (number === "index") return new Int32Array(M * dim);
    return fold.float === "f32" ? new Float32Array(M * dim) : new Float64Array(M * dim);
  });
  const segment = { i0: 0, i1: M, j0: 0, j1: N, offsets: fold.inputs.map(() => 0), output: 0 };
  const program = engine.compile(kernel, M, N);
  await engine.launch(program, arrays, outputs, [segment], {});
  const parts = [...seen]; // explaining looks at all
  const text = Object.values(program.explain()).join("\n");
  return { bits: outputs, compiled: engine.compiledLibraries, seen: parts, text };
}

const withoutNotes = withoutCompiler ?? unstamped(FOLDERS);
const test = (name: string, body: () => Promise<void>): void =>
  stampedTest(withoutNotes, FOLDERS, `native notes: ${name}`, body);

for (const name of Object.keys(FOLDS)) {
  test(`the same bits without lowering: ${name}`, async () => {
    await inFolder(async (cache) => {
      for (const float of ["f32", "f64"] as const) {
        const fold = foldOf(name, float);
        // few rows and many columns are split, so that states are joined
        for (const size of [[53, 201], [3, 20_001]] as const) {
          const first = await run(fold, size, { cache });
          assert(first.seen.includes("pair"), "the first one has to be lowered");
          const second = await run(fold, size, { cache });
          assertEquals(second.bits, first.bits);
          assertEquals(second.text, first.text);
          assertEquals(second.compiled, 0);
          assertEquals(second.seen.filter((part) => !HEADER.includes(part)), []);
        }
      }
    });
  });
}

test("points with themselves: neither lowered nor compiled again, whether or not that pays", async () => {
  const own = [4, 16].map((dim) => ({ b: variable(2, "j", dim), twin: variable(3, "i", dim) }));
  const size = 4099;
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
      const random = randomFor("native notes, points");
      const [points, weights] = [random.float32(3 * size), random.float32(b.dim * size)];
      const segment = { i0: 0, i1: size, j0: 0, j1: size, offsets: [0, 0, 0, 0], output: 0 };
      const results: Float32Array[] = [];
      for (const isFirst of [true, false]) {
        const { kernel, seen } = watched(fold);
        using engine = native({ cache, threads: 1 });
        await engine.open();
        assertEquals(engine.mirrorPays(kernel), b.dim === 4);
        if (b.dim === 4) {
          const sums = new Float32Array(b.dim * size);
          const program = engine.compile(kernel, size, size);
          assert(engine.isMirrored(program, [segment]));
          await engine.launch(program, [points, points, weights, weights], [sums], [segment], {});
          results.push(sums);
          assertEquals(engine.compiledLibraries, isFirst ? 2 : 0);
        }
        const parts = [...seen].filter((part) => !HEADER.includes(part));
        assertEquals(parts.length > 0, isFirst, `${b.dim} components: ${parts}`);
      }
      assertEquals(results[1], results[0]);
    }
  });
});

test("what is damaged, or whose library is gone, is made again", async () => {
  await inFolder(async (cache) => {
    const fold = foldOf("a parameter's section", "f32");
    const { bits } = await run(fold, [53, 201], { cache });
    const [path] = notesIn(cache);
    const whole = await Deno.readTextFile(path);
    const damaged = [
      "",
      whole.slice(0, whole.length >> 1),
      whole.replace('"groupRows":', '"groupRows":1'), // its sum is another then
      whole.replace(/\n[^\n]*$/, "\nanother kernel"),
    ];
    for (const text of damaged) {
      assertNotEquals(text, whole);
      await Deno.writeTextFile(path, text);
      const again = await run(fold, [53, 201], { cache });
      assertEquals(again.bits, bits);
      assert(again.seen.includes("pair"), text);
      assertEquals(await Deno.readTextFile(path), whole);
    }
    for await (const { name } of Deno.readDir(join(cache, "native"))) {
      if (/\.(so|dll|dylib)$/.test(name)) await Deno.remove(join(cache, "native", name));
    }
    const again = await run(fold, [53, 201], { cache });
    assertEquals([again.bits, again.compiled], [bits, 1]);
  });
});

test("other vectors, other machines, other schedules have notes of their own", async () => {
  await inFolder(async (cache) => {
    const fold = foldOf("a parameter's section", "f32");
    const { bits } = await run(fold, [53, 201], { cache });
    for (
      const options of [{ vectorBytes: 16 }, { schedule: "untiled" }, { machine: [] }] as const
    ) {
      const other = await run(fold, [53, 201], { cache, ...options });
      assertEquals(other.compiled, 1);
      // another machine may have no fused products
      if (!("machine" in options)) assertEquals(other.bits, bits);
    }
    assertEquals(notesIn(cache).length, 3); // schedules of a kernel share one
    const oneRow = await run(fold, [1, 201], { cache }); // is untiled, too
    assertEquals([oneRow.compiled, oneRow.seen.includes("pair")], [0, false]);
  });
});

test("a version takes no note of another one", async () => {
  await inFolder(async (folder) => {
    const cache = new LibraryCache(folder);
    const layout = {
      lanes: 4,
      groupRows: 4,
      recordBytes: 0,
      stateBytes: 0,
      uniforms: 1,
      taskWords: 9,
    };
    const note = { library: "name", effort: "quick", scratchBytes: 0 } as const;
    const kernel = (): Kernel => lowerLater(foldOf("lists", "f32"), expandedMath);
    new Notes(cache, "one").keep(kernel(), "1:1:1:false", layout, "fold", note);
    const kept = new Notes(cache, "one").of(kernel());
    assertEquals(kept?.programs, { "1:1:1:false": { layout, fold: note } });
    assertEquals(new Notes(cache, "two").of(kernel()), null);
    const other = lowerLater(foldOf("lists", "f64"), expandedMath);
    assertEquals(new Notes(cache, "one").of(other), null);
    // nor where two names are the same
    const [path] = notesIn(folder);
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace("\none\n", "\ntwo\n"));
    assertEquals(new Notes(cache, "one").of(kernel()), null);
  });
});

const withoutPaths = Deno.build.os === "windows" ? "no notes on Windows" : null;
testUnless(
  withoutPaths,
  "native notes: the stamp of source is another one once a file is",
  async () => {
    await inFolder(async (root) => {
      const folders = [...SHARED_FOLDERS, ...FOLDERS];
      for (const folder of folders) {
        await Deno.mkdir(join(root, "src", folder), { recursive: true });
        await Deno.writeTextFile(join(root, "src", folder, "mod.ts"), "export {};\n");
      }
      const address = `file://${root}/src/engine/notes/sources.ts`;
      const later = Date.now() + 1000;
      const stampAt = (at: string, since: number): string | null => stampOf(at, since, folders);
      const stamp = stampAt(address, later);
      assert(stamp !== null);
      assertEquals(stampAt(address, later), stamp);
      for (const folder of folders) {
        const file = join(root, "src", folder, "mod.ts");
        const before = stampAt(address, later);
        await Deno.utime(file, 1, 1); // another time
        const touched = stampAt(address, later);
        assertNotEquals(touched, before, folder);
        await Deno.writeTextFile(file, "export {}; // more\n");
        await Deno.utime(file, 1, 1); // another length
        assertNotEquals(stampAt(address, later), touched, folder);
        await Deno.writeTextFile(join(root, "src", folder, "more.ts"), "");
        assertNotEquals(stampAt(address, later), before, folder);
      }
      // what was written since it was read is not what runs, whatever time it was given
      assertEquals(stampAt(address, Date.now() - 60_000), null);
      assertEquals(stampAt(`file://${root}/nowhere/src/engine/notes/sources.ts`, later), null);
      const bundle = join(root, "bundle.js");
      await Deno.writeTextFile(bundle, "");
      assert(stampAt(`file://${bundle}`, later)?.startsWith(bundle));
    });
    assertEquals(stampOf("https://example.com/src/engine/notes/sources.ts", Infinity, []), null);
    const registry = "https://jsr.io/@pairfold/pairfold/1.2.3/";
    assertEquals(stampOf(`${registry}src/engine/notes/sources.ts`, 0, FOLDERS), registry);
  },
);

Deno.test("native notes: the stamp knows all files that kernels are made by", () =>
  checkStamped(["lower", "tiling", "emit/c"], FOLDERS));

Deno.test("identities: another one for every choice of a fold", () => {
  const fold = foldOf("lists", "f32");
  const { options } = fold;
  const all: Fold[] = [
    fold,
    { ...fold, reduction: "kMin" },
    { ...fold, float: "f64" },
    { ...fold, fastMath: true },
    { ...fold, expectsFinite: true },
    { ...fold, inputs: [x, y] },
    { ...fold, formula: build.norm2(build.sub(x, y)) },
    { ...fold, options: { ...options, k: 6 } },
    { ...fold, options: { ...options, sumScheme: "block" } },
    { ...fold, options: { ...options, accumulator: "f64" } },
    { ...fold, reduction: "sumSoftMaxWeight", weight: b },
    { ...fold, reduction: "sumSoftMaxWeight", weight: p },
    { ...fold, twins: new Map([[x, y], [y, x]]) },
  ];
  const identities = all.map((one) => lowerLater(one, expandedMath).identity);
  assertEquals(new Set(identities).size, all.length);
  // equal ones are equal kernels
  const again = lowerLater(foldOf("lists", "f32"), expandedMath);
  assertEquals(again.identity, identities[0]);
  assertEquals(printKernel(again), printKernel(lowerLater(fold, expandedMath)));
});

Deno.test("fingerprints: equal for equal formulas alone", () => {
  const z = variable(1, "j", 3, "index");
  const all: Node[] = [
    ...[x, y, z, b, p, index("i"), index("j"), constant(0), constant(-0), constant(NaN)],
    ...[build.add(x, y), build.add(y, x), build.sub(x, y), build.extract(x, 0, 2)],
    ...[build.extract(x, 1, 2), zero(3), build.mul(build.add(x, y), build.add(x, y))],
    ...[build.mul(build.add(x, y), build.add(y, x))],
  ];
  assertEquals(new Set(all.map((node) => fingerprint(node))).size, all.length);
  assertNotEquals(fingerprint(x, y), fingerprint(y, x));
  assertEquals(fingerprint(build.add(x, y)), fingerprint(build.add(x, y)));
});

testUnless(
  withoutCompiler,
  "native: schedules with and without a survey are programs apart",
  async () => {
    const options = { sumScheme: "compensated", accumulator: "f32", k: 50 } as const;
    const formula = build.sqDist(x, y);
    const kernel = lowerLater(
      { formula, reduction: "kMin", inputs: [x, y], float: "f32", options, fastMath: false },
      expandedMath,
    );
    using engine = native({ tune: "off" });
    await engine.open();
    // one row: one vector of rows and one column per turn, whatever the survey
    const short = engine.compile(kernel, 1, 1000).explain();
    const long = engine.compile(kernel, 1, 2 ** 31).explain();
    assertEquals(long.schedule.replace("columns surveyed by groups, ", ""), short.schedule);
    assertNotEquals(long.schedule, short.schedule);
    assertNotEquals(long.source, short.source);
  },
);
