// Derivatives through solves, by the implicit rule.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  denseOperator,
  grad,
  indexOf,
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
  Vi(points).sqDist(Vj(points)).mul(scale).neg().exp()
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
