// Kernel and schedule to a WebAssembly module: bytes for the engine, text for people. Pure.
//
// `pack` writes column records; `fold` runs groups of rows over packed columns, by calls of `tile`,
// one group each, so that V8's optimising tier takes over between calls. `combine` joins the states
// of column splits and finishes; it is a module of its own, because few launches need it.

import type { Kernel, Type } from "../../loop/mod.ts";
import { checkSchedule, type WasmSchedule } from "../../tiling/mod.ts";
import { assemble, type FunctionBody } from "./assembler.ts";
import { ModuleContext } from "./context.ts";
import { type Layout, MINIMUM_PAGES, PARAMETERS } from "./layout.ts";
import { emitMirror } from "./mirror.ts";
import { emitGroups, emitJoin, emitPack } from "./passes.ts";
import type { WasmFeatures } from "./spelling.ts";
import { emitTile } from "./tile.ts";

export { vectorOf } from "./constants.ts";
export type { WasmFeatures } from "./spelling.ts";
export {
  columnBytes,
  type ColumnRecords,
  CONSTANTS_ADDRESS,
  CONSTANTS_END,
  FLAGS,
  isLinear,
  JOB,
  type Layout,
  MINIMUM_PAGES,
  MIRROR_STATES,
  PARAMETERS,
  VECTOR_BYTES,
} from "./layout.ts";

/** Pages that a module's memory may have at most. */
export const MAXIMUM_PAGES = 65536;

/** An emitted kernel. */
export interface WasmModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly layout: Layout;
  /** Vector constants, to stand from CONSTANTS_ADDRESS on; `combine` may add some. */
  readonly constants: readonly { readonly type: Type; readonly value: number }[];
  /** The module that joins states, emitted when first needed, and the scratch that it needs. */
  readonly combine: () => {
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly scratchBytes: number;
  };
  /** The functions as text; made when asked for. */
  readonly text: () => string;
}

/** Functions before those for points with themselves. */
const OTHERS = 3;

/** Folding and packing. */
function mainOf(module: ModuleContext): FunctionBody[] {
  const mirror = emitMirror(module, OTHERS);
  const strip = mirror.length === 0 ? null : OTHERS + mirror.length - 1;
  const fold = emitGroups(module, "fold", PARAMETERS.fold, 0, strip);
  return [emitTile(module), fold, emitPack(module), ...mirror];
}

function combiningOf(module: ModuleContext): FunctionBody[] {
  return [emitJoin(module), emitGroups(module, "combine", PARAMETERS.combine, 0)];
}

function textOf(kernel: Kernel, schedule: WasmSchedule, features: WasmFeatures): string {
  const module = new ModuleContext(kernel, schedule, features, true);
  return [...mainOf(module), ...combiningOf(module)].map((f) => f.text()).join("\n");
}

/** Emits a kernel. Throws `PairfoldError` (compile) for a schedule that it cannot have. */
export function emitWasm(
  kernel: Kernel,
  schedule: WasmSchedule,
  features: WasmFeatures,
): WasmModule {
  checkSchedule(schedule);
  const module = new ModuleContext(kernel, schedule, features, false);
  const { shared } = features;
  const assembled = (
    functions: readonly FunctionBody[],
    hasOwn = false,
  ): Uint8Array<ArrayBuffer> => {
    const { globals } = module;
    const memory = { shared, minimum: MINIMUM_PAGES, maximum: MAXIMUM_PAGES };
    return assemble(functions, { ...memory, globals, hasOwn });
  };
  const functions = mainOf(module);
  const bytes = assembled(functions, module.usesOwn);
  return {
    bytes,
    layout: {
      ...module.sizes,
      scratchBytes: module.scratch.bytes + (module.walk?.sumBytes ?? 0),
      mirror: module.walk,
      packScratchBytes: module.packScratch.bytes,
    },
    constants: module.pool.entries,
    combine: () => {
      const combining = assembled(combiningOf(module));
      return { bytes: combining, scratchBytes: module.scratch.bytes };
    },
    text: () => textOf(kernel, schedule, features),
  };
}
