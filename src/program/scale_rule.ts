// When the scale of a Gaussian goes into its points without being asked to. Enters: a fold on an
// engine where that saves an instruction of each pair. Leaves: the same fold with exp(−s |a − b|²)
// as `scaledGaussian` has it, where points and scale were given and the digits stay; else the fold
// as it was, and why.
//
// The limit. Let ε be a rounding, q the exponent of 2, E = max |r (a − c)| + max |r (b − c)|, and n
// the terms that a sum adds up plainly, 64 or all columns. As it is written, a term is off by
// (4 + ln 2 (D + 4) q) ε at most: 2 ulp of exp2, and of the exponent two roundings for differences,
// D for squares and their sum, two for the scale. Plain sums add n ε of all terms' sizes. With the
// scale in the points, D + 4 stays and 4 ln 2 √q E ε comes on top. That is no more than what was
// there for every q as long as E ≤ ½ √((n + 4) (D + 4) / ln 2): 13 for 64 columns in 3-D, so that
// points may be fifteen widths σ of the kernel apart. Beyond, the rule is off.
//
// Whether it is taken depends on how tensors came to be and on what was given alone, never on what
// was read or computed before. A fold that somebody differentiates, and the folds of a derivative,
// stay as they are: they may share a pass, where differences of points are needed anyway, and must
// have the same bits in it and alone.

import { engineOf } from "../engine/mod.ts";
import {
  apply,
  checkDepth,
  constant,
  type Node,
  topological,
  transform,
  variable,
  type VariableNode,
} from "../formula/mod.ts";
import { BLOCK_LENGTH } from "../reduction/mod.ts";
import { sizeOf, Tensor, tensor } from "../tensor/mod.ts";
import { NO_BATCH } from "./batch.ts";
import { type Extent, extentOf } from "./extent.ts";
import type { FoldRequest } from "./request.ts";
import { distanceOf, type Gaussian, gaussianIn, scaledGaussian, scaleOf } from "./scaled.ts";
import { isTraced } from "./trace.ts";

/** Components from and up to which a pair takes an instruction less, on every card (sm_75 on). */
const DIMS = [2, 16] as const;

/** r² within this: no scale, product or centre leaves float32's normal numbers. */
const SCALES = [2 ** -100, 2 ** 100] as const;

/** How far points may reach, in units of E, where sums have so many columns. */
export const limitOf = (dim: number, columns: number): number =>
  Math.sqrt((Math.min(columns, BLOCK_LENGTH) + 4) * (dim + 4) / Math.LN2) / 2;

/** A formula with a Gaussian of two tensors' points as a factor, and how it is written instead. */
interface Candidate {
  readonly gaussian: Gaussian;
  readonly a: VariableNode;
  readonly b: VariableNode;
  readonly formula: Node;
  /** The slot of the centre. */
  readonly slot: number;
}

/** What was found in formulas: a candidate, why there is none, or no Gaussian. */
const candidates = new WeakMap<Node, Candidate | string | null>();

function candidateIn(formula: Node): Candidate | string | null {
  let found = candidates.get(formula);
  if (found === undefined) candidates.set(formula, found = findCandidate(formula));
  return found;
}

const gaussianOf = (node: Node): Gaussian | null => gaussianIn(node, distanceOf);

/** Whether a formula is a product with a node as one of its factors, once. */
function isFactor(node: Node, formula: Node): boolean {
  const having = new Set([node]);
  for (const one of topological(formula)) {
    if (one.kind === "op" && one.args.some((argument) => having.has(argument))) having.add(one);
  }
  let at = formula;
  while (at !== node) {
    if (at.kind !== "op" || !["mul", "neg", "div"].includes(at.op)) return false;
    const [first, second] = at.args;
    if (second !== undefined && having.has(second)) {
      if (at.op === "div" || having.has(first)) return false;
      at = second;
    } else at = first;
  }
  return true;
}

/** A formula with one of its nodes replaced. */
const replaced = (formula: Node, node: Node, by: Node): Node =>
  transform(formula, (leaf) => leaf, (op, args) => {
    if (op === node) return by;
    return args.every((a, k) => a === op.args[k]) ? op : apply(op.op, args, op.attributes);
  });

