// Squared distances through centred dot products, against direct ones and float64 loops.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type FoldChoices,
  grad,
  type LazyTensor,
  PairfoldError,
  Pm,
  type Tensor,
  tensor,
  valueAndGrad,
  Vi,
  Vj,
} from "../../mod.ts";
import { testDevice } from "../support/device.ts";
import { type Random, randomFor } from "../support/random.ts";

const device = testDevice;
const CENTRED: FoldChoices = { device, distances: "centred" };
const DIRECT: FoldChoices = { device, distances: "direct" };

interface Clouds {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly M: number;
  readonly N: number;
}

/** Two clouds of spread 1 far from the origin. */
function clouds(random: Random, D: number, dtype: "float32" | "float64", far = 1000): Clouds {
  const [M, N] = random.pick([[1, 3], [3, 1], [17, 67], [130, 33]]);
  const draw = (rows: number): Tensor =>
    tensor(random.array(dtype, rows * D, far - 1, far + 1), [rows, D]);
  return { x: draw(M), y: draw(N), M, N };
}

/** Unit roundoff. */
const EPSILON = { float32: 2 ** -24, float64: 2 ** -53 } as const;

/** Squared distances in float64, and |x − c|² + |y − c|². */
async function reference({ x, y, M, N }: Clouds, D: number) {
  const [X, Y] = [await x.data(), await y.data()];
  const centre = Array.from({ length: D }, (_, d) => {
    let sum = 0;
    for (let j = 0; j < N; j++) sum += Y[j * D + d];
    return sum / N;
  });
  const squares = (Z: ArrayLike<number>, row: number, from: (d: number) => number): number => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += (Z[row * D + d] - from(d)) ** 2;
    return sum;
  };
  const distances = Array.from(
    { length: M * N },
    (_, k) => squares(X, Math.floor(k / N), (d) => Y[(k % N) * D + d]),
  );
  const sizes = Array.from(
    { length: M * N },
    (_, k) => squares(X, Math.floor(k / N), (d) => centre[d]) + squares(Y, k % N, (d) => centre[d]),
  );
  return { distances, sizes };
}

/** The entries that a fold sees: a sum over the one column with an index. */
async function entriesOf(entries: LazyTensor, N: number, choices: FoldChoices) {
  const rows: number[] = [];
  for (let j = 0; j < N; j++) {
    const isHere = tensor(Float64Array.from({ length: N }, (_, k) => k === j ? 1 : 0), [N, 1])
      .astype(entries.dtype as "float32");
    rows.push(...await entries.mul(Vj(isHere)).sum("j", choices).data());
  }
  const M = rows.length / N;
  return rows.map((_, k) => rows[(k % N) * M + Math.floor(k / N)]);
}

/** Squared distances as a fold sees them. */
const distancesOf = (x: Tensor, y: Tensor, choices: FoldChoices) =>
  entriesOf(Vi(x).sqDist(Vj(y)), y.shape[0], choices);

for (const dtype of ["float32", "float64"] as const) {
  for (const D of [8, 17, 64, 301]) {
    Deno.test(`centred distances of dim ${D} in ${dtype}: within their bound`, async () => {
      const random = randomFor(`centred ${D} ${dtype}`);
      const both = clouds(random, D, dtype);
      const { distances, sizes } = await reference(both, D);
      const got = await distancesOf(both.x, both.y, CENTRED);
      // norms and product add D terms each; the mean's rounding moves all by as much
      const bound = (8 + 2 * Math.sqrt(D)) * EPSILON[dtype];
      let worst = 0;
      got.forEach((v, k) => {
        assert(v >= 0, `${v} is negative`);
        worst = Math.max(worst, Math.abs(v - distances[k]) / sizes[k]);
      });
      assert(worst <= bound, `${worst} of |x − c|² + |y − c|², the bound is ${bound}`);
      // the same without the mean taken off is far beyond it
      const [x, y] = [Vi(both.x), Vj(both.y)];
      const plain = x.sqNorm2().add(y.sqNorm2()).sub(x.dot(y).mul(2)).sum("j", { device });
      const want = [...await Vi(both.x).sqDist(Vj(both.y)).sum("j", DIRECT).data()];
      const off = (await plain.data()).map((v, i) => Math.abs(v - want[i]) / want[i]);
      assert(Math.max(...off) > 100 * bound, `uncentred: ${Math.max(...off)}`);
    });
  }
}

/** Exponentials below this are 0 in float32. */
const UNDERFLOW = 2 ** -125.5;

