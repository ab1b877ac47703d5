// Every op, lowered, emitted and run, against the reference: both dtypes, both axes, arguments of
// every domain, sizes that divide nothing.

import {
  ALL_OPS,
  apply,
  build,
  drawn,
  entryOf,
  type Node,
  type OpName,
  samplesOf,
  variable,
} from "../../src/formula/mod.ts";
import { checkFold } from "../support/folds.ts";
import { type Random, randomFor } from "../support/random.ts";

type AxisName = "i" | "j" | "p";

/** Domain patterns of arguments: which axis each has. */
function patterns(arity: number): AxisName[][] {
  if (arity === 0) return [[]];
  if (arity === 1) return [["i"], ["j"]];
  if (arity === 2) return [["i", "j"], ["j", "i"], ["p", "j"], ["i", "i"]];
  const cycles: AxisName[][] = [["i", "j", "i"], ["j", "i", "j"], ["p", "i", "j"]];
  return cycles.map((cycle) => Array.from({ length: arity }, (_, k) => cycle[k % 3]));
}

function data(
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

for (const op of ALL_OPS) {
  Deno.test(`op ${op}: agrees with the reference`, async () => {
    const random = randomFor(`op ${op}`);
    for (const { dims, attributes } of samplesOf(entryOf(op))) {
      for (const axes of patterns(dims.length)) {
        for (const dtype of ["float32", "float64"] as const) {
          for (const axis of ["i", "j"] as const) {
            const [M, N] = random.pick([[1, 1], [3, 5], [517, 1031], [1031, 3], [2, 517]]);
            const args = axes.map((a, k) => variable(k, a, dims[k]));
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
