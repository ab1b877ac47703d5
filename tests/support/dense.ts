// What a symbolic matrix should hold: its formula evaluated by the reference at all pairs.

import { assert } from "@std/assert";
import type { Symbolic, Tensor } from "../../mod.ts";
import { ReferenceEvaluator } from "../../src/engine/mod.ts";
import { topological } from "../../src/formula/mod.ts";

/** All entries [M, N, formula dim], in float64. */
export async function referenceDense(matrix: Symbolic): Promise<Float64Array> {
  const { formula, inputs } = matrix;
  const [M, N] = matrix.shape;
  const given: { data: ArrayLike<number>; dim: number }[] = [];
  for (const node of topological(formula)) {
    if (node.kind !== "variable") continue;
    const input = inputs.byId.get(node.slot);
    assert(input !== undefined, `no tensor for slot ${node.slot}`);
    given[node.slot] = { data: await input.tensor.data(), dim: node.dim };
  }
  const evaluator = new ReferenceEvaluator(formula, given);
  const out = new Float64Array(M * N * formula.dim);
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) out.set(evaluator.at(i, j), (i * N + j) * formula.dim);
  }
  return out;
}

/** Throws unless numbers agree: bit for bit where not finite, else within a relative tolerance. */
export function checkNumbers(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert(got.length === want.length, `${what}: got ${got.length} numbers, want ${want.length}`);
  for (let k = 0; k < want.length; k++) {
    const scale = Math.max(1e-3, Math.abs(want[k]));
    const isClose = Object.is(got[k], want[k]) || Math.abs(got[k] - want[k]) <= tolerance * scale;
    assert(isClose, `${what}: entry ${k} is ${got[k]}, want ${want[k]}`);
  }
}

/** Holds a tensor against a matrix's entries. */
export async function checkDense(
  got: Tensor,
  matrix: Symbolic,
  tolerance: number,
  what: string,
): Promise<void> {
  const [M, N] = matrix.shape;
  const shape = [M, N, matrix.formula.dim];
  assert(got.shape.join() === shape.join(), `${what}: shape [${got.shape}], want [${shape}]`);
  checkNumbers(await got.data(), await referenceDense(matrix), tolerance, what);
}
