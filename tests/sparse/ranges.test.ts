// Block ranges: the pairs that they mean, from either side, and what is no such thing.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { BlockRanges, PairfoldError, tensor } from "../../mod.ts";
import type { ErrorCode } from "../../src/error.ts";
import { randomFor } from "../support/random.ts";
import { maskOf, randomRanges } from "../support/ranges.ts";

/** Throws unless a message of an error names what was got. */
function checkRefused(what: string, make: () => unknown, code: ErrorCode, says: string): void {
  const error = assertThrows(make, PairfoldError);
  assertEquals(error.code, code, `${what}: ${error.message}`);
  assert(error.message.includes(says), `${what}: ${error.message}`);
}

Deno.test("ranges mean the pairs of the clusters that meet, seen from rows and from columns", () => {
  const random = randomFor("ranges");
  for (const [M, N] of [[1, 1], [3, 5], [17, 40], [103, 51]]) {
    for (let n = 0; n < 20; n++) {
      const { ranges, mask } = randomRanges(random, M, N);
      assertEquals(maskOf(ranges, M, N, "j"), mask);
      assertEquals(maskOf(ranges, M, N, "i"), mask);
      assertEquals(ranges.pairs, mask.reduce((sum, one) => sum + one, 0));
      assert(ranges.transposed.transposed === ranges);
      assertEquals(ranges.transposed.pairs, ranges.pairs);
      const isSymmetric = M === N &&
        mask.every((one, at) => one === mask[(at % N) * N + Math.floor(at / N)]);
      if (M === N) assertEquals(ranges.isSymmetric, isSymmetric);
    }
  }
});

Deno.test("ranges of three and of six arrays are the same pairs", () => {
  const random = randomFor("keops ranges");
  for (let n = 0; n < 20; n++) {
    const { ranges } = randomRanges(random, 60, 45);
    const six = ranges.toKeops();
    const [rangesI, slicesI, redrangesJ] = six;
    assert(BlockRanges.fromKeops(six).equals(ranges));
    const three = BlockRanges.fromKeops([rangesI, slicesI, redrangesJ]);
    assert(three.equals(ranges) && three.transposed.equals(ranges.transposed));
    const flat = BlockRanges.fromKeops([
      Int32Array.from(rangesI.flat()),
      Int32Array.from(slicesI),
      Int32Array.from(redrangesJ.flat()),
    ]);
    assert(flat.equals(ranges));
  }
});

Deno.test("ranges: KeOps' own example", () => {
  const keep = [[true, true, false], [false, true, false]];
  const ranges = BlockRanges.fromMatrix([[2, 5], [7, 12]], [[1, 4], [4, 9], [20, 30]], keep);
  const keops = BlockRanges.fromKeops([
    [[2, 5], [7, 12]],
    [2, 3],
    [[1, 4], [4, 9], [4, 9]],
    [[1, 4], [4, 9], [20, 30]],
    [1, 3, 3],
    [[2, 5], [2, 5], [7, 12]],
  ]);
  assert(ranges.equals(keops));
  assertEquals([ranges.pairs, ranges.blocks], [3 * 8 + 5 * 5, 2]);
  assertEquals(ranges.toKeops()[2], [[1, 9], [4, 9]]); // what continues is one range
});

Deno.test("ranges: any order, matrices of every kind", () => {
  const rows = [[4, 7], [0, 2]], columns = [[5, 9], [0, 3], [3, 5]];
  const keep = [[true, false, true], [false, true, true]];
  const want = BlockRanges.fromMatrix([[0, 2], [4, 7]], [[0, 3], [3, 5], [5, 9]], [
    [true, true, false],
    [false, true, true],
  ]);
  const flat = Float32Array.from(keep.flat().map(Number));
  const kinds = [keep, keep.map((row) => row.map(Number)), flat, [...flat]];
  for (const kind of [...kinds, (k: number, l: number) => keep[k][l]]) {
    assert(BlockRanges.fromMatrix(rows, columns, kind).equals(want));
  }
  assert(BlockRanges.fromMatrix(Int32Array.of(4, 7, 0, 2), columns, keep).equals(want));
  const nothing = BlockRanges.fromMatrix([], columns, []);
  assertEquals([nothing.pairs, nothing.blocks, nothing.transposed.blocks], [0, 0, 0]);
  assertEquals(BlockRanges.fromMatrix([[3, 3]], [[0, 4]], [[true]]).pairs, 0);
});

Deno.test("ranges of a triangle, a block for each row, are one range for each column", () => {
  const n = 500;
  const rows = Array.from({ length: n }, (_, k) => [k, k + 1]);
  const slices = rows.map((_, k) => k + 1);
  const triangle = BlockRanges.fromKeops([rows, slices, rows.map(([, end]) => [0, end])]);
  assertEquals(triangle.pairs, n * (n + 1) / 2);
  const [, , , , , redrangesI] = triangle.toKeops();
  assertEquals(redrangesI, rows.map(([k]) => [k, n]));
});

