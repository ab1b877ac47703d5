// Nearest points by rounded ones first: bit for bit what folds of the distances alone give, wherever
// rounding leaves them apart and wherever it does not.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tensor, wasm } from "../../mod.ts";
import { type Engine, engineOf } from "../../src/engine/mod.ts";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import { MOST_NORM } from "../../src/lower/mod.ts";
import { fold, type FoldRequest } from "../../src/program/mod.ts";
import { RoundedFold } from "../../src/program/rounded.ts";
import type { ReductionName } from "../../src/reduction/mod.ts";
import { CLOUDS, differences } from "../support/clouds.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { type Random, randomFor } from "../support/random.ts";

const WASM = engineOf(wasm({ threads: 2 }));
/** Rounds points of folds of any size, but for those that would be too much alike. */
const EAGER: Engine = Object.assign(engineOf(wasm({ threads: 1 })), {
  roundsFrom: { numbers: 0, met: 0 },
});

/** A search among points; all but the points have defaults. */
interface Search {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly D: number;
  readonly reduction?: ReductionName;
  readonly k?: number;
  readonly axis?: "i" | "j";
  readonly formula?: (x: Node, y: Node) => Node;
  readonly device?: Engine;
}

function requestOf(search: Search, rounds: boolean | undefined): FoldRequest {
  const { D, reduction = "kMinArgKMin", k = 3, axis = "j", formula = build.sqDist } = search;
  const [x, y] = [search.x, search.y].map((numbers) => tensor(numbers, [numbers.length / D, D]));
  return {
    formula: formula(variable(0, "i", D), variable(1, "j", D)),
    inputs: new Map([[0, x], [1, y]]),
    reduction,
    axis,
    M: x.shape[0],
    N: y.shape[0],
    k,
    dtype: "float32",
    choices: { device: search.device ?? WASM, culling: false },
    ...(rounds === undefined ? {} : { rounds }),
  };
}

/**
 * Computes a search both ways and holds them against each other; says whether points were rounded.
 */
async function compare(search: Search, what = "", isRounded = true): Promise<void> {
  const plain = fold(requestOf(search, false));
  const rounded = fold(requestOf(search, true));
  assertMatch(rounded[0].explain(), /^rounding {2}points as integers/m);
  for (const [slot, result] of rounded.entries()) {
    const [got, expected] = [await result.data(), await plain[slot].data()];
    assertEquals(differences(got, expected), 0, `${what}: output ${slot} of ${rounded.length}`);
  }
  const note = isRounded ? /^rounding {2}points as integers/m : /^rounding {2}none: points/m;
  assertMatch(rounded[0].explain(), note, what);
}

type Points = (random: Random, rows: number, D: number) => Float32Array;

const shared = (name: string): Points => (random, rows, D) =>
  CLOUDS[name](random, "float32", rows, D) as Float32Array;

const POINTS: Readonly<Record<string, Points>> = {
  uniform: shared("uniform"),
  clustered: shared("clustered"),
  "a grid": shared("a grid"),
  "few places": shared("few places"),
  "far from 0": (random, rows, D) => random.float32(rows * D, 1e6, 1e6 + 40),
  "a line": (random, rows, D) =>
    random.float32(rows * D, -1, 1).map((value, n) => n % D === 0 ? value : 3),
  "one far away": (random, rows, D) => {
    const near = random.float32(rows * D, -1e-3, 1e-3);
    near.fill(50, 0, D);
    return near;
  },
  small: (random, rows, D) => random.float32(rows * D, -1e-11, 1e-11),
  large: (random, rows, D) => random.float32(rows * D, -1e14, 1e14),
  // as far from integers as may be, once counted from the middle and scaled
  "between integers": (random, rows, D) => {
    const points = random.float32(rows * D, -40, 40).map((value) => Math.floor(value) + 0.5);
    // corners that say what the middle is, and the scale
    points.fill(-MOST_NORM / Math.sqrt(D), 0, D);
    points.fill(MOST_NORM / Math.sqrt(D), D, 2 * D);
    return points;
  },
};

