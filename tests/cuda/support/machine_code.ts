// Compiles headline kernels by the real NVRTC through the shim and counts what their inner loops
// take; prints one line of JSON per kernel and architecture. Arguments: architectures, then names
// (default all) or dims and widths of Gaussians, as 65x1, or 65x1f64 in doubles.

import { emitCuda, OPTIONS } from "../../../src/emit/cuda/mod.ts";
import { Shim } from "../../../src/engine/cuda/shim.ts";
import {
  chooseCudaSchedule,
  type CudaSchedule,
  MACHINE_CODE,
  patchOf,
} from "../../../src/tiling/mod.ts";
import type { Kernel } from "../../../src/loop/mod.ts";
import { type Headline, HEADLINES, kernelMatrix } from "./headlines.ts";
import { bankConflicts } from "./banks.ts";
import { tileOf, type Times, timesOf } from "./patch_code.ts";
import {
  type Code,
  disassemble,
  DOUBLES,
  floatsLoaded,
  mirrorLoop,
  notesOf,
  pairLoop,
} from "./sass.ts";

/** Dims and width of a Gaussian. */
type Other = `${number}x${number}` | `${number}x${number}f64`;

/** What the machine code of a fold takes. */
export interface Measured {
  readonly name: Headline | Other;
  readonly architecture: number;
  readonly schedule: CudaSchedule;
  /** Of one turn of the inner loop, on the shortest way through it; of one tile in patches. */
  readonly turn: {
    readonly instructions: number;
    /** Single and double precision sums, products and fused ones. */
    readonly arithmetic: number;
    /** Instructions of the unit for exponentials, roots and reciprocals. */
    readonly special: number;
    /** Floats that come from shared memory. */
    readonly shared: number;
    /** Loads and stores of local memory. */
    readonly local: number;
    /** Sums of products on tensor cores, a thread's share. */
    readonly products: number;
    /** Sums, products and comparisons of doubles. */
    readonly doubles: number;
    /** Turns of the banks of shared memory beyond those that the bytes need; null: not known. */
    readonly conflicts: number | null;
  };
  readonly registers: number;
  readonly stack: number;
  /** What compiling took, in milliseconds: for people, no test looks at it. */
  readonly milliseconds: number;
}

/** A thread's share of 16 × 8 × 8 products. */
const PRODUCTS = 32;

/** The instructions of a turn, or of a tile in patches, and how often they run. */
function turnOf(code: Code, kernel: Kernel, schedule: CudaSchedule): Times | null {
  const patch = schedule.chunk > 0 ? patchOf(kernel) : null;
  if (patch !== null) return tileOf(code, schedule, patch.counter.count);
  const loop = kernel.mirror === null ? pairLoop(code) : mirrorLoop(code);
  return loop && new Map(loop.path.map((one) => [one, 1]));
}

function kernelOf(name: Measured["name"]): Kernel {
  if (name in HEADLINES) return HEADLINES[name as Headline]();
  const [dim, width] = name.replace("f64", "").split("x").map(Number);
  return kernelMatrix(dim, width, name.endsWith("f64") ? "f64" : "f32");
}

export async function measure(
  shim: Shim,
  name: Measured["name"],
  architecture: number,
  schedule?: CudaSchedule,
): Promise<Measured> {
  const kernel = kernelOf(name);
  const chosen = schedule ?? chooseCudaSchedule(kernel, 1e6);
  const emitted = emitCuda(kernel, chosen);
  const entry = emitted.mirror === null ? "fold" : "mirror";
  const source = emitted.mirror?.source() ?? emitted.source;
  const begin = performance.now();
  const { binary } = await shim.compileBinary(architecture, source, "kernel.cu", OPTIONS);
  const milliseconds = Math.round(performance.now() - begin);
  const code = (await disassemble(binary)).get(entry);
  const notes = notesOf(binary).get(entry);
  const turn = code === undefined ? null : turnOf(code, kernel, chosen);
  if (turn === null || notes === undefined) throw new Error(`${name}: no inner loop`);
  const conflicts = bankConflicts(code!);
  const inTurn = [...turn].reduce(
    (sum, [one, times]) => sum + times * (conflicts.get(one) ?? 0),
    0,
  );
  return {
    name,
    architecture,
    schedule: chosen,
    turn: {
      instructions: [...turn.values()].reduce((sum, times) => sum + times, 0),
      arithmetic: timesOf(turn, "FADD", "FMUL", "FFMA", "DADD", "DMUL", "DFMA"),
      special: timesOf(turn, "MUFU"),
      shared: [...turn].reduce((sum, [one, times]) => sum + times * floatsLoaded([one]), 0),
      local: timesOf(turn, "LDL", "STL"),
      products: PRODUCTS * timesOf(turn, "HMMA"),
      doubles: timesOf(turn, ...DOUBLES),
      conflicts: Number.isFinite(inTurn) ? inTurn : null,
    },
    ...notes,
    milliseconds,
  };
}

if (import.meta.main) {
  const architectures = Deno.args.filter((a) => /^\d+$/.test(a)).map(Number);
  const names = Object.keys(HEADLINES) as Headline[];
  const isOther = (name: string): name is Other => /^\d+x\d+(f64)?$/.test(name);
  const wanted = [
    ...names.filter((name) => Deno.args.includes(name)),
    ...Deno.args.filter(isOther),
  ];
  const shim = Shim.openSync();
  shim.openNvrtc();
  const queue = (wanted.length > 0 ? wanted : names)
    .flatMap((name) =>
      architectures.filter((a) => isOther(name) || `sm_${a}` in MACHINE_CODE[name].instructions)
        .map((architecture) => ({ name, architecture }))
    );
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      console.log(JSON.stringify(await measure(shim, next.name, next.architecture)));
    }
  };
  await Promise.all([work(), work()]);
}
