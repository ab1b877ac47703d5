// Symbolic matrices as numbers: dense, rows, block and take against the reference, whole and under
// the memory guard.

import { assertEquals, assertThrows } from "@std/assert";
import { indexOf, type LazyTensor, PairfoldError, Pm, tensor, Vi, Vj, wasm } from "../../mod.ts";
import { checkDense, checkNumbers, referenceDense } from "../support/dense.ts";
import { type Random, randomFor } from "../support/random.ts";

type Float = "float32" | "float64";

const SIZES = [[1, 1], [3, 5], [517, 7], [7, 517], [1, 1031], [1031, 1], [130, 131]] as const;
const TOLERANCE: Readonly<Record<Float, number>> = { float32: 4e-6, float64: 1e-13 };

/** What is made dense: rows x, columns y, of dim 3. */
const MATRICES: Readonly<Record<string, (x: LazyTensor, y: LazyTensor) => LazyTensor>> = {
  "a Gaussian": (x, y) => x.sqDist(y).mul(-0.5).exp(),
  "differences": (x, y) => x.sub(y),
  "only rows": (x) => x.square(),
  "only columns": (_x, y) => y.square(),
  "only a parameter": () => Pm([1.5, 2]).mul(2),
  "indices": (x, y) => indexOf("i").mul(1000).add(indexOf("j")).add(x.sub(y).mul(0).sum("d")),
  "a long vector": (x, y) => x.concat(y).concat(x.elem(0).sumT(40)).mul(y.elem(1)),
};

function points(random: Random, dtype: Float, rows: number): ReturnType<typeof tensor> {
  const data = random.array(dtype, 3 * rows);
  return tensor(data, [rows, 3]);
}

for (const [name, make] of Object.entries(MATRICES)) {
  for (const dtype of ["float32", "float64"] as const) {
    Deno.test(`dense of ${name}, ${dtype}: the reference's values`, async () => {
      const random = randomFor(`dense ${name} ${dtype}`);
      for (const [M, N] of SIZES) {
        const K = make(Vi(points(random, dtype, M)), Vj(points(random, dtype, N)));
        await checkDense(K.dense(), K, TOLERANCE[dtype], `${M}×${N}`);
      }
    });
  }
}

Deno.test("dense hands every value on as it is: NaN, infinities, −0", async () => {
  const special = [NaN, Infinity, -Infinity, -0, 0, 1e-40];
  const x = Vi(Float32Array.from(special), 1);
  const flat = await x.concat(Vj([[1], [2]])).dense().data();
  const want = special.flatMap((v) => [Math.fround(v), 1, Math.fround(v), 2]);
  want.forEach((v, k) => assertEquals(Object.is(flat[k], v), true, `entry ${k}: ${flat[k]}`));
});

Deno.test("dense of few rows and of few columns are each other's transposes", async () => {
  const random = randomFor("dense transposed");
  const x = Vi(points(random, "float32", 300)), y = Vj(points(random, "float32", 11));
  const tall = await x.sub(y).dense().data();
  const wide = await x.sub(y).transpose().dense().data();
  for (let k = 0; k < tall.length; k++) {
    const [i, j, d] = [Math.floor(k / 33), Math.floor(k / 3) % 11, k % 3];
    assertEquals(tall[k], wide[(j * 300 + i) * 3 + d]);
  }
});

Deno.test("dense in small memory, on several threads and on one: the same bits", async () => {
  const random = randomFor("dense memory");
  const K = Vi(points(random, "float32", 700)).sqDist(Vj(points(random, "float32", 900)));
  using small = wasm({ memoryLimit: 2 ** 20, threads: 1 });
  using threaded = wasm({ threads: 2, threadedPairs: 0 });
  const want = await K.dense().data();
  assertEquals(await K.dense({ device: small }).data(), want);
  assertEquals(await K.dense({ device: threaded }).data(), want);
});

