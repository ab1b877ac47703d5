// Derivatives through folds: for each variable one fold, as the reduction's table says.

import type { Tensor } from "../tensor/mod.ts";
import { NO_BATCH } from "./batch.ts";
import { foldDifferential } from "./differential.ts";
import { provideFoldRule } from "./fold.ts";
import { foldGradients } from "./gradient.ts";
import { reshape } from "./linear.ts";

provideFoldRule((request, variables, outputs) => {
  const tensors = variables.map(({ slot }) => request.inputs.get(slot) as Tensor);
  return {
    // of two outputs the second holds indices
    vjp: ([cotangent], wanted) => {
      if (cotangent === null) return variables.map(() => null);
      const own = variables.filter((_, position) => wanted[position]);
      const found = foldGradients({ ...request, cotangent, outputs }, own);
      return variables.map((v, position) => {
        const g = wanted[position] ? found[own.indexOf(v)] : null;
        return g === null ? null : reshape(g, tensors[position].shape);
      });
    },
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
        slot === 0 ? foldDifferential({ ...request, tangents, outputs }) : null
      );
    },
  };
});
