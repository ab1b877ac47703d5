// Nearest points without those that are too far: bit for bit what folds of all pairs give, where
// points are, and where they are not, left out.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { PairfoldError, type Progress, Vi, Vj, wasm } from "../../mod.ts";
import { type Engine, engineOf } from "../../src/engine/mod.ts";
import { build, constant, index, type Node, variable } from "../../src/formula/mod.ts";
import { fold, type FoldChoices, type FoldRequest } from "../../src/program/mod.ts";
import { nearestFold } from "../../src/program/nearest.ts";
import { type NearestFold, NearestLaunch } from "../../src/program/nearest_launch.ts";
import type { CullingCosts } from "../../src/program/request.ts";
import type { ReductionName } from "../../src/reduction/mod.ts";
import { type Tensor, tensor } from "../../src/tensor/mod.ts";
import { type Cloud, CLOUDS, differences } from "../support/clouds.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { type Random, randomFor } from "../support/random.ts";

const device = engineOf(wasm({ threads: 2 }));
/** As if leaving out were for nothing. */
const FREE: CullingCosts = {
  column: 0,
  row: 0,
  sortedRow: 0,
  neighbour: 0,
  listed: 0,
  pair: 0,
  trying: 0,
};

type Numbers = Float32Array | Float64Array;
type DType = "float32" | "float64";

/** A fold over points; all but the points have defaults. */
interface Search {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly reduction?: ReductionName;
  readonly k?: number;
  readonly axis?: "i" | "j";
  readonly formula?: (x: Node, y: Node) => Node;
  readonly choices?: FoldChoices;
  readonly device?: Engine;
  readonly costs?: CullingCosts | undefined;
}

function requestOf(search: Search, culling: boolean): FoldRequest {
  const { x, y, reduction = "kMinArgKMin", k = 3, axis = "j", formula = build.sqDist } = search;
  const [[M, D], [N]] = [x.shape, y.shape];
  const cullingCosts = "costs" in search ? search.costs : FREE;
  return {
    formula: formula(variable(0, "i", D), variable(1, "j", D)),
    inputs: new Map([[0, x], [1, y]]),
    reduction,
    axis,
    M,
    N,
    k,
    dtype: x.dtype as DType,
    choices: { device: search.device ?? device, culling, ...search.choices },
    ...(cullingCosts === undefined ? {} : { cullingCosts }),
  };
}

const noteOf = (result: Tensor): string => /^culling +(.*)$/m.exec(result.explain())?.[1] ?? "";

/**
 * Computes a fold both ways, holds them against each other; gives what explain() says of culling.
 */
async function compare(search: Search): Promise<string> {
  const all = fold(requestOf(search, false));
  const near = fold(requestOf(search, true));
  for (const [slot, result] of near.entries()) {
    const [got, expected] = [await result.data(), await all[slot].data()];
    assertEquals(differences(got, expected), 0, `output ${slot} of ${near.length}`);
  }
  assertEquals(noteOf(all[0]), "none: not wanted");
  return noteOf(near[0]);
}

async function compareCulled(search: Search): Promise<void> {
  assertMatch(await compare(search), /^\d+ of \d+ pairs folded/);
}

const points = (numbers: Numbers, D: number): Tensor => tensor(numbers, [numbers.length / D, D]);

for (const D of [1, 2, 3, 4, 5]) {
  for (const k of D === 3 ? [1, 3, 10, 40] : [1, 10]) {
    Deno.test(`${k} nearest points of ${D} components: the bits of all pairs`, async () => {
      const random = randomFor(`nearest ${D} ${k}`);
      for (const cloud of Object.values(CLOUDS)) {
        const [x, y] = [517, 1031].map((rows) => points(cloud(random, "float32", rows, D), D));
        await compareCulled({ x, y, k });
        await compareCulled({ x: y, y, k });
      }
    });
  }
}

