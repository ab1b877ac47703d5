// Gradients and differentials with batch dims, in float64: every reduction, pattern and kind of
// input against batches one by one, and against central differences; inputs that are broadcast get
// the sum.

import { assert, assertEquals } from "@std/assert";
import { type LazyTensor, Pm, type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import { sumToSize } from "../../src/program/mod.ts";
import { type ReductionName, REDUCTIONS, reductions } from "../../src/reduction/mod.ts";
import { sizeOf } from "../../src/tensor/mod.ts";
import {
  addedUp,
  batchByBatch,
  type Batched,
  commonBatch,
  PATTERNS,
  randomBatches,
} from "../support/batches.ts";
import { type Random, randomFor } from "../support/random.ts";

const DIFFERENTIABLE = REDUCTIONS.filter((name) => reductions[name].derivatives !== null);
const [M, N, K] = [4, 5, 2];
const STEP = 1e-5;

/** A fold as it is differentiated: its formula, its weight, the variables by kind. */
interface Made {
  readonly formula: LazyTensor;
  readonly options: { readonly k: number; readonly weight?: LazyTensor };
  readonly variables: Readonly<Record<Kind, LazyTensor>>;
}
const KINDS = ["i", "j", "p"] as const;
type Kind = typeof KINDS[number];

/** A formula of all kinds of inputs that the reduction takes, its weight too. */
function made(reduction: ReductionName, [x, y, p]: readonly Tensor[]): Made {
  const variables = { i: Vi(x), j: Vj(y), p: Pm(p) };
  const { takes } = reductions[reduction];
  const distance = variables.i.sqDist(variables.j).mul(variables.p.elem(0));
  const formula = takes === "components"
    ? distance.neg().exp().mul(variables.j.sub(variables.i)).mul(variables.p)
    : distance;
  const weight = variables.j.square().add(distance).add(variables.p.elem(1));
  const isWeighted = takes === "scalar and weight";
  return { formula, options: { k: K, ...(isWeighted ? { weight } : {}) }, variables };
}

/** Points of dim 2 and parameters of dim 2. */
function inputsOf(random: Random, pattern: typeof PATTERNS[string]): Batched[] {
  return [
    randomBatches(random, pattern.x, [M, 2], "float64"),
    randomBatches(random, pattern.y, [N, 2], "float64"),
    randomBatches(random, pattern.p, [2], "float64", [0.5, 2]),
  ];
}

/** The shape of a reduction's results in one batch. */
function resultShape(reduction: ReductionName, axis: "i" | "j"): number[] {
  const { outputDim, isList, takes } = reductions[reduction];
  const dim = takes === "components" ? 2 : 1;
  const rows = axis === "j" ? M : N;
  if (isList) return [rows, K, ...(dim === 1 ? [] : [dim])];
  return [rows, outputDim(dim, takes === "scalar and weight" ? 2 : 0, K)];
}

function checkClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string,
) {
  assertEquals(got.length, want.length, what);
  const scale = Math.max(1e-3, ...Array.from(want, Math.abs));
  for (let k = 0; k < want.length; k++) {
    const error = Math.abs(got[k] - want[k]) / scale;
    assert(error <= tolerance, `${what}: number ${k} is ${got[k]}, want ${want[k]}`);
  }
}

const inner = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, k) => sum + value * b[k], 0);

for (const reduction of DIFFERENTIABLE) {
  Deno.test(`batches of ${reduction}: gradients and differentials are those of each, summed`, async () => {
    const random = randomFor(`batch gradient ${reduction}`);
    for (const axis of ["i", "j"] as const) {
      for (const [name, pattern] of Object.entries(PATTERNS)) {
        const inputs = inputsOf(random, pattern);
        const tensors = inputs.map(({ t }) => t);
        const shape = commonBatch(...inputs.map(({ batch }) => batch));
        const own = resultShape(reduction, axis);
        const cotangent = randomBatches(random, shape, own, "float64");
        const all = made(reduction, tensors);
        for (const [k, kind] of KINDS.entries()) {
          const what = `${name}, over ${axis}, by ${kind}`;
          const gradient = all.formula
            .vjp(reduction, axis, all.variables[kind], cotangent.t, all.options);
          assertEquals(gradient.shape, tensors[k].shape, what);
          const [parts] = await batchByBatch(shape, [...inputs, cotangent], (...one) => {
            const { formula, options, variables } = made(reduction, one);
            return [formula.vjp(reduction, axis, variables[kind], one[3], options)];
          });
          const want = addedUp(parts, shape, inputs[k].batch);
          checkClose(await gradient.data(), want, 1e-12, what);
        }
        // forward: all inputs move
        const moves = inputs.map(({ t, batch }) =>
          randomBatches(random, batch, t.shape.slice(batch.length), "float64")
        );
        const along = (one: Made, by: readonly Tensor[]): Tensor =>
          one.formula.jvp(
            reduction,
            axis,
            KINDS.map((kind, k) => [one.variables[kind], by[k]] as const),
            one.options,
          );
        const moved = along(all, moves.map(({ t }) => t));
        assertEquals(moved.shape, [...shape, ...own], name);
        const [want] = await batchByBatch(shape, [...inputs, ...moves], (...one) => [
          along(made(reduction, one), one.slice(3)),
        ]);
        checkClose(await moved.data(), want, 1e-12, `${name}, over ${axis}, forwards`);
      }
    }
  });
}

