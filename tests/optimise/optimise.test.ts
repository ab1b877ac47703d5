// Optimisers on functions whose minima are known, over parameters of every structure; the rules
// against plain loops; what stops a run.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  adam,
  gradientDescent,
  lbfgs,
  minimise,
  type Optimiser,
  PairfoldError,
  type Params,
  Tensor,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";
import { structureOf } from "../../src/optimise/params.ts";
import { checkClose, eliminate, productOf, rowsOf, sumOf, transposeOf } from "../support/linear.ts";
import { randomFor } from "../support/random.ts";

interface Pair {
  readonly value: number;
  readonly gradient: Float64Array;
}

/** Σ 100 (x_{k+1} − x_k²)² + (1 − x_k)², least at ones. */
function rosenbrock(x: Float64Array): Pair {
  const gradient = new Float64Array(x.length);
  let value = 0;
  for (let k = 0; k + 1 < x.length; k++) {
    const a = x[k + 1] - x[k] * x[k], b = 1 - x[k];
    value += 100 * a * a + b * b;
    gradient[k] += -400 * x[k] * a - 2 * b;
    gradient[k + 1] += 200 * a;
  }
  return { value, gradient };
}

/** ½ xᵀ A x − bᵀ x, and where it is least. */
function quadratic(name: string, n: number): { f: (x: Float64Array) => Pair; least: Float64Array } {
  const random = randomFor(name);
  const a = rowsOf(random.float64(n * n), n);
  const A = sumOf(productOf(a, transposeOf(a)), rowsOf(new Float64Array(n * n), n))
    .map((row, i) => row.map((v, j) => v + (i === j ? 1 : 0)));
  const b = random.float64(n);
  const f = (x: Float64Array): Pair => {
    const ax = A.map((row) => row.reduce((sum, v, k) => sum + v * x[k], 0));
    const gradient = Float64Array.from(ax, (v, k) => v - b[k]);
    return { value: x.reduce((sum, v, k) => sum + v * (ax[k] / 2 - b[k]), 0), gradient };
  };
  return { f, least: Float64Array.from(eliminate(A, rowsOf(b, n)).x.flat()) };
}

async function rejectsWith(code: string, run: () => Promise<unknown>, word = ""): Promise<void> {
  const error = await assertRejects(run, PairfoldError);
  assertEquals(error.code, code, error.message);
  assert(error.message.includes(word), error.message);
}

for (const n of [2, 3, 51]) {
  Deno.test(`lbfgs: Rosenbrock's valley in ${n} dimensions`, async () => {
    const start = Float64Array.from({ length: n }, (_, k) => k % 2 === 0 ? -1.2 : 1);
    const options = { gradientTolerance: 1e-8 };
    const found = await minimise(rosenbrock, start, lbfgs(), options);
    assertEquals(found.ending, "gradient");
    // in more than 3 dimensions there is a second minimum, near x₀ = −1
    checkClose(found.params.subarray(1), new Float64Array(n - 1).fill(1), 1e-6, "minimum");
    assert(found.steps < 60 + 6 * n && found.evaluations < 2.5 * found.steps, `${found.steps}`);
    // the value belongs to the parameters
    assertEquals(found.value, rosenbrock(found.params).value);
  });
}

for (const n of [1, 3, 40]) {
  Deno.test(`quadratics in ${n} dimensions: every optimiser finds the minimum`, async () => {
    const { f, least } = quadratic(`quadratic ${n}`, n);
    const gradientTolerance = 1e-6 * Math.hypot(...least);
    const optimisers: readonly (readonly [Optimiser, number])[] = [
      [lbfgs(), 300],
      [lbfgs({ memory: 3, lineSearch: { curvature: 0.1 } }), 600],
      [gradientDescent({ rate: 0.01 }), 20_000],
      [gradientDescent({ rate: 0.01, momentum: 0.9 }), 5000],
      [gradientDescent({ rate: 0.01, momentum: 0.9, nesterov: true }), 5000],
      [adam({ rate: (step) => 0.3 / (1 + 0.01 * step) }), 20_000],
    ];
    for (const [optimiser, maxSteps] of optimisers) {
      // the least eigenvalue is 1 or more: parameters are as near as the gradient is small
      const options = { maxSteps, gradientTolerance };
      const found = await minimise(f, new Float64Array(n), optimiser, options);
      assertEquals(found.ending, "gradient", `${optimiser.name}: ${found.gradientSize}`);
      checkClose(found.params, least, 1e-5, optimiser.name);
    }
  });
}

