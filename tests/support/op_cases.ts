// Arguments for every op: which axes they have, and numbers that the op's entry draws for them.

import { drawn, entryOf, type Node, type OpName } from "../../src/formula/mod.ts";
import type { Random } from "./random.ts";

export type AxisName = "i" | "j" | "p";

/** Domain patterns of arguments: which axis each has. */
export function patterns(arity: number): AxisName[][] {
  if (arity === 0) return [[]];
  if (arity === 1) return [["i"], ["j"]];
  if (arity === 2) return [["i", "j"], ["j", "i"], ["p", "j"], ["i", "i"]];
  const cycles: AxisName[][] = [["i", "j", "i"], ["j", "i", "j"], ["p", "i", "j"]];
  return cycles.map((cycle) => Array.from({ length: arity }, (_, k) => cycle[k % 3]));
}

/** Numbers for an op's arguments, by slot. */
export function argumentData(
  random: Random,
  op: OpName,
  args: readonly Node[],
  rows: Record<AxisName, number>,
): Map<number, ArrayLike<number>> {
  const values = new Map<number, ArrayLike<number>>();
  args.forEach((a, k) => {
    if (a.kind !== "variable") return;
    const length = rows[a.axis] * a.dim;
    const draw = (_: unknown, n: number): number => drawn(entryOf(op), k, n % a.dim, random.next());
    values.set(a.slot, Float32Array.from({ length }, draw));
  });
  return values;
}
