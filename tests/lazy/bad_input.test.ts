// Bad input of every kind: each row gives a PairfoldError with the right code, at once.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { PairfoldError, Pm, realPart, tensor, Vi, Vj, wasm } from "../../mod.ts";

const X = [[0, 0, 0], [1, 2, 3]];
const Y = [[1, 0, 0], [0, 1, 0], [3, 3, 3]];

/** Bad input: what is done, the code, a part of the message. */
const BAD: [string, () => unknown, PairfoldError["code"], string][] = [
  [
    "dims that do not broadcast",
    () => Vi(X).add(Vj([[1, 2]])),
    "dim",
    "add: got dims 3 (x_i) and 2 (y_j)",
  ],
  ["distance of other dims", () => Vi(X).sqDist(Vj([[1, 2]])), "dim", "sqDist: got dims 3"],
  ["row counts that disagree", () => Vi(X).add(Vi(Y)), "shape", "add: got 2 and 3 rows along i"],
  ["columns that disagree", () => Vj(X).mul(Vj(Y)), "shape", "got 2 and 3 rows along j"],
  [
    "matmul with other columns",
    () => Vi(X).sqDist(Vj(Y)).matmul([[1], [2]]),
    "shape",
    "rows along j",
  ],
  [
    "float32 with float64",
    () => Vi(new Float32Array(3), 3).add(Vj(new Float64Array(3), 3)),
    "dtype",
    "float32 and float64",
  ],
  [
    "a ragged array",
    () => tensor([[1, 2], [3]]),
    "shape",
    "ragged array, got length 1 at axis 1; expected length 2",
  ],
  [
    "a number among rows",
    () => tensor([[1, 2], 3] as unknown as number[][]),
    "shape",
    "ragged array, got a number",
  ],
  ["a row among numbers", () => tensor([1, [2]] as unknown as number[]), "shape", "ragged"],
  ["text", () => tensor(["a"] as unknown as number[]), "dtype", "got string; expected numbers"],
  ["nothing", () => tensor(undefined as unknown as number[]), "dtype", "got undefined"],
  ["bytes", () => tensor(new Uint8Array(3) as unknown as Float32Array), "dtype", "got Uint8Array"],
  [
    "a shape that does not fit",
    () => tensor(new Float32Array(6), [2, 2]),
    "shape",
    "got 6 numbers and shape [2,2]",
  ],
  ["a negative shape", () => tensor(new Float32Array(4), [-2, -2]), "shape", "shape [-2,-2]"],
  [
    "a flat array without dim",
    () => Vi(new Float32Array(6)),
    "shape",
    "a flat array needs its dim, Vi(x, dim)",
  ],
  [
    "a dim that does not divide",
    () => Vi(new Float32Array(7), 3),
    "dim",
    "got 7 numbers and dim 3",
  ],
  ["dim 0", () => Vi(new Float32Array(6), 0), "dim", "dim 0"],
  ["a dim that is not the tensor's", () => Vj(X, 2), "dim", "Vj: got points of dim 3; expected 2"],
  ["a parameter of rank 2 without dim", () => Pm([[], []]), "shape", "Pm: got shape [2,0]"],
  [
    "a tensor of rank 2, whose axis nobody says",
    () => Vi(X).add(tensor(X)),
    "shape",
    "add: got a Tensor of shape [2,3]; expected its axis said, by Vi(tensor)",
  ],
  ["an unknown axis", () => Vi(X).sum("k" as unknown as "i"), "shape", "got axis k"],
  ["k of 0", () => Vi(X).kMin(0, "j"), "shape", "got k 0"],
  ["k of 1.5", () => Vi(X).kMin(1.5, "j"), "shape", "got k 1.5"],
  ["an element out of range", () => Vi(X).elem(3), "dim", "elem: got m 3"],
  [
    "a gradient by a formula",
    () => Vi(X).grad(Vi(X).neg()),
    "shape",
    "expected a variable made by Vi",
  ],
  [
    "a cotangent of another dim",
    () => Vi(X).grad(Vi(X), [1, 2]),
    "dim",
    "grad: got a cotangent of dim 2",
  ],
  ["a gradient of indices", () => Vi(X).vjp("argMin", "j", Vi(X)), "dtype", "grad of argMin"],
  [
    "a cotangent of another shape",
    () => Vi(X).vjp("sum", "j", Vi(X), [[1]]),
    "shape",
    "expected [2,3]",
  ],
  [
    "a device that is not there",
    () => Vi(X).sum("j", { device: "tpu" as unknown as "wasm" }),
    "device",
    'got "tpu"',
  ],
  ["no threads", () => wasm({ threads: 0 }), "device", "threads: got 0"],
  [
    "a tensor of rank 3 over both axes",
    () => Vi(X).add(tensor(new Float32Array(12), [2, 2, 3])),
    "shape",
    "expected rank 0 or 1 (a parameter), [...batch, M, 1, D] (rows i) or [...batch, 1, N, D]",
  ],
  [
    "a tensor of rank 4 over both axes",
    () => Vi(X).mul(tensor(new Float32Array(4), [1, 2, 2, 1])),
    "shape",
    "[1,2,2,1]",
  ],
  [
    "a tensor of vectors without components",
    () => Vi(X).mul(tensor(new Float32Array(0), [3, 1, 0])),
    "dim",
    "dim 0",
  ],
  [
    "rows of a rank-3 tensor that disagree",
    () => Vi(X).mul(tensor(new Float32Array(9), [3, 1, 3])),
    "shape",
    "got 2 and 3 rows along i",
  ],
  [
    "a matrix as an operand",
    () => Vi(X).add(X as unknown as number[]),
    "shape",
    "got shape [2,3]; expected a number or a vector",
  ],
  [
    "text as an operand",
    () => Vi(X).add("1" as unknown as number),
    "dtype",
    "add: got string; expected a LazyTensor",
  ],
  ["null as an operand", () => Vi(X).add(null as unknown as number), "dtype", "got null"],
  [
    "bytes as an operand",
    () => Vi(X).add(new Uint8Array(3) as unknown as number),
    "dtype",
    "got Uint8Array",
  ],
  [
    "a float64 tensor as an operand",
    () => Vi(X).add(tensor(new Float64Array(3))),
    "dtype",
    "float32 and float64",
  ],
  [
    "a component before the first",
    () => Vi(X).elem(-4),
    "dim",
    "elem: got m -4; expected an integer from -3 to 2",
  ],
  ["half a component", () => Vi(X).at(0.5), "dim", "got m 0.5"],
  [
    "an empty slice",
    () => Vi(X).slice(2, 1),
    "dim",
    "slice: got 2, 1, step 1 of a vector of dim 3",
  ],
  ["a slice beyond the end", () => Vi(X).slice(3), "dim", "a part that is not empty"],
  ["a slice backwards", () => Vi(X).slice(0, 3, -1), "dim", "step -1"],
  ["a slice by halves", () => Vi(X).slice(0.5, 2), "dim", "slice: got 0.5"],
  ["an extract beyond the end", () => Vi(X).extract(2, 2), "dim", "extract: got dim 2"],
  [
    "a row that is not there",
    () => Vi(X).rows(2),
    "shape",
    "rows: got index 2 along i; expected integers from -2 to 1",
  ],
  [
    "a column that is not there",
    () => Vi(X).block(0, [0, 1]),
    "shape",
    "block: got index 1 along j",
  ],
  ["half a row", () => Vi(X).take([0.5], "i"), "shape", "take: got index 0.5 along i"],
  ["a row that is no number", () => Vi(X).take([NaN], "i"), "shape", "got index NaN"],
  [
    "rows along the vector",
    () => Vi(X).take([0], "d" as unknown as "i"),
    "shape",
    "take: got axis d",
  ],
  [
    "dense beyond its guard",
    () => Vi(X).dense({ maxBytes: 23 }),
    "memory",
    "takes 24 bytes; expected at most 23 bytes",
  ],
  [
    "rows beyond their guard",
    () => Vi(X).rows([0, 1, 0], { maxBytes: 24 }),
    "memory",
    "rows: [3, 1, 3]",
  ],
  [
    "a block beyond its guard",
    () => Vi(X).block([0, 1], [0], { maxBytes: 8 }),
    "memory",
    "block: [2, 1, 3]",
  ],
  [
    "a tangent of another dim",
    () => Vi(X).diff(Vi(X), [1, 2]),
    "dim",
    "diff: got a tangent of dim 2",
  ],
  [
    "a divergence of another dim",
    () => Vi(X).sum("d").divergence(Vi(X)),
    "dim",
    "divergence: got a formula of dim 1",
  ],
  [
    "a Laplacian of a vector",
    () => Vi(X).laplacian(Vi(X)),
    "dim",
    "laplacian: got a formula of dim 3",
  ],
  [
    "a trace of what is not linear",
    () => {
      const x = Vi(X);
      return x.square().traceOperator(x);
    },
    "syntax",
    "not linear",
  ],
  [
    "an adjoint by a formula",
    () => Vi(X).adjointOperator(Vi(X).neg(), 1),
    "shape",
    "adjointOperator: got the formula -x0",
  ],
  [
    "a weight of a vector",
    () => Vi(X).logSumExp("j", { weight: 2 }),
    "dim",
    "got a formula of dim 3",
  ],
  [
    "a softmax of a vector",
    () => Vi(X).sumSoftmaxWeight(Vj(Y), "j"),
    "dim",
    "got a formula of dim 3",
  ],
  [
    "a weight of other columns",
    () => Vj(X).sum("d").logSumExp("j", { weight: Vj(Y) }),
    "shape",
    "logSumExp: got 2 and 3 rows along j",
  ],
  [
    "a complex weight",
    () => Vi(X).sum("d").logSumExp("j", { weight: Vi(X).exp1j() as unknown as number }),
    "dtype",
    "logSumExp: got a ComplexLazyTensor",
  ],
  [
    "a weight where none is",
    () => Vi(X).vjp("sum", "j", Vi(X), undefined, { weight: 2 }),
    "dim",
    "sum: got a weight",
  ],
  [
    "a weight that is missing",
    () => Vi(X).sum("d").vjp("sumSoftMaxWeight", "j", Vi(X)),
    "dim",
    "got no weight",
  ],
  [
    "a tangent by a formula",
    () => Vi(X).jvp("sum", "j", [[Vi(X).neg(), X]]),
    "shape",
    "jvp: got the formula -x0",
  ],
  [
    "a tangent of another shape",
    () => {
      const x = Vi(X);
      return x.jvp("sum", "j", [[x, Y]]);
    },
    "shape",
    "expected [2,3]",
  ],
  [
    "a tangent of another dtype",
    () => {
      const x = Vi(X);
      return x.jvp("sum", "j", [[x, tensor(new Float64Array(6), [2, 3])]]);
    },
    "dtype",
    "got float64",
  ],
  [
    "a differential of counts",
    () => {
      const x = Vi(X);
      return x.jvp("count", "j", [[x, X]]);
    },
    "dtype",
    "diff of count",
  ],
  [
    "a vector of odd dim as complex",
    () => Vi(X).toComplex(),
    "dim",
    "toComplex: got dim 3; expected an even dim",
  ],
  [
    "complex beside real",
    () => Vi(X).add(Vi(X).exp1j() as unknown as number),
    "dtype",
    "add: got a ComplexLazyTensor beside a real one",
  ],
  [
    "complex vectors that do not broadcast",
    () => Vi(X).exp1j().add([1, 2]),
    "dim",
    "complexAdd: got dims 6",
  ],
  [
    "a complex product of other columns",
    () => Vi(X).exp1j().mul(Vj(Y).exp1j()).matmul([[1, 0]]),
    "shape",
    "got 3 and 1 rows along j",
  ],
  [
    "a complex product with an odd dim",
    () => Vi(X).exp1j().matmul([[1, 0, 1]]),
    "dim",
    "matmul: got dim 3",
  ],
  ["real parts of an odd axis", () => realPart(tensor(X)), "shape", "realPart: got shape [2,3]"],
];

for (const [name, act, code, message] of BAD) {
  Deno.test(`bad input, ${name}: a PairfoldError says so`, () => {
    const error = assertThrows(act, PairfoldError, message);
    assertEquals(error.code, code);
    assert(error.message.startsWith(`PairfoldError[${code}]: `));
  });
}
