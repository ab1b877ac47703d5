// Complex matrices against complex arithmetic by hand, in float64.

import { assert, assertEquals } from "@std/assert";
import {
  ComplexLazyTensor,
  type ComplexOperand,
  imagPart,
  LazyTensor,
  realPart,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";
import { checkNumbers } from "../support/dense.ts";
import { randomFor } from "../support/random.ts";

type Complex = readonly [re: number, im: number];

const add = (a: Complex, b: Complex): Complex => [a[0] + b[0], a[1] + b[1]];
const sub = (a: Complex, b: Complex): Complex => [a[0] - b[0], a[1] - b[1]];
const mul = (a: Complex, b: Complex): Complex => [
  a[0] * b[0] - a[1] * b[1],
  a[0] * b[1] + a[1] * b[0],
];
const div = (a: Complex, b: Complex): Complex => {
  const [re, im] = mul(a, [b[0], -b[1]]);
  const scale = b[0] ** 2 + b[1] ** 2;
  return [re / scale, im / scale];
};
const exp = (a: Complex): Complex => [
  Math.exp(a[0]) * Math.cos(a[1]),
  Math.exp(a[0]) * Math.sin(a[1]),
];

const [M, N] = [5, 7];
const random = randomFor("complex");
const zData = random.float64(M * 6), wData = random.float64(N * 6), rData = random.float64(N * 3);
const z = Vi(zData, 6).toComplex(); // [5, 1, 3]
const w = Vj(wData, 6).toComplex(); // [1, 7, 3]
const r = Vj(rData, 3); // real, [1, 7, 3]

const zAt = (i: number, d: number): Complex => [zData[6 * i + 2 * d], zData[6 * i + 2 * d + 1]];
const wAt = (j: number, d: number): Complex => [wData[6 * j + 2 * d], wData[6 * j + 2 * d + 1]];
const rAt = (j: number, d: number): Complex => [rData[3 * j + d], 0];

/** Entries of a matrix of three complex components. */
function entries(value: (i: number, j: number, d: number) => Complex): number[] {
  const out: number[] = [];
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) for (let d = 0; d < 3; d++) out.push(...value(i, j, d));
  }
  return out;
}

type Operation = "add" | "sub" | "mul" | "div";
const BY_HAND: Readonly<Record<Operation, typeof add>> = { add, sub, mul, div };

/** What stands on the right, and its value. */
const OPERANDS: Readonly<
  Record<string, readonly [ComplexOperand, (i: number, j: number, d: number) => Complex]>
> = {
  "a complex vector": [w, (_i, j, d) => wAt(j, d)],
  "a complex scalar": [w.elem(1), (_i, j) => wAt(j, 1)],
  "a real vector": [r, (_i, j, d) => rAt(j, d)],
  "a real scalar": [r.elem(2), (_i, j) => rAt(j, 2)],
  "a complex number": [{ re: 2, im: -3 }, () => [2, -3]],
  "complex numbers": [
    [{ re: 1, im: 2 }, { re: 3, im: 4 }, { re: 5, im: 6 }],
    (_i, _j, d) => [2 * d + 1, 2 * d + 2],
  ],
  "a number": [2.5, () => [2.5, 0]],
  "numbers": [[2, 3, 4], (_i, _j, d) => [d + 2, 0]],
  "a real tensor": [tensor(new Float64Array([2, 3, 4])), (_i, _j, d) => [d + 2, 0]],
};

for (const [name, [operand, value]] of Object.entries(OPERANDS)) {
  for (const [op, byHand] of Object.entries(BY_HAND)) {
    Deno.test(`complex ${op} with ${name}`, async () => {
      const base = z.add(w.mul(0)); // of both axes
      const got = base[op as Operation](operand);
      assert(got instanceof ComplexLazyTensor);
      assertEquals(got.shape, [M, N, 3]);
      const want = entries((i, j, d) => byHand(zAt(i, d), value(i, j, d)));
      checkNumbers(await got.dense().data(), want, 1e-12, `${op} ${name}`);
    });
  }
}

Deno.test("a complex scalar takes a vector's length from what it meets", async () => {
  const scalar = z.elem(0);
  for (const [op, byHand] of Object.entries(BY_HAND)) {
    for (const [operand, value] of [[w, wAt], [r, rAt]] as const) {
      const got = scalar[op as Operation](operand);
      assertEquals(got.shape, [M, N, 3]);
      const want = entries((i, j, d) => byHand(zAt(i, 0), value(j, d)));
      checkNumbers(await got.dense().data(), want, 1e-12, op);
    }
  }
});

Deno.test("unary ops: conj, neg, inv, square, exp, parts, absolute values", async () => {
  const base = z.add(w.mul(0));
  const complex: readonly (readonly [ComplexLazyTensor, (a: Complex) => Complex])[] = [
    [base.conj(), (a) => [a[0], -a[1]]],
    [base.neg(), (a) => [-a[0], -a[1]]],
    [base.inv(), (a) => div([1, 0], a)],
    [base.square(), (a) => mul(a, a)],
    [base.exp(), exp],
  ];
  for (const [got, value] of complex) {
    const want = entries((i, _j, d) => value(zAt(i, d)));
    checkNumbers(await got.dense().data(), want, 1e-12, String(got));
  }
  const real: readonly (readonly [LazyTensor, (a: Complex) => number])[] = [
    [base.real, (a) => a[0]],
    [base.imag, (a) => a[1]],
    [base.abs(), (a) => Math.hypot(...a)],
    [base.angle(), (a) => Math.atan2(a[1], a[0])],
    [base.squareAbs(), (a) => a[0] ** 2 + a[1] ** 2],
  ];
  for (const [got, value] of real) {
    assert(got instanceof LazyTensor);
    const want = entries((i, _j, d) => [value(zAt(i, d)), 0]).filter((_v, k) => k % 2 === 0);
    checkNumbers(await got.dense().data(), want, 1e-12, String(got));
  }
});

