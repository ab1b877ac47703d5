// The derivative of a solve, by the implicit rule: of (K + α) x = b it is (K + α) dx = db − dK x, so
// that reverse and forward mode are one more solve each and derivatives of the product K x.

import { build, topological, variable, type VariableNode } from "../formula/mod.ts";
import {
  type FoldChoices,
  foldDifferential,
  foldGradients,
  type FoldRequest,
  record,
  reshape,
} from "../program/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { foldInputs } from "./readable.ts";
import type { Symbolic } from "./symbolic.ts";

/** A solve by a symmetric matrix of scalars, and how to solve again for another right-hand side. */
export interface SolveRecord {
  readonly matrix: Symbolic;
  readonly b: Tensor;
  readonly x: Tensor;
  readonly again: (b: Tensor) => Tensor;
  readonly choices: FoldChoices;
}

/** Tells those who watch the tensors of the matrix, or the right-hand side. */
export function recordSolve({ matrix, b, x, again, choices }: SolveRecord): void {
  const variables: VariableNode[] = [];
  const tensors: Tensor[] = [];
  for (const node of topological(matrix.formula)) {
    const input = node.kind === "variable" ? matrix.inputs.byId.get(node.slot) : undefined;
    if (node.kind !== "variable" || input === undefined) continue;
    if (input.isNumber || input.tensor.dtype === "int32") continue;
    variables.push(node);
    tensors.push(input.tensor);
  }
  const rows = x.shape[0];
  const width = x.size / rows;
  /** K x as a fold. */
  const product = (): FoldRequest => {
    const own = reshape(x.astype(matrix.dtype), [rows, width]);
    const { inputs, ...size } = foldInputs(matrix.formula, matrix.inputs);
    return {
      ...size,
      formula: build.mul(matrix.formula, variable(own.id, "j", width)),
      inputs: new Map([...inputs, [own.id, own]]),
      reduction: "sum",
      axis: "j",
      dtype: matrix.dtype,
      k: 1,
      choices,
    };
  };
  record([...tensors, b], [x], () => ({
    vjp: ([g], wanted) => {
      if (g === null) return [...tensors.map(() => null), null];
      const weights = again(g);
      const moving = variables.filter((_, k) => wanted[k]);
      const cotangent = reshape(weights.astype(matrix.dtype).neg(), [rows, width]);
      const found = moving.length === 0 ? [] : foldGradients({ ...product(), cotangent }, moving);
      const gradients = variables.map((v, k) => {
        const own = wanted[k] ? found[moving.indexOf(v)] : null;
        return own === null ? null : reshape(own, tensors[k].shape);
      });
      return [...gradients, wanted[tensors.length] ? weights : null];
    },
    jvp: (tangents) => {
      const request = product();
      const directions = variables.flatMap((v, k) => {
        const t = tangents[k];
        if (t === null) return [];
        const count = v.axis === "i" ? request.M : v.axis === "j" ? request.N : 1;
        return [{ variable: v, tangent: reshape(t, [count, v.dim]) }];
      });
      const own = tangents[tensors.length];
      if (directions.length === 0) return [own === null ? null : again(own)];
      const moved = foldDifferential({ ...request, tangents: directions }).neg();
      const change = reshape(moved.astype(x.dtype), x.shape);
      return [again(own === null ? change : change.add(own))];
    },
  }));
}
