// The gradient of the Gaussian sum with respect to x: Σ_j −2s exp(−s|x_i − y_j|²) b_j (x_i − y_j),
// three sums per row.

import type { HandwrittenLoop, LoopCode } from "./loop.ts";
import {
  leastExponent,
  powerOfScaled,
  powerWorkOf,
  squaredDistance,
  Total,
  workOf,
} from "./math.ts";
import type { RowWriter } from "./writer.ts";

export function gaussianGradient(rowVectors = 4, keep = false): HandwrittenLoop {
  const code = (w: RowWriter): LoopCode => {
    const [scale, largest] = [w.parameter(0), w.parameter(1)];
    const work = workOf(w);
    const power = powerWorkOf(w);
    const q = w.rows();
    const kept = [w.rows(), w.rows(), w.rows()];
    const sums = [new Total(w), new Total(w), new Total(w)];
    return {
      begin: () => sums.forEach((sum) => sum.begin()),
      column: () => {
        if (keep) {
          for (let axis = 0; axis < 3; axis++) {
            w.column(work.y, axis);
            w.op("sub", kept[axis], w.row(axis), work.y);
            if (axis === 0) w.op("mul", q, kept[axis], kept[axis]);
            else w.madd(q, kept[axis], kept[axis], q);
          }
        } else squaredDistance(w, q, work);
        w.op("pmin", q, q, largest);
        powerOfScaled(w, q, q, scale, power);
        w.op("mul", q, q, w.column(work.y, 3));
        sums.forEach((sum, axis) => {
          if (!keep) {
            w.column(work.y, axis);
            w.op("sub", work.difference, w.row(axis), work.y);
          }
          w.madd(sum.open, q, keep ? kept[axis] : work.difference, sum.open);
        });
      },
      close: () => sums.forEach((sum) => sum.close(q, work.difference)),
      results: sums.map((sum) => sum.result),
    };
  };
  return {
    name: "gradient",
    structure: `${rowVectors} row vectors, degree 5, blocks of 64`,
    float: "f32",
    rowVectors,
    recordLength: 4,
    parameters: (scale) => {
      const exponent = -scale * Math.LOG2E;
      return [exponent, leastExponent("f32") / exponent];
    },
    code,
    finish: (sums, scale) => sums.map((sum) => -2 * scale * sum),
  };
}
