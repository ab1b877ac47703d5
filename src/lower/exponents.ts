// Exponentials of sums whose terms do not all depend on both indices: exp(a_i + q_ij) is
// exp(a_i) · exp(q_ij), and the first factor leaves a sum over j.

import { apply, build, type Node, transform } from "../formula/mod.ts";
import { isNonNegative } from "./normalise.ts";
import { scaleOf } from "./scale.ts";

/** ± a formula. */
interface SignedTerm {
  readonly negative: boolean;
  readonly node: Node;
}

function termsOf(node: Node, negative = false): SignedTerm[] {
  if (node.kind === "op") {
    const [a, b] = node.args;
    if (node.op === "neg") return termsOf(a, !negative);
    if (node.op === "add") return [...termsOf(a, negative), ...termsOf(b, negative)];
    if (node.op === "sub") return [...termsOf(a, negative), ...termsOf(b, !negative)];
  }
  return [{ negative, node }];
}

/** A sum of terms; null of none. */
function sumOf(terms: readonly SignedTerm[]): Node | null {
  if (terms.length > 0 && terms.every(({ negative }) => negative)) {
    return build.neg(terms.map(({ node }) => node).reduce((a, b) => build.add(a, b)));
  }
  const ordered = [...terms].sort((a, b) => Number(a.negative) - Number(b.negative));
  return ordered.reduce<Node | null>((sum, { negative, node }) => {
    if (sum === null) return negative ? build.neg(node) : node;
    return negative ? build.sub(sum, node) : build.add(sum, node);
  }, null);
}

/**
 * The summand of a sum over j with such exponentials as products. Bounded where all terms are
 * certainly ≤ 0, so that no factor overflows, and what underflows is less than the least normal
 * number; elsewhere one factor may overflow while the other vanishes, so that it takes `fastMath`.
 * A factor of i leaves the sum, which must not overflow without it: then it takes `fastMath` too,
 * unless the exponential is all that is summed.
 */
export function splitExponentials(root: Node, fastMath: boolean): Node {
  const split = (exponential: Node, argument: Node, isAll: boolean): Node => {
    const { scale, negative, rest } = scaleOf(argument);
    const terms = scale === null ? termsOf(argument) : termsOf(rest, negative);
    const isBounded = (scale === null || isNonNegative(scale)) &&
      terms.every((term) => term.negative && isNonNegative(term.node));
    if (!isBounded && !fastMath) return exponential;
    const leaves = fastMath || isAll;
    if (!leaves && !terms.some(({ node }) => node.domain === "ij")) return exponential;
    const isOfRow = ({ node }: SignedTerm): boolean => leaves && node.domain === "i";
    const isOfColumn = ({ node }: SignedTerm): boolean => node.domain === "j";
    const groups = [
      terms.filter(isOfRow),
      terms.filter(isOfColumn),
      terms.filter((term) => !isOfRow(term) && !isOfColumn(term)),
    ];
    const factors = groups.flatMap((group) => sumOf(group) ?? []);
    if (factors.length < 2) return exponential;
    return factors
      .map((sum) => build.exp(scale === null ? sum : build.mul(scale, sum)))
      .reduce((a, b) => build.mul(a, b));
  };
  return transform(root, (leaf) => leaf, (node, args) => {
    const same = args.every((a, k) => a === node.args[k]);
    const now = same ? node : apply(node.op, args, node.attributes);
    const isSplit = now.op === "exp" && now.dim === 1 && now.domain === "ij";
    return isSplit ? split(now, now.args[0], node === root) : now;
  });
}