for (const reduction of ["min", "argMin", "minArgMin", "kMin", "argKMin", "kMinArgKMin"] as const) {
  Deno.test(`${reduction} of distances: the bits of all pairs, both axes and dtypes`, async () => {
    const random = randomFor(reduction);
    for (const dtype of ["float32", "float64"] as const) {
      for (const cloud of Object.values(CLOUDS)) {
        const [x, y] = [517, 1031].map((rows) => points(cloud(random, dtype, rows, 3), 3));
        await compareCulled({ x, y, reduction });
        await compareCulled({ x, y, reduction, axis: "i" });
      }
    }
  });
}

const square: (x: Node, y: Node) => Node = (x, y) => build.square(build.sub(x, y));
const formulas: Record<string, (x: Node, y: Node) => Node> = {
  "sqDist(y, x)": (x, y) => build.sqDist(y, x),
  "sqNorm2(x - y)": (x, y) => build.sqNorm2(build.sub(x, y)),
  "norm2(y - x)": (x, y) => build.norm2(build.sub(y, x)),
  "sqrt(sqDist(x, y))": (x, y) => build.sqrt(build.sqDist(x, y)),
  "sum(square(x - y))": (x, y) => build.sum(square(x, y)),
  "sum((x - y) * (x - y))": (x, y) => build.sum(build.mul(build.sub(x, y), build.sub(x, y))),
  "sum(pow(x - y, 2))": (x, y) => build.sum(build.pow(build.sub(x, y), 2)),
  "sqrt(sum(square(x - y)))": (x, y) => build.sqrt(build.sum(square(x, y))),
};
for (const [text, formula] of Object.entries(formulas)) {
  Deno.test(`nearest points by ${text}: the bits of all pairs`, async () => {
    const random = randomFor(text);
    for (const cloud of Object.values(CLOUDS)) {
      const [x, y] = [517, 1031].map((rows) => points(cloud(random, "float32", rows, 2), 2));
      await compareCulled({ x, y, formula });
      await compareCulled({ x, y, formula, choices: { fastMath: true } });
    }
  });
}

Deno.test("nearest numbers by square(x - y) and abs(x - y): the bits of all pairs", async () => {
  const random = randomFor("numbers");
  for (const formula of [square, (x: Node, y: Node) => build.abs(build.sub(x, y))]) {
    for (const cloud of Object.values(CLOUDS)) {
      const [x, y] = [517, 1031].map((rows) => points(cloud(random, "float32", rows, 1), 1));
      await compareCulled({ x, y, formula });
    }
  }
});

const scale = (c: number) => (x: Node, y: Node): Node => build.mul(constant(c), build.sqDist(x, y));
const others: Record<string, (x: Node, y: Node) => Node> = {
  "the negative distance": (x, y) => build.neg(build.sqDist(x, y)),
  "a scaled distance": scale(-2),
  "the root of a root": (x, y) => build.sqrt(build.norm2(build.sub(x, y))),
  "a sum of points": (x, y) => build.sqNorm2(build.add(x, y)),
  "a scalar product": (x, y) => build.dot(x, y),
  "a distance within i": (x, y) => build.add(build.sqNorm2(build.sub(x, x)), build.elem(y, 0)),
  "all but the point itself": (x, y) =>
    build.where(build.ne(index("i"), index("j")), build.sqDist(x, y), constant(Infinity)),
};
for (const [what, formula] of Object.entries(others)) {
  Deno.test(`${what} folds all pairs`, async () => {
    const random = randomFor(what);
    const [x, y] = [517, 1031].map((rows) => points(random.float32(2 * rows), 2));
    const note = await compare({ x, y, formula });
    assertEquals(note, "none: the formula is no distance between points of i and j");
  });
}

Deno.test("points that are not finite, or whose squares are not, fold all pairs", async () => {
  const random = randomFor("not finite");
  for (const value of [NaN, Infinity, -Infinity, 1e19, -1e25]) {
    const [x, y] = [517, 1031].map((rows) => random.float32(2 * rows));
    for (const one of [x, y]) {
      const before = one[34];
      one[34] = value;
      const note = await compare({ x: points(x, 2), y: points(y, 2) });
      assertMatch(note, /^none: points that are not finite, or too large/);
      one[34] = before;
    }
  }
});

