// Compiles kernels with panels by the real NVRTC through the shim and counts what their three loops
// take; prints one line of JSON per kernel and architecture. Arguments: architectures.

import { emitCuda, OPTIONS } from "../../../src/emit/cuda/mod.ts";
import { Shim } from "../../../src/engine/cuda/shim.ts";
import { contractionOf } from "../../../src/loop/mod.ts";
import { chooseCudaSchedule, type PanelCode, PATCH, PATCHES } from "../../../src/tiling/mod.ts";
import { bankConflicts } from "./banks.ts";
import { PANEL_HEADLINES, type PanelHeadline } from "./headlines.ts";
import {
  type Code,
  countOf,
  disassemble,
  DOUBLES,
  floatsLoaded,
  type Instruction,
  type Loop,
  loopsOf,
  notesOf,
} from "./sass.ts";

/** What the machine code of a fold takes, as PANEL_CODE has it for all architectures. */
export interface PanelMeasured extends Omit<PanelCode, "instructions"> {
  readonly name: PanelHeadline;
  readonly architecture: number;
  readonly instructions: PanelCode["instructions"]["sm_90"];
  /** Turns of the banks beyond those that the bytes need, in these loops; null: not known. */
  readonly conflicts: number | null;
  /** What compiling took, in milliseconds: for people, no test looks at it. */
  readonly milliseconds: number;
}

/** Fused products and sums. */
const FUSED = ["FFMA", "DFMA"] as const;

/** Of some loops the one with most instructions of a kind. */
function most(loops: readonly Loop[], ...names: string[]): Loop | undefined {
  return loops.toSorted((a, b) => countOf(b.path, ...names) - countOf(a.path, ...names))[0];
}

/** The loops of a panel: over chunks of patches, over values, over products. */
export function panelLoops(code: Code) {
  const loops = loopsOf(code).filter(({ path }) => countOf(path, "LDS") > 0);
  const inner = loops.filter((loop) =>
    !loops.some((o) => o !== loop && o.head >= loop.head && o.tail <= loop.tail) &&
    countOf(loop.path, "BAR") === 0
  );
  const walk = most(
    inner.filter(({ path }) => countOf(path, "STS") > 0),
    ...["MUFU", "FMUL", "FADD", "DMUL", "DADD"],
  );
  const waiting = loops.filter(({ path }) => countOf(path, "BAR") > 0);
  const chunk = waiting.find((loop) =>
    countOf(loop.path, ...FUSED) >= 64 &&
    !waiting.some((o) => o !== loop && o.head >= loop.head && o.tail <= loop.tail)
  );
  const isWithin = (loop: Loop): boolean =>
    chunk !== undefined && chunk.head <= loop.head && loop.tail <= chunk.tail;
  const products = inner.filter((loop) => countOf(loop.path, "STS") === 0 && !isWithin(loop));
  const quads =
    inner.find((loop) => loop !== chunk && isWithin(loop) && countOf(loop.path, ...FUSED) >= 64) ??
      null;
  return { walk, chunk, quads, products };
}

async function measure(
  shim: Shim,
  name: PanelHeadline,
  architecture: number,
): Promise<PanelMeasured> {
  const kernel = PANEL_HEADLINES[name]();
  const schedule = chooseCudaSchedule(kernel, 1e6);
  const { source } = emitCuda(kernel, schedule);
  const begin = performance.now();
  const { binary } = await shim.compileBinary(architecture, source, "kernel.cu", OPTIONS);
  const milliseconds = Math.round(performance.now() - begin);
  const code = (await disassemble(binary)).get("fold");
  const notes = notesOf(binary).get("fold");
  if (code === undefined || notes === undefined) throw new Error(`${name}: no fold`);
  const { walk, chunk, quads, products } = panelLoops(code);
  const product = most(products, ...FUSED);
  if (walk === undefined || product === undefined) throw new Error(`${name}: no panel`);
  const contraction = schedule.chunk === 0 ? null : contractionOf(kernel);
  const chunks = contraction === null ? 0 : Math.ceil(contraction.counter.count / schedule.chunk);
  // a loop over some of a chunk's components runs until they are met, one fused product per pair
  const pairs = PATCH * PATCHES[kernel.float].columns;
  const turns = quads === null ? 1 : pairs * schedule.chunk / countOf(quads.path, ...FUSED);
  const again = quads === null ? 0 : (turns - 1) * quads.path.length;
  // all of it: the shortest way stages nothing
  const ofChunk = chunk === undefined ? [] : code.instructions.slice(chunk.head, chunk.tail + 1);
  const counted = (count: (list: readonly Instruction[]) => number) => ({
    chunk: count(ofChunk) + (quads === null ? 0 : (turns - 1) * count(quads.path)),
    walk: count(walk.path),
    product: count(product.path),
  });
  const conflicts = bankConflicts(code);
  const met = [...ofChunk, ...walk.path, ...product.path];
  const more = met.reduce((sum, one) => sum + (conflicts.get(one) ?? 0), 0);
  return {
    name,
    architecture,
    slices: Math.ceil(kernel.outputs[0].dim / schedule.slice),
    chunks,
    instructions: {
      chunk: chunk === undefined ? 0 : chunk.tail - chunk.head + 1 + again,
      walk: walk.path.length,
      product: product.path.length,
    },
    shared: counted(floatsLoaded),
    doubles: counted((list) => countOf(list, ...DOUBLES)),
    conflicts: Number.isFinite(more) ? more : null,
    local: countOf([...walk.path, ...product.path], "LDL", "STL"),
    registers: notes.registers,
    milliseconds,
  };
}

if (import.meta.main) {
  const shim = Shim.openSync();
  shim.openNvrtc();
  for (const architecture of Deno.args.map(Number)) {
    for (const name of Object.keys(PANEL_HEADLINES) as PanelHeadline[]) {
      console.log(JSON.stringify(await measure(shim, name, architecture)));
    }
  }
}
