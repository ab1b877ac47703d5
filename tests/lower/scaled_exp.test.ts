// exp(c · q) for a parameter c, whose scale becomes the exponential's own coefficient: against the
// oracle, with bounds from the table at the top of src/lower/math/mod.ts.

import { assert } from "@std/assert";
import { type LazyTensor, Pm, Vi, Vj } from "../../mod.ts";
import {
  type Accuracy,
  accuracyOf,
  exactExpOfProduct,
  type Expected,
} from "../support/accuracy.ts";
import { scaledArguments, scalesOf } from "../support/arguments.ts";
import { FLOAT32, type Format } from "../support/floats.ts";
import { check, FORMATS, PATHS, sectionsOf } from "../support/math_folds.ts";
import { full, randomFor } from "../support/random.ts";
import { endsOf, statedBound } from "../support/routines.ts";

/** Arguments and what the exponential is there. */
interface Sample {
  readonly x: readonly number[];
  readonly want: readonly Expected[];
}

const one = (format: Format): LazyTensor => Vj(format.array([1]), 1);

/** Ways to a scaled exponential: the pair's q as a formula of x, and what it computes. */
const SCALED = {
  "any sign, row": {
    section: "row",
    formula: (x: LazyTensor) => x,
    q: (_format: Format, x: number) => x,
  },
  "any sign, pair": {
    section: "pair",
    formula: (x: LazyTensor, format: Format) => x.mul(one(format)),
    q: (_format: Format, x: number) => x,
  },
  "absolute value, row": {
    section: "row",
    formula: (x: LazyTensor) => x.abs(),
    q: (_format: Format, x: number) => Math.abs(x),
  },
  "squared distance, pair": {
    section: "pair",
    formula: (x: LazyTensor, format: Format) => x.sqDist(Vj(format.array([0]), 1)),
    q: (format: Format, x: number) => format.round(x * x),
  },
} as const;

for (const [kind, { formula, q }] of Object.entries(SCALED)) {
  for (const format of FORMATS) {
    const isSquared = kind.startsWith("squared");
    const draws = new Map<number, Sample>();
    const sampleFor = (scale: number): Sample => {
      let sample = draws.get(scale);
      if (sample === undefined) {
        const random = randomFor(`scaled ${kind} ${format.name} ${scale}`);
        const drawn = scaledArguments(format, random, scale, full ? 20 : 1);
        const x = isSquared ? drawn.map((v) => format.round(Math.sqrt(Math.abs(v)))) : drawn;
        const { relative } = statedBound("expScaled", format);
        const want = x.map((v): Expected => {
          const product = scale * q(format, v);
          const value = exactExpOfProduct(scale, q(format, v));
          return { value, relative: relative * Math.abs(product) };
        });
        draws.set(scale, sample = { x, want });
      }
      return sample;
    };
    for (const path of PATHS) {
      Deno.test({
        name: `scaled exp in ${format.name}, ${kind}, ${path.name}: within the stated error`,
        ignore: !path.there,
        fn: async () => {
          const bound = statedBound("expScaled", format);
          let worst: Accuracy = { ulps: 0, at: 0, got: 0, want: 0 };
          let argument = "";
          for (const scale of scalesOf(format, randomFor(`scales ${format.name}`))) {
            const { x, want } = sampleFor(scale);
            const rows = formula(Vi(format.array(x), 1), format);
            const got = await rows.mul(scale).exp().sum("j", { device: path.device }).data();
            const accuracy = accuracyOf(got, want, format, endsOf({ ends: "exp" }, format));
            if (accuracy.ulps <= worst.ulps) continue;
            worst = accuracy;
            argument = `scale ${scale}, x ${x[accuracy.at]}`;
          }
          check(`scaled exp ${format.name}, ${kind}, ${path.name}`, bound, worst, argument);
        },
      });
    }
  }
}

Deno.test("scaled exp: the scale is the exponential's coefficient, in the section measured", () => {
  for (const [kind, { section, formula }] of Object.entries(SCALED)) {
    const fold = formula(Vi([[1]]), FLOAT32).mul(-0.5).exp().sum("j", { device: PATHS[1].device });
    const sections = sectionsOf(fold.explain());
    const clamps = (name: string): number => sections.get(name)?.match(/pm(in|ax)\(/g)?.length ?? 0;
    assert(sections.get("uniform")?.includes("* 1.4426950408889634"), kind);
    // both clamps where q may have any sign, one where it may not
    assert(
      clamps(section) === (kind.startsWith("any") ? 2 : 1),
      `${kind}: ${clamps(section)} clamps`,
    );
  }
});

Deno.test("scaled exp: kernels that differ in the uniform section alone stay apart", async () => {
  const c = Pm(2);
  const scales: readonly (readonly [scale: LazyTensor, value: number])[] = [
    [c, 2],
    [c.neg(), -2],
    [c.inv(), 0.5],
    [c.square(), 4],
    [c.sqrt(), Math.SQRT2],
  ];
  for (const { device } of PATHS.filter(({ there }) => there)) {
    for (const [scale, value] of scales) {
      const got = await Vi([[1.25]]).mul(scale).exp().sum("j", { device }).item();
      const want = Math.exp(value * 1.25);
      assert(Math.abs(got / want - 1) < 1e-5, `exp(${value} · 1.25): got ${got}, expected ${want}`);
    }
  }
});

for (const format of FORMATS) {
  Deno.test(`scaled exp in ${format.name}: scale 0 of both signs gives 1`, async () => {
    const q = [0, -0, 1, -1, 1e30, -1e30, format.largest, -format.largest];
    for (const { device } of PATHS.filter(({ there }) => there)) {
      const x = Vi(format.array(q), 1);
      const folds = [x.mul(0), x.mul(0).neg(), x.mul(-0), x.abs().mul(0).neg(), x.square().mul(0)];
      for (const [n, scaled] of folds.entries()) {
        const got = await scaled.exp().sum("j", { device }).data();
        // the last squares to infinity at the ends: 0 · ∞ is NaN
        const wrong = q.findIndex((v, k) => (n < 4 || Math.abs(v) <= 1) && got[k] !== 1);
        assert(wrong < 0, `fold ${n}: got ${got[wrong]} at ${q[wrong]}, expected 1`);
      }
    }
  });

  Deno.test(`scaled exp in ${format.name}: infinite q under small and large scales`, async () => {
    const { smallestNormal, largest } = format;
    const reach = 2 ** (format === FLOAT32 ? -120 : -1013);
    const scales = [smallestNormal, reach / 2, reach, 1e-3, 1, 1e3, largest];
    for (const { device } of PATHS.filter(({ there }) => there)) {
      for (const scale of [...scales, ...scales.map((c) => -c)]) {
        const q = [Infinity, -Infinity, 0, -0, NaN];
        const got = await Vi(format.array(q), 1).mul(scale).exp().sum("j", { device }).data();
        q.forEach((v, k) => {
          const want = Math.exp(scale * v);
          // with tiny scales no finite q leads to an end: infinity may count as the largest q there
          const isRight = Math.abs(scale) < reach ? !Number.isNaN(got[k]) : Object.is(got[k], want);
          assert(
            isRight || Object.is(got[k], want),
            `exp(${scale} · ${v}): got ${got[k]}, expected ${want}`,
          );
        });
      }
    }
  });
}
