// Eigenpairs of small matrices against Jacobi's rotations; extreme ones by Lanczos and LOBPCG
// against dense ones and known spectra, multiple eigenvalues too.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  denseOperator,
  diagonalOperator,
  type EigenResult,
  identityOperator,
  type LinearOperator,
  linearOperator,
  PairfoldError,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";
import { symmetricEigen, tridiagonalEigen } from "../../src/solve/small.ts";
import { identity } from "../../src/solve/small.ts";
import {
  checkClose,
  eigenvaluesOf,
  gaussianMatrix,
  type Matrix,
  productOf,
  rowsOf,
  sumOf,
  surface,
  transposeOf,
} from "../support/linear.ts";
import { randomFor } from "../support/random.ts";

/** Throws unless pairs are orthonormal eigenvectors with the wanted values. */
function checkPairs(
  matrix: Matrix,
  { values, vectors }: Pick<EigenResult, "values" | "vectors">,
  want: readonly number[],
  tolerance: number,
): void {
  const n = matrix.length;
  const spread = Math.max(...want.map(Math.abs), 1e-300);
  want.forEach((value, k) => {
    const error = Math.abs(values[k] - value);
    assert(error <= tolerance * spread, `eigenvalue ${k}: got ${values[k]}, want ${value}`);
  });
  const v = rowsOf(vectors, n);
  const gram = productOf(transposeOf(v), v).flat();
  checkClose(gram, identity(want.length), 1e-8, "orthonormal");
  const images = productOf(matrix, v).flat();
  const scaled = v.flatMap((row) => row.map((x, k) => x * values[k]));
  const error = Math.hypot(...images.map((x, k) => x - scaled[k]));
  assert(error <= 1e3 * tolerance * spread, `residual ${error} of ${spread}`);
}

function symmetric(name: string, n: number): number[][] {
  const a = rowsOf(randomFor(name).float64(n * n), n);
  return sumOf(a, transposeOf(a));
}

for (const n of [1, 2, 3, 30]) {
  Deno.test(`eigenpairs of a dense symmetric matrix [${n}, ${n}]`, () => {
    const matrix = symmetric(`dense ${n}`, n);
    const pairs = symmetricEigen(Float64Array.from(matrix.flat()), n);
    checkPairs(matrix, pairs, eigenvaluesOf(matrix), 1e-13);
  });
}

Deno.test("eigenpairs: multiple and zero eigenvalues, matrices in pieces", () => {
  for (const diagonal of [[2, 2, 2, 1], [0, 0, 0, 0], [3, -3, 3, -3]]) {
    const matrix = diagonal.map((v, i) => diagonal.map((_, j) => i === j ? v : 0));
    const pairs = symmetricEigen(Float64Array.from(matrix.flat()), 4);
    checkPairs(matrix, pairs, diagonal.toSorted((a, b) => a - b), 1e-15);
  }
  const [values] = [
    tridiagonalEigen(new Float64Array(5).fill(2), new Float64Array(4).fill(-1), identity(5)).values,
  ];
  const known = [1, 2, 3, 4, 5].map((k) => 2 - 2 * Math.cos(k * Math.PI / 6));
  checkClose(values, known, 1e-14, "second differences");
});

Deno.test("the checker of pairs finds a wrong vector", () => {
  const matrix = symmetric("wrong vector", 4);
  const pairs = symmetricEigen(Float64Array.from(matrix.flat()), 4);
  const vectors = identity(4);
  let found = false;
  try {
    checkPairs(matrix, { values: pairs.values, vectors }, eigenvaluesOf(matrix), 1e-13);
  } catch {
    found = true;
  }
  assert(found);
});

const METHODS = ["eigsh", "lobpcg"] as const;

