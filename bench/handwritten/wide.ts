// Gaussian sums with many weights per column: Σ_j exp(−s|x_i − y_j|²) b_j. Terms of a block of 64
// columns are computed first and held; then tiles of three row vectors and three components stay in
// registers while the block's columns pass, as in a matrix product. Per vector of pairs and weight
// one fused operation, of which Zen 4 starts two per cycle: 64 weights take at least 32 cycles, and
// the exponential with its distance, which needs eleven multiplications, 5.5. Where the minimum and
// the shift of an exponential take the same two places, as on many cores, four pairs take 38.5
// cycles: at 3.5 to 3.8 GHz 2.5 to 2.75 ns per pair (the fused operations alone, in a bare loop of
// WebAssembly, 2.1 to 2.3: Intel Xeon, AVX-512), 0.126 to 0.138 s for 10⁴ × 10⁴ on two threads, so
// that vectors of 128 bits come to no more than 5.3 to 5.8 times KeOps' 0.724 s there.

import type { HandwrittenLoop, LoopCode } from "./loop.ts";
import {
  leastExponent,
  powerOfScaled,
  powerWorkOf,
  squaredDistance,
  Total,
  workOf,
} from "./math.ts";
import { type LoopWriter, type Shape, VECTOR } from "./writer.ts";

/** Components of a tile: nine sums beside three terms and a weight are what registers hold. */
const COMPONENTS = 3;
/** Columns of a block, whose terms are held. */
const HELD_COLUMNS = 64;

export function wideGaussian(
  name: string,
  weights: number,
  shape: Shape = { rows: 3, columns: 2 },
): HandwrittenLoop {
  const packed = { dim: 3, weights };
  const code = (w: LoopWriter): LoopCode => {
    const { f, record, columnBytes } = w;
    const { rows, columns } = shape;
    const [scale, largest] = [w.parameter(0), w.parameter(1)];
    const work = workOf(w);
    const power = powerWorkOf(w);
    const q = w.chains();
    const sums = Array.from({ length: weights }, () => new Total(w));
    const held = Array.from({ length: HELD_COLUMNS }, () => w.scratch())[0].address;
    const [start, end, at, column] = [0, 0, 0, 0].map(() => f.local("i32"));
    const term = w.rows();
    const weight = f.local("v128");
    const beginBlock = (): unknown => f.get(record).set(start).i32(held).set(end);

    const tile = (first: number, sums: readonly Total[]): void => {
      for (const { open } of sums) w.set(open, w.constant(0));
      f.i32(held).set(at).get(start).i32((packed.dim + first) * w.size).op("i32.add").set(column);
      f.op("loop");
      for (let k = 0; k < columns; k++) {
        term.forEach((local, row) => {
          f.get(at).op("v128.load", (k * rows + row) * VECTOR).set(local);
        });
        sums.forEach(({ open }, t) => {
          f.get(column).i32(k * columnBytes + t * w.size).op("i32.add");
          f.op("v128.load32_splat", 0).set(weight);
          open.forEach((sum, row) =>
            f.get(term[row]).get(weight).get(sum).op("f32x4.relaxed_madd").set(sum)
          );
        });
      }
      f.get(column).i32(columns * columnBytes).op("i32.add").set(column);
      f.get(at).i32(columns * rows * VECTOR).op("i32.add").op("local.tee", at).get(end);
      f.op("i32.lt_u").op("br_if", 0).op("end");
      for (const sum of sums) sum.close();
    };
    return {
      begin: () => {
        sums.forEach((sum) => sum.begin());
        beginBlock();
      },
      turn: () => {
        squaredDistance(w, q, work);
        w.op("pmin", q, q, largest); // NaN stays
        powerOfScaled(w, q, q, scale, power);
        q.forEach((local, chain) => f.get(end).get(local).op("v128.store", chain * VECTOR));
        f.get(end).i32(q.length * VECTOR).op("i32.add").set(end);
      },
      close: () => {
        for (let first = 0; first < weights; first += COMPONENTS) {
          tile(first, sums.slice(first, first + COMPONENTS));
        }
        beginBlock();
      },
      results: sums.map((sum) => sum.result),
    };
  };
  return {
    name,
    float: "f32",
    shape,
    packed,
    parameters: (scale) => {
      const exponent = -scale * Math.LOG2E;
      return [exponent, leastExponent("f32") / exponent];
    },
    code,
  };
}
