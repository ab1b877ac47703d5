// Systems with symbolic matrices against dense elimination: sizes, precisions, preconditioners,
// several right-hand sides, and every way in which a solve refuses.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  denseOperator,
  diagonalOperator,
  indexOf,
  type LazyTensor,
  linearOperator,
  PairfoldError,
  Pm,
  type PreconditionerChoice,
  type SolvePrecision,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";
import {
  checkClose,
  eliminate,
  gaussianMatrix,
  identityMatrix,
  relativeResiduals,
  rowsOf,
  sumOf,
  surface,
} from "../support/linear.ts";
import { type Random, randomFor } from "../support/random.ts";

const SIGMA = 0.1;
const ALPHA = 1e-2;
const PRECONDITIONERS: readonly PreconditionerChoice[] = [
  "none",
  "jacobi",
  "blockJacobi",
  "nystrom",
  "vecchia",
];
const PRECISIONS: readonly SolvePrecision[] = ["mixed", "float64"];

interface Problem {
  readonly K: LazyTensor;
  /** K + alpha · I, dense. */
  readonly system: number[][];
  readonly x: Float64Array;
}

function gaussian(random: Random, n: number, alpha = ALPHA, sigma = SIGMA): Problem {
  const x = surface(random, n);
  const points = tensor(x, [n, 3]);
  const K = Vi(points).sqDist(Vj(points)).mul(-1 / (2 * sigma * sigma)).exp();
  return { K, system: sumOf(gaussianMatrix(x, 3, sigma), identityMatrix(n, alpha)), x };
}

async function rejectsWith(
  code: string,
  read: () => Promise<unknown>,
  ...words: string[]
): Promise<void> {
  const error = await assertRejects(read, PairfoldError);
  assertEquals(error.code, code, error.message);
  for (const word of words) assert(error.message.includes(word), error.message);
}

for (const n of [1, 3, 517]) {
  Deno.test(`solve: ${n} points agree with elimination, by all preconditioners and precisions`, async () => {
    const random = randomFor(`solve ${n}`);
    const { K, system } = gaussian(random, n);
    const b = random.float64(n);
    const want = eliminate(system, rowsOf(b, n)).x.flat();
    for (const preconditioner of PRECONDITIONERS) {
      for (const precision of PRECISIONS) {
        const what = `${preconditioner}, ${precision}`;
        const solution = K.solve(b, { alpha: ALPHA, tol: 1e-9, preconditioner, precision });
        const x = await solution.x.data();
        const report = await solution.report();
        assertEquals(solution.x.shape, [n]);
        assertEquals(solution.x.dtype, "float64");
        const [residual] = relativeResiduals(system, x, b);
        assert(residual <= 1.1e-9, `${what}: residual ${residual}`);
        // what is reported is what the dense matrix says
        assert(Math.abs(report.residual - residual) <= 1e-3 * residual + 1e-13, what);
        assert(report.converged && report.residual <= 1e-9, what);
        checkClose(x, want, 1e-5, what);
      }
    }
  });
}

Deno.test("solve: several right-hand sides, of different lengths, one of zeros", async () => {
  const random = randomFor("several right-hand sides");
  const [n, width] = [131, 7];
  const { K, system } = gaussian(random, n);
  // column 3 is 0, column 5 an easy one, lengths from 1e-12 to 1e12
  const b = random.float64(n * width).map((value, at) => {
    const c = at % width;
    return c === 3 ? 0 : value * 10 ** (4 * (c - 3));
  });
  for (const preconditioner of PRECONDITIONERS) {
    for (const precision of PRECISIONS) {
      const options = { alpha: ALPHA, tol: 1e-8, preconditioner, precision };
      const solution = K.solve(tensor(b, [n, width]), options);
      const x = await solution.x.data();
      assertEquals(solution.x.shape, [n, width]);
      const residuals = relativeResiduals(system, x, b);
      residuals.forEach((value, c) => assert(value <= 1.1e-8, `${c}: ${value}`));
      assert(x.filter((_, at) => at % width === 3).every((value) => value === 0));
      const { residuals: reported } = await solution.report();
      reported.forEach((value, c) => assert(Math.abs(value - residuals[c]) < 1e-10));
    }
  }
});

