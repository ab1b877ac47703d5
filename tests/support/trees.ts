// Random formulas, drawn from the op tables, for property tests. Enters: nothing but the tables, so
// that a new op is drawn as soon as it has an entry. Leaves: fast-check arbitraries, which shrink.

import fc from "npm:fast-check@4.10.2";
import {
  ALL_OPS,
  apply,
  build,
  constant,
  entryOf,
  index,
  type Interval,
  isScalarOp,
  type Node,
  type OpName,
  samplesOf,
  variable,
  zero,
} from "../../src/formula/mod.ts";
import { hasNoGradient } from "./derivatives.ts";
import type { NoisyInput } from "./noise.ts";
import { full, Random, randomFor } from "./random.ts";

/** An op with the dims and attributes that it is applied to. */
interface Production {
  readonly op: OpName;
  readonly attributes: readonly number[];
  readonly dims: readonly number[];
  /** Per argument: the interval that it must lie in, or null. */
  readonly guards: readonly (Interval | null)[];
  readonly dim: number;
}

/** Longer vectors have tests of their own. */
const LONGEST = 12;

const argument = (k: number, dim: number): Node => variable(k, "p", dim);

/** What arguments an op without conditions must bear. */
const PROBES = [-2, -1.5, -1, -0.3, 0, 0.4, 1, 1.7, 2];

/** Whether an op is finite on probes in one of its arguments, the others in their ranges. */
function bearsAll(
  op: OpName,
  dims: readonly number[],
  attributes: readonly number[],
  k: number,
): boolean {
  const { domain } = entryOf(op);
  return PROBES.every((probe) => {
    const args = dims.map((dim, n) => {
      const [low, high] = domain[Math.min(n, domain.length - 1)];
      return new Float64Array(dim).fill(n === k ? probe : low + 0.7 * (high - low));
    });
    const node = apply(op, dims.map((dim, n) => argument(n, dim)), attributes);
    const entry = entryOf(op);
    if ("scalar" in entry) {
      return Number.isFinite(entry.evaluate(args.map((a) => a[0]), attributes));
    }
    const out = new Float64Array(node.dim);
    entry.evaluate(args, attributes, out);
    return out.every(Number.isFinite);
  });
}

function production(
  op: OpName,
  dims: readonly number[],
  attributes: readonly number[],
): Production {
  const { domain } = entryOf(op);
  const { dim } = apply(op, dims.map((d, k) => argument(k, d)), attributes);
  const guards = dims.map((_d, k) =>
    bearsAll(op, dims, attributes, k) ? null : domain[Math.min(k, domain.length - 1)]
  );
  return { op, attributes, dims, guards, dim };
}

/** Everything that vector ops are tried on; scalar ops on all dims that come up there. */
function productions(): Production[] {
  const list: Production[] = [];
  for (const op of ALL_OPS) {
    if (isScalarOp(op)) continue;
    for (const { dims, attributes } of samplesOf(entryOf(op))) {
      const made = production(op, dims, attributes);
      if (Math.max(made.dim, ...dims) <= LONGEST) list.push(made);
    }
  }
  const lengths = new Set(list.flatMap(({ dim, dims }) => [dim, ...dims]));
  for (const op of ALL_OPS) {
    if (!isScalarOp(op)) continue;
    const attributes = new Map(
      samplesOf(entryOf(op)).map((s) => [String(s.attributes), s.attributes]),
    );
    for (const list_ of attributes.values()) {
      for (const dim of lengths) {
        const { arity } = entryOf(op);
        const equal = Array<number>(arity).fill(dim);
        list.push(production(op, equal, list_));
        if (arity < 2 || dim === 1) continue;
        for (let k = 0; k < arity; k++) {
          list.push(production(op, equal.map((d, n) => n === k ? 1 : d), list_));
        }
      }
    }
  }
  return list;
}

const ALL = productions();

/** The dims of the formulas that are drawn. */
export const DIMS: readonly number[] = [...new Set(ALL.flatMap(({ dim, dims }) => [dim, ...dims]))]
  .sort((a, b) => a - b);

/** All ops that are drawn. */
export const DRAWN: ReadonlySet<OpName> = new Set(ALL.map(({ op }) => op));

