// Folds of points with themselves that meet each pair once: against the reference and against folds
// of all pairs, on the native engine and on WebAssembly, by every schedule, width of vectors and
// number of threads.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { AutoEngine } from "../../src/engine/auto.ts";
import {
  type Engine,
  type NativeOptions,
  type Progress,
  wasm,
  type WasmEngine,
  type WasmOptions,
} from "../../src/engine/mod.ts";
import { build, constant, index, type Node, variable } from "../../src/formula/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { mirrorCut } from "../../src/tiling/mod.ts";
import { type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import { testUnless } from "../cuda/support/tools.ts";
import { checkFold, type Float, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { randomFor } from "../support/random.ts";
import {
  b,
  bothInputs,
  checkSame,
  gaussian,
  isTaken,
  LEFT_BY_ALL,
  polynomial,
  q,
  SAME,
  TAKEN_BY_ALL,
  x,
  y,
} from "../support/symmetric.ts";

/** Points in ten blocks, the last of which is no whole one. */
const POINTS = 5003;
/** Several calls on several threads, however little there is to do. */
const always = { threadedOperations: 1, threadedPairs: 1 };
const FLOATS = ["float32", "float64"] as const;

/** What both engines take. */
type Options = Pick<NativeOptions & WasmOptions, "threads" | "memoryLimit"> & {
  readonly schedule?: "untiled";
};

/** An engine that meets pairs once. */
interface Kind {
  readonly name: string;
  readonly missing: string | null;
  readonly open: (options?: Options) => Engine & Disposable;
}

const NATIVE: Kind = { name: "native", missing: withoutCompiler, open: testEngine };
const WASM: Kind = { name: "wasm", missing: null, open: wasm };

const native = (name: string, run: () => Promise<void> | void): void =>
  testUnless(withoutCompiler, `symmetric, native: ${name}`, run);

/** A test on each of the engines. */
function test(name: string, run: (kind: Kind) => Promise<void> | void): void {
  for (const kind of [NATIVE, WASM]) {
    testUnless(kind.missing, `symmetric, ${kind.name}: ${name}`, () => run(kind));
  }
}

const { eq, exp, inv, mul, neg, sqDist, sqrt, sub } = build;

/** What is folded once, with its reduction. */
const TAKEN: Readonly<Record<string, Node>> = {
  ...TAKEN_BY_ALL,
  "gaussian alone": exp(neg(q(3))),
  "gaussian, weights first": mul(b(), exp(neg(q(2)))),
  "gaussian of 4 weights": mul(exp(neg(q(3))), b(4)),
  "gaussian in 40-D of 8 weights": mul(exp(neg(q(40))), b(8)),
  "weights on both sides": mul(mul(variable(3, "i", 1), exp(neg(q(3)))), b()),
  laplacian: mul(exp(neg(sqrt(q(3)))), b()),
  energy: mul(neg(sqrt(q(3))), b()),
  polynomial: polynomial(1),
  gradient: mul(mul(exp(neg(q(3))), sub(x(3), y(3))), mul(variable(3, "i", 1), b())),
  "pairs of others": mul(build.where(eq(index("i"), index("j")), constant(0), exp(neg(q(3)))), b()),
};

/** What is not: a mirror would cost more than it saves, or see a zero of the other sign. */
const LEFT: Readonly<Record<string, Node>> = {
  ...LEFT_BY_ALL,
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

for (const dtype of FLOATS) {
  test(`sums agree with the reference and with all pairs, ${dtype}`, async (kind) => {
    // compiled sooner; other schedules give the same bits, as a test below says
    using device = kind.open(kind === NATIVE ? { schedule: "untiled" } : {});
    using plain = wasm();
    const random = randomFor(`symmetric ${dtype}`);
    for (const [k, [name, formula]] of Object.entries(TAKEN).entries()) {
      if (dtype === "float64" && k % 4 > 0) continue; // the same code but for the type
      const c = { ...caseOf(formula, dtype), device };
      const [once, twice] = bothInputs(c, name);
      assert(isTaken(c, once, { device }), name);
      assert(!isTaken(c, twice, { device }), name);
      const [got] = await runFold(c, once);
      const [want] = await runFold({ ...c, device: plain }, twice);
      checkSame(got, want, dtype === "float32" ? 4e-6 : 1e-13, `${name}, ${dtype}`);
      if (k % 4 === 0) await checkFold({ ...c, cancels: formula.dim > 1 }, random);
    }
  });
}

test("where nothing is gained, or a sign would be lost, all pairs are folded", (kind) => {
  using device = kind.open();
  for (const [name, formula] of Object.entries(LEFT)) {
    const c = caseOf(formula, "float32");
    assert(!isTaken(c, bothInputs(c, name)[0], { device }), name);
  }
  const [inputs] = bothInputs(caseOf(gaussian, "float32"), "others");
  for (const reduction of ["max", "logSumExp", "argKMin"] as const) {
    const c = { ...caseOf(exp(neg(q(3))), "float32"), reduction };
    assert(!isTaken(c, inputs, { device }), reduction);
  }
  using few = kind.open({ memoryLimit: 2 ** 19 });
  assert(!isTaken(caseOf(gaussian, "float32"), inputs, { device: few }), "little memory");
  const direct = { device, sumScheme: "direct" } as const;
  assert(!isTaken(caseOf(gaussian, "float32"), inputs, direct), "sums without blocks");
});

Deno.test("symmetric, wasm: few points are all folded by a kernel that has a mirror", async () => {
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

test("sizes around those of blocks, sums and means, over either axis", async (kind) => {
  const random = randomFor("symmetric sizes");
  using device = kind.open();
  for (const size of [1, 3, 517, 1031, 4095, 4096, 4097]) {
    const c = { ...caseOf(gaussian, "float32", size), device };
    assertEquals(isTaken(c, bothInputs(c, "sizes")[0], { device }), size >= 4096, `${size}`);
    await checkFold(c, random);
    await checkFold({ ...c, axis: "i", reduction: "mean" }, random);
  }
});

test("totals in float64 of float32 terms, and plain sums of blocks", async (kind) => {
  const random = randomFor("symmetric totals");
  using device = kind.open();
  const c = { ...caseOf(gaussian, "float32"), device };
  for (const choices of [{ accumulator: "float64" }, { sumScheme: "block" }] as const) {
    assert(isTaken(c, inputsOf(c, random), { ...choices, device }));
    await checkFold({ ...c, choices }, random);
  }
});

test("centred distances", async (kind) => {
  using device = kind.open();
  const c = { ...caseOf(mul(exp(neg(q(10))), b()), "float32"), device };
  const choices = { device, distances: "centred" } as const;
  const [once, twice] = bothInputs(c, "centred");
  assert(isTaken(c, once, choices));
  const [[got], [want]] = [await runFold({ ...c, choices }, once), await runFold(c, twice)];
  checkSame(got, want, 4e-6, "centred distances");
});

test("many terms of one sign: within 1e-6", async (kind) => {
  const size = kind === NATIVE ? 100_000 : 40_000;
  using device = kind.open();
  const table = randomFor("symmetric ones").float32(2 * size, 0, 0.01);
  const t = tensor(table, [size, 2]);
  const sums = await Vi(t).sqDist(Vj(t)).neg().exp().sum("j", { device }).data();
  for (const i of [0, 1, 777, size / 2 + 1, size - 1]) {
    let want = 0;
    for (let j = 0; j < size; j++) {
      const [u, v] = [table[2 * i] - table[2 * j], table[2 * i + 1] - table[2 * j + 1]];
      want += Math.exp(-u * u - v * v);
    }
    assert(Math.abs(sums[i] - want) <= 1e-6 * want, `row ${i}: got ${sums[i]}, expected ${want}`);
  }
});

async function bitsOn(device: Engine & Disposable, c: FoldCase): Promise<ArrayLike<number>> {
  using engine = device;
  const inputs = inputsOf(c, randomFor("symmetric bits"));
  assert(isTaken(c, inputs, { device: engine }));
  const [sums] = await runFold({ ...c, device: engine }, inputs);
  return sums;
}

for (const [name, dtype] of [["gaussian", "float32"], ["gravity", "float64"]] as const) {
  const c = caseOf(TAKEN[name], dtype);

  native(`the same bits on any threads, by every schedule and width, ${dtype}`, async () => {
    const want = await bitsOn(testEngine({ threads: 1 }), c);
    for (const threads of [2, 4]) {
      assertEquals(await bitsOn(testEngine({ threads, ...always }), c), want, `${threads} threads`);
    }
    assertEquals(await bitsOn(testEngine({ schedule: "untiled" }), c), want, "untiled");
    const cuts = [[8, 4, 1, 64], [3, 3, 2, 64], [1, 1, 4, 32], [4, 2, 2, 32], [2, 2, 1, 16]];
    for (const [rowVectors, interleave, columns, bytes] of cuts) {
      const schedule = { rowVectors, interleave, columns };
      const vectorBytes = bytes as 16 | 32 | 64;
      const bits = await bitsOn(testEngine({ schedule, vectorBytes, ...always }), c);
      assertEquals(bits, want, `${[rowVectors, interleave, columns, bytes]}`);
    }
  });

  Deno.test(`symmetric, wasm: the same bits on any threads, by every schedule, ${dtype}`, async () => {
    for (const relaxedSimd of [true, false]) {
      const open = (options: WasmOptions): WasmEngine => wasm({ relaxedSimd, ...options });
      const want = await bitsOn(open({ threads: 1 }), c);
      assertEquals(await bitsOn(open({ sharedMemory: false }), c), want, "memory of its own");
      for (const threads of relaxedSimd ? [2, 4] : [2]) {
        assertEquals(await bitsOn(open({ threads, ...always }), c), want, `${threads} threads`);
      }
      assertEquals(await bitsOn(open({ schedule: "untiled" }), c), want, "untiled");
      for (
        const [rowVectors, interleave, columns] of [[8, 4, 1], [3, 3, 2], [1, 1, 4], [4, 2, 8]]
      ) {
        for (const operands of ["memory", "locals"] as const) {
          const schedule = { rowVectors, interleave, columns, operands };
          const bits = await bitsOn(open({ schedule, threads: 1 }), c);
          assertEquals(bits, want, `${[rowVectors, interleave, columns, operands]}`);
        }
      }
    }
  });
}

native(
  "WebAssembly's rows wait in other vectors, but add to columns in the same order",
  async () => {
    for (const dtype of FLOATS) {
      const c = caseOf(TAKEN.gradient, dtype);
      assertEquals(await bitsOn(wasm(), c), await bitsOn(testEngine(), c), dtype);
    }
  },
);

native("device auto asks the engine that a fold is long enough for", () => {
  using few = testEngine({ memoryLimit: 2 ** 18 });
  using other = wasm();
  const device = new AutoEngine(few, other);
  const long = caseOf(gaussian, "float32", 4096);
  const short = caseOf(TAKEN.cauchy, "float32", 4096);
  assert(!isTaken(long, bothInputs(long, "auto")[0], { device }));
  assert(isTaken(short, bothInputs(short, "auto")[0], { device }));
});

Deno.test("symmetric, wasm: where states fit into memory but not what is staged, all pairs", async () => {
  const random = randomFor("symmetric memory");
  const c = caseOf(gaussian, "float32");
  const states = mirrorCut(POINTS, 1, "f32")?.bytes ?? 0;
  using device = wasm({ memoryLimit: states + 2 ** 16 });
  assert(device.mirrors(POINTS, 1, "f32"));
  assert(!isTaken(c, inputsOf(c, random), { device }), "it says what it does");
  await checkFold({ ...c, device }, random);
});

test("points and weights that are not finite give what all pairs give", async (engine) => {
  const names = ["gaussian", "scaled by a parameter", "weights on both sides", "cauchy", "gravity"];
  using device = engine.open();
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
      assert(isTaken(c, once, { device }), name);
      const [[got], [want]] = [await runFold(c, once), await runFold(c, twice)];
      checkSame(got, want, k % 2 === 0 ? 4e-6 : 1e-13, `${name}, ${kind}`);
    }
  }
});

native("instructions that have no name: the same without them", async () => {
  const random = randomFor("symmetric plain");
  const device = testEngine({ machine: ["-DPLAIN"], vectorBytes: 32 });
  await checkFold({ ...caseOf(gaussian, "float32"), device }, random);
});

test("progress goes from 0 to all pairs, abort ends it, the next fold is right", async (kind) => {
  const size = kind === NATIVE ? 60_000 : 20_000;
  let before: ArrayLike<number> | null = null;
  for (const threads of kind === NATIVE ? [2] : [2, 1]) {
    using device = kind.open({ threads });
    const t = tensor(randomFor("symmetric abort").float32(3 * size), [size, 3]);
    const sum = (): Tensor => Vi(t).sqDist(Vj(t)).neg().exp().sum("j", { device });
    const seen: Progress[] = [];
    const whole = await sum().data({ onProgress: (p) => void seen.push(p) });
    assertEquals([seen[0].done, seen.at(-1)?.done, seen[0].total], [0, size ** 2, size ** 2]);
    assert(seen.every(({ done }, k) => k === 0 || done >= seen[k - 1].done), "progress went back");
    const controller = new AbortController();
    const onProgress = ({ done }: Progress): void => {
      if (done > 0) controller.abort(new Error("enough"));
    };
    const stopped = sum().data({ signal: controller.signal, onProgress });
    const error = await assertRejects(() => stopped, PairfoldError);
    assertEquals(error.code, "aborted");
    assertEquals(await sum().data(), whole);
    // one thread takes strips of rows in pieces, so that it may look at the clock
    const others: ArrayLike<number> = before ?? whole;
    assertEquals(
      Array.from(whole).findIndex((v, k) => v !== others[k]),
      -1,
      "the first that differs",
    );
    before = whole;
  }
});
