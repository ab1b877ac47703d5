// Which inner loops a CUDA kernel has, where rows may have factors that are not finite.

import type { Region } from "../loop/mod.ts";

/** The inner loop, and the one for special rows where they have one of their own. */
export interface InnerLoops {
  readonly pair: Region;
  readonly careful: Region | null;
}

/** What the careful loop may take more, as a share, if it is to be the only one. */
const LITTLE = 0.05;

/** Operations of a region, loops counted in full, branches as if they were taken. */
function allOperations({ statements }: Region): number {
  return statements.reduce((sum, s) => {
    if (s.kind === "for") return sum + s.count * allOperations(s.body);
    if (s.kind === "when") return sum + allOperations(s.body);
    return sum + (s.kind === "let" && s.value.kind === "operation" ? 1 : 0);
  }, 0);
}

/**
 * The careful loop gives all rows the bits of the other: where its factor is little beside all
 * else it is the only one, so that there is half as much to compile.
 */
export function innerLoops({ pair, careful }: InnerLoops): InnerLoops {
  if (careful === null) return { pair, careful };
  const isLittle = allOperations(careful) <= (1 + LITTLE) * allOperations(pair);
  return isLittle ? { pair: careful, careful: null } : { pair, careful };
}
