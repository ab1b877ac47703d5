// The table of comparisons and choices. Comparisons give 1 or 0 and have zero gradient.

import * as f from "./build.ts";
import { broadcast, declare, type ScalarEntry } from "./entry.ts";
import type { ComparisonOp } from "./names.ts";
import { constant } from "./node.ts";

const ZERO = constant(0);

const compare = {
  arity: 2,
  attributes: [],
  dim: broadcast,
  domain: [[-2, 2], [-2, 2]],
  grad: () => [null, null],
} as const;

const choose = {
  arity: 3,
  attributes: [],
  dim: broadcast,
  domain: [[-2, 2], [-2, 2], [-2, 2]],
} as const;

export const comparison = declare<ComparisonOp, ScalarEntry>({
  lt: {
    ...compare,
    meaning: "1 where a < b, else 0",
    evaluate: ([a, b]) => a < b ? 1 : 0,
    scalar: (s, [a, b]) => s.select(s.lt(a, b), s.constant(1), s.constant(0)),
  },
  le: {
    ...compare,
    meaning: "1 where a ≤ b, else 0",
    evaluate: ([a, b]) => a <= b ? 1 : 0,
    scalar: (s, [a, b]) => s.select(s.le(a, b), s.constant(1), s.constant(0)),
  },
  gt: {
    ...compare,
    meaning: "1 where a > b, else 0",
    evaluate: ([a, b]) => a > b ? 1 : 0,
    scalar: (s, [a, b]) => s.select(s.lt(b, a), s.constant(1), s.constant(0)),
  },
  ge: {
    ...compare,
    meaning: "1 where a ≥ b, else 0",
    evaluate: ([a, b]) => a >= b ? 1 : 0,
    scalar: (s, [a, b]) => s.select(s.le(b, a), s.constant(1), s.constant(0)),
  },
  eq: {
    ...compare,
    meaning: "1 where a = b, else 0",
    evaluate: ([a, b]) => a === b ? 1 : 0,
    scalar: (s, [a, b]) => s.select(s.eq(a, b), s.constant(1), s.constant(0)),
  },
  ne: {
    ...compare,
    meaning: "1 where a ≠ b (NaN differs from everything), else 0",
    evaluate: ([a, b]) => a === b ? 0 : 1,
    scalar: (s, [a, b]) => s.select(s.eq(a, b), s.constant(0), s.constant(1)),
  },
  ifElse: {
    ...choose,
    parameters: ["f", "a", "b"],
    meaning: "a where f ≥ 0, else b (KeOps' IfElse)",
    evaluate: ([c, a, b]) => c >= 0 ? a : b,
    scalar: (s, [c, a, b]) => s.select(s.le(s.constant(0), c), a, b),
    grad: (g, [c]) => [null, f.ifElse(c, g, ZERO), f.ifElse(c, ZERO, g)],
  },
  where: {
    ...choose,
    parameters: ["m", "a", "b"],
    meaning: "a where m ≠ 0, else b: chooses by a comparison",
    evaluate: ([m, a, b]) => m === 0 ? b : a,
    scalar: (s, [m, a, b]) => s.select(s.eq(m, s.constant(0)), b, a),
    grad: (g, [m]) => [null, f.where(m, g, ZERO), f.where(m, ZERO, g)],
  },
});
