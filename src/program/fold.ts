// Deferred folds: formulas over tensors, canonicalised, planned once per structure, run on reading.

import type { RunControl } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { topological, type VariableNode } from "../formula/mod.ts";
import { reductions, resultShape } from "../reduction/mod.ts";
import { type DType, storageOf, Tensor, TensorStorage } from "../tensor/mod.ts";
import { NO_BATCH } from "./batch.ts";
import { centred } from "./centre.ts";
import { FoldRun } from "./fold_run.ts";
import type { FoldRequest } from "./request.ts";
import { withScaleInPoints } from "./scale_rule.ts";
import { isTraced, record, type Rule } from "./trace.ts";

/** Runs a fold whose results belong to storages that are there already. */
export function foldInto(
  request: FoldRequest,
  outputs: readonly TensorStorage[],
  control: RunControl,
): Promise<void> {
  return new FoldRun(request, outputs).join(control);
}

/** What would run for a request, for people. */
export function explainFold(request: FoldRequest): string {
  const nowhere = new TensorStorage(() => Promise.resolve(), () => "");
  const run = new FoldRun(request, [nowhere]);
  for (const storage of run.needs) storage.readers--; // nothing reads them for this
  return run.explain();
}

/** Shape of each output of a fold; rows are those of the kept axis unless the request says. */
export function shapeOf(request: FoldRequest): number[] {
  const { reduction, formula, weight, k, axis, M, N, batch = NO_BATCH } = request;
  const rows = request.outputRows ?? (axis === "j" ? M : N);
  return [...batch.shape, ...resultShape(reduction, rows, formula.dim, k, weight?.dim ?? 0)];
}

/** The run that a tensor is the (first) output of, as long as it has not run. */
export function runOf(t: Tensor): FoldRun | null {
  const { origin } = storageOf(t);
  return origin instanceof FoldRun && origin.outputs[0] === storageOf(t) ? origin : null;
}

/** Says how a fold is differentiated. */
export type FoldRule = (
  request: FoldRequest,
  variables: readonly VariableNode[],
  outputs: readonly Tensor[],
) => Rule;

let ruleOfFolds: FoldRule | null = null;

/** Derivatives of folds are folds again, so that their rule comes from a file after this one. */
export function provideFoldRule(rule: FoldRule): void {
  ruleOfFolds = rule;
}

/** The fold with its distances computed as its choices say. */
function withDistances(request: FoldRequest): FoldRequest {
  const { distances = "auto" } = request.choices;
  if (distances === "auto") return withScaleInPoints(request);
  if (distances === "direct") return request;
  if (distances === "centred") return centred(request, fold);
  throw new PairfoldError(
    "syntax",
    `${request.reduction}: got distances ${
      JSON.stringify(distances)
    }; expected "auto", "direct" or "centred"`,
  );
}

/** The run of a fold: pairs that are met once save more than a scale that is in the points. */
function runFor(request: FoldRequest): FoldRun {
  const asked = withDistances(request);
  const run = new FoldRun(asked);
  const isRule = asked.scaling !== undefined && asked.formula !== request.formula;
  if (!isRule || run.hasMirror !== false) return run;
  const scaling = "at each pair: each is met once, which saves more";
  const plain = new FoldRun({ ...request, scaling });
  const [taken, left] = plain.hasMirror ? [plain, run] : [run, plain];
  for (const storage of left.needs) storage.readers--; // nothing reads them for this
  return taken;
}

/** A fold's outputs as deferred tensors, one per output of the reduction. */
export function fold(request: FoldRequest): Tensor[] {
  const run = runFor(request);
  const { reduction, dtype } = request;
  const shape = shapeOf(request);
  const { outputs } = run;
  const results = reductions[reduction].outputs.map((number, slot) => {
    const outputType: DType = number === "index" ? "int32" : dtype;
    return new Tensor(shape, outputType, outputs[slot]);
  });
  noteFold(request, results);
  return results;
}

/** Tells those who watch an input. */
function noteFold(request: FoldRequest, outputs: readonly Tensor[]): void {
  const { formula, weight, inputs } = request;
  if (!isTraced(inputs.values())) return;
  const variables: VariableNode[] = [];
  const tensors: Tensor[] = [];
  for (const node of topological(...weight ? [formula, weight] : [formula])) {
    const t = node.kind === "variable" ? inputs.get(node.slot) : undefined;
    if (node.kind !== "variable" || t === undefined || t.dtype === "int32") continue;
    variables.push(node);
    tensors.push(t);
  }
  record(tensors, outputs, () => {
    if (ruleOfFolds !== null && request.segments === undefined) {
      return ruleOfFolds(request, variables, outputs);
    }
    throw new PairfoldError("internal", "a fold over rectangles has no derivative of its own");
  });
}
