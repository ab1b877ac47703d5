// The table of B-splines and of soft dynamic time warping (Cuturi and Blondel, 2017), and of two
// recurrences over a grid, each the other's adjoint, which make the warping's derivatives of any
// order. Grids are n×m, row-major.

import * as f from "./build.ts";
import { checkAttribute, declare, type GradRule, refuse, type VectorEntry } from "./entry.ts";
import type { CurveOp } from "./names.ts";
import { constant, type DimRule, type Node, zero } from "./node.ts";

const ZERO = constant(0);
const ONE = constant(1);
const TWO = constant(2);

const unary = {
  arity: 1,
  attributes: [],
  domain: [[-2, 2]],
} as const;

/** What one step of the B-spline recursion reads, on m + 1 knots each. */
function ratios(knots: Node, x: Node, order: number) {
  const count = knots.dim - order;
  const low = f.extract(knots, 0, count);
  const high = f.extract(knots, order, count);
  const apart = f.lt(low, high);
  // where knots coincide the ratio is 0, and so is its derivative
  const slope = f.where(apart, f.inv(f.where(apart, f.sub(high, low), ONE)), ZERO);
  return {
    slope,
    ratio: f.mul(f.sub(x, low), slope),
    // 1 − ratio, without its cancellation
    rest: f.where(apart, f.mul(f.sub(high, x), slope), ONE),
  };
}

const head = (x: Node): Node => f.extract(x, 0, x.dim - 1);
const tail = (x: Node): Node => f.extract(x, 1, x.dim - 1);

/** De Boor: B_i,k = ω_i B_i,k−1 + (1 − ω_i+1) B_i+1,k−1 with ω_i = (x − t_i)/(t_i+k − t_i). */
function bSplineOf(knots: Node, x: Node, order: number): Node {
  if (order === 0) return f.mul(f.le(head(knots), x), f.lt(x, tail(knots)));
  const { ratio, rest } = ratios(knots, x, order);
  const lower = f.bSpline(knots, x, order - 1);
  return f.add(f.mul(head(ratio), head(lower)), f.mul(tail(rest), tail(lower)));
}

/** The recursion backwards: cotangents of the ratios, and of the splines of one order less. */
const bSplineGradient: GradRule = (g, [knots, x], _y, [order]) => {
  if (order === 0) return [null, null];
  const { slope, ratio, rest } = ratios(knots, x, order);
  const lower = f.bSpline(knots, x, order - 1);
  const count = lower.dim;
  const ofRatio = f.sub(
    f.extractT(f.mul(g, head(lower)), count, 0),
    f.extractT(f.mul(g, tail(lower)), count, 1),
  );
  const ofLower = f.add(
    f.extractT(f.mul(g, head(ratio)), count, 0),
    f.extractT(f.mul(g, tail(rest)), count, 1),
  );
  // ω = (x − a)/(b − a): ∂ω/∂x = s, ∂ω/∂a = −(1 − ω) s, ∂ω/∂b = −ω s with s = 1/(b − a)
  const scaled = f.mul(ofRatio, slope);
  const ofKnots = f.sub(
    f.extractT(f.neg(f.mul(scaled, rest)), knots.dim, 0),
    f.extractT(f.mul(scaled, ratio), knots.dim, order),
  );
  const [deeperKnots, deeperX] = bSplineGradient(ofLower, [knots, x], lower, [order - 1]);
  return [
    deeperKnots === null ? ofKnots : f.add(ofKnots, deeperKnots),
    deeperX === null ? f.sum(scaled) : f.add(f.sum(scaled), deeperX),
  ];
};

/** Cox and de Boor, densely: one spline, by the definition. */
function spline(t: Float64Array, x: number, i: number, k: number): number {
  if (k === 0) return t[i] <= x && x < t[i + 1] ? 1 : 0;
  const rising = t[i] < t[i + k] ? (x - t[i]) / (t[i + k] - t[i]) : 0;
  const other = t[i + 1] < t[i + k + 1] ? (x - t[i + 1]) / (t[i + k + 1] - t[i + 1]) : 0;
  return rising * spline(t, x, i, k - 1) + (1 - other) * spline(t, x, i + 1, k - 1);
}

/** −γ log Σ exp(−r/γ). */
function softMin(list: readonly number[], gamma: number): number {
  if (list.length === 1) return list[0];
  const least = Math.min(...list);
  const total = list.reduce((sum, r) => sum + Math.exp((least - r) / gamma), 0);
  return least - gamma * Math.log(total);
}

/** R_ij = cost_ij + softMin of R at the cells before it: above, left and both. */
function warp(n: number, m: number, cost: (k: number) => number, gamma: number, r: Float64Array) {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      const k = i * m + j;
      const before = [
        ...(i > 0 && j > 0 ? [r[k - m - 1]] : []),
        ...(i > 0 ? [r[k - m]] : []),
        ...(j > 0 ? [r[k - 1]] : []),
      ];
      r[k] = cost(k) + (before.length === 0 ? 0 : softMin(before, gamma));
    }
  }
}

