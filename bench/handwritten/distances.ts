// Sums over functions of the distance, in three dimensions. The divider and the square root unit
// bound them on Zen 4 (float32: about 3 and 5 cycles per vector).

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

/** Σ_j exp(−s|x_i − y_j|) b_j */
export function laplacian(rowVectors = 4): HandwrittenLoop {
  const code = (w: RowWriter): LoopCode => {
    const [scale, largest] = [w.parameter(0), w.parameter(1)];
    const work = workOf(w);
    const power = powerWorkOf(w);
    const q = w.rows();
    const sum = new Total(w);
    return {
      begin: () => sum.begin(),
      column: () => {
        squaredDistance(w, q, work);
        w.op("sqrt", q, q);
        w.op("pmin", q, q, largest);
        powerOfScaled(w, q, q, scale, power);
        w.column(work.y, 3);
        w.madd(sum.open, q, work.y, sum.open);
      },
      close: () => sum.close(q, work.difference),
      results: [sum.result],
    };
  };
  return {
    name: "laplacian",
    structure: `${rowVectors} row vectors, square root, degree 5, blocks of 64`,
    float: "f32",
    rowVectors,
    recordLength: 4,
    parameters: (scale) => {
      const exponent = -scale * Math.LOG2E;
      return [exponent, leastExponent("f32") / exponent];
    },
    code,
  };
}

/** Σ_j b_j / (1 + s|x_i − y_j|²): the weight is the numerator. */
export function cauchy(rowVectors = 4): HandwrittenLoop {
  const code = (w: RowWriter): LoopCode => {
    const work = workOf(w);
    const q = w.rows();
    const sum = new Total(w);
    return {
      begin: () => sum.begin(),
      column: () => {
        squaredDistance(w, q, work);
        w.madd(q, q, w.parameter(0), w.constant(1));
        w.op("div", q, w.column(work.y, 3), q);
        w.op("add", sum.open, sum.open, q);
      },
      close: () => sum.close(q, work.difference),
      results: [sum.result],
    };
  };
  return {
    name: "cauchy",
    structure: `${rowVectors} row vectors, one division, blocks of 64`,
    float: "f32",
    rowVectors,
    recordLength: 4,
    parameters: (scale) => [scale],
    code,
  };
}

/** Σ_j |x_i − y_j| b_j */
export function energy(rowVectors = 4): HandwrittenLoop {
  const code = (w: RowWriter): LoopCode => {
    const work = workOf(w);
    const q = w.rows();
    const sum = new Total(w);
    return {
      begin: () => sum.begin(),
      column: () => {
        squaredDistance(w, q, work);
        w.op("sqrt", q, q);
        w.madd(sum.open, q, w.column(work.y, 3), sum.open);
      },
      close: () => sum.close(q, work.difference),
      results: [sum.result],
    };
  };
  return {
    name: "energy",
    structure: `${rowVectors} row vectors, one square root, blocks of 64`,
    float: "f32",
    rowVectors,
    recordLength: 4,
    code,
  };
}