Deno.test("real matrices become complex: as parts, as pairs, as phases", async () => {
  const x = Vi([[1, 2]]);
  assertEquals(await x.realToComplex().sum("j").array(), [[1, 0, 2, 0]]);
  assertEquals(await x.imagToComplex().sum("j").array(), [[0, 1, 0, 2]]);
  assertEquals(await x.toComplex().sum("j").array(), [[1, 2]]);
  assertEquals(x.toComplex().toReal().formula, x.formula);
  assertEquals(x.exp1j().shape, [1, 1, 2]);
  const phase = await Vi([[0.5]]).exp1j().dense().data();
  checkNumbers(phase, [Math.cos(0.5), Math.sin(0.5)], 1e-6, "phase");
  const pairs = ComplexLazyTensor.from([{ re: 1, im: 2 }, { re: 3, im: 4 }]);
  assertEquals(await pairs.sum("j").array(), [[1, 2, 3, 4]]);
  assertEquals(await ComplexLazyTensor.from([1, 2]).sum("j").array(), [[1, 0, 2, 0]]);
});

Deno.test("sums, means and products over axes are tensors of pairs", async () => {
  const K = z.mul(w);
  const products = entries((i, j, d) => mul(zAt(i, d), wAt(j, d)));
  const at = (i: number, j: number, k: number): number => products[(i * N + j) * 6 + k];
  const over = (length: number, term: (k: number) => number): number =>
    Array.from({ length }, (_, k) => term(k)).reduce((a, b) => a + b);
  const rows = Array.from(
    { length: M * 6 },
    (_, k) => over(N, (j) => at(Math.floor(k / 6), j, k % 6)),
  );
  const columns = Array.from(
    { length: N * 6 },
    (_, k) => over(M, (i) => at(i, Math.floor(k / 6), k % 6)),
  );
  assertEquals([K.sum("j").shape, K.sum("i").shape], [[M, 6], [N, 6]]);
  checkNumbers(await K.sum("j").data(), rows, 1e-12, "sum over j");
  checkNumbers(await K.sum("i").data(), columns, 1e-12, "sum over i");
  checkNumbers(await K.mean("j").data(), rows.map((v) => v / N), 1e-12, "mean over j");
  checkNumbers(await K.mean(0).data(), columns.map((v) => v / M), 1e-12, "mean over i");
  checkNumbers(await z.matmul(tensor(wData, [N, 6])).data(), rows, 1e-12, "matmul");
  const total = await K.sum("d").sum("j").data();
  const want = Array.from(
    { length: M * 2 },
    (_, k) => over(3, (d) => rows[6 * Math.floor(k / 2) + 2 * d + k % 2]),
  );
  checkNumbers(total, want, 1e-12, "sum along the vector");
});

Deno.test("parts of complex vectors: elem, at, slice, concat, sumT", async () => {
  const v = Vi([[1, 2, 3, 4, 5, 6]]).toComplex();
  const values = async (c: ComplexLazyTensor): Promise<number[]> => [...await c.dense().data()];
  assertEquals(await values(v.elem(1)), [3, 4]);
  assertEquals(await values(v.at(-1)), [5, 6]);
  assertEquals(await values(v.slice(1)), [3, 4, 5, 6]);
  assertEquals(await values(v.slice(0, -2)), [1, 2]);
  assertEquals(await values(v.elem(0).concat({ re: 7, im: 8 }, 9)), [1, 2, 7, 8, 9, 0]);
  assertEquals(await values(v.elem(2).sumT(2)), [5, 6, 5, 6]);
});

Deno.test("real and imaginary parts of tensors", async () => {
  const t = tensor([[1, 2, 3, 4], [5, 6, 7, 8]]);
  assertEquals([realPart(t).shape, imagPart(t).shape], [[2, 2], [2, 2]]);
  assertEquals(await realPart(t).array(), [[1, 3], [5, 7]]);
  assertEquals(await imagPart(t).array(), [[2, 4], [6, 8]]);
  const sums = z.sum("j"); // deferred
  const data = await sums.data();
  assertEquals([...await imagPart(sums).data()], [...data].filter((_v, k) => k % 2 === 1));
});

Deno.test("transposed, taken, made dense: as real matrices are", async () => {
  const K = z.mul(w);
  assert(K.transpose() instanceof ComplexLazyTensor);
  assertEquals(await K.T.sum("i").data(), await K.sum("j").data());
  assertEquals(K.dense().shape, [M, N, 6]);
  const whole = await K.dense().data();
  checkNumbers(await K.block([2], [3]).data(), whole.subarray(17 * 6, 18 * 6), 1e-15, "block");
});

Deno.test("derivatives by a complex variable are those of its pairs", async () => {
  const x = Vi(zData, 6);
  const viaPairs = x.toComplex().squareAbs().sum("d").grad(x.toComplex());
  const want = [...zData].map((v) => 2 * v);
  checkNumbers(await viaPairs.sum("j").data(), want, 1e-12, "∇|z|²");
});