for (const D of [1, 3, 7]) {
  Deno.test(`Gaussians of dim ${D} with their scale in centred points: within their bound`, async () => {
    const random = randomFor(`scaled ${D}`);
    const both = clouds(random, D, "float32");
    const { distances, sizes } = await reference(both, D);
    const [x, y] = [Vi(both.x), Vj(both.y)];
    /** How far the entries are off, in their bound for points of so many squares. */
    const errorOf = async (entries: LazyTensor, s: number, from: (k: number) => number) => {
      const got = await entriesOf(entries, both.y.shape[0], CENTRED);
      return Math.max(...got.map((v, k) => {
        const q = s * distances[k];
        // |u| + |v| is at most √2 of the root of their squares; the exponential adds 4 ulp and
        // its own
        const off = 4 * Math.sqrt(2 * q * s * from(k)) + q + 8;
        const slack = off * EPSILON.float32 * Math.exp(-q) + UNDERFLOW;
        return Math.abs(v - Math.exp(-q)) / slack;
      }));
    };
    let worst = 0;
    for (const s of [0.02, 0.7, 9]) {
      const error = await errorOf(x.sqDist(y).mul(-s).exp(), s, (k) => sizes[k]);
      assert(error <= 1, `s = ${s}: ${error} of the bound`);
      // the same without the mean taken off is far beyond it
      const [p, q] = [x.mul(Math.sqrt(s)), y.mul(Math.sqrt(s))];
      const plain = await errorOf(p.sub(q).sqNorm2().neg().exp(), s, (k) => sizes[k]);
      worst = Math.max(worst, plain);
    }
    assert(worst > 5, `uncentred: ${worst} of the bound`);
  });
}

Deno.test("scales go into the points of float32 Gaussians that shrink, where that saves a product", () => {
  const random = randomFor("scaled formulas");
  const points = (dtype: "float32" | "float64"): Tensor => tensor(random.array(dtype, 27), [9, 3]);
  const isScaled = (fold: Tensor): boolean => fold.explain().split("\n")[0].includes("sqrt(");
  const [a, b] = [points("float32"), points("float32")];
  const [x, y] = [Vi(a), Vj(b)];
  const q = x.sqDist(y);
  const sum = (k: LazyTensor, choices = CENTRED): Tensor => k.sum("j", choices);
  assert(isScaled(sum(q.mul(-2).exp())));
  assert(isScaled(sum(q.div(2).neg().exp())));
  assert(isScaled(sum(y.sub(x).sqNorm2().neg().exp().mul(Vj(b)))));
  assert(isScaled(sum(q.mul(Pm(-3)).exp())));
  assert(isScaled(sum(q.mul(Pm(tensor([-3]))).exp())), "given");
  assert(!isScaled(sum(q.mul(Pm(tensor([-3]).mul(1))).exp())), "tensors may still be to compute");
  assert(!isScaled(sum(q.mul(-2).exp(), DIRECT)));
  assert(!isScaled(sum(q.mul(2).exp())));
  assert(!isScaled(sum(q.mul(tensor([1]).sub(3)).exp())), "a scale that is not known yet");
  assert(!isScaled(sum(x.sub(y).mul(q.mul(-2).exp()))), "differences are taken all the same");
  const [u, v] = [Vi(points("float64")), Vj(points("float64"))];
  assert(!isScaled(sum(u.sqDist(v).mul(-2).exp())));
});

Deno.test("scales that are computed give the same bits before and after somebody reads them", async () => {
  const random = randomFor("scaled reading");
  const [x, y] = [30, 50].map((n) => tensor(random.float32(3 * n), [n, 3]));
  const scale = tensor(Float32Array.of(1.7)).mul(1);
  const folded = () => Vi(x).sqDist(Vj(y)).mul(Pm(scale)).neg().exp().sum("j", CENTRED).data();
  const before = await folded();
  await scale.data();
  assertEquals(await folded(), before);
  const infinite = Vi(x).sqDist(Vj(y)).mul(-Infinity).exp().sum("j", CENTRED);
  assertEquals(await infinite.data(), new Float32Array(30));
});

Deno.test("scales in points: infinite points and empty scales behave as written", async () => {
  const x = tensor([0, 1, 2, Infinity, 5, NaN, 1e30, -1e30], [8, 1]);
  const y = tensor([1, 1.5], [2, 1]);
  for (const s of [0, 1, 1e-30]) {
    const of = (choices: FoldChoices) =>
      Vi(x.astype("float32")).sqDist(Vj(y.astype("float32"))).mul(-s).exp().sum("j", choices)
        .data();
    const [got, want] = [await of(CENTRED), await of(DIRECT)];
    got.forEach((value, k) => {
      const isSame = Object.is(value, want[k]) || Math.abs(value - want[k]) < 1e-6;
      assert(isSame, `s = ${s}, row ${k}: got ${value}, expected ${want[k]}`);
    });
  }
});

