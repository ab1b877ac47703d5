// How tests run math functions through the whole pipeline, and judge what comes back.

import { assert } from "@std/assert";
import { wasm } from "../../mod.ts";
import { detectFeatures } from "../../src/engine/wasm/features.ts";
import type { Node } from "../../src/formula/mod.ts";
import { fold, type FoldChoices } from "../../src/program/mod.ts";
import { type Tensor, tensor } from "../../src/tensor/mod.ts";
import type { Accuracy } from "./accuracy.ts";
import { FLOAT32, FLOAT64, type Format } from "./floats.ts";
import { full } from "./random.ts";
import type { Bound } from "./routines.ts";

export const FORMATS = [FLOAT32, FLOAT64] as const;

/** How multiply-adds are spelled; engines of one thread, so that nothing outlives a test. */
export const PATHS = [
  { name: "fused multiply-add", relaxedSimd: true, there: detectFeatures().relaxed },
  { name: "plain SIMD", relaxedSimd: false, there: true },
].map((path) => ({ ...path, device: wasm({ threads: 1, relaxedSimd: path.relaxedSimd }) }));
export type Path = typeof PATHS[number];

/** A sum over j of a formula of scalars: slot k holds the numbers of `inputs[k]`. */
export function foldScalars(
  formula: Node,
  inputs: readonly (readonly number[])[],
  format: Format,
  [M, N]: readonly [M: number, N: number],
  choices: FoldChoices,
): Tensor {
  const tensors = new Map(
    inputs.map((values, slot) => [slot, tensor(format.array(values), [values.length, 1])]),
  );
  const shape = { reduction: "sum", axis: "j", M, N, dtype: format.name, k: 1 } as const;
  return fold({ formula, inputs: tensors, ...shape, choices })[0];
}

/** Fails unless the largest error is within the bound. */
export function check(
  what: string,
  bound: Bound,
  { ulps, got, want }: Accuracy,
  argument: string,
): void {
  if (full) console.log(`${what}: ${ulps.toFixed(4)} ulp at ${argument}`);
  assert(
    ulps <= bound.ulps,
    `${what}: ${ulps} ulp at ${argument}: got ${got}, expected ${want}; the bound is ` +
      `${bound.ulps} ulp` + (bound.relative === 0 ? "" : ` beyond ${bound.relative} relative`),
  );
}

/** The sections of a fold's loop IR by name, without the generated source. */
export function sectionsOf(explanation: string): Map<string, string> {
  const sections = new Map<string, string>();
  let name = "";
  for (const line of explanation.split("generated source")[0].split("\n")) {
    if (!line.startsWith(" ")) name = line.replace(/( \(.*\))?:$/, "");
    else sections.set(name, `${sections.get(name) ?? ""}${line}\n`);
  }
  return sections;
}
