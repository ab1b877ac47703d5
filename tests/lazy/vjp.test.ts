// Derivatives through functions from KeOps strings, against central differences in float64.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type ErrorCode,
  genred,
  type GenredInput,
  PairfoldError,
  type Tensor,
  tensor,
  Vi,
  Vj,
  vjp,
} from "../../mod.ts";
import { randomFor } from "../support/random.ts";

type Differentiable = (...inputs: Tensor[]) => Tensor | readonly [Tensor, Tensor];

const first = (output: Tensor | readonly [Tensor, Tensor]): Tensor =>
  Array.isArray(output) ? output[0] : output as Tensor;

/** Σ cotangent · f at inputs whose numbers were changed. */
async function pairing(
  f: Differentiable,
  inputs: readonly Tensor[],
  cotangent: Float64Array,
): Promise<number> {
  const values = await first(f(...inputs)).data();
  return cotangent.reduce((total, c, k) => total + c * values[k], 0);
}

/** Holds pull against central differences, for every input; equal inputs move together. */
async function checkPull(
  name: string,
  f: Differentiable,
  inputs: readonly Tensor[],
  change: (gradient: Float64Array) => void = () => {},
): Promise<void> {
  const random = randomFor(name);
  const [output, pull] = vjp(f, inputs);
  const values = first(output);
  const cotangent = random.float64(values.size);
  const gradients = pull(tensor(cotangent, values.shape));
  assertEquals(gradients.length, inputs.length);
  for (const [position, input] of inputs.entries()) {
    assertEquals(gradients[position].shape, input.shape, `${name}: shape of gradient ${position}`);
    const got = Float64Array.from(await gradients[position].data());
    change(got);
    const base = Float64Array.from(await input.data());
    for (let k = 0; k < base.length; k++) {
      const h = 1e-5;
      const moved = async (step: number): Promise<number> => {
        const data = base.slice();
        data[k] += step;
        const other = tensor(data, input.shape);
        return await pairing(f, inputs.map((t) => t === input ? other : t), cotangent);
      };
      const want = (await moved(h) - await moved(-h)) / (2 * h);
      const error = Math.abs(got[k] - want) / Math.max(1, Math.abs(want));
      assert(error < 1e-8, `${name}, input ${position}, element ${k}: ${got[k]}, not ${want}`);
    }
  }
}

const float64 = { dtype: "float64" } as const;
const product = genred("X*Y", ["X=Vi(0,2)", "Y=Vj(1,2)"], float64);
const sine = genred("Sin(X*Y)", ["X=Vi(0,2)", "Y=Vj(1,2)"], float64);
const GAUSS = "Exp(-G*SqDist(X,Y))*B";
const ALIASES = ["X=Vi(0,2)", "Y=Vj(1,2)", "G=Pm(2,1)", "B=Vj(3,2)"];
const random = randomFor("vjp inputs");
const points = (rows: number, dim: number): Tensor =>
  tensor(random.float64(rows * dim, 0.2, 1.5), [rows, dim]);
const x = points(5, 2);
const y = points(7, 2);
const g = tensor(new Float64Array([0.8]));
const b = points(7, 2);
const s = points(5, 1);

