// Gaussians whose scale goes into their points by default, on a card, real or emulated: which ones,
// that explain() says so, against float64 loops up to the limit and beyond it, and that nothing but
// what was given decides.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type FoldChoices,
  genred,
  grad,
  jvp,
  type LazyTensor,
  Pm,
  type Tensor,
  tensor,
  valueAndGrad,
  Vi,
  Vj,
} from "../../mod.ts";
import type { CudaEngine } from "../../src/engine/mod.ts";
import { build, constant, variable } from "../../src/formula/mod.ts";
import { fold } from "../../src/program/mod.ts";
import { limitOf } from "../../src/program/scale_rule.ts";
import { type Random, randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";

const EPSILON = 2 ** -24;

/** What explain() says about the scale; null where it says nothing. */
const scaleLine = (t: Tensor): string | null => /^scale +(.*)$/m.exec(t.explain())?.[1] ?? null;
const isTaken = (t: Tensor): boolean => scaleLine(t)?.startsWith("in the points") ?? false;

const points = (random: Random, rows: number, D = 3, low = -1, high = 1): Tensor =>
  tensor(random.float32(rows * D, low, high), [rows, D]);

testOnCard("scales in points by default: where points and scale were given, in sums alone", () => {
  const random = randomFor("scale rule formulas");
  const device = card();
  const [a, b, w] = [points(random, 9), points(random, 9), points(random, 9, 1)];
  const [x, y] = [Vi(a), Vj(b)];
  const q = x.sqDist(y), K = q.mul(-2).exp();
  const sum = (k: LazyTensor, choices: FoldChoices = {}) => k.sum("j", { device, ...choices });
  const taken: readonly Tensor[] = [
    sum(K),
    K.mean("j", { device }),
    K.sum("i", { device }),
    sum(K.mul(Vj(w))),
    sum(K.mul(y).div(Vi(w).square().add(1))),
    sum(q.div(Pm(tensor([0.5])).square().mul(2)).neg().exp()),
    sum(x.sub(y).square().sum("d").neg().exp()),
    sum(y.sub(x).sqNorm2().neg().exp().mul(Vj(w)).neg()),
    sum(Vi(a).sqDist(Vj(a)).neg().exp()),
    sum(K, { distances: "auto" }),
    sum(Vi(a).sqDist(Vj(b.reshape([1, 27]).reshape([9, 3]))).neg().exp()),
    sum(Vi(points(random, 5, 16)).sqDist(Vj(points(random, 7, 16))).neg().exp()),
    genred("Exp(-G*SqDist(X,Y))*B", ["G=Pm(0,1)", "X=Vi(1,3)", "Y=Vj(2,3)", "B=Vj(3,1)"], {
      device,
    })(new Float32Array([2]), a, b, w),
  ];
  for (const [k, one] of taken.entries()) assert(isTaken(one), `${k}: ${one.explain()}`);
  const f64 = (t: Tensor): Tensor => t.astype("float64");
  const left: readonly (readonly [RegExp, Tensor])[] = [
    [/no sum/, K.max("j", { device })],
    [/every digit/, sum(Vi(f64(a)).sqDist(Vj(f64(b))).neg().exp())],
    [/every digit/, sum(K, { accumulator: "float64" })],
    [/points are computed/, sum(x.sqDist(Vj(b.mul(1))).neg().exp())],
    [/points are computed from/, sum(x.mul(2).sqDist(y).neg().exp())],
    [/scale is computed/, sum(q.mul(Pm(tensor([-2]).mul(1))).exp())],
    [/no ordinary number/, sum(q.mul(-Infinity).exp())],
    [/no ordinary number/, sum(q.mul(-0).exp())],
    [/grows/, sum(q.exp())],
    [/no factor/, sum(K.add(1))],
    [/no factor/, sum(K.mul(K))],
    [/several/, sum(K.mul(q.neg().exp()))],
    [/meet elsewhere/, sum(K.mul(x.sub(y)))],
    [/meet elsewhere/, sum(K.mul(q))],
    [/1 components/, sum(Vi(w).sqDist(Vj(w)).neg().exp())],
    [/17 comp/, sum(Vi(points(random, 5, 17)).sqDist(Vj(points(random, 7, 17))).neg().exp())],
    [/reach \d+, of which 5\.73 keep/, sum(q.mul(-1e4).exp())],
  ];
  for (const [why, one] of left) {
    assertMatch(scaleLine(one) ?? one.explain(), why);
    assertMatch(scaleLine(one) ?? "", /^at each pair/);
  }
  for (const distances of ["direct", "centred"] as const) {
    assertEquals(scaleLine(sum(K, { distances })), null, "nothing is decided");
  }
  assertEquals(scaleLine(sum(q)), null, "no Gaussian");
  const direct = sum(K, { distances: "direct" }).explain().split("\n")[0];
  assert(!direct.includes("sqrt("), direct);
  // engines without an instruction for 2^q gain nothing
  const host = K.sum("j", { device: "wasm" });
  assertEquals(scaleLine(host), null);
  assert(!host.explain().split("\n")[0].includes("sqrt("));
});

testOnCard("scales in points: how tensors came to be decides, not what was read", async () => {
  const random = randomFor("scale rule reading");
  const device = card();
  const [x, y] = [points(random, 37), points(random, 150)];
  const sums = (x: Tensor, y: Tensor, s: Tensor): Tensor =>
    Vi(x).sqDist(Vj(y)).mul(Pm(s)).neg().exp().sum("j", { device });
  const s = tensor(Float32Array.of(1.7));
  const given = await sums(x, y, s).data();
  assert(isTaken(sums(x, y, s)));
  await x.data();
  x.dispose();
  assertEquals(await sums(x, y, s).data(), given);
  for (const change of [0, 1, 2]) {
    const inputs = (): [Tensor, Tensor, Tensor] => {
      const all: [Tensor, Tensor, Tensor] = [x, y, s];
      all[change] = all[change].mul(1);
      return all;
    };
    const own = inputs();
    const before = await sums(...own).data();
    await own[change].data();
    assert(own[change].peek() !== null);
    assert(!isTaken(sums(...own)), "read, but computed");
    assertEquals(await sums(...own).data(), before);
    assertEquals(before, await sums(...inputs()).data());
  }
});

/** Clouds, an exponent's scale, weights. */
interface Setting {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly D: number;
  readonly s: number;
}

/** The largest error of a Gaussian's sums, in the bounds of both forms, and of Σ |b| exp. */
async function errorsOf({ x, y, D, s }: Setting, random: Random, choices: FoldChoices) {
  const [M, N] = [x.length / D, y.length / D];
  const b = random.float32(N);
  const [X, Y] = [tensor(x, [M, D]), tensor(y, [N, D])];
  const K = Vi(X).sqDist(Vj(Y)).mul(-s).exp();
  const result = K.mul(Vj(tensor(b, [N, 1]))).sum("j", choices);
  const got = await result.data();
  const centre = Array.from({ length: D }, (_, d) => {
    const own = Array.from({ length: M }, (_, i) => x[i * D + d]);
    return (Math.min(...own) + Math.max(...own)) / 2;
  });
  const radius = (z: Float32Array, row: number): number =>
    Math.hypot(...centre.map((c, d) => z[row * D + d] - c));
  const root = Math.sqrt(s * Math.LOG2E);
  const farthest = (z: Float32Array, rows: number): number =>
    Math.max(0, ...Array.from({ length: rows }, (_, k) => radius(z, k)));
  const reach = root * (farthest(x, M) + farthest(y, N));
  let [inBound, inSize] = [0, 0];
  for (let i = 0; i < M; i++) {
    // everything below 2^−126 may be 0
    let [want, size, direct, added] = [0, 0, N * 2 ** -126, 0];
    for (let j = 0; j < N; j++) {
      let square = 0;
      for (let d = 0; d < D; d++) square += (x[i * D + d] - y[j * D + d]) ** 2;
      const q = s * square * Math.LOG2E;
      const term = b[j] * 2 ** -q;
      want += term;
      size += Math.abs(term);
      // 64 terms added plainly, block totals, b, 2 ulp of exp2, the exponent's roundings
      direct += Math.abs(term) * (Math.min(N, 64) + 8 + Math.LN2 * (D + 4) * q) * EPSILON;
      const sizes = root * (radius(x, i) + radius(y, j));
      added += Math.abs(term) * 4 * Math.LN2 * Math.sqrt(q) * sizes * EPSILON;
    }
    const bound = direct + (isTaken(result) ? added : 0);
    assert(!isTaken(result) || added <= direct, `${added} is added to ${direct}`);
    inBound = Math.max(inBound, Math.abs(got[i] - want) / bound);
    if (size > 2 ** -80) inSize = Math.max(inSize, Math.abs(got[i] - want) / size);
  }
  return { isTaken: isTaken(result), inBound, inSize, reach };
}

for (const D of [2, 3, 7, 16]) {
  testOnCard(
    `scales in points, D=${D}: within their bound up to the limit, direct beyond`,
    async () => {
      const random = randomFor(`scale rule limit ${D}`);
      const device = card();
      for (const [M, N, far] of [[37, 150, 1000], [5, 67, 0], [1, 3, 1000], [3, 1, 10]]) {
        const x = random.float32(M * D, far - 0.5, far + 0.5);
        const y = random.float32(N * D, far - 0.5, far + 0.5);
        const limit = limitOf(D, N);
        const { reach } = await errorsOf({ x, y, D, s: 1 }, random, { device });
        for (const share of [0.1, 0.5, 0.99, 1.05, 4]) {
          const s = (share * limit / reach) ** 2;
          const found = await errorsOf({ x, y, D, s }, random, { device });
          const what = `${M} × ${N}, ${share} of the limit: ${JSON.stringify(found)}`;
          // the centre is rounded, the mid of one cloud is not that of the other
          if (share < 0.9 || share > 1) assertEquals(found.isTaken, share < 1, what);
          assert(found.inBound <= 1, what);
        }
      }
    },
  );
}

testOnCard("scales in points: coordinates near 1000, σ from 0.01 to 10", async () => {
  const random = randomFor("scale rule widths");
  const device = card();
  const D = 3;
  const x = random.float32(131 * D, 999.5, 1000.5), y = random.float32(517 * D, 999.5, 1000.5);
  let uncentred = 0;
  for (const sigma of [0.01, 0.03, 0.1, 0.12, 0.2, 0.5, 1, 3, 10]) {
    const s = 1 / (2 * sigma ** 2);
    const found = await errorsOf({ x, y, D, s }, random, { device });
    const direct = await errorsOf({ x, y, D, s }, random, { device, distances: "direct" });
    const what = `σ = ${sigma}: ${JSON.stringify(found)}, direct ${JSON.stringify(direct)}`;
    assertEquals(found.isTaken, sigma > 0.11, what);
    assert(found.inBound <= 1 && direct.inBound <= 1, what);
    // as near to the truth as what a sum of float32 is promised to be
    if (found.isTaken) assert(found.inSize <= 1e-6 && direct.inSize <= 1e-6, what);
    // the same without a centre is far beyond it
    const root = Math.sqrt(s);
    const [p, r] = [Vi(tensor(x, [131, D])).mul(root), Vj(tensor(y, [517, D])).mul(root)];
    const plain = await p.sqDist(r).neg().exp().sum("j", { device }).data();
    const want = await Vi(tensor(x, [131, D])).sqDist(Vj(tensor(y, [517, D]))).mul(-s).exp()
      .sum("j", { device, accumulator: "float64" }).data();
    plain.forEach((v, i) => {
      if (want[i] > 1e-3) uncentred = Math.max(uncentred, Math.abs(v - want[i]) / want[i]);
    });
  }
  assert(uncentred > 1e-4, `${uncentred}`);
});

testOnCard("scales in points: infinite points, constant ones, one with itself", async () => {
  const device = card();
  const compare = async (x: Tensor, y: Tensor, s: number, wanted: boolean): Promise<void> => {
    const K = Vi(x).sqDist(Vj(y)).mul(-s).exp();
    const [auto, direct] = (["auto", "direct"] as const).map((distances) =>
      K.sum("j", { device, distances })
    );
    assertEquals(isTaken(auto), wanted, scaleLine(auto) ?? "");
    const [got, want] = [await auto.data(), await direct.data()];
    got.forEach((v, k) => {
      const isSame = Object.is(v, want[k]) || Math.abs(v - want[k]) <= 2e-6 * want[k];
      assert(isSame, `row ${k}: got ${v}, expected ${want[k]}`);
    });
  };
  const of = (...rows: number[][]): Tensor =>
    tensor(Float32Array.from(rows.flat()), [rows.length, 2]);
  const odd = of([0, 1], [NaN, 1], [Infinity, 0], [1, -Infinity], [NaN, NaN], [-1, 1]);
  const even = of([0.5, 0.5], [1, -1], [0, 0]);
  await compare(odd, even, 1, true);
  await compare(even, odd, 1, true);
  await compare(odd, odd, 1, true);
  await compare(of([NaN, NaN], [Infinity, Infinity]), even, 1, true);
  await compare(of([1e30, 0], [0, 0]), even, 1, false);
  await compare(of([3e38, 3e38], [-3e38, -3e38]), of([3e38, 3e38], [0, 0]), 1, false);
  await compare(of([1e-30, 0], [0, 1e-30]), of([0, 0]), 1e20, true);
  const same = of(...Array.from({ length: 70 }, () => [1234.567, -0.001]));
  await compare(same, same, 1e6, true);
  await compare(same.reshape([70, 2]), of([1234.567, -0.001]), 1e6, true);
  const sums = await Vi(same).sqDist(Vj(same)).mul(-1e6).exp().sum("j", { device }).data();
  assertEquals([...sums], new Array(70).fill(70));
  const nothing = tensor(new Float32Array(0), [0, 2]);
  await compare(even, nothing, 1, true);
  await compare(nothing, even, 1, true);
});

testOnCard("scales in points: derivatives are those of folds without", async () => {
  const random = randomFor("scale rule derivatives");
  const device = card();
  const x = points(random, 37), y = points(random, 70), b = points(random, 70, 1);
  const energy = (distances?: "direct") => (x: Tensor, b: Tensor): Tensor =>
    Vi(x).sqDist(Vj(y)).mul(-2).exp().mul(Vj(b)).sum("j", { device, distances });
  const total = (distances?: "direct") => (x: Tensor, b: Tensor) => energy(distances)(x, b).sum();
  const of = async (distances?: "direct"): Promise<unknown[]> => {
    const [value, both] = valueAndGrad(total(distances), { argnums: [0, 1] })(x, b);
    const alone = grad(total(distances), { argnums: [1] })(x, b);
    const [, moved] = jvp(energy(distances), [x, b], [x.mul(0.1), b]);
    const results = [value, ...both, ...[alone].flat(), moved];
    return await Promise.all(results.map((t) => t.data()));
  };
  assertEquals(await of(), await of("direct"));
  let seen: Tensor | null = null;
  grad((x: Tensor) => (seen = energy()(x, b)).sum())(x);
  assertMatch(scaleLine(seen!) ?? "", /differentiated/);
  // what does not depend on what is watched is not differentiated
  const z = points(random, 37);
  grad((x: Tensor) => x.mul(seen = energy()(z, b)).sum())(x);
  assert(isTaken(seen!));
});

testOnCard("scales in points: each pair once for points with themselves", async () => {
  const random = randomFor("scale rule mirror");
  const device = card({ mirrorFrom: 1025 });
  for (const [D, width] of [[3, 1], [3, 3], [7, 1]]) {
    const x = points(random, 2051, D), b = points(random, 2051, width);
    const sums = (x: Tensor, y: Tensor, choices: FoldChoices = {}) =>
      Vi(x).sqDist(Vj(y)).mul(-0.5).exp().mul(Vj(b)).sum("j", { device, ...choices });
    const once = sums(x, x), twice = sums(x, tensor(await x.data(), x.shape));
    assert(isTaken(once) && isTaken(twice), scaleLine(once) ?? "");
    const isMirrored = (t: Tensor): boolean => /each pair of points once/.test(t.explain());
    assert(!isMirrored(twice) && (isMirrored(once) || width > 1));
    assertEquals(isMirrored(once), isMirrored(sums(x, x, { distances: "direct" })));
    const sizes = await Vi(x).sqDist(Vj(x)).mul(-0.5).exp().mul(Vj(b).abs())
      .sum("j", { device, distances: "direct", accumulator: "float64" }).data();
    const want = await sums(x, x, { distances: "direct", accumulator: "float64" }).data();
    for (const got of [await once.data(), await twice.data()]) {
      got.forEach((v, k) => assert(Math.abs(v - want[k]) <= 1e-6 * sizes[k], `${v}, ${want[k]}`));
    }
  }
});

testOnCard(
  "scales in points: batches that share them, several devices, parts of the pairs",
  async () => {
    const random = randomFor("scale rule launches");
    const device = card();
    const sums = (
      x: Tensor,
      y: Tensor,
      b: Tensor,
      on: CudaEngine | CudaEngine[] = device,
    ): Tensor => Vi(x).sqDist(Vj(y)).mul(-2).exp().mul(Vj(b)).sum("j", { device: on });
    const x = points(random, 515), y = points(random, 67);
    const b = tensor(random.float32(3 * 67), [3, 67, 1]);
    const all = sums(x, y, b);
    assert(isTaken(all), scaleLine(all) ?? "");
    const numbers = await all.data(), weights = await b.data();
    for (const k of [0, 1, 2]) {
      const own = sums(x, y, tensor(weights.slice(67 * k, 67 * (k + 1)), [67, 1]));
      assert(isTaken(own));
      assertEquals(await own.data(), numbers.slice(515 * k, 515 * (k + 1)));
    }
    const batched = sums(tensor(random.float32(3 * 5 * 3), [3, 5, 3]), y, b);
    assertMatch(scaleLine(batched) ?? "", /each batch has points/);
    const one = tensor(weights.slice(0, 67), [67, 1]);
    const divided = sums(x, y, one, [device, card()]);
    assert(isTaken(divided));
    assertEquals(await divided.data(), numbers.slice(0, 515));
    const formula = build.exp(
      build.mul(constant(-2), build.sqDist(variable(x.id, "i", 3), variable(y.id, "j", 3))),
    );
    const request = {
      ...{ formula, reduction: "sum", axis: "j", M: 515, N: 67, dtype: "float32", k: 1 } as const,
      inputs: new Map([[x.id, x], [y.id, y]]),
      choices: { device },
    };
    assert(isTaken(fold(request)[0]));
    const segments = [{ i0: 0, i1: 515, j0: 0, j1: 33, output: 0, wholeRows: 515 }];
    assertMatch(scaleLine(fold({ ...request, segments })[0]) ?? "", /part of the pairs/);
  },
);
