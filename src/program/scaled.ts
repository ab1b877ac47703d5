// Gaussians of short vectors with the scale in their points. Enters: the exponential of a scaled
// squared distance. Leaves: exp(−s |a − b|²) as 2^−|r (a − c) − r (b − c)|² with r² = s log₂e, c
// being the mean of b: r moves to where rows and columns are prepared, and a pair takes one product
// less (on CUDA, where 2^−q is one instruction).

import { build, constant, type Node } from "../formula/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** A squared distance between a point of i and one of j. */
export interface Distance {
  readonly a: Node;
  readonly b: Node;
}

type Sign = -1 | 1 | null;

/**
 * The sign that all values of a formula of parameters have, zeros aside; null where that is open.
 * Of parameters only plain numbers count, which beside float32 tensors are the scalars of float64:
 * what is computed may be here or not, and the same fold must have the same bits.
 */
function signOf(node: Node, inputs: ReadonlyMap<number, Tensor>): Sign {
  const signOfAll = (values: ArrayLike<number>): Sign => {
    let [low, high] = [Infinity, -Infinity];
    for (let k = 0; k < values.length; k++) {
      if (!Number.isFinite(values[k])) return null;
      low = Math.min(low, values[k]);
      high = Math.max(high, values[k]);
    }
    return low >= 0 ? 1 : high <= 0 ? -1 : null;
  };
  const opposite = (sign: Sign): Sign => sign === null ? null : sign === 1 ? -1 : 1;
  switch (node.kind) {
    case "constant":
      return signOfAll([node.value]);
    case "variable": {
      const t = node.axis === "p" ? inputs.get(node.slot) : undefined;
      const values = t?.dtype === "float64" && t.shape.length === 0 ? t.peek() : null;
      return values === null ? null : signOfAll(values);
    }
    case "op":
      break;
    default:
      return null;
  }
  const [first, second] = node.args;
  switch (node.op) {
    case "neg":
      return opposite(signOf(first, inputs));
    case "inv":
      return signOf(first, inputs);
    case "square":
    case "exp":
      return 1;
    case "mul":
    case "div": {
      const [a, b] = [signOf(first, inputs), signOf(second, inputs)];
      return a === null ? null : a === 1 ? b : opposite(b);
    }
    default:
      return null;
  }
}

/** exp(−s |a − b|²) with a uniform s ≥ 0. */
export interface Gaussian extends Distance {
  readonly scale: Node;
}

const ONE = constant(1);

const negated = (node: Node): Node =>
  node.kind === "op" && node.op === "neg" ? node.args[0] : build.neg(node);

type DistanceOf = (node: Node) => Distance | null;

/**
 * A uniform scale, of any sign, and a distance that a formula is the product of; null for others.
 */
function scaledDistance(node: Node, distanceOf: DistanceOf): Gaussian | null {
  const distance = distanceOf(node);
  if (distance !== null) return { ...distance, scale: ONE };
  if (node.kind !== "op") return null;
  const times = (scale: Node, rest: Node): Gaussian | null => {
    if (scale.domain !== "p" || scale.dim !== 1) return null;
    const inner = scaledDistance(rest, distanceOf);
    if (inner === null) return null;
    return { ...inner, scale: inner.scale === ONE ? scale : build.mul(scale, inner.scale) };
  };
  const [first, second] = node.args;
  switch (node.op) {
    case "neg":
      return times(constant(-1), first);
    case "mul":
      return times(first, second) ?? times(second, first);
    case "div":
      return times(build.inv(second), first);
    default:
      return null;
  }
}

/** The Gaussian that a formula is, of a distance that `distanceOf` knows; null for others. */
export function gaussianIn(
  node: Node,
  distanceOf: DistanceOf,
  inputs: ReadonlyMap<number, Tensor>,
): Gaussian | null {
  if (node.kind !== "op" || node.op !== "exp") return null;
  const found = scaledDistance(node.args[0], distanceOf);
  if (found === null || signOf(found.scale, inputs) !== -1) return null;
  return { ...found, scale: negated(found.scale) };
}

/**
 * A Gaussian with its scale in the points, counted from a centre c. The exponent −q of 2 is off by
 * 4 √q (|r (a − c)| + |r (b − c)|) roundings at most, where as it was written q are.
 */
export function scaledGaussian({ a, b, scale }: Gaussian, centre: Node): Node {
  const root = build.sqrt(build.mul(constant(Math.LOG2E), scale));
  const [p, q] = [a, b].map((point) => build.mul(root, build.sub(point, centre)));
  // the sign goes into fused products, where it is free
  const exponent = build.sum(build.neg(build.square(build.sub(p, q))));
  return build.exp(build.mul(constant(Math.LN2), exponent));
}