for (const axis of [0, 1] as const) {
  Deno.test(`vjp of a Gaussian sum, axis ${axis}: every input`, async () => {
    const f = genred(GAUSS, ALIASES, { axis, ...float64 });
    await checkPull(`gauss ${axis}`, f, [x, y, g, b]);
  });
  for (const reduction of ["LogSumExp", "Min", "Max"] as const) {
    Deno.test(`vjp of ${reduction}, axis ${axis}`, async () => {
      const f = genred("Sin(X*Y)+X*G", ALIASES.slice(0, 3), { reduction, axis, ...float64 });
      await checkPull(`${reduction} ${axis}`, f, [x, y, g]);
    });
  }
  for (const reduction of ["LogSumExp", "SumSoftMaxWeight"] as const) {
    Deno.test(`vjp of ${reduction} with a weight, axis ${axis}: through both formulas`, async () => {
      const options = { reduction, axis, weight: "X*Y+2*G", ...float64 } as const;
      const f = genred("(X|Y)*G", ALIASES.slice(0, 3), options);
      await checkPull(`${reduction} weighted ${axis}`, f, [x, y, g]);
      await checkPull(`${reduction} weighted ${axis}, one input`, (p) => f(p, p, g), [x]);
    });
  }
  for (const reduction of ["Min_ArgMin", "KMin_ArgKMin"] as const) {
    Deno.test(`vjp of ${reduction}, axis ${axis}: of the values`, async () => {
      const k = reduction === "KMin_ArgKMin" ? { k: 2 } : {};
      const f = genred("SqDist(X,Y)", ALIASES.slice(0, 2), { reduction, axis, ...k, ...float64 });
      await checkPull(`${reduction} ${axis}`, f, [x, y]);
    });
  }
  Deno.test(`vjp of KMin, axis ${axis}: scalars and vectors`, async () => {
    const options = { reduction: "KMin", k: 3, axis, ...float64 } as const;
    await checkPull(`kmin ${axis}`, genred("SqDist(X,Y)", ALIASES.slice(0, 2), options), [x, y]);
    await checkPull(`kmins ${axis}`, genred("Sin(X-Y)", ALIASES.slice(0, 2), options), [x, y]);
  });
}

Deno.test("vjp: one tensor as Vi and as Vj gets the sum, for both positions", async () => {
  const f = genred("Exp(-SqDist(X,Y))*X", ["X=Vi(0,2)", "Y=Vj(1,2)"], float64);
  await checkPull("x as i and j", f, [x, x]);
  const [, pull] = vjp(f, [x, x]);
  const [a, c] = pull(tensor(new Float64Array(10).fill(1), [5, 2]));
  assertEquals(await a.data(), await c.data());
});

Deno.test("vjp: one input used twice by a function around genred's", async () => {
  const f = genred("Exp(-SqDist(X,Y))*X", ["X=Vi(0,2)", "Y=Vj(1,2)"], float64);
  await checkPull("closure", (p) => f(p, p), [x]);
  await checkPull("closure with a constant", (p) => f(p, y), [x]);
});

Deno.test("vjp: one tensor as points and as a parameter", async () => {
  const f = genred("Exp(-SqDist(X,P))*P", ["X=Vi(0,2)", "P=Pm(1,2)"], float64);
  await checkPull("point and parameter", (p) => f(p, p), [points(1, 2)]);
});

Deno.test("vjp: results go into further functions", async () => {
  const smooth = genred("Exp(-SqDist(X,Y))*Y", ["X=Vi(0,2)", "Y=Vj(1,2)"], float64);
  const energy = genred("Norm2(X-Y)*S", ["X=Vi(0,2)", "Y=Vj(1,2)", "S=Vi(2,1)"], float64);
  const down = genred("X*S", ["X=Vi(0,1)", "S=Vi(1,1)"], { axis: 0, ...float64 });
  const chain: Differentiable = (p, q, w) => {
    const moved = smooth(p, q);
    return down(energy(moved, q, w), energy(p, moved, w));
  };
  await checkPull("chain", chain, [x, y, s]);
  await checkPull("chain of one", (p) => smooth(smooth(p, p), p), [x]);
});

Deno.test("vjp: unused inputs get zeros, an output that is an input its cotangent", async () => {
  const f = genred("X*Y", ["X=Vi(0,2)", "Y=Vj(1,2)", "S=Vi(2,1)"], float64);
  await checkPull("unused", f, [x, y, s]);
  await checkPull("unused by a closure", (p, _q) => f(p, p, s), [x, y]);
  await checkPull("identity", (p) => p, [x]);
});