Deno.test("solve: columns with scalars of their own are what each gives alone", async () => {
  const random = randomFor("columns alone");
  const [n, width] = [67, 3];
  const { K } = gaussian(random, n);
  const b = random.float64(n * width);
  const options = { alpha: ALPHA, tol: 1e-6, precision: "float64" } as const;
  const all = await K.solve(tensor(b, [n, width]), options).x.data();
  for (let c = 0; c < width; c++) {
    const own = b.filter((_, at) => at % width === c);
    const alone = await K.solve(own, options).x.data();
    checkClose(all.filter((_, at) => at % width === c), alone, 1e-10, `column ${c}`);
  }
});

Deno.test("solve: a right-hand side of zeros takes no product", async () => {
  const { K } = gaussian(randomFor("zeros"), 17);
  const solution = K.solve(new Float64Array(17), { alpha: ALPHA });
  assert((await solution.x.data()).every((value) => value === 0));
  const { iterations, residual, products, converged } = await solution.report();
  assertEquals([iterations, residual, products.float32, products.float64], [0, 0, 0, 0]);
  assert(converged);
});

Deno.test("solve: preconditioners reduce iterations, Vecchia's by far", async () => {
  const random = randomFor("fewer iterations");
  const n = 1031;
  const { K } = gaussian(random, n, ALPHA, 0.04);
  const b = random.float64(n);
  const iterations = async (preconditioner: PreconditionerChoice): Promise<number> =>
    (await K.solve(b, { alpha: ALPHA, preconditioner, precision: "float64" }).report()).iterations;
  const plain = await iterations("none");
  const blocks = await iterations({ kind: "blockJacobi", size: 128 });
  const smaller = await iterations({ kind: "blockJacobi", size: 16 });
  const nystrom = await iterations({ kind: "nystrom", rank: 300 });
  const vecchia = await iterations("vecchia");
  assert(blocks < 0.8 * plain, `${blocks} of ${plain}`);
  assert(blocks < smaller, `${blocks}, ${smaller}`);
  assert(nystrom < 0.5 * plain, `${nystrom} of ${plain}`);
  assert(vecchia < 0.1 * plain, `${vecchia} of ${plain}`);
});

Deno.test("solve: Jacobi's preconditioner undoes a bad scaling", async () => {
  const random = randomFor("scaling");
  const n = 61;
  const { system } = gaussian(random, n, 0.5);
  const scale = Array.from({ length: n }, () => 10 ** random.uniform(-3, 3));
  const A = denseOperator(system.map((row, i) => row.map((v, j) => v * scale[i] * scale[j])));
  const b = random.float64(n);
  const options = { maxIterations: 20_000, allowUnconverged: true };
  const plain = await A.solve(b, options).report();
  const jacobi = await A.solve(b, { ...options, preconditioner: "jacobi" }).report();
  assert(jacobi.converged && jacobi.iterations < 0.3 * plain.iterations);
});

Deno.test("solve: a prepared preconditioner serves several solves", async () => {
  const random = randomFor("prepared");
  const { K, system } = gaussian(random, 83);
  const prepared = await K.asOperator().preconditioner("vecchia", { alpha: ALPHA });
  for (let round = 0; round < 2; round++) {
    const b = random.float64(83);
    const solution = K.solve(b, { alpha: ALPHA, preconditioner: prepared });
    assert(relativeResiduals(system, await solution.x.data(), b)[0] < 1.1e-6);
    assertEquals((await solution.report()).preconditioner, prepared.name);
  }
});

