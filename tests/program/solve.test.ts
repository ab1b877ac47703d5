// Derivatives through solves, by the implicit rule.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  denseOperator,
  grad,
  indexOf,
  jvp,
  type LazyTensor,
  PairfoldError,
  Pm,
  stopGradient,
  type Tensor,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";
import { checkDerivatives, drawnTensor } from "../support/differences.ts";

const n = 7;
const x = drawnTensor("solve points", [n, 2]);
const b = drawnTensor("solve right-hand sides", [n, 3]);
const s = drawnTensor("solve scale", [], 0.5, 1);
const options = { alpha: 0.3, tol: 1e-13, precision: "float64" } as const;

/** A Gaussian kernel with a noise level of its own. */
const kernel = (points: Tensor, scale: Tensor): LazyTensor =>
  Vi(points).sqDist(Vj(points)).mul(Pm(scale)).neg().exp()
    .add(indexOf("i").eq(indexOf("j")).mul(Pm(scale)));

Deno.test("solve: derivatives by the matrix' points and parameters, and by right-hand sides", () =>
  checkDerivatives("solve", (p, c, d) => kernel(p, c).solve(d, options).x, [x, s, b], {
    bound: 1e-7,
  }));

Deno.test("solve: one right-hand side, made of the points, inside a likelihood's data term", () =>
  checkDerivatives(
    "solve inside",
    (p, c) => {
      const y = p.sin().sum(1);
      return kernel(p, c).solve(y, options).x.mul(y).sum();
    },
    [x, s],
    { bound: 1e-7 },
  ));

/** Points, scale and right-hand side by their leading dims. */
const BATCHES: Readonly<Record<string, readonly [x: number[], s: number[], b: number[]]>> = {
  "all batched": [[2], [2, 1], [2, n, 3]],
  "a batched parameter, one block": [[], [3, 1], [n, 2]],
  "one vector for all": [[2], [1], [n]],
  "one matrix, several blocks": [[], [1], [2, n, 1]],
  "two batch dims, both broadcast": [[2, 1], [1], [3, n, 1]],
};

for (const [name, [batch, scale, sides]] of Object.entries(BATCHES)) {
  Deno.test(`solve with batch dims, ${name}: derivatives of both orders`, () =>
    checkDerivatives(`solve ${name}`, (p, c, d) => kernel(p, c).solve(d, options).x, [
      drawnTensor(`${name} points`, [...batch, n, 2]),
      drawnTensor(`${name} scale`, scale, 0.5, 1),
      drawnTensor(`${name} sides`, sides),
    ], { bound: 1e-7 }));
}

Deno.test("log-determinants with batch dims: derivatives of both orders", () =>
  checkDerivatives(
    "log-determinants with batch dims",
    (p, c) =>
      kernel(p, c).logDeterminant({
        alpha: 0.3,
        probes: n,
        tol: 0,
        solveTol: 1e-13,
        precision: "float64",
      }),
    [drawnTensor("many points", [2, n, 2]), drawnTensor("many scales", [3, 1, 1], 0.5, 1)],
    { bound: 1e-7 },
  ));

Deno.test("solves with batch dims: a gradient that is off in one place is refused", async () => {
  const inputs = [drawnTensor("spoilt points", [2, n, 2])];
  const program = (p: Tensor): Tensor => kernel(p, s).solve(b, options).x;
  const spoil = (g: Float64Array): void => void (g[n + 3] *= 1.01);
  const checked = { bound: 1e-7, second: false };
  await checkDerivatives("spoilt", program, inputs, checked);
  await assertRejects(
    () => checkDerivatives("spoilt", program, inputs, { ...checked, spoil }),
    Error,
    "off by",
  );
});

Deno.test("solves of float64 matrices in float32 alone have derivatives of their types", async () => {
  const single = { alpha: 0.3, tol: 1e-5, precision: "float32" } as const;
  const f = (p: Tensor, d: Tensor): Tensor => kernel(p, s).solve(d, single).x.sum();
  const exact = (p: Tensor, d: Tensor): Tensor => kernel(p, s).solve(d, options).x.sum();
  const got = grad(f, { argnums: [0, 1] })(x, b), want = grad(exact, { argnums: [0, 1] })(x, b);
  for (const [k, t] of got.entries()) {
    assertEquals(t.dtype, "float64");
    const [own, other] = [await t.data(), await want[k].data()];
    own.forEach((value, at) => assert(Math.abs(value - other[at]) < 1e-3, `${k}: ${value}`));
  }
  const [value, tangent] = jvp(f, [x, b], [x, b]);
  assertEquals([value.dtype, tangent.dtype], ["float32", "float32"]);
  assert(Number.isFinite(await tangent.item()));
});

Deno.test("solves of operators: derivatives by right-hand sides", () =>
  checkDerivatives(
    "operator",
    (d) => denseOperator([[3, 1], [1, 2]]).solve(d.square(), { tol: 1e-13 }).x,
    [drawnTensor("two", [2], 0.5, 1)],
    { bound: 1e-7 },
  ));

Deno.test("operators of what a derivative is taken by are refused; constants are not", async () => {
  const f = (p: Tensor): Tensor => kernel(p, s).asOperator().solve(b, options).x.sum();
  const error = assertThrows(() => grad(f)(x), PairfoldError);
  assertEquals(error.code, "dtype");
  const g = grad((p: Tensor) => f(stopGradient(p)).add(p.sum()))(x);
  assertEquals(await g.data(), new Float64Array(2 * n).fill(1));
  assertEquals(await grad((a) => a.mul(stopGradient(a)).sum())(tensor([3])).array(), [3]);
});

for (const preconditioner of ["none", "blockJacobi"] as const) {
  Deno.test(`log-determinants, ${preconditioner}: derivatives of both orders, probes as many as rows`, () =>
    checkDerivatives(
      `log-determinant ${preconditioner}`,
      (p, c) =>
        kernel(p, c).logDeterminant({
          alpha: 0.3,
          probes: n,
          tol: 0,
          solveTol: 1e-13,
          preconditioner,
          precision: "float64",
        }),
      [x, s],
      { bound: 1e-7 },
    ));
}

Deno.test("log-determinants: fewer probes estimate the derivative", async () => {
  const many = drawnTensor("log-determinant points", [131, 2]);
  const log = (probes: number, seed: number) => (c: Tensor): Tensor =>
    kernel(many, c).logDeterminant({ alpha: 0.3, probes, seed, preconditioner: "vecchia" });
  const [exact] = await grad(log(131, 0))(s).data();
  const found: number[] = [];
  for (let seed = 0; seed < 12; seed++) found.push((await grad(log(8, seed))(s).data())[0]);
  const mean = found.reduce((sum, v) => sum + v, 0) / 12;
  const error = Math.sqrt(found.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 11 / 12);
  assert(Math.abs(mean - exact) < 4 * error, `${mean} ± ${error}, exactly ${exact}`);
  assert(error < 0.1 * Math.abs(exact), `${error} of ${exact}`);
});

Deno.test("log-determinants: what they refuse", async () => {
  const three = tensor([[0], [1], [3]]), two = tensor([[0], [1]]);
  const code = (make: () => unknown): string => assertThrows(make, PairfoldError).code;
  assertEquals(code(() => Vi(three).sub(Vj(two)).logDeterminant()), "shape");
  assertEquals(code(() => Vi(x).sub(Vj(x)).logDeterminant()), "dim");
  const error = await assertRejects(
    () => Vi(three).sqDist(Vj(three)).logDeterminant().item(), // its trace is 0
    PairfoldError,
  );
  assertEquals(error.code, "indefinite");
});
