// Derivatives through folds: for each variable one fold, as the reduction's table says.

import type { Tensor } from "../tensor/mod.ts";
import { NO_BATCH } from "./batch.ts";
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
      const { M, N, batch = NO_BATCH } = request;
      const tangents = variables.flatMap((variable, position) => {
        const t = moved[position];
        if (t === null) return [];
        const { axis, slot, dim } = variable;
        const rows = axis === "i" ? M : axis === "j" ? N : 1;
        const tangent = reshape(t, [...batch.of.get(slot) ?? [], rows, dim]);
        return [{ variable, tangent }];
      });
      return outputs.map((_, slot) =>
        slot === 0 ? foldDifferential({ ...request, tangents }) : null
      );
    },
  };
});
