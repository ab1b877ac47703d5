// Quotients by a square root, for targets that have 1 / √x without the divider.

import type { FloatType, Region, Value } from "./ir.ts";
import { reads, visit } from "./passes.ts";

/** The square roots of a region, those inside it too, that are divisors and nothing else. */
export function divisorRoots(root: Region, float: FloatType): Set<Value> {
  const isRoot = (value: Value): boolean =>
    value.kind === "operation" && value.operation === "sqrt" && value.type === float;
  const found = new Set<Value>();
  const others = new Set<Value>();
  visit(root, (s) => {
    if (s.kind === "let") {
      const { value } = s;
      if (isRoot(value)) found.add(value);
      if (value.kind !== "operation") return;
      value.args.forEach((a, k) => {
        if (isRoot(a) && !(value.operation === "div" && k === 1)) others.add(a);
      });
    } else if (s.kind !== "for" && s.kind !== "when") {
      for (const value of reads(s)) others.add(value);
    }
  });
  for (const value of others) found.delete(value);
  return found;
}
