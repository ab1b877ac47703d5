// Traces and log-determinants from probes: within their own standard errors over seeds, which are
// neither too small nor too large; the same for a seed.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  denseOperator,
  diagonalOperator,
  type Estimate,
  type LinearOperator,
  PairfoldError,
  tensor,
  Vi,
  Vj,
} from "../../mod.ts";
import { eliminate, gaussianMatrix, identityMatrix, sumOf, surface } from "../support/linear.ts";
import { randomFor } from "../support/random.ts";

const ALPHA = 0.05;
const SEEDS = Array.from({ length: 100 }, (_, k) => 1000 + k);

/**
 * Throws unless estimates over seeds scatter about the truth as their standard errors say: the mean
 * of z² is near 1 (its own spread for 100 seeds of Student's t is about 0.16), and so is the mean
 * of z near 0.
 */
function checkScatter(estimates: readonly Estimate[], truth: number): void {
  const z = estimates.map(({ value, standardError }) => (value - truth) / standardError);
  const mean = z.reduce((sum, v) => sum + v, 0) / z.length;
  const square = z.reduce((sum, v) => sum + v * v, 0) / z.length;
  assert(Math.abs(mean) < 4 / Math.sqrt(z.length), `mean of z ${mean}`);
  assert(square > 0.4 && square < 2.2, `mean of z² ${square}`);
}

function kernel(n: number): { K: LinearOperator; trace: number; logDeterminant: number } {
  const x = surface(randomFor(`stochastic ${n}`), n);
  const points = tensor(x, [n, 3]);
  const lazy = Vi(points).sqDist(Vj(points)).mul(-1 / (2 * 0.1 ** 2)).exp();
  const system = sumOf(gaussianMatrix(x, 3, 0.1), identityMatrix(n, ALPHA));
  const { logDeterminant } = eliminate(system, system.map(() => []));
  return { K: lazy.asOperator(), trace: n, logDeterminant };
}

Deno.test("trace: estimates scatter about the trace as their standard errors say", async () => {
  const n = 131;
  const { K, trace } = kernel(n);
  const estimates: Estimate[] = [];
  for (const seed of SEEDS) estimates.push(await K.trace({ seed, probes: 20 }));
  checkScatter(estimates, trace);
});

Deno.test("logDeterminant: estimates scatter about it as their standard errors say", async () => {
  const n = 67;
  const { K, logDeterminant } = kernel(n);
  for (const preconditioner of ["none", "jacobi", "blockJacobi"] as const) {
    const estimates: Estimate[] = [];
    const options = {
      alpha: ALPHA,
      probes: 20,
      steps: n,
      tol: 1e-9,
      preconditioner: preconditioner === "blockJacobi"
        ? { kind: preconditioner, size: 20 } as const
        : preconditioner,
    };
    for (const seed of SEEDS) estimates.push(await K.logDeterminant({ ...options, seed }));
    checkScatter(estimates, logDeterminant);
  }
});

Deno.test("logDeterminant: Vecchia's factor leaves little to estimate", async () => {
  const { K, logDeterminant } = kernel(301);
  // of 8 probes the ratio of standard errors is itself uncertain by half
  const options = { alpha: ALPHA, probes: 32, seed: 3 };
  const plain = await K.logDeterminant(options);
  const quick = await K.logDeterminant({ ...options, preconditioner: "vecchia" });
  assert(quick.standardError < 0.05 * plain.standardError);
  assert(quick.steps < plain.steps);
  assert(Math.abs(quick.value - logDeterminant) < 5 * quick.standardError + 1e-6 * 301);
});

Deno.test("the checker of scatter finds errors that are too small, too large, or a bias", async () => {
  const { K, trace } = kernel(131);
  const estimates: Estimate[] = [];
  for (const seed of SEEDS) estimates.push(await K.trace({ seed, probes: 20 }));
  const wrong: readonly ((e: Estimate) => Estimate)[] = [
    (e) => ({ ...e, standardError: e.standardError / 3 }),
    (e) => ({ ...e, standardError: 3 * e.standardError }),
    (e) => ({ ...e, value: e.value + 2 * e.standardError }),
  ];
  for (const change of wrong) {
    let found = false;
    try {
      checkScatter(estimates.map(change), trace);
    } catch {
      found = true;
    }
    assert(found);
  }
});

Deno.test("probes: the same for a seed, others for another, exact for diagonals", async () => {
  const { K } = kernel(37);
  for (
    const run of [
      (seed: number) => K.trace({ seed }),
      (seed: number) => K.logDeterminant({ seed, alpha: ALPHA }),
    ]
  ) {
    const [first, again, other] = [await run(5), await run(5), await run(6)];
    assertEquals(first, again);
    assert(first.value !== other.value);
  }
  const values = randomFor("diagonal").float64(23, 0.1, 3);
  const D = diagonalOperator(values);
  const trace = values.reduce((sum, v) => sum + v, 0);
  const logs = values.reduce((sum, v) => sum + Math.log(v), 0);
  const found = await D.trace({ probes: 5 });
  assert(Math.abs(found.value - trace) < 1e-12 && found.standardError < 1e-12);
  assert(Math.abs((await D.logDeterminant({ probes: 3, tol: 0 })).value - logs) < 1e-9);
  // 1 row
  assert(Math.abs((await diagonalOperator([4]).logDeterminant()).value - Math.log(4)) < 1e-14);
});

Deno.test("as many probes as rows: exact, and without an error", async () => {
  for (const n of [1, 3, 67]) {
    const { K, trace, logDeterminant } = kernel(n);
    const found = await K.trace({ probes: n, seed: 9 });
    assert(Math.abs(found.value - trace) < 1e-12 * n && found.standardError === 0);
    const logs = await K.logDeterminant({ alpha: ALPHA, probes: n + 5, tol: 0 });
    assert(Math.abs(logs.value - logDeterminant) < 1e-10 * n, `${logs.value}, ${logDeterminant}`);
    assertEquals([logs.standardError, logs.probes], [0, n]);
  }
});

Deno.test("logDeterminant: too few steps show in its change", async () => {
  const { K } = kernel(301);
  const rough = await K.logDeterminant({ alpha: 1e-4, steps: 8, probes: 2 });
  assert(rough.steps === 8 && rough.change > 1e-3, `${rough.change}`);
});

Deno.test("logDeterminant and trace: what they refuse", async () => {
  const code = async (run: () => Promise<unknown>): Promise<string> =>
    (await assertRejects(run, PairfoldError)).code;
  const A = diagonalOperator([1, -1, 2]);
  assertEquals(await code(() => A.logDeterminant()), "indefinite");
  assertEquals(await code(() => A.logDeterminant({ preconditioner: "jacobi" })), "indefinite");
  assertEquals(await code(() => A.trace({ probes: 0 })), "shape");
  assertEquals(await code(() => denseOperator([[1, 2]]).trace()), "shape");
  const { K } = kernel(11);
  const nystrom = { alpha: 1, preconditioner: "nystrom" } as const;
  assertEquals(await code(() => K.logDeterminant(nystrom)), "shape");
});
