// The table of norms with weights: a scalar, a diagonal or a full matrix. Names and argument orders
// are KeOps'.

import * as f from "./build.ts";
import { broadcast, contraction, declare, onDims, refuse, type VectorEntry } from "./entry.ts";
import type { WeightedOp } from "./names.ts";
import { constant, type Node } from "./node.ts";

const TWO = constant(2);

const binary = {
  arity: 2,
  attributes: [],
  domain: [[-2, 2]],
} as const;

/** The component of a vector that may be a broadcast scalar. */
const at = (x: Float64Array, d: number): number => x.length === 1 ? x[0] : x[d];

function isSquareOf(a: Node, x: Node): boolean {
  return a.dim === x.dim * x.dim;
}

/** Which of the three weighted norms a weight's dim asks for, as KeOps has it. */
function normOf(s: Node, x: Node): "iso" | "diagonal" | "full" | null {
  if (s.dim === 1) return "iso";
  if (s.dim === x.dim) return "diagonal";
  return isSquareOf(s, x) ? "full" : null;
}

const WEIGHTS = "the weight's dim 1, the vector's, or its square";

function weightedNorm(s: Node, x: Node): Node {
  switch (normOf(s, x)) {
    case "iso":
      return f.sqNormIso(s, x);
    case "diagonal":
      return f.sqNormDiag(s, x);
    default:
      return f.symSqNorm(s, x);
  }
}

/** Σ s x², with a scalar, a diagonal or a full matrix s. */
function weightedSum(s: Float64Array, x: Float64Array): number {
  let total = 0;
  const n = x.length;
  if (s.length <= n) x.forEach((v, d) => total += at(s, d) * v * v);
  else for (let k = 0; k < n * n; k++) total += s[k] * x[Math.floor(k / n)] * x[k % n];
  return total;
}

export const weighted = declare<WeightedOp, VectorEntry>({
  sqNormIso: {
    ...binary,
    samples: onDims([1, 3], [2, 3]),
    meaning: "s · |x|²: arguments s, x",
    dim: (_op, [s]) => s.dim,
    evaluate: ([s, x], _attributes, out) => {
      const square = x.reduce((total, v) => total + v * v, 0);
      s.forEach((v, d) => out[d] = v * square);
    },
    define: ([s, x]) => f.mul(s, f.sqNorm2(x)),
    grad: (g, [s, x]) => [f.mul(g, f.sqNorm2(x)), f.mul(f.mul(TWO, f.dot(g, s)), x)],
  },
  sqNormDiag: {
    ...binary,
    meaning: "Σ s_d x_d²: arguments s, x",
    dim: contraction,
    evaluate: ([s, x], _attributes, out) => {
      const dim = Math.max(s.length, x.length);
      for (let d = 0; d < dim; d++) out[0] += at(s, d) * at(x, d) ** 2;
    },
    define: ([s, x]) => f.sum(f.mul(s, f.square(x))),
    grad: (g, [s, x]) => [f.mul(g, f.square(x)), f.mul(f.mul(TWO, g), f.mul(s, x))],
  },
  symSqNorm: {
    ...binary,
    samples: onDims([9, 3], [1, 1], [4, 2]),
    meaning: "xᵀ A x: arguments A, x; A need not be symmetric",
    dim: (op, args) => {
      if (!isSquareOf(args[0], args[1])) refuse(op, args, "the square of the vector's dim first");
      return 1;
    },
    evaluate: ([a, x], _attributes, out) => {
      const n = x.length;
      a.forEach((v, k) => out[0] += v * x[Math.floor(k / n)] * x[k % n]);
    },
    define: ([a, x]) => f.dot(x, f.matVecMult(a, x)),
    grad: (g, [a, x]) => [
      f.mul(g, f.tensorProd(x, x)),
      f.mul(g, f.add(f.matVecMult(a, x), f.vecMatMult(x, a))),
    ],
  },
  weightedSqNorm: {
    ...binary,
    samples: onDims([1, 3], [3, 3], [9, 3]),
    meaning: "|x|² with a weight s: a scalar, a diagonal or a full matrix, by its dim",
    dim: (op, args) => {
      if (normOf(args[0], args[1]) === null) refuse(op, args, WEIGHTS);
      return 1;
    },
    evaluate: ([s, x], _attributes, out) => void (out[0] = weightedSum(s, x)),
    define: ([s, x]) => weightedNorm(s, x),
    grad: (g, [s, x]) => {
      switch (normOf(s, x)) {
        case "iso":
          return [f.mul(g, f.sqNorm2(x)), f.mul(f.mul(TWO, f.mul(g, s)), x)];
        case "diagonal":
          return [f.mul(g, f.square(x)), f.mul(f.mul(TWO, g), f.mul(s, x))];
        default:
          return [
            f.mul(g, f.tensorProd(x, x)),
            f.mul(g, f.add(f.matVecMult(s, x), f.vecMatMult(x, s))),
          ];
      }
    },
  },
  weightedSqDist: {
    ...binary,
    arity: 3,
    samples: onDims([1, 3, 3], [3, 3, 3], [9, 3, 3], [3, 1, 3]),
    meaning: "|x − y|² with a weight s, x, y: s a scalar, a diagonal or a full matrix, by its dim",
    dim: (op, args, attributes) => {
      const [s, x, y] = args;
      broadcast(op, [x, y], attributes);
      if (normOf(s, f.sub(x, y)) === null) refuse(op, args, WEIGHTS);
      return 1;
    },
    evaluate: ([s, x, y], _attributes, out) => {
      const dim = Math.max(x.length, y.length);
      out[0] = weightedSum(s, Float64Array.from({ length: dim }, (_, d) => at(x, d) - at(y, d)));
    },
    define: ([s, x, y]) => weightedNorm(s, f.sub(x, y)),
    grad: (g, [s, x, y]) => {
      const difference = f.sub(x, y);
      const outer = normOf(s, difference) === "full"
        ? f.tensorProd(difference, difference)
        : f.square(difference);
      const turned = normOf(s, difference) === "full"
        ? f.add(f.matVecMult(s, difference), f.vecMatMult(difference, s))
        : f.mul(TWO, f.mul(s, difference));
      const towards = f.mul(g, turned);
      return [f.mul(g, outer), towards, f.neg(towards)];
    },
  },
});
