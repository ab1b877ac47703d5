// Folds at N = M = 8192 on one thread: the schedule that the engine chooses, no tiling at all, and
// a loop written by hand. Each group does the same work; every contestant's result is held against
// a float64 dense loop before anything is timed.
//
//     deno bench bench/fold.bench.ts
//
// The engine's time runs from building the formula to having its numbers, the hand-written loop's
// is the bare fold over packed data.

import { wasm } from "pairfold";
import { prepare } from "./handwritten/loop.ts";
import { folder, problemOf, refuseWrong, type Workload, WORKLOADS } from "./workloads.ts";

const SIZE = 8192;

const engines = {
  chosen: wasm({ threads: 1 }),
  untiled: wasm({ threads: 1, schedule: "untiled" }),
};

async function register(workload: Workload): Promise<void> {
  const problem = problemOf(workload, SIZE);
  const group = `${workload.name} ${SIZE}×${SIZE}`;
  const fold = folder(workload, problem);
  for (const [name, device] of Object.entries(engines)) {
    refuseWrong(name, workload, problem, await fold({ device }).data());
    Deno.bench({
      name: `${workload.name}, ${name}`,
      group,
      baseline: name === "chosen",
      fn: async () => {
        await fold({ device }).data();
      },
    });
  }
  if (workload.handwritten === null) return;
  const { x, y, b, scale } = problem;
  const loop = prepare(workload.handwritten, { x, y, weights: b, scale });
  loop.run();
  refuseWrong("hand-written", workload, problem, loop.results());
  Deno.bench({ name: `${workload.name}, hand-written`, group, fn: () => loop.run() });
}

for (const workload of WORKLOADS) await register(workload);