Deno.test("solve: float32 tensors: the solution rounded, and both residuals told", async () => {
  const random = randomFor("float32 tensors");
  const n = 211;
  const x = Float32Array.from(surface(random, n));
  const points = tensor(x, [n, 3]);
  const K = Vi(points).sqDist(Vj(points)).mul(-1 / (2 * SIGMA * SIGMA)).exp();
  const b = random.float32(n);
  const system = sumOf(gaussianMatrix(x, 3, SIGMA), identityMatrix(n, ALPHA));
  const solution = K.solve(b, { alpha: ALPHA, tol: 1e-9 });
  const got = await solution.x.data();
  assert(got instanceof Float32Array);
  const { residual, roundedResiduals } = await solution.report();
  assert(residual <= 1e-9);
  const [rounded] = relativeResiduals(system, got, b);
  assert(rounded > 1e-8, "rounding costs more than was asked for");
  assert(Math.abs(roundedResiduals[0] - rounded) < 1e-3 * rounded);
});

Deno.test("solve: float32 alone says what it reached and claims no more", async () => {
  const random = randomFor("float32 alone");
  const n = 257;
  const { K, system } = gaussian(random, n, 1e-4);
  const b = random.float64(n);
  const options = { alpha: 1e-4, precision: "float32", preconditioner: "vecchia" } as const;
  await rejectsWith("convergence", () => K.solve(b, options).x.data(), "float32", "mixed");
  const solution = K.solve(b, { ...options, allowUnconverged: true });
  const x = await solution.x.data();
  const { residual, converged, products } = await solution.report();
  const [own] = relativeResiduals(system, x, b);
  assert(!converged && residual > 1e-6 && residual < 1e-1, `${residual}`);
  assert(Math.abs(own - residual) < 1e-2 * residual, `${own}, reported ${residual}`);
  assertEquals(products.float64, 1); // the one that tells
  const modest = K.solve(b, { ...options, tol: 10 * residual });
  assert((await modest.report()).converged);
});

Deno.test("solve: where float32 products are worth nothing, mixed goes on in float64", async () => {
  const random = randomFor("far from the origin");
  const n = 97;
  // float32 knows coordinates near 1e5 to 1/128 only
  const x = surface(random, n).map((value) => value + 1e5);
  const points = tensor(x, [n, 3]);
  const K = Vi(points).sqDist(Vj(points)).mul(-1 / (2 * SIGMA * SIGMA)).exp();
  const b = random.float64(n);
  // what float32 did in vain does not count
  const alone = K.solve(b, { alpha: 1e-4, tol: 1e-8, precision: "float64" });
  const { iterations } = await alone.report();
  const maxIterations = Math.ceil(1.5 * iterations);
  const solution = K.solve(b, { alpha: 1e-4, tol: 1e-8, maxIterations });
  const system = sumOf(gaussianMatrix(x, 3, SIGMA), identityMatrix(n, 1e-4));
  assert(relativeResiduals(system, await solution.x.data(), b)[0] <= 1.1e-8);
  const { products } = await solution.report();
  assert(products.float64 > 10, "float64 products did the work");
});

Deno.test("solve: where float32 overflows, mixed goes on in float64, float32 alone says so", async () => {
  const random = randomFor("overflow");
  const n = 19;
  const { K, system } = gaussian(random, n);
  const huge = K.mul(Pm(tensor(new Float64Array([1e60]), [1])));
  const b = random.float64(n, -1e60, 1e60);
  const options = { alpha: ALPHA * 1e60, tol: 1e-9 };
  const solution = huge.solve(b, options);
  const small = b.map((value) => value / 1e60);
  assert(relativeResiduals(system, await solution.x.data(), small)[0] <= 1.1e-9);
  await rejectsWith(
    "convergence",
    () => huge.solve(b, { ...options, precision: "float32" }).report(),
  );
});

Deno.test("solve: both axes of a symmetric matrix give the same", async () => {
  const random = randomFor("axes");
  const { K } = gaussian(random, 41);
  const b = random.float64(41);
  const along = await K.solve(b, { alpha: ALPHA, tol: 1e-10 }).x.data();
  const other = await K.solve(b, { alpha: ALPHA, tol: 1e-10, axis: 0 }).x.data();
  checkClose(other, along, 1e-7, "axis i");
});

