// The loop IR: values, regions, builder, passes, verifier, printer.

export { Builder, SCALARS } from "./builder.ts";
export { type Contraction, contractionOf } from "./contraction.ts";
export { RowCopies } from "./copies.ts";
export { Names } from "./names.ts";
export { interpretUniform } from "./interpret.ts";
export { numberText, runSteps, uniformRecord, type UniformStep, uniformSteps } from "./uniform.ts";
export { type Deferred, deferredOf } from "./deferred.ts";
export { tilesOf, type UpdateTile } from "./tiles.ts";
export * from "./ir.ts";
export * from "./kernel.ts";
export type { MathFunctions, UniformScale } from "./math.ts";
export {
  chainByChain,
  delayLoads,
  operands,
  placesIn,
  reads,
  removeDead,
  sink,
  touches,
  visit,
} from "./passes.ts";
export { EITHER_NAN } from "./guarded.ts";
export { replicate, type Replication } from "./replicate.ts";
export { pipeline, type Pipelined } from "./pipeline.ts";
export * from "./place.ts";
export { divisorRoots } from "./roots.ts";
export { printKernel, printRegion } from "./print.ts";
export { verifyKernel, verifyRegion } from "./verify.ts";
