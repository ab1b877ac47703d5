// Folds of points with themselves that meet each pair once: against the reference and against folds of
// all pairs, on the native engine, by every schedule, width of vectors and number of threads.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { type NativeOptions, type Progress, wasm } from "../../src/engine/mod.ts";
import { build, constant, index, type Node, variable } from "../../src/formula/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { fold, type FoldChoices } from "../../src/program/mod.ts";
import { type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import { testUnless } from "../cuda/support/tools.ts";
import { checkFold, type Float, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { randomFor } from "../support/random.ts";

/** Points in ten blocks, the last of which is no whole one. */
const POINTS = 5003;
/** Several calls on several threads, however little there is to do. */
const always = { threadedOperations: 1 };
const FLOATS = ["float32", "float64"] as const;

const test = (name: string, run: () => Promise<void>): void =>
  testUnless(withoutCompiler, `symmetric: ${name}`, run);

const { add, div, dot, eq, exp, inv, mul, neg, powr, sqDist, sqNorm2, sqrt, square, sub } = build;

/** Slots 0 and 1 are the points of both axes, 2 and 3 the weights. */
const SAME = new Map([[1, 0], [3, 2]]);
const x = (dim: number): Node => variable(0, "i", dim);
const y = (dim: number): Node => variable(1, "j", dim);
const q = (dim: number): Node => sqDist(x(dim), y(dim));
const b = (dim = 1): Node => variable(2, "j", dim);
const d = sub(y(3), x(3));
const gaussian = mul(exp(neg(q(3))), b());

/** What is folded once, with its reduction. */
const TAKEN: Readonly<Record<string, Node>> = {
  gaussian,
  "gaussian alone": exp(neg(q(3))),
  "gaussian, weights first": mul(b(), exp(neg(q(2)))),
  "gaussian of 2 weights": mul(exp(neg(q(2))), b(2)),
  "gaussian of 4 weights": mul(exp(neg(q(1))), b(4)),
  "gaussian in 40-D of 8 weights": mul(exp(neg(q(40))), b(8)),
  "scaled by a parameter": mul(variable(4, "p", 1), mul(exp(mul(variable(5, "p", 1), q(3))), b())),
  "weights on both sides": mul(mul(variable(3, "i", 1), exp(neg(q(3)))), b()),
  laplacian: mul(exp(neg(sqrt(q(3)))), b()),
  cauchy: div(b(), add(q(3), constant(1))),
  energy: mul(neg(sqrt(q(3))), b()),
  polynomial: mul(square(add(dot(x(10), y(10)), constant(1))), b()),
  gravity: mul(mul(d, powr(add(sqNorm2(d), constant(0.5)), constant(-1.5))), b()),
  gradient: mul(mul(exp(neg(q(3))), sub(x(3), y(3))), mul(variable(3, "i", 1), b())),
  "pairs of others": mul(build.where(eq(index("i"), index("j")), constant(0), exp(neg(q(3)))), b()),
};

/** What is not: a mirror would cost more than it saves, or see a zero of the other sign. */
const LEFT: Readonly<Record<string, Node>> = {
  "gaussian of 16 weights": mul(exp(neg(q(3))), b(16)),
  lopsided: mul(exp(build.sum(mul(x(3), square(y(3))))), b()),
  "inverse difference": mul(exp(inv(sub(x(1), y(1)))), b()),
};

const caseOf = (formula: Node, dtype: Float, size = POINTS): FoldCase => ({
  formula,
  dtype,
  reduction: "sum",
  axis: "j",
  M: size,
  N: size,
  same: SAME,
});

/** Inputs that are one table's on both axes, and the same numbers as two tables'. */
function bothInputs(c: FoldCase, name: string): Map<number, Tensor>[] {
  const once = inputsOf(c, randomFor(name));
  const copies = [...once].map(([slot, t]): [number, Tensor] => [slot, t.add(0)]);
  return [once, new Map(copies)];
}

/** Whether a fold of these inputs meets pairs once. */
function isTaken(
  { formula, reduction, axis, M, N, dtype }: FoldCase,
  inputs: ReadonlyMap<number, Tensor>,
  choices: FoldChoices = { device: testEngine() },
): boolean {
  const [sum] = fold({ formula, inputs, reduction, axis, M, N, dtype, k: 1, choices });
  return /each pair of points once/.test(sum.explain());
}

/** Throws unless two results have the same numbers that are not finite, and close ones elsewhere. */
function checkSame(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assertEquals(got.length, want.length, what);
  let scale = 0;
  for (let k = 0; k < want.length; k++) {
    if (Number.isFinite(want[k])) scale = Math.max(scale, Math.abs(want[k]));
  }
  for (let k = 0; k < want.length; k++) {
    const isSame = Number.isFinite(want[k])
      ? Math.abs(got[k] - want[k]) <= tolerance * scale
      : Object.is(got[k], want[k]);
    assert(isSame, `${what}, number ${k}: got ${got[k]}, expected ${want[k]}`);
  }
}

for (const dtype of FLOATS) {
  test(`sums agree with the reference and with all pairs, ${dtype}`, async () => {
    // compiled sooner; other schedules give the same bits, as a test below says
    const device = testEngine({ schedule: "untiled" });
    using plain = wasm();
    const random = randomFor(`symmetric ${dtype}`);
    for (const [k, [name, formula]] of Object.entries(TAKEN).entries()) {
      if (dtype === "float64" && k % 4 > 0) continue; // the same code but for the type
      const c = { ...caseOf(formula, dtype), device };
      const [once, twice] = bothInputs(c, name);
      assert(isTaken(c, once), name);
      assert(!isTaken(c, twice), name);
      const [got] = await runFold(c, once);
      const [want] = await runFold({ ...c, device: plain }, twice);
      checkSame(got, want, dtype === "float32" ? 4e-6 : 1e-13, `${name}, ${dtype}`);
      if (k % 4 === 0) await checkFold({ ...c, cancels: formula.dim > 1 }, random);
    }
  });
}

test("where nothing is gained, or a sign would be lost, all pairs are folded", () => {
  for (const [name, formula] of Object.entries(LEFT)) {
    const c = caseOf(formula, "float32");
    assert(!isTaken(c, bothInputs(c, name)[0]), name);
  }
  const [inputs] = bothInputs(caseOf(gaussian, "float32"), "others");
  for (const reduction of ["max", "logSumExp", "argKMin"] as const) {
    assert(!isTaken({ ...caseOf(exp(neg(q(3))), "float32"), reduction }, inputs), reduction);
  }
  const few = { device: testEngine({ memoryLimit: 2 ** 19 }) };
  assert(!isTaken(caseOf(gaussian, "float32"), inputs, few), "little memory");
  const device = testEngine();
  const direct = { device, sumScheme: "direct" } as const;
  assert(!isTaken(caseOf(gaussian, "float32"), inputs, direct), "sums without blocks");
  return Promise.resolve();
});

Deno.test("symmetric: WebAssembly folds all pairs by a kernel that has a mirror", async () => {
  const float = "f32";
  const [i, j] = [variable(0, "i", 2), variable(1, "j", 2)];
  const [own, other] = [variable(2, "j", 1), variable(3, "i", 1)];
  const kernel = lower({
    formula: mul(exp(neg(sqDist(i, j))), own),
    reduction: "sum",
    float,
    inputs: [i, j, own, other],
    options: { sumScheme: "compensated", accumulator: float, k: 1 },
    fastMath: false,
    twins: new Map<Node, Node>([[i, j], [j, i], [own, other], [other, own]]),
  }, expandedMath);
  assert(kernel.mirror !== null);
  using engine = wasm({ threads: 1 });
  const size = 53;
  const random = randomFor("symmetric wasm");
  const [table, w, out] = [random.float32(2 * size), random.float32(size), new Float32Array(size)];
  const whole = { i0: 0, i1: size, j0: 0, j1: size, output: 0, offsets: [0, 0, 0, 0] };
  const program = engine.compile(kernel, size, size);
  await engine.launch(program, [table, table, w, w], [out], [whole], {});
  out.forEach((got, k) => {
    const want = w.reduce((sum, weight, l) => {
      const [u, v] = [table[2 * k] - table[2 * l], table[2 * k + 1] - table[2 * l + 1]];
      return sum + weight * Math.exp(-u * u - v * v);
    }, 0);
    assert(Math.abs(got - want) < 1e-5, `row ${k}: got ${got}, expected ${want}`);
  });
});

test("sizes around those of blocks, sums and means, over either axis", async () => {
  const random = randomFor("symmetric sizes");
  for (const size of [1, 3, 517, 1031, 4095, 4096, 4097]) {
    const c = { ...caseOf(gaussian, "float32", size), device: testEngine() };
    assertEquals(isTaken(c, bothInputs(c, "sizes")[0]), size >= 4096, `${size}`);
    await checkFold(c, random);
    await checkFold({ ...c, axis: "i", reduction: "mean" }, random);
  }
});

test("totals in float64 of float32 terms, and plain sums of blocks", async () => {
  const random = randomFor("symmetric totals");
  const c = { ...caseOf(gaussian, "float32"), device: testEngine() };
  for (const choices of [{ accumulator: "float64" }, { sumScheme: "block" }] as const) {
    assert(isTaken(c, inputsOf(c, random), { ...choices, device: c.device }));
    await checkFold({ ...c, choices }, random);
  }
});

test("centred distances", async () => {
  const c = { ...caseOf(mul(exp(neg(q(10))), b()), "float32"), device: testEngine() };
  const choices = { device: c.device, distances: "centred" } as const;
  const [once, twice] = bothInputs(c, "centred");
  assert(isTaken(c, once, choices));
  const [[got], [want]] = [await runFold({ ...c, choices }, once), await runFold(c, twice)];
  checkSame(got, want, 4e-6, "centred distances");
});

test("a hundred thousand terms of one sign: within 1e-6", async () => {
  const size = 100_000;
  const table = randomFor("symmetric ones").float32(2 * size, 0, 0.01);
  const t = tensor(table, [size, 2]);
  const sums = await Vi(t).sqDist(Vj(t)).neg().exp().sum("j", { device: testEngine() }).data();
  for (const i of [0, 1, 777, 50_001, size - 1]) {
    let want = 0;
    for (let j = 0; j < size; j++) {
      const [u, v] = [table[2 * i] - table[2 * j], table[2 * i + 1] - table[2 * j + 1]];
      want += Math.exp(-u * u - v * v);
    }
    assert(Math.abs(sums[i] - want) <= 1e-6 * want, `row ${i}: got ${sums[i]}, expected ${want}`);
  }
});

async function bitsOn(options: NativeOptions, c: FoldCase): Promise<ArrayLike<number>> {
  const inputs = inputsOf(c, randomFor("symmetric bits"));
  const device = testEngine(options);
  assert(isTaken(c, inputs, { device }));
  const [sums] = await runFold({ ...c, device }, inputs);
  return sums;
}

test("the same bits on any number of threads, with every schedule and width of vectors", async () => {
  const cases = [[TAKEN.gaussian, "float32"], [TAKEN.gravity, "float64"]] as const;
  for (const [formula, dtype] of cases) {
    const c = caseOf(formula, dtype);
    const want = await bitsOn({ threads: 1 }, c);
    for (const threads of [2, 4]) {
      assertEquals(await bitsOn({ threads, ...always }, c), want, `${threads} threads`);
    }
    assertEquals(await bitsOn({ schedule: "untiled" }, c), want, "untiled");
    const options = [[8, 4, 1, 64], [3, 3, 2, 64], [1, 1, 4, 32], [4, 2, 2, 32], [2, 2, 1, 16]];
    for (const [rowVectors, interleave, columns, vectorBytes] of options) {
      const schedule = { rowVectors, interleave, columns };
      const bits = await bitsOn(
        { schedule, vectorBytes: vectorBytes as 16 | 32 | 64, ...always },
        c,
      );
      assertEquals(bits, want, `${dtype}: ${[rowVectors, interleave, columns, vectorBytes]}`);
    }
  }
});

test("points and weights that are not finite give what all pairs give", async () => {
  const names = ["gaussian", "scaled by a parameter", "weights on both sides", "cauchy", "gravity"];
  const device = testEngine();
  for (const [k, name] of names.entries()) {
    const formula = TAKEN[name];
    const c = { ...caseOf(formula, FLOATS[k % 2]), device };
    const random = randomFor(`symmetric special ${name}`);
    const bad = (dim: number, values: readonly number[]): Float64Array => {
      const numbers = random.float64(POINTS * dim);
      for (const value of values) numbers[random.integer(numbers.length)] = value;
      numbers[0] = values[0];
      return numbers;
    };
    const some = [Infinity, -Infinity, 1e30, -1e30, 0];
    for (
      const [kind, data] of [
        ["points", [bad(3, [...some, NaN]), random.float64(POINTS)]],
        ["far points", [bad(3, some), random.float64(POINTS)]],
        ["weights", [random.float64(POINTS * 3), bad(1, [Infinity, 0, 0])]],
        ["both", [bad(3, some), bad(1, [NaN, 0])]],
        ["parameter", [random.float64(POINTS * 3), bad(1, [0])], Infinity],
      ] as const
    ) {
      const [points, weights] = data;
      const numbers = [[0, points], [1, points], [2, weights], [3, weights]] as const;
      const scale = kind === "parameter" ? Infinity : -0.7;
      const given = new Map<number, ArrayLike<number>>([...numbers, [4, [scale]], [5, [-0.7]]]);
      const [once, twice] = bothInputs({ ...c, data: given }, name);
      assert(isTaken(c, once), name);
      const [[got], [want]] = [await runFold(c, once), await runFold(c, twice)];
      checkSame(got, want, k % 2 === 0 ? 4e-6 : 1e-13, `${name}, ${kind}`);
    }
  }
});

test("instructions that have no name: the same without them", async () => {
  const random = randomFor("symmetric plain");
  const device = testEngine({ machine: ["-DPLAIN"], vectorBytes: 32 });
  await checkFold({ ...caseOf(gaussian, "float32"), device }, random);
});

test("progress goes from 0 to all pairs, abort ends it, the next fold is right", async () => {
  const device = testEngine();
  const t = tensor(randomFor("symmetric abort").float32(3 * 60_000), [60_000, 3]);
  const sum = (): Tensor => Vi(t).sqDist(Vj(t)).neg().exp().sum("j", { device });
  const seen: Progress[] = [];
  const whole = await sum().data({ onProgress: (p) => void seen.push(p) });
  assertEquals([seen[0].done, seen.at(-1)?.done, seen[0].total], [0, 60_000 ** 2, 60_000 ** 2]);
  assert(seen.every(({ done }, k) => k === 0 || done >= seen[k - 1].done), "progress went back");
  const controller = new AbortController();
  const onProgress = ({ done }: Progress): void => {
    if (done > 0) controller.abort(new Error("enough"));
  };
  const stopped = sum().data({ signal: controller.signal, onProgress });
  const error = await assertRejects(() => stopped, PairfoldError);
  assertEquals(error.code, "aborted");
  assertEquals(await sum().data(), whole);
});
