// Lists of smallest values that are longer than the fold: what there is, and what is missing behind
// it. A kernel's lists take memory, and a long while to sort, whether or not anything is in them.

import { reductions } from "../reduction/mod.ts";
import { full, type Tensor } from "../tensor/mod.ts";
import { NO_BATCH } from "./batch.ts";
import { fold as foldWhole } from "./fold.ts";
import { concatenate } from "./movement.ts";
import type { FoldRequest } from "./request.ts";

/** Lists up to this length are left to the kernel, which fills them with what is missing. */
const LONG = 1024;

/** Deferred results of a fold, one for each output of the reduction. */
export function fold(request: FoldRequest): Tensor[] {
  const { reduction, axis, M, N, k, batch = NO_BATCH } = request;
  const columns = Math.max(1, axis === "j" ? N : M);
  const isLonger = reductions[reduction].isList && k > LONG && k > columns &&
    request.segments === undefined;
  if (!isLonger) return foldWhole(request);
  const place = batch.shape.length + 1;
  return foldWhole({ ...request, k: columns }).map((found) => {
    const shape = found.shape.with(place, k - columns);
    const missing = found.dtype === "int32" ? -1 : Infinity;
    return concatenate([found, full(shape, missing, { dtype: found.dtype })], place);
  });
}
