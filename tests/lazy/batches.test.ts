// Batch dims: every reduction, pattern of leading dims and axis has, bit for bit, what batches have
// one by one; shapes, empty batches, many small ones, and what goes wrong.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  imagPart,
  indexOf,
  lazy,
  LazyTensor,
  PairfoldError,
  Pm,
  type Tensor,
  tensor,
  Vi,
  Vj,
  wasm,
} from "../../mod.ts";
import type { FoldChoices } from "../../src/program/mod.ts";
import { type ReductionName, REDUCTIONS } from "../../src/reduction/mod.ts";
import { sizeOf } from "../../src/tensor/mod.ts";
import {
  type Batched,
  checkBatches,
  checkSame,
  type Pattern,
  PATTERNS,
  randomBatches,
} from "../support/batches.ts";
import { TestDevice } from "../support/device_engine.ts";
import { type Random, randomFor } from "../support/random.ts";

type Float = "float32" | "float64";
type FoldAxis = "i" | "j";

/**
 * Every reduction through the methods that people call: of a vector, of a scalar, with a weight.
 */
const REDUCE: Readonly<
  Record<
    ReductionName,
    (
      vector: LazyTensor,
      scalar: LazyTensor,
      weight: LazyTensor,
      axis: FoldAxis,
      choices: FoldChoices,
    ) => readonly Tensor[]
  >
> = {
  sum: (v, _s, _w, axis, c) => [v.sum(axis, c)],
  mean: (v, _s, _w, axis, c) => [v.mean(axis, c)],
  logSumExp: (v, _s, _w, axis, c) => [v.logSumExp(axis, c)],
  logSumExpWeight: (_v, s, weight, axis, c) => [s.logSumExp(axis, { ...c, weight })],
  sumSoftMaxWeight: (_v, s, w, axis, c) => [s.sumSoftmaxWeight(w, axis, c)],
  maxSumShiftExp: (_v, s, _w, axis, c) => [s.maxSumShiftExp(axis, c)],
  maxSumShiftExpWeight: (_v, s, weight, axis, c) => [s.maxSumShiftExp(axis, { ...c, weight })],
  min: (v, _s, _w, axis, c) => [v.min(axis, c)],
  max: (v, _s, _w, axis, c) => [v.max(axis, c)],
  argMin: (v, _s, _w, axis, c) => [v.argMin(axis, c)],
  argMax: (v, _s, _w, axis, c) => [v.argMax(axis, c)],
  minArgMin: (v, _s, _w, axis, c) => v.minArgMin(axis, c),
  maxArgMax: (v, _s, _w, axis, c) => v.maxArgMax(axis, c),
  kMin: (v, _s, _w, axis, c) => [v.kMin(3, axis, c)],
  argKMin: (v, _s, _w, axis, c) => [v.argKMin(3, axis, c)],
  kMinArgKMin: (v, _s, _w, axis, c) => v.kMinArgKMin(3, axis, c),
  count: (v, _s, _w, axis, c) => [v.gt(0).count(axis, c)],
  any: (v, _s, _w, axis, c) => [v.gt(0.3).any(axis, c)],
  all: (v, _s, _w, axis, c) => [v.gt(-0.3).all(axis, c)],
};

/** Sizes of a batch. */
interface Size {
  readonly M: number;
  readonly N: number;
}

/** Random points, a signal of the columns, and a parameter of dim 2. */
function inputsOf(
  random: Random,
  { x, y, p }: Pattern,
  { M, N }: Size,
  dtype: Float,
): readonly Batched[] {
  return [
    randomBatches(random, x, [M, 3], dtype),
    randomBatches(random, y, [N, 3], dtype),
    randomBatches(random, y, [N, 2], dtype),
    randomBatches(random, p, [2], dtype, [0.5, 2]),
  ];
}

/** A reduction of formulas that all inputs have a part in. */
function folded(
  reduction: ReductionName,
  axis: FoldAxis,
  choices: FoldChoices,
): (...inputs: Tensor[]) => readonly Tensor[] {
  return (x, y, b, p) => {
    const scalar = Vi(x).sqDist(Vj(y)).mul(Pm(p).elem(0)).neg();
    const vector = scalar.exp().mul(Vj(b)).mul(Pm(p));
    const weight = Vj(b).square().add(Pm(p)).mul(Vi(x).elem(1));
    return REDUCE[reduction](vector, scalar, weight, axis, choices);
  };
}

const AXES = ["i", "j"] as const;

