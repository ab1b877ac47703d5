// Compiles headline kernels by the real NVRTC through the shim and counts what their inner loops take;
// prints one line of JSON per kernel and architecture. Arguments: architectures, then names (default all)
// or dims and widths of Gaussians, as 65x1.

import { emitCuda, OPTIONS } from "../../../src/emit/cuda/mod.ts";
import { Shim } from "../../../src/engine/cuda/shim.ts";
import { chooseCudaSchedule, type CudaSchedule } from "../../../src/tiling/mod.ts";
import type { Kernel } from "../../../src/loop/mod.ts";
import { type Headline, HEADLINES, kernelMatrix } from "./headlines.ts";
import { countOf, disassemble, floatsLoaded, notesOf, pairLoop, scatteredLoads } from "./sass.ts";

/** What the machine code of a fold takes. */
export interface Measured {
  readonly name: Headline | `${number}x${number}`;
  readonly architecture: number;
  readonly schedule: CudaSchedule;
  /** Of one turn of the inner loop, on the shortest way through it. */
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
    /** Whether all threads read shared memory at one address, so that no two banks are in conflict. */
    readonly isBroadcast: boolean;
  };
  readonly registers: number;
  readonly stack: number;
  /** What compiling took, in milliseconds: for people, no test looks at it. */
  readonly milliseconds: number;
}

function kernelOf(name: Measured["name"]): Kernel {
  if (name in HEADLINES) return HEADLINES[name as Headline]();
  const [dim, width] = name.split("x").map(Number);
  return kernelMatrix(dim, width);
}

export async function measure(
  shim: Shim,
  name: Measured["name"],
  architecture: number,
  schedule?: CudaSchedule,
): Promise<Measured> {
  const kernel = kernelOf(name);
  const chosen = schedule ?? chooseCudaSchedule(kernel, 1e6);
  const { source } = emitCuda(kernel, chosen);
  const begin = performance.now();
  const { binary } = await shim.compileBinary(architecture, source, "kernel.cu", OPTIONS);
  const milliseconds = Math.round(performance.now() - begin);
  const code = (await disassemble(binary)).get("fold");
  const notes = notesOf(binary).get("fold");
  const loop = code === undefined ? null : pairLoop(code);
  if (loop === null || notes === undefined) throw new Error(`${name}: no inner loop`);
  const { path } = loop;
  const scattered = scatteredLoads(code!);
  return {
    name,
    architecture,
    schedule: chosen,
    turn: {
      instructions: path.length,
      arithmetic: countOf(path, "FADD", "FMUL", "FFMA", "DADD", "DMUL", "DFMA"),
      special: countOf(path, "MUFU"),
      shared: floatsLoaded(path),
      local: countOf(path, "LDL", "STL"),
      isBroadcast: !path.some((i) => scattered.has(i)),
    },
    ...notes,
    milliseconds,
  };
}

if (import.meta.main) {
  const architectures = Deno.args.filter((a) => /^\d+$/.test(a)).map(Number);
  const names = Object.keys(HEADLINES) as Headline[];
  const isOther = (name: string): name is `${number}x${number}` => /^\d+x\d+$/.test(name);
  const wanted = [
    ...names.filter((name) => Deno.args.includes(name)),
    ...Deno.args.filter(isOther),
  ];
  const shim = Shim.openSync();
  shim.openNvrtc();
  const queue = (wanted.length > 0 ? wanted : names)
    .flatMap((name) => architectures.map((architecture) => ({ name, architecture })));
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      console.log(JSON.stringify(await measure(shim, next.name, next.architecture)));
    }
  };
  await Promise.all([work(), work()]);
}
