// The tagged template: what it builds, what may stand in it, and its errors.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type ErrorCode,
  indexOf,
  lazy,
  LazyTensor,
  PairfoldError,
  Pm,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";

const x = Vi([[0, 0, 0], [1, 0, 2]]);
const y = Vj([[0, 0, 1], [2, 0, 0], [0, 3, 0]]);
const b = Vj([[1], [2], [3]]);

async function checkSame(got: LazyTensor, want: LazyTensor): Promise<void> {
  assertEquals(got.shape, want.shape);
  for (const axis of ["i", "j"] as const) {
    assertEquals(await got.sum(axis).array(), await want.sum(axis).array());
  }
}

Deno.test("lazy: a Gaussian as its methods", async () => {
  const s = 0.5;
  const want = x.sqDist(y).div(2 * s * s).neg().exp().mul(b);
  await checkSame(lazy`exp(-sqdist(${x}, ${y}) / ${2 * s * s}) * ${b}`, want);
  await checkSame(lazy`Exp(-SqDist(${x}, ${y}) / ${2 * s * s}) * ${b}`, want);
});

Deno.test("lazy: operators and indices as their methods", async () => {
  const rows: readonly (readonly [LazyTensor, LazyTensor])[] = [
    [lazy`${x} + ${y} * 3 - ${x} / 4`, x.add(y.mul(3)).sub(x.div(4))],
    [lazy`${x} | ${y} + 1`, x.dot(y.add(1))],
    [lazy`-${x}^2`, x.square().neg()],
    [lazy`${x}**3 + ${x}^${3}`, x.pow(3).add(x.pow(3))],
    [lazy`(${x} + 1)^0.5`, x.add(1).sqrt()],
    [lazy`(${x} + 1)^${1.5}`, x.add(1).pow(1.5)],
    [lazy`(${x} < ${y}) * ${y}`, x.lt(y).mul(y)],
    [lazy`max(${x}, ${y}) - minimum(${x}, 0.5)`, x.maximum(y).sub(x.minimum(0.5))],
  ];
  for (const [got, want] of rows) await checkSame(got, want);
  const i = indexOf("i");
  const j = indexOf("j");
  await checkSame(lazy`(i != j) * ${b} + i + sum(${x})`, i.ne(j).mul(b).add(i).add(x.sum("d")));
});

Deno.test("lazy: integers and lists may be values", async () => {
  const k = 2;
  await checkSame(lazy`elem(${x}, ${k}) * extract(${y}, ${1}, 2)`, x.elem(2).mul(y.extract(1, 2)));
  await checkSame(lazy`concat(${x}, ${b}, 1)`, x.concat(b, 1));
  await checkSame(lazy`${x} * ${[1, 2, 3]}`, x.mul([1, 2, 3]));
});

Deno.test("lazy: tensors of rank 0 and 1, typed arrays and arrays are parameters", async () => {
  const want = x.mul([1, 2, 3]).add(y);
  for (const p of [[1, 2, 3], new Float32Array([1, 2, 3]), tensor([1, 2, 3]), Pm([1, 2, 3])]) {
    await checkSame(lazy`${x} * ${p} + ${y}`, want);
  }
  await checkSame(lazy`${x} * ${tensor(2)}`, x.mul(2));
});

Deno.test("lazy: tensors of rank 3 say their axis; complex matrices are their components", async () => {
  const rows = tensor([[[1, 2, 3]], [[4, 5, 6]]]);
  await checkSame(lazy`${rows} - ${y}`, Vi([[1, 2, 3], [4, 5, 6]]).sub(y));
  const z = Vi([[3, 4], [0, 1]]).toComplex();
  await checkSame(lazy`ComplexAbs(${z})`, Vi([[3, 4], [0, 1]]).norm2());
});

Deno.test("lazy: gradients by a value", async () => {
  const K = x.sqDist(y).neg().exp();
  await checkSame(lazy`grad(exp(-sqdist(${x}, ${y})), ${x})`, K.grad(x));
  await checkSame(lazy`grad(exp(-sqdist(${x}, ${y})), ${y}, ${b})`, K.grad(y, b));
});