for (const D of [3, 4, 5, 8, 17, 32, 33, 64, 131]) {
  for (const k of D === 3 || D === 4 ? [1, 2, 10, 16, 17, 50] : [1, 10, 50]) {
    Deno.test(`${k} nearest of ${D} components by rounded points: the same bits`, async () => {
      const random = randomFor(`rounded ${D} ${k}`);
      for (const [name, cloud] of Object.entries(POINTS)) {
        const [x, y] = [cloud(random, 131, D), cloud(random, 2311 + random.integer(2000), D)];
        await compare({ x, y, D, k }, name);
      }
    });
  }
}

const REDUCTIONS = ["min", "argMin", "minArgMin", "kMin", "argKMin", "kMinArgKMin"] as const;
const root = (x: Node, y: Node): Node => build.norm2(build.sub(x, y));
const summed = (x: Node, y: Node): Node => build.sum(build.square(build.sub(y, x)));

for (const reduction of REDUCTIONS) {
  Deno.test(`${reduction} by rounded points, over either axis, squared or not`, async () => {
    const random = randomFor(`rounded ${reduction}`);
    for (const axis of ["i", "j"] as const) {
      for (const formula of [build.sqDist, root, summed]) {
        for (const name of ["uniform", "a grid", "small", "large"]) {
          const [x, y] = [1, 2].map(() => POINTS[name](random, 2500 + random.integer(100), 3));
          await compare({ x, y, D: 3, k: 4, reduction, axis, formula }, `${name}, ${axis}`);
        }
      }
    }
  });
}

Deno.test("rounded points where each column is nearer than those before it, or farther", async () => {
  const random = randomFor("rounded orders");
  const x = random.float32(3 * 37, -1e-4, 1e-4);
  const far = Float32Array.from({ length: 3 * 9000 }, (_, n) => 1 - Math.floor(n / 3) / 9000);
  for (const k of [1, 10, 40]) {
    await compare({ x, y: far, D: 3, k }, "nearer");
    await compare({ x, y: far.toReversed(), D: 3, k }, "farther");
  }
});

Deno.test("rounded points with more columns than one survey, and a table with itself", async () => {
  const random = randomFor("rounded surveys");
  const y = random.float32(3 * 70_001);
  await compare({ x: y.subarray(0, 3 * 33), y, D: 3, k: 10 });
  const own = random.float32(5 * 3001);
  await compare({ x: own, y: own, D: 5, k: 2 });
});

for (
  const [what, value] of [["NaN", NaN], ["infinity", Infinity], ["a huge number", 1e30]] as const
) {
  Deno.test(`points with ${what} are not rounded, and have their neighbours`, async () => {
    const random = randomFor(`rounded ${what}`);
    for (const side of ["x", "y"] as const) {
      const clouds = { x: random.float32(3 * 35), y: random.float32(3 * 2500) };
      clouds[side][3 * 30 + 1] = value;
      for (const reduction of ["argMin", "kMinArgKMin"] as const) {
        await compare({ ...clouds, D: 3, k: 2, reduction }, `${side} ${reduction}`, false);
      }
    }
  });
}

Deno.test("folds say whether points were rounded, once that is known", async () => {
  const random = randomFor("rounded explained");
  const explained = async (x: Float32Array, D: number, rounds?: boolean): Promise<string> => {
    const [result] = fold(requestOf({ x, y: x, D, device: EAGER, reduction: "kMin" }, rounds));
    assertMatch(result.explain(), /^rounding {2}points as integers/m);
    assertMatch(result.explain(), /dot16/);
    await result.data();
    return result.explain();
  };
  const isPlain = (text: string): boolean => !text.includes("dot16");
  const uniform = random.float32(8 * 2500);
  const used = await explained(uniform, 8);
  assertMatch(used, /^rounding {2}points as integers/m);
  assert(!isPlain(used));
  const dense = random.float32(8 * 2500, -1e-3, 1e-3);
  dense.fill(50, 0, 8);
  const alike = await explained(dense, 8);
  assertMatch(alike, /^rounding {2}none: too many points would be alike$/m);
  assert(isPlain(alike));
  dense[9] = NaN;
  const special = await explained(dense, 8, true);
  assertMatch(special, /^rounding {2}none: points that are not finite/m);
  assert(isPlain(special));
});