Deno.test("gradient descent and Adam: the rules, written out", async () => {
  const { f } = quadratic("rules", 4);
  const start = randomFor("rules start").float64(4);
  const rules: Record<string, readonly [Optimiser, (g: number, m: number[], t: number) => number]> =
    {
      plain: [gradientDescent({ rate: 0.05 }), (g) => 0.05 * g],
      momentum: [
        gradientDescent({ rate: 0.05, momentum: 0.8 }),
        (g, m) => 0.05 * (m[0] = 0.8 * m[0] + g),
      ],
      nesterov: [
        gradientDescent({ rate: 0.05, momentum: 0.8, nesterov: true }),
        (g, m) => 0.05 * (g + 0.8 * (m[0] = 0.8 * m[0] + g)),
      ],
      adam: [adam({ rate: 0.1, beta1: 0.8, beta2: 0.95, epsilon: 1e-3 }), (g, m, t) => {
        m[0] = 0.8 * m[0] + 0.2 * g;
        m[1] = 0.95 * m[1] + 0.05 * g * g;
        return 0.1 * (m[0] / (1 - 0.8 ** t)) / (Math.sqrt(m[1] / (1 - 0.95 ** t)) + 1e-3);
      }],
    };
  for (const [name, [optimiser, move]] of Object.entries(rules)) {
    const run = optimiser.init(start);
    let x = start.slice();
    const memory = Array.from(x, () => [0, 0]);
    for (let t = 1; t <= 7; t++) {
      const { value, gradient } = f(x);
      const step = await run.step(f);
      checkClose([step.value], [value], 1e-13, "value"); // of the parameters before the step
      checkClose(step.at, x, 1e-13, "where it was evaluated");
      x = x.map((v, k) => v - move(gradient[k], memory[k], t));
      checkClose(step.params, x, 1e-13, `${name}, step ${t}`);
    }
  }
});

Deno.test("adam: weight decay pulls towards 0, a gradient of 0 stays", async () => {
  const run = adam({ rate: 0.1, weightDecay: 0.5, epsilon: 0 }).init([2]);
  const flat = (): { value: number; gradient: number[] } => ({ value: 0, gradient: [0] });
  assertEquals((await run.step(flat)).params, [2 * 0.95]);
});

Deno.test("parameters of every structure come back as they were given", async () => {
  const params = {
    scale: 2,
    list: [new Float32Array([1, 2]), new Float64Array([3]), [4, { deep: 5 }]],
    points: tensor(new Float32Array([1, 2, 3, 4, 5, 6]), [3, 2]),
    double: tensor(new Float64Array([7]), [1, 1]),
  };
  const run = gradientDescent({ rate: 0.5 }).init<Params>(params);
  assertEquals(run.params, params);
  // the gradient may come in other kinds of arrays: nested, tensors, typed ones
  const gradient = {
    scale: tensor(2),
    list: [[2, 2], tensor([2]), [2, { deep: new Float64Array([2]) }]],
    points: tensor(new Float64Array(6).fill(2), [3, 2]),
    double: [[2]],
  };
  const { params: moved } = await run.step(() => [tensor(1), gradient as unknown as Params]);
  const { scale, list, points, double } = moved as unknown as typeof params;
  assertEquals(scale, 1);
  assertEquals(list, [new Float32Array([0, 1]), new Float64Array([2]), [3, { deep: 4 }]]);
  assert(points instanceof Tensor && double instanceof Tensor);
  assertEquals([points.shape, points.dtype, double.dtype], [[3, 2], "float32", "float64"]);
  assertEquals(await points.data(), new Float32Array([0, 1, 2, 3, 4, 5]));
});

