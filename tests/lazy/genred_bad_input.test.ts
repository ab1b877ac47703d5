// Options and inputs that genred refuses; ill-formed formulas are in tests/syntax/errors.test.ts.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type ErrorCode, genred, PairfoldError, tensor, Vi } from "../../mod.ts";

const gauss = genred("Exp(-G*SqDist(X,Y))", ["X=Vi(0,3)", "Y=Vj(1,3)", "G=Pm(2,1)"]);
const X = [[0, 0, 0], [1, 2, 3]];
const loose = genred as (...args: readonly unknown[]) => unknown;
const call = gauss as (...args: readonly unknown[]) => unknown;
const ALIASES = ["X=Vi(0,3)", "Y=Vj(1,3)"];

const BAD: readonly (readonly [string, () => unknown, ErrorCode, string])[] = [
  ["too few inputs", () => gauss(X, X), "shape", "got 2 inputs; expected 3 (X, Y, G)"],
  ["too many inputs", () => gauss(X, X, 1, X), "shape", "got 4 inputs; expected 3"],
  [
    "a wrong dim",
    () => gauss([[1, 2]], X, 1),
    "shape",
    "shape [1,2] as input 0 (X); expected [rows, 3]",
  ],
  ["rank 1", () => gauss([1, 2, 3], X, 1), "shape", "shape [3] as input 0 (X); expected [rows, 3]"],
  [
    "a flat array that does not divide",
    () => gauss(new Float32Array(4), X, 1),
    "shape",
    "shape [4]",
  ],
  ["a number for points", () => gauss(1, X, 1), "shape", "shape [] as input 0 (X)"],
  [
    "a vector for a scalar",
    () => gauss(X, X, [1, 2]),
    "shape",
    "shape [2] as input 2 (G); expected [1]",
  ],
  [
    "points for a parameter",
    () => gauss(X, X, X),
    "shape",
    "as input 2 (G); expected [1] or [...batch, 1]",
  ],
  ["a ragged array", () => gauss([[1, 2, 3], [1]], X, 1), "shape", "ragged"],
  [
    "float64 for float32",
    () => gauss(new Float64Array(6), X, 1),
    "dtype",
    "float64 as input 0 (X); expected float32",
  ],
  [
    "an int32 tensor",
    () => gauss(X, tensor(new Int32Array(3), [1, 3]), 1),
    "dtype",
    "int32 as input 1 (Y)",
  ],
  [
    "text",
    () => call("x", X, 1),
    "dtype",
    "got string as input 0 (X); expected a tensor or an array",
  ],
  ["null", () => call(null, X, 1), "dtype", "got null as input 0 (X)"],
  ["undefined", () => call(X, undefined, 1), "dtype", "got undefined as input 1 (Y)"],
  ["a symbolic matrix", () => call(Vi(X), X, 1), "dtype", "got object as input 0 (X)"],
  [
    "rows that disagree",
    () => genred("X*S*Y", [...ALIASES, "S=Vi(2,1)"])(X, X, [1, 2, 3]),
    "shape",
    "got 2 rows in input 0 and 3 in input 2, both along i",
  ],
  [
    "an unknown reduction",
    () => loose("X", ALIASES, { reduction: "Mean" }),
    "syntax",
    'got the reduction "Mean"',
  ],
  [
    "a misspelt reduction",
    () => loose("X", ALIASES, { reduction: "Argmin" }),
    "syntax",
    "did you mean ArgMin?",
  ],
  [
    "our own name of one",
    () => loose("X", ALIASES, { reduction: "logSumExp" }),
    "syntax",
    "did you mean LogSumExp?",
  ],
  ["axis 2", () => loose("X", ALIASES, { axis: 2 }), "shape", "got axis 2; expected 0 or 1"],
  ["axis j", () => loose("X", ALIASES, { axis: "j" }), "shape", "got axis j; expected 0 or 1"],
  ["no K", () => genred("X", ALIASES, { reduction: "KMin" }), "shape", "got k undefined for KMin"],
  [
    "K = 0",
    () => genred("X", ALIASES, { reduction: "ArgKMin", k: 0 }),
    "shape",
    "got k 0 for ArgKMin",
  ],
  [
    "K = 1.5",
    () => genred("X", ALIASES, { reduction: "KMin", k: 1.5 }),
    "shape",
    "got k 1.5 for KMin",
  ],
  [
    "K where there is none",
    () => genred("X", ALIASES, { k: 3 }),
    "shape",
    "got k 3 for Sum; expected none",
  ],
  ["half precision", () => loose("X", ALIASES, { dtype: "float16" }), "dtype", "got dtype float16"],
  [
    "a misspelt option",
    () => loose("X", ALIASES, { reduction_op: "Sum" }),
    "syntax",
    "got the option reduction_op",
  ],
  [
    "a weight for a vector",
    () => genred("X*Y", ALIASES, { reduction: "LogSumExp", weight: "Y" }),
    "dim",
    "got a formula of dim 3 for LogSumExp with a weight; expected a scalar",
  ],
  [
    "a weight for Sum",
    () => genred("X", ALIASES, { weight: "Y" }),
    "syntax",
    "got a weight for Sum; expected none",
  ],
  [
    "no weight",
    () => genred("X|Y", ALIASES, { reduction: "SumSoftMaxWeight" }),
    "syntax",
    "got no weight",
  ],
  [
    "a weight that is no text",
    () => loose("X", ALIASES, { reduction: "LogSumExp", weight: 3 }),
    "syntax",
    "got number as weight",
  ],
  ["no formula", () => loose(), "syntax", "got no text"],
  ["aliases as one text", () => loose("X", "X=Vi(3)"), "syntax", "got no text"],
];

for (const [what, run, code, message] of BAD) {
  Deno.test(`genred refuses ${what}`, () => {
    const error = assertThrows(run, PairfoldError);
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, message);
  });
}
