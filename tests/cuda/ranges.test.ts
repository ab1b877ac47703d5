// Block ranges on a card, real or emulated: the pairs that meet, in waves and pieces of any size, in
// launches that come again, with derivatives.

import { assert, assertEquals } from "@std/assert";
import { BlockRanges, type Tensor, tensor, Vi, Vj } from "../../mod.ts";
import { build, index, variable } from "../../src/formula/mod.ts";
import { REDUCTIONS } from "../../src/reduction/mod.ts";
import { checkFold, fitting, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { full, type Random, randomFor } from "../support/random.ts";
import { randomRanges } from "../support/ranges.ts";
import { card, testOnCard } from "./support/card.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const gaussian = build.mul(build.exp(build.neg(build.sqDist(x, y))), b);
const vector = build.mul(build.sub(x, y), gaussian);
/** The card's exponential errs by 2 ulp. */
const tolerance = 8e-6;

function caseOf(random: Random, reduction: typeof REDUCTIONS[number], M: number, N: number) {
  const { ranges } = randomRanges(random, M, N);
  const formulas = fitting(reduction, vector, gaussian, vector);
  return { ...formulas, reduction, M, N, k: 3, ranges, tolerance };
}

for (const reduction of REDUCTIONS) {
  testOnCard(`ranges on a card, ${reduction}: the pairs that meet`, async () => {
    const random = randomFor(`card ranges ${reduction}`);
    for (const [n, [M, N]] of [[3, 517], [517, 131], [131, 517]].entries()) {
      const c = caseOf(random, reduction, M, N);
      const [axis, dtype] = n % 2 === 0 ? ["j", "float32"] as const : ["i", "float64"] as const;
      await checkFold({ ...c, axis, dtype, device: card() }, random);
    }
  });
}

testOnCard("ranges on a card: indices in formulas are those of the whole matrix", async () => {
  const random = randomFor("card range indices");
  const formula = build.mul(build.abs(build.sub(index("i"), index("j"))), b);
  for (const reduction of ["sum", "argMin"] as const) {
    const { ranges } = randomRanges(random, 131, 257);
    const c = { formula, reduction, M: 131, N: 257, dtype: "float64", ranges } as const;
    for (const axis of ["i", "j"] as const) await checkFold({ ...c, axis, device: card() }, random);
  }
});

testOnCard(
  "ranges on a card: pieces of any size, arrays on the host too, have the same bits",
  async () => {
    const random = randomFor("card range pieces");
    for (const reduction of full ? REDUCTIONS : ["sum", "kMinArgKMin"] as const) {
      const c: FoldCase = { ...caseOf(random, reduction, 517, 1031), axis: "j", dtype: "float32" };
      const inputs = inputsOf(c, random);
      const whole = await runFold({ ...c, device: card() }, inputs);
      for (const options of [{ memoryLimit: 60_000 }, { arrayLimit: 0, memoryLimit: 60_000 }]) {
        const got = await runFold({ ...c, device: card(options) }, inputs);
        assertEquals(got, whole, `${reduction}, ${JSON.stringify(options)}`);
      }
    }
  },
);

testOnCard("ranges on a card: a launch that comes again, and others of the same size", async () => {
  const random = randomFor("card range plans");
  const device = card();
  const one = caseOf(random, "sum", 131, 257);
  const c: FoldCase = { ...one, axis: "j", dtype: "float32", device };
  const inputs = inputsOf(c, random);
  const first = await runFold(c, inputs);
  assertEquals(await runFold(c, inputs), first);
  // the same rows, as many columns, others of them
  const rows = [[0, 131]];
  const [left, right] = [[[0, 50], [100, 107]], [[0, 50], [101, 108]]].map((columns) =>
    BlockRanges.fromMatrix(rows, columns, [[1, 1]])
  );
  for (const ranges of [left, right, left]) {
    const got = await runFold({ ...c, ranges }, inputs);
    assertEquals(got, await runFold({ ...c, ranges, device: card() }, inputs));
    await checkFold({ ...c, ranges }, random);
  }
});

testOnCard("ranges on a card: small blocks of rows keep their threads busy", () => {
  const K = Vi(new Float32Array(600_000), 1).sqDist(Vj(new Float32Array(1000), 1));
  const rowsOf = (size: number): number => {
    const rows = Array.from({ length: 600_000 / size }, (_, k) => [k * size, (k + 1) * size]);
    const columns = [[0, 400], [500, 900], [900, 1000]];
    const ranges = BlockRanges.fromMatrix(rows, columns, (k, l) => l === k % 2 || l === 2);
    const text = K.neg().exp().sum("j", { ranges, device: card() }).explain();
    return Number(/schedule +(\d+) rows per thread/.exec(text)?.[1]);
  };
  assertEquals([rowsOf(100), rowsOf(1000)], [1, 4]);
});

testOnCard("ranges on a card: gradients by rows and by columns", async () => {
  const random = randomFor("card range gradients");
  const { ranges } = randomRanges(random, 131, 257);
  const [p, q] = [131, 257].map((n) => tensor(random.float64(3 * n), [n, 3]));
  for (const reduction of ["sum", "logSumExp", "max", "kMin"] as const) {
    const gradients = (device: ReturnType<typeof card> | "wasm"): Tensor[] => {
      const K = Vi(p).sqDist(Vj(q)).neg();
      const options = { ranges, device, k: 2 };
      return [Vi(p), Vj(q)].map((v) => K.vjp(reduction, "j", v, undefined, options));
    };
    const [got, want] = [gradients(card()), gradients("wasm")];
    for (const [k, t] of want.entries()) {
      const [mine, theirs] = [await got[k].data(), await t.data()];
      theirs.forEach((value, at) => {
        const error = Math.abs(mine[at] - value);
        assert(error < 1e-12, `${reduction}, gradient ${k}, number ${at}: off by ${error}`);
      });
    }
  }
});