/** Folds over Gaussians and distances, by name. */
const FOLDS: Readonly<Record<string, (q: LazyTensor, options: FoldChoices) => Tensor>> = {
  "sum over j": (q, options) => q.mul(-0.05).exp().sum("j", options),
  "sum over i": (q, options) => q.mul(-0.05).exp().sum("i", options),
  logSumExp: (q, options) => q.mul(-0.05).logSumExp("j", options),
  "smallest distance": (q, options) => q.min("j", options),
  "weighted softmax": (q, options) => q.mul(-0.05).sumSoftmaxWeight(q, "j", options),
};

for (const [name, make] of Object.entries(FOLDS)) {
  Deno.test(`centred distances in folds agree with direct ones: ${name}`, async () => {
    const random = randomFor(`centred ${name}`);
    const D = 20;
    const draw = (shape: number[]): Tensor =>
      tensor(random.float64(shape.reduce((a, b) => a * b), 4, 6), shape);
    const cases: readonly (readonly [Tensor, Tensor])[] = [
      [draw([131, D]), draw([67, D])],
      [draw([3, 5, D]), draw([3, 7, D])],
      [draw([1, 5, D]), draw([2, 7, D])],
      [draw([4, 5, D]), draw([7, D])],
    ];
    for (const [x, y] of cases) {
      for (const q of [Vi(x).sqDist(Vj(y)), Vj(y).sub(Vi(x)).sqNorm2()]) {
        const got = await make(q, CENTRED).data();
        const want = await make(q, DIRECT).data();
        assertEquals(got.length, want.length);
        got.forEach((v, k) => {
          const error = Math.abs(v - want[k]) / Math.max(1e-3, Math.abs(want[k]));
          assert(error < 1e-12, `${name}: got ${v}, expected ${want[k]}`);
        });
      }
    }
  });
}

Deno.test("centred distances: gradients of energies agree with direct ones", async () => {
  const random = randomFor("centred gradients");
  const D = 12;
  const x = tensor(random.float64(31 * D), [31, D]), y = tensor(random.float64(45 * D), [45, D]);
  const energy = (choices: FoldChoices) => (x: Tensor, y: Tensor): Tensor =>
    Vi(x).sqDist(Vj(y)).mul(-0.1).exp().sum("j", choices).sum();
  const [got, want] = [CENTRED, DIRECT].map((choices) =>
    valueAndGrad(energy(choices), { argnums: [0, 1] })(x, y)
  );
  const close = async (a: Tensor, b: Tensor): Promise<void> => {
    const size = await b.abs().max().item();
    assert(await a.sub(b).abs().max().item() < 1e-12 * size);
  };
  await close(got[0], want[0]);
  for (const k of [0, 1]) await close(got[1][k], want[1][k]);
  // second derivatives
  const second = (choices: FoldChoices) =>
    grad((x: Tensor) => grad(energy(choices))(x, y).square().sum())(x);
  await close(second(CENTRED), second(DIRECT));
});

Deno.test("centred distances: shown by explain, taken for long vectors of both axes only", async () => {
  const random = randomFor("centred formulas");
  const points = (D: number): Tensor => tensor(random.float32(9 * D), [9, D]);
  const formulaOf = (fold: Tensor): string => fold.explain().split("\n")[0];
  const [x, y] = [points(20), points(20)];
  assert(formulaOf(Vi(x).sqDist(Vj(y)).sum("j", CENTRED)).includes("relu("));
  assert(!formulaOf(Vi(x).sqDist(Vj(y)).sum("j", DIRECT)).includes("relu("));
  assert(!formulaOf(Vi(x).sqDist(Vj(y)).sum("j", { device })).includes("relu("));
  const [short, other] = [points(3), points(3)];
  assert(!formulaOf(Vi(short).sqDist(Vj(other)).sum("j", CENTRED)).includes("relu("));
  assert(!formulaOf(Vi(x).sqDist(Vi(y)).mul(Vj(y)).sum("j", CENTRED)).includes("relu("));
  // points that are no numbers spoil their own pairs alone
  const broken = Float32Array.from(await y.data());
  broken[7] = NaN;
  broken[45] = Infinity;
  const z = tensor(broken, [9, 20]);
  const rows = await Vj(x).sqDist(Vi(z)).sum("j", CENTRED).data();
  assertEquals(
    [...rows].map(Number.isFinite),
    [0, 1, 2, 3, 4, 5, 6, 7, 8].map((k) => k !== 0 && k !== 2),
  );
});

Deno.test("distances: other choices are refused", async () => {
  const x = tensor([[1, 2]]);
  const fold = () => Vi(x).sqDist(Vj(x)).sum("j", { distances: "fast" } as never);
  await assertRejects(async () => void await fold(), PairfoldError, '"direct" or "centred"');
});
