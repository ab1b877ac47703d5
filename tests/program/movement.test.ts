// Operations that move elements, against plain loops; their derivatives; what they refuse.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  arange,
  concatenate,
  type ErrorCode,
  eye,
  full,
  linspace,
  type NestedNumbers,
  PairfoldError,
  stack,
  type Tensor,
  tensor,
  zeros,
} from "../../mod.ts";
import { checkDerivatives, drawnTensor } from "../support/differences.ts";
import { randomFor } from "../support/random.ts";

type Nested = readonly NestedNumbers[];

const counted = (...shape: readonly number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float64Array.from({ length: size }, (_, k) => k), shape);
};

const grid = counted(2, 3, 4);
const nested = await grid.array() as number[][][];

/** Each move: what it gives, and what it is to give. */
const MOVES: readonly (readonly [string, (t: Tensor) => Tensor, unknown])[] = [
  ["reshape", (t) => t.reshape(4, -1), await counted(4, 6).array()],
  [
    "transpose",
    (t) => t.transpose(),
    [0, 1, 2, 3].map((c) => [0, 1, 2].map((b) => [0, 1].map((a) => nested[a][b][c]))),
  ],
  [
    "transpose of axes",
    (t) => t.transpose([1, 0, -1]),
    [0, 1, 2].map((b) => [0, 1].map((a) => nested[a][b])),
  ],
  ["expandDims", (t) => t.expandDims(-1).reshape([2, 3, 4]), nested],
  ["a position", (t) => t.slice(-1), nested[1]],
  ["positions", (t) => t.slice(0, -1, 2), nested[0][2][2]],
  ["a range", (t) => t.slice(null, { start: 1 }), nested.map((m) => m.slice(1))],
  [
    "a range from the end",
    (t) => t.slice(null, { start: -2, stop: -1 }),
    nested.map((m) => m.slice(1, 2)),
  ],
  [
    "steps",
    (t) => t.slice(null, null, { start: 1, step: 2 }),
    nested.map((m) => m.map((r) => [r[1], r[3]])),
  ],
  [
    "steps backwards",
    (t) => t.slice({ step: -1 }, null, { start: 2, step: -2 }),
    nested.toReversed().map((m) => m.map((r) => [r[2], r[0]])),
  ],
  [
    "a range beyond the end",
    (t) => t.slice(null, { start: 1, stop: 99 }),
    nested.map((m) => m.slice(1)),
  ],
  ["an empty range", (t) => t.slice({ start: 2 }), []],
  ["take", (t) => t.take([2, 0, -1], 1), nested.map((m) => [m[2], m[0], m[2]])],
  ["take of a matrix of indices", (t) => t.take([[0, 1], [1, 1]]), [[nested[0], nested[1]], [
    nested[1],
    nested[1],
  ]]],
  ["broadcastTo", (t) => t.slice(0, 0).broadcastTo([2, 4]), [nested[0][0], nested[0][0]]],
  ["concatenate", (t) => concatenate([t, t.mul(-1)], 1).slice(1), [
    ...nested[1],
    ...nested[1].map((r) => r.map((v) => -v)),
  ]],
  [
    "stack",
    (t) => stack([t.slice(0), t.slice(1)], -1),
    nested[0].map((r, b) => r.map((v, c) => [v, nested[1][b][c]])),
  ],
  ["scatterAdd", (t) => zeros([3, 4], { dtype: "float64" }).scatterAdd([2, 0, 2], t.slice(0)), [
    nested[0][1],
    [0, 0, 0, 0],
    nested[0][0].map((v, c) => v + nested[0][2][c]),
  ]],
  ["takeAlongAxis", (t) => t.slice(1).takeAlongAxis([[3], [0], [-1]], 1), [[nested[1][0][3]], [
    nested[1][1][0],
  ], [nested[1][2][3]]]],
];

for (const [name, move, want] of MOVES) {
  Deno.test(`${name}: values and derivatives`, async () => {
    assertEquals(await move(grid).array(), want);
    if (move(grid).size === 0) return;
    await checkDerivatives(name, (t) => move(t.square()), [drawnTensor(name, [2, 3, 4])]);
  });
}

Deno.test("derivatives through several joined tensors, one of which stands twice", async () => {
  const [a, b] = [drawnTensor("joined a", [2, 3]), drawnTensor("joined b", [4, 3])];
  await checkDerivatives("concatenate", (s, t) => concatenate([s.sin(), t, s]), [a, b]);
  await checkDerivatives("stack", (s, t) => stack([s, t.slice({ stop: 2 })], 1), [a, b]);
});

Deno.test("sorting: stable, NaN last, along any axis; its derivative follows the elements", async () => {
  const random = randomFor("sorting");
  const data = random.float64(5 * 517, -1, 1).map((v) => Math.round(v * 20) / 20);
  const x = tensor(data, [5, 517]);
  const order = await x.argSort().array() as number[][];
  const rows = await x.array() as number[][];
  rows.forEach((row, k) => {
    const want = row.map((_, at) => at).sort((a, b) => row[a] - row[b] || a - b);
    assertEquals(order[k], want);
  });
  const columns = await x.sort(0).array() as number[][];
  for (let c = 0; c < 517; c++) {
    const want = rows.map((row) => row[c]).sort((a, b) => a - b);
    assertEquals(columns.map((row) => row[c]), want);
  }
  assertEquals(await tensor([2, NaN, 1, NaN]).sort().array(), [1, 2, NaN, NaN]);
  assertEquals(await tensor([2, NaN, 1, NaN]).argSort().array(), [2, 0, 1, 3]);
  await checkDerivatives("sort", (t) => t.square().sort(0), [drawnTensor("sort", [7, 3])]);
});