for (const reduction of REDUCTIONS) {
  Deno.test(`batches of ${reduction}: what each has alone, in every pattern`, async () => {
    const random = randomFor(`batches ${reduction}`);
    for (const axis of AXES) {
      for (const [name, pattern] of Object.entries(PATTERNS)) {
        for (const dtype of ["float32", "float64"] as const) {
          const size = dtype === "float32" ? { M: 5, N: 67 } : { M: 17, N: 3 };
          const inputs = inputsOf(random, pattern, size, dtype);
          await checkBatches(inputs, folded(reduction, axis, {}), `${name}, ${axis}, ${dtype}`);
        }
      }
    }
  });
}

Deno.test("the check finds a batch that is not its own", async () => {
  const pattern = { ...PATTERNS["all batched"], p: [] };
  const inputs = inputsOf(randomFor("wrong"), pattern, { M: 3, N: 4 }, "float32");
  let calls = 0;
  const wrong = (...all: Tensor[]): readonly Tensor[] => {
    const shift = ++calls === 2 ? 1 : 0; // the second batch alone differs
    return folded("sum", "j", {})(...all.slice(0, 3), tensor([1, 1 + shift]));
  };
  let message = "";
  await checkBatches(inputs, wrong, "wrong").catch((error) => message = String(error));
  assert(message.includes("number 7"), message);
});

Deno.test("long batches: columns split and rows joined as each has them alone", async () => {
  const random = randomFor("long batches");
  for (const { M, N } of [{ M: 3, N: 9001 }, { M: 1, N: 8192 }, { M: 517, N: 1031 }]) {
    for (const name of ["rows alone", "all batched", "columns alone"]) {
      for (const reduction of ["sum", "logSumExp", "argMin"] as const) {
        const inputs = inputsOf(random, PATTERNS[name], { M, N }, "float32");
        await checkBatches(inputs, folded(reduction, "j", {}), `${name}, ${M} × ${N}`);
      }
    }
  }
});

Deno.test("rows that are not finite leave the other batches as they are", async () => {
  const random = randomFor("infinite rows");
  for (const name of ["rows alone", "all batched"]) {
    const [x, y, , p] = inputsOf(random, PATTERNS[name], { M: 3, N: 5 }, "float32");
    const numbers = x.t.peek() ?? [];
    numbers[4] = Infinity;
    numbers[9] = NaN;
    numbers[14] = -Infinity;
    // the last factor leaves the sum where it is finite
    const fold = (a: Tensor, b: Tensor, c: Tensor): readonly Tensor[] => [
      Vi(a).sqDist(Vj(b)).mul(Pm(c)).neg().exp().mul(Vi(a)).sum("j"),
    ];
    const scale = { t: tensor((p.t.peek() ?? new Float32Array()).slice(0, 1)), batch: [] };
    await checkBatches([x, y, scale], fold, name);
  }
});

Deno.test("the indices of rows and columns start anew in every batch", async () => {
  const random = randomFor("indices in batches");
  for (const [name, pattern] of Object.entries(PATTERNS)) {
    for (const axis of AXES) {
      const [x, y] = inputsOf(random, pattern, { M: 6, N: 7 }, "float32");
      const fold = (a: Tensor, b: Tensor): readonly Tensor[] => [
        Vi(a).sub(Vj(b)).mul(indexOf("i").add(1)).add(indexOf("j").mul(0.5)).sum(axis),
        Vi(a).sqDist(Vj(b)).add(indexOf("i").eq(indexOf("j")).mul(9)).argMin(axis),
        Vj(b).mul(indexOf("j")).sub(Vi(a)).max(axis), // while columns are packed
      ];
      await checkBatches([x, y], fold, `${name}, ${axis}`);
    }
  }
});

Deno.test("engines: threads, one thread, small memory, no SIMD extras, devices, several", async () => {
  const random = randomFor("engines of batches");
  const engines = {
    threads: wasm({ threads: 2, threadedPairs: 1 }),
    alone: wasm({ threads: 1, sharedMemory: false, relaxedSimd: false }),
    small: wasm({ memoryLimit: 200_000 }),
    untiled: wasm({ schedule: "untiled" }),
    device: new TestDevice({ name: "test:0" }),
    several: [
      wasm({ threads: 1 }),
      new TestDevice({ name: "test:1" }),
      new TestDevice({ name: "test:2" }),
    ],
  };
  for (const [engine, device] of Object.entries(engines)) {
    for (const [name, pattern] of Object.entries(PATTERNS)) {
      for (const reduction of ["sum", "kMinArgKMin", "sumSoftMaxWeight"] as const) {
        const inputs = inputsOf(random, pattern, { M: 300, N: 37 }, "float32");
        const what = `${engine}, ${name}, ${reduction}`;
        await checkBatches(inputs, folded(reduction, "j", { device }), what);
      }
    }
  }
});