Deno.test("what lists cannot tell apart, or nobody wants, folds all pairs", async () => {
  const random = randomFor("all pairs");
  const [x, y] = [517, 1031].map((rows) => points(random.float32(2 * rows), 2));
  assertMatch(await compare({ x, y, k: 600 }), /^none: most points would be near/);
  assertMatch(await compare({ x, y, costs: undefined }), /^none: too few points/);
  const long = points(random.float32(17 * 517), 17);
  assertMatch(await compare({ x: long, y: long }), /^none: points of more than 16 components/);
  const tried = { ...FREE, pair: 5 };
  const wide = points(random.float32(8 * 1031), 8);
  assertMatch(await compare({ x: wide, y: wide, costs: tried }), /^none: about .* % of the pairs/);
  const sum = fold({ ...requestOf({ x, y }, true), reduction: "sum" })[0];
  assertEquals(noteOf(sum), "");
  const stacks = [0, 1].map(() => tensor(random.float32(2 * 300 * 2), [2, 300, 2]));
  const batches = Vi(stacks[0]).sqDist(Vj(stacks[1])).argMin("j", { device });
  assertEquals(noteOf(batches), "none: batches fold all pairs");
});

Deno.test("as many points as leaving out pays for: the bits of all pairs, and of a loop", async () => {
  const random = randomFor("many");
  const N = 8009;
  const numbers = random.float32(3 * N);
  const y = points(numbers, 3);
  const search: Search = { x: y, y, k: 2, costs: undefined };
  await compareCulled(search);
  const [values, indices] = fold(requestOf(search, true));
  const [distances, nearest] = [await values.data(), await indices.data()];
  for (let i = 0; i < N; i += 97) {
    let [least, where] = [Infinity, -1];
    for (let j = 0; j < N; j++) {
      const distance = [0, 1, 2].reduce(
        (sum, d) => sum + (numbers[3 * i + d] - numbers[3 * j + d]) ** 2,
        0,
      );
      if (j !== i && distance < least) [least, where] = [distance, j];
    }
    assertEquals([nearest[2 * i], nearest[2 * i + 1]], [i, where]);
    assert(Math.abs(distances[2 * i + 1] - least) <= 1e-6 * least);
  }
});

Deno.test("lists of several waves, bounds of several launches: the bits of all pairs", async () => {
  const y = points(randomFor("waves").float32(3 * 20_011), 3);
  await compareCulled({ x: y, y, k: 120, reduction: "argKMin" });
});

Deno.test("explain() says that its source is that of all pairs where some are left out", async () => {
  const y = points(randomFor("explain").float32(2 * 1031), 2);
  const ofAllPairs = /^ {10}schedule, loop IR and source are those of all pairs/m;
  const [near] = fold(requestOf({ x: y, y }, true));
  assertMatch(near.explain(), ofAllPairs);
  await near.data();
  assertMatch(near.explain(), ofAllPairs);
  const [all] = fold(requestOf({ x: y, y }, false));
  assert(!ofAllPairs.test(all.explain()));
});

Deno.test("progress tells of the pairs that are folded; an abort stops them", async () => {
  const random = randomFor("progress");
  const y = points(random.float32(3 * 8009), 3);
  const told: Progress[] = [];
  const [values] = fold(requestOf({ x: y, y }, true));
  await values.data({ onProgress: (progress) => told.push(progress) });
  const [first, last] = [told[0], told[told.length - 1]];
  assertEquals([first.done, last.done], [0, last.total]);
  assert(last.total < 8009 ** 2 / 4);
  assert(
    told.every(({ done, total }, n) => total === last.total && done >= (told[n - 1]?.done ?? 0)),
  );
  assert(noteOf(values).startsWith(`${last.total} of ${8009 ** 2} pairs folded`));
  for (const calls of [0, 1]) {
    const abort = new AbortController();
    if (calls === 0) abort.abort();
    const [result] = fold(requestOf({ x: y, y }, true));
    const reading = result.data({ signal: abort.signal, onProgress: () => abort.abort() });
    assertEquals((await assertRejects(() => reading, PairfoldError)).code, "aborted");
    assertEquals(differences(await result.data(), await values.data()), 0);
  }
});