/** Value of a reduction (its floats) with a cotangent, as a function of all inputs. */
async function value(
  reduction: ReductionName,
  axis: "i" | "j",
  tensors: readonly Tensor[],
  cotangent: Tensor,
): Promise<number> {
  const { formula, options: { weight } } = made(reduction, tensors);
  const folds: Partial<Record<ReductionName, () => Tensor>> = {
    sum: () => formula.sum(axis),
    logSumExp: () => formula.logSumExp(axis),
    sumSoftMaxWeight: () => formula.sumSoftmaxWeight(weight ?? formula, axis),
    min: () => formula.min(axis),
    kMin: () => formula.kMin(K, axis),
  };
  const run = folds[reduction];
  assert(run !== undefined);
  return inner(await run().data(), await cotangent.data());
}

/** The largest error of a gradient by one input against central differences. */
async function differenceError(
  reduction: ReductionName,
  axis: "i" | "j",
  inputs: readonly Batched[],
  k: number,
  cotangent: Tensor,
  gradient: ArrayLike<number>,
): Promise<number> {
  const numbers = await inputs[k].t.data();
  let worst = 0;
  for (let at = 0; at < numbers.length; at++) {
    const shifted = (by: number): Promise<number> => {
      const own = numbers.slice();
      own[at] += by;
      const all = inputs.map(({ t }, n) => n === k ? tensor(own, t.shape) : t);
      return value(reduction, axis, all, cotangent);
    };
    const want = (await shifted(STEP) - await shifted(-STEP)) / (2 * STEP);
    worst = Math.max(worst, Math.abs(gradient[at] - want) / Math.max(1, Math.abs(want)));
  }
  return worst;
}

const BY_DIFFERENCES = ["sum", "logSumExp", "sumSoftMaxWeight", "min", "kMin"] as const;
for (const reduction of BY_DIFFERENCES) {
  Deno.test(`batches of ${reduction}: gradients match central differences`, async () => {
    const random = randomFor(`batch differences ${reduction}`);
    for (const name of ["rows alone", "dims that one lacks", "three dims"]) {
      for (const axis of ["i", "j"] as const) {
        const inputs = inputsOf(random, PATTERNS[name]);
        const shape = commonBatch(...inputs.map(({ batch }) => batch));
        const cotangent = randomBatches(random, shape, resultShape(reduction, axis), "float64").t;
        const { formula, options, variables } = made(reduction, inputs.map(({ t }) => t));
        for (const [k, kind] of KINDS.entries()) {
          const gradient = await formula
            .vjp(reduction, axis, variables[kind], cotangent, options).data();
          const error = await differenceError(reduction, axis, inputs, k, cotangent, gradient);
          assert(error < 1e-7, `${name}, over ${axis}, by ${kind}: error ${error}`);
        }
      }
    }
  });
}

Deno.test("central differences tell a gradient that forgets a batch", async () => {
  const random = randomFor("forgotten batch");
  const inputs = inputsOf(random, PATTERNS["rows alone"]);
  const cotangent = randomBatches(random, [3], resultShape("sum", "j"), "float64");
  // y is one for three batches; this is the gradient of the first two
  const two = (t: Tensor): Tensor =>
    tensor((t.peek() ?? new Float64Array()).slice(0, t.size / 3 * 2), [2, ...t.shape.slice(1)]);
  const { formula, variables } = made("sum", [two(inputs[0].t), inputs[1].t, inputs[2].t]);
  const wrong = await formula.vjp("sum", "j", variables.j, two(cotangent.t)).data();
  assert(await differenceError("sum", "j", inputs, 1, cotangent.t, wrong) > 1e-3);
});

