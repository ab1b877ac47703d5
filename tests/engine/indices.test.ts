// Folds of bare indices, which are integers until they meet a float: every reduction, both axes.

import { build, index, type Node, variable } from "../../src/formula/mod.ts";
import { REDUCTIONS, reductions } from "../../src/reduction/mod.ts";
import { checkFold } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";

const FORMULAS: Readonly<Record<string, Node>> = {
  "the folded index or the kept one": index("j"),
  "an index inside a vector": build.elemT(index("j"), 3, 1),
  "both indices": build.concat(index("j"), index("i")),
  "a chosen index": build.where(index("i"), index("j"), index("i")),
  "integers from an input": variable(0, "j", 2, "index"),
};

for (const reduction of REDUCTIONS) {
  Deno.test(`${reduction} of bare indices agrees with the reference`, async () => {
    const { takes } = reductions[reduction];
    const weight = takes === "scalar and weight" ? index("i") : null;
    for (const [name, formula] of Object.entries(FORMULAS)) {
      if (takes !== "components" && formula.dim > 1) continue; // refused
      const random = randomFor(`${reduction} of ${name}`);
      for (const axis of ["i", "j"] as const) {
        for (const dtype of ["float32", "float64"] as const) {
          await checkFold({ formula, weight, reduction, axis, M: 5, N: 6, dtype, k: 2 }, random);
        }
      }
    }
  });
}
