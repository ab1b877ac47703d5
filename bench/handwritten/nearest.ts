// Smallest squared distances, in float32. One test for all chains, "does any lane improve?", guards
// the update: on random data a row improves about ln N times, its K smallest about K ln N times.
//
// NaN never wins (a comparison with it is false). Unlike the engine's, a row that is all NaN or +∞
// is not told apart from an empty one: it keeps +∞ and index −1.

import type { HandwrittenLoop, LoopCode } from "./loop.ts";
import { squaredDistance, workOf } from "./math.ts";
import { BARE, type Fixed, type LoopWriter, type Shape } from "./writer.ts";

/** The smallest: one operation, no branch. */
export function smallest(
  shape: Shape = { rows: 2, columns: 1, coordinates: "locals" },
): HandwrittenLoop {
  const code = (w: LoopWriter): LoopCode => {
    const work = workOf(w);
    const [q, best] = [w.chains(), w.rows()];
    return {
      begin: () => w.set(best, w.constant(Infinity)),
      turn: () => {
        squaredDistance(w, q, work);
        w.fold("pmin", best, best, q);
      },
      results: [best],
    };
  };
  return { name: "min", float: "f32", shape, packed: BARE, code };
}

/** Leaves the global index of one of the turn's columns, in all lanes, on the stack. */
function pushIndex(w: LoopWriter, first: number, column: number): void {
  w.f.get(first).i32(column).op("i32.add").op("i32x4.splat");
}

/** The index of the smallest. */
export function nearest(
  shape: Shape = { rows: 2, columns: 2, coordinates: "locals" },
): HandwrittenLoop {
  const code = (w: LoopWriter): LoopCode => {
    const { f } = w;
    const work = workOf(w);
    const [q, better] = [w.chains(), w.chains()];
    const [best, winner] = [w.rows(), w.rows()];
    const first = f.local("i32");
    const update = (value: number, chain: number): void => {
      const row = chain % shape.rows;
      f.get(value).get(best[row]).op("f32x4.lt").set(better[chain]); // the best may be better now
      pushIndex(w, first, Math.floor(chain / shape.rows));
      f.get(winner[row]).get(better[chain]).op("i32x4.relaxed_laneselect").set(winner[row]);
      f.get(best[row]).get(value).op("f32x4.pmin").set(best[row]);
    };
    return {
      begin: () => {
        w.set(best, w.constant(Infinity));
        winner.forEach((local) => f.i32(-1).op("i32x4.splat").set(local));
      },
      turn: () => {
        squaredDistance(w, q, work);
        w.op("lt", better, q, best);
        w.whenAny(better, () => q.forEach(update));
        f.get(first).i32(shape.columns).op("i32.add").set(first);
      },
      results: [],
      indices: [winner],
    };
  };
  return { name: "argmin", float: "f32", shape, packed: BARE, code };
}

/**
 * The K smallest with their indices, sorted: an unrolled insertion that bubbles down. Both are
 * folded; `part` says which of them are the results.
 */
export function kSmallest(
  k: number,
  part: "values" | "indices",
  shape: Shape = { rows: 2, columns: 2, coordinates: "locals" },
): HandwrittenLoop {
  const code = (w: LoopWriter): LoopCode => {
    const { f } = w;
    const work = workOf(w);
    const [q, better] = [w.chains(), w.chains()];
    const worst = w.rows();
    const first = f.local("i32");
    const lists = (): Fixed[] => Array.from({ length: k }, () => w.scratch());
    const [values, indices] = [lists(), lists()];
    const [carried, carriedIndex, before, there] = [0, 0, 0, 0].map(() => f.local("v128"));

    /** Exchanges what is carried with a list's place, in lanes where it comes before. */
    const exchange = (list: Fixed, row: number, carry: number): void => {
      w.push(list, row);
      f.set(there).i32(list.address + row * list.stride);
      f.get(carry).get(there).get(before).op("i32x4.relaxed_laneselect").op("v128.store", 0);
      f.get(there).get(carry).get(before).op("i32x4.relaxed_laneselect").set(carry);
    };
    const insert = (chain: number): void => {
      const row = chain % shape.rows;
      f.get(q[chain]).set(carried);
      pushIndex(w, first, Math.floor(chain / shape.rows));
      f.set(carriedIndex);
      for (let place = 0; place < k; place++) {
        f.get(carried);
        w.push(values[place], row);
        f.op("f32x4.lt").set(before);
        exchange(values[place], row, carried);
        exchange(indices[place], row, carriedIndex);
      }
      w.push(values[k - 1], row);
      f.set(worst[row]);
    };
    return {
      begin: () => {
        w.set(worst, w.constant(Infinity));
        for (const list of values) w.store(list, w.constant(Infinity));
        f.i32(-1).op("i32x4.splat").set(there);
        for (const list of indices) w.store(list, [there]);
      },
      turn: () => {
        squaredDistance(w, q, work);
        w.op("lt", better, q, worst);
        w.whenAny(better, () => {
          q.forEach((value, chain) => {
            f.get(value).get(worst[chain % shape.rows]).op("f32x4.lt").set(better[chain]);
            w.whenAny([better[chain]], () => insert(chain));
          });
        });
        f.get(first).i32(shape.columns).op("i32.add").set(first);
      },
      results: values,
      indices,
    };
  };
  return {
    name: `${k}-smallest`,
    float: "f32",
    shape,
    packed: BARE,
    code,
    finish: (row) => part === "values" ? row.slice(0, k) : row.slice(k),
  };
}
