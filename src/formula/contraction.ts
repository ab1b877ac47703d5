// Tensor contractions: how tensorDot's attributes say which axes of two row-major tensors meet, and
// the loops that this makes. Pure numbers; the op's entry and its lowering read them.

import { PairfoldError } from "../error.ts";

/**
 * What tensorDot does with two tensors (KeOps' TensorDot, numpy's tensordot and a permutation).
 * Axis contractedA[k] of a is summed against axis contractedB[k] of b. The other axes, those of a
 * before those of b, make the result: the k-th of them becomes its axis permutation[k].
 */
export interface TensorDotLayout {
  readonly dimsA: readonly number[];
  readonly dimsB: readonly number[];
  readonly contractedA: readonly number[];
  readonly contractedB: readonly number[];
  /** Default: as they come. */
  readonly permutation?: readonly number[];
}

/** A loop over each axis of the result, in order, then over each contracted axis. */
export interface TensorDotAxes {
  /** Number of axes of the result. */
  readonly rank: number;
  readonly dims: readonly number[];
  /** Elements from one turn to the next, in a and in b; 0 where an axis is not there. */
  readonly stridesA: readonly number[];
  readonly stridesB: readonly number[];
}

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** The axes of a tensor that are not contracted. */
const kept = (dims: readonly number[], contracted: readonly number[]): number[] =>
  [...dims.keys()].filter((axis) => !contracted.includes(axis));

/** Row-major strides. */
export function stridesOf(dims: readonly number[]): number[] {
  return dims.map((_, axis) => product(dims.slice(axis + 1)));
}

/** A layout as attributes: both ranks and the number of contractions, then the lists. */
export function flatten(layout: TensorDotLayout): number[] {
  const { dimsA, dimsB, contractedA, contractedB } = layout;
  const rest = kept(dimsA, contractedA).length + kept(dimsB, contractedB).length;
  const permutation = layout.permutation ?? Array.from({ length: rest }, (_, k) => k);
  if (contractedA.length !== contractedB.length) {
    throw new PairfoldError(
      "dim",
      `tensorDot: got ${contractedA.length} contracted axes of a and ${contractedB.length} of b; ` +
        "expected as many",
    );
  }
  return [
    dimsA.length,
    dimsB.length,
    contractedA.length,
    ...dimsA,
    ...dimsB,
    ...contractedA,
    ...contractedB,
    ...permutation,
  ];
}

/** Attributes as a layout; they were checked when the node was made. */
export function layoutOf(attributes: readonly number[]): Required<TensorDotLayout> {
  const [a, b, c, ...lists] = attributes;
  const ends = [a, a + b, a + b + c, a + b + 2 * c];
  return {
    dimsA: lists.slice(0, ends[0]),
    dimsB: lists.slice(ends[0], ends[1]),
    contractedA: lists.slice(ends[1], ends[2]),
    contractedB: lists.slice(ends[2], ends[3]),
    permutation: lists.slice(ends[3]),
  };
}

/** Dims of a result, axis by axis. */
export function resultDims(layout: Required<TensorDotLayout>): number[] {
  const { dimsA, dimsB, contractedA, contractedB, permutation } = layout;
  const dims: number[] = [];
  const all = [
    ...kept(dimsA, contractedA).map((axis) => dimsA[axis]),
    ...kept(dimsB, contractedB).map((axis) => dimsB[axis]),
  ];
  all.forEach((dim, k) => dims[permutation[k]] = dim);
  return dims;
}

/** Why attributes are no layout of tensors with so many elements, as "got …; expected …". */
export function layoutFault(
  attributes: readonly number[],
  dimA: number,
  dimB: number,
): string | null {
  const isCount = (x: number): boolean => Number.isInteger(x) && x >= 0;
  const [a, b, c] = attributes;
  if (![a, b, c].every(isCount) || c > Math.min(a, b)) {
    return `got ranks ${a} and ${b} with ${c} contractions; expected no more than the lesser rank`;
  }
  const wanted = 3 + a + b + 2 * c + (a + b - 2 * c);
  if (attributes.length !== wanted) {
    return `got ${attributes.length} numbers; expected ${wanted}: three counts, the dims of ` +
      "both, the contracted axes of both, a permutation of the other axes";
  }
  const { dimsA, dimsB, contractedA, contractedB, permutation } = layoutOf(attributes);
  const tensors = [
    { name: "a", dims: dimsA, contracted: contractedA, dim: dimA },
    { name: "b", dims: dimsB, contracted: contractedB, dim: dimB },
  ];
  for (const { name, dims, contracted, dim } of tensors) {
    if (!dims.every((d) => isCount(d) && d > 0) || product(dims) !== dim) {
      return `got dims [${dims}] for ${name}; expected a product of ${dim}`;
    }
    const isAxis = (axis: number): boolean => isCount(axis) && axis < dims.length;
    if (!contracted.every(isAxis) || new Set(contracted).size < c) {
      return `got contracted axes [${contracted}] of ${name}; expected different ones from 0 to ` +
        `${dims.length - 1}`;
    }
  }
  for (let k = 0; k < c; k++) {
    const [m, n] = [dimsA[contractedA[k]], dimsB[contractedB[k]]];
    if (m !== n) {
      return `got axis ${contractedA[k]} of a (${m}) against axis ${contractedB[k]} of b (${n}); ` +
        "expected equal dims";
    }
  }
  const places = [...permutation].sort((p, q) => p - q);
  if (places.some((p, k) => p !== k)) {
    return `got permutation [${permutation}]; expected the numbers from 0 to ${places.length - 1}`;
  }
  return null;
}

