// Derivatives through folds: for each variable one fold, as the reduction's table says.

import { sizeOf, type Tensor } from "../tensor/mod.ts";
import { foldDifferential } from "./differential.ts";
import { provideFoldRule } from "./fold.ts";
import { foldGradient } from "./gradient.ts";
import { reshape } from "./linear.ts";

provideFoldRule((request, variables, outputs) => {
  const tensors = variables.map(({ slot }) => request.inputs.get(slot) as Tensor);
  return {
    // of two outputs the second holds indices
    vjp: ([cotangent], wanted) =>
      variables.map((variable, position) => {
        if (cotangent === null || !wanted[position]) return null;
        const g = foldGradient({ ...request, variable, cotangent });
        return reshape(g, tensors[position].shape);
      }),
    jvp: (moved) => {
      const tangents = variables.flatMap((variable, position) => {
        const t = moved[position];
        if (t === null) return [];
        const rows = variable.axis === "p" ? 1 : sizeOf(t.shape) / variable.dim;
        return [{ variable, tangent: reshape(t, [rows, variable.dim]) }];
      });
      return outputs.map((_, slot) =>
        slot === 0 ? foldDifferential({ ...request, tangents }) : null
      );
    },
  };
});
