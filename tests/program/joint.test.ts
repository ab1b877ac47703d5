// Sums that share a pass over the pairs: the same numbers as folds of their own, whoever reads what
// and in which order; and formulas of gradients in which what is common is computed once.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  grad,
  jvp,
  PairfoldError,
  Pm,
  type Tensor,
  tensor,
  valueAndGrad,
  Vi,
  Vj,
  vjp,
  wasm,
} from "../../mod.ts";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import { sharingSum } from "../../src/program/sharing.ts";
import { distance, valueOf } from "../support/derivatives.ts";
import { checkDerivatives, worstError } from "../support/differences.ts";
import { randomFor } from "../support/random.ts";
import { testDevice } from "../support/device.ts";

const random = randomFor("joint passes");
const device = testDevice;
const isShared = (t: Tensor): boolean => t.explain().startsWith("shared ");

function points(dtype: "float32" | "float64", ...shape: number[]): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(dtype === "float32" ? random.float32(size) : random.float64(size), shape);
}

/** Energies by their points; the first argument is what derivatives are taken by. */
type Energy = (x: Tensor, y: Tensor, b: Tensor, s: Tensor) => Tensor;
const ENERGIES: Readonly<Record<string, { f: Energy; argnum: number }>> = {
  "points of i": {
    f: (x, y, _, s) => Vi(x).sqDist(Vj(y)).mul(Pm(s)).neg().exp().sum("j", { device }),
    argnum: 0,
  },
  "weighted points of i, folded over i": {
    f: (x, y, b) => Vj(x).sqDist(Vi(y)).neg().exp().mul(Vi(b)).sum("i", { device }),
    argnum: 0,
  },
  "points of both": {
    f: (x) => Vi(x).sqDist(Vj(x)).neg().exp().sum("j", { device }),
    argnum: 0,
  },
  "a parameter": {
    f: (x, y, b, s) => Vi(x).sqDist(Vj(y)).mul(Pm(s)).neg().exp().mul(Vj(b)).sum("j", { device }),
    argnum: 3,
  },
};

for (const [name, { f, argnum }] of Object.entries(ENERGIES)) {
  Deno.test(`a sum and its gradient by ${name} share a pass: the numbers of two`, async () => {
    for (const dtype of ["float32", "float64"] as const) {
      const bound = dtype === "float32" ? 3e-6 : 1e-13;
      for (const [batch, rows] of [[[], 1], [[], 517], [[2], 3], [[3, 1], 37]] as const) {
        const x = points(dtype, ...batch, rows, 3);
        const y = points(dtype, ...batch, rows, 3);
        const b = points(dtype, ...batch, rows, 1);
        const s = points(dtype, ...batch, 1);
        const energy: Energy = (...args) => f(...args).mul(b.square().add(1)).sum();
        const args = [x, y, b, s] as const;
        const [value, gradient] = valueAndGrad(energy, { argnums: argnum })(...args);
        const alone = [energy(...args), grad(energy, { argnums: argnum })(...args)];
        for (const [k, t] of [value, gradient].entries()) {
          const error = worstError(await t.data(), await alone[k].data());
          assert(
            error < bound,
            `${name}, ${dtype} [${batch}] ${rows}: output ${k} off by ${error}`,
          );
        }
      }
    }
  });
}

const x = points("float32", 50, 3);
const y = points("float32", 40, 3);
const kernel = (a: Tensor): Tensor => Vi(a).sqDist(Vj(y)).neg().exp().sum("j", { device });
const one = wasm({ threads: 1 });

Deno.test("one launch computes a value and its gradients; explain() tells of it", async () => {
  const launches: string[] = [];
  const engine = wasm({ threads: 1 });
  const launch = engine.launch.bind(engine);
  engine.launch = (program, ...rest) => {
    launches.push(program.explain().schedule);
    return launch(program, ...rest);
  };
  const energy = (a: Tensor, s: Tensor): Tensor =>
    Vi(a).sqDist(Vj(y)).mul(Pm(s)).exp().sum("j", { device: engine });
  const s = tensor([-1]);
  const [out, pull] = vjp(energy, [x, s]);
  const [byPoints, byScale] = pull(tensor(random.float32(50), [50, 1]));
  assert(isShared(out) && isShared(byPoints));
  assertStringIncludes(
    out.explain(),
    "one pass for 3 sums: components from 0 on of\nformula   sum",
  );
  assertStringIncludes(byPoints.explain(), "concat(");
  assertStringIncludes(byPoints.explain(), "components from 1 on");
  await Promise.all([out.data(), byPoints.data(), byScale.data()]);
  // the rows' gradients by the parameter are added up by a launch of their own
  assert(launches.length <= 2, `${launches.length} launches`);
  assertEquals(x.isComputed, true);
});