const R = [[0, 2], [2, 5]], C = [[0, 3]];
const K = [[true], [true]];
/** What is wrong, the call, the code, what the message says. */
const MATRICES: [string, () => unknown, ErrorCode, string][] = [
  [
    "rows overlap",
    () => BlockRanges.fromMatrix([[0, 3], [2, 5]], C, K),
    "shape",
    "[0, 3] and [2, 5]",
  ],
  [
    "columns overlap",
    () => BlockRanges.fromMatrix(R, [[0, 3], [1, 2]], [[1, 1], [1, 1]]),
    "shape",
    "of columns",
  ],
  ["backwards", () => BlockRanges.fromMatrix([[0, 2], [5, 2]], C, K), "shape", "[5, 2]"],
  ["below 0", () => BlockRanges.fromMatrix([[-1, 2], [2, 5]], C, K), "shape", "-1"],
  ["no integer", () => BlockRanges.fromMatrix([[0, 2.5], [3, 5]], C, K), "shape", "2.5"],
  ["NaN", () => BlockRanges.fromMatrix([[0, NaN], [3, 5]], C, K), "shape", "NaN"],
  ["too large", () => BlockRanges.fromMatrix([[0, 2 ** 31], [3, 5]], C, K), "shape", "2147483648"],
  ["three ends", () => BlockRanges.fromMatrix([[0, 2, 3], [3, 5]], C, K), "shape", "0,2,3"],
  ["half a pair", () => BlockRanges.fromMatrix([0, 2, 5], C, K), "shape", "3 numbers"],
  ["a number", () => BlockRanges.fromMatrix(5 as never, C, K), "dtype", "5 as ranges of rows"],
  ["nothing", () => BlockRanges.fromMatrix(null as never, C, K), "dtype", "null"],
  ["a tensor", () => BlockRanges.fromMatrix(tensor(R) as never, C, K), "dtype", "await t.data()"],
  [
    "text",
    () => BlockRanges.fromMatrix([["a", "b"]] as never, C, [[true]]),
    "shape",
    "a in ranges",
  ],
  [
    "a hole",
    () => BlockRanges.fromMatrix([[0, 2], undefined] as never, C, K),
    "shape",
    "undefined",
  ],
  ["keep: too few rows", () => BlockRanges.fromMatrix(R, C, [[true]]), "shape", "1 rows of keep"],
  [
    "keep: too long a row",
    () => BlockRanges.fromMatrix(R, C, [[true], [true, false]]),
    "shape",
    "2 numbers in row 1",
  ],
  ["keep: too few numbers", () => BlockRanges.fromMatrix(R, C, [1, 0, 1]), "shape", "3 numbers"],
  ["keep: NaN", () => BlockRanges.fromMatrix(R, C, [[true], [NaN]]), "dtype", "NaN in keep"],
  ["keep: text", () => BlockRanges.fromMatrix(R, C, [["yes"], ["no"]] as never), "dtype", "yes"],
  ["keep: missing", () => BlockRanges.fromMatrix(R, C, undefined as never), "dtype", "undefined"],
  ["new", () => new (BlockRanges as never as new () => BlockRanges)(), "dtype", "fromMatrix"],
  [
    "others that are none",
    () => BlockRanges.fromMatrix(R, C, K).equals(null as never),
    "dtype",
    "null; expected BlockRanges",
  ],
  [
    "keep: a function of nothing",
    () => BlockRanges.fromMatrix(R, C, (() => undefined) as never),
    "dtype",
    "undefined",
  ],
];
const SLICES: [string, unknown, ErrorCode, string][] = [
  ["four arrays", [R, [1, 2], [[0, 3], [0, 3]], R], "shape", "4 arrays"],
  ["no arrays", "ranges", "shape", "got ranges;"],
  ["null", null, "shape", "got null;"],
  ["too few slices", [R, [2], [[0, 3], [0, 3]]], "shape", "1 slices"],
  ["slices that go back", [R, [2, 1], [[0, 3], [4, 5]]], "shape", "1 after 2"],
  ["slices that end early", [R, [1, 1], [[0, 3], [0, 3]]], "shape", "end at 1"],
  ["slices beyond the end", [R, [1, 3], [[0, 3], [0, 3]]], "shape", "end at 3"],
  ["slices that are no integers", [R, [1, 1.5], [[0, 3], [0, 3]]], "shape", "1.5"],
  ["a block's columns overlap", [R, [2, 2], [[0, 3], [2, 5]]], "shape", "columns of block 0"],
  ["rows overlap", [[[0, 3], [2, 5]], [1, 2], [[0, 3], [0, 3]]], "shape", "of rows"],
  [
    "other pairs from the columns",
    [R, [1, 1], C, C, [1], [[2, 5]]],
    "shape",
    "6 pairs in the first",
  ],
  [
    "as many other pairs",
    [[[0, 2]], [1], [[0, 2]], [[0, 2]], [1], [[1, 3]]],
    "shape",
    "not the same",
  ],
];
for (const [what, make, code, says] of MATRICES) {
  Deno.test(`ranges of a matrix, ${what}: refused`, () => checkRefused(what, make, code, says));
}
for (const [what, arrays, code, says] of SLICES) {
  Deno.test(`ranges of KeOps' arrays, ${what}: refused`, () =>
    checkRefused(what, () => BlockRanges.fromKeops(arrays as never), code, says));
}
