// Folds whose kernels work in patches, on the emulated card, against float64: prints one line of
// JSON per case, the largest error of all its sizes. The emulator's check mode, which the
// environment chooses, ends the process with a race or a read beyond an array. Argument: a piece of
// source that is left out of every kernel, for tests that want to see that.

import { build, type Node, variable } from "../../../src/formula/mod.ts";
import { Shim } from "../../../src/engine/cuda/shim.ts";
import { fold, type FoldChoices } from "../../../src/program/mod.ts";
import type { ReductionName } from "../../../src/reduction/mod.ts";
import { type FoldCase, inputsOf, referenceRows, sampleRows } from "../../support/folds.ts";
import { randomFor } from "../../support/random.ts";
import { card } from "./card.ts";

type Products = NonNullable<FoldChoices["products"]>;

/** What one case came to. */
export interface PatchedFold {
  readonly name: string;
  readonly products: Products;
  /** Whether `explain()` says so, at every size. */
  readonly isPatched: boolean;
  /** The largest difference to float64, relative to what rounding of products can cost. */
  readonly error: number;
}

const [x, y] = [(dim: number) => variable(0, "i", dim), (dim: number) => variable(1, "j", dim)];
const [b, g] = [variable(2, "j", 1), variable(3, "i", 1)];

/** |x − y|² / dim, through centred products where the choices say so. */
const distance = (dim: number): Node =>
  build.mul(build.constant(1 / dim), build.sqDist(x(dim), y(dim)));
const gaussian = (dim: number): Node => build.exp(build.neg(distance(dim)));

interface PatchCase {
  readonly name: string;
  readonly formula: Node;
  readonly reduction: ReductionName;
  readonly sizes: readonly (readonly [M: number, N: number])[];
  readonly axis?: "i" | "j";
  readonly products: readonly Products[];
}

const CASES: readonly PatchCase[] = [
  {
    name: "sum, D=64",
    formula: build.mul(gaussian(64), b),
    reduction: "sum",
    sizes: [[1, 1], [3, 517], [517, 3], [131, 1031], [1031, 65]],
    products: ["float32", "tf32x3", "tf32"],
  },
  {
    name: "sum over i, D=33: the gradient by weights",
    formula: build.mul(gaussian(33), g),
    reduction: "sum",
    sizes: [[517, 3], [131, 77]],
    axis: "i",
    products: ["float32"],
  },
  {
    name: "logSumExp, D=300",
    formula: build.neg(distance(300)),
    reduction: "logSumExp",
    sizes: [[3, 517], [65, 131]],
    products: ["tf32x3"],
  },
  {
    name: "minArgMin, D=50",
    formula: distance(50),
    reduction: "minArgMin",
    sizes: [[1, 3], [131, 517]],
    products: ["tf32"],
  },
  {
    name: "kMinArgKMin, D=37",
    formula: distance(37),
    reduction: "kMinArgKMin",
    sizes: [[3, 1], [65, 131]],
    products: ["float32"],
  },
  {
    name: "max of a dot product, D=100",
    formula: build.mul(build.constant(1 / 100), build.dot(x(100), y(100))),
    reduction: "max",
    sizes: [[517, 3], [3, 517]],
    products: ["tf32"],
  },
];

/** The largest error of one size: of values alone, for near ones may change places. */
async function errorOf(
  { name, formula, reduction, axis = "j" }: PatchCase,
  products: Products,
  M: number,
  N: number,
): Promise<Pick<PatchedFold, "isPatched" | "error">> {
  const random = randomFor(`patched ${name} ${M} ${N}`);
  const k = reduction === "kMinArgKMin" ? 3 : 1;
  const c = { formula, reduction, axis, M, N, k, dtype: "float32" } satisfies FoldCase;
  const inputs = inputsOf(c, random);
  const choices: FoldChoices = { device: card(), distances: "centred", products };
  const [values] = fold({ ...c, inputs, choices });
  const isPatched = values.explain().includes("patches of 8 × 8 pairs");
  const got = await values.data();
  const rows = sampleRows(random, axis === "j" ? M : N, 40);
  const [want] = await referenceRows(c, inputs, rows);
  const [scale] = reduction === "sum"
    ? await referenceRows({ ...c, formula: build.abs(formula) }, inputs, rows)
    : [null];
  let error = 0;
  for (const [r, row] of rows.entries()) {
    for (let s = 0; s < k; s++) {
      const [have, wanted] = [got[row * k + s], want[r * k + s]];
      if (!Number.isFinite(wanted) && have === wanted) continue; // fewer than k
      // points are about 1 in size, and so are their distances' errors
      error = Math.max(error, Math.abs(have - wanted) / (scale?.[r] ?? 1));
      if (Number.isNaN(have)) error = Infinity;
    }
  }
  return { isPatched, error };
}

if (import.meta.main) {
  const [left = null] = Deno.args;
  if (left !== null) {
    const compile = Shim.prototype.compile;
    Shim.prototype.compile = function (device, source, ...rest) {
      return compile.call(this, device, source.replaceAll(left, ""), ...rest);
    };
  }
  for (const c of left === null ? CASES : CASES.slice(0, 1)) {
    for (const products of left === null ? c.products : [c.products[0]]) {
      let [isPatched, error] = [true, 0];
      for (const [M, N] of c.sizes) {
        const one = await errorOf(c, products, M, N);
        isPatched &&= one.isPatched;
        error = Math.max(error, one.error);
      }
      console.log(JSON.stringify({ name: c.name, products, isPatched, error } as PatchedFold));
    }
  }
}
