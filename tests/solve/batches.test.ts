// Systems with batch dims: shapes as numpy.linalg.solve broadcasts them, every batch against dense
// elimination and against the solve of it alone, what is reported of each, how one that fails ends
// all.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type LazyTensor,
  PairfoldError,
  Pm,
  type PreconditionerChoice,
  type SolvePrecision,
  type Tensor,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";
import { type ActionBatch, together } from "../../src/solve/mod.ts";
import { denseAction } from "../../src/solve/action.ts";
import { checkClose, eliminate, relativeResiduals, rowsOf } from "../support/linear.ts";
import { randomFor } from "../support/random.ts";

const ALPHA = 0.05;
const PRECONDITIONERS: readonly PreconditionerChoice[] = [
  "none",
  "jacobi",
  { kind: "blockJacobi", size: 8 },
  { kind: "nystrom", rank: 10 },
  { kind: "vecchia", neighbours: 5 },
];

const kernel = (x: Tensor, s: Tensor): LazyTensor => Vi(x).sqDist(Vj(x)).mul(Pm(s)).neg().exp();

/**
 * Leading dims of the points, the scale and the right-hand sides, what they broadcast to, and n.
 */
interface Case {
  readonly points: readonly number[];
  readonly scale: readonly number[];
  readonly b: readonly number[];
  readonly batch: readonly number[];
  readonly n: number;
}
const CASES: Readonly<Record<string, Case>> = {
  "all batched": { points: [3], scale: [3], b: [3], batch: [3], n: 37 },
  "a batched parameter": { points: [], scale: [4], b: [], batch: [4], n: 13 },
  "one matrix, several b": { points: [], scale: [], b: [2, 3], batch: [2, 3], n: 29 },
  "two batch dims, both broadcast": { points: [2, 1], scale: [], b: [3], batch: [2, 3], n: 17 },
  "a singleton and one point": { points: [1], scale: [2, 1], b: [1, 1], batch: [2, 1], n: 1 },
};

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The part of a tensor that a batch reads, by broadcasting on its own. */
async function partOf(
  t: Tensor,
  own: readonly number[],
  batch: readonly number[],
  at: number,
): Promise<Float64Array> {
  const data = Float64Array.from(await t.data());
  const length = data.length / sizeOf(own);
  let place = 0, stride = 1, left = at;
  for (let k = 1; k <= batch.length; k++) {
    const index = left % batch[batch.length - k];
    left = Math.floor(left / batch[batch.length - k]);
    const size = own[own.length - k] ?? 1;
    if (size !== 1) place += index * stride;
    stride *= size;
  }
  return data.subarray(place * length, (place + 1) * length);
}

for (const [name, { points, scale, b: sides, batch, n }] of Object.entries(CASES)) {
  Deno.test(`solve with batch dims: ${name}, against elimination and each batch alone`, async () => {
    const random = randomFor(`batched solve ${name}`);
    const width = 2;
    const x = tensor(random.float64(sizeOf(points) * n * 2, 0, 3), [...points, n, 2]);
    const s = tensor(random.float64(sizeOf(scale), 0.5, 3), [...scale, 1]);
    const b = tensor(random.float64(sizeOf(sides) * n * width), [...sides, n, width]);
    const K = kernel(x, s);
    for (const preconditioner of PRECONDITIONERS) {
      for (const precision of ["float64", "mixed"] satisfies SolvePrecision[]) {
        const options = { alpha: ALPHA, tol: 1e-9, preconditioner, precision };
        const solution = K.solve(b, options);
        assertEquals(solution.x.shape, [...batch, n, width]);
        const got = await solution.x.data();
        const report = await solution.report();
        assertEquals(report.batches.length, sizeOf(batch));
        assertEquals(report.residuals.length, sizeOf(batch) * width);
        assert(report.converged && report.residual === Math.max(...report.residuals));
        assertEquals(report.iterations, Math.max(...report.batches.map((one) => one.iterations)));
        assertEquals(report.precision, precision);
        for (let at = 0; at < sizeOf(batch); at++) {
          const own = await partOf(x, points, batch, at), right = await partOf(b, sides, batch, at);
          const [factor] = await partOf(s, scale, batch, at);
          const system = Array.from({ length: n }, (_, i) =>
            Array.from({ length: n }, (_, j) => {
              const q = (own[2 * i] - own[2 * j]) ** 2 + (own[2 * i + 1] - own[2 * j + 1]) ** 2;
              return Math.exp(-factor * q) + (i === j ? ALPHA : 0);
            }));
          const found = got.subarray(at * n * width, (at + 1) * n * width);
          const what = `${JSON.stringify(preconditioner)}, ${precision}, batch ${at}`;
          checkClose(found, eliminate(system, rowsOf(right, n)).x.flat(), 1e-6, what);
          const residuals = relativeResiduals(system, found, right);
          residuals.forEach((value, c) => {
            assert(value <= 1.1e-9, `${what}: ${value}`);
            // what is reported of a batch is what the dense matrix says
            const told = report.batches[at].residuals[c];
            assert(Math.abs(told - value) <= 1e-3 * value + 1e-13, `${what}: ${told}, ${value}`);
            assertEquals(report.residuals[at * width + c], told);
          });
        }
      }
    }
  });
}

