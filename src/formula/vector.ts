// The table of ops on vectors. `define` says an op by simpler ones; lowering knows the rest.

import * as f from "./build.ts";
import {
  broadcast,
  checkAttribute,
  contraction,
  declare,
  onVector,
  refuse,
  type VectorEntry,
} from "./entry.ts";
import type { TensorOp, VectorOp } from "./names.ts";
import { constant } from "./node.ts";

const TWO = constant(2);

const unary = {
  arity: 1,
  attributes: [],
  domain: [[-2, 2]],
} as const;

/** The component of a vector that may be a broadcast scalar. */
const at = (x: Float64Array, d: number): number => x.length === 1 ? x[0] : x[d];

const longest = (a: Float64Array, b: Float64Array): number => Math.max(a.length, b.length);

function sqNorm(x: Float64Array): number {
  let total = 0;
  for (const v of x) total += v * v;
  return total;
}

const reciprocalRoot = (x: number): number => x === 0 ? 0 : 1 / Math.sqrt(x);

export const vector = declare<Exclude<VectorOp, TensorOp>, VectorEntry>({
  sum: {
    ...unary,
    meaning: "sum of the components",
    dim: () => 1,
    evaluate: ([x], _attributes, out) => {
      out[0] = x[0]; // not 0 + x₀, which would turn −0 into 0
      for (let d = 1; d < x.length; d++) out[0] += x[d];
    },
    define: null,
    grad: (g, [x]) => [f.sumT(g, x.dim)],
  },
  sumT: {
    ...unary,
    samples: onVector(1, [3]),
    meaning: "a scalar repeated dim times (adjoint of sum)",
    attributes: ["dim"],
    dim: (op, args, [dim]) => {
      checkAttribute(op, "dim", dim, 1, Number.MAX_SAFE_INTEGER);
      checkAttribute(op, "dim of the argument", args[0].dim, 1, 1);
      return dim;
    },
    evaluate: ([x], _attributes, out) => void out.fill(x[0]),
    define: null,
    grad: (g) => [f.sum(g)],
  },
  dot: {
    ...unary,
    meaning: "scalar product (KeOps' a|b)",
    arity: 2,
    dim: contraction,
    evaluate: ([a, b], _attributes, out) => {
      for (let d = 0; d < longest(a, b); d++) out[0] += at(a, d) * at(b, d);
    },
    define: ([a, b]) => f.sum(f.mul(a, b)),
    grad: (g, [a, b]) => [f.mul(g, b), f.mul(g, a)],
  },
  sqNorm2: {
    ...unary,
    meaning: "squared Euclidean norm",
    dim: () => 1,
    evaluate: ([x], _attributes, out) => void (out[0] = sqNorm(x)),
    define: ([x]) => f.sum(f.square(x)),
    grad: (g, [x]) => [f.mul(f.mul(TWO, g), x)],
  },
  norm2: {
    ...unary,
    meaning: "Euclidean norm; its gradient at 0 counts as 0",
    dim: () => 1,
    evaluate: ([x], _attributes, out) => void (out[0] = Math.sqrt(sqNorm(x))),
    define: ([x]) => f.sqrt(f.sqNorm2(x)),
    grad: (g, [x]) => [f.mul(f.mul(g, f.rsqrt(f.sqNorm2(x))), x)],
  },
  sqDist: {
    ...unary,
    meaning: "squared Euclidean distance of a and b",
    arity: 2,
    dim: contraction,
    evaluate: ([a, b], _attributes, out) => {
      for (let d = 0; d < longest(a, b); d++) out[0] += (at(a, d) - at(b, d)) ** 2;
    },
    define: ([a, b]) => f.sum(f.square(f.sub(a, b))),
    grad: (g, [a, b]) => {
      const towards = f.mul(f.mul(TWO, g), f.sub(a, b));
      return [towards, f.neg(towards)];
    },
  },
  normalize: {
    ...unary,
    meaning: "x / |x|; 0 at 0, with derivative 0 there",
    dim: broadcast,
    evaluate: ([x], _attributes, out) => {
      const r = reciprocalRoot(sqNorm(x));
      x.forEach((v, d) => out[d] = v * r);
    },
    define: ([x]) => f.mul(f.rsqrt(f.sqNorm2(x)), x),
    // d(x/|x|) = (dx − y ⟨y, dx⟩) / |x|
    grad: (g, [x], y) => [f.mul(f.rsqrt(f.sqNorm2(x)), f.sub(g, f.mul(f.dot(y, g), y)))],
  },
  concat: {
    ...unary,
    meaning: "the arguments one after another",
    arity: -1,
    dim: (_op, args) => args.reduce((total, a) => total + a.dim, 0),
    evaluate: (args, _attributes, out) => {
      let start = 0;
      for (const a of args) {
        out.set(a, start);
        start += a.length;
      }
    },
    define: null,
    grad: (g, args) => {
      let start = 0;
      return args.map((a) => {
        start += a.dim;
        return f.extract(g, start - a.dim, a.dim);
      });
    },
  },
  elem: {
    ...unary,
    samples: onVector(3, [0], [2]),
    meaning: "component m, counted from 0",
    attributes: ["m"],
    dim: (op, [x], [m]) => {
      checkAttribute(op, "m", m, 0, x.dim - 1);
      return 1;
    },
    evaluate: ([x], [m], out) => void (out[0] = x[m]),
    define: ([x], [m]) => f.extract(x, m, 1),
    grad: (g, [x], _y, [m]) => [f.elemT(g, x.dim, m)],
  },
  elemT: {
    ...unary,
    samples: onVector(1, [3, 1]),
    meaning: "a scalar as component m of a vector of zeros (adjoint of elem)",
    attributes: ["dim", "m"],
    dim: (op, [x], [dim, m]) => {
      checkAttribute(op, "dim of the argument", x.dim, 1, 1);
      checkAttribute(op, "dim", dim, 1, Number.MAX_SAFE_INTEGER);
      checkAttribute(op, "m", m, 0, dim - 1);
      return dim;
    },
    evaluate: ([x], [_dim, m], out) => void (out[m] = x[0]),
    define: ([x], [dim, m]) => f.extractT(x, dim, m),
    grad: (g, _x, _y, [_dim, m]) => [f.elem(g, m)],
  },
  extract: {
    ...unary,
    samples: onVector(3, [0, 2], [1, 2]),
    meaning: "components start … start + dim − 1",
    attributes: ["start", "dim"],
    dim: (op, [x], [start, dim]) => {
      checkAttribute(op, "start", start, 0, x.dim - 1);
      checkAttribute(op, "dim", dim, 1, x.dim - start);
      return dim;
    },
    evaluate: ([x], [start, dim], out) => out.set(x.subarray(start, start + dim)),
    define: null,
    grad: (g, [x], _y, [start]) => [f.extractT(g, x.dim, start)],
  },
  extractT: {
    ...unary,
    samples: onVector(3, [5, 0], [5, 2]),
    meaning: "a vector placed at start in a vector of dim zeros (adjoint of extract)",
    attributes: ["dim", "start"],
    dim: (op, [x], [dim, start]) => {
      checkAttribute(op, "dim", dim, x.dim, Number.MAX_SAFE_INTEGER);
      checkAttribute(op, "start", start, 0, dim - x.dim);
      return dim;
    },
    evaluate: ([x], [_dim, start], out) => out.set(x, start),
    define: null,
    grad: (g, [x], _y, [_dim, start]) => [f.extract(g, start, x.dim)],
  },
  strided: {
    ...unary,
    samples: onVector(5, [0, 2, 3], [1, 3, 2]),
    meaning: "components start, start + step, …, dim of them",
    attributes: ["start", "step", "dim"],
    dim: (op, [x], [start, step, dim]) => {
      checkAttribute(op, "step", step, 1, Number.MAX_SAFE_INTEGER);
      checkAttribute(op, "start", start, 0, x.dim - 1);
      checkAttribute(op, "dim", dim, 1, Math.floor((x.dim - 1 - start) / step) + 1);
      return dim;
    },
    evaluate: ([x], [start, step, dim], out) => {
      for (let d = 0; d < dim; d++) out[d] = x[start + d * step];
    },
    define: null,
    grad: (g, [x], _y, [start, step]) => [f.stridedT(g, x.dim, start, step)],
  },
  stridedT: {
    ...unary,
    samples: onVector(2, [5, 0, 3], [5, 1, 2]),
    meaning: "a vector's components placed at start, start + step, … in a vector of dim zeros " +
      "(adjoint of strided)",
    attributes: ["dim", "start", "step"],
    dim: (op, [x], [dim, start, step]) => {
      checkAttribute(op, "step", step, 1, Number.MAX_SAFE_INTEGER);
      checkAttribute(op, "dim", dim, (x.dim - 1) * step + 1, Number.MAX_SAFE_INTEGER);
      checkAttribute(op, "start", start, 0, dim - 1 - (x.dim - 1) * step);
      return dim;
    },
    evaluate: ([x], [_dim, start, step], out) => x.forEach((v, d) => out[start + d * step] = v),
    define: null,
    grad: (g, [x], _y, [_dim, start, step]) => [f.strided(g, start, step, x.dim)],
  },
  interleave: {
    ...unary,
    samples: [{ dims: [2, 2], attributes: [] }],
    meaning: "the components of two vectors in turn: a₀ b₀ a₁ b₁ …",
    arity: 2,
    dim: (op, args) => {
      if (args[0].dim !== args[1].dim) refuse(op, args, "equal dims");
      return 2 * args[0].dim;
    },
    evaluate: ([a, b], _attributes, out) => {
      for (let d = 0; d < a.length; d++) {
        out[2 * d] = a[d];
        out[2 * d + 1] = b[d];
      }
    },
    define: null,
    grad: (g, [a, b]) => [f.strided(g, 0, 2, a.dim), f.strided(g, 1, 2, b.dim)],
  },
});