Deno.test("ten thousand small batches of odd size", async () => {
  const random = randomFor("many batches");
  const [B, M, N] = [10_000, 3, 5];
  for (const pattern of [{ x: [B], y: [B], p: [B] }, { x: [B], y: [], p: [] }]) {
    const inputs = inputsOf(random, pattern, { M, N }, "float64");
    const got = await folded("sum", "j", {})(...inputs.map(({ t }) => t))[0].data();
    // every 997th alone
    const [x, y, b, p] = inputs;
    for (let batch = 0; batch < B; batch += 997) {
      const part = ({ t, batch: own }: Batched): Tensor => {
        const length = t.size / sizeOf(own);
        const first = own.length === 0 ? 0 : batch * length;
        const numbers = (t.peek() ?? new Float64Array()).slice(first, first + length);
        return tensor(numbers, t.shape.slice(own.length));
      };
      const [want] = folded("sum", "j", {})(part(x), part(y), part(b), part(p));
      checkSame(got.slice(batch * M * 2, (batch + 1) * M * 2), await want.data(), `${batch}`);
    }
  }
});

Deno.test("no batches, no rows, no columns", async () => {
  const none = (...shape: number[]): Tensor => tensor(new Float32Array(sizeOf(shape)), shape);
  const empty = Vi(none(0, 2, 3)).sqDist(Vj(none(4, 3)));
  assertEquals(empty.shape, [0, 2, 4, 1]);
  assertEquals(empty.sum("j").shape, [0, 2, 1]);
  assertEquals(await empty.sum("j").array(), []);
  assertEquals(await empty.argKMin(2, "i").array(), []);
  assertEquals(empty.dense().shape, [0, 2, 4, 1]);
  assertEquals(await empty.dense().array(), []);
  const noRows = Vi(none(2, 0, 3)).sqDist(Vj(none(4, 3)));
  assertEquals(await noRows.sum("j").array(), [[], []]);
  assertEquals(await noRows.sum("i").array(), [[[0], [0], [0], [0]], [[0], [0], [0], [0]]]);
  const noColumns = Vi(none(2, 1, 3)).sqDist(Vj(none(2, 0, 3)));
  assertEquals(await noColumns.min("j").array(), [[[Infinity]], [[Infinity]]]);
  assertEquals(await noColumns.argMin("j").array(), [[[-1]], [[-1]]]);
  assertEquals(empty.vjp("sum", "j", Vj(none(4, 3))).shape, [4, 3]);
});

Deno.test("a gradient by what no batch has is zero", async () => {
  const x = tensor(new Float32Array(0), [0, 5, 40]), y = tensor(new Float32Array(280), [7, 40]);
  const gradient = Vi(x).sqDist(Vj(y)).vjp("sum", "j", Vj(y));
  assertEquals(await gradient.data(), new Float32Array(280));
});

Deno.test("shapes: batch dims in front, of matrix, entries, rows, blocks, lists, transpose", async () => {
  const random = randomFor("batch shapes");
  const x = randomBatches(random, [2, 1], [4, 3], "float32");
  const y = randomBatches(random, [5], [6, 3], "float32");
  const K = Vi(x.t).sub(Vj(y.t));
  assertEquals(K.shape, [2, 5, 4, 6, 3]);
  assertEquals(K.batchShape, [2, 5]);
  assertEquals([K.ndim, K.size, K.dim], [5, 720, 3]);
  assertEquals(K.T.shape, [2, 5, 6, 4, 3]);
  assertEquals(K.kMin(2, "j").shape, [2, 5, 4, 2, 3]);
  assertEquals(K.norm2().kMin(2, "j").shape, [2, 5, 4, 2]);
  assertEquals(K.sum("d").shape, [2, 5, 4, 6, 1]);
  assertEquals(K.toString().includes("LazyTensor [2, 5, 4, 6, 3] float32"), true);
  assertEquals(K.sum("j").explain().includes("batches of shape [2,5]"), true);
  assertEquals(await K.sum(-2).data(), await K.sum("j").data());
  assertEquals(await K.sum(-3).data(), await K.sum("i").data());
  assertEquals(K.sum(-1).shape, K.sum("d").shape);
  await checkBatches([x, y], (a, b) => {
    const L = Vi(a).sub(Vj(b));
    return [
      L.dense(),
      L.T.dense(),
      L.rows([2, 0, -1]),
      L.block([3, 3], [-1, 1, 0]),
      L.take([1, 2], "j").take([0], "i").mul(indexOf("j")).sum("j"),
      L.T.max("i"),
    ];
  }, "entries");
  const error = assertThrows(() => K.dense({ maxBytes: 2879 }), PairfoldError, "[2, 5, 4, 6, 3]");
  assertEquals(error.code, "memory");
});