Deno.test("a gradient alone, and a function alone, compute nothing else", () => {
  assert(!isShared(grad((a: Tensor) => kernel(a).sum())(x)));
  assert(!isShared(kernel(x)));
});

Deno.test("gradients by points of both and by weights share a pass over the transposed pairs", async () => {
  for (const dtype of ["float32", "float64"] as const) {
    const [points50, weights] = [points(dtype, 2, 50, 3), points(dtype, 2, 50, 2)];
    const product = (a: Tensor, b: Tensor): Tensor =>
      Vi(a).sqDist(Vj(a)).mul(0.7).neg().exp().mul(Vi(a).sum("d").square()).matmul(b, { device });
    const energy = (a: Tensor, b: Tensor): Tensor => product(a, b).mul(b).sum();
    const [byPoints, byWeights] = grad(energy, { argnums: [0, 1] })(points50, weights);
    // the gradient by the weights needs the product itself, which is part of the pass
    assertStringIncludes(byPoints.explain(), "one pass for 3 sums");
    const got = [await byPoints.data(), await byWeights.data()];
    for (const argnum of [0, 1]) {
      const alone = grad(energy, { argnums: argnum })(points50, weights) as Tensor;
      const error = worstError(got[argnum], await alone.data());
      assert(error < (dtype === "float32" ? 3e-6 : 1e-13), `${dtype} ${argnum}: off by ${error}`);
    }
  }
  const [a, b] = [points("float64", 5, 2), points("float64", 5, 1)];
  await checkDerivatives(
    "points of both and weights",
    (p, w) => Vi(p).sqDist(Vj(p)).neg().exp().mul(Vi(p).sum("d")).matmul(w).mul(w),
    [a, b],
  );
});

Deno.test("a tangent and its value share a pass", async () => {
  const along = points("float32", 50, 3);
  const [value, tangent] = jvp(kernel, [x], [along]);
  assert(isShared(value) && isShared(tangent));
  const want = [await kernel(x).data(), await jvp((a) => kernel(a).mul(1), [x], [along])[1].data()];
  assert(worstError(await tangent.data(), want[1]) < 3e-6);
  assert(worstError(await value.data(), want[0]) < 3e-6);
});

Deno.test("what saves nothing is not shared", async () => {
  // the sum of y_j is no work beside its gradient, which has nothing of it
  const [value, pull] = vjp(
    (a) => Vi(a).mul(Vj(y)).sum("j", { device: one }),
    [x],
  );
  const [gradient] = pull(tensor(random.float32(150), [50, 3]));
  assert(!isShared(value) && !isShared(gradient), value.explain().slice(0, 200));
  assertEquals((await gradient.data()).length, 150);
});

Deno.test("a cotangent that needs the value waits for it; gradients share a pass without it", async () => {
  const scaled = (a: Tensor, s: Tensor): Tensor =>
    Vi(a).sqDist(Vj(y)).mul(Pm(s)).neg().exp().sum("j", { device }).log().sum();
  const [, [withValue]] = valueAndGrad(scaled, { argnums: [0, 1] })(x, tensor([2]));
  const [without] = grad(scaled, { argnums: [0, 1] })(x, tensor([2]));
  for (const byPoints of [withValue, without]) {
    assertStringIncludes(byPoints.explain(), "one pass for 2 sums");
  }

  const energy = (a: Tensor): Tensor => kernel(a).log().sum();
  const [value, gradient] = valueAndGrad(energy)(x);
  const alone = await grad(energy)(x).data();
  assert(worstError(await gradient.data(), alone) < 3e-6);
  assert(Number.isFinite(await value.item()));
});

