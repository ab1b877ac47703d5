// Formulas that have much in common, written so that it is computed once. Enters: the two halves of
// a gradient by points that are rows of i and of j. Leaves: one formula, the same up to rounding.

import { build, type Node } from "../formula/mod.ts";
import { spelledAs } from "../lower/mod.ts";

/** A formula with what is the same in another written as there, where that loses no sign. */
export const writtenAs = (formula: Node, other: Node): Node => spelledAs(formula, other) ?? formula;

/** A product's factors in order, and whether it is negated. */
interface Product {
  readonly isNegative: boolean;
  readonly factors: readonly Node[];
}

function productOf(node: Node): Product {
  if (node.kind === "op" && node.op === "neg") {
    const { isNegative, factors } = productOf(node.args[0]);
    return { isNegative: !isNegative, factors };
  }
  if (node.kind !== "op" || node.op !== "mul") return { isNegative: false, factors: [node] };
  const [a, b] = node.args.map(productOf);
  return { isNegative: a.isNegative !== b.isNegative, factors: [...a.factors, ...b.factors] };
}

function multiplied(factors: readonly Node[]): Node {
  return factors.length === 0
    ? build.constant(1)
    : factors.reduce((product, factor) => build.mul(product, factor));
}

/**
 * a + b. Where they are products, their common factors are taken out: the two halves of a symmetric
 * kernel's gradient, c_i b_j k (x_i − y_j) and c_j b_i k (x_i − y_j), differ by what weighs them.
 */
export function sharingSum(a: Node, b: Node): Node {
  const second = writtenAs(b, a);
  const [left, right] = [productOf(a), productOf(second)];
  const rest = [...right.factors];
  const common = new Set<number>();
  left.factors.forEach((factor, k) => {
    const at = rest.indexOf(factor);
    if (at < 0) return;
    rest.splice(at, 1);
    common.add(k);
  });
  if (common.size === 0) return build.add(a, second);
  const own = left.factors.filter((_, k) => !common.has(k));
  const terms = [multiplied(own), multiplied(rest)];
  const isDifference = left.isNegative !== right.isNegative;
  const sum = isDifference ? build.sub(terms[0], terms[1]) : build.add(terms[0], terms[1]);
  // what differs goes where the first of it stood, so that products grow as they did
  const first = left.factors.findIndex((_, k) => !common.has(k));
  const before = left.factors.filter((_, k) => common.has(k) && (first < 0 || k < first));
  const after = left.factors.filter((_, k) => common.has(k) && first >= 0 && k > first);
  const product = multiplied([...before, sum, ...after]);
  return left.isNegative ? build.neg(product) : product;
}