/** A grid moved by whole rows and columns, zeros from outside; what wraps around is not masked. */
function moveGrid(x: Node, by: number): Node {
  if (by >= x.dim) return zero(x.dim);
  return f.extractT(f.extract(x, 0, x.dim - by), x.dim, by);
}

const ones = (dim: number): Node => f.sumT(ONE, dim);

/** Ones but for the first of some components. */
const exceptFirst = (count: number): Node => moveGrid(ones(count), 1);

/** The cells before each cell of an n×m grid, and where they are inside. */
interface Before {
  readonly up: Node;
  readonly left: Node;
  readonly corner: Node;
  readonly hasUp: Node;
  readonly hasLeft: Node;
  readonly hasBoth: Node;
}

function before(x: Node, n: number, m: number): Before {
  const hasUp = f.tensorProd(exceptFirst(n), ones(m));
  const hasLeft = f.tensorProd(ones(n), exceptFirst(m));
  const hasBoth = f.tensorProd(exceptFirst(n), exceptFirst(m));
  return {
    up: moveGrid(x, m),
    left: f.where(hasLeft, moveGrid(x, 1), ZERO),
    corner: f.where(hasLeft, moveGrid(x, m + 1), ZERO),
    hasUp,
    hasLeft,
    hasBoth,
  };
}

/** The shares of a soft minimum over the cells before, and its slope in γ. */
function shares(r: Node, gamma: Node, n: number, m: number) {
  const { up, left, corner, hasUp, hasLeft, hasBoth } = before(r, n, m);
  // cells outside are stood in for by ones inside, so that nothing overflows; their share is 0
  const inUp = f.where(hasUp, up, left);
  const inLeft = f.where(hasLeft, left, up);
  const inCorner = f.where(hasBoth, corner, inUp);
  const least = f.min(inUp, f.min(inLeft, inCorner));
  const weight = (has: Node, value: Node): Node =>
    f.mul(has, f.exp(f.div(f.sub(least, value), gamma)));
  const weights = [weight(hasUp, inUp), weight(hasLeft, inLeft), weight(hasBoth, inCorner)];
  const total = f.add(f.add(weights[0], weights[1]), weights[2]);
  const isFirst = f.elemT(ONE, n * m, 0); // nothing stands before it
  const safe = f.add(total, isFirst);
  const [a, b, c] = weights.map((w) => f.div(w, safe));
  // ∂/∂γ of −γ log Σ exp(−r/γ) = −log Σ exp((least − r)/γ) + Σ share (least − r)/γ
  const mean = [[a, inUp], [b, inLeft], [c, inCorner]]
    .map(([share, value]) => f.mul(share, f.div(f.sub(least, value), gamma)))
    .reduce((x, y) => f.add(x, y));
  return { a, b, c, slope: f.sub(mean, f.log(safe)) };
}

/** Checks a grid's attributes and the dims of the arguments that stand on it. */
const onGrid = (count: number): DimRule => (op, args, [n, m]) => {
  checkAttribute(op, "n", n, 1, 2 ** 24);
  checkAttribute(op, "m", m, 1, 2 ** 24);
  const fits = args.every((a, k) => a.dim === (k < count ? n * m : 1));
  if (!fits) refuse(op, args, `dim ${n * m}${count < args.length ? " and a scalar" : ""}`);
  return n * m;
};

/** Cotangents of a recurrence's weights: what each carried, on the cells that it joined. */
function carried(later: Node, earlier: Node, n: number, m: number): Node[] {
  const { up, left, corner } = before(earlier, n, m);
  return [f.mul(later, up), f.mul(later, left), f.mul(later, corner)];
}

const scan = {
  ...unary,
  arity: 4,
  attributes: ["n", "m"],
  domain: [[-0.5, 0.5]],
  samples: [
    { dims: [6, 6, 6, 6], attributes: [2, 3] },
    { dims: [3, 3, 3, 3], attributes: [1, 3] },
    { dims: [3, 3, 3, 3], attributes: [3, 1] },
  ],
  dim: onGrid(4),
  define: null,
} as const;