Deno.test("values that weigh each other's gradients: no fold waits for itself", async () => {
  // the gradient of each factor needs the other one's value
  const other = (a: Tensor): Tensor => Vi(a).dot(Vj(y)).sin().exp().sum("j", { device });
  const energy = (a: Tensor): Tensor => {
    const first = kernel(a);
    const second = other(a.add(first.mul(0.1)));
    return first.sum().mul(second.sum()).add(other(a).mul(first).sum());
  };
  const [value, gradient] = valueAndGrad(energy)(x);
  const got = await gradient.data();
  assert(worstError(got, await grad(energy)(x).data()) < 3e-6);
  assert(Number.isFinite(await value.item()));
});

Deno.test("reading in any order, twice, and leaving early", async () => {
  const want = await grad((a: Tensor) => kernel(a).sum())(x).data();
  const [value, pull] = vjp(kernel, [x]);
  const [gradient] = pull(tensor(new Float32Array(50).fill(1), [50, 1]));
  const stop = AbortSignal.abort();
  await assertRejects(() => value.data({ signal: stop }), PairfoldError, "aborted");
  const progress: number[] = [];
  const onProgress = ({ done }: { done: number }): void => void progress.push(done);
  const [first, again] = [gradient.data({ onProgress }), gradient.data()];
  assert(worstError(await first, want) < 3e-6);
  assertEquals(await again, await first);
  assert(progress.length > 0);
  assertEquals(progress.at(-1), 2000);
  assert(value.isComputed);
});

Deno.test("an input that is gone takes only its own results along", async () => {
  const weight = Vi(points("float32", 50, 1)).sub(Vj(points("float32", 3, 1))).sum("j", { device });
  const [value, pull] = vjp(kernel, [x]);
  const [gradient] = pull(weight);
  assert(isShared(value));
  weight.dispose(); // before it was computed
  assert(worstError(await value.data(), await kernel(x).data()) < 3e-6);
  await assertRejects(() => gradient.data(), PairfoldError, "disposed");
});

Deno.test("second order: a pass that is shared has derivatives like any other", async () => {
  const energy = (a: Tensor): Tensor => {
    const [value, gradient] = valueAndGrad((b: Tensor) => kernel(b).sum())(a);
    return gradient.square().sum().add(value);
  };
  const plain = (a: Tensor): Tensor =>
    grad((b: Tensor) => kernel(b).sum())(a).square().sum().add(kernel(a).sum());
  const [value, gradient] = valueAndGrad(energy)(x);
  assert(worstError(await gradient.data(), await grad(plain)(x).data()) < 1e-5);
  assert(worstError(await value.data(), await plain(x).data()) < 1e-5);
});

// ---- sums of formulas ---------------------------------------------------------------------------

const [u, v] = [variable(0, "i", 3), variable(1, "j", 3)];
const [a, b] = [variable(2, "i", 1), variable(3, "j", 1)];
const k = build.exp(build.neg(build.sqDist(u, v)));
const d = build.sub(u, v);
const swapped = build.exp(build.neg(build.sqDist(v, u)));
const HALVES: readonly [a: Node, b: Node][] = [
  [build.mul(build.mul(a, k), d), build.neg(build.mul(build.mul(b, swapped), build.sub(v, u)))],
  [build.neg(build.mul(build.mul(a, k), d)), build.mul(build.mul(b, swapped), d)],
  [build.mul(a, d), build.mul(b, build.square(build.sub(v, u)))],
  [build.mul(k, d), build.mul(k, d)],
  [build.mul(k, d), build.mul(build.mul(a, swapped), build.sub(v, u))],
  [build.mul(a, u), build.mul(b, v)],
  [build.mul(u, k), build.mul(d, build.mul(a, build.mul(u, b)))],
  [build.square(d), build.mul(a, build.abs(build.sub(v, u)))],
];

function worstSum(sum: (one: Node, other: Node) => Node): number {
  let worst = 0;
  for (const [one, other] of HALVES) {
    const inputs = [3, 3, 1, 1].map((dim) => random.float64(dim));
    const want = valueOf(build.add(one, other), inputs);
    worst = Math.max(worst, distance(valueOf(sum(one, other), inputs), want));
  }
  return worst;
}

Deno.test("sums of products with common factors keep their value", () => {
  assert(worstSum(sharingSum) < 1e-14);
  assert(worstSum((one, other) => sharingSum(one, build.neg(other))) > 0.01, "a wrong sign shows");
  const [first, second] = HALVES[0];
  assertEquals(
    sharingSum(first, second),
    build.mul(build.mul(build.add(a, b), k), d),
  );
});
