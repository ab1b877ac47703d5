// The table of ops on complex vectors, stored as real ones: re₀ im₀ re₁ im₁ … A complex scalar (dim
// 2) broadcasts against a complex vector, as a scalar does among real ones.
//
// Gradients are those of the real components: a cotangent pairs with a tangent as Σ (re·re + im·im)
// = Re Σ conj(g) dz. So a holomorphic function w(z) hands a cotangent g back as conj(w′(z)) · g.

import * as f from "./build.ts";
import { checkAttribute, declare, onVector, refuse, type VectorEntry } from "./entry.ts";
import type { ComplexOp } from "./names.ts";
import { constant, type DimRule, type Node } from "./node.ts";

const ONE = constant(1);
const TWO = constant(2);

const unary = {
  arity: 1,
  attributes: [],
  domain: [[-2, 2]],
  samples: onVector(4, []),
} as const;

const binary = {
  arity: 2,
  attributes: [],
  domain: [[-2, 2]],
  samples: [[4, 4], [2, 4], [4, 2], [2, 2]].map((dims) => ({ dims, attributes: [] })),
} as const;

const even: DimRule = (op, args) => {
  if (args[0].dim % 2 !== 0) refuse(op, args, "an even dim (re and im in turn)");
  return args[0].dim;
};

const halved: DimRule = (op, args, attributes) => even(op, args, attributes) / 2;

const doubled: DimRule = (_op, [x]) => 2 * x.dim;

/** Even dims that are equal, or one of them a complex scalar's. */
const broadcast: DimRule = (op, args) => {
  const [a, b] = args.map((x) => x.dim);
  if (a % 2 !== 0 || b % 2 !== 0 || (a !== b && a !== 2 && b !== 2)) {
    refuse(op, args, "equal even dims, or one of them 2");
  }
  return Math.max(a, b);
};

/** The real and the imaginary parts of a complex vector. */
const parts = (z: Node): readonly [re: Node, im: Node] => [
  f.strided(z, 0, 2, z.dim / 2),
  f.strided(z, 1, 2, z.dim / 2),
];

/** Sums up the cotangent of a complex scalar that was broadcast. */
const fit = (g: Node, argument: Node): Node => g.dim === argument.dim ? g : f.complexSum(g);

/** A complex vector, or a complex scalar repeated. */
const spread = (z: Node, dim: number): Node => z.dim === dim ? z : f.complexSumT(z, dim);

/** Writes one complex number per pair of components of two arguments that may be broadcast. */
function eachPair(
  [a, b]: readonly Float64Array[],
  out: Float64Array,
  value: (ar: number, ai: number, br: number, bi: number) => readonly [re: number, im: number],
): void {
  for (let d = 0; d < out.length; d += 2) {
    const [m, n] = [a.length === 2 ? 0 : d, b.length === 2 ? 0 : d];
    [out[d], out[d + 1]] = value(a[m], a[m + 1], b[n], b[n + 1]);
  }
}

const product: Pick<VectorEntry, "dim" | "evaluate" | "define" | "grad"> = {
  dim: broadcast,
  evaluate: (args, _attributes, out) =>
    eachPair(args, out, (ar, ai, br, bi) => [ar * br - ai * bi, ar * bi + ai * br]),
  define: ([a, b]) => {
    const [[ar, ai], [br, bi]] = [parts(a), parts(b)];
    return f.interleave(
      f.sub(f.mul(ar, br), f.mul(ai, bi)),
      f.add(f.mul(ar, bi), f.mul(ai, br)),
    );
  },
  grad: (g, [a, b]) => [
    fit(f.complexMult(f.conj(b), g), a),
    fit(f.complexMult(f.conj(a), g), b),
  ],
};