Deno.test("lazy: a template is read once; its numbers compile once", () => {
  const at = (s: number): LazyTensor => lazy`exp(-sqdist(${x}, ${y}) / ${s}) * 3`;
  assertEquals(at(0.5).sum("j").explain(), at(2).sum("j").explain());
  const same: unknown[] = [];
  const note = (strings: TemplateStringsArray): void => void same.push(strings);
  for (let k = 0; k < 2; k++) note`exp(x)`;
  assert(same[0] === same[1], "the host gives one strings object per place");
});

Deno.test("lazy: only indices and numbers give a matrix of one row and column", async () => {
  assertEquals(lazy`i + 2 * j`.shape, [1, 1, 1]);
  assertEquals(await lazy`2^3 + 1`.sum("j").array(), [[9]]);
  assert(lazy`i` instanceof LazyTensor);
});

Deno.test("lazy: text that looks like a value is text", () => {
  const error = assertThrows(() => lazy`\${0} + ${x}`, PairfoldError);
  assertStringIncludes(error.message, 'got "$"');
});

const f64 = Vi(new Float64Array(6), 3);
const loose = lazy as (strings: TemplateStringsArray, ...values: readonly unknown[]) => LazyTensor;

const BAD: readonly (readonly [string, () => unknown, ErrorCode, string])[] = [
  ["nothing", () => lazy``, "syntax", "got the end; expected a formula"],
  ["half a formula", () => lazy`${x} +`, "syntax", "template, line 1:\n    ${0} +\n          ^"],
  ["two values side by side", () => lazy`${x}${y}`, "syntax", "got a value; expected an operator"],
  ["a value as a function", () => lazy`${x}(${y})`, "syntax", 'got "("; expected an operator'],
  [
    "an unknown name",
    () => lazy`x + ${y}`,
    "syntax",
    'got the unknown name "x"; expected one of i, j',
  ],
  ["a misspelt function", () => lazy`sqdst(${x}, ${y})`, "syntax", "did you mean sqdist?"],
  [
    "a reduction",
    () => lazy`logsumexp(${x})`,
    "syntax",
    "expected it as a method of what lazy gives",
  ],
  ["Vi in the text", () => lazy`Vi(${x})`, "syntax", "expected the value itself: ${Vi(x)}"],
  ["chained comparisons", () => lazy`0 < ${x} < 1`, "syntax", "chained ones need parentheses"],
  ["dims that differ", () => lazy`${x} + ${y} * ${[1, 2]}`, "dim", "mul: got dims 3 (y_j) and 2"],
  ["a component that is none", () => lazy`elem(${x}, 3)`, "dim", "elem: got m 3"],
  [
    "a fraction for an integer",
    () => lazy`elem(${x}, ${0.5})`,
    "syntax",
    "got a value for m; expected an integer",
  ],
  ["a gradient by a formula", () => lazy`grad(${x}, ${x.exp()})`, "syntax", "expected an input"],
  ["a gradient by a number", () => lazy`grad(${x}, ${3})`, "syntax", "expected an input"],
  [
    "a matrix without an axis",
    () => lazy`${x} + ${tensor([[1, 2, 3]])}`,
    "shape",
    "expected its axis said, by Vi(tensor) for rows i or Vj(tensor) for columns j",
  ],
  ["nested arrays", () => loose`${x} + ${[[1, 2, 3]]}`, "shape", "Pm: got shape [1,3]"],
  ["text as a value", () => loose`${x} + ${"y"}`, "dtype", "lazy, value 2: got string"],
  ["null as a value", () => loose`${null} + ${x}`, "dtype", "lazy, value 1: got null"],
  ["a function as a value", () => loose`${() => 1}`, "dtype", "lazy, value 1: got function"],
  ["float32 with float64", () => lazy`${x} + ${f64}`, "dtype", "float32 and float64"],
  [
    "rows that disagree",
    () => lazy`${x} + ${Vi([[1, 2, 3]])}`,
    "shape",
    "got 2 and 1 rows along i",
  ],
];

for (const [what, run, code, message] of BAD) {
  Deno.test(`lazy refuses ${what}`, () => {
    const error = assertThrows(run, PairfoldError);
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, message);
  });
}
