// The kernels that speed is judged by.

import { build, type Node, variable, type VariableNode } from "../../../src/formula/mod.ts";
import type { FloatType, Kernel, TensorProducts } from "../../../src/loop/mod.ts";
import { cudaMath, lower } from "../../../src/lower/mod.ts";
import type { Engine } from "../../../src/engine/mod.ts";
import { runOf } from "../../../src/program/fold.ts";
import type { ReductionName } from "../../../src/reduction/mod.ts";
import { tensor, Vi, Vj } from "../../../mod.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const scale = variable(3, "p", 1);

const exponent = (p: Node, q: Node): Node => build.mul(build.neg(scale), build.sqDist(p, q));
const gaussian = (p: Node, q: Node): Node => build.exp(exponent(p, q));

function kernelOf(
  formula: Node,
  inputs: readonly VariableNode[],
  { reduction = "sum", float = "f32", k = 1, products, weight = null, twins }: {
    reduction?: ReductionName;
    float?: FloatType;
    k?: number;
    products?: TensorProducts;
    weight?: Node | null;
    twins?: ReadonlyMap<Node, Node>;
  } = {},
): Kernel {
  const options = { sumScheme: "compensated", accumulator: float, k } as const;
  const fold = { formula, weight, reduction, float, inputs, options, fastMath: false };
  const choices = { ...(products && { products }), ...(twins && { twins }) };
  return lower({ ...fold, ...choices }, cudaMath);
}

/** exp(−p |x − y|²) b with vectors of some length and so many weights. */
export function kernelMatrix(dim: number, width: number, float: FloatType = "f32"): Kernel {
  const [p, q, weights] = [
    variable(0, "i", dim),
    variable(1, "j", dim),
    variable(2, "j", width),
  ];
  return kernelOf(build.mul(gaussian(p, q), weights), [p, q, weights, scale], { float });
}

/** exp(−p |x − y|²) b under a row's factor, which may not be finite. */
export function factorKernel(dim: number, width: number): Kernel {
  const [p, q, weights, factor] = [
    variable(0, "i", dim),
    variable(1, "j", dim),
    variable(2, "j", width),
    variable(4, "i", 1),
  ];
  const formula = build.mul(factor, build.mul(gaussian(p, q), weights));
  return kernelOf(formula, [p, q, weights, scale, factor]);
}

/** The gradient of exp(−p |x − y|²) b by long x: sums as long as rows. */
export function gradientKernel(dim: number, float: FloatType = "f32"): Kernel {
  const [p, q] = [variable(0, "i", dim), variable(1, "j", dim)];
  const outer = build.mul(build.sub(p, q), build.mul(build.constant(2), scale));
  const formula = build.mul(outer, build.mul(gaussian(p, q), b));
  return kernelOf(formula, [p, q, b, scale], { float });
}

/** softmax(⟨x, y⟩ / √dim) b. */
export function attentionKernel(dim: number, width: number, float: FloatType = "f32"): Kernel {
  const [p, q, weight] = [
    variable(0, "i", dim),
    variable(1, "j", dim),
    variable(2, "j", width),
  ];
  const formula = build.mul(build.constant(1 / Math.sqrt(dim)), build.dot(p, q));
  return kernelOf(formula, [p, q, weight], { reduction: "sumSoftMaxWeight", weight, float });
}

/**
 * The kernel of exp(−p |x − y|²) b as people's folds have it by default, p and the points being
 * given: the scale is in the points.
 */
function defaultMatrix(dim: number, width: number, isMirrored = false): Kernel {
  const refuse = (): never => {
    throw new Error("this engine runs nothing");
  };
  const device: Engine = {
    ...{ name: "counted", math: cudaMath, describe: () => [], memory: () => null },
    ...{ compile: refuse, allocate: refuse, place: refuse, launch: refuse },
    ...{ mirrors: () => isMirrored, mirrorPays: () => isMirrored },
  };
  const points = (columns: number) => tensor(new Float32Array(70 * columns), [70, columns]);
  const x = points(dim), y = isMirrored ? x : points(dim);
  const kernel = Vi(x).sqDist(Vj(y)).mul(-0.5).exp().mul(Vj(points(width)));
  return runOf(kernel.sum("j", { device }))!.kernel;
}