Deno.test("an input used with and without batches, and twice, has each its own gradient", async () => {
  const random = randomFor("twice in batches");
  const t = randomBatches(random, [3], [4, 2], "float64").t;
  const K = Vi(t).sqDist(Vj(t)).neg().exp();
  const both = K.vjp("sum", "j", Vi(t));
  const other = K.vjp("sum", "j", Vj(t));
  const [want, columns] = await batchByBatch([3], [{ t, batch: [3] }], (one) => {
    const alone = Vi(one).sqDist(Vj(one)).neg().exp();
    return [alone.vjp("sum", "j", Vi(one)), alone.vjp("sum", "j", Vj(one))];
  });
  checkClose(await both.data(), want, 1e-12, "rows");
  checkClose(await other.data(), columns, 1e-12, "columns");
  // the cotangent is the input itself, and so is the direction
  const scaled = Vi(t).mul(Vj(t).sum("d"));
  const g = await scaled.vjp("sum", "j", Vi(t), t).data();
  const copy = tensor(await t.data(), t.shape);
  assertEquals(g, await scaled.vjp("sum", "j", Vi(t), copy).data());
  const moved = await scaled.jvp("sum", "j", [[Vj(t), t]]).data();
  assertEquals(moved, await scaled.jvp("sum", "j", [[Vj(t), copy]]).data());
});

Deno.test("a parameter's gradient has its shape, whatever that is", async () => {
  const x = tensor(randomFor("parameter shapes").float64(24), [2, 4, 3]);
  for (const p of [tensor(2), tensor([2]), tensor([1, 2, 3]), tensor([[1], [2]])]) {
    const own = tensor(Float64Array.from(await p.data()), p.shape);
    const gradient = Vi(x).mul(Pm(own)).vjp("sum", "j", Pm(own));
    assertEquals(gradient.shape, own.shape);
    const numbers = await x.data();
    const want = new Float64Array(own.size);
    numbers.forEach((value, at) => {
      const d = own.shape.at(-1) === 3 ? at % 3 : 0;
      want[own.shape.length === 2 ? Math.floor(at / 12) : d] += value;
    });
    checkClose(await gradient.data(), want, 1e-14, `[${own.shape}]`);
  }
});

Deno.test("sums to a size: axes of every length, short vectors and long ones", async () => {
  const random = randomFor("sum to size");
  const cases: [number[], number[]][] = [
    [[5], [1]],
    [[3, 4], [1, 4]],
    [[3, 4], [3, 1]],
    [[9, 41], [1, 41]], // a tree: 9 terms in twos, one alone at the end
    [[65, 33], [1, 33]],
    [[1031, 2, 35], [1, 2, 35]],
    [[2, 517, 40], [2, 1, 40]],
    [[2, 3, 2, 5, 7], [1, 3, 1, 5, 7]],
    [[2, 3, 1, 50], [1, 1, 1, 50]],
    [[4, 1, 3], [1, 1, 1]],
    [[0, 40], [1, 40]],
    [[3, 0], [1, 0]],
    [[2, 3], [2, 3]],
  ];
  for (const dtype of ["float32", "float64"] as const) {
    for (const [from, to] of cases) {
      const numbers = random.array(dtype, sizeOf(from));
      const t = tensor(numbers, from);
      const sums = sumToSize(t, to, { dtype, choices: {} });
      assertEquals(sums.shape, to);
      const got = await sums.data();
      const want = new Float64Array(sizeOf(to));
      const magnitude = new Float64Array(sizeOf(to));
      numbers.forEach((value, at) => {
        let [rest, place, stride] = [at, 0, 1];
        for (let axis = from.length - 1; axis >= 0; axis--) {
          if (to[axis] !== 1) place += (rest % from[axis]) * stride;
          stride *= to[axis];
          rest = Math.floor(rest / from[axis]);
        }
        want[place] += value;
        magnitude[place] += Math.abs(value);
      });
      want.forEach((value, k) => {
        const error = Math.abs(got[k] - value) / Math.max(1, magnitude[k]);
        const limit = dtype === "float32" ? 3e-7 : 1e-15;
        assert(error <= limit, `[${from}] to [${to}], ${dtype}: ${k} is ${got[k]}, want ${value}`);
      });
    }
  }
});