Deno.test("solve with batch dims: a batch has the bits and the iterations that it has alone", async () => {
  const random = randomFor("batches alone");
  const [B, n] = [3, 131];
  // points of other extents each, so that they take other numbers of iterations
  const points = [1, 2, 4].map((extent) => random.float64(n * 2, 0, extent));
  const x = tensor(Float64Array.from(points.flatMap((part) => [...part])), [B, n, 2]);
  const b = tensor(random.float64(B * n), [B, n, 1]);
  const s = tensor([3], undefined, { dtype: "float64" });
  for (const precision of ["float64", "mixed"] as const) {
    const options = { alpha: ALPHA, precision };
    const all = kernel(x, s).solve(b, options);
    const { batches } = await all.report();
    for (let k = 0; k < B; k++) {
      const alone = kernel(x.slice(k), s).solve(b.slice(k), options);
      const want = await alone.x.data();
      assertEquals((await all.x.data()).subarray(k * n, (k + 1) * n), want);
      assertEquals(batches[k].iterations, (await alone.report()).iterations);
      assertEquals(batches[k].residuals, (await alone.report()).residuals);
    }
    // batches that take longer do not make others go on
    assert(new Set(batches.map(({ iterations }) => iterations)).size > 1);
  }
});

Deno.test("solve with batch dims: one vector for all, nested arrays, float32, both axes", async () => {
  const x = tensor([[[0], [1], [3]], [[0], [2], [7]]]); // float32 [2, 3, 1]
  const K = Vi(x).sqDist(Vj(x)).neg().exp();
  const solution = K.solve([1, 2, 3], { alpha: 0.5, tol: 1e-6 });
  assertEquals(solution.x.shape, [2, 3]);
  assertEquals(solution.x.dtype, "float32");
  const got = await solution.x.data();
  const [data, other] = [
    await x.data(),
    await K.solve([1, 2, 3], { alpha: 0.5, axis: "i" }).x.data(),
  ];
  for (let k = 0; k < 2; k++) {
    const own = data.subarray(3 * k, 3 * k + 3);
    const system = Array.from(
      own,
      (p, i) => Array.from(own, (q, j) => Math.exp(-((p - q) ** 2)) + (i === j ? 0.5 : 0)),
    );
    const want = eliminate(system, [[1], [2], [3]]).x.flat();
    checkClose(got.subarray(3 * k, 3 * k + 3), want, 1e-5, `vector ${k}`);
    checkClose(other.subarray(3 * k, 3 * k + 3), want, 1e-5, `axis i ${k}`);
  }
  const { roundedResiduals, batches } = await solution.report();
  assertEquals(roundedResiduals.length, 2);
  assertEquals(batches.length, 2);
});