Deno.test("vjp: inputs as they are passed, gradients of their shapes", async () => {
  const f = genred("G*X*Y", ["X=Vi(0,2)", "Y=Vj(1,2)", "G=Pm(2,1)"]);
  const flat = new Float32Array([1, 2, 3, 4]);
  const inputs: GenredInput[] = [[[1, 2]], flat, 3];
  const [output, pull] = vjp(f, inputs);
  assertEquals(await output.array(), [[12, 36]]);
  const gradients = pull([[1, 1]]);
  assertEquals(gradients.map((t) => t.shape), [[1, 2], [2, 2], []]);
  assertEquals(await Promise.all(gradients.map((t) => t.array())), [
    [[12, 18]],
    [[3, 6], [3, 6]],
    4 + 12,
  ]);
  assertEquals(await pull(new Float32Array([1, 0]))[2].array(), 4);
  const [, twice] = vjp(genred("X|Y", ["X=Vi(0,2)", "Y=Vj(1,2)"]), [flat, flat]);
  const [a, c] = twice([[1], [1]]); // Σ_ij x_i·x_j = |Σ x|²: the gradient is 2 Σ x
  assertEquals([await a.array(), await c.array()], [[[8, 12], [8, 12]], [[8, 12], [8, 12]]]);
});

Deno.test("vjp does not keep history: only pull holds the calls", async () => {
  const f = genred("X*Y", ["X=Vi(0,2)", "Y=Vj(1,2)"], float64);
  const outside = f(x, y);
  const [output, pull] = vjp((p) => f(p, outside), [x]); // made before: a constant
  assertEquals(output.shape, [5, 2]);
  const ones = tensor(new Float64Array(10).fill(1), [5, 2]);
  const sums = [0, 0];
  const values = await outside.data();
  values.forEach((v, k) => sums[k % 2] += v);
  const got = await pull(ones)[0].data();
  got.forEach((v, k) => assert(Math.abs(v - sums[k % 2]) < 1e-9 * Math.abs(v)));
});

Deno.test("vjp: through symbolic folds, alone and inside, and through derivatives", async () => {
  await checkPull("symbolic fold", (p) => Vi(p).mul(Vj(y)).sin().sum("j"), [x]);
  await checkPull("symbolic fold inside", (p) => product(Vi(p).square().sum("j"), y), [x]);
  const along = tensor(new Float64Array(10).fill(0.5), [5, 2]);
  await checkPull("derivative", (p) => sine(vjp(sine, [p, y])[1](along)[0], y), [x]);
});

Deno.test("the checker of vjp refuses a gradient that is off in one place", async () => {
  const f = genred(GAUSS, ALIASES, float64);
  let refused = false;
  try {
    await checkPull("wrong", f, [x, y, g, b], (gradient) => gradient[0] *= 1.001);
  } catch {
    refused = true;
  }
  assert(refused);
});

const f = genred("X*Y", ["X=Vi(0,2)", "Y=Vj(1,2)"], float64);
const indices = genred("X*Y", ["X=Vi(0,2)", "Y=Vj(1,2)"], { reduction: "ArgMin", ...float64 });
const loose = vjp as (...args: readonly unknown[]) => unknown;

const BAD: readonly (readonly [string, () => unknown, ErrorCode, string])[] = [
  ["indices", () => vjp(indices, [x, y]), "dtype", "gives indices; expected one that gives floats"],
  ["a wrong number of inputs", () => vjp(f, [x]), "shape", "got 1 inputs; expected 2"],
  ["a promise", () => loose(() => Promise.resolve(x), [x]), "dtype", "gives no tensor"],
  ["nothing", () => loose(() => undefined, [x]), "dtype", "gives no tensor"],
  ["no function", () => loose("f", [x]), "dtype", "expected vjp(f, [x, y])"],
  ["no list", () => loose(f, x), "dtype", "expected vjp(f, [x, y])"],
  [
    "a cotangent of a wrong shape",
    () => vjp(f, [x, y])[1]([[1, 2]]),
    "shape",
    "got a cotangent of shape [1,2]; expected [5,2]",
  ],
  [
    "a cotangent of a wrong type",
    () => vjp(f, [x, y])[1](new Float32Array(10)),
    "dtype",
    "got a cotangent of float32; expected float64",
  ],
];

for (const [what, run, code, message] of BAD) {
  Deno.test(`vjp refuses ${what}`, () => {
    const error = assertThrows(run, PairfoldError);
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, message);
  });
}
