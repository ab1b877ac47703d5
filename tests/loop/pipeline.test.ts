// Divisions and square roots one turn ahead: legal regions, the same bits, and where it is left.

import { assert, assertEquals } from "@std/assert";
import { Vi, Vj, wasm } from "../../mod.ts";
import { emitWasm } from "../../src/emit/wasm/mod.ts";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import {
  type Kernel,
  pipeline,
  type Pipelined,
  replicate,
  RowCopies,
  verifyRegion,
} from "../../src/loop/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { randomFor } from "../support/random.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const laplacian = build.mul(build.exp(build.neg(build.norm2(build.sub(x, y)))), b);

function kernelOf(formula: Node): Kernel {
  const options = { sumScheme: "compensated", accumulator: "f32", k: 1 } as const;
  const inputs = [x, y, b];
  const fold = {
    formula,
    reduction: "sum",
    float: "f32",
    inputs,
    options,
    fastMath: false,
  } as const;
  return lower(fold, expandedMath);
}

function stagesOf(formula: Node): Pipelined | null {
  const kernel = kernelOf(formula);
  const copies = new RowCopies(2, [...kernel.state, ...kernel.incoming]);
  const columnSlots = kernel.records.column.length;
  const turn = replicate(kernel.pair, copies, { columns: 2, columnSlots });
  return pipeline(turn, copies, 2 * columnSlots);
}

Deno.test("the square root of a Laplacian kernel is taken a turn ahead, in legal regions", () => {
  const stages = stagesOf(laplacian);
  assert(stages !== null);
  verifyRegion("pair", stages.prologue);
  verifyRegion("pair", stages.turn);
  const waiting = stages.prologue.statements.filter((s) => s.kind === "set");
  assertEquals(waiting.length, 4); // two rows, two columns
});

Deno.test("where nothing stands beside the divider, or more would have to wait, turns stay whole", () => {
  const distance = build.norm2(build.sub(x, y));
  assertEquals(stagesOf(build.mul(distance, b)), null);
  assertEquals(stagesOf(build.mul(build.exp(build.neg(build.sqDist(x, y))), b)), null);
  const direction = build.mul(build.normalize(build.sub(x, y)), build.exp(build.neg(distance)));
  assertEquals(stagesOf(direction), null);
});

Deno.test("a turn ahead changes no bit, at any number of columns, also beside NaN", async () => {
  using plain = wasm({ threads: 1, schedule: "untiled" });
  const schedule = { rowVectors: 2, interleave: 2, columns: 2, operands: "memory" } as const;
  using ahead = wasm({ threads: 1, schedule });
  using inLocals = wasm({ threads: 1, schedule, multipleMemories: false });
  const random = randomFor("a turn ahead");
  for (const N of [1, 2, 3, 64, 65, 127, 517, 1031]) {
    for (const array of [Float32Array, Float64Array]) {
      const points = array.from(random.float64(3 * 9));
      const columns = array.from(random.float64(3 * N));
      const weights = array.from(random.float64(N));
      if (N > 3) columns[3 * 2] = NaN;
      const K = Vi(points, 3).sub(Vj(columns, 3)).norm2().neg().exp().mul(Vj(weights, 1));
      const [want, ...found] = await Promise.all(
        [plain, ahead, inLocals].map((device) => K.sum("j", { device }).data()),
      );
      for (const got of found) assertEquals(got, want, `${N} columns`);
    }
  }
});

Deno.test("what a turn prepares waits in the thread's own memory, where there is one", () => {
  const schedule = { rowVectors: 2, interleave: 2, columns: 2, operands: "memory" } as const;
  const accesses = (memories: boolean): number => {
    const features = { relaxed: true, shared: true, memories };
    const { bytes, text } = emitWasm(kernelOf(laplacian), schedule, features);
    const { length } = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
    assertEquals(length, memories ? 2 : 1);
    return text().split("\n").filter((line) => / own /.test(line)).length;
  };
  // two rows, two columns: stored before the first turn, then loaded and stored by each
  assertEquals(accesses(true), 12);
  assertEquals(accesses(false), 0);
});