Deno.test("tensors beside a matrix: singleton axes say what they are, batch dims come first", async () => {
  const random = randomFor("raw tensors");
  const x = randomBatches(random, [2], [4, 1, 3], "float32");
  const y = randomBatches(random, [2], [1, 5, 3], "float32");
  const p = randomBatches(random, [2], [1, 1, 3], "float32");
  const K = LazyTensor.from(x.t).sub(y.t).mul(p.t);
  assertEquals(K.shape, [2, 4, 5, 3]);
  assertEquals(lazy`(${x.t} - ${y.t}) * ${p.t}`.shape, [2, 4, 5, 3]);
  await checkBatches([x, y, p], (a, b, c) => [LazyTensor.from(a).sub(b).mul(c).sum("j")], "raw");
  const again = Vi(tensor(await x.t.data(), [2, 4, 3])).sub(Vj(tensor(await y.t.data(), [2, 5, 3])))
    .mul(Pm(tensor(await p.t.data(), [2, 3])));
  assertEquals(await K.sum("j").data(), await again.sum("j").data());
});

Deno.test("one tensor as rows, as a parameter and beside: each role has its own batch dims", async () => {
  const numbers = randomFor("three roles").float64(2 * 2 * 1 * 3);
  const t = tensor(numbers, [2, 2, 1, 3]);
  // rows [1, 3] of batches [2, 2]; parameters of batches [2, 2, 1]; rows [2, 3] of batches [2]
  const K = Vi(t).mul(Pm(t));
  assertEquals(K.shape, [2, 2, 2, 1, 1, 3]);
  const copy = (): Tensor => tensor(numbers, t.shape);
  const apart = Vi(copy()).mul(Pm(copy()));
  assertEquals(await K.sum("j").data(), await apart.sum("j").data());
  const beside = LazyTensor.from(t).mul(Pm(t));
  assertEquals(beside.shape, [2, 2, 2, 2, 1, 3]);
  for (const v of [Vi(t), Pm(t)]) assertEquals(K.vjp("sum", "j", v).shape, t.shape);
});

Deno.test("complex matrices and matrix products have batches", async () => {
  const random = randomFor("complex batches");
  const x = randomBatches(random, [3, 1], [4, 1], "float32");
  const y = randomBatches(random, [2], [5, 1], "float32");
  const b = randomBatches(random, [2], [5, 2], "float32");
  await checkBatches([x, y, b], (s, t, c) => {
    const wave = Vi(s).mul(Vj(t)).exp1j();
    return [wave.sum("j"), imagPart(wave.sum("i")), wave.matmul(c), Vi(s).mul(Vj(t)).matmul(c)];
  }, "complex");
  const K = Vi(x.t).mul(Vj(y.t));
  assertEquals(K.matmul([1, 2, 3, 4, 5]).shape, [3, 2, 4, 1]);
});

const X = tensor(new Float32Array(2 * 4 * 3), [2, 4, 3]);
const Y = tensor(new Float32Array(3 * 5 * 3), [3, 5, 3]);
const WRONG: [string, () => unknown, string][] = [
  ["batches that differ", () => Vi(X).sub(Vj(Y)), "sub: got batch shapes [2] and [3]"],
  [
    "a parameter's",
    () => Vi(X).mul(Pm(tensor([[1], [2], [3]]))),
    "mul: got batch shapes [2] and [3]",
  ],
  ["a weight's", () => Vi(X).logSumExp("j", { weight: Vj(Y) }), "batch shapes [2] and [3]"],
  ["rows of a batch", () => Vi(X).add(Vi(Y)), "add: got 4 and 5 rows along i"],
  ["axis 0, a batch dim", () => Vi(X).sum(0), 'got axis 0; expected "i", "j", −3 or −2'],
  ["axis 1, ambiguous", () => Vi(X).kMin(2, 1), "the first 1 axes are batch dims"],
  ["axis 2, ambiguous", () => Vi(X).max(2), "max: got axis 2"],
  ["the vector's axis", () => Vi(X).kMin(2, -1 as unknown as -2), "got axis -1, the vector's"],
  ["a cotangent without them", () => Vi(X).vjp("sum", "j", Vi(X), [[1]]), "expected [2,4,3]"],
  [
    "a tangent without them",
    () => Vi(X).jvp("sum", "j", [[Vi(X), new Float32Array(12)]]),
    "got shape [12]; expected [2,4,3]",
  ],
];
for (const [name, act, message] of WRONG) {
  Deno.test(`wrong batches, ${name}: a PairfoldError says so`, () => {
    const error = assertThrows(act, PairfoldError, message);
    assertEquals(error.code, "shape");
  });
}
