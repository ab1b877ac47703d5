// The algebra of operators against dense arithmetic: products, transposes, entries, diagonals of
// every kind of operator, and what does not fit.

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  blockOperator,
  denseOperator,
  diagonalOperator,
  identityOperator,
  indexOf,
  type LinearOperator,
  linearOperator,
  lowRankOperator,
  PairfoldError,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";
import {
  checkClose,
  identityMatrix,
  productOf,
  rowsOf,
  sumOf,
  transposeOf,
} from "../support/linear.ts";
import { type Random, randomFor } from "../support/random.ts";

/** An operator and the matrix that it should be. */
interface Case {
  readonly operator: LinearOperator;
  readonly matrix: number[][];
}

const [M, N] = [7, 5];

function randomMatrix(random: Random, rows: number, columns: number): number[][] {
  return rowsOf(random.float64(rows * columns), rows);
}

/** A symbolic matrix with indices, a parameter and a tensor in both roles; float32 or float64. */
function symbolic(random: Random, dtype: "float32" | "float64"): Case {
  const x = random.array(dtype, M * 2), y = random.array(dtype, N * 2);
  const lazy = Vi(tensor(x, [M, 2])).sqDist(Vj(tensor(y, [N, 2]))).mul(-0.75).exp()
    .add(indexOf("i").mul(0.5)).sub(indexOf("j"));
  const matrix = Array.from({ length: M }, (_, i) =>
    Array.from({ length: N }, (_, j) => {
      const q = (x[2 * i] - y[2 * j]) ** 2 + (x[2 * i + 1] - y[2 * j + 1]) ** 2;
      return Math.exp(-0.75 * q) + 0.5 * i - j;
    }));
  return { operator: lazy.asOperator(), matrix };
}

const CASES: Readonly<Record<string, (random: Random) => Case>> = {
  dense: (random) => {
    const matrix = randomMatrix(random, M, N);
    return { operator: denseOperator(matrix), matrix };
  },
  "symbolic, float32": (random) => symbolic(random, "float32"),
  "symbolic, float64": (random) => symbolic(random, "float64"),
  diagonal: (random) => {
    const values = random.float64(M);
    const matrix = identityMatrix(M).map((row, i) => row.map((v) => v * values[i]));
    return { operator: diagonalOperator(values), matrix };
  },
  identity: () => ({ operator: identityOperator(M, 3), matrix: identityMatrix(M, 3) }),
  "low rank": (random) => {
    const [u, v] = [randomMatrix(random, M, 2), randomMatrix(random, N, 2)];
    return { operator: lowRankOperator(u, v), matrix: productOf(u, transposeOf(v)) };
  },
  functions: (random) => {
    const matrix = randomMatrix(random, M, N);
    const times = (a: number[][]) => (block: Float64Array): Float64Array =>
      Float64Array.from(productOf(a, rowsOf(block, a[0].length)).flat());
    const operator = linearOperator({
      shape: [M, N],
      apply: times(matrix),
      applyTransposed: times(transposeOf(matrix)),
    });
    return { operator, matrix };
  },
  sum: (random) => {
    const [a, b] = [symbolic(random, "float64"), CASES.dense(random)];
    return { operator: a.operator.add(b.operator), matrix: sumOf(a.matrix, b.matrix) };
  },
  difference: (random) => {
    const [a, b] = [CASES["low rank"](random), CASES.functions(random)];
    return { operator: a.operator.sub(b.operator), matrix: sumOf(a.matrix, b.matrix, -1) };
  },
  multiple: (random) => {
    const { operator, matrix } = symbolic(random, "float64");
    return { operator: operator.mul(-2.5), matrix: matrix.map((row) => row.map((v) => -2.5 * v)) };
  },
  product: (random) => {
    const [a, b] = [symbolic(random, "float64"), CASES.dense(random)];
    return {
      operator: a.operator.matmul(b.operator.T),
      matrix: productOf(a.matrix, transposeOf(b.matrix)),
    };
  },
  transpose: (random) => {
    const { operator, matrix } = symbolic(random, "float64");
    return { operator: operator.transpose(), matrix: transposeOf(matrix) };
  },
  blocks: (random) => {
    const [a, b] = [symbolic(random, "float64"), CASES.diagonal(random)];
    const zeros = Array.from({ length: M }, () => new Array<number>(N).fill(0));
    const matrix = [
      ...a.matrix.map((row, i) => [...row, ...b.matrix[i]]),
      ...zeros.map((row, i) => [...row, ...identityMatrix(M, 2)[i]]),
    ];
    const grid = [[a.operator, b.operator], [null, identityOperator(M, 2)]];
    return { operator: blockOperator(grid), matrix };
  },
  "with identity": (random) => {
    const { operator, matrix } = CASES.diagonal(random);
    return { operator: operator.addIdentity(0.5), matrix: sumOf(matrix, identityMatrix(M, 0.5)) };
  },
};