Deno.test("gathering by indices that folds give: missing neighbours are NaN and get nothing", async () => {
  const indices = tensor(new Int32Array([1, -1, 0, 1]), [2, 2]);
  const x = tensor([[1, 2], [3, 4]]);
  const want: Nested = [[[3, 4], [NaN, NaN]], [[1, 2], [3, 4]]];
  assertEquals(await x.take(indices).array(), want);
  const back = zeros([2, 2]).scatterAdd(indices, 1);
  assertEquals(await back.array(), [[1, 1], [2, 2]]);
  const far = tensor(new Int32Array([2]));
  const error = await assertRejects(() => x.take(far).data(), PairfoldError);
  assertEquals(error.code, "shape");
});

Deno.test("types: to and from integers, and derivatives through float types", async () => {
  const x = tensor([1.7, -1.7, 0]);
  assertEquals(await x.astype("int32").data(), new Int32Array([1, -1, 0]));
  assertEquals(await x.astype("int32").astype("float64").data(), new Float64Array([1, -1, 0]));
  for (const bad of [NaN, 2 ** 31, -(2 ** 31) - 1]) {
    const wrong = tensor(new Float64Array([bad])).astype("int32");
    assertEquals((await assertRejects(() => wrong.data(), PairfoldError)).code, "dtype");
  }
  await checkDerivatives("astype", (t) => t.square().astype("float64"), [drawnTensor("cast", [3])]);
});

Deno.test("tensors of numbers that a rule gives", async () => {
  assertEquals(await full([2, 2], 7).array(), [[7, 7], [7, 7]]);
  assertEquals(await eye(2, { dtype: "int32" }).data(), new Int32Array([1, 0, 0, 1]));
  assertEquals(await arange(3, 0, -1).array(), [3, 2, 1]);
  assertEquals(await arange(0, 0).array(), []);
  assertEquals(await linspace(0, 1, 5).array(), [0, 0.25, 0.5, 0.75, 1]);
  assertEquals(await linspace(2, 3, 1).array(), [2]);
});

const loose = grid as unknown as Record<string, (...args: unknown[]) => unknown>;
const BAD: readonly (readonly [string, () => unknown, ErrorCode])[] = [
  ["a shape of another size", () => grid.reshape(5, 5), "shape"],
  ["two unknown lengths", () => grid.reshape(-1, -1), "shape"],
  ["an axis twice", () => grid.transpose([0, 0, 1]), "shape"],
  ["too few axes", () => grid.transpose([0, 1]), "shape"],
  ["a position beyond", () => grid.slice(2), "shape"],
  ["too many ranges", () => grid.slice(0, 0, 0, 0), "shape"],
  ["a step of 0", () => grid.slice({ step: 0 }), "shape"],
  ["an index beyond", () => grid.take([2]), "shape"],
  ["half an index", () => grid.take([0.5]), "shape"],
  ["float indices", () => grid.take(tensor([0])), "dtype"],
  ["indices of another rank", () => grid.takeAlongAxis([0], 1), "shape"],
  ["values that do not broadcast", () => grid.scatterAdd([0], [[1, 2, 3]]), "shape"],
  ["a shape that it does not broadcast to", () => grid.broadcastTo([3, 4]), "shape"],
  ["no shape", () => loose.broadcastTo([0.5]), "shape"],
  ["an unknown type", () => loose.astype("float16"), "dtype"],
  ["joining nothing", () => concatenate([]), "shape"],
  ["joining other lengths", () => concatenate([grid, grid.slice(null, 0)]), "shape"],
  ["joining two types", () => concatenate([grid, tensor([[[1]]])]), "dtype"],
  ["stacking two shapes", () => stack([grid, grid.slice(0)]), "shape"],
  ["a range without end", () => arange(0, 1, 0), "shape"],
  ["half a length", () => zeros([0.5]), "shape"],
];
for (const [what, run, code] of BAD) {
  Deno.test(`moves refuse ${what}`, () => {
    const error = assertThrows(run, PairfoldError);
    assertEquals(error.code, code, error.message);
  });
}

Deno.test("errors name the operation that was asked for, not one that it is made of", () => {
  const runs: Readonly<Record<string, () => unknown>> = {
    softmax: () => grid.softmax(3),
    logSoftmax: () => grid.logSoftmax(-4),
    sort: () => grid.sort(3),
    scatterAdd: () => grid.scatterAdd([0], [[1, 2, 3]]),
  };
  for (const [op, run] of Object.entries(runs)) {
    const { message } = assertThrows(run, PairfoldError);
    assert(message.startsWith(`PairfoldError[shape]: ${op}: got `), message);
    assert(message.includes("; expected "), message);
  }
});

Deno.test("history goes once numbers are there", async () => {
  let isFree = false;
  const registry = new FinalizationRegistry<number>(() => isFree = true);
  let kept: Tensor;
  await (async () => {
    const large = tensor(new Float32Array(1000));
    registry.register(large, 0);
    kept = large.mul(2).slice({ stop: 10 }).add(1);
    await kept.data();
  })();
  for (let round = 0; round < 50 && !isFree; round++) {
    new ArrayBuffer(64 * 2 ** 20);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert(isFree);
  assertEquals(kept!.shape, [10]);
});