Deno.test("little memory, one thread and none shared change no bit", async () => {
  const random = randomFor("memory");
  const [x, y] = [517, 1031].map((rows) => points(random.float32(3 * rows), 3));
  for (const options of [{ threads: 1 }, { memoryLimit: 2 ** 20 }, { sharedMemory: false }]) {
    using engine = wasm(options);
    await compareCulled({ x, y, device: engineOf(engine) });
  }
});

Deno.test("where memory is full because of boxes and lists, all pairs are folded", async () => {
  const random = randomFor("full");
  const [x, y] = [517, 1031].map((rows) => points(random.float32(3 * rows), 3));
  using engine = wasm({ threads: 1, memoryLimit: 21_500 });
  const note = await compare({ x, y, reduction: "argKMin", device: engineOf(engine) });
  assertEquals(note, "none: too little memory for boxes and lists");
});

Deno.test({
  name: "nearest points in native code: the bits of all pairs",
  ignore: withoutCompiler !== null,
  fn: async () => {
    using engine = testEngine({ threads: 2 });
    const random = randomFor("native");
    const own = { device: engineOf(engine) };
    const pair = (cloud: Cloud, dtype: DType): Pick<Search, "x" | "y"> => {
      const [x, y] = [517, 1031].map((rows) => points(cloud(random, dtype, rows, 3), 3));
      return { x, y };
    };
    for (const cloud of Object.values(CLOUDS)) {
      await compareCulled({ ...pair(cloud, "float32"), ...own, k: 10 });
      await compareCulled({ ...pair(cloud, "float64"), ...own, reduction: "argKMin", k: 20 });
      const norm = (x: Node, y: Node): Node => build.norm2(build.sub(x, y));
      await compareCulled({
        ...pair(cloud, "float32"),
        ...own,
        reduction: "argMin",
        formula: norm,
      });
    }
  },
});

const PLACES = 4;

/**
 * Rows in the middle of a circle: the distances to its few points are equal but for their rounding.
 * Each point is there so often that its boxes are the point.
 */
function circle(random: Random): { x: Tensor; y: Tensor } {
  const angles = random.float64(PLACES, 0, 2 * Math.PI);
  const y = new Float32Array(2 * 1031);
  for (let j = 0; j < 1031; j++) {
    const angle = angles[j % PLACES];
    y.set([Math.cos(angle), Math.sin(angle)], 2 * j);
  }
  return { x: points(new Float32Array(2 * 517), 2), y: points(y, 2) };
}

/**
 * Indices that differ from those of all pairs, where nearest columns are looked for by some rule.
 */
async function mistakes(search: Search, wrong: Partial<NearestFold>): Promise<number> {
  const request = requestOf({ ...search, reduction: "argMin" }, false);
  const [all] = fold(request);
  const { x, y } = search;
  const inputs = [variable(0, "i", 2), variable(1, "j", 2)];
  const whole = {
    formula: request.formula,
    weight: null,
    reduction: "argMin",
    float: "f32",
    inputs,
    options: { sumScheme: "compensated", accumulator: "f32", k: 1 },
    fastMath: false,
  } as const;
  const what = nearestFold(whole, x.shape[0], y.shape[0]);
  if (typeof what === "string") throw new TypeError(what);
  const tables = [await x.data(), await y.data()] as Numbers[];
  const rule = { ...what, ...wrong };
  const where = { engine: device, fold: whole, what: rule, x: tables[0], y: tables[1] };
  const launch = await NearestLaunch.of(where, {});
  const { outputs } = await launch.run({}, () => true);
  return differences(outputs?.[0] ?? [], await all.data());
}

Deno.test("wrong rules lose points: no margin for rounding, squares taken for distances", async () => {
  const random = randomFor("wrong");
  let lost = 0;
  for (let n = 0; n < 16; n++) {
    const search = circle(random);
    assertEquals(await mistakes(search, {}), 0);
    lost += await mistakes(search, { rounding: 0 });
  }
  assert(lost > 0);
  const [x, y] = [517, 1031].map((rows) => points(random.float32(2 * rows, 0, 1e-3), 2));
  assertEquals(await mistakes({ x, y }, {}), 0);
  assert(await mistakes({ x, y }, { isRoot: true }) > 0);
});
