// log Σ_j exp(−s|x_i − y_j|²). Everything is kept in powers of two: the exponent of a term relative
// to the shift m is one fused operation, z = −s·log₂e·q − m, and the sum needs one exponential per
// pair. The shift follows the largest exponent only where a term exceeds it by LIMIT; the test is
// one comparison for all row vectors, and its branch is taken about once per row.

import type { HandwrittenLoop, LoopCode } from "./loop.ts";
import { leastExponent, powerOf, powerWorkOf, squaredDistance, Total, workOf } from "./math.ts";
import type { RowWriter } from "./writer.ts";

/** 2^58 = 2.9e17: 1e20 such terms fit into float32. */
const LIMIT = 58;

function code(w: RowWriter): LoopCode {
  const scale = w.parameter(0);
  const limit = w.constant(LIMIT);
  const work = workOf(w);
  const power = powerWorkOf(w);
  const z = w.rows();
  const q = w.rows();
  /** −m */
  const shift = w.rows();
  const largest = w.shared();
  const sum = new Total(w);

  /** Where z exceeds the limit, the term's exponent becomes the shift. */
  const rescale = (): void => {
    const [mask, next, factor] = [w.rows(), w.rows(), w.rows()];
    w.op("lt", mask, limit, z);
    w.op("mul", next, q, scale);
    w.op("sub", next, w.constant(0), next);
    w.select(next, mask, next, shift);
    w.op("sub", factor, next, shift);
    w.op("pmax", factor, factor, w.constant(leastExponent("f32")));
    powerOf(w, factor, factor, power);
    sum.scale(factor, mask);
    w.set(shift, next);
    w.madd(z, q, scale, shift);
  };

  return {
    begin: () => {
      sum.begin();
      w.set(shift, w.constant(3e38)); // no term yet: every first one exceeds it
    },
    column: () => {
      squaredDistance(w, q, work);
      w.madd(z, q, scale, shift);
      // pmax(a, b) is a where b is NaN, so that a NaN in one row hides no other row's excess
      w.push(limit, 0);
      for (const row of z) w.f.get(row).op("f32x4.pmax");
      w.f.set(largest).get(largest);
      w.push(limit, 0);
      w.f.op("f32x4.eq").op("i32x4.all_true").op("i32.eqz").op("if");
      rescale();
      w.f.op("end");
      w.op("pmax", z, z, w.constant(leastExponent("f32"))); // NaN stays
      powerOf(w, z, z, power);
      w.op("add", sum.open, sum.open, z);
    },
    close: () => sum.close(z, work.difference),
    results: [shift, sum.result],
  };
}

/** log Σ exp of minus the scaled squared distance. */
export function logSumExp(rowVectors = 4): HandwrittenLoop {
  return {
    name: "logsumexp",
    structure: `${rowVectors} row vectors, powers of two, shift by a rare branch, blocks of 64`,
    float: "f32",
    rowVectors,
    recordLength: 3,
    parameters: (scale) => [-scale * Math.LOG2E],
    code,
    finish: ([shift, total]) => [Math.log(total) - shift * Math.LN2],
  };
}
