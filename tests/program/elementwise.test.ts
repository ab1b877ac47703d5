// Elementwise operations on tensors: values of every op against the tables' float64 meaning, on the
// host and in kernels, over shapes that broadcast; derivatives of first and second order.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type ErrorCode, PairfoldError, type Tensor, tensor, where } from "../../mod.ts";
import { drawn, samplesOf, SCALAR_OPS, type ScalarOp, scalarTable } from "../../src/formula/mod.ts";
import { elementwise } from "../../src/program/mod.ts";
import { checkDerivatives, drawnTensor, worstError } from "../support/differences.ts";
import { type Random, randomFor } from "../support/random.ts";

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Attributes that an op is tried with. */
const attributesOf = (op: ScalarOp): (readonly number[])[] => {
  const lists = samplesOf(scalarTable[op]).map(({ attributes }) => attributes);
  return [...new Map(lists.map((list) => [list.join(), list])).values()];
};

const countOf = (op: ScalarOp): number => scalarTable[op].arity;

/** Shapes that broadcast to one: some axes 1, some leading ones left out. */
function randomShapes(random: Random, full: readonly number[], count: number): number[][] {
  const shapes = Array.from({ length: count }, () => {
    const own = full.map((n) => random.next() < 0.3 ? 1 : n);
    return own.slice(random.integer(own.length + 1));
  });
  shapes[random.integer(count)] = [...full];
  return shapes;
}

/** Where each element of a broadcast result comes from. */
function sourceOf(shape: readonly number[], full: readonly number[], at: number): number {
  let from = 0;
  let stride = 1;
  for (let back = 1; back <= full.length; back++) {
    const n = full[full.length - back];
    const own = shape[shape.length - back] ?? 1;
    from += own === 1 ? 0 : (at % n) * stride;
    stride *= own;
    at = Math.floor(at / n);
  }
  return from;
}

function operandsOf(
  op: ScalarOp,
  shapes: readonly (readonly number[])[],
  random: Random,
): Float64Array[] {
  const entry = scalarTable[op];
  return shapes.map((shape, k) =>
    Float64Array.from({ length: sizeOf(shape) }, (_, d) => drawn(entry, k, d, random.next()))
  );
}

function expected(
  op: ScalarOp,
  attributes: readonly number[],
  data: readonly ArrayLike<number>[],
  shapes: readonly (readonly number[])[],
  full: readonly number[],
): Float64Array {
  const { evaluate } = scalarTable[op];
  return Float64Array.from(
    { length: sizeOf(full) },
    (_, at) => evaluate(data.map((list, k) => list[sourceOf(shapes[k], full, at)]), attributes),
  );
}

/**
 * Small ones are computed on the host, large ones by kernels: rows, short vectors, other patterns.
 */
const FULL = [[5, 1, 3], [1031, 5], [37, 11, 13]];

for (const op of SCALAR_OPS) {
  Deno.test(`${op}: values over shapes that broadcast`, async () => {
    const random = randomFor(`elementwise ${op}`);
    for (const full of FULL) {
      for (const attributes of attributesOf(op)) {
        const shapes = randomShapes(random, full, countOf(op));
        const data = operandsOf(op, shapes, random);
        const args = data.map((list, k) => tensor(list, shapes[k]));
        const t = elementwise(op, args, attributes);
        assertEquals(t.shape, full);
        const want = expected(op, attributes, data, shapes, full);
        const error = worstError(await t.data(), want);
        assert(error < 1e-13, `${op} ${attributes} over ${shapes.join(" and ")}: off by ${error}`);
        const singles = data.map((list) => Float32Array.from(list));
        const rounded = expected(op, attributes, singles, shapes, full);
        const single = elementwise(
          op,
          singles.map((list, k) => tensor(list, shapes[k])),
          attributes,
        );
        const coarse = worstError(await single.data(), rounded);
        assert(coarse < 2e-6, `${op} ${attributes} in float32: off by ${coarse}`);
      }
    }
  });

  Deno.test(`${op}: derivatives match central differences`, async () => {
    const random = randomFor(`elementwise derivatives ${op}`);
    for (const attributes of attributesOf(op)) {
      const shapes = randomShapes(random, [3, 1, 4], countOf(op));
      const args = operandsOf(op, shapes, random).map((list, k) => tensor(list, shapes[k]));
      const isSteep = ["floor", "round", "mod"].includes(op); // steps between the differences
      if (isSteep) continue;
      await checkDerivatives(
        `${op} ${attributes}`,
        (...inputs) => elementwise(op, inputs, attributes),
        args,
      );
    }
  });
}

Deno.test("chains are computed at once, shared parts once, whatever is read first", async () => {
  for (const n of [3, 20011]) {
    const random = randomFor(`chain ${n}`);
    const data = random.float64(n, 0.5, 1.5);
    const make = (): Tensor[] => {
      const x = tensor(data);
      const shared = x.mul(2).log();
      const a = shared.square().add(x);
      const b = shared.neg().exp().mul(a);
      return [shared, a, b, a.add(b).sum()];
    };
    const log = data.map((x) => Math.log(2 * x));
    const first = data.map((x, k) => log[k] ** 2 + x);
    const second = data.map((_, k) => Math.exp(-log[k]) * first[k]);
    let total = 0;
    first.forEach((a, k) => total += a + second[k]);
    const want = [log, first, second, [total]];
    for (const order of [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]]) {
      const tensors = make();
      for (const k of order) assert(worstError(await tensors[k].data(), want[k]) < 1e-12);
      const together = make();
      const all = await Promise.all(order.map((k) => together[k].data()));
      order.forEach((k, at) => assert(worstError(all[at], want[k]) < 1e-12));
    }
  }
});