/** Brings any number into an interval, smoothly: low + (high − low) / (1 + x²). */
function guarded(x: Node, [low, high]: Interval): Node {
  const height = build.div(constant(high - low), build.add(constant(1), build.square(x)));
  return build.add(constant(low), height);
}

const AXES = ["i", "j", "p"] as const;
const COPIES = 2;

/** One slot per dim, axis and copy. */
function leafVariable(dim: number, axis: typeof AXES[number], copy: number): Node {
  const slot = (DIMS.indexOf(dim) * AXES.length + AXES.indexOf(axis)) * COPIES + copy;
  return variable(slot, axis, dim);
}

function leaves(dim: number): fc.Arbitrary<Node> {
  const variables = AXES.flatMap((axis) =>
    Array.from({ length: COPIES }, (_, copy) => leafVariable(dim, axis, copy))
  );
  const others = dim > 1 ? [zero(dim)] : [
    ...[0, 1, -1, 2, 0.5, -3, 0.1].map(constant),
    index("i"),
    index("j"),
  ];
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...variables) },
    { weight: 1, arbitrary: fc.constantFrom<Node>(...others) },
  );
}

/** An op on subtrees. */
function applied(
  made: Production,
  subtree: (dim: number) => fc.Arbitrary<Node>,
): fc.Arbitrary<Node> {
  const { op, attributes, dims, guards } = made;
  return fc.tuple(...dims.map(subtree)).map((args) =>
    apply(
      op,
      args.map((a, k) => {
        const guard = guards[k];
        return guard === null ? a : guarded(a, guard);
      }),
      attributes,
    )
  );
}

/** Comparisons and signs end every gradient: they are drawn less often. */
function weightOf(op: OpName): number {
  const [{ dims, attributes }] = samplesOf(entryOf(op));
  return hasNoGradient(apply(op, dims.map((d, k) => argument(k, d)), attributes)) ? 1 : 4;
}

/** Formulas of one dim, up to some depth. They shrink to shallower ones and to single variables. */
export function trees(dim: number, maxDepth = 4): fc.Arbitrary<Node> {
  const { [`dim ${dim}`]: tree } = fc.letrec<Record<string, Node>>((tie) =>
    Object.fromEntries(DIMS.map((d): [string, fc.Arbitrary<Node>] => {
      // one arbitrary per op, so that ops with many samples are not drawn more often
      const byOp = Map.groupBy(ALL.filter((made) => made.dim === d), ({ op }) => op);
      const ops = [...byOp].map(([op, list]) => {
        const choices = list.map((made) => applied(made, (k) => tie(`dim ${k}`)));
        return { weight: weightOf(op), arbitrary: fc.oneof(...choices) };
      });
      const tree = fc.oneof(
        { maxDepth, depthIdentifier: "tree", depthSize: "max", withCrossShrink: true },
        { weight: 1, arbitrary: leaves(d) },
        { weight: 5, arbitrary: fc.oneof(...ops) },
      );
      return [`dim ${d}`, tree];
    }))
  );
  return tree;
}

/** Formulas of any dim. */
export const anyTree: fc.Arbitrary<Node> = fc.oneof(...DIMS.map((dim) => trees(dim)));

/** Values for variables, from a seed; each variable's own, whatever else the formula holds. */
export function drawInputs(
  variables: readonly { readonly slot: number; readonly axis: string; readonly dim: number }[],
  seed: number,
  M: number,
  N: number,
): Map<number, NoisyInput> {
  return new Map(variables.map((v) => {
    const rows = v.axis === "i" ? M : v.axis === "j" ? N : 1;
    const random = new Random(seed + 7919 * (v.slot + 1));
    // in float32, so that both formats start from the same numbers
    return [v.slot, { data: random.float32(rows * v.dim, -2, 2), dim: v.dim }];
  }));
}

/** How often a property is tried, in `task test` and in `task test:full`; its seed: random.ts. */
export function runs(
  name: string,
  fixed: number,
  drawn: number,
): { readonly seed: number; readonly numRuns: number } {
  return { seed: randomFor(name).integer(2 ** 31), numRuns: full ? drawn : fixed };
}
