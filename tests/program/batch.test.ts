// The segments of folds with batch dims: which batches are rows of one fold, and where each is
// read; and one kernel for all of them.

import { assert, assertEquals } from "@std/assert";
import { Pm, tensor, Vi, Vj, WasmEngine } from "../../mod.ts";
import { type BatchedFold, type BatchedInput, segmentsOf } from "../../src/program/batch.ts";
import { sizeOf } from "../../src/tensor/mod.ts";
import { PATTERNS } from "../support/batches.ts";
import { randomFor } from "../support/random.ts";

const [ROWS, COLUMNS] = [4, 6];

function foldOf(batch: number[], x: number[], y: number[], p: number[] = []): BatchedFold {
  const inputs: BatchedInput[] = [
    { slot: 7, axis: "row", rows: ROWS, batch: x },
    { slot: 8, axis: "column", rows: COLUMNS, batch: y },
    { slot: 9, axis: "uniform", rows: 1, batch: p },
  ];
  const sizes = { rows: ROWS, columns: COLUMNS };
  return { ...sizes, batch, inputs, parts: null, usesRowIndex: false };
}

/** Batch shapes of a fold and its inputs, and how many segments they make. */
const COUNTS: [string, BatchedFold, number][] = [
  ["no batch dims", foldOf([], [], []), 1],
  ["rows of all batches are one fold", foldOf([5], [5], []), 1],
  ["of two dims too", foldOf([2, 3], [2, 3], [1]), 1],
  ["of the last dim alone", foldOf([2, 3], [2, 3], [2, 1], [2, 1]), 2],
  ["dims of length 1 are in nobody's way", foldOf([2, 1, 3, 1], [2, 1, 3, 1], [1, 1]), 1],
  ["columns of their own", foldOf([5], [5], [5]), 5],
  ["parameters of their own", foldOf([5], [5], [], [5]), 5],
  ["rows that come again", foldOf([2, 3], [3], []), 2],
  ["rows that stay", foldOf([2, 3], [2, 1], []), 6],
  ["rows that know their index", { ...foldOf([5], [5], []), usesRowIndex: true }, 5],
  ["no batches", foldOf([5, 0], [5, 1], [0]), 0],
];
for (const [name, fold, count] of COUNTS) {
  Deno.test(`segments of batches, ${name}: ${count}`, () => {
    const { segments, rows } = segmentsOf(fold);
    assertEquals(segments.length, count);
    const batches = sizeOf(fold.batch);
    assertEquals(rows * count, batches * ROWS);
    for (const { wholeRows } of segments) assertEquals(wholeRows, ROWS);
  });
}

Deno.test("every row of every batch is written once and read where it stands", () => {
  for (const [name, { x, y, p }] of Object.entries(PATTERNS)) {
    const rank = Math.max(x.length, y.length, p.length);
    const padded = [x, y, p].map((own) => [...new Array(rank - own.length).fill(1), ...own]);
    const batch = Array.from({ length: rank }, (_, k) => Math.max(...padded.map((own) => own[k])));
    const { segments } = segmentsOf(foldOf(batch, [...x], [...y], [...p]));
    const seen = new Set<number>();
    for (const { i0, i1, output, offsets } of segments) {
      for (let i = i0; i < i1; i++) {
        const row = i + output;
        assert(!seen.has(row), `${name}: row ${row} twice`);
        seen.add(row);
        // the batch's index, axis by axis
        let rest = Math.floor(row / ROWS);
        const index = new Array<number>(rank);
        for (let k = rank - 1; k >= 0; k--) {
          index[k] = rest % batch[k];
          rest = Math.floor(rest / batch[k]);
        }
        const flat = (own: readonly number[]): number =>
          own.reduce((at, length, k) => at * length + (length === 1 ? 0 : index[k]), 0);
        const [ofX, ofY, ofP] = padded.map(flat);
        const what = `${name}: row ${row}`;
        assertEquals([i + offsets[0], offsets[1], offsets[2]], [
          ofX * ROWS + row % ROWS,
          ofY * COLUMNS,
          ofP,
        ], what);
      }
    }
    assertEquals(seen.size, sizeOf(batch) * ROWS, name);
  }
});

Deno.test("one kernel for all batches, and for every number of them", async () => {
  const random = randomFor("kernels of batches");
  const device = new WasmEngine({ schedule: "untiled" });
  for (const batch of [[], [1], [3], [2, 5], [0]]) {
    const count = sizeOf(batch);
    const x = tensor(random.float32(count * 33 * 3), [...batch, 33, 3]);
    const y = tensor(random.float32(35 * 3), [35, 3]);
    const p = tensor(random.float32(count), [...batch, 1]);
    await Vi(x).sqDist(Vj(y)).mul(Pm(p)).exp().sum("j", { device }).data();
  }
  assertEquals(device.compiledPrograms, 1);
  device.dispose();
});