Deno.test("explain() tells what is fused, how it runs, and the kernel", async () => {
  const a = drawnTensor("explained a", [1031, 3]);
  const b = drawnTensor("explained b", [1031, 1]);
  const chain = a.mul(b).exp().add(1);
  const text = chain.explain();
  for (
    const part of [
      "elementwise x0 + x1 over [1031,3], float64",
      "fused     3 steps, 3 ops, one kernel",
      "exp(",
      "size      1031 rows, 1 columns, f64",
      "schedule ",
      "pair:",
      "generated source",
    ]
  ) assertStringIncludes(text, part);
  const small = drawnTensor("explained small", [5]).mul(2).sin();
  assertStringIncludes(small.explain(), "target    the host: 2 steps");
  const crossed = drawnTensor("row", [1, 70, 1]).add(drawnTensor("others", [40, 1, 3]));
  assertStringIncludes(crossed.explain(), "repeated  on the host first");
  // looking changes nothing
  const got = await chain.data();
  const [p, q] = [await a.data(), await b.data()];
  const want = Float64Array.from(p, (x, k) => Math.exp(x * q[Math.floor(k / 3)]) + 1);
  assert(worstError(got, want) < 1e-13);
  assertStringIncludes(chain.explain(), "elementwise");
});

Deno.test("long chains need no deep stack", async () => {
  for (const n of [2, 5003]) {
    let x = tensor(new Float64Array(n));
    for (let k = 0; k < 3000; k++) x = x.add(1);
    assertEquals((await x.data())[n - 1], 3000);
    let y = tensor(new Float64Array(n));
    for (let k = 0; k < 300; k++) y = y.add(1).slice({ step: -1 }).add(y.sum().mul(0));
    assertEquals((await y.data())[0], 300);
  }
});

Deno.test("numbers and arrays take on the tensor's dtype", async () => {
  const x = tensor([1, 2], undefined, { dtype: "float64" });
  assertEquals(await x.add(0.1).data(), new Float64Array([1.1, 2.1]));
  assertEquals(await x.add([0.1, 0.2]).data(), new Float64Array([1.1, 2.2]));
  assertEquals(await where(x.gt(1), x, 7).array(), [7, 2]);
  assertEquals(x.pow(0.5).dtype, "float64");
});

Deno.test("empty tensors stay empty", async () => {
  const x = tensor(new Float32Array(0), [0, 3]);
  assertEquals(await x.mul(2).add([1, 2, 3]).data(), new Float32Array(0));
  assertEquals(await x.sum(0).array(), [0, 0, 0]);
});

const x = tensor([[1, 2], [3, 4]]);
const BAD: readonly (readonly [string, () => unknown, ErrorCode, string])[] = [
  [
    "shapes that do not broadcast",
    () => x.add([1, 2, 3]),
    "shape",
    "add: got shapes [2,2] and [3]",
  ],
  ["float32 and float64", () => x.add(new Float64Array([1, 2])), "dtype", "add: got float32 and"],
  ["integers", () => x.add(new Int32Array([1, 2])), "dtype", "add: got int32"],
  ["integers alone", () => tensor(new Int32Array([1, 2])).neg(), "dtype", "neg: got int32"],
  ["strings", () => x.add("1" as unknown as number), "dtype", "add: got string"],
  ["nothing", () => x.add(null as unknown as number), "dtype", "add: got null"],
  ["ragged arrays", () => x.add([[1], [1, 2]]), "shape", "ragged array, got length 2"],
];
for (const [what, run, code, message] of BAD) {
  Deno.test(`elementwise ops refuse ${what}`, () => {
    const error = assertThrows(run, PairfoldError);
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, message);
    assertStringIncludes(error.message, "expected");
  });
}

Deno.test("a tensor that was disposed of is refused", async () => {
  const y = x.mul(2);
  y.dispose();
  const error = assertThrows(() => y.add(1), PairfoldError);
  assertEquals(error.code, "device");
  assertStringIncludes(error.message, "tensor float32 [2,2] was disposed of");
  assertStringIncludes(error.message, "expected one that is kept");
  const before = x.mul(3);
  const sum = before.add(1);
  before.dispose();
  const later = await assertRejects(() => sum.data(), PairfoldError);
  assertEquals(later.code, "device");
});

Deno.test("the check of derivatives refuses a gradient that is off in one place", async () => {
  let refused = false;
  try {
    await checkDerivatives("wrong", (t) => t.exp(), [tensor(new Float64Array([1, 2, 3]))], {
      spoil: (g) => g[1] *= 1.0001,
    });
  } catch {
    refused = true;
  }
  assert(refused);
});