function findCandidate(formula: Node): Candidate | string | null {
  const all = topological(formula).filter((node) => gaussianOf(node) !== null);
  if (all.length === 0) return null;
  if (all.length > 1) return "there are several Gaussians";
  const [exponential] = all;
  const gaussian = gaussianOf(exponential) as Gaussian;
  if (!isFactor(exponential, formula)) return "the Gaussian is no factor of what is summed";
  const { a, b } = gaussian;
  if (a.kind !== "variable" || b.kind !== "variable" || a.number !== b.number) {
    return "the points are computed from tensors, pair by pair";
  }
  const { dim } = a;
  if (dim < DIMS[0] || dim > DIMS[1]) return `the points have ${dim} components`;
  const meetsPoints = (node: Node): boolean =>
    node.kind === "op" && node.domain === "ij" && (node.args.includes(a) || node.args.includes(b));
  if (topological(replaced(formula, exponential, constant(1))).some(meetsPoints)) {
    return "the points meet elsewhere too";
  }
  const slot = tensor(0).id;
  const now = scaledGaussian(gaussian, variable(slot, "p", dim));
  return { gaussian, a, b, formula: replaced(formula, exponential, now), slot };
}

/** Whether a fold and its choices leave room for the rule; else why not. */
function obstacleOf(request: FoldRequest): string | null {
  const { reduction, weight, dtype, choices, inputs, segments, ranges } = request;
  if (weight || (reduction !== "sum" && reduction !== "mean")) return "the fold is no sum";
  if (dtype === "float64" || choices.accumulator === "float64") return "float64 wants every digit";
  if (segments !== undefined || ranges !== undefined) return "a part of the pairs is folded";
  return isTraced(inputs.values()) ? "the fold is differentiated" : null;
}

/** r² = s log₂e; else why the scale is not fit. */
function squaredRoot(gaussian: Gaussian, inputs: ReadonlyMap<number, Tensor>): number | string {
  const scale = scaleOf(gaussian, inputs);
  if (scale === null) return "the scale is computed, or is one for each batch";
  if (scale < 0) return "it grows with the distance";
  const square = scale * Math.LOG2E;
  return square >= SCALES[0] && square <= SCALES[1] ? square : "the scale is no ordinary number";
}

/** E of some points around a centre: at most the box's, found without looking at each point. */
function reachOf(
  extents: readonly Extent[],
  centre: Float32Array,
  root: number,
  limit: number,
): number {
  const sum = (size: (extent: Extent) => number): number =>
    root * extents.reduce((total, extent) => {
      const apart = Math.hypot(...extent.centre.map((value, d) => value - centre[d]));
      return total + apart + size(extent);
    }, 0);
  const byBox = sum(({ corner }) => corner);
  return byBox <= limit ? byBox : sum(({ radius }) => radius());
}

/** The fold with the scale of its Gaussian in the points, where that is fit; else why it is not. */
function tried(request: FoldRequest, candidate: Candidate): FoldRequest | string {
  const { gaussian, a, b, formula, slot } = candidate;
  const { inputs, axis, M, N, batch = NO_BATCH } = request;
  const obstacle = obstacleOf(request);
  if (obstacle !== null) return obstacle;
  const square = squaredRoot(gaussian, inputs);
  if (typeof square === "string") return square;
  const extents: Extent[] = [];
  for (const point of [a, b]) {
    // each batch has the bits that it has alone
    if (sizeOf(batch.of.get(point.slot) ?? []) !== 1) return "each batch has points of its own";
    const t = inputs.get(point.slot);
    const extent = t === undefined ? null : extentOf(t, point.dim);
    if (extent === null) return "the points are computed, so that nobody knows how far they reach";
    extents.push(extent);
  }
  const centre = Float32Array.from(extents[0].centre);
  const limit = limitOf(a.dim, axis === "j" ? N : M);
  const reach = reachOf(extents, centre, Math.sqrt(square), limit);
  const [far, most] = [reach, limit].map((value) => value.toPrecision(3));
  if (!(reach <= limit)) return `the points reach ${far}, of which ${most} keep the digits`;
  return {
    ...request,
    formula,
    inputs: new Map(inputs).set(slot, new Tensor([a.dim], "float32", centre)),
    scaling: `in the points, which reach ${far} of at most ${most}: ` +
      `exponents q of 2 are off by 4 √q · ${far} roundings more`,
  };
}

/** The fold with the scale of its Gaussian in the points, where the rule allows it. */
export function withScaleInPoints(request: FoldRequest): FoldRequest {
  if (engineOf(request.choices.device).math.hasExp2 !== true) return request;
  checkDepth(request.formula);
  const candidate = candidateIn(request.formula);
  if (candidate === null) return request;
  const found = typeof candidate === "string" ? candidate : tried(request, candidate);
  return typeof found === "string" ? { ...request, scaling: `at each pair: ${found}` } : found;
}

/** What a derivative is made of: without the rule. */
export function withoutRule<R extends FoldRequest>(request: R): R {
  const { choices } = request;
  if (choices.distances !== undefined && choices.distances !== "auto") return request;
  return { ...request, choices: { ...choices, distances: "direct" } };
}
