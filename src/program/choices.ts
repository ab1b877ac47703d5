// Whether the choices of a fold are ones that there are. Enters: what its user chose. Leaves: what
// the kernel is told of it.

import { PairfoldError } from "../error.ts";
import type { Fold } from "../lower/mod.ts";
import type { FoldOptions, SumScheme } from "../reduction/mod.ts";
import type { FoldChoices, FoldRequest } from "./request.ts";

const SCHEMES: ReadonlySet<string> = new Set<SumScheme>(["compensated", "block", "direct"]);

/** Refuses choices that no type allows. */
export function checkChoices(op: string, options: FoldOptions, { accumulator }: FoldChoices): void {
  if (!SCHEMES.has(options.sumScheme)) {
    throw new PairfoldError(
      "syntax",
      `${op}: got sumScheme "${options.sumScheme}"; expected one of ${[...SCHEMES].join(", ")}`,
    );
  }
  if (options.accumulator === undefined) {
    throw new PairfoldError(
      "dtype",
      `${op}: got accumulator "${accumulator}"; expected "float32" or "float64"`,
    );
  }
}

/** How tensor cores may multiply; refuses what is no way to do so. */
export function productsOf({ choices, reduction }: FoldRequest): Pick<Fold, "products"> {
  const { products = "float32" } = choices;
  if (products === "float32") return {};
  if (products === "tf32x3" || products === "tf32") return { products };
  throw new PairfoldError(
    "syntax",
    `${reduction}: got products ${JSON.stringify(products)}; ` +
      `expected "float32", "tf32x3" or "tf32"`,
  );
}
