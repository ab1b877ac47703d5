// Parts of preconditioners: neighbours and groups against brute force, factors against dense
// matrices, and each against the inverse where it is exact.

import { assert, assertEquals } from "@std/assert";
import { type LinearOperator, type Preconditioner, tensor, Vi, Vj } from "../../mod.ts";
import { nearestPredecessors, nearGroups } from "../../src/solve/points.ts";
import { pivotedCholesky } from "../../src/solve/preconditioner.ts";
import { cholesky, solveLower, solveLowerTransposed } from "../../src/solve/small.ts";
import { actionOf } from "../../src/solve/operator.ts";
import { RandomStream } from "../../src/solve/random.ts";
import {
  checkClose,
  eliminate,
  gaussianMatrix,
  identityMatrix,
  type Matrix,
  productOf,
  rowsOf,
  sumOf,
  surface,
  transposeOf,
} from "../support/linear.ts";
import { randomFor } from "../support/random.ts";

const ALPHA = 0.1;

function problem(n: number): { K: LinearOperator; kernel: number[][]; system: number[][] } {
  const x = surface(randomFor(`preconditioner ${n}`), n);
  const points = tensor(x, [n, 3]);
  const K = Vi(points).sqDist(Vj(points)).mul(-1 / (2 * 0.15 ** 2)).exp();
  const kernel = gaussianMatrix(x, 3, 0.15);
  return { K: K.asOperator(), kernel, system: sumOf(kernel, identityMatrix(n, ALPHA)) };
}

for (const [n, dim, k] of [[1, 3, 4], [2, 1, 1], [60, 2, 7], [517, 3, 20], [300, 6, 5]]) {
  Deno.test(`nearest predecessors: ${k} among ${n} points in ${dim} dimensions, as by brute force`, () => {
    const random = randomFor(`predecessors ${n} ${dim}`);
    const data = random.float64(n * dim);
    // some points twice
    if (n > 10) data.copyWithin(0, 5 * dim, 8 * dim);
    const order = new RandomStream(3).permutation(n);
    const distance = (a: number, b: number): number => {
      let sum = 0;
      for (let d = 0; d < dim; d++) sum += (data[a * dim + d] - data[b * dim + d]) ** 2;
      return sum;
    };
    nearestPredecessors({ data, dim }, order, k).forEach((near, t) => {
      const before = [...order.subarray(0, t)];
      const want = before.map((row) => distance(row, order[t])).sort((a, b) => a - b).slice(0, k);
      const got = Array.from(near, (row) => distance(row, order[t])).sort((a, b) => a - b);
      assertEquals(got, want);
      assert([...near].every((row) => before.includes(row)));
      assertEquals(new Set(near).size, near.length);
    });
  });
}

Deno.test("near groups part all rows, and keep near ones together", () => {
  const n = 517;
  const data = surface(randomFor("groups"), n);
  const all = Int32Array.from({ length: n }, (_, k) => k);
  const groups = nearGroups({ data, dim: 3 }, all, 40);
  assertEquals(groups.flatMap((group) => [...group]).sort((a, b) => a - b), [...all]);
  for (const group of groups) {
    assert(group.length <= 40 && group.length >= 10);
    const xs = Array.from(group, (row) => data[3 * row]),
      ys = Array.from(group, (row) => data[3 * row + 1]);
    const area = (Math.max(...xs) - Math.min(...xs)) * (Math.max(...ys) - Math.min(...ys));
    assert(area < 0.2, `${area}`);
  }
  assertEquals(nearGroups({ data: new Float64Array(30), dim: 3 }, all.slice(0, 10), 4).length, 4);
});

Deno.test("Cholesky: factor, both solves, and where it fails", () => {
  const n = 23;
  const { system } = problem(n);
  const lower = Float64Array.from(system.flat());
  assertEquals(cholesky(lower, n), -1);
  const l = rowsOf(lower, n).map((row, i) => row.map((v, j) => j <= i ? v : 0));
  checkClose(productOf(l, transposeOf(l)).flat(), system.flat(), 1e-14, "L Lᵀ");
  const b = randomFor("triangular").float64(n * 2);
  const block = b.slice();
  solveLower(lower, n, block, 2);
  solveLowerTransposed(lower, n, block, 2);
  checkClose(block, eliminate(system, rowsOf(b, n)).x.flat(), 1e-12, "solution");
  assertEquals(cholesky(new Float64Array([1, 2, 2, 1]), 2), 1);
});

