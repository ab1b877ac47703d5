// Sums over functions of the distance in three dimensions, in float32, in blocks of 64 columns with
// compensated totals. Zen 4's divider and square root (about 3 and 5 cycles per vector) bound them.

import type { HandwrittenLoop, LoopCode } from "./loop.ts";
import {
  leastExponent,
  powerOfScaled,
  powerWorkOf,
  squaredDistance,
  Total,
  workOf,
} from "./math.ts";
import { type LoopWriter, type Shape, WEIGHTED } from "./writer.ts";

/**
 * Σ_j exp(−s|x_i − y_j|) b_j. The square roots of the next turn stand beside the exponentials of
 * this one: their latency would otherwise fill the processor's window with work that waits.
 */
export function laplacian(shape: Shape = { rows: 2, columns: 2 }): HandwrittenLoop {
  const code = (w: LoopWriter): LoopCode => {
    const [scale, largest] = [w.parameter(0), w.parameter(1)];
    const work = workOf(w);
    const power = powerWorkOf(w);
    const [distance, next] = [w.chains(), w.chains()];
    const sum = new Total(w);
    const distances = (turnsAhead: number): void => {
      squaredDistance(w, next, work, turnsAhead);
      w.op("sqrt", next, next);
    };
    return {
      begin: () => {
        sum.begin();
        distances(0);
      },
      turn: () => {
        w.set(distance, next);
        distances(1); // after the last column: of what stands behind, unused
        w.op("pmin", distance, distance, largest);
        powerOfScaled(w, distance, distance, scale, power);
        w.fold("relaxed_madd", sum.open, distance, w.load(work.y, 3), sum.open);
      },
      close: () => sum.close(),
      results: [sum.result],
    };
  };
  return {
    name: "laplacian",
    float: "f32",
    shape,
    packed: WEIGHTED,
    parameters: (scale) => {
      const exponent = -scale * Math.LOG2E;
      return [exponent, leastExponent("f32") / exponent];
    },
    code,
  };
}

/** Σ_j b_j / (1 + s|x_i − y_j|²): the weight is the numerator. */
export function cauchy(
  shape: Shape = { rows: 2, columns: 2, coordinates: "locals" },
): HandwrittenLoop {
  const code = (w: LoopWriter): LoopCode => {
    const work = workOf(w);
    const q = w.chains();
    const sum = new Total(w);
    return {
      begin: () => sum.begin(),
      turn: () => {
        squaredDistance(w, q, work);
        w.madd(q, q, w.parameter(0), w.constant(1));
        w.op("div", q, w.load(work.y, 3), q);
        w.fold("add", sum.open, sum.open, q);
      },
      close: () => sum.close(),
      results: [sum.result],
    };
  };
  return {
    name: "cauchy",
    float: "f32",
    shape,
    packed: WEIGHTED,
    parameters: (scale) => [scale],
    code,
  };
}

/** Σ_j |x_i − y_j| b_j */
export function energy(
  shape: Shape = { rows: 2, columns: 1, coordinates: "locals" },
): HandwrittenLoop {
  const code = (w: LoopWriter): LoopCode => {
    const work = workOf(w);
    const q = w.chains();
    const sum = new Total(w);
    return {
      begin: () => sum.begin(),
      turn: () => {
        squaredDistance(w, q, work);
        w.op("sqrt", q, q);
        w.fold("relaxed_madd", sum.open, q, w.load(work.y, 3), sum.open);
      },
      close: () => sum.close(),
      results: [sum.result],
    };
  };
  return { name: "energy", float: "f32", shape, packed: WEIGHTED, code };
}