export const curve = declare<CurveOp, VectorEntry>({
  bSpline: {
    ...unary,
    arity: 2,
    attributes: ["order"],
    samples: [
      { dims: [7, 1], attributes: [3] },
      { dims: [7, 1], attributes: [1] },
      { dims: [7, 1], attributes: [0] },
      { dims: [4, 1], attributes: [2] },
    ],
    domain: [[-2, 2], [-1.2, 1.2]],
    draw: (argument, component, u) => argument === 0 ? component - 2.5 + 0.4 * u : 2.4 * u - 1.2,
    meaning: "the B-splines of an order on a vector of knots, at x: arguments knots, x; " +
      "knots.dim − order − 1 of them; ratios of coinciding knots count as 0",
    dim: (op, args, [order]) => {
      const [knots, x] = args;
      checkAttribute(op, "order", order, 0, 64);
      if (x.dim !== 1 || knots.dim < order + 2) {
        refuse(op, args, `at least ${order + 2} knots, and a scalar`);
      }
      return knots.dim - order - 1;
    },
    evaluate: ([t, x], [order], out) =>
      void out.forEach((_, i) => out[i] = spline(t, x[0], i, order)),
    define: ([knots, x], [order]) => bSplineOf(knots, x, order),
    grad: bSplineGradient,
  },
  softDtwSqDist: {
    ...unary,
    arity: 3,
    samples: [
      { dims: [4, 3, 1], attributes: [] },
      { dims: [1, 4, 1], attributes: [] },
      { dims: [2, 1, 1], attributes: [] },
    ],
    domain: [[-2, 2], [-2, 2], [0.5, 2]],
    meaning: "soft dynamic time warping of two series under squared differences; arguments x, y, " +
      "γ > 0 (KeOps' SoftDTW_SqDist)",
    dim: (op, args) => {
      if (args[2].dim !== 1) refuse(op, args, "a scalar γ");
      return 1;
    },
    evaluate: ([x, y, gamma], _attributes, out) => {
      const [n, m] = [x.length, y.length];
      const r = new Float64Array(n * m);
      warp(n, m, (k) => (x[Math.floor(k / m)] - y[k % m]) ** 2, gamma[0], r);
      out[0] = r[n * m - 1];
    },
    define: null,
    grad: (g, [x, y, gamma]) => {
      const [n, m] = [x.dim, y.dim];
      const difference = f.sub(f.tensorProd(x, ones(m)), f.tensorProd(ones(n), y));
      const table = f.softDtwTable(f.square(difference), gamma, n, m);
      const last = f.elemT(g, n * m, n * m - 1);
      const { a, b, c, slope } = shares(table, gamma, n, m);
      const ofCosts = f.gridScanT(a, b, c, last, n, m);
      const towards = f.mul(f.mul(TWO, ofCosts), difference);
      return [
        f.matVecMult(towards, ones(m)),
        f.neg(f.vecMatMult(ones(n), towards)),
        f.dot(ofCosts, slope),
      ];
    },
  },
  softDtwTable: {
    ...unary,
    arity: 2,
    attributes: ["n", "m"],
    samples: [
      { dims: [6, 1], attributes: [3, 2] },
      { dims: [3, 1], attributes: [1, 3] },
      { dims: [3, 1], attributes: [3, 1] },
    ],
    domain: [[0, 2], [0.5, 2]],
    meaning: "every cell's soft cost of the best way to it from the first, on a grid of costs; " +
      "arguments costs, γ > 0",
    dim: onGrid(1),
    evaluate: ([costs, gamma], [n, m], out) => warp(n, m, (k) => costs[k], gamma[0], out),
    define: null,
    grad: (g, [_costs, gamma], r, [n, m]) => {
      const { a, b, c, slope } = shares(r, gamma, n, m);
      const ofCosts = f.gridScanT(a, b, c, g, n, m);
      return [ofCosts, f.dot(ofCosts, slope)];
    },
  },
  gridScan: {
    ...scan,
    meaning: "z_ij = s_ij + a_ij z_i−1,j + b_ij z_i,j−1 + c_ij z_i−1,j−1 on a grid, nothing from " +
      "outside; arguments a, b, c, s",
    evaluate: ([a, b, c, s], [n, m], out) => {
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < m; j++) {
          const k = i * m + j;
          out[k] = s[k];
          if (i > 0) out[k] += a[k] * out[k - m];
          if (j > 0) out[k] += b[k] * out[k - 1];
          if (i > 0 && j > 0) out[k] += c[k] * out[k - m - 1];
        }
      }
    },
    grad: (g, [a, b, c], z, [n, m]) => {
      const later = f.gridScanT(a, b, c, g, n, m);
      return [...carried(later, z, n, m), later];
    },
  },
  gridScanT: {
    ...scan,
    meaning: "z_ij = s_ij + a_i+1,j z_i+1,j + b_i,j+1 z_i,j+1 + c_i+1,j+1 z_i+1,j+1 (adjoint of " +
      "gridScan)",
    evaluate: ([a, b, c, s], [n, m], out) => {
      out.set(s);
      for (let k = n * m - 1; k >= 0; k--) {
        const [hasUp, hasLeft] = [k >= m, k % m > 0];
        if (hasUp) out[k - m] += a[k] * out[k];
        if (hasLeft) out[k - 1] += b[k] * out[k];
        if (hasUp && hasLeft) out[k - m - 1] += c[k] * out[k];
      }
    },
    grad: (g, [a, b, c], z, [n, m]) => {
      const earlier = f.gridScan(a, b, c, g, n, m);
      return [...carried(z, earlier, n, m), earlier];
    },
  },
});