/** exp(−p |x − y|²) b as `distances: "centred"` has it for long vectors, and its products. */
export function centredMatrix(dim: number, width = 1, products?: TensorProducts): Kernel {
  const [a, b, weights, centre] = [
    variable(0, "i", dim),
    variable(1, "j", dim),
    variable(2, "j", width),
    variable(4, "p", dim),
  ];
  const [p, q] = [build.sub(a, centre), build.sub(b, centre)];
  const product = build.dot(build.mul(build.constant(-2), p), q);
  const distance = build.relu(build.add(build.add(build.sqNorm2(p), build.sqNorm2(q)), product));
  const formula = build.mul(build.exp(build.mul(build.neg(scale), distance)), weights);
  return kernelOf(formula, [a, b, weights, scale, centre], { products });
}

/** The Gaussian of points with themselves, which meets each pair once. */
function gaussianWithItself(): Kernel {
  const own = variable(4, "i", 1);
  const twins = new Map<Node, Node>([[x, y], [y, x], [b, own], [own, b]]);
  return kernelOf(build.mul(gaussian(x, y), b), [x, y, b, scale, own], { twins });
}

const points = [x, y];
const weighted = [x, y, b, scale];
const gradient = build.mul(
  build.mul(build.sub(x, y), build.mul(build.constant(2), scale)),
  build.mul(gaussian(x, y), b),
);

/** Headline kernels by name. */
export const HEADLINES = {
  "gaussian": () => defaultMatrix(3, 1),
  "gaussian, direct": () => kernelMatrix(3, 1),
  "gaussian, with itself": () => defaultMatrix(3, 1, true),
  "gaussian, with itself, direct": gaussianWithItself,
  "gaussian f64": () => kernelMatrix(3, 1, "f64"),
  "gradient": () => kernelOf(gradient, weighted),
  "logsumexp": () => kernelOf(exponent(x, y), weighted, { reduction: "logSumExp" }),
  "argmin": () => kernelOf(build.sqDist(x, y), points, { reduction: "argMin" }),
  "50-smallest": () => kernelOf(build.sqDist(x, y), points, { reduction: "kMinArgKMin", k: 50 }),
  "10-smallest": () => kernelOf(build.sqDist(x, y), points, { reduction: "kMinArgKMin", k: 10 }),
  "D=16": () => defaultMatrix(16, 1),
  "D=16, direct": () => kernelMatrix(16, 1),
  "D=64": () => kernelMatrix(64, 1),
  "D=300": () => kernelMatrix(300, 1),
  "D=3000": () => kernelMatrix(3000, 1),
  "D=16, centred": () => centredMatrix(16),
  "D=64, centred": () => centredMatrix(64),
  "D=64, tf32x3": () => centredMatrix(64, 1, "tf32x3"),
  "D=64, tf32": () => centredMatrix(64, 1, "tf32"),
  "D=512, centred": () => centredMatrix(512),
  "D=512, tf32x3": () => centredMatrix(512, 1, "tf32x3"),
  "wide 16": () => defaultMatrix(3, 16),
  "wide 16, direct": () => kernelMatrix(3, 16),
  "attention 16": () => attentionKernel(16, 16),
  "gradient, D=100": () => gradientKernel(100),
  "D=64 f64": () => kernelMatrix(64, 1, "f64"),
  "wide 16 f64": () => kernelMatrix(3, 16, "f64"),
} as const satisfies Record<string, () => Kernel>;

export type Headline = keyof typeof HEADLINES;

/** Those whose sums are products of panels. */
export const PANEL_HEADLINES = {
  "wide 64": () => kernelMatrix(3, 64),
  "wide 100": () => kernelMatrix(3, 100),
  "wide 512": () => kernelMatrix(3, 512),
  "D=64, wide 64": () => kernelMatrix(64, 64),
  "D=64, wide 16": () => kernelMatrix(64, 16),
  "attention 64": () => attentionKernel(64, 64),
  "attention 32": () => attentionKernel(32, 32),
  "wide 64 under a factor": () => factorKernel(3, 64),
  "wide 64 f64": () => kernelMatrix(3, 64, "f64"),
  "wide 512 f64": () => kernelMatrix(3, 512, "f64"),
  "D=64, wide 64 f64": () => kernelMatrix(64, 64, "f64"),
  "attention 64 f64": () => attentionKernel(64, 64, "f64"),
} as const satisfies Record<string, () => Kernel>;

export type PanelHeadline = keyof typeof PANEL_HEADLINES;