Deno.test("structures: what does not fit says where", async () => {
  const structure = structureOf({
    a: [1, tensor(new Float32Array(2), [2])],
    b: new Float64Array(3),
  });
  assertEquals(structure.size, 6);
  const refuse = (value: unknown, where: string): Promise<void> =>
    rejectsWith("shape", () => structure.flatten("gradient", value), where);
  await refuse({ a: [1, [1, 2]], b: [1, 2] }, "gradient.b: got 2 numbers; expected 3");
  await refuse({ a: [1, [1, 2]] }, "gradient.b: got undefined");
  await refuse({ a: [1, tensor(new Float32Array(2), [1, 2])], b: [1, 2, 3] }, "gradient.a[1]");
  await refuse(null, "gradient.a[0]");
  for (const bad of ["text", null, undefined, new Int32Array(2), tensor(new Int32Array(2))]) {
    const error = assertThrows(() => adam().init(bad as unknown as Params), PairfoldError);
    assertEquals(error.code, "dtype");
  }
});

Deno.test("a small fit: positions of sources from their potential, by folds and their gradients", async () => {
  const random = randomFor("fit");
  const [rows, sources] = [61, 3];
  const x = tensor(random.float64(rows * 2, -1, 1), [rows, 2]);
  const truth = new Float64Array([-0.5, -0.4, 0.1, 0.6, 0.7, -0.2]);
  const field = (y: Tensor) => Vi(x).sqDist(Vj(y)).mul(-2).exp();
  const wanted = await field(tensor(truth, [sources, 2])).sum("j").data();
  const loss = async ({ y }: { y: Tensor }) => {
    const kernel = field(y);
    const rest = (await kernel.sum("j").data()).map((v, k) => v - wanted[k]) as Float64Array;
    const pull = tensor(rest.map((v) => 2 * v), [rows, 1]);
    const source = Vj(y);
    const gradient = Vi(x).sqDist(source).mul(-2).exp().vjp("sum", "j", source, pull);
    return { value: rest.reduce((sum, v) => sum + v * v, 0), gradient: { y: gradient } };
  };
  const start = { y: tensor(truth.map((v) => v + random.uniform(-0.1, 0.1)), [sources, 2]) };
  for (const [optimiser, maxSteps] of [[lbfgs(), 100], [adam({ rate: 0.02 }), 1500]] as const) {
    const found = await minimise(loss, start, optimiser, { maxSteps, gradientTolerance: 1e-7 });
    checkClose(await found.params.y.data(), truth, 1e-5, optimiser.name);
  }
});

// ---- line search --------------------------------------------------------------------------------

Deno.test("lbfgs: a wrong gradient makes the line search say so", async () => {
  const { f } = quadratic("wrong gradient", 5);
  const start = new Float64Array(5);
  const wrong: readonly ((x: Float64Array) => Pair)[] = [
    (x) => ({ ...f(x), gradient: f(x).gradient.map((v) => -v) }),
    (x) => ({ ...f(x), gradient: f(x).gradient.map((v, k) => k % 2 === 0 ? v : -3 * v) }),
    (x) => ({ ...f(x), gradient: new Float64Array(5).fill(1) }),
  ];
  for (const objective of wrong) {
    const run = () => minimise(objective, start, lbfgs(), { gradientTolerance: 1e-10 });
    await rejectsWith("convergence", run, "gradient that belongs to the value");
  }
});

Deno.test("lbfgs: values that are not finite beyond a border, and an unbounded function", async () => {
  const barrier = ([x]: readonly number[]) => ({
    value: x > 0 ? x - 1e-3 * Math.log(x) : NaN,
    gradient: [1 - 1e-3 / x],
  });
  const { params } = await minimise(barrier, [1], lbfgs(), { gradientTolerance: 1e-9 });
  assert(Math.abs(params[0] - 1e-3) < 1e-9, `${params}`);
  const falling = ([x]: readonly number[]) => ({ value: -x, gradient: [-1] });
  const { value } = await minimise(falling, [0], lbfgs(), { maxSteps: 3 });
  assert(value < -1e3);
});

