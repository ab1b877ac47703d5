// How loops run over the components of a long vector: runs of components that share one source,
// each with the strides that its indices decompose by, so that inside of a loop every vector that
// goes in is met at an affine place. A wrong choice costs speed only: what is not affine goes
// through an array.

import { axesOf, isScalarOp, type Node, stridesOf } from "../formula/mod.ts";

/** Components start … start + length − 1. */
export interface Run {
  readonly start: number;
  readonly length: number;
  /** Loops step by these, the innermost by 1: ascending, each a multiple of the one before. */
  readonly strides: readonly number[];
}

/** An inner loop this short is unrolled, so that it need not divide the run. */
export const SHORT_LOOP = 4;

const plain = (length: number): Run[] => [{ start: 0, length, strides: [] }];

/** The part of a run between two components, with the strides that still fit. */
function cut(run: Run, start: number, end: number): Run {
  const length = end - start;
  const fits = (stride: number): boolean =>
    stride <= SHORT_LOOP || ((start - run.start) % stride === 0 && length % stride === 0);
  return { start, length, strides: run.strides.filter((s) => s < length && fits(s)) };
}

/** Strides of several runs over the same components, as far as they form a chain. */
function chain(lists: readonly (readonly number[])[]): number[] {
  const result: number[] = [];
  for (const stride of [...new Set(lists.flat())].sort((a, b) => a - b)) {
    if (stride % (result.at(-1) ?? 1) === 0) result.push(stride);
  }
  return result;
}

/** The common refinement of runs over vectors of one length. */
function refine(lists: readonly (readonly Run[])[], dim: number): Run[] {
  if (lists.length === 1) return [...lists[0]];
  const cuts = new Set([0, dim]);
  for (const run of lists.flat()) cuts.add(run.start);
  const places = [...cuts].sort((a, b) => a - b);
  return places.slice(1).map((end, k) => {
    const start = places[k];
    const parts = lists.map((runs) => {
      const run = runs.find((r) => start >= r.start && start < r.start + r.length);
      return run === undefined ? [] : cut(run, start, end).strides;
    });
    return { start, length: end - start, strides: chain(parts) };
  });
}

/** A window of runs, moved. */
function window(runs: readonly Run[], start: number, end: number, by: number): Run[] {
  return runs.filter((r) => r.start < end && r.start + r.length > start).map((r) => {
    const part = cut(r, Math.max(start, r.start), Math.min(end, r.start + r.length));
    return { ...part, start: part.start + by };
  });
}

/** Runs between zeros. */
function padded(runs: readonly Run[], dim: number): Run[] {
  const first = runs[0].start;
  const last = runs[runs.length - 1];
  const end = last.start + last.length;
  return [
    ...(first > 0 ? [{ start: 0, length: first, strides: [] }] : []),
    ...runs,
    ...(end < dim ? [{ start: end, length: dim - end, strides: [] }] : []),
  ];
}

/** Every run's components `step` apart. */
function spread(runs: readonly Run[], step: number): Run[] {
  return runs.map(({ start, length, strides }) => ({
    start: start * step,
    length: length * step,
    strides: [step, ...strides.map((s) => s * step)],
  }));
}

/**
 * The runs of a vector; parts for which `isPlain` holds are in memory, with no runs of their own.
 */
export function runsOf(root: Node, isPlain: (node: Node) => boolean): Run[] {
  const known = new Map<Node, Run[]>();
  const visit = (node: Node): Run[] => {
    let runs = known.get(node);
    if (runs === undefined) known.set(node, runs = find(node));
    return runs;
  };
  const find = (node: Node): Run[] => {
    const { dim } = node;
    if (node.kind !== "op" || dim === 1 || isPlain(node)) return plain(dim);
    const { op, args, attributes } = node;
    if (isScalarOp(op)) {
      const vectors = args.filter((a) => a.dim > 1).map(visit);
      return refine(vectors, dim);
    }
    switch (op) {
      case "extract": {
        const [start] = attributes;
        return window(visit(args[0]), start, start + dim, -start);
      }
      case "extractT": {
        const [_dim, start] = attributes;
        return padded(window(visit(args[0]), 0, args[0].dim, start), dim);
      }
      case "concat": {
        let start = 0;
        return args.flatMap((a) => {
          start += a.dim;
          return window(visit(a), 0, a.dim, start - a.dim);
        });
      }
      case "interleave":
        return spread(refine(args.map(visit), args[0].dim), 2);
      case "stridedT": {
        const [_dim, start, step] = attributes;
        if (step > SHORT_LOOP) return plain(dim);
        const inside = spread(visit(args[0]), step).map((r) => ({ ...r, start: r.start + start }));
        const last = inside[inside.length - 1];
        // the zeros after the last component need not be there
        const end = Math.min(dim, last.start + last.length);
        inside[inside.length - 1] = cut(last, last.start, end);
        return padded(inside, dim);
      }
      case "tensorDot": {
        const { dims, rank } = axesOf(attributes);
        const strides = stridesOf(dims.slice(0, rank)).filter((s) => s > 1 && s < dim);
        return [{ start: 0, length: dim, strides: [...new Set(strides)].sort((a, b) => a - b) }];
      }
      default:
        return plain(dim);
    }
  };
  return visit(root);
}

/** One loop of a nest. */
export interface LoopAxis {
  readonly count: number;
  readonly step: number;
  readonly isUnrolled: boolean;
}

/** Components that the bodies of one innermost loop hold at most. */
const UNROLLED_AT_MOST = 16;

/** The loops over a run, outermost first, and how many components at its end are left over. */
export function loopsOf({ length, strides }: Run): { axes: LoopAxis[]; rest: number } {
  const steps = [1, ...strides];
  const outer = steps[steps.length - 1];
  const rest = length % outer;
  const axes: LoopAxis[] = [];
  let unrolled = 1;
  steps.forEach((step, k) => {
    const count = k + 1 < steps.length ? steps[k + 1] / step : Math.floor(length / outer);
    const isUnrolled = count <= SHORT_LOOP && unrolled * count <= UNROLLED_AT_MOST;
    if (isUnrolled) unrolled *= count;
    axes.unshift({ count, step, isUnrolled });
  });
  return { axes, rest };
}
