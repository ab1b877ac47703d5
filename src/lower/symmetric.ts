// Formulas of pairs of points of one table: what point i adds to row j is the formula with i and j
// exchanged, and most of it is what j adds to row i. Enters: a formula and which variables are each
// other's twins. Leaves: the exchanged formula, with what both have in common written alike.
//
// Everything here holds bit for bit but for the sign of zeros, so that it is given up where an op
// could tell these apart.

import {
  apply,
  build,
  index,
  type Node,
  type OpName,
  topological,
  transform,
} from "../formula/mod.ts";

/** Variables of one table on both axes, each with the other. */
export type Twins = ReadonlyMap<Node, Node>;

/** Ops of two arguments that may change places, bit for bit. */
const COMMUTATIVE: ReadonlySet<OpName> = new Set(["add", "mul", "dot", "sqDist", "eq", "ne"]);
/** Ops that give the same for −x, bit for bit. */
const EVEN: ReadonlySet<OpName> = new Set(["square", "abs", "cos", "sqNorm2", "norm2"]);

/** Exchanges i and j. */
export function exchanged(formula: Node, twins: Twins): Node {
  return transform(formula, (leaf) => {
    if (leaf.kind === "index") return index(leaf.axis === "i" ? "j" : "i");
    return twins.get(leaf) ?? leaf;
  });
}

/** ± a formula; loose where the sign of a zero may differ from what is meant. */
interface Signed {
  readonly negative: boolean;
  readonly loose: boolean;
  readonly node: Node;
}

const plus = (node: Node): Signed => ({ negative: false, loose: false, node });
const written = ({ negative, node }: Signed): Node => negative ? build.neg(node) : node;

/** Whether products by a constant are exact, but for overflow. */
const isPowerOfTwo = (node: Node): boolean =>
  node.kind === "constant" && Number.isInteger(Math.log2(Math.abs(node.value)));

/** (c · u) · v as (c · v) · u, c being a power of two, in every order of the two. */
function doublesMoved(args: readonly Node[]): Node[] {
  const [first, second] = args;
  return [[first, second], [second, first]].flatMap(([product, v]) => {
    if (product.kind !== "op" || product.op !== "mul") return [];
    const [c, u] = product.args;
    if (!isPowerOfTwo(c) || u.dim !== v.dim) return [];
    const moved = build.mul(c, v);
    return [build.mul(moved, u), build.mul(u, moved)];
  });
}

/**
 * A formula with what is the same in another written as there, differences up to their sign; null
 * where an op would see a zero of the other sign.
 */
export function spelledAs(formula: Node, other: Node): Node | null {
  const known = new Set(topological(other));
  const done = new Map<Node, Signed | null>();
  /** An op with its arguments in the order of the other formula, where they may change places. */
  const ordered = (op: OpName, args: readonly Node[], attributes: readonly number[] = []): Node => {
    const node = apply(op, args, attributes);
    if (known.has(node) || !COMMUTATIVE.has(op)) return node;
    const turned = apply(op, [...args].reverse(), attributes);
    const others = [turned, ...(op === "mul" ? doublesMoved(args) : [])];
    return others.find((other) => known.has(other)) ?? node;
  };
  /** a + b. */
  const added = (a: Signed, b: Signed): Signed => {
    if (a.negative === b.negative) {
      const loose = a.loose || b.loose || a.negative;
      return { negative: a.negative, loose, node: ordered("add", [a.node, b.node]) };
    }
    const [first, second] = a.negative ? [b.node, a.node] : [a.node, b.node];
    const [forth, back] = [apply("sub", [first, second]), apply("sub", [second, first])];
    const isBack = !known.has(forth) && known.has(back);
    const node = isBack ? back : forth;
    return { negative: isBack, loose: a.loose || b.loose || isBack, node };
  };
  const compute = (node: Node): Signed | null => {
    if (node.kind !== "op") return plus(node);
    const { op, attributes } = node;
    const args: Signed[] = [];
    for (const argument of node.args) {
      const spelled = visit(argument);
      if (spelled === null) return null;
      args.push(spelled);
    }
    const [a, b] = args;
    if (EVEN.has(op)) return plus(apply(op, [a.node], attributes));
    switch (op) {
      case "neg": {
        const there = a.negative ? null : apply("neg", [a.node]);
        if (there !== null && known.has(there)) return { ...a, node: there };
        return { ...a, negative: !a.negative };
      }
      case "add":
        return added(a, b);
      case "sub":
        return added(a, { ...b, negative: !b.negative });
      case "mul": {
        const loose = a.loose || b.loose;
        return { negative: a.negative !== b.negative, loose, node: ordered(op, [a.node, b.node]) };
      }
      case "sum":
        return { negative: a.negative, loose: a.loose || a.negative, node: apply(op, [a.node]) };
      case "extract":
      case "extractT":
      case "strided":
      case "stridedT":
      case "sumT":
        return { ...a, node: apply(op, [a.node], attributes) };
      case "concat": {
        const loose = args.some((argument) => argument.loose);
        return { negative: false, loose, node: apply(op, args.map(written), attributes) };
      }
      case "div":
        if (b.loose) return null;
        return { ...a, node: apply(op, [a.node, written(b)]) };
      default:
        if (args.some(({ loose }) => loose)) return null;
        return plus(ordered(op, args.map(written), attributes));
    }
  };
  const visit = (node: Node): Signed | null => {
    let result = done.get(node);
    if (result === undefined) done.set(node, result = compute(node));
    return result;
  };
  const result = visit(formula);
  return result === null ? null : written(result);
}

/** A factor of a product's scalars: it goes first, so that what both halves share has it. */
export function scaledBy(factor: Node, core: Node): Node {
  if (core.kind === "op" && core.op === "mul" && factor.dim === 1) {
    const [a, b] = core.args;
    return build.mul(scaledBy(factor, a), b);
  }
  return build.mul(factor, core);
}

/**
 * a / q as a · (1 / q) where only q belongs to the pair: both halves share the quotient. Bounded,
 * as x · s⁻¹.
 */
export function withSharedQuotients(root: Node): Node {
  return transform(root, (leaf) => leaf, ({ op, attributes }, args) => {
    const [a, b] = args;
    const isShared = op === "div" && a.domain !== "ij" && b.domain === "ij";
    return isShared ? build.mul(build.inv(b), a) : apply(op, args, attributes);
  });
}