for (const method of METHODS) {
  for (const n of [1, 3, 101]) {
    Deno.test(`${method}: extreme eigenpairs of a kernel of ${n} points`, async () => {
      const x = surface(randomFor(`${method} ${n}`), n);
      const points = tensor(x, [n, 3]);
      const K = Vi(points).sqDist(Vj(points)).mul(-1 / (2 * 0.2 ** 2)).exp().asOperator();
      const matrix = gaussianMatrix(x, 3, 0.2);
      const all = eigenvaluesOf(matrix);
      const k = Math.min(4, n);
      const top = await K[method]({ k });
      checkPairs(matrix, top, all.toReversed().slice(0, k), 1e-9);
      assert(top.converged && top.residuals.length === k);
      // the other end, of a matrix whose eigenvalues are apart there
      const A = K.mul(-1);
      const bottom = await A[method]({ k, which: "smallest" });
      const turned = matrix.map((row) => row.map((v) => -v));
      checkPairs(turned, bottom, all.map((v) => -v).toSorted((a, b) => a - b).slice(0, k), 1e-9);
    });
  }

  Deno.test(`${method}: all k = n eigenpairs, and a seed that makes no difference`, async () => {
    const n = 12;
    const matrix = symmetric(`${method} all`, n);
    const want = eigenvaluesOf(matrix).toReversed();
    for (const seed of [1, 2, 3]) {
      checkPairs(matrix, await denseOperator(matrix)[method]({ k: n, seed }), want, 1e-9);
    }
  });

  Deno.test(`${method}: not converging is an error, unless allowed`, async () => {
    const n = 200;
    const A = diagonalOperator(Float64Array.from({ length: n }, (_, k) => k));
    const options = { k: 2, which: "smallest", maxIterations: 8 } as const;
    const error = await assertRejects(() => A[method](options), PairfoldError);
    assertEquals(error.code, "convergence");
    assert(error.message.includes("8"), error.message);
    const rough = await A[method]({ ...options, allowUnconverged: true });
    assert(!rough.converged && rough.values[0] < 20);
  });
}

Deno.test("eigsh: the identity and other matrices of few eigenvalues", async () => {
  const { values } = await identityOperator(9, 4).eigsh({ k: 3 });
  checkClose(values, [4, 4, 4], 1e-14, "identity");
});

/** The Laplacian of a path, 2 cos gaps known, twice beside itself: every eigenvalue double. */
function twoPaths(n: number): { operator: LinearOperator; values: number[] } {
  const second = (block: Float64Array, width: number): Float64Array => {
    const out = new Float64Array(block.length);
    for (let path = 0; path < 2; path++) {
      for (let k = 0; k < n; k++) {
        for (let c = 0; c < width; c++) {
          const at = (path * n + k) * width + c;
          out[at] = 2 * block[at] - (k > 0 ? block[at - width] : 0) -
            (k < n - 1 ? block[at + width] : 0);
        }
      }
    }
    return out;
  };
  const values = Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos((k + 1) * Math.PI / (n + 1)));
  return { operator: linearOperator({ shape: [2 * n, 2 * n], apply: second }), values };
}

Deno.test("lobpcg: double eigenvalues come twice", async () => {
  const { operator, values } = twoPaths(25);
  const { values: found } = await operator.lobpcg({ k: 4, which: "smallest", maxIterations: 2000 });
  checkClose(found, [values[0], values[0], values[1], values[1]], 1e-8, "double eigenvalues");
});

Deno.test("lobpcg: a preconditioner finds the smallest eigenvalues in fewer iterations", async () => {
  const n = 120;
  const random = randomFor("lobpcg preconditioner");
  const diagonal = Float64Array.from({ length: n }, (_, k) => 1 + k * k);
  const u = rowsOf(random.float64(n), n);
  const A = diagonalOperator(diagonal).add(denseOperator(productOf(u, transposeOf(u))));
  const options = { k: 3, which: "smallest", tol: 1e-9, maxIterations: 3000 } as const;
  const plain = await A.lobpcg(options);
  const quick = await A.lobpcg({ ...options, preconditioner: "jacobi" });
  assert(quick.iterations < 0.5 * plain.iterations, `${quick.iterations} of ${plain.iterations}`);
  checkClose(quick.values, plain.values, 1e-4, "the same eigenvalues");
});

Deno.test("eigenpairs: options that do not fit are errors", async () => {
  const A = denseOperator([[1, 2, 3], [4, 5, 6]]);
  const B = denseOperator([[2, 1], [1, 2]]);
  for (const method of METHODS) {
    for (const run of [() => A[method](), () => B[method]({ k: 3 }), () => B[method]({ k: 0 })]) {
      assertEquals((await assertRejects(run, PairfoldError)).code, "shape");
    }
    const broken = denseOperator([[1, NaN], [NaN, 1]]);
    assertEquals((await assertRejects(() => broken[method](), PairfoldError)).code, "convergence");
  }
});
