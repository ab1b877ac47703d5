// Squared distances through centred dot products. Enters: a fold that asks for them. Leaves: the same
// fold over |a|² + |b|² − 2 a·b, a and b being counted from the mean of b, which is one more input.
//
// A dot product takes one multiply-add per component where a distance takes a subtraction and a
// multiply-add, and it is what tensor cores and register tiles are good at.

import {
  apply,
  build,
  constant,
  type Node,
  topological,
  transform,
  variable,
  zero,
} from "../formula/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { NO_BATCH } from "./batch.ts";
import type { FoldRequest } from "./request.ts";

/** Components from which it pays: shorter vectors cost more in norms and clamp than they save. */
const LEAST_DIM = 8;

/** Components beyond are left out of the mean, which must be finite. */
const LARGEST = { float32: 1e30, float64: 1e290 } as const;

/** A squared distance between a point of i and one of j. */
interface Distance {
  readonly a: Node;
  readonly b: Node;
}

/** The distance that a node is, a being of i and b of j. */
function distanceOf(node: Node): Distance | null {
  if (node.kind !== "op") return null;
  const [first] = node.args;
  const isDifference = node.op === "sqNorm2" && first.kind === "op" && first.op === "sub";
  if (node.op !== "sqDist" && !isDifference) return null;
  const [a, b] = isDifference && first.kind === "op" ? first.args : node.args;
  if (a.dim !== b.dim || a.dim < LEAST_DIM) return null;
  if (a.domain === "i" && b.domain === "j") return { a, b };
  return a.domain === "j" && b.domain === "i" ? { a: b, b: a } : null;
}

/** The fold of the mean over all j of a formula of j, [...batch, 1, dim]. */
function meanRequest(request: FoldRequest, b: Node): FoldRequest {
  const { dtype, batch = NO_BATCH, choices } = request;
  const isFinite = build.le(build.abs(b), constant(LARGEST[dtype]));
  const used = new Set(topological(b).map((node) => node.kind === "variable" ? node.slot : null));
  return {
    formula: build.where(isFinite, b, zero(b.dim)),
    inputs: new Map([...request.inputs].filter(([slot]) => used.has(slot))),
    reduction: "mean",
    axis: "j",
    M: 1,
    N: request.N,
    dtype,
    k: 1,
    choices: { ...choices, distances: "direct" },
    batch,
  };
}

/**
 * The fold with its squared distances as max(0, |a − c|² + |b − c|² − 2 (a − c)·(b − c)), c being the
 * mean of b. `fold` makes that mean.
 */
export function centred(
  request: FoldRequest,
  fold: (request: FoldRequest) => readonly Tensor[],
): FoldRequest {
  const { formula, weight = null, inputs, batch = NO_BATCH, segments } = request;
  const roots = weight === null ? [formula] : [formula, weight];
  // parts of a fold may not see every column
  if (segments !== undefined || !topological(...roots).some((node) => distanceOf(node) !== null)) {
    return request;
  }
  const own = new Map(inputs);
  const of = new Map(batch.of);
  const centres = new Map<Node, Node>();
  const centreOf = (b: Node): Node => {
    let centre = centres.get(b);
    if (centre === undefined) {
      const [mean] = fold(meanRequest(request, b));
      own.set(mean.id, mean);
      of.set(mean.id, batch.shape);
      centres.set(b, centre = variable(mean.id, "p", b.dim));
    }
    return centre;
  };
  const rewritten = (root: Node): Node =>
    transform(root, (leaf) => leaf, (node, args) => {
      const same = args.every((a, k) => a === node.args[k]);
      const now = same ? node : apply(node.op, args, node.attributes);
      const found = distanceOf(now);
      if (found === null) return now;
      const c = centreOf(found.b);
      const [a, b] = [build.sub(found.a, c), build.sub(found.b, c)];
      const norms = build.add(build.sqNorm2(a), build.sqNorm2(b));
      return build.relu(build.add(norms, build.dot(build.mul(constant(-2), a), b)));
    });
  return {
    ...request,
    formula: rewritten(formula),
    weight: weight === null ? null : rewritten(weight),
    inputs: own,
    batch: { shape: batch.shape, of },
  };
}
