// Which formulas are linear in a variable, by their structure. Enters: a formula, a variable.
// Leaves: whether every op on the way is linear in the arguments that depend on the variable.

import { type Node, type OpName, topological, type VariableNode } from "../formula/mod.ts";
import { dependents } from "./gradient.ts";

/** Sets of arguments in which an op is linear together while the others stay; "all" of them. */
type Linearity = "all" | readonly (readonly number[])[];

const FIRST: Linearity = [[0]];
const EACH: Linearity = [[0], [1]];
const BRANCHES: Linearity = [[1, 2]];

/** What each op is linear in; an op that is not listed is not linear. */
export const LINEARITY: Partial<Record<OpName, Linearity>> = {
  add: "all",
  sub: "all",
  neg: "all",
  mul: EACH,
  div: FIRST,
  where: BRANCHES,
  ifElse: BRANCHES,
  sum: "all",
  sumT: "all",
  dot: EACH,
  concat: "all",
  elem: "all",
  elemT: "all",
  extract: "all",
  extractT: "all",
  strided: "all",
  stridedT: "all",
  interleave: "all",
  sqNormIso: FIRST,
  sqNormDiag: FIRST,
  symSqNorm: FIRST,
  weightedSqNorm: FIRST,
  weightedSqDist: FIRST,
  matVecMult: EACH,
  vecMatMult: EACH,
  tensorProd: EACH,
  kron: EACH,
  tensorDot: EACH,
  cross: EACH,
  gridScan: [[3]],
  gridScanT: [[3]],
  complexReal: "all",
  complexImag: "all",
  realToComplex: "all",
  imagToComplex: "all",
  conj: "all",
  complexSum: "all",
  complexSumT: "all",
  complexAdd: "all",
  complexSubtract: "all",
  complexMult: EACH,
  complexScal: EACH,
  complexRealScal: EACH,
  complexDivide: FIRST,
};

/**
 * Whether a formula is linear in a variable, as its structure shows: 2·v is, v + 1 and v·v are not,
 * and neither is v·v / v. Formulas that are structurally zero are linear.
 */
export function isLinear(formula: Node, variable: VariableNode): boolean {
  const order = topological(formula);
  const depends = dependents(order, [variable]);
  const linear = new Set<Node>();
  for (const node of order) {
    const isZero = node.kind === "zero" || (node.kind === "constant" && node.value === 0);
    if (node === variable || isZero) linear.add(node);
    if (node.kind !== "op") continue;
    const { op, args } = node;
    const listed = LINEARITY[op] ?? [];
    const sets = listed === "all" ? [args.map((_a, k) => k)] : listed;
    const fits = (set: readonly number[]): boolean =>
      args.every((a, k) => set.includes(k) ? linear.has(a) : !depends.has(a));
    if (sets.some(fits)) linear.add(node);
  }
  return linear.has(formula);
}