Deno.test("solve with batch dims: progress says which matrix, aborting ends all", async () => {
  const random = randomFor("batched abort");
  const x = tensor(random.float64(3 * 61 * 2), [3, 61, 2]);
  const b = tensor(random.float64(61 * 2), [61, 2]);
  const K = kernel(x, tensor([2], undefined, { dtype: "float64" }));
  const seen = new Set<number | undefined>();
  const abort = new AbortController();
  const options = { alpha: 1e-3, signal: abort.signal };
  const solution = K.solve(b, {
    ...options,
    onProgress: ({ batch, iteration }) => {
      seen.add(batch);
      if (iteration === 4) abort.abort();
    },
  });
  const error = await assertRejects(() => solution.x.data(), PairfoldError);
  assertEquals(error.code, "aborted");
  assertEquals([...seen].toSorted(), [0, 1, 2]);
});

Deno.test("solve with batch dims: what fails says which batch, and nothing looks solved", async () => {
  const random = randomFor("a bad batch");
  const n = 23;
  // no two points are near each other: with a large scale, matrices are diagonal
  const places = Array.from({ length: 2 * n }, (_, k) => {
    const [row, column] = [Math.floor(k / 10), Math.floor(k / 2) % 5];
    return 0.4 * (k % 2 === 0 ? row : column) + random.uniform(-0.1, 0.1);
  });
  const x = tensor(Float64Array.from(places), [n, 2]);
  const b = random.float64(n);
  // the second matrix is −K
  const sign = tensor(new Float64Array([1, -1, 1]), [3, 1]);
  const K = kernel(x, tensor([1], undefined, { dtype: "float64" })).mul(Pm(sign));
  const error = await assertRejects(() => K.solve(b, { alpha: 0.1 }).x.data(), PairfoldError);
  assertEquals(error.code, "indefinite");
  assert(error.message.endsWith("(in batch [1])"), error.message);
  // two batch dims; only one of six does not reach the tolerance
  const scale = tensor(new Float64Array([1e3, 1e3, 1e3, 1, 1e3, 1e3]), [2, 3, 1]);
  const hard = kernel(x, scale);
  const few = { alpha: 1e-3, maxIterations: 4 };
  const other = await assertRejects(() => hard.solve(b, few).report(), PairfoldError);
  assertEquals(other.code, "convergence");
  for (const word of ["in batch [1, 0]", "residual of", "4 iterations"]) {
    assert(other.message.includes(word), other.message);
  }
  const { batches, converged } = await hard.solve(b, { ...few, allowUnconverged: true }).report();
  assertEquals(batches.map((one) => one.converged), [true, true, true, false, true, true]);
  assert(!converged);
});

Deno.test("solve with batch dims: shapes that do not fit are errors at once", () => {
  const x = tensor(new Float64Array(2 * 4 * 1), [2, 4, 1]);
  const K = Vi(x).sqDist(Vj(x)).neg().exp();
  const message = (make: () => unknown, code = "shape"): string => {
    const error = assertThrows(make, PairfoldError);
    assertEquals(error.code, code, error.message);
    return error.message;
  };
  const three = tensor(new Float64Array(12), [3, 4, 1]);
  assert(message(() => K.solve(three)).includes("batch shapes [2] of the matrix and [3]"));
  assert(message(() => K.solve([1, 2, 3])).includes("got shape [3]; expected [4], [4, right-hand"));
  message(() => K.solve(tensor(new Float64Array(8), [2, 4]))); // not four rows
  message(() => K.solve(tensor(new Float64Array(1), [])));
  message(() => Vi(x).sqDist(Vj(three.slice(0, { stop: 3 }))).solve([1, 2, 3, 4]));
  message(() => Vi(x).sqDist(Vj(three.slice(0, { stop: 3 }))).logDeterminant());
  message(() => Vi(x).concat(Vj(x)).solve([1, 2, 3, 4]), "dim");
  assert(message(() => K.asOperator()).includes("asOperators()"));
});

