// The table of tensor algebra: extrema and bases of vectors, products of matrices and tensors
// (row-major), 3×3 matrices. Names and argument orders are KeOps'.

import { PairfoldError } from "../error.ts";
import * as f from "./build.ts";
import { adjoint, contract, layoutFault, layoutOf, resultDims } from "./contraction.ts";
import { checkAttribute, declare, onDims, onVector, refuse, type VectorEntry } from "./entry.ts";
import type { CurveOp, TensorOp, WeightedOp } from "./names.ts";
import { constant, type DimRule, type Node, type OpNode } from "./node.ts";

const HALF = constant(0.5);

const unary = {
  arity: 1,
  attributes: [],
  domain: [[-2, 2]],
} as const;

const binary = { ...unary, arity: 2 } as const;

/** A matrix's other side than the one that a vector fits. */
const otherSide = (matrix: 0 | 1): DimRule => (op, args) => {
  const [a, b] = [args[matrix].dim, args[1 - matrix].dim];
  if (a % b !== 0) refuse(op, args, "a matrix whose dim is a multiple of the vector's");
  return a / b;
};

/** Index of the first winner; NaN never wins; −1 when there is nothing else. */
function winner(x: Float64Array, sign: 1 | -1): number {
  let best = -1;
  x.forEach((v, d) => {
    if (!Number.isNaN(v) && (best < 0 || sign * v > sign * x[best])) best = d;
  });
  return best;
}

const extremum = (sign: 1 | -1): VectorEntry => ({
  ...unary,
  meaning: `the ${sign > 0 ? "largest" : "smallest"} component; NaN never wins, all NaN gives ` +
    "NaN; the gradient goes to the first winner",
  dim: () => 1,
  evaluate: ([x], _attributes, out) => void (out[0] = x[winner(x, sign)] ?? NaN),
  define: null,
  grad: (g, [x]) => {
    const index = sign > 0 ? f.argMaxOf(x) : f.argMinOf(x);
    return [f.mul(g, f.oneHot(index, x.dim))];
  },
});

const argument = (sign: 1 | -1): VectorEntry => ({
  ...unary,
  meaning: `index of the first ${sign > 0 ? "largest" : "smallest"} component, counted from 0; ` +
    "NaN never wins, all NaN gives −1; no gradient",
  dim: () => 1,
  evaluate: ([x], _attributes, out) => void (out[0] = winner(x, sign)),
  define: null,
  grad: () => [null],
});

/** The second argument of a pair rotated against the first: components (1, 2, 0), or (2, 0, 1). */
const rotated = (x: Node, by: 1 | 2): Node =>
  f.concat(f.extract(x, by, 3 - by), f.extract(x, 0, by));

const rowsOf = (a: Node): [Node, Node, Node] => [
  f.extract(a, 0, 3),
  f.extract(a, 3, 3),
  f.extract(a, 6, 3),
];

/** The cofactors of a 3×3 matrix: det A · A⁻ᵀ. */
function cofactors(a: Node): Node {
  const [x, y, z] = rowsOf(a);
  return f.concat(f.cross(y, z), f.cross(z, x), f.cross(x, y));
}

function crossOf(a: Float64Array, b: Float64Array): number[] {
  return [
    a[1] * b[2] - a[2] * b[1],
    a[2] * b[0] - a[0] * b[2],
    a[0] * b[1] - a[1] * b[0],
  ];
}

/** Rows of the cofactor matrix, densely. */
function denseCofactors(a: Float64Array): number[] {
  const row = (k: number): Float64Array => a.subarray(3 * k, 3 * k + 3);
  return [...crossOf(row(1), row(2)), ...crossOf(row(2), row(0)), ...crossOf(row(0), row(1))];
}

const determinant = (a: Float64Array): number => {
  const c = denseCofactors(a);
  return a[0] * c[0] + a[1] * c[1] + a[2] * c[2];
};

/** Random matrices far from singular ones. */
const drawMatrix = (_argument: number, component: number, u: number): number =>
  (component % 4 === 0 ? 3 : 0) + 2 * u - 1;

/** Arguments of one dim, a result of another. */
const fixed = (from: number, to: number): DimRule => (op, args) => {
  if (args.some((a) => a.dim !== from)) refuse(op, args, `dim ${from}`);
  return to;
};

/** aᵀ b and a bᵀ of 3×3 matrices. */
const transposedTimes = (a: Node, b: Node): Node =>
  f.tensorDot(a, b, { dimsA: [3, 3], dimsB: [3, 3], contractedA: [0], contractedB: [0] });
const timesTransposed = (a: Node, b: Node): Node =>
  f.tensorDot(a, b, { dimsA: [3, 3], dimsB: [3, 3], contractedA: [1], contractedB: [1] });

/** Kron's two lists of dims. */
function kronDims([rank, ...dims]: readonly number[]): [number[], number[]] {
  return [dims.slice(0, rank), dims.slice(rank)];
}

