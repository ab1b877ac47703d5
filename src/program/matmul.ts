// Matrix products of tensors, batched. Small ones are loops on the host, which add up in float64;
// large ones are one kernel, every row by a whole right factor, on the device that has the rows.

import { engineOf, type NumberArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { build, variable } from "../formula/mod.ts";
import { allocate, broadcastedShape, sizeOf, Tensor, tensor } from "../tensor/mod.ts";
import { operandOf, type TensorOperand } from "./elementwise.ts";
import { broadcastTo, permute, reshape } from "./linear.ts";
import { foldInto } from "./fold.ts";
import { type EngineFunction, hostTensor } from "./steps.ts";
import { record } from "./trace.ts";

function product(
  a: NumberArray,
  b: NumberArray,
  [batches, M, K]: readonly number[],
  N: number,
  dtype: Tensor["dtype"],
): NumberArray {
  const out = allocate(dtype, batches * M * N);
  const row = new Float64Array(N);
  for (let r = 0; r < batches * M; r++) {
    const first = Math.floor(r / M) * K * N;
    row.fill(0);
    for (let k = 0; k < K; k++) {
      const factor = a[r * K + k];
      const from = first + k * N;
      for (let c = 0; c < N; c++) row[c] += factor * b[from + c];
    }
    out.set(row, r * N);
  }
  return out;
}

/** A right factor of so many numbers is a column that a kernel keeps at hand. */
const SHORT_FACTOR = 128;
/** Fewer rows are multiplied sooner than a launch is prepared. */
const MIN_ROWS = 4096;
/**
 * Products from which a long right factor is worth a kernel of its own: the host takes 2 ms for
 * them, a kernel a seventh of that (wasm, two threads of Zen 4, 2026-11-23), and some ms to be
 * compiled.
 */
const MIN_PRODUCTS = 2e6;
/** With fewer rows than a tile has, lanes of the kernel are idle. */
const MIN_TILE = 16;
/** Sums of more float32 products lose digits that the host's, in float64, keep. */
const MAX_TERMS = 4096;
/** Numbers of a right factor that an engine's memory has room for in any case. */
const MAX_FACTOR = 2 ** 22;

/**
 * Whether an engine does better than the host; by size alone, so that bits depend on nothing else.
 */
function isLarge(batches: number, M: number, K: number, N: number): boolean {
  if (K * N === 0 || K * N > MAX_FACTOR) return false;
  if (batches === 1 && M >= MIN_ROWS && K * N <= SHORT_FACTOR) return true;
  return M >= MIN_TILE && K <= MAX_TERMS && M * K * N >= MIN_PRODUCTS;
}

/** [batches, M, K] · [batches, K, N] by an engine. */
function rowByRow(
  batches: number,
  M: number,
  K: number,
  N: number,
  dtype: "float32" | "float64",
): EngineFunction {
  return async ([left, right], into, control) => {
    const formula = build.vecMatMult(variable(0, "i", K), variable(1, "j", K * N));
    const inputs = new Map([
      [0, new Tensor([batches, M, K], dtype, left)],
      [1, new Tensor([batches, 1, K * N], dtype, right)],
    ]);
    const own = batches === 1 ? [] : [batches];
    const batch = { shape: own, of: new Map([[0, own], [1, own]]) };
    const device = left.host === null ? left.engines[0] : engineOf();
    const size = { axis: "j", M, N: 1, dtype, k: 1, choices: { device } } as const;
    await foldInto({ ...size, formula, inputs, batch, reduction: "max" }, [into], control);
    return true;
  };
}

const swapped = (x: Tensor): Tensor => permute(x, [0, 2, 1]);

/** [B, M, K] · [B, K, N]. */
function batched(a: Tensor, b: Tensor): Tensor {
  const [batches, M, K] = a.shape;
  const N = b.shape[2];
  const result = hostTensor(
    "matmul",
    [batches, M, N],
    a.dtype,
    [a, b],
    (left, right) => product(left, right, [batches, M, K], N, a.dtype),
    isLarge(batches, M, K, N)
      ? rowByRow(batches, M, K, N, a.dtype === "float64" ? "float64" : "float32")
      : null,
  );
  record([a, b], [result], () => ({
    vjp: ([g], [isLeft, isRight]) => {
      if (g === null) return [null, null];
      return [
        isLeft ? batched(g, swapped(b)) : null,
        isRight ? batched(swapped(a), g) : null,
      ];
    },
    jvp: ([ta, tb]) => {
      const left = ta === null ? null : batched(ta, b);
      const right = tb === null ? null : batched(a, tb);
      return [left === null ? right : right === null ? left : left.add(right)];
    },
  }));
  return result;
}

/** The matrix product of tensors, as NumPy's `@`. */
export function matmul(left: TensorOperand, right: TensorOperand): Tensor {
  const one = left instanceof Tensor ? left : right;
  const dtype = one instanceof Tensor ? one.dtype : "float32";
  const [a, b] = [left, right].map((x) => {
    const t = operandOf("matmul", x, dtype);
    return typeof t === "number" ? tensor(t, undefined, { dtype }) : t;
  });
  const isFloat = a.dtype !== "int32";
  if (a.dtype !== b.dtype || !isFloat) {
    throw new PairfoldError(
      "dtype",
      `matmul: got ${a.dtype} and ${b.dtype}; expected float32 or float64 throughout`,
    );
  }
  const refuse = (expected: string): never => {
    throw new PairfoldError(
      "shape",
      `matmul: got shapes [${a.shape}] and [${b.shape}]; expected ${expected}`,
    );
  };
  if (a.shape.length === 0 || b.shape.length === 0) refuse("vectors or matrices (mul scales)");
  const [isRow, isColumn] = [a.shape.length === 1, b.shape.length === 1];
  const x = isRow ? reshape(a, [1, a.size]) : a;
  const y = isColumn ? reshape(b, [b.size, 1]) : b;
  const [M, K] = x.shape.slice(-2);
  const [rows, N] = y.shape.slice(-2);
  if (K !== rows) refuse("equal inner lengths");
  const [before, after] = [x.shape.slice(0, -2), y.shape.slice(0, -2)];
  const batch = broadcastedShape("matmul", [before, after]);
  const count = sizeOf(batch);
  // one right factor for all batches makes one product of more rows
  const isOne = sizeOf(after) === 1;
  const result = isOne
    ? batched(reshape(x, [1, sizeOf(before) * M, K]), reshape(y, [1, K, N]))
    : batched(
      reshape(broadcastTo(x, [...batch, M, K]), [count, M, K]),
      reshape(broadcastTo(y, [...batch, K, N]), [count, K, N]),
    );
  const shape = [...batch];
  if (!isRow) shape.push(M);
  if (!isColumn) shape.push(N);
  return reshape(result, shape);
}
