// Functions of doubles are some thirty instructions, with a branch for what is rare: where many of
// them stand side by side, compiling takes long. There they are a loop over an array in memory,
// some at a time.
//
// Enters: a region. Leaves: the runs of such functions.

import type { Lines } from "../c/lines.ts";
import { operation, TYPES } from "./spelling.ts";
import { MATH_OPERATIONS, type Region, type Statement, type Value } from "../../loop/mod.ts";

/** A function of one argument. */
export type Function = Value & { readonly kind: "operation" };

/** A part of a region as it is written: a run is one function of several arguments. */
export type Part =
  | { readonly kind: "region"; readonly region: Region }
  | { readonly kind: "run"; readonly functions: readonly Function[] };

/** Functions side by side from which on they are a loop. */
const MANY = 16;
/**
 * Functions of a loop's turn: as many as hide one another's waits. Of 32 exponentials, by 2, 4 and
 * 8 a gradient of 64 dimensions takes 442, 436 and 455 ms to compile, 549 without a loop (Xeon).
 */
const FUNCTIONS_OF_TURN = 4;

/** The function that a statement computes; null where there is none, or it is short. */
function functionIn(s: Statement): Function | null {
  if (s.kind !== "let" || s.value.kind !== "operation" || s.value.type !== "f64") return null;
  const { operation, args } = s.value;
  const isLong = operation in MATH_OPERATIONS || operation === "sqrt";
  return isLong && args.length === 1 ? s.value : null;
}

/** A region in parts; whole where it has no runs. */
export function partsOf(region: Region): Part[] {
  const all = region.statements;
  // appends take effect at the end of their region
  if (all.some(({ kind }) => kind === "append")) return [{ kind: "region", region }];
  const parts: Part[] = [];
  let begin = 0;
  for (let at = 0; at < all.length; at++) {
    const first = functionIn(all[at]);
    if (first === null) continue;
    const functions = [first];
    while (at + functions.length < all.length) {
      const next = functionIn(all[at + functions.length]);
      if (next?.operation !== first.operation) break;
      functions.push(next);
    }
    const isRun = functions.length >= MANY && functions.length % FUNCTIONS_OF_TURN === 0;
    if (isRun) {
      parts.push({ kind: "region", region: { ...region, statements: all.slice(begin, at) } });
      parts.push({ kind: "run", functions });
      begin = at + functions.length;
    }
    at += functions.length - 1;
  }
  if (begin === 0) return [{ kind: "region", region }];
  parts.push({ kind: "region", region: { ...region, statements: all.slice(begin) } });
  return parts;
}

/** Writes a run as a loop over an array, which begins with the arguments. */
export function writeRun(
  lines: Lines,
  array: string,
  functions: readonly Function[],
  given: readonly string[],
): void {
  const [{ operation: name, type }] = functions;
  const one = `${array}[q + e]`;
  const turn = operation(name, type, type, [one], 0);
  lines.add(
    `__align__(16) ${TYPES[type]} ${array}[${functions.length}] = { ${given.join(", ")} };`,
    "#pragma unroll 1",
  );
  lines.block(`for (int q = 0; q < ${functions.length}; q += ${FUNCTIONS_OF_TURN})`, () => {
    lines.add("#pragma unroll", `for (int e = 0; e < ${FUNCTIONS_OF_TURN}; ++e) ${one} = ${turn};`);
  });
}
