// Formula to formula, before lowering: vector ops by their definitions, rewrite rules, and the
// split of a sum's formula into factors that leave the sum and a core that stays.

import {
  apply,
  build,
  constant,
  isScalarOp,
  type Node,
  type OpNode,
  rewrite,
  rulesOf,
  topological,
  vectorTable,
} from "../formula/mod.ts";

/** Replaces ops that have a definition, until only those that lowering knows remain. */
export function expandDefinitions(root: Node): Node {
  const done = new Map<Node, Node>();
  const visit = (node: Node): Node => {
    if (node.kind !== "op") return node;
    let result = done.get(node);
    if (result === undefined) {
      result = expand(node, node.args.map(visit));
      done.set(node, result);
      done.set(result, result); // definitions are made of arguments that are expanded already
    }
    return result;
  };
  const expand = (node: OpNode, args: readonly Node[]): Node => {
    const define = isScalarOp(node.op) ? null : vectorTable[node.op].define;
    if (define !== null) return visit(define(args, node.attributes));
    const same = args.every((a, k) => a === node.args[k]);
    return same ? node : apply(node.op, args, node.attributes);
  };
  return visit(root);
}

/** The formula that is lowered: definitions expanded, rules of the allowed classes applied. */
export function normalise(root: Node, fastMath = false): Node {
  const rules = fastMath ? rulesOf("exact", "bounded", "fast") : rulesOf("exact", "bounded");
  return rewrite(expandDefinitions(rewrite(root, rules)), rules);
}

/** A product: its sign, factors and divisors; divisors do not depend on the column. */
interface Product {
  readonly sign: 1 | -1;
  readonly factors: readonly Node[];
  readonly divisors: readonly Node[];
}

function productOf(node: Node): Product {
  const single: Product = { sign: 1, factors: [node], divisors: [] };
  if (node.kind !== "op") return single;
  const [a, b] = node.args;
  switch (node.op) {
    case "neg": {
      const inner = productOf(a);
      return { ...inner, sign: inner.sign === 1 ? -1 : 1 };
    }
    case "mul": {
      const [left, right] = [productOf(a), productOf(b)];
      return {
        sign: left.sign === right.sign ? 1 : -1,
        factors: [...left.factors, ...right.factors],
        divisors: [...left.divisors, ...right.divisors],
      };
    }
    case "div": {
      if (dependsOnColumn(b)) return single;
      const inner = productOf(a);
      return { ...inner, divisors: [...inner.divisors, b] };
    }
    case "inv":
      return dependsOnColumn(a) ? single : { sign: 1, factors: [], divisors: [a] };
    default:
      return single;
  }
}

const dependsOnColumn = (node: Node): boolean => node.domain === "j" || node.domain === "ij";

/** The product of factors: scalars first, so that vectors are scaled once. */
function product(factors: readonly Node[]): Node | null {
  const ordered = [...factors].sort((a, b) => a.dim - b.dim);
  return ordered.length === 0 ? null : ordered.reduce((a, b) => build.mul(a, b));
}

/** A sum's formula as factor · core, the factor free of the folded index j (null: 1). */
export interface Factored {
  readonly factor: Node | null;
  readonly core: Node;
}

/**
 * Moves what does not depend on j out of a sum over j: Σ_j a_i F_ij = a_i Σ_j F_ij. A bounded rule:
 * it changes rounding only, for finite factors; `careful` is what to do for others. A vector stays
 * in the sum if all else is scalar there.
 */
export function factor(node: Node): Factored {
  const { sign, factors, divisors } = productOf(node);
  const widest = Math.max(1, ...factors.filter(dependsOnColumn).map((f) => f.dim));
  const fits = (f: Node): boolean => f.dim === 1 || f.dim === widest;
  if (!divisors.every(fits)) return { factor: null, core: node };
  const leaves = (f: Node): boolean => !dependsOnColumn(f) && fits(f);
  const inside = factors.filter((f) => !leaves(f));
  // the column's value comes last, so that it is not loaded before it is needed
  const columns = product(inside.filter((f) => f.domain === "j"));
  const pairs = inside.filter((f) => f.domain !== "j");
  const core = product(columns === null ? pairs : [...pairs, columns]) ?? constant(1);
  const above = product(factors.filter(leaves));
  // one after another: their product may overflow or underflow
  const outside = divisors.reduce<Node | null>(
    (quotient, divisor) => build.div(quotient ?? constant(1), divisor),
    above,
  );
  if (sign === 1) return { factor: outside, core };
  return { factor: outside === null ? constant(-1) : build.neg(outside), core };
}

/** A factor that may not be finite, as a finite one outside the sum and the rest inside. */
export interface Careful {
  /** 0 where the factor is infinite or NaN. */
  readonly isFinite: Node;
  readonly outside: Node;
  readonly inside: Node;
}

/** Whether a factor may be other than finite: where it is no constant. */
export function mayBeInfinite(factor: Node): boolean {
  return topological(factor).some((n) => n.kind === "variable");
}

/** Splits a factor for the careful loop. */
export function carefulSplit(factor: Node): Careful {
  const one = constant(1);
  const isFinite = build.lt(build.abs(factor), constant(Infinity));
  return {
    isFinite,
    outside: build.where(isFinite, factor, one),
    inside: build.where(isFinite, one, factor),
  };
}

const nonNegative = new WeakMap<Node, boolean>();

/** Whether a formula's values are certainly ≥ 0 or NaN. */
export function isNonNegative(node: Node): boolean {
  let known = nonNegative.get(node);
  if (known === undefined) nonNegative.set(node, known = isKnownNonNegative(node));
  return known;
}

function isKnownNonNegative(node: Node): boolean {
  if (node.kind === "constant") return node.value >= 0 && !Object.is(node.value, -0);
  if (node.kind === "zero" || node.kind === "index") return true;
  if (node.kind !== "op") return false;
  switch (node.op) {
    case "square":
    case "abs":
    case "exp":
    case "sqrt":
    case "rsqrt":
    case "relu":
    case "step":
    case "sqNorm2":
    case "norm2":
    case "sqDist":
    case "powr":
    case "sigmoid":
    case "softplus":
    case "exp2":
    case "acos":
    case "acosh":
    case "cosh":
    case "erfc":
    case "hypot":
    case "lt":
    case "le":
    case "gt":
    case "ge":
    case "eq":
    case "ne":
      return true;
    case "add":
    case "mul":
    case "div":
    case "sum":
    case "sumT":
    case "min":
    case "extract":
    case "concat":
    case "inv":
    case "floor":
    case "round":
    case "clamp":
    case "expm1":
    case "log1p":
    case "asin":
    case "atan":
    case "sinh":
    case "tanh":
    case "asinh":
    case "atanh":
    case "cbrt":
    case "erf":
      return node.args.every(isNonNegative);
    default:
      return false;
  }
}
