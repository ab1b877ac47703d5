// Smallest squared distances. One test for all row vectors, "does any lane improve?", guards the
// update; on random data a row improves about ln N times (K ln N times for K smallest).
//
// Beyond it: NaN never wins (a comparison with it is false); rows that are all NaN keep +∞ and index
// −1, where the engine says NaN.

import type { HandwrittenLoop, LoopCode } from "./loop.ts";
import { squaredDistance, workOf } from "./math.ts";
import { type Fixed, type Rows, RowWriter } from "./writer.ts";

/** Leaves "any lane of any row vector" of masks on the stack. */
function anyOf(w: RowWriter, masks: Rows): void {
  masks.forEach((mask, row) => {
    w.f.get(mask);
    if (row > 0) w.f.op("v128.or");
  });
  w.f.op("v128.any_true");
}

/** The smallest: no branch at all, one operation. */
export function smallest(rowVectors = 4): HandwrittenLoop {
  const code = (w: RowWriter): LoopCode => {
    const work = workOf(w);
    const [q, best] = [w.rows(), w.rows()];
    return {
      begin: () => w.set(best, w.constant(Infinity)),
      column: () => {
        squaredDistance(w, q, work);
        w.op("pmin", best, best, q);
      },
      results: [best],
    };
  };
  return {
    name: "min",
    structure: `${rowVectors} row vectors, no branch`,
    float: "f32",
    rowVectors,
    recordLength: 3,
    code,
  };
}

/** The index of the smallest. */
export function nearest(rowVectors = 4): HandwrittenLoop {
  const code = (w: RowWriter): LoopCode => {
    const work = workOf(w);
    const [q, best, better, winner] = [w.rows(), w.rows(), w.rows(), w.rows()];
    const index = w.f.local("i32");
    const here = w.shared();
    return {
      begin: () => {
        w.set(best, w.constant(Infinity));
        winner.forEach((local) => w.f.i32(-1).op("i32x4.splat").set(local));
      },
      column: () => {
        squaredDistance(w, q, work);
        w.op("lt", better, q, best);
        anyOf(w, better);
        w.f.op("if").get(index).op("i32x4.splat").set(here);
        w.select(best, better, q, best);
        w.select(winner, better, here, winner);
        w.f.op("end").get(index).i32(1).op("i32.add").set(index);
      },
      results: [],
      indices: [winner],
    };
  };
  return {
    name: "argmin",
    structure: `${rowVectors} row vectors, one branch`,
    float: "f32",
    rowVectors,
    recordLength: 3,
    code,
  };
}

/** The K smallest with their indices, sorted: an insertion that bubbles down, unrolled. */
export function kSmallest(k = 10, rowVectors = 4): HandwrittenLoop {
  const code = (w: RowWriter): LoopCode => {
    const work = workOf(w);
    const [q, worst, better] = [w.rows(), w.rows(), w.rows()];
    const index = w.f.local("i32");
    const lists = (): Fixed[] => Array.from({ length: k }, () => w.scratch());
    const [values, indices] = [lists(), lists()];
    const [carried, carriedIndex, before, there] = [w.shared(), w.shared(), w.shared(), w.shared()];

    /** Puts one row vector's value into its list; the worst leaves. */
    const insert = (row: number): void => {
      w.f.get(q[row]).set(carried).get(index).op("i32x4.splat").set(carriedIndex);
      values.forEach((value, place) => {
        const isLast = place === k - 1;
        w.push(value, row);
        w.f.set(there).get(carried).get(there).op("f32x4.lt").set(before);
        w.f.i32(value.address + row * value.stride);
        w.f.get(carried).get(there).get(before).op("i32x4.relaxed_laneselect");
        if (isLast) w.f.op("local.tee", worst[row]);
        w.f.op("v128.store", 0);
        if (!isLast) {
          w.f.get(there).get(carried).get(before).op("i32x4.relaxed_laneselect").set(carried);
        }
        const list = indices[place];
        w.push(list, row);
        w.f.set(there).i32(list.address + row * list.stride);
        w.f.get(carriedIndex).get(there).get(before).op("i32x4.relaxed_laneselect");
        w.f.op("v128.store", 0);
        if (!isLast) {
          w.f.get(there).get(carriedIndex).get(before).op("i32x4.relaxed_laneselect");
          w.f.set(carriedIndex);
        }
      });
    };

    return {
      begin: () => {
        w.set(worst, w.constant(Infinity));
        for (const list of values) w.store(list, w.constant(Infinity));
        const none = w.shared();
        w.f.i32(-1).op("i32x4.splat").set(none);
        for (const list of indices) w.store(list, none);
      },
      column: () => {
        squaredDistance(w, q, work);
        w.op("lt", better, q, worst);
        anyOf(w, better);
        w.f.op("if");
        better.forEach((mask, row) => {
          w.f.get(mask).op("v128.any_true").op("if");
          insert(row);
          w.f.op("end");
        });
        w.f.op("end").get(index).i32(1).op("i32.add").set(index);
      },
      results: values,
      indices,
    };
  };
  return {
    name: "10-smallest",
    structure: `${rowVectors} row vectors, one branch, unrolled insertion into sorted lists`,
    float: "f32",
    rowVectors,
    recordLength: 3,
    code,
  };
}