Deno.test("a sample of long vectors tells whether they would be alike, however few it takes", async () => {
  const random = randomFor("rounded long sample");
  const D = 700;
  for (
    const [width, expected] of [[1, /rounding {2}points/], [1e-3, /rounding {2}none/]] as const
  ) {
    // alike in all but the last components
    const x = new Float32Array(200 * D);
    for (let from = D - 20; from < x.length; from += D) {
      x.set(random.float32(20, -width, width), from);
    }
    x[D - 1] = 20;
    const [result] = fold(
      requestOf({ x, y: x, D, device: EAGER, reduction: "kMin", k: 1 }, undefined),
    );
    await result.data();
    assertMatch(result.explain(), expected);
  }
});

Deno.test("where memory is too small for rounded points, distances alone are folded", async () => {
  const random = randomFor("rounded memory");
  const search: Search = {
    x: random.float32(3 * 5),
    y: random.float32(3 * 20_000),
    D: 3,
    reduction: "argMin",
  };
  const [expected] = await Promise.all(fold(requestOf(search, false)).map((r) => r.data()));
  let refused = 0;
  for (let memoryLimit = 12_000; memoryLimit <= 40_000; memoryLimit += 1000) {
    const device = engineOf(wasm({ threads: 1, memoryLimit }));
    const [plain] = fold(requestOf({ ...search, device }, false));
    if (await plain.data().then(() => false, () => true)) continue;
    const [result] = fold(requestOf({ ...search, device }, true));
    assertEquals(differences(await result.data(), expected), 0, `${memoryLimit} bytes`);
    if (/^rounding {2}none: too little memory$/m.test(result.explain())) refused++;
  }
  assert(refused > 0, "memory was enough");
});

Deno.test("points that are all alike, and none at all", async () => {
  const one = new Float32Array(3 * 2500).fill(0.3);
  await compare({ x: one.subarray(0, 6), y: one, D: 3, k: 4 }, "alike", false);
  await compare({ x: one.subarray(0, 6), y: one.subarray(0, 0), D: 3, k: 4 }, "no y", false);
  await compare({ x: one.subarray(0, 0), y: one, D: 3, k: 4 }, "no x", false);
});

Deno.test("what rounding is for: large folds of float32 points of some components", () => {
  const roundsFrom = { numbers: 1e9, met: 500 };
  const engine = { ...WASM, math: WASM.math, roundsFrom } as Engine;
  const isRounded = (D: number, rows: number, columns: number, k = 1): boolean => {
    const request = requestOf({ x: new Float32Array(D), y: new Float32Array(D), D, k }, undefined);
    const [x, y] = [variable(0, "i", D), variable(1, "j", D)];
    const reduction = { formula: build.sqDist(x, y), reduction: "argKMin", float: "f32" } as const;
    const options = { sumScheme: "compensated", accumulator: "f32", k } as const;
    const all = { ...reduction, inputs: [x, y], options, fastMath: false };
    const what = {
      rows: 0,
      columns: 1,
      dim: D,
      k,
      isRoot: false,
      rounding: 0,
      pairs: rows * columns,
    };
    const found = RoundedFold.of(engine, request, all, what, columns);
    assert(found === null || found.kernel.hasKeys === true);
    return found !== null;
  };
  assert(isRounded(3, 30_000, 30_000));
  assert(isRounded(10, 30_000, 30_000, 500));
  assert(!isRounded(2, 30_000, 30_000), "distances cost no more");
  assert(isRounded(784, 30_000, 30_000));
  assert(!isRounded(5000, 30_000, 30_000), "too many components");
  assert(!isRounded(3, 3000, 3000), "little work");
  assert(!isRounded(3, 1e6, 3000), "few columns");
  assert(isRounded(10, 1000, 1e6));
  assert(!isRounded(10, 100, 1e6), "few rows for so many columns to round");
  assert(!isRounded(10, 1e6, 3000, 100), "few columns for so many neighbours");
  assert(!isRounded(3, 30_000, 30_000, 1000), "long lists");
});

Deno.test({
  name: `native code looks at rounded points first${
    withoutCompiler === null ? "" : ` (left out: ${withoutCompiler})`
  }`,
  ignore: withoutCompiler !== null,
  fn: async () => {
    const random = randomFor("rounded native");
    const device = testEngine();
    for (const [D, k] of [[3, 1], [4, 10], [17, 50], [67, 1], [40, 10]]) {
      for (const name of ["uniform", "a grid", "between integers", "one far away"]) {
        const [x, y] = [POINTS[name](random, 131, D), POINTS[name](random, 3011, D)];
        await compare({ x, y, D, k, device }, name);
      }
    }
  },
});
