// What is written once where an inner loop has a copy for each: code that the compiler need not see
// four times. Enters: a kernel and its schedule. Leaves: whether its columns are only copied, and
// which of its state stands in arrays over the rows of a tile.

import { type Cell, type Kernel, type Region, visit } from "../../loop/mod.ts";
import type { NativeSchedule } from "../../tiling/mod.ts";
import { OWN_ARRAY_BYTES } from "./code.ts";

/**
 * Whether columns are packed by copying numbers: column by column then, which is quicker and less
 * code.
 */
export function isCopy(column: Region, { float }: Kernel): boolean {
  let isCopied = true;
  visit(column, (s) => {
    if (s.kind === "let") {
      const { value } = s;
      isCopied &&= value.kind === "load" && value.memory.kind === "input" && value.type === float;
    } else if (s.kind === "store") isCopied &&= s.value.kind === "load";
    else isCopied &&= s.kind === "for";
  });
  return isCopied;
}

/** Operations that a region's statements do. */
function operationsOf(region: Region): number {
  let count = 0;
  visit(region, (s) => count += s.kind === "let" && s.value.kind === "operation" ? 1 : 0);
  return count;
}

/**
 * The state of a tile of several row vectors as it stands around the inner loop where that is most
 * of the work: in arrays over them, so that the code around is one loop, which compiles in a
 * fraction of the time of a copy for each. Null where the state is no cells, where rows are too
 * long for the function's own variables, or much is done once per row; in float64 the inner loop
 * comes out 2 % slower so (Gaussian, gcc 12, Zen 4), in float32 up to 5 % faster.
 */
export function rolledState(
  { float, state, row, records, finish, pair, mirror }: Kernel,
  { rowVectors, surveys }: NativeSchedule,
  vectorBytes: number,
): ReadonlySet<Cell> | null {
  const cells = state.flatMap((item) => item.kind === "cell" ? [item.cell] : []);
  if (rowVectors === 1 || surveys || float === "f64" || cells.length < state.length) return null;
  if (records.row.length * vectorBytes > OWN_ARRAY_BYTES) return null;
  const around = operationsOf(row) + (mirror === null ? operationsOf(finish) : 0);
  return around <= operationsOf(mirror?.pair ?? pair) ? new Set(cells) : null;
}