Deno.test("solve: formulas with indices and parameters, and tensors in either role", async () => {
  const random = randomFor("other formulas");
  const n = 29;
  const x = random.float64(n), w = random.float64(n, 1, 2);
  const t = tensor(x, [n, 1]), weight = tensor(w, [n, 1]);
  // w_i w_j exp(−|x_i − x_j|) + 3 where i = j
  const K = Vi(t).sub(Vj(t)).abs().mul(-1).exp().mul(Vi(weight)).mul(Vj(weight))
    .add(indexOf("i").eq(indexOf("j")).mul(3));
  const system = Array.from({ length: n }, (_, i) =>
    Array.from(
      { length: n },
      (_, j) => w[i] * w[j] * Math.exp(-Math.abs(x[i] - x[j])) + (i === j ? 3 : 0),
    ));
  const b = random.float64(n);
  for (const preconditioner of PRECONDITIONERS.filter((one) => one !== "nystrom")) {
    const solution = K.solve(b, { tol: 1e-9, preconditioner });
    assert(relativeResiduals(system, await solution.x.data(), b)[0] <= 1.1e-9);
  }
});

// ---- refusals -----------------------------------------------------------------------------------

Deno.test("solve: not converging is an error with residual and iterations, unless allowed", async () => {
  const random = randomFor("not converging");
  const { K, system } = gaussian(random, 301);
  const b = random.float64(301);
  const options = { alpha: ALPHA, maxIterations: 5 };
  const solution = K.solve(b, options);
  await rejectsWith("convergence", () => solution.x.data(), "residual of", "5 iterations");
  await rejectsWith("convergence", () => solution.report());
  const allowed = K.solve(b, { ...options, allowUnconverged: true });
  const { converged, residual, iterations } = await allowed.report();
  assert(!converged && iterations === 5);
  const [own] = relativeResiduals(system, await allowed.x.data(), b);
  assert(Math.abs(own - residual) < 1e-6 * own);
  const none = K.solve(b, { alpha: ALPHA, maxIterations: 0, allowUnconverged: true });
  assertEquals((await none.report()).residual, 1);
});

Deno.test("solve: an indefinite matrix is an error, in every precision", async () => {
  const random = randomFor("indefinite");
  const n = 33;
  const values = random.float64(n, 1, 2);
  values[11] = -1;
  const A = diagonalOperator(values);
  const b = random.float64(n, 0.5, 1);
  for (const precision of ["mixed", "float64", "float32"] as const) {
    await rejectsWith("indefinite", () => A.solve(b, { precision }).x.data(), "positive definite");
  }
  await rejectsWith("indefinite", () => A.solve(b, { preconditioner: "jacobi" }).report());
  // distances have one positive eigenvalue, all others are negative
  const x = surface(random, n);
  const D = Vi(x, 3).sqDist(Vj(x, 3)).sqrt();
  await rejectsWith("indefinite", () => D.solve(b, { alpha: 0.01 }).report());
  // alpha shifts it out
  assert((await A.solve(b, { alpha: 1.5 }).report()).converged);
});

Deno.test("solve: a matrix that is not symmetric or not square is an error", async () => {
  const x = tensor(new Float64Array([0, 1, 3, 4]), [4, 1]);
  const skew = Vi(x).sub(Vj(x)).add(Vi(x)).exp();
  await rejectsWith("shape", () => skew.solve(new Float64Array(4).fill(1)).report(), "symmetric");
  const y = tensor(new Float64Array(6), [6, 1]);
  const error = assertThrows(() => Vi(x).sqDist(Vj(y)).solve([1, 2, 3, 4]), PairfoldError);
  assertEquals(error.code, "shape");
});

