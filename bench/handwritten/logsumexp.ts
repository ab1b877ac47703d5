// log Σ_j exp(−s|x_i − y_j|²). Everything is kept in powers of two: the exponent of a term relative
// to the shift m is one fused operation, z = −s·log₂e·q − m, and the sum needs one power per pair.
// The shift follows the largest exponent only where a term exceeds it by LIMIT; one test for all
// chains guards a branch that is taken about once per row. Blocks of 64 columns with compensated
// totals; the last logarithm is the host's.

import type { HandwrittenLoop, LoopCode } from "./loop.ts";
import { leastExponent, powerOf, powerWorkOf, squaredDistance, Total, workOf } from "./math.ts";
import { BARE, type Locals, type LoopWriter, type Shape } from "./writer.ts";

/** 2^58 = 2.9e17: 1e20 such terms fit into float32. */
const LIMIT = 58;

function code(w: LoopWriter): LoopCode {
  const { f } = w;
  const scale = w.parameter(0);
  const limit = w.constant(LIMIT);
  const least = w.constant(leastExponent("f32"));
  const work = workOf(w);
  const power = powerWorkOf(w);
  const [z, q] = [w.chains(), w.chains()];
  /** −m */
  const shift = w.rows();
  const sum = new Total(w);

  /** Where a chain's z exceeds the limit, the shift becomes that term's exponent. */
  const rescale = (columnOf: (chains: Locals) => Locals): void => {
    const [mask, next, factor] = [w.rows(), w.rows(), w.rows()];
    w.madd(next, columnOf(q), scale, shift);
    w.op("lt", mask, limit, next);
    w.op("mul", next, columnOf(q), scale);
    w.op("sub", next, w.constant(0), next);
    w.select(next, mask, next, shift);
    w.op("sub", factor, next, shift);
    w.op("pmax", factor, factor, least);
    powerOf(w, factor, factor, { rounded: w.rows(), fraction: w.rows() });
    sum.scale(factor);
    w.set(shift, next);
  };

  return {
    begin: () => {
      sum.begin();
      w.set(shift, w.constant(3e38)); // no term yet: every first one exceeds it
    },
    turn: () => {
      squaredDistance(w, q, work);
      w.madd(z, q, scale, shift);
      // pmax(a, b) is a where b is NaN, so that a NaN in one chain hides no other's excess
      w.push(limit, 0);
      for (const local of z) f.get(local).op("f32x4.pmax");
      w.push(limit, 0);
      f.op("f32x4.eq").op("i32x4.all_true").op("i32.eqz").op("if");
      for (let column = 0; column < w.shape.columns; column++) {
        const start = column * w.shape.rows;
        rescale((chains) => chains.slice(start, start + w.shape.rows));
      }
      w.madd(z, q, scale, shift);
      f.op("end");
      w.op("pmax", z, z, least); // NaN stays
      powerOf(w, z, z, power);
      w.fold("add", sum.open, sum.open, z);
    },
    close: () => sum.close(),
    results: [shift, sum.result],
  };
}

/** log Σ exp of minus the scaled squared distance. */
export function logSumExp(shape: Shape = { rows: 3, columns: 2 }): HandwrittenLoop {
  return {
    name: "logsumexp",
    float: "f32",
    shape,
    packed: BARE,
    parameters: (scale) => [-scale * Math.LOG2E],
    code,
    finish: ([shift, total]) => [Math.log(total) - shift * Math.LN2],
  };
}