const axes = new Map<string, TensorDotAxes>();

/** The loops of a layout. */
export function axesOf(attributes: readonly number[]): TensorDotAxes {
  const key = attributes.join();
  let found = axes.get(key);
  if (found === undefined) {
    if (axes.size >= 256) axes.clear();
    axes.set(key, found = loopsOf(layoutOf(attributes)));
  }
  return found;
}

function loopsOf(layout: Required<TensorDotLayout>): TensorDotAxes {
  const { dimsA, dimsB, contractedA, contractedB, permutation } = layout;
  const rank = permutation.length;
  const dims = [...resultDims(layout), ...contractedA.map((axis) => dimsA[axis])];
  const stridesA = dims.map(() => 0);
  const stridesB = dims.map(() => 0);
  const [inA, inB] = [stridesOf(dimsA), stridesOf(dimsB)];
  const keptA = kept(dimsA, contractedA);
  keptA.forEach((axis, k) => stridesA[permutation[k]] = inA[axis]);
  kept(dimsB, contractedB).forEach((axis, k) =>
    stridesB[permutation[keptA.length + k]] = inB[axis]
  );
  contractedA.forEach((axis, k) => stridesA[rank + k] = inA[axis]);
  contractedB.forEach((axis, k) => stridesB[rank + k] = inB[axis]);
  return { rank, dims, stridesA, stridesB };
}

/** The sums themselves, densely. */
export function contract(
  attributes: readonly number[],
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  out: Float64Array,
): void {
  const { rank, dims, stridesA, stridesB } = axesOf(attributes);
  const strides = [...stridesOf(dims.slice(0, rank)), ...dims.slice(rank).map(() => 0)];
  const run = (axis: number, atA: number, atB: number, at: number): void => {
    if (axis === dims.length) {
      out[at] += a[atA] * b[atB];
      return;
    }
    for (let k = 0; k < dims[axis]; k++) {
      run(axis + 1, atA + k * stridesA[axis], atB + k * stridesB[axis], at + k * strides[axis]);
    }
  };
  run(0, 0, 0, 0);
}

/**
 * The contraction that takes the result's cotangent to one argument's: it is summed against the
 * other argument over the axes that only that one brought in.
 */
export function adjoint(attributes: readonly number[], argument: "a" | "b"): TensorDotLayout {
  const layout = layoutOf(attributes);
  const { dimsA, dimsB, contractedA, contractedB, permutation } = layout;
  const keptA = kept(dimsA, contractedA);
  const keptB = kept(dimsB, contractedB);
  const placesA = permutation.slice(0, keptA.length);
  const placesB = permutation.slice(keptA.length);
  const [mine, others] = argument === "a"
    ? [
      { kept: keptA, places: placesA, contracted: contractedA },
      { kept: keptB, places: placesB, contracted: contractedB, dims: dimsB },
    ]
    : [
      { kept: keptB, places: placesB, contracted: contractedB },
      { kept: keptA, places: placesA, contracted: contractedA, dims: dimsA },
    ];
  // what is left of the cotangent, in its order; then the other argument's contracted axes
  const first = [...mine.kept.keys()].sort((p, q) => mine.places[p] - mine.places[q])
    .map((k) => mine.kept[k]);
  const second = [...others.contracted.keys()]
    .sort((p, q) => others.contracted[p] - others.contracted[q])
    .map((k) => mine.contracted[k]);
  return {
    dimsA: resultDims(layout),
    dimsB: others.dims ?? [],
    contractedA: others.places,
    contractedB: others.kept,
    permutation: [...first, ...second],
  };
}
