// Σ_j exp(−s|x_i − y_j|²) b_j in three dimensions. Eighteen operations per vector of rows and
// column: three differences, |·|² by one multiplication and two fused ones, a clamp, rounding to
// an integer exponent, the fraction, a polynomial for 2^fraction, the power, one fused sum. The scale
// is the coefficient of the exponential (2^(−s·log₂e·q)), so it costs nothing. Twelve of them need
// one of Zen 4's two multipliers: at least 24 cycles for 16 float32 pairs.

import type { HandwrittenLoop, LoopCode } from "./loop.ts";
import {
  leastExponent,
  powerOfScaled,
  powerWorkOf,
  squaredDistance,
  Total,
  workOf,
} from "./math.ts";
import type { Float, RowWriter } from "./writer.ts";

function code(w: RowWriter): LoopCode {
  const [scale, largest] = [w.parameter(0), w.parameter(1)];
  const work = workOf(w);
  const power = powerWorkOf(w);
  const q = w.rows();
  const sum = new Total(w);
  return {
    begin: () => sum.begin(),
    column: () => {
      squaredDistance(w, q, work);
      w.op("pmin", q, q, largest); // NaN stays
      powerOfScaled(w, q, q, scale, power);
      w.column(work.y, 3);
      w.madd(sum.open, q, work.y, sum.open);
    },
    close: () => sum.close(q, work.difference),
    results: [sum.result],
  };
}

/** The Gaussian sum. Constants and rows are loaded by each use; the sum is kept in locals. */
export function gaussian(float: Float, rowVectors = float === "f32" ? 4 : 3): HandwrittenLoop {
  return {
    name: float === "f32" ? "gaussian" : "gaussian-f64",
    structure: `${rowVectors} row vectors, degree ${float === "f32" ? 5 : 11}, blocks of 64`,
    float,
    rowVectors,
    recordLength: 4,
    parameters: (scale) => {
      const exponent = -scale * Math.LOG2E;
      return [exponent, leastExponent(float) / exponent];
    },
    code,
  };
}
