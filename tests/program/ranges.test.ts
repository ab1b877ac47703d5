// Folds over block ranges: every reduction, from either side, against a float64 reference of the
// pairs that meet; the same bits on any threads, schedules and memory; what else a fold may be asked
// for beside them.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  BlockRanges,
  genred,
  PairfoldError,
  Pm,
  type Progress,
  type Tensor,
  tensor,
  Vi,
  Vj,
  wasm,
  type WasmOptions,
} from "../../mod.ts";
import { build, index, variable } from "../../src/formula/mod.ts";
import { REDUCTIONS } from "../../src/reduction/mod.ts";
import { deviceTolerance, testDevice } from "../support/device.ts";
import { checkFold, fitting, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { randomFor } from "../support/random.ts";
import { randomRanges } from "../support/ranges.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const gaussian = build.mul(build.exp(build.neg(build.sqDist(x, y))), b);
const vector = build.mul(build.sub(x, y), gaussian);
const SIZES = [[1, 1], [3, 517], [517, 3], [517, 1031], [1031, 517]] as const;

for (const reduction of REDUCTIONS) {
  Deno.test(`ranges, ${reduction}: the pairs that meet`, async () => {
    const random = randomFor(`ranges ${reduction}`);
    for (const [M, N] of SIZES) {
      for (const axis of ["i", "j"] as const) {
        for (const dtype of ["float32", "float64"] as const) {
          const { ranges } = randomRanges(random, M, N);
          const c = { ...fitting(reduction, vector, gaussian, vector), reduction, axis, dtype };
          await checkFold({ ...c, M, N, k: 5, ranges }, random);
        }
      }
    }
  });
}

Deno.test("ranges: many small blocks, rows without columns, single columns", async () => {
  const random = randomFor("small blocks");
  for (const reduction of ["sum", "logSumExp", "argMin", "kMinArgKMin", "mean"] as const) {
    for (const axis of ["i", "j"] as const) {
      const { ranges } = randomRanges(random, 700, 900, 300);
      const c = { ...fitting(reduction, vector, gaussian, vector), reduction, axis, k: 3, ranges };
      await checkFold({ ...c, M: 700, N: 900, dtype: "float32" }, random);
    }
  }
});

Deno.test("ranges: formulas that speak of indices know those of the whole matrix", async () => {
  const random = randomFor("indices");
  const apart = build.sub(index("i"), index("j"));
  const formula = build.mul(build.abs(apart), build.add(b, build.constant(2)));
  for (const reduction of ["sum", "argMin", "kMin", "max"] as const) {
    for (const axis of ["i", "j"] as const) {
      for (const [M, N] of SIZES) {
        const { ranges } = randomRanges(random, M, N);
        await checkFold({ formula, reduction, axis, M, N, dtype: "float64", k: 2, ranges }, random);
      }
    }
  }
});

Deno.test("ranges: ties go to the lower index, NaN never wins", async () => {
  const values = tensor([[3], [1], [NaN], [1], [1], [NaN], [0]]);
  const ranges = BlockRanges.fromMatrix(
    [[0, 1], [1, 2], [2, 3], [4, 5]],
    [[0, 1], [1, 2], [2, 3], [3, 5], [5, 6], [6, 7]],
    [[1, 0, 1, 1, 0, 0], [1, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]],
  );
  const K = Vj(values).add(Vi([[0], [0], [0], [0], [0]]));
  assertEquals(await K.argMin("j", { ranges }).array(), [[3], [1], [-1], [-1], [-1]]);
  const [least, at] = K.kMinArgKMin(3, "j", { ranges });
  assertEquals(await at.array(), [[3, 4, 0], [1, 3, 4], [-1, -1, -1], [-1, -1, -1], [-1, -1, -1]]);
  const none = [Infinity, Infinity, Infinity];
  assertEquals(await least.array(), [[1, 1, 3], [1, 1, 1], [NaN, NaN, Infinity], none, none]);
});

/** The numbers of a fold on an engine with options, which is disposed of. */
async function bitsOn(options: WasmOptions, c: FoldCase, name: string) {
  using device = wasm({ quickOperations: 0, ...options });
  return await runFold({ ...c, device }, inputsOf(c, randomFor(name)));
}

Deno.test("ranges: the same bits on any threads, with any schedule and memory", async () => {
  const random = randomFor("range bits");
  for (const [n, reduction] of REDUCTIONS.entries()) {
    const { ranges } = randomRanges(random, 517, 1031);
    const axis = n % 2 === 0 ? "j" : "i";
    const formulas = fitting(reduction, vector, gaussian, vector);
    const size = { M: 517, N: 1031, dtype: "float32" } as const;
    const c: FoldCase = { ...formulas, ...size, reduction, axis, k: 3, ranges };
    const want = await bitsOn({ threads: 1, schedule: "untiled" }, c, "range bits");
    for (
      const options of [
        { threads: 1 },
        { threads: 3, threadedPairs: 1 },
        { threads: 2, threadedPairs: 1, memoryLimit: 40_000 },
      ]
    ) {
      const got = await bitsOn(options, c, "range bits");
      assertEquals(got, want, `${reduction} over ${axis}, ${JSON.stringify(options)}`);
    }
  }
});

Deno.test("ranges: wide sums, long vectors and many neighbours", async () => {
  const random = randomFor("wide ranges");
  const [p, q, w] = [variable(0, "i", 40), variable(1, "j", 40), variable(2, "j", 24)];
  const long = build.exp(build.mul(build.sqDist(p, q), build.constant(-0.1)));
  const { ranges } = randomRanges(random, 517, 1031);
  const size = { M: 517, N: 1031, dtype: "float32", ranges } as const;
  for (const axis of ["i", "j"] as const) {
    await checkFold({ formula: long, reduction: "sum", axis, ...size }, random);
    await checkFold({ formula: build.mul(long, w), reduction: "sum", axis, ...size }, random);
    const softmax = { formula: long, weight: w, reduction: "sumSoftMaxWeight" } as const;
    await checkFold({ ...softmax, axis, ...size }, random);
    const distances = { formula: build.sqDist(x, y), axis, k: 60 } as const;
    await checkFold({ ...distances, reduction: "kMin", ...size }, random);
    await checkFold({ ...distances, reduction: "argKMin", ...size }, random);
  }
});

Deno.test({
  name: "ranges on native kernels: the pairs that meet, the same bits in little memory",
  ignore: withoutCompiler !== null,
  fn: async () => {
    using device = testEngine();
    const random = randomFor("native ranges");
    for (
      const reduction of ["sum", "logSumExp", "argMax", "kMinArgKMin", "mean", "count"] as const
    ) {
      for (const axis of ["i", "j"] as const) {
        const { ranges } = randomRanges(random, 1031, 517);
        const c = {
          ...fitting(reduction, vector, gaussian, vector),
          reduction,
          axis,
          k: 3,
          ranges,
        };
        const all = { ...c, M: 1031, N: 517, dtype: "float32" } as const;
        await checkFold({ ...all, device }, random);
        using small = testEngine({ memoryLimit: 60_000 });
        const inputs = inputsOf(all, random);
        const [got, want] = [small, device].map((d) => runFold({ ...all, device: d }, inputs));
        assertEquals(await got, await want, `${reduction} over ${axis}`);
      }
    }
  },
});

Deno.test("ranges on several engines: the bits of one", async () => {
  using one = wasm({ threads: 1 });
  using other = wasm({ threads: 1 });
  const random = randomFor("several ranges");
  const { ranges } = randomRanges(random, 2003, 517);
  for (const reduction of ["sum", "argMin", "kMinArgKMin"] as const) {
    const c = { ...fitting(reduction, vector, gaussian, vector), reduction, k: 3, ranges };
    const all = { ...c, axis: "j", M: 2003, N: 517, dtype: "float32" } as const;
    const inputs = inputsOf(all, random);
    const got = await runFold({ ...all, device: [one, other] }, inputs);
    assertEquals(got, await runFold({ ...all, device: one }, inputs), reduction);
  }
});

Deno.test("ranges of all pairs: the bits of a fold without any", async () => {
  const random = randomFor("all ranges");
  const ranges = BlockRanges.fromMatrix([[0, 200], [200, 517]], [[0, 1031]], [[1], [1]]);
  assertEquals([ranges.blocks, ranges.pairs], [1, 517 * 1031]);
  for (const reduction of REDUCTIONS) {
    const c = { ...fitting(reduction, vector, gaussian, vector), reduction, k: 3 };
    const all = { ...c, axis: "j", M: 517, N: 1031, dtype: "float32" } as const;
    const inputs = inputsOf(all, random);
    assertEquals(await runFold({ ...all, ranges }, inputs), await runFold(all, inputs), reduction);
  }
});

Deno.test("ranges of nothing: what reductions give over nothing, for as many rows as there are", async () => {
  const nothing = BlockRanges.fromMatrix([[2, 2]], [[0, 3]], [[1]]);
  const random = randomFor("nothing");
  for (const reduction of REDUCTIONS) {
    for (const [M, N] of [[0, 0], [0, 5], [70, 0], [70, 41]]) {
      for (const axis of ["i", "j"] as const) {
        const c = { ...fitting(reduction, vector, gaussian, vector), reduction, k: 3 };
        await checkFold({ ...c, axis, M, N, dtype: "float32", ranges: nothing }, random);
      }
    }
  }
});

Deno.test("ranges: lists of neighbours that are longer than there are columns", async () => {
  const random = randomFor("long lists");
  const { ranges } = randomRanges(random, 20, 30);
  for (const k of [40, 1500]) {
    for (const reduction of ["kMin", "argKMin"] as const) {
      const c = {
        formula: gaussian,
        reduction,
        axis: "j",
        M: 20,
        N: 30,
        dtype: "float64",
      } as const;
      await checkFold({ ...c, k: Math.min(k, 1000), ranges }, random);
    }
    const K = Vi(random.float32(20), 1).sub(Vj(random.float32(30), 1));
    const [list, short] = [k, 30].map((n) => K.argKMin(n, "j", { ranges, device: testDevice }));
    const [got, want] = [await list.array(), await short.array()] as number[][][];
    assertEquals(got, want.map((row) => [...row, ...Array<number>(k - 30).fill(-1)]));
  }
});

Deno.test("ranges of batches: each has them", async () => {
  const random = randomFor("batched ranges");
  const { ranges } = randomRanges(random, 40, 60);
  const points = tensor(random.float32(4 * 40 * 2), [4, 40, 2]);
  const others = tensor(random.float32(60 * 2), [60, 2]);
  const device = testDevice;
  const folds = (u: Tensor): Tensor[] => {
    const K = Vi(u).sqDist(Vj(others));
    return [
      K.neg().exp().sum("j", { ranges, device }),
      ...K.kMinArgKMin(3, "j", { ranges, device }),
      K.argMax("i", { ranges, device }),
      K.neg().exp().vjp("sum", "j", Vi(u), undefined, { ranges, device }),
    ];
  };
  const all = await Promise.all(folds(points).map((t) => t.data()));
  for (let k = 0; k < 4; k++) {
    const own = folds(tensor((await points.data()).slice(80 * k, 80 * (k + 1)), [40, 2]));
    for (const [slot, t] of own.entries()) {
      const want = await t.data();
      const got = all[slot].slice(k * want.length, (k + 1) * want.length);
      assertEquals(got, want, `batch ${k}, result ${slot}`);
    }
  }
});

Deno.test("ranges: progress and explain tell of the pairs that are folded", async () => {
  const random = randomFor("range progress");
  const { ranges } = randomRanges(random, 3000, 2000);
  const K = Vi(random.float32(9000), 3).sqDist(Vj(random.float32(6000), 3));
  for (const axis of ["i", "j"] as const) {
    const sum = K.neg().exp().sum(axis, { ranges });
    assert(sum.explain().includes(`${ranges.pairs} of 6000000 pairs`), sum.explain());
    const told: Progress[] = [];
    await sum.data({ onProgress: (p) => told.push(p) });
    assertEquals(new Set(told.map(({ total }) => total)), new Set([ranges.pairs]));
    assertEquals(told.at(-1)?.done, ranges.pairs);
  }
  const nearest = K.argMin("j", { ranges });
  assert(/culling .+ranges/.test(nearest.explain()), nearest.explain());
});

Deno.test("ranges: points with themselves, centred distances, products with tensors", async () => {
  const random = randomFor("range choices");
  const points = tensor(random.float32(9 * 600), [600, 9]);
  const { ranges, mask } = randomRanges(random, 600, 600);
  const weights = tensor(random.float32(600), [600, 1]);
  const K = Vi(points).sqDist(Vj(points)).mul(-0.2).exp();
  const want = await maskedSum(K.matmul(weights).shape, mask, await K.dense().data(), weights);
  for (const distances of ["auto", "direct", "centred"] as const) {
    const got = await K.matmul(weights, { ranges, distances, device: testDevice }).data();
    got.forEach((value, i) => {
      const error = Math.abs(value - want[i]);
      assert(error < 2e-5 * deviceTolerance("float32"), `${distances}, row ${i}: ${error}`);
    });
  }
});

/** Σ_j over the pairs of a mask. */
async function maskedSum(
  [M]: readonly number[],
  mask: Uint8Array,
  K: ArrayLike<number>,
  weights: Tensor,
): Promise<number[]> {
  const b = [...await weights.data()];
  const N = b.length;
  return Array.from(
    { length: M },
    (_, i) => b.reduce((sum, w, j) => sum + (mask[i * N + j] === 1 ? w * K[i * N + j] : 0), 0),
  );
}

Deno.test("genred: ranges behind the inputs", async () => {
  const [u, v, w] = [[[0], [1], [2]], [[0], [1], [4], [5]], [[1], [2], [3], [4]]];
  const ranges = BlockRanges.fromMatrix([[0, 2]], [[0, 1], [2, 4]], [[1, 1]]);
  const sum = genred("SqDist(X,Y)*B", ["X=Vi(1)", "Y=Vj(1)", "B=Vj(1)"]);
  assertEquals(await sum(u, v, w, { ranges }).array(), [[148], [92], [0]]);
  assertEquals(await sum(u, v, w, {}).array(), await sum(u, v, w).array());
  const columns = genred("SqDist(X,Y)", ["X=Vi(1)", "Y=Vj(1)"], { axis: 0 });
  assertEquals(await columns(u, v, { ranges }).array(), [[1], [0], [25], [41]]);
  const nearest = genred("SqDist(X,Y)", ["X=Vi(1)", "Y=Vj(1)"], {
    reduction: "KMin_ArgKMin",
    k: 4,
  });
  const [values, indices] = nearest(u, v, { ranges });
  // as KeOps does it, neighbours that are not there have index 0
  assertEquals(await indices.array(), [[0, 2, 3, 0], [0, 2, 3, 0], [0, 0, 0, 0]]);
  assertEquals((await values.array() as number[][])[1], [1, 9, 16, Infinity]);
});

Deno.test("ranges that do not fit are refused", () => {
  const ranges = BlockRanges.fromMatrix([[0, 4]], [[1, 6]], [[true]]);
  const K = (M: number, N: number) => Vi(new Float32Array(M), 1).sub(Vj(new Float32Array(N), 1));
  const f = genred("X-Y", ["X=Vi(1)", "Y=Vj(1)"]);
  const refused: [string, () => unknown, string, string][] = [
    ["rows", () => K(3, 6).sum("j", { ranges }), "shape", "end at 4 along i"],
    ["columns", () => K(4, 5).max("i", { ranges }), "shape", "end at 6 along j"],
    ["the wrong way", () => K(6, 5).sum("j", { ranges }), "shape", "ranges.transposed would fit"],
    ["either way", () => K(3, 3).sum("j", { ranges }), "shape", "the rows there"],
    ["no object", () => f([[0]], [[0]], ranges as never), "syntax", "{ ranges }"],
    ["no ranges", () => K(4, 6).sum("j", { ranges: [[0, 4]] as never }), "dtype", "BlockRanges"],
    ["null", () => K(4, 6).logSumExp("j", { ranges: null as never }), "dtype", "null"],
    ["a gradient", () => K(3, 6).vjp("sum", "j", K(3, 6), undefined, { ranges }), "shape", "vjp"],
    ["genred", () => f(new Float32Array(3), new Float32Array(6), { ranges }), "shape", "genred"],
    ["an option", () => f([[0]], [[0]], { range: ranges } as never), "syntax", "range"],
    ["rows of none", () => Pm([1]).add(Vj([[1]])).sum("j", { ranges }), "shape", "along i"],
  ];
  for (const [what, make, code, says] of refused) {
    const error = assertThrows(make, PairfoldError, undefined, what);
    assertEquals(error.code, code, `${what}: ${error.message}`);
    assert(error.message.includes(says), `${what}: ${error.message}`);
  }
});

Deno.test("ranges: a fold that is aborted says so", async () => {
  const random = randomFor("range abort");
  const { ranges } = randomRanges(random, 3000, 2000);
  const K = Vi(random.float32(9000), 3).sqDist(Vj(random.float32(6000), 3));
  const abort = new AbortController();
  abort.abort();
  const error = await assertRejects(
    () => K.argMin("j", { ranges }).data({ signal: abort.signal }),
    PairfoldError,
  );
  assertEquals(error.code, "aborted");
});
