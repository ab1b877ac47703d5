// Formula strings as nodes over slots 0, 1, 2 …, numbers as constants: what the tests of the
// language compare.

import { constant, type Node, variable } from "../../src/formula/mod.ts";
import { type KeopsFormula, readKeops } from "../../src/syntax/mod.ts";

/** Inputs that most tests use: x and y are vectors of dim 3, s and t scalars, p a parameter. */
export const ALIASES: readonly string[] = [
  "x=Vi(0,3)",
  "y=Vj(1,3)",
  "s=Vi(2,1)",
  "t=Vj(3,1)",
  "p=Pm(4,1)",
];
export const x: Node = variable(0, "i", 3);
export const y: Node = variable(1, "j", 3);
export const s: Node = variable(2, "i", 1);
export const t: Node = variable(3, "j", 1);
export const p: Node = variable(4, "p", 1);

/** A formula with its inputs; every number is a constant, so that equal formulas are one node. */
export function readWith(
  text: string,
  aliases: readonly string[] = ALIASES,
  weight: string | null = null,
): KeopsFormula {
  return readKeops(text, weight, aliases, { input: (position) => position, parameter: constant });
}

/** The node of a formula over the usual inputs. */
export function read(text: string, aliases?: readonly string[]): Node {
  return readWith(text, aliases).formula;
}