export const tensor = declare<Exclude<TensorOp, CurveOp | WeightedOp>, VectorEntry>({
  maxOf: extremum(1),
  minOf: extremum(-1),
  argMaxOf: argument(1),
  argMinOf: argument(-1),
  iota: {
    ...unary,
    arity: 0,
    attributes: ["dim"],
    samples: [{ dims: [], attributes: [3] }],
    meaning: "0, 1, …, dim − 1",
    dim: (op, _args, [dim]) => {
      checkAttribute(op, "dim", dim, 1, 2 ** 24);
      return dim;
    },
    evaluate: (_args, _attributes, out) => void out.forEach((_, d) => out[d] = d),
    define: null,
    grad: () => [],
  },
  oneHot: {
    ...unary,
    attributes: ["dim"],
    samples: onVector(1, [3], [1]),
    domain: [[-0.4, 2.4]],
    meaning:
      "a vector of dim zeros with a 1 at the component nearest to x (halves upwards); no 1 " +
      "where there is none; no gradient",
    dim: (op, args, [dim]) => {
      checkAttribute(op, "dim", dim, 1, 2 ** 24);
      if (args[0].dim !== 1) refuse(op, args, "a scalar");
      return dim;
    },
    evaluate: ([x], _attributes, out) =>
      void out.forEach((_, d) => out[d] = d - 0.5 <= x[0] && x[0] < d + 0.5 ? 1 : 0),
    define: ([x], [dim]) => {
      const place = f.iota(dim);
      return f.mul(f.le(f.sub(place, HALF), x), f.lt(x, f.add(place, HALF)));
    },
    grad: () => [null],
  },
  matVecMult: {
    ...binary,
    samples: onDims([6, 3], [6, 2], [3, 3], [4, 1]),
    meaning: "matrix A times vector b: arguments A, b",
    dim: otherSide(0),
    evaluate: ([a, b], _attributes, out) => {
      out.fill(-0); // the sum of nothing that keeps the sign of a zero
      a.forEach((v, k) => out[Math.floor(k / b.length)] += v * b[k % b.length]);
    },
    define: ([a, b]) =>
      f.tensorDot(a, b, {
        dimsA: [a.dim / b.dim, b.dim],
        dimsB: [b.dim],
        contractedA: [1],
        contractedB: [0],
      }),
    grad: (g, [a, b]) => [f.tensorProd(g, b), f.vecMatMult(g, a)],
  },
  vecMatMult: {
    ...binary,
    samples: onDims([3, 6], [2, 6], [3, 3], [1, 4]),
    meaning: "vector b times matrix A: arguments b, A",
    dim: otherSide(1),
    evaluate: ([b, a], _attributes, out) => {
      out.fill(-0);
      a.forEach((v, k) => out[k % out.length] += v * b[Math.floor(k / out.length)]);
    },
    define: ([b, a]) =>
      f.tensorDot(b, a, {
        dimsA: [b.dim],
        dimsB: [b.dim, a.dim / b.dim],
        contractedA: [0],
        contractedB: [0],
      }),
    grad: (g, [b, a]) => [f.matVecMult(a, g), f.tensorProd(b, g)],
  },
  tensorProd: {
    ...binary,
    samples: onDims([3, 2], [1, 3], [3, 1]),
    meaning: "outer product a bᵀ, row-major",
    dim: (_op, [a, b]) => a.dim * b.dim,
    evaluate: ([a, b], _attributes, out) =>
      void out.forEach((_, k) => out[k] = a[Math.floor(k / b.length)] * b[k % b.length]),
    define: ([a, b]) =>
      f.tensorDot(a, b, { dimsA: [a.dim], dimsB: [b.dim], contractedA: [], contractedB: [] }),
    grad: (g, [a, b]) => [f.matVecMult(g, b), f.vecMatMult(a, g)],
  },
  kron: {
    ...binary,
    attributes: ["rank", "...dims"],
    samples: [
      { dims: [6, 4], attributes: [2, 2, 3, 2, 2] },
      { dims: [3, 2], attributes: [1, 3, 2] },
      { dims: [4, 6], attributes: [3, 2, 1, 2, 1, 3, 2] },
    ],
    meaning: "Kronecker product of tensors of the same rank, as numpy's kron; the dims of both",
    dim: (op, args, attributes) => {
      const lists = kronDims(attributes);
      if (lists[0].length !== lists[1].length) {
        throw new PairfoldError(
          "dim",
          `${op}: got dims [${lists[0]}] and [${lists[1]}]; expected as many`,
        );
      }
      lists.forEach((dims, k) => {
        dims.forEach((dim) => checkAttribute(op, "dim", dim, 1, args[k].dim));
        if (dims.reduce((p, d) => p * d, 1) === args[k].dim) return;
        refuse(op, args, `dims whose products are [${lists[0]}] and [${lists[1]}]`);
      });
      return args[0].dim * args[1].dim;
    },
    evaluate: ([a, b], attributes, out) => {
      const [dimsA, dimsB] = kronDims(attributes);
      out.forEach((_, k) => {
        let [rest, atA, atB, strideA, strideB] = [k, 0, 0, 1, 1];
        for (let axis = dimsA.length - 1; axis >= 0; axis--) {
          const digit = rest % (dimsA[axis] * dimsB[axis]);
          rest = Math.floor(rest / (dimsA[axis] * dimsB[axis]));
          atA += strideA * Math.floor(digit / dimsB[axis]);
          atB += strideB * (digit % dimsB[axis]);
          strideA *= dimsA[axis];
          strideB *= dimsB[axis];
        }
        out[k] = a[atA] * b[atB];
      });
    },
    define: ([a, b], attributes) => kronAsDot(a, b, attributes),
    grad: (g, [a, b], _y, attributes) => {
      const { attributes: dot } = kronAsDot(a, b, attributes);
      return [f.tensorDot(g, b, adjoint(dot, "a")), f.tensorDot(g, a, adjoint(dot, "b"))];
    },
  },
  tensorDot: {
    ...binary,
    attributes: ["rankA", "rankB", "contractions", "...layout"],
    samples: [
      { dims: [6, 6], attributes: [2, 2, 1, 2, 3, 3, 2, 1, 0, 0, 1] },
      { dims: [12, 12], attributes: [3, 3, 2, 2, 3, 2, 2, 2, 3, 0, 1, 1, 2, 1, 0] },
      { dims: [4, 6], attributes: [2, 2, 0, 2, 2, 3, 2, 3, 0, 2, 1] },
      { dims: [6, 6], attributes: [2, 2, 2, 3, 2, 2, 3, 0, 1, 1, 0] },
    ],
    meaning: "sum of products of two row-major tensors over pairs of axes, the other axes permuted",
    dim: (op, [a, b], attributes) => {
      const fault = layoutFault(attributes, a.dim, b.dim);
      if (fault !== null) throw new PairfoldError("dim", `${op}: ${fault}`);
      return resultDims(layoutOf(attributes)).reduce((p, d) => p * d, 1);
    },
    evaluate: ([a, b], attributes, out) => contract(attributes, a, b, out),
    define: null,
    grad: (g, [a, b], _y, attributes) => [
      f.tensorDot(g, b, adjoint(attributes, "a")),
      f.tensorDot(g, a, adjoint(attributes, "b")),
    ],
  },
  cross: {
    ...binary,
    samples: onDims([3, 3]),
    meaning: "cross product of vectors of dim 3",
    dim: fixed(3, 3),
    evaluate: ([a, b], _attributes, out) => out.set(crossOf(a, b)),
    define: ([a, b]) =>
      f.sub(
        f.mul(rotated(a, 1), rotated(b, 2)),
        f.mul(rotated(a, 2), rotated(b, 1)),
      ),
    // ⟨g, a × b⟩ = ⟨a, b × g⟩ = ⟨b, g × a⟩
    grad: (g, [a, b]) => [f.cross(b, g), f.cross(g, a)],
  },
  det3: {
    ...unary,
    samples: onVector(9, []),
    draw: drawMatrix,
    meaning: "determinant of a 3×3 matrix",
    dim: fixed(9, 1),
    evaluate: ([a], _attributes, out) => void (out[0] = determinant(a)),
    define: ([a]) => {
      const [x, y, z] = rowsOf(a);
      return f.dot(x, f.cross(y, z));
    },
    // d det A = ⟨cofactors, dA⟩
    grad: (g, [a]) => [f.mul(g, cofactors(a))],
  },
  inv3: {
    ...unary,
    samples: onVector(9, []),
    draw: drawMatrix,
    meaning: "inverse of a 3×3 matrix; not finite where it is singular",
    dim: fixed(9, 9),
    evaluate: ([a], _attributes, out) => {
      const c = denseCofactors(a);
      const det = determinant(a);
      out.forEach((_, k) => out[k] = c[3 * (k % 3) + Math.floor(k / 3)] / det);
    },
    define: ([a]) => {
      const c = cofactors(a);
      const columns = [0, 1, 2].map((k) => f.strided(c, k, 3, 3));
      return f.mul(f.concat(...columns), f.inv(f.dot(rowsOf(a)[0], f.extract(c, 0, 3))));
    },
    // d A⁻¹ = −A⁻¹ dA A⁻¹
    grad: (g, _args, y) => [f.neg(timesTransposed(transposedTimes(y, g), y))],
  },
});

/** Axis k of a stands before axis k of b in the result. */
function kronAsDot(a: Node, b: Node, attributes: readonly number[]): OpNode {
  const [dimsA, dimsB] = kronDims(attributes);
  const permutation = [...dimsA.map((_, k) => 2 * k), ...dimsB.map((_, k) => 2 * k + 1)];
  return f.tensorDot(a, b, { dimsA, dimsB, contractedA: [], contractedB: [], permutation });
}
