// A part of a real scan: the bunny's points nearest to one of them, at its own density and kernel
// width. The whole of it is a script, bench/solve.ts.

import { assert } from "@std/assert";
import { tensor, Vi, Vj } from "../../mod.ts";
import { boundingBox, readPointCloud } from "../../src/pointcloud/mod.ts";
import { testWithData } from "../pointcloud/data.ts";
import { randomFor } from "../support/random.ts";

const COUNT = 2500;

testWithData(
  "solve: a part of the bunny, σ = 0.02 × extent, to 1e-6 with alpha 1e-2 and 1e-4",
  ["stanford-bunny.obj"],
  async (path) => {
    const { positions, count } = await readPointCloud(path);
    const { minimum, maximum } = boundingBox(positions);
    const sigma = 0.02 * Math.max(...[0, 1, 2].map((d) => maximum[d] - minimum[d]));
    const distance = (k: number): number =>
      Math.hypot(...[0, 1, 2].map((d) => positions[3 * k + d] - positions[d]));
    const rows = Array.from({ length: count }, (_, k) => k).sort((a, b) =>
      distance(a) - distance(b)
    )
      .slice(0, COUNT);
    const x = Float64Array.from(rows.flatMap((k) => [...positions.subarray(3 * k, 3 * k + 3)]));
    const points = tensor(x, [COUNT, 3]);
    const K = Vi(points).sqDist(Vj(points)).mul(-1 / (2 * sigma * sigma)).exp();
    const b = randomFor("bunny").float64(COUNT);
    const length = Math.hypot(...b);
    for (const [alpha, most] of [[1e-2, 25], [1e-4, 120]]) {
      const solution = K.solve(b, { alpha, preconditioner: "vecchia" });
      const w = await solution.x.data();
      // once more, by a fold of its own
      const product = await K.matmul(tensor(w, [COUNT, 1])).data();
      const residual = Math.hypot(...b.map((v, k) => v - product[k] - alpha * w[k])) / length;
      const { iterations } = await solution.report();
      assert(residual <= 1e-6 && iterations <= most, `alpha ${alpha}: ${residual}, ${iterations}`);
    }
  },
);
