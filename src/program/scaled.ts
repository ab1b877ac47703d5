// Gaussians of short vectors with the scale in their points. Enters: the exponential of a scaled
// squared distance. Leaves: exp(−s |a − b|²) as 2^−|r (a − c) − r (b − c)|² with r² = s log₂e, c
// being a point among them: r moves to where rows and columns are prepared, and a pair takes one
// product less (on CUDA, where 2^−q is one instruction).

import {
  build,
  constant,
  isScalarOp,
  type Node,
  scalarTable,
  topological,
} from "../formula/mod.ts";
import { storageOf, type Tensor } from "../tensor/mod.ts";

/** A squared distance between a point of i and one of j. */
export interface Distance {
  readonly a: Node;
  readonly b: Node;
}

/** The difference that a formula squares, one component after another. */
function squared(node: Node): Node | null {
  if (node.kind !== "op") return null;
  const isSquare = node.op === "square" || (node.op === "pow" && node.attributes[0] === 2) ||
    (node.op === "mul" && node.args[0] === node.args[1]);
  return isSquare ? node.args[0] : null;
}

/** The distance whose square a node is, a being of i and b of j. */
export function distanceOf(node: Node): Distance | null {
  if (node.kind !== "op") return null;
  const { op, args } = node;
  if (op === "sqDist") return ofPoints(args[0], args[1]);
  const difference = op === "sqNorm2" ? args[0] : op === "sum" ? squared(args[0]) : null;
  if (difference?.kind !== "op" || difference.op !== "sub") return null;
  return ofPoints(difference.args[0], difference.args[1]);
}

function ofPoints(a: Node, b: Node): Distance | null {
  if (a.dim !== b.dim) return null;
  if (a.domain === "i" && b.domain === "j") return { a, b };
  return a.domain === "j" && b.domain === "i" ? { a: b, b: a } : null;
}

/**
 * The value of a formula of parameters; null where that is open. Of tensors only those that were
 * given count: what is computed may be here or not, and the same fold must have the same bits.
 */
function valueOf(formula: Node, inputs: ReadonlyMap<number, Tensor>): number | null {
  const values = new Map<Node, number>();
  for (const node of topological(formula)) {
    if (node.dim !== 1) return null;
    if (node.kind === "constant") values.set(node, node.value);
    else if (node.kind === "variable") {
      const t = node.axis === "p" ? inputs.get(node.slot) : undefined;
      const given = t === undefined ? null : storageOf(t).given;
      if (given?.length !== 1) return null;
      values.set(node, given[0]);
    } else if (node.kind === "op" && isScalarOp(node.op)) {
      const args = node.args.map((argument) => values.get(argument) ?? NaN);
      values.set(node, scalarTable[node.op].evaluate(args, node.attributes));
    } else return null;
  }
  return values.get(formula) ?? null;
}

/** exp(c |a − b|²) with a uniform c. */
export interface Gaussian extends Distance {
  /** −c. */
  readonly scale: Node;
}

/** The scale's value; null where that is open. */
export const scaleOf = (
  { scale }: Gaussian,
  inputs: ReadonlyMap<number, Tensor>,
): number | null => valueOf(scale, inputs);

const ONE = constant(1);

const negated = (node: Node): Node =>
  node.kind === "op" && node.op === "neg" ? node.args[0] : build.neg(node);

type DistanceOf = (node: Node) => Distance | null;

/**
 * A uniform scale, of any sign, and a distance that a formula is the product of; null for others.
 */
function scaledDistance(node: Node, distanceOf: DistanceOf): Gaussian | null {
  if (node.domain !== "ij") return null;
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
    case "neg": {
      const inner = scaledDistance(first, distanceOf);
      return inner && { ...inner, scale: negated(inner.scale) };
    }
    case "mul":
      return times(first, second) ?? times(second, first);
    case "div":
      return times(build.inv(second), first);
    default:
      return null;
  }
}

/** The Gaussian that a formula is, of a distance that `distanceOf` knows; null for others. */
export function gaussianIn(node: Node, distanceOf: DistanceOf): Gaussian | null {
  if (node.kind !== "op" || node.op !== "exp") return null;
  const found = scaledDistance(node.args[0], distanceOf);
  return found && { ...found, scale: negated(found.scale) };
}

/**
 * A Gaussian with its scale in the points, counted from a centre c. The exponent −q of 2 is off by
 * 4 √q (|r (a − c)| + |r (b − c)|) roundings more than as it was written: both ways D + 4 times q.
 */
export function scaledGaussian({ a, b, scale }: Gaussian, centre: Node): Node {
  const root = build.sqrt(build.mul(constant(Math.LOG2E), scale));
  const [p, q] = [a, b].map((point) => build.mul(root, build.sub(point, centre)));
  // the sign goes into fused products, where it is free
  const exponent = build.sum(build.neg(build.square(build.sub(p, q))));
  return build.exp(build.mul(constant(Math.LN2), exponent));
}
