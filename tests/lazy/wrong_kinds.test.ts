// Input of a kind that no type allows, and formulas that no pass could walk: each row gives a
// PairfoldError with the right code, at once.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { genred, lazy, type LazyTensor, PairfoldError, tensor, Vi, Vj } from "../../mod.ts";

const X = [[0, 0, 0], [1, 2, 3]];
const Y = [[1, 0, 0], [0, 1, 0], [3, 3, 3]];
const x = Vi(X);

const selfish: unknown[] = [];
selfish.push(selfish);

/** Operations inside one another. */
function nested(count: number, start: LazyTensor): LazyTensor {
  let formula = start.sub(Vj(Y));
  for (let k = 0; k < count; k++) formula = k % 2 === 0 ? formula.mul(Vj(Y)) : formula.abs();
  return formula;
}

/** What is done, the code, a part of the message. */
const WRONG: [string, () => unknown, PairfoldError["code"], string][] = [
  [
    "a gradient by rows of another axis",
    () => Vi(X).sqDist(Vj(Y)).vjp("sum", "j", Vi(Y)),
    "shape",
    "vjp: got 2 and 3 rows along i",
  ],
  [
    "a gradient by a tensor, not by its variable",
    () => x.sqDist(Vj(Y)).grad(tensor(X) as never),
    "dtype",
    "grad: got a tensor; expected the variable",
  ],
  [
    "a differential by nothing",
    () => x.sqDist(Vj(Y)).diff(undefined as never),
    "dtype",
    "diff: got undefined; expected the variable",
  ],
  [
    "a matrix of derivatives by points",
    () => x.sub(Vj(Y)).gradMatrix(X as never),
    "dtype",
    "expected the variable",
  ],
  ["a device that is a number", () => Vi(X).sum("j", { device: 5 as never }), "device", 'got "5"'],
  ["no device", () => Vi(X).sum("j", { device: null as never }), "device", 'got "null"'],
  ["an object as device", () => Vi(X).sum("j", { device: {} as never }), "device", "expected"],
  [
    "an unknown way to add up",
    () => Vi(X).sum("j", { sumScheme: "kahan" as never }),
    "syntax",
    'got sumScheme "kahan"',
  ],
  [
    "an unknown type of totals",
    () => Vi(X).sum("j", { accumulator: "float16" as never }),
    "dtype",
    'got accumulator "float16"',
  ],
  ["rows by a tensor", () => Vi(X).rows(tensor([0]) as never), "dtype", "as indices along i"],
  ["rows by text", () => Vi(X).rows("01" as never), "dtype", "got string as indices"],
  ["a template that is none", () => lazy("exp(x)" as never), "syntax", "expected a template"],
  ["no options of genred", () => genred("X", ["X=Vi(0,3)"], null as never), "syntax", "got null"],
  ["holes in an array", () => tensor([, 1] as never), "dtype", "got undefined"],
  ["an array in itself", () => tensor(selfish as never), "shape", "more than 64 arrays"],
  ["a shape that is a number", () => tensor(new Float32Array(6), 6 as never), "shape", "shape 6;"],
  [
    "an unknown dtype",
    () => tensor([1], undefined, { dtype: "f2" as never }),
    "dtype",
    "got dtype f2",
  ],
  [
    "a fraction as an integer",
    () => tensor([1.5], undefined, { dtype: "int32" }),
    "dtype",
    "got 1.5; expected a 32-bit integer",
  ],
  [
    "an integer of more than 32 bits",
    () => tensor([[1e10]], undefined, { dtype: "int32" }),
    "dtype",
    "got 10000000000",
  ],
  [
    "a formula that nests too deeply",
    () => nested(4000, x),
    "compile",
    "more than 3000 operations",
  ],
  [
    "a derivative that nests too deeply",
    () => nested(2500, x).vjp("sum", "j", x),
    "compile",
    "more than 3000 operations",
  ],
];

for (const [what, act, code, part] of WRONG) {
  Deno.test(`wrong input, ${what}: a PairfoldError says so`, () => {
    const error = assertThrows(act, PairfoldError, part);
    assert(error instanceof PairfoldError);
    assertEquals(error.code, code);
  });
}

Deno.test("formulas as deep as may be are folded, or the stack's end is a PairfoldError", async () => {
  const z = Vi([[1], [2]]);
  const chain = (count: number): LazyTensor => {
    let formula = z;
    for (let k = 0; k < count; k++) formula = formula.sub(Vj([[2], [1]])).abs();
    return formula;
  };
  assertEquals(await chain(300).max("j").array(), [[1], [2]]);
  // how much of a stack a pass takes depends on what the host has optimised
  const end = await chain(499).max("j").array().catch((error) => error);
  if (end instanceof Error) assertEquals(end instanceof PairfoldError && end.code, "compile");
  else assertEquals(end, [[1], [1]]);
});

Deno.test("the gradient by points that the formula has not is zero, of their shape", async () => {
  const others = Vi([[[1, 1], [2, 2]], [[0, 0], [3, 3]]]); // [2, 2, 2]
  const gradient = x.sqDist(Vj(Y)).vjp("sum", "j", others);
  assertEquals(await gradient.array(), [[[0, 0], [0, 0]], [[0, 0], [0, 0]]]);
});