Deno.test("minimise: gradient descent with too long steps says so", async () => {
  const steep = ([x]: readonly number[]) => ({ value: x ** 4, gradient: [4 * x ** 3] });
  await rejectsWith(
    "convergence",
    () => minimise(steep, [3], gradientDescent({ rate: 1 })),
    "rate",
  );
});

// ---- the loop -----------------------------------------------------------------------------------

Deno.test("minimise: what ends it", async () => {
  const bowl = ([x]: readonly number[]) => ({ value: x * x, gradient: [2 * x] });
  const slow = gradientDescent({ rate: 0.1 });
  assertEquals((await minimise(bowl, [0], slow)).steps, 1); // at the minimum already
  const few = await minimise(bowl, [1], slow, { maxSteps: 4 });
  assertEquals([few.ending, few.steps, few.evaluations], ["steps", 4, 4]);
  const still = await minimise(bowl, [1], slow, { valueTolerance: 0.6 });
  assertEquals(still.ending, "value");
  let calls = 0;
  const asked = await minimise(bowl, [1], slow, { onStep: (_, count) => (calls++, count === 3) });
  assertEquals([asked.ending, asked.steps, calls], ["asked", 3, 3]);
  const signal = AbortSignal.abort();
  await rejectsWith("aborted", () => minimise(bowl, [1], slow, { signal }));
  await rejectsWith("shape", () => minimise(bowl, [1], slow, { maxSteps: 0 }));
  await rejectsWith("dtype", () => minimise((() => 3) as unknown as typeof bowl, [1], slow));
});

Deno.test("a run: other objectives at other steps, and none that fails moves it", async () => {
  const at = (centre: number) => ([x]: readonly number[]) => ({
    value: (x - centre) ** 2,
    gradient: [2 * (x - centre)],
  });
  for (const optimiser of [lbfgs(), gradientDescent({ rate: 0.4 })]) {
    const run = optimiser.init([5]);
    for (const centre of [1, -2, 7]) {
      const objective = at(centre);
      for (let step = 0; step < 20; step++) await run.step(objective);
      assert(Math.abs(run.params[0] - centre) < 1e-6, `${optimiser.name}: ${run.params}`);
    }
    const before = run.params;
    const broken = () => ({ value: NaN, gradient: [1] });
    await rejectsWith("convergence", () => run.step(broken));
    assertEquals(run.params, before);
  }
});

Deno.test("optimisers: options out of range are errors", () => {
  const bad: readonly (() => unknown)[] = [
    () => gradientDescent({ rate: -1 }),
    () => gradientDescent({ rate: 1, momentum: 2 }),
    () => adam({ beta1: 1 }),
    () => adam({ epsilon: -1 }),
    () => lbfgs({ memory: -1 }),
    () => lbfgs({ lineSearch: { decrease: 0.5, curvature: 0.1 } }),
  ];
  for (const make of bad) assertEquals(assertThrows(make, PairfoldError).code, "shape");
});

Deno.test("optimisers: what is no options, objective or optimiser is an error of ours", async () => {
  const bowl = ([x]: readonly number[]) => ({ value: x * x, gradient: [2 * x] });
  for (const odd of [null, 3, "abc", Symbol("odd"), true] as readonly unknown[]) {
    const any = odd as never;
    const makers: readonly (() => unknown)[] = [
      () => adam(any),
      () => lbfgs(any),
      () => lbfgs({ lineSearch: any }),
      () => gradientDescent(any),
    ];
    for (const make of makers) assertEquals(assertThrows(make, PairfoldError).code, "dtype");
    await rejectsWith("dtype", () => minimise(bowl, [1], lbfgs(), any));
    await rejectsWith("dtype", () => minimise(bowl, [1], any));
    await rejectsWith("dtype", () => minimise(any, [1], lbfgs()));
    await rejectsWith("dtype", () => minimise(bowl, [1], lbfgs(), { onStep: any }));
    await rejectsWith("dtype", () => minimise((() => odd) as never, [1], lbfgs()));
    await rejectsWith("dtype", () => adam().init([1]).step(any));
  }
  assertThrows(() => gradientDescent(undefined as never), PairfoldError);
  await rejectsWith("dtype", () => minimise(bowl, [1], lbfgs(), { maxSteps: "3" as never }));
});
