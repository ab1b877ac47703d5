// Gaussian sums in three dimensions: Σ_j exp(−s|x_i − y_j|²) b_j, and its gradient in x. The scale
// is the coefficient of the power of two, so it costs nothing.

import type { HandwrittenLoop, LoopCode } from "./loop.ts";
import {
  leastExponent,
  powerOfScaled,
  powerWorkOf,
  squaredDistance,
  Total,
  workOf,
} from "./math.ts";
import { type Columns, type Float, type LoopWriter, type Shape, WEIGHTED } from "./writer.ts";

/** −s·log₂e, and the squared distance from which the power counts as 0. */
function parametersOf(float: Float, scale: number): readonly number[] {
  const exponent = -scale * Math.LOG2E;
  return [exponent, leastExponent(float) / exponent];
}

/**
 * The sum, in blocks of 64 columns with compensated totals. In three dimensions eighteen operations
 * per chain, twelve of which need one of Zen 4's two multipliers: at least 36 cycles for 24 float32
 * pairs. Coordinates and weights are unrolled, whatever their number.
 */
export function gaussian(
  name: string,
  float: Float,
  packed: Columns = WEIGHTED,
  shape: Shape = { rows: 3, columns: 2 },
): HandwrittenLoop {
  const code = (w: LoopWriter): LoopCode => {
    const [scale, largest] = [w.parameter(0), w.parameter(1)];
    const work = workOf(w);
    const power = powerWorkOf(w);
    const q = w.chains();
    const sums = Array.from({ length: packed.weights }, () => new Total(w));
    return {
      begin: () => sums.forEach((sum) => sum.begin()),
      turn: () => {
        squaredDistance(w, q, work);
        w.op("pmin", q, q, largest); // NaN stays
        powerOfScaled(w, q, q, scale, power);
        sums.forEach((sum, k) => {
          w.fold("relaxed_madd", sum.open, q, w.load(work.y, packed.dim + k), sum.open);
        });
      },
      close: () => sums.forEach((sum) => sum.close()),
      results: sums.map((sum) => sum.result),
    };
  };
  return {
    name,
    float,
    shape,
    packed,
    parameters: (scale) => parametersOf(float, scale),
    code,
  };
}

/**
 * The gradient: Σ_j −2s exp(−s|x_i − y_j|²) b_j (x_i − y_j), three sums per row. The differences
 * are computed twice: keeping them would take registers that there are not. In blocks of 64 columns
 * with compensated totals.
 */
export function gaussianGradient(shape: Shape = { rows: 3, columns: 2 }): HandwrittenLoop {
  const code = (w: LoopWriter): LoopCode => {
    const [scale, largest] = [w.parameter(0), w.parameter(1)];
    const work = workOf(w);
    const power = powerWorkOf(w);
    const q = w.chains();
    const sums = [new Total(w), new Total(w), new Total(w)];
    return {
      begin: () => sums.forEach((sum) => sum.begin()),
      turn: () => {
        squaredDistance(w, q, work);
        w.op("pmin", q, q, largest);
        powerOfScaled(w, q, q, scale, power);
        w.op("mul", q, q, w.load(work.y, 3));
        sums.forEach((sum, axis) => {
          w.op("sub", work.difference, w.coordinate(axis), w.load(work.y, axis));
          w.fold("relaxed_madd", sum.open, q, work.difference, sum.open);
        });
      },
      close: () => sums.forEach((sum) => sum.close()),
      results: sums.map((sum) => sum.result),
    };
  };
  return {
    name: "gradient",
    float: "f32",
    shape,
    packed: WEIGHTED,
    parameters: (scale) => parametersOf("f32", scale),
    code,
    finish: (sums, scale) => sums.map((sum) => -2 * scale * sum),
  };
}