Deno.test("solve: shapes, dtypes and options that do not fit are errors at once", () => {
  const x = tensor(new Float64Array([0, 1, 3, 4]), [4, 1]);
  const K = Vi(x).sqDist(Vj(x)).neg().exp();
  const refused = (code: string, run: () => unknown): void =>
    assertEquals(assertThrows(run, PairfoldError).code, code);
  refused("shape", () => K.solve([1, 2, 3]));
  refused("shape", () => K.solve(tensor(new Float64Array(4), [1, 4])));
  refused("dtype", () => K.solve(new Float32Array(4)));
  refused("dtype", () => K.solve(new Int32Array(4)));
  refused("dim", () => Vi(x).concat(Vj(x)).solve([1, 2, 3, 4]));
  refused("shape", () => K.solve([1, 2, 3, 4], { alpha: NaN }));
  refused("shape", () => K.solve([1, 2, 3, 4], { tol: -1 }));
  refused("shape", () => K.solve([1, 2, 3, 4], { axis: 2 as 0 }));
  refused("shape", () => K.solve([1, 2, 3, 4], { preconditioner: "ilu" as "none" }));
  refused("dtype", () => K.solve([1, 2, 3, 4], { precision: "half" as "mixed" }));
});

Deno.test("solve: numbers that are not finite are errors", async () => {
  const x = tensor(new Float64Array([0, 1, 3, NaN]), [4, 1]);
  const K = Vi(x).sqDist(Vj(x)).neg().exp();
  for (const preconditioner of PRECONDITIONERS) {
    const options = { alpha: 1, preconditioner };
    const error = await assertRejects(
      () => K.solve([1, 2, 3, 4], options).report(),
      PairfoldError,
    );
    assert(["convergence", "indefinite"].includes(error.code), error.message);
  }
  const fine = diagonalOperator([1, 2]);
  await rejectsWith("convergence", () => fine.solve([1, NaN]).report(), "finite");
});

Deno.test("solve: Nyström wants alpha, Vecchia wants positions, both say so", async () => {
  const A = denseOperator(identityMatrix(4, 2));
  const { K } = gaussian(randomFor("wants"), 5);
  const b = [1, 2, 3, 4];
  await rejectsWith("shape", () => A.solve(b, { preconditioner: "vecchia" }).report(), "points");
  await rejectsWith(
    "shape",
    () => K.solve(new Float64Array(5), { preconditioner: "nystrom" }).report(),
    "alpha 0",
  );
  const points = [[0, 0], [1, 0], [0, 1], [1, 1]];
  const given = A.solve(b, { preconditioner: { kind: "vecchia", points } });
  checkClose(await given.x.data(), b.map((value) => value / 2), 1e-6, "with points");
});

Deno.test("solve: a preconditioner that is not positive definite is an error", async () => {
  const A = denseOperator(identityMatrix(4, 2));
  const upside = { name: "−1", apply: (block: Float64Array) => block.map((value) => -value) };
  await rejectsWith("indefinite", () => A.solve([1, 2, 3, 4], { preconditioner: upside }).report());
});

Deno.test("solve: aborted by a signal, told about iterations", async () => {
  const random = randomFor("abort");
  const { K } = gaussian(random, 211);
  const b = random.float64(211);
  const abort = new AbortController();
  let seen = 0;
  const solution = K.solve(b, {
    alpha: ALPHA,
    signal: abort.signal,
    onProgress: ({ iteration, residual }) => {
      assertEquals(iteration, ++seen);
      assert(residual >= 0);
      if (iteration === 3) abort.abort();
    },
  });
  await rejectsWith("aborted", () => solution.x.data());
  assertEquals(seen, 3);
});

Deno.test("solve: the residual check sees a wrong product", async () => {
  // a matrix whose float32 products belong to another one: the correction never fits
  const n = 23;
  const random = randomFor("wrong product");
  const values = random.float64(n, 1, 2);
  const A = linearOperator({
    shape: [n, n],
    apply: (block, width, { precision }) =>
      block.map((value, at) => value * (precision === "float32" ? 0.1 : values[~~(at / width)])),
  });
  const b = random.float64(n);
  const solution = A.solve(b, { tol: 1e-10 });
  checkClose(await solution.x.data(), b.map((value, k) => value / values[k]), 1e-9, "recovered");
  assert((await solution.report()).products.float64 > 3);
  const wrong = A.solve(b, { precision: "float32", allowUnconverged: true });
  assert((await wrong.report()).residual > 1, "float32 alone is found out");
});
