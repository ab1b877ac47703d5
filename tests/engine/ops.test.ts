// Every op, lowered, emitted and run, against the reference: both dtypes, both axes, arguments of
// every domain, sizes that divide nothing.

import {
  ALL_OPS,
  apply,
  build,
  entryOf,
  isScalarOp,
  samplesOf,
  variable,
} from "../../src/formula/mod.ts";
import { checkFold } from "../support/folds.ts";
import { argumentData, patterns } from "../support/op_cases.ts";
import { randomFor } from "../support/random.ts";

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
            const given = argumentData(random, op, args, { i: M, j: N, p: 1 });
            const sizes = { axis, M, N, dtype, cancels: !isScalarOp(op) };
            await checkFold({ formula, reduction: "sum", data: given, ...sizes }, random);
          }
        }
      }
    }
  });
}