async function checkOperator({ operator, matrix }: Case, random: Random): Promise<void> {
  const [rows, columns] = [matrix.length, matrix[0].length];
  assertEquals(operator.shape, [rows, columns]);
  for (const width of [1, 3]) {
    const b = random.float64(columns * width);
    const want = productOf(matrix, rowsOf(b, columns)).flat();
    const got = operator.matmul(tensor(b, [columns, width]));
    assertEquals(got.shape, [rows, width]);
    checkClose(await got.data(), want, 1e-14, "product");
    if (width > 1) continue;
    assertEquals(operator.matmul(b).shape, [rows]);
    // float32 products are near, and no nearer than they may be asked for
    const rough = operator.matmul(b, { precision: "float32" });
    checkClose(await rough.data(), want, 1e-5, "float32 product");
  }
  const i = Int32Array.from({ length: 40 }, () => random.integer(rows));
  const j = Int32Array.from({ length: 40 }, () => random.integer(columns));
  const entries = Array.from(i, (row, k) => matrix[row][j[k]]);
  checkClose(await operator.entries(i, j), entries, 1e-14, "entries");
  if (rows === columns) {
    checkClose(await operator.diagonal(), matrix.map((row, k) => row[k]), 1e-14, "diagonal");
  }
}

for (const [name, make] of Object.entries(CASES)) {
  Deno.test(`operator, ${name}: products, entries and diagonal are the dense matrix's, transposed too`, async () => {
    const random = randomFor(`operator ${name}`);
    const { operator, matrix } = make(random);
    await checkOperator({ operator, matrix }, random);
    await checkOperator({ operator: operator.T, matrix: transposeOf(matrix) }, random);
    await checkOperator({ operator: operator.T.T, matrix }, random);
  });
}

Deno.test("the checker of operators finds a wrong transpose", async () => {
  const random = randomFor("wrong transpose");
  const matrix = randomMatrix(random, 4, 4);
  const times = (block: Float64Array): Float64Array =>
    Float64Array.from(productOf(matrix, rowsOf(block, 4)).flat());
  const operator = linearOperator({ shape: [4, 4], apply: times }); // claims to be symmetric
  await checkOperator({ operator, matrix }, random);
  await assertRejects(
    () => checkOperator({ operator: operator.T, matrix: transposeOf(matrix) }, random),
    Error,
  );
});

Deno.test("operators: a system of several terms is solved as the dense one", async () => {
  const random = randomFor("terms");
  const n = 31;
  const x = random.float64(n);
  const points = tensor(x, [n, 1]);
  const K = Vi(points).sqDist(Vj(points)).neg().exp().asOperator();
  const u = randomMatrix(random, n, 2), d = random.float64(n, 0.5, 2);
  const A = K.mul(2).add(diagonalOperator(d)).add(lowRankOperator(u));
  const b = random.float64(n);
  for (const preconditioner of ["none", "jacobi", "vecchia", "blockJacobi"] as const) {
    const solution = A.solve(b, { tol: 1e-11, preconditioner });
    const back = await A.matmul(solution.x).data();
    checkClose(back, b, 1e-10, preconditioner);
  }
});

Deno.test("operators: what does not fit is an error", async () => {
  const refused = (code: string, run: () => unknown): void =>
    assertEquals(assertThrows(run, PairfoldError).code, code);
  const A = denseOperator([[1, 2, 3], [4, 5, 6]]);
  refused("shape", () => A.add(A.T));
  refused("shape", () => A.matmul(A));
  refused("shape", () => A.matmul([1, 2]));
  refused("shape", () => A.mul(NaN));
  refused("shape", () => A.solve([1, 2]));
  refused("shape", () => A.addIdentity(1));
  refused("shape", () => denseOperator([1, 2]));
  refused("shape", () => diagonalOperator([[1, 2]]));
  refused("shape", () => identityOperator(1.5));
  refused("shape", () => lowRankOperator([[1], [2]], [[1, 2]]));
  refused("shape", () => blockOperator([]));
  refused("shape", () => blockOperator([[A], [A, A]]));
  refused("shape", () => blockOperator([[A, A.T]]));
  refused("shape", () => blockOperator([[A, null]]));
  refused("shape", () => linearOperator({ shape: [2, 3], apply: (b) => b }));
  refused("dim", () => Vi([[1, 2]]).sub(Vj([[1, 2]])).asOperator());
  for (const run of [() => A.entries([0], [3]), () => A.entries([0.5], [0]), () => A.diagonal()]) {
    assertEquals((await assertRejects(run, PairfoldError)).code, "shape");
  }
  const short = linearOperator({ shape: [2, 2], apply: () => new Float64Array(1) });
  assertEquals(
    (await assertRejects(() => short.matmul([1, 2]).data(), PairfoldError)).code,
    "shape",
  );
});
