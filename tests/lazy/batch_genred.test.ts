// Functions of KeOps formulas with batch dims: the shapes that pykeops 2.3 gives, the results of
// batches one by one, in patterns that pykeops gets wrong too; and `vjp` through them.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { genred, PairfoldError, type Tensor, tensor, vjp } from "../../mod.ts";
import type { KeopsReduction } from "../../src/lazy/mod.ts";
import {
  addedUp,
  batchByBatch,
  type Batched,
  checkBatches,
  commonBatch,
  type Pattern,
  PATTERNS,
  randomBatches,
} from "../support/batches.ts";
import { type Random, randomFor } from "../support/random.ts";

const ALIASES = ["G=Pm(0,1)", "X=Vi(1,3)", "Y=Vj(2,3)", "B=Vj(3,2)"];
const SUMS: readonly KeopsReduction[] = [
  "Sum",
  "LogSumExp",
  "Max_ArgMax",
  "KMin_ArgKMin",
  "ArgMin",
];

function inputsOf(random: Random, { x, y, p }: Pattern): Batched[] {
  return [
    randomBatches(random, p, [1], "float64", [0.5, 2]),
    randomBatches(random, x, [7, 3], "float64"),
    randomBatches(random, y, [5, 3], "float64"),
    randomBatches(random, y, [5, 2], "float64"),
  ];
}

for (const reduction of SUMS) {
  Deno.test(`genred, batches of ${reduction}: what each has alone`, async () => {
    const random = randomFor(`genred batches ${reduction}`);
    for (const axis of [0, 1] as const) {
      // more neighbours than points on one of the axes
      const k = reduction === "KMin_ArgKMin" ? { k: 6 } : {};
      const options = { reduction, axis, dtype: "float64", ...k } as const;
      const f = genred("Exp(-G*SqDist(X,Y))*B", ALIASES, options);
      const fold = (...inputs: Tensor[]): readonly Tensor[] => [f(...inputs)].flat();
      for (const [name, pattern] of Object.entries(PATTERNS)) {
        const inputs = inputsOf(random, pattern);
        await checkBatches(inputs, fold, `${name}, axis ${axis}`);
      }
    }
  });
}

Deno.test("genred, shapes are those of pykeops 2.3", () => {
  const zeros = (...shape: number[]): Tensor =>
    tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const f = genred("Exp(-G*SqDist(X,Y))*B", ALIASES);
  const shapeOf = (...shapes: number[][]): readonly number[] =>
    f(...shapes.map((shape) => zeros(...shape))).shape;
  assertEquals(shapeOf([1], [7, 3], [5, 3], [5, 2]), [7, 2]);
  assertEquals(shapeOf([1, 1], [7, 3], [5, 3], [5, 2]), [7, 2]);
  assertEquals(shapeOf([4, 1], [4, 7, 3], [4, 5, 3], [4, 5, 2]), [4, 7, 2]);
  assertEquals(shapeOf([1], [4, 7, 3], [1, 5, 3], [4, 5, 2]), [4, 7, 2]);
  assertEquals(shapeOf([4, 1], [1, 7, 3], [1, 5, 3], [1, 5, 2]), [4, 7, 2]);
  // pykeops: [5, 7, 2], [7, 2] and a crash
  assertEquals(shapeOf([1], [4, 7, 3], [5, 3], [4, 5, 2]), [4, 7, 2]);
  assertEquals(shapeOf([4, 1], [7, 3], [5, 3], [5, 2]), [4, 7, 2]);
  assertEquals(shapeOf([1], [2, 4, 7, 3], [1, 4, 5, 3], [2, 1, 5, 2]), [2, 4, 7, 2]);
  const nearest = genred("SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], {
    reduction: "KMin_ArgKMin",
    k: 3,
  });
  const shapes = nearest(zeros(4, 7, 3), zeros(4, 5, 3)).map(({ shape }) => shape);
  assertEquals(shapes, [[4, 7, 3], [4, 7, 3]]);
});

Deno.test("genred, vjp: gradients of batches one by one, summed where inputs are broadcast", async () => {
  const random = randomFor("genred vjp batches");
  const f = genred("Exp(-G*SqDist(X,Y))*B", ALIASES, { dtype: "float64" });
  for (const [name, pattern] of Object.entries(PATTERNS)) {
    const inputs = inputsOf(random, pattern);
    const shape = commonBatch(...inputs.map(({ batch }) => batch));
    const cotangent = randomBatches(random, shape, [7, 2], "float64");
    const [output, pull] = vjp(f, inputs.map(({ t }) => t));
    assertEquals(output.shape, [...shape, 7, 2]);
    const gradients = pull(cotangent.t);
    const parts = await batchByBatch(shape, [...inputs, cotangent], (...one) => {
      const [, pullOne] = vjp(f, one.slice(0, 4));
      return pullOne(one[4]);
    });
    for (const [k, gradient] of gradients.entries()) {
      assertEquals(gradient.shape, inputs[k].t.shape, name);
      const want = addedUp(parts[k], shape, inputs[k].batch);
      const got = await gradient.data();
      want.forEach((value, at) => {
        const error = Math.abs(got[at] - value) / Math.max(1, Math.abs(value));
        assert(error < 1e-12, `${name}, input ${k}: number ${at} is ${got[at]}, want ${value}`);
      });
    }
  }
});

Deno.test("genred, vjp: results with batch dims go on into another formula", async () => {
  const random = randomFor("genred chain batches");
  const first = genred("SqDist(X,Y)*B", ["X=Vi(0,2)", "Y=Vj(1,2)", "B=Vj(2,1)"], {
    dtype: "float64",
  });
  const second = genred("Exp(-S)*P", ["S=Vi(0,1)", "P=Pm(1,1)"], { dtype: "float64", axis: 0 });
  const x = randomBatches(random, [2, 1], [3, 2], "float64");
  const b = randomBatches(random, [3], [3, 1], "float64");
  const p = randomBatches(random, [2, 3], [1], "float64");
  // x in two roles
  const chain = (...[s, c, q]: Tensor[]): Tensor => second(first(s, s, c), q);
  const [output, pull] = vjp(chain, [x.t, b.t, p.t]);
  assertEquals(output.shape, [2, 3, 1, 1]);
  const ones = tensor(new Float64Array(6).fill(1), output.shape);
  const gradients = pull(ones);
  const parts = await batchByBatch([2, 3], [x, b, p], (...one) => {
    const [, pullOne] = vjp(chain, one);
    return pullOne([[1]]);
  });
  for (const [k, { batch }] of [x, b, p].entries()) {
    const want = addedUp(parts[k], [2, 3], batch);
    const got = await gradients[k].data();
    want.forEach((value, at) => assert(Math.abs(got[at] - value) < 1e-12, `input ${k}`));
  }
});

Deno.test("genred, batch dims that do not broadcast: a PairfoldError names both", () => {
  const f = genred("SqDist(X,Y)", ["X=Vi(0,1)", "Y=Vj(1,1)"]);
  const two = tensor([[[1]], [[2]]]), three = tensor([[[1]], [[2]], [[3]]]);
  const message = "got batch dims [3] in input 1 and [2] before it";
  const error = assertThrows(() => f(two, three), PairfoldError, message);
  assertEquals(error.code, "shape");
  assertThrows(() => f(two, tensor([[[1, 2]]])), PairfoldError, "[rows, 1] or [...batch, rows, 1]");
});