Deno.test("dense of nothing is empty", async () => {
  const none = tensor(new Float32Array(0), [0, 3]);
  const some = tensor(new Float32Array(6), [2, 3]);
  assertEquals([Vi(none).sub(Vj(some)).dense().shape, Vi(some).sub(Vj(none)).dense().shape], [
    [0, 2, 3],
    [2, 0, 3],
  ]);
  assertEquals((await Vi(none).sub(Vj(some)).dense().data()).length, 0);
  assertEquals((await Vi(some).sub(Vj(none)).dense().data()).length, 0);
});

Deno.test("rows and blocks are what they are of the whole", async () => {
  const random = randomFor("rows");
  const [M, N] = [37, 23];
  const x = Vi(points(random, "float64", M)), y = Vj(points(random, "float64", N));
  const K = x.sub(y).mul(indexOf("j")).add(indexOf("i")); // global indices keep their values
  const whole = await referenceDense(K);
  const at = (i: number, j: number): number[] => [0, 1, 2].map((d) => whole[(i * N + j) * 3 + d]);
  const I = [5, 36, 0, 5, -1], J = Int32Array.of(22, 1, -23);
  const rowsOf = (list: readonly number[], size: number): number[] =>
    list.map((k) => k < 0 ? k + size : k);
  const all = Array.from({ length: N }, (_, j) => j);
  const pick = (is: readonly number[], js: readonly number[]): number[] =>
    is.flatMap((i) => js.flatMap((j) => at(i, j)));

  const rows = K.rows(I);
  assertEquals(rows.shape, [5, N, 3]);
  checkNumbers(await rows.data(), pick(rowsOf(I, M), all), 1e-13, "rows");
  const one = K.rows(-2);
  assertEquals(one.shape, [1, N, 3]);
  checkNumbers(await one.data(), pick([35], all), 1e-13, "row −2");
  const block = K.block(I, J);
  assertEquals(block.shape, [5, 3, 3]);
  checkNumbers(await block.data(), pick(rowsOf(I, M), rowsOf([...J], N)), 1e-13, "block");
  const none = K.block([], J);
  assertEquals([none.shape, (await none.data()).length], [[0, 3, 3], 0]);
});

Deno.test("what is taken folds and is differentiated like any matrix", async () => {
  const random = randomFor("take");
  const points3 = points(random, "float64", 9);
  const D = Vi(points3).sqDist(Vj(points3)); // one tensor in both roles: only i is taken
  const some = D.take([8, 2], "i");
  const all = await D.sum("j").data();
  assertEquals(await some.sum("j").data(), Float64Array.of(all[8], all[2]));
  assertEquals(some.take([0], 1).shape, [2, 1, 1]);
  const weights = D.neg().exp().sum("i"); // deferred, [9, 1]
  const K = D.mul(Vj(weights));
  checkNumbers(await K.rows([4]).data(), (await referenceDense(K)).subarray(36, 45), 1e-12, "row");
});

Deno.test("dense explains itself, before it is computed and after", async () => {
  const K = Vi([[1], [2], [3]]).mul(Vj([[1], [2]]));
  const [tall, wide] = [K.dense(), K.transpose().dense()];
  for (const t of [tall, wide]) {
    const before = t.explain();
    await t.data();
    assertEquals(t.explain(), before);
    assertEquals(before.includes("x0 * y1"), true);
  }
});

Deno.test("the byte guard refuses at the first byte too many, before anything is computed", () => {
  const x = Vi(new Float32Array(3000), 3);
  const K = x.sub(Vj(new Float32Array(30), 3)); // [1000, 10, 3]
  assertEquals(K.dense({ maxBytes: 120_000 }).shape, [1000, 10, 3]);
  const error = assertThrows(
    () => K.dense({ maxBytes: 119_999 }),
    PairfoldError,
    "dense: [1000, 10, 3] in float32 takes 120000 bytes; expected at most 119999 bytes",
  );
  assertEquals(error.code, "memory");
  const many = Vi(new Float32Array(60_000), 1).mul(Vj(new Float32Array(60_000), 1));
  assertThrows(() => many.dense(), PairfoldError, "takes 14 GiB; expected at most 1024 MiB");
  assertEquals(many.block([1, 2], [3]).shape, [2, 1, 1]);
});
