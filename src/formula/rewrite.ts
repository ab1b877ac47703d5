// Rewrite rules as data, and their application. Classes:
//   exact    holds bit for bit on every input, NaN, ±0 and infinities included
//   bounded  on by default; changes rounding by at most `ulps` units in the last place
//   fast     only with fastMath: may overflow or lose accuracy where the left side does not

import { ALL_OPS, type OpName } from "./names.ts";
import { apply, constant, type Node, type OpNode, transform } from "./node.ts";

export type RuleClass = "exact" | "bounded" | "fast";

/** An attribute of a pattern: a number, or what the matched arguments make it. */
export type AttributePattern = number | ((bindings: Bindings) => number);

/** What a formula is matched against. */
export type Pattern =
  | { readonly kind: "any" | "uniform"; readonly name: string }
  | { readonly kind: "constant"; readonly value: number }
  | {
    readonly kind: "op";
    readonly op: OpName;
    readonly args: readonly Pattern[];
    readonly attributes: readonly AttributePattern[];
  };

export type Bindings = ReadonlyMap<string, Node>;

export interface Rule {
  readonly name: string;
  readonly class: RuleClass;
  readonly left: Pattern;
  readonly right: Pattern;
  /** Error bound of a bounded rule, in units in the last place. */
  readonly ulps: number;
  /** A condition on what was matched. */
  readonly when: (bindings: Bindings) => boolean;
}

/** Matches any formula. */
export const any = (name: string): Pattern => ({ kind: "any", name });
/** Matches a formula of parameters only. */
export const uniform = (name: string): Pattern => ({ kind: "uniform", name });
/** Matches a constant of this very value. */
export const literal = (value: number): Pattern => ({ kind: "constant", value });

type PatternBuilder = (...args: readonly Pattern[]) => Pattern;

/** One pattern constructor per op. */
export const pattern: Readonly<Record<OpName, PatternBuilder>> = Object.fromEntries(
  ALL_OPS.map((op): [OpName, PatternBuilder] => [
    op,
    (...args) => ({ kind: "op", op, args, attributes: [] }),
  ]),
) as Record<OpName, PatternBuilder>;

/** A pattern for an op with attributes. */
export function withAttributes(
  inner: Pattern,
  ...attributes: readonly AttributePattern[]
): Pattern {
  return inner.kind === "op" ? { ...inner, attributes } : inner;
}

/** An attribute that is the dim of what was matched, times a factor. */
export const dimOf = (name: string, factor = 1): AttributePattern => (bindings) =>
  factor * (bindings.get(name)?.dim ?? NaN);

const resolve = (attribute: AttributePattern, bindings: Bindings): number =>
  typeof attribute === "number" ? attribute : attribute(bindings);

/** States a rule. */
export function rule(
  name: string,
  left: Pattern,
  right: Pattern,
  options: {
    readonly class: RuleClass;
    readonly ulps?: number;
    readonly when?: (bindings: Bindings) => boolean;
  },
): Rule {
  return {
    name,
    left,
    right,
    class: options.class,
    ulps: options.ulps ?? 0,
    when: options.when ?? (() => true),
  };
}

function match(pattern: Pattern, node: Node, bindings: Map<string, Node>): boolean {
  switch (pattern.kind) {
    case "uniform":
    case "any": {
      if (pattern.kind === "uniform" && node.domain !== "p") return false;
      const bound = bindings.get(pattern.name);
      bindings.set(pattern.name, bound ?? node);
      return bound === undefined || bound === node;
    }
    case "constant":
      return node.kind === "constant" && Object.is(node.value, pattern.value);
    case "op":
      return node.kind === "op" && node.op === pattern.op &&
        node.attributes.length === pattern.attributes.length &&
        node.args.length === pattern.args.length &&
        pattern.args.every((p, k) => match(p, node.args[k], bindings)) &&
        node.attributes.every((a, k) => a === resolve(pattern.attributes[k], bindings));
  }
  pattern satisfies never;
  return false;
}

/** Builds a formula from a pattern. */
export function instantiate(pattern: Pattern, bindings: Bindings): Node {
  switch (pattern.kind) {
    case "any":
    case "uniform": {
      const node = bindings.get(pattern.name);
      if (node === undefined) throw new TypeError(`pattern variable ${pattern.name} is not bound`);
      return node;
    }
    case "constant":
      return constant(pattern.value);
    case "op":
      return apply(
        pattern.op,
        pattern.args.map((a) => instantiate(a, bindings)),
        pattern.attributes.map((a) => resolve(a, bindings)),
      );
  }
  pattern satisfies never;
  throw new TypeError();
}

/** A right side must keep the dim: `1 · x` may be a broadcast of 1 only if x is as long. */
function tryRule(rule: Rule, node: OpNode): Node | null {
  const bindings = new Map<string, Node>();
  if (!match(rule.left, node, bindings) || !rule.when(bindings)) return null;
  const result = instantiate(rule.right, bindings);
  return result.dim === node.dim ? result : null;
}

/** Applies rules bottom-up until none fits. Each rule must make its formula simpler. */
export function rewrite(root: Node, rules: readonly Rule[]): Node {
  const byOp = new Map<OpName, Rule[]>();
  for (const r of rules) {
    if (r.left.kind !== "op") continue;
    const list = byOp.get(r.left.op) ?? [];
    list.push(r);
    byOp.set(r.left.op, list);
  }
  const simplify = (node: Node): Node => {
    if (node.kind !== "op") return node;
    for (const r of byOp.get(node.op) ?? []) {
      const result = tryRule(r, node);
      if (result !== null) return transform(result, (leaf) => leaf, rebuild);
    }
    return node;
  };
  const done = new Map<Node, Node>();
  const rebuild = (node: OpNode, args: readonly Node[]): Node => {
    const same = args.every((a, k) => a === node.args[k]);
    const fresh = same ? node : apply(node.op, args, node.attributes);
    let result = done.get(fresh);
    if (result === undefined) {
      result = simplify(fresh);
      done.set(fresh, result);
    }
    return result;
  };
  return transform(root, (leaf) => leaf, rebuild);
}
