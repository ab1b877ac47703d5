// Squared distances through centred dot products. Enters: a fold that asks for them. Leaves: the
// same fold over |a|² + |b|² − 2 a·b, a and b being counted from the mean of b, which is one more
// input.
//
// A dot product takes one multiply-add per component where a distance takes a subtraction and a
// multiply-add, and it is what tensor cores and register tiles are good at.

import {
  apply,
  build,
  constant,
  type Node,
  type OpNode,
  topological,
  transform,
  variable,
  zero,
} from "../formula/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { NO_BATCH } from "./batch.ts";
import type { FoldRequest } from "./request.ts";
import {
  type Distance,
  distanceOf,
  type Gaussian,
  gaussianIn,
  scaledGaussian,
  scaleOf,
} from "./scaled.ts";

/** Components from which it pays: shorter vectors cost more in norms and clamp than they save. */
const LEAST_DIM = 8;

/** Components beyond are left out of the mean, which must be finite. */
const LARGEST = { float32: 1e30, float64: 1e290 } as const;

const ofDims = (fits: (dim: number) => boolean) => (node: Node): Distance | null => {
  const found = distanceOf(node);
  return found !== null && fits(found.a.dim) ? found : null;
};

const shortDistanceOf = ofDims((dim) => dim < LEAST_DIM);
const longDistanceOf = ofDims((dim) => dim >= LEAST_DIM);

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

/** Rebuilds a formula, some nodes as something else. */
function rewritten(root: Node, rule: (node: OpNode) => Node | null): Node {
  return transform(root, (leaf) => leaf, (node, args) => {
    const same = args.every((a, k) => a === node.args[k]);
    const now = same ? node : apply(node.op, args, node.attributes);
    return rule(now) ?? now;
  });
}

/**
 * The fold with its squared distances as max(0, |a − c|² + |b − c|² − 2 (a − c)·(b − c)), c being
 * the mean of b, and float32 Gaussians of short ones with their scale in the points. `fold` makes
 * that mean.
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
  const gaussianOf = (node: Node): Gaussian | null => {
    const found = gaussianIn(node, shortDistanceOf);
    const scale = found && scaleOf(found, inputs);
    return scale !== null && scale > 0 && scale < Infinity ? found : null;
  };
  const dotted = (node: OpNode): Node | null => {
    const found = longDistanceOf(node);
    if (found === null) return null;
    const c = centreOf(found.b);
    const [a, b] = [build.sub(found.a, c), build.sub(found.b, c)];
    const norms = build.add(build.sqNorm2(a), build.sqNorm2(b));
    return build.relu(build.add(norms, build.dot(build.mul(constant(-2), a), b)));
  };
  const scales = request.dtype === "float32" && paysToScale(roots, gaussianOf);
  const rule = (node: OpNode): Node | null => {
    const gaussian = scales ? gaussianOf(node) : null;
    return gaussian === null ? dotted(node) : scaledGaussian(gaussian, centreOf(gaussian.b));
  };
  const now = { formula: rewritten(formula, rule), weight: weight && rewritten(weight, rule) };
  if (now.formula === formula && now.weight === weight) return request;
  return { ...request, ...now, inputs: own, batch: { shape: batch.shape, of } };
}

/** Whether only the Gaussians need differences of points: others are taken all the same. */
function paysToScale(roots: readonly Node[], gaussianOf: (node: Node) => Gaussian | null): boolean {
  const points = new Set<Node>();
  const without = roots.map((root) =>
    rewritten(root, (node) => {
      const found = gaussianOf(node);
      if (found === null) return null;
      points.add(found.a).add(found.b);
      return constant(1);
    })
  );
  return points.size > 0 &&
    !topological(...without).some((node) =>
      node.kind === "op" && node.domain === "ij" && node.args.some((a) => points.has(a))
    );
}