Deno.test("operators of batches: one for each, row-major", async () => {
  const random = randomFor("operators of batches");
  const x = tensor(random.float64(2 * 11), [2, 11, 1]);
  const s = tensor(new Float64Array([1, 2, 3]), [3, 1, 1]);
  const K = kernel(x, s); // [3, 2, 11, 11, 1]
  const operators = K.asOperators();
  assertEquals(operators.length, 6);
  const dense = Float64Array.from(await K.dense().data());
  const unit = new Float64Array(11).map((_, k) => k === 4 ? 1 : 0);
  for (const [k, operator] of operators.entries()) {
    assertEquals(operator.shape, [11, 11]);
    const want = dense.subarray(k * 121, (k + 1) * 121);
    const column = Float64Array.from({ length: 11 }, (_, i) => want[i * 11 + 4]);
    checkClose(await operator.matmul(unit).data(), column, 1e-14, `operator ${k}`);
    const diagonal = await operator.entries([0, 3], [7, 2]);
    checkClose(diagonal, [want[7], want[3 * 11 + 2]], 1e-14, `entries of ${k}`);
    checkClose(await operator.T.matmul(unit).data(), column, 1e-14, `transpose of ${k}`);
  }
});

Deno.test("log-determinants with batch dims: one for each, of the operators", async () => {
  const random = randomFor("log-determinants of batches");
  const n = 13;
  const x = tensor(random.float64(2 * n), [2, n, 1]);
  const K = kernel(x, tensor(new Float64Array([4, 30, 9]), [3, 1, 1]));
  const dense = Float64Array.from(await K.dense().data());
  const got = K.logDeterminant({ alpha: ALPHA, probes: n, tol: 0 });
  assertEquals(got.shape, [3, 2]);
  const want = Array.from({ length: 6 }, (_, k) => {
    const matrix = rowsOf(dense.subarray(k * n * n, (k + 1) * n * n), n)
      .map((row, i) => row.map((v, j) => v + (i === j ? ALPHA : 0)));
    return eliminate(matrix, matrix).logDeterminant;
  });
  checkClose(await got.data(), want, 1e-9, "log-determinants");
});

// ---- working together ---------------------------------------------------------------------------

/** Multiples of the identity, and how many products and entries were asked for at once. */
function multiples(factors: readonly number[]): { all: ActionBatch; asked: number[] } {
  const asked: number[] = [];
  const dense = factors.map((f) => denseAction(new Float64Array([f, 0, 0, f]), 2, 2));
  const all: ActionBatch = {
    shape: [factors.length],
    rows: 2,
    columns: 2,
    apply: (blocks, width, control) => {
      asked.push(blocks.length);
      return Promise.all(blocks.map(({ of, block }) => dense[of].apply(block, width, control)));
    },
    entries: (places, control) => {
      asked.push(-places.length);
      return Promise.all(places.map((p) => dense[p.of].entries(p.rows, p.columns, control)));
    },
    points: () => Promise.resolve(null),
    transposed: () => all,
    describe: () => "multiples",
  };
  return { all, asked };
}

Deno.test("together: tasks of different lengths share what they wait for", async () => {
  const { all, asked } = multiples([2, 3, 4]);
  const found = await together(all, async (matrix, of) => {
    let v = new Float64Array([1, 1]);
    for (let k = 0; k <= of; k++) v = Float64Array.from(await matrix.apply(v, 1, {}));
    return v[0];
  });
  assertEquals(found, [2, 9, 64]);
  assertEquals(asked, [3, 2, 1]);
});

Deno.test("together: products of different widths and entries are launches of their own", async () => {
  const { all, asked } = multiples([2, 3, 4, 5]);
  const found = await together(all, async (matrix, of) => {
    if (of === 3) return (await matrix.entries(Int32Array.of(0), Int32Array.of(0), {}))[0];
    return (await matrix.apply(new Float64Array(of === 0 ? 4 : 2).fill(1), of === 0 ? 2 : 1, {}))[
      0
    ];
  });
  assertEquals(found, [2, 3, 4, 5]);
  assertEquals(asked.toSorted((a, b) => a - b), [-1, 1, 2]);
});

Deno.test("together: a task that fails ends the others, and the first error is told", async () => {
  const { all } = multiples([2, 3, 4]);
  const ended: number[] = [];
  const error = await assertRejects(() =>
    together(all, async (matrix, of) => {
      try {
        for (;;) {
          await matrix.apply(new Float64Array(2), 1, {});
          if (of === 1) throw new PairfoldError("convergence", "task: no");
        }
      } finally {
        ended.push(of);
      }
    }), PairfoldError);
  assertEquals(error.message, "PairfoldError[convergence]: task: no (in batch [1])");
  assertEquals(ended.toSorted(), [0, 1, 2]);
});