Deno.test("pivoted Cholesky: exact at full rank, its residual is the trace that is left", async () => {
  const n = 40;
  const { K, kernel } = problem(n);
  const full = await pivotedCholesky(actionOf(K), n, 0, {});
  const exact = rowsOf(full.factor, n);
  checkClose(productOf(exact, transposeOf(exact)).flat(), kernel.flat(), 1e-10, "K");
  const part = await pivotedCholesky(actionOf(K), 9, 0, {});
  assertEquals([part.rank, new Set(part.pivots).size], [9, 9]);
  const l = rowsOf(part.factor, n);
  const rest = sumOf(kernel, productOf(l, transposeOf(l)), -1);
  const trace = rest.reduce((sum, row, k) => sum + row[k], 0);
  assert(Math.abs(part.residual - trace / n) < 1e-12);
  const stopped = await pivotedCholesky(actionOf(K), n, 0.1, {});
  assert(stopped.residual <= 0.1 && stopped.rank < n);
});

/** A preconditioner as a dense matrix. */
async function denseOf(preconditioner: Preconditioner, n: number): Promise<number[][]> {
  const unit = Float64Array.from(identityMatrix(n).flat());
  return rowsOf(await preconditioner.apply(unit, n), n);
}

const inverseOf = (a: Matrix): number[][] => eliminate(a, identityMatrix(a.length)).x;

Deno.test("preconditioners are the inverse where they know all", async () => {
  const n = 37;
  const { K, system } = problem(n);
  const want = inverseOf(system).flat();
  for (
    const choice of [
      { kind: "blockJacobi", size: n },
      { kind: "nystrom", rank: n, tolerance: 0 },
      { kind: "vecchia", neighbours: n },
    ] as const
  ) {
    const got = await denseOf(await K.preconditioner(choice, { alpha: ALPHA }), n);
    checkClose(got.flat(), want, 1e-9, choice.kind);
  }
});

Deno.test("preconditioners are symmetric, positive, and their factors and determinants fit", async () => {
  const n = 53;
  const { K } = problem(n);
  for (
    const choice of [
      "jacobi",
      { kind: "blockJacobi", size: 10 },
      { kind: "nystrom", rank: 12 },
      { kind: "vecchia", neighbours: 6 },
    ] as const
  ) {
    const preconditioner = await K.preconditioner(choice, { alpha: ALPHA });
    const P = await denseOf(preconditioner, n);
    checkClose(transposeOf(P).flat(), P.flat(), 1e-12, "symmetric");
    assertEquals(cholesky(Float64Array.from(P.flat()), n), -1);
    const { factor } = preconditioner;
    if (factor === undefined) continue;
    const unit = Float64Array.from(identityMatrix(n).flat());
    const F = rowsOf(factor.apply(unit, n), n), Ft = rowsOf(factor.applyTransposed(unit, n), n);
    checkClose(transposeOf(F).flat(), Ft.flat(), 1e-13, "transposed factor");
    checkClose(productOf(F, Ft).flat(), P.flat(), 1e-12, "F Fᵀ");
    const { logDeterminant } = eliminate(P, identityMatrix(n));
    assert(Math.abs(factor.logDeterminant - logDeterminant) < 1e-9);
  }
});

Deno.test("Vecchia: points that coincide, without alpha", async () => {
  const x = tensor(new Float64Array([0, 0, 0, 1, 1, 2, 2, 2.5]), [8, 1]);
  const K = Vi(x).sqDist(Vj(x)).neg().exp().asOperator();
  const P = await denseOf(await K.preconditioner("vecchia"), 8);
  assert(P.flat().every(Number.isFinite));
});
