// Uniform scales of formulas: ±c·q with a parameter c.

import type { Node } from "../formula/mod.ts";

/** ±scale · rest; without a scale, the formula itself. */
export interface Scaled {
  readonly scale: Node | null;
  readonly negative: boolean;
  readonly rest: Node;
}

/** A formula as it is. */
export const unscaled = (node: Node): Scaled => ({ scale: null, negative: false, rest: node });

/** Splits ±c·q into a uniform scalar c and q. */
export function scaleOf(node: Node, negative = false): Scaled {
  if (node.kind !== "op") return unscaled(node);
  if (node.op === "neg") return scaleOf(node.args[0], !negative);
  if (node.op !== "mul") return unscaled(node);
  const isScale = (n: Node): boolean => n.domain === "p" && n.dim === 1;
  const [a, b] = node.args;
  if (isScale(a) && !isScale(b)) return { scale: a, negative, rest: b };
  if (isScale(b) && !isScale(a)) return { scale: b, negative, rest: a };
  return unscaled(node);
}
