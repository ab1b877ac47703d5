// What a small reduction costs beside its arithmetic, and what a new formula costs.
//
//     deno bench bench/overhead.bench.ts
//
// PERFORMANCE.md's targets: a small reduction, or step, ≤ 30 µs on the main thread and ≤ 150 µs on
// workers; a new formula ≤ 5 ms, from the formula to the numbers.

import { type LazyTensor, type Tensor, tensor, Vi, Vj, wasm } from "pairfold";

/** Points (size, 3), drawn anew. */
function pointsOf(size: number): Tensor {
  return tensor(Float32Array.from({ length: 3 * size }, () => Math.random()), [size, 3]);
}

// ---- a reduction of 100 × 100 points ------------------------------------------------------------

const hundred = { x: Vi(pointsOf(100)), y: Vj(pointsOf(100)) };
const onMain = wasm({ threads: 1 });
const onWorkers = wasm({ threads: 2, threadedPairs: 0 });

for (const [name, device] of Object.entries({ "main thread": onMain, "two workers": onWorkers })) {
  Deno.bench({
    name: `100×100, ${name}`,
    group: "small reduction: from building to data()",
    fn: async () => {
      await hundred.x.sqDist(hundred.y).mul(-0.5).exp().sum("j", { device }).data();
    },
  });
}
Deno.bench({
  name: "the same reduction, built and not read",
  group: "small reduction: from building to data()",
  fn: () => {
    hundred.x.sqDist(hundred.y).mul(-0.5).exp().sum("j", { device: onMain });
  },
});

// ---- a small step -------------------------------------------------------------------------------

const four = { x: Vi(pointsOf(4)), y: Vj(pointsOf(4)), a: pointsOf(100), b: pointsOf(100) };
Deno.bench({
  name: "a fold of 4×4 points with a new parameter, from building to data()",
  group: "small step",
  fn: async () => {
    await four.x.sqDist(four.y).mul(-Math.random()).exp().sum("j", { device: onMain }).data();
  },
});
Deno.bench({
  name: "three elementwise ops on [100, 3], from building to data()",
  group: "small step",
  fn: async () => {
    await four.a.sub(four.b.mul(0.9).add(four.a)).data();
  },
});

// ---- ten thousand small batches -----------------------------------------------------------------

const batches = { x: Vi(pointsOf(320_000).reshape(10_000, 32, 3)), y: Vj(pointsOf(32)) };
Deno.bench({
  name: "dense() of 10,000 × 32 × 32",
  group: "batches",
  fn: async () => void await batches.x.sqDist(batches.y).dense({ device: onMain }).data(),
});

// ---- a new formula ------------------------------------------------------------------------------

/** Links of a chain, chosen by the digits of a number: another number, another structure. */
const LINKS: readonly ((k: LazyTensor) => LazyTensor)[] = [
  (k) => k.add(1).sqrt(),
  (k) => k.neg().exp(),
  (k) => k.square().add(1).inv(),
  (k) => k.add(1).log(),
];
const CHAIN = 6;

/** More structures (4096) than the engine keeps programs (256), so that none is met again. */
function newFormula(x: LazyTensor, y: LazyTensor, n: number): LazyTensor {
  let k = x.sqDist(y);
  for (let link = 0, rest = n; link < CHAIN; link++) {
    k = LINKS[rest % LINKS.length](k);
    rest = Math.floor(rest / LINKS.length);
  }
  return k;
}

const few = { x: Vi(pointsOf(16)), y: Vj(pointsOf(16)) };
const compiler = wasm({ threads: 1 });
let formulas = 0;

Deno.bench({
  name: "compile, instantiate and run a new formula",
  group: "new formula",
  fn: async () => {
    const formula = newFormula(few.x, few.y, formulas++ % LINKS.length ** CHAIN);
    await formula.sum("j", { device: compiler }).data();
  },
});

// ---- a thousand values of a parameter -----------------------------------------------------------

const sweeper = wasm({ threads: 1 });
async function sweep(): Promise<void> {
  for (let k = 1; k <= 1000; k++) {
    const sigma = k / 1000;
    const kernel = few.x.sqDist(few.y).mul(-1 / (2 * sigma * sigma)).exp();
    await kernel.sum("j", { device: sweeper }).data();
  }
}
await sweep();
Deno.bench({
  name: `1,000 sigmas on 16×16 points (compiled programs: ${sweeper.compiledPrograms})`,
  group: "a thousand values of a parameter",
  fn: sweep,
});

// ---- small sizes against a plain loop -----------------------------------------------------------

/** The reduction as a program without a library would have it. */
function plainLoop(x: Float32Array, y: Float32Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let j = 0; j < y.length; j += 3) {
      const [a, b, c] = [x[3 * i] - y[j], x[3 * i + 1] - y[j + 1], x[3 * i + 2] - y[j + 2]];
      sum += Math.exp(-0.5 * (a * a + b * b + c * c));
    }
    out[i] = sum;
  }
}

for (const size of [30, 100, 300]) {
  const [x, y] = [0, 1].map(() => Float32Array.from({ length: 3 * size }, () => Math.random()));
  const [vi, vj] = [Vi(tensor(x, [size, 3])), Vj(tensor(y, [size, 3]))];
  const out = new Float32Array(size);
  Deno.bench({
    name: `N=${size}, Pairfold`,
    group: `N=${size}`,
    fn: async () => {
      await vi.sqDist(vj).mul(-0.5).exp().sum("j", { device: onMain }).data();
    },
  });
  Deno.bench({
    name: `N=${size}, plain loop`,
    group: `N=${size}`,
    baseline: true,
    fn: () => plainLoop(x, y, out),
  });
}
