// Every op, lowered, emitted and run, against the reference: both dtypes, both axes, arguments of
// every domain, sizes that divide nothing.

import {
  ALL_OPS,
  apply,
  build,
  entryOf,
  type Node,
  type OpName,
  variable,
} from "../../src/formula/mod.ts";
import { checkFold } from "../support/folds.ts";
import { type Random, randomFor } from "../support/random.ts";

/** Attributes that make an op valid on vectors of dim 3 (or scalars where it wants one). */
const ATTRIBUTES: Partial<Record<OpName, readonly number[][]>> = {
  pow: [[0], [1], [2], [3], [-1], [-2], [7]],
  sumT: [[3]],
  elem: [[0], [2]],
  elemT: [[3, 1]],
  extract: [[0, 2], [1, 2]],
  extractT: [[5, 0], [5, 2]],
};
const SCALAR_ONLY: ReadonlySet<OpName> = new Set(["sumT", "elemT"]);

type AxisName = "i" | "j" | "p";

/** Domain patterns of arguments: which axis each has. */
function patterns(arity: number): AxisName[][] {
  if (arity === 1) return [["i"], ["j"]];
  if (arity === 2) return [["i", "j"], ["j", "i"], ["p", "j"], ["i", "i"]];
  return [["i", "j", "i"], ["j", "i", "j"], ["p", "i", "j"]];
}

function data(
  random: Random,
  op: OpName,
  args: readonly Node[],
  rows: Record<AxisName, number>,
): Map<number, ArrayLike<number>> {
  const { domain } = entryOf(op);
  const values = new Map<number, ArrayLike<number>>();
  args.forEach((a, k) => {
    if (a.kind !== "variable") return;
    const [low, high] = domain[Math.min(k, domain.length - 1)];
    values.set(a.slot, random.float32(rows[a.axis] * a.dim, low, high));
  });
  return values;
}

for (const op of ALL_OPS) {
  Deno.test(`op ${op}: agrees with the reference`, async () => {
    const random = randomFor(`op ${op}`);
    const { arity } = entryOf(op);
    for (const attributes of ATTRIBUTES[op] ?? [[]]) {
      for (const axes of patterns(arity < 0 ? 2 : arity)) {
        for (const dtype of ["float32", "float64"] as const) {
          for (const axis of ["i", "j"] as const) {
            const [M, N] = random.pick([[1, 1], [3, 5], [517, 1031], [1031, 3], [2, 517]]);
            const dim = SCALAR_ONLY.has(op) ? 1 : 3;
            const args = axes.map((a, k) =>
              variable(k, a, k === 1 && dim === 3 ? random.pick([1, 3]) : dim)
            );
            const inner = apply(op, args, attributes);
            // a factor of the other axis puts the op's value under the sum in both directions
            const other = variable(9, axes.includes("j") ? "i" : "j", 1);
            const formula = build.mul(inner, other);
            const given = data(random, op, args, { i: M, j: N, p: 1 });
            await checkFold({ formula, reduction: "sum", axis, M, N, dtype, data: given }, random);
          }
        }
      }
    }
  });
}