export const complex = declare<ComplexOp, VectorEntry>({
  complexReal: {
    ...unary,
    meaning: "real parts of a complex vector",
    dim: halved,
    evaluate: ([z], _attributes, out) => out.forEach((_v, d) => out[d] = z[2 * d]),
    define: ([z]) => parts(z)[0],
    grad: (g) => [f.realToComplex(g)],
  },
  complexImag: {
    ...unary,
    meaning: "imaginary parts of a complex vector",
    dim: halved,
    evaluate: ([z], _attributes, out) => out.forEach((_v, d) => out[d] = z[2 * d + 1]),
    define: ([z]) => parts(z)[1],
    grad: (g) => [f.imagToComplex(g)],
  },
  realToComplex: {
    ...unary,
    samples: onVector(3, []),
    meaning: "a real vector as a complex one, x + 0i (KeOps' Real2Complex)",
    dim: doubled,
    evaluate: ([x], _attributes, out) => x.forEach((v, d) => out[2 * d] = v),
    define: ([x]) => f.stridedT(x, 2 * x.dim, 0, 2),
    grad: (g) => [f.complexReal(g)],
  },
  imagToComplex: {
    ...unary,
    samples: onVector(3, []),
    meaning: "a real vector as imaginary parts, 0 + xi (KeOps' Imag2Complex)",
    dim: doubled,
    evaluate: ([x], _attributes, out) => x.forEach((v, d) => out[2 * d + 1] = v),
    define: ([x]) => f.stridedT(x, 2 * x.dim, 1, 2),
    grad: (g) => [f.complexImag(g)],
  },
  conj: {
    ...unary,
    meaning: "complex conjugate",
    dim: even,
    evaluate: ([z], _attributes, out) => z.forEach((v, d) => out[d] = d % 2 === 0 ? v : -v),
    define: ([z]) => f.interleave(parts(z)[0], f.neg(parts(z)[1])),
    grad: (g) => [f.conj(g)],
  },
  complexAbs: {
    ...unary,
    meaning: "absolute values |z| of a complex vector; the gradient at 0 counts as 0",
    dim: halved,
    evaluate: ([z], _attributes, out) =>
      out.forEach((_v, d) => out[d] = Math.sqrt(z[2 * d] ** 2 + z[2 * d + 1] ** 2)),
    define: ([z]) => f.sqrt(f.complexSquareAbs(z)),
    // ∇|z| = z / |z|
    grad: (g, [z]) => {
      const [re, im] = parts(z);
      const scale = f.mul(g, f.rsqrt(f.complexSquareAbs(z)));
      return [f.interleave(f.mul(scale, re), f.mul(scale, im))];
    },
  },
  complexSquareAbs: {
    ...unary,
    meaning: "squared absolute values |z|² of a complex vector",
    dim: halved,
    evaluate: ([z], _attributes, out) =>
      out.forEach((_v, d) => out[d] = z[2 * d] ** 2 + z[2 * d + 1] ** 2),
    define: ([z]) => f.add(f.square(parts(z)[0]), f.square(parts(z)[1])),
    grad: (g, [z]) => {
      const [re, im] = parts(z);
      const twice = f.mul(TWO, g);
      return [f.interleave(f.mul(twice, re), f.mul(twice, im))];
    },
  },
  complexAngle: {
    ...unary,
    domain: [[0.5, 2]],
    meaning: "angles of a complex vector, from −π to π; 0 at 0, with gradient 0 there",
    dim: halved,
    evaluate: ([z], _attributes, out) =>
      out.forEach((_v, d) => out[d] = Math.atan2(z[2 * d + 1], z[2 * d])),
    define: ([z]) => f.atan2(parts(z)[1], parts(z)[0]),
    // ∇ angle = i z / |z|², by two divisions, since |z|² may overflow or underflow
    grad: (g, [z]) => {
      const [re, im] = parts(z);
      const size = f.hypot(re, im);
      const safe = f.where(size, size, ONE);
      const scaled = f.div(g, safe);
      return [f.interleave(f.neg(f.mul(scaled, f.div(im, safe))), f.mul(scaled, f.div(re, safe)))];
    },
  },
  complexSum: {
    ...unary,
    meaning: "sum of a complex vector, a complex scalar",
    dim: (op, args, attributes) => {
      even(op, args, attributes);
      return 2;
    },
    evaluate: ([z], _attributes, out) => {
      out.set(z.subarray(0, 2)); // not 0 + z₀, which would turn −0 into 0
      for (let d = 2; d < z.length; d++) out[d % 2] += z[d];
    },
    define: ([z]) => f.interleave(f.sum(parts(z)[0]), f.sum(parts(z)[1])),
    grad: (g, [z]) => [f.complexSumT(g, z.dim)],
  },
  complexSumT: {
    ...unary,
    samples: onVector(2, [6], [2]),
    meaning: "a complex scalar repeated, dim real components in all (adjoint of complexSum)",
    attributes: ["dim"],
    dim: (op, [z], [dim]) => {
      checkAttribute(op, "dim of the argument", z.dim, 2, 2);
      checkAttribute(op, "dim / 2", dim / 2, 1, Number.MAX_SAFE_INTEGER);
      return dim;
    },
    evaluate: ([z], _attributes, out) => out.forEach((_v, d) => out[d] = z[d % 2]),
    define: ([z], [dim]) =>
      f.interleave(f.sumT(parts(z)[0], dim / 2), f.sumT(parts(z)[1], dim / 2)),
    grad: (g) => [f.complexSum(g)],
  },
  complexAdd: {
    ...binary,
    meaning: "a + b of complex vectors; a complex scalar broadcasts",
    dim: broadcast,
    evaluate: (args, _attributes, out) =>
      eachPair(args, out, (ar, ai, br, bi) => [ar + br, ai + bi]),
    define: ([a, b]) => {
      const dim = Math.max(a.dim, b.dim);
      return f.add(spread(a, dim), spread(b, dim));
    },
    grad: (g, [a, b]) => [fit(g, a), fit(g, b)],
  },
  complexSubtract: {
    ...binary,
    meaning: "a − b of complex vectors; a complex scalar broadcasts",
    dim: broadcast,
    evaluate: (args, _attributes, out) =>
      eachPair(args, out, (ar, ai, br, bi) => [ar - br, ai - bi]),
    define: ([a, b]) => {
      const dim = Math.max(a.dim, b.dim);
      return f.sub(spread(a, dim), spread(b, dim));
    },
    grad: (g, [a, b]) => [fit(g, a), fit(f.neg(g), b)],
  },
  complexMult: {
    ...binary,
    ...product,
    meaning: "a · b of complex vectors; a complex scalar broadcasts",
  },
  complexScal: {
    ...binary,
    ...product,
    samples: [[2, 4], [4, 2], [2, 2]].map((dims) => ({ dims, attributes: [] })),
    meaning: "a complex scalar times a complex vector, in either order",
    dim: (op, args, attributes) => {
      if (args.every((a) => a.dim !== 2)) refuse(op, args, "one of them 2, the other even");
      return broadcast(op, args, attributes);
    },
  },
  complexRealScal: {
    ...binary,
    samples: [[1, 4], [4, 1]].map((dims) => ({ dims, attributes: [] })),
    meaning: "a real scalar times a complex vector, in either order",
    dim: (op, args) => {
      const [scalar, vector] = args[0].dim === 1 ? args : [args[1], args[0]];
      if (scalar.dim !== 1 || vector.dim % 2 !== 0) {
        refuse(op, args, "one of them 1, the other even");
      }
      return vector.dim;
    },
    evaluate: ([a, b], _attributes, out) =>
      out.forEach((_v, d) => out[d] = a[a.length === 1 ? 0 : d] * b[b.length === 1 ? 0 : d]),
    define: ([a, b]) => f.mul(a, b),
    grad: (g, [a, b]) => [f.mul(g, b), f.mul(g, a)],
  },
  complexDivide: {
    ...binary,
    domain: [[-2, 2], [0.5, 2]],
    meaning: "a / b of complex vectors, a · conj(b) / |b|²; a complex scalar broadcasts",
    dim: broadcast,
    evaluate: (args, _attributes, out) =>
      eachPair(args, out, (ar, ai, br, bi) => {
        const scale = br * br + bi * bi;
        return [(ar * br + ai * bi) / scale, (ai * br - ar * bi) / scale];
      }),
    define: ([a, b]) => {
      const [[ar, ai], [br, bi]] = [parts(a), parts(b)];
      const scale = f.complexSquareAbs(b);
      return f.interleave(
        f.div(f.add(f.mul(ar, br), f.mul(ai, bi)), scale),
        f.div(f.sub(f.mul(ai, br), f.mul(ar, bi)), scale),
      );
    },
    // d(a/b) = (da − (a/b) db) / b
    grad: (g, [a, b], y) => {
      const onNumerator = f.complexDivide(g, f.conj(b));
      return [fit(onNumerator, a), fit(f.neg(f.complexMult(f.conj(y), onNumerator)), b)];
    },
  },
  complexExp: {
    ...unary,
    meaning: "exponential of a complex vector, e^re (cos im + i sin im)",
    dim: even,
    evaluate: ([z], _attributes, out) => {
      for (let d = 0; d < z.length; d += 2) {
        const scale = Math.exp(z[d]);
        out[d] = scale * Math.cos(z[d + 1]);
        out[d + 1] = scale * Math.sin(z[d + 1]);
      }
    },
    define: ([z]) => {
      const [re, im] = parts(z);
      return f.interleave(f.mul(f.exp(re), f.cos(im)), f.mul(f.exp(re), f.sin(im)));
    },
    grad: (g, _z, y) => [f.complexMult(f.conj(y), g)],
  },
  complexExp1j: {
    ...unary,
    samples: onVector(3, []),
    meaning: "cos x + i sin x of a real vector, e^(ix)",
    dim: doubled,
    evaluate: ([x], _attributes, out) =>
      x.forEach((v, d) => {
        out[2 * d] = Math.cos(v);
        out[2 * d + 1] = Math.sin(v);
      }),
    define: ([x]) => f.interleave(f.cos(x), f.sin(x)),
    // d e^(ix) = i e^(ix) dx
    grad: (g, _x, y) => [f.complexImag(f.complexMult(f.conj(y), g))],
  },
});
