// The expanded math functions against the higher-precision oracle, through the whole pipeline: both
// float types, with and without fused multiply-add, in the row, pair and column sections. Bounds
// are read from the table at the top of src/lower/math/mod.ts, so that table and tests cannot part.
//
// PAIRFOLD_TEST=full draws many times the arguments and prints the largest errors.

import { assert } from "@std/assert";
import { indexOf, type LazyTensor, Pm, Vi, Vj, wasm } from "../../mod.ts";
import { detectFeatures } from "../../src/engine/wasm/features.ts";
import {
  type Accuracy,
  accuracyOf,
  exactExpOfProduct,
  type Expected,
} from "../support/accuracy.ts";
import { FLOAT32, FLOAT64, type Format } from "../support/floats.ts";
import { full, randomFor } from "../support/random.ts";
import {
  type Bound,
  boundOf,
  endsOf,
  type Routine,
  ROUTINES,
  scaledArguments,
  scalesOf,
  SINE_RANGE,
  statedBound,
} from "../support/routines.ts";

const FORMATS = [FLOAT32, FLOAT64] as const;

/** How multiply-adds are spelled; engines of one thread, so that nothing outlives a test. */
const PATHS = [
  { name: "fused multiply-add", relaxedSimd: true, there: detectFeatures().relaxed },
  { name: "plain SIMD", relaxedSimd: false, there: true },
].map((path) => ({ ...path, device: wasm({ threads: 1, relaxedSimd: path.relaxedSimd }) }));
type Path = typeof PATHS[number];

const one = (format: Format): LazyTensor => Vj(format.array([1]), 1);

/** Where a function of rows is computed, by how its argument is written; x · 1 is exactly x. */
const SECTIONS = {
  row: (x: LazyTensor) => x,
  pair: (x: LazyTensor, format: Format) => x.mul(one(format)),
} as const;
const SECTION_NAMES = ["row", "pair"] as const;

/** Fails unless the largest error is within the bound. */
function check(what: string, bound: Bound, { ulps, got, want }: Accuracy, argument: string): void {
  if (full) console.log(`${what}: ${ulps.toFixed(4)} ulp at ${argument}`);
  assert(
    ulps <= bound.ulps,
    `${what}: ${ulps} ulp at ${argument}: got ${got}, expected ${want}; the bound is ` +
      `${bound.ulps} ulp` + (bound.relative === 0 ? "" : ` beyond ${bound.relative} relative`),
  );
}

// ------------------------------------------------------------------------------------------------
// Functions of rows
// ------------------------------------------------------------------------------------------------

/** Arguments of a function and what it is there, drawn once per format. */
interface Sample {
  readonly x: readonly number[];
  readonly y: readonly number[] | null;
  readonly want: readonly Expected[];
}

const samples = new Map<string, Sample>();

function sampleOf(routine: Routine, format: Format): Sample {
  const key = `${routine.name} ${format.name}`;
  let sample = samples.get(key);
  if (sample === undefined) {
    const { x, y = null } = routine.draw(format, randomFor(key), full ? 20 : 1);
    const { relative } = boundOf(routine, format);
    const want = x.map((argument, k): Expected => {
      const second = y?.[k] ?? 0;
      const value = routine.exact(argument, second);
      if (routine.magnitude === undefined) return { value };
      return { value, relative: relative * routine.magnitude(argument, second) };
    });
    samples.set(key, sample = { x, y, want });
  }
  return sample;
}

/** The function at all arguments of a sample, by one fold without columns. */
function fold(
  routine: Routine,
  format: Format,
  path: Path,
  section: keyof typeof SECTIONS,
  { x, y }: Pick<Sample, "x" | "y">,
) {
  const rows = SECTIONS[section](Vi(format.array(x), 1), format);
  const second = y === null ? rows : Vi(format.array(y), 1);
  return routine.apply(rows, second).sum("j", { device: path.device });
}

for (const routine of ROUTINES) {
  for (const format of FORMATS) {
    for (const path of PATHS) {
      Deno.test({
        name: `${routine.name} in ${format.name}, ${path.name}: within the stated error`,
        ignore: !path.there,
        fn: async () => {
          const sample = sampleOf(routine, format);
          const bound = boundOf(routine, format);
          for (const section of SECTION_NAMES) {
            const got = await fold(routine, format, path, section, sample).data();
            const accuracy = accuracyOf(got, sample.want, format, endsOf(routine, format));
            const { at } = accuracy;
            const argument = sample.y === null
              ? `${sample.x[at]}`
              : `${sample.x[at]}, ${sample.y[at]}`;
            check(
              `${routine.name} ${format.name}, ${path.name}, ${section}`,
              bound,
              accuracy,
              argument,
            );
          }
        },
      });
    }
  }
}

/** The sections of a fold's loop IR by name, without the generated source. */
function sectionsOf(explanation: string): Map<string, string> {
  const sections = new Map<string, string>();
  let name = "";
  for (const line of explanation.split("generated source")[0].split("\n")) {
    if (!line.startsWith(" ")) name = line.replace(/( \(.*\))?:$/, "");
    else sections.set(name, `${sections.get(name) ?? ""}${line}\n`);
  }
  return sections;
}

for (const routine of ROUTINES) {
  Deno.test(`${routine.name}: the row and the pair section are the ones measured`, () => {
    for (const section of SECTION_NAMES) {
      const sample = { x: [1], y: routine.magnitude === undefined ? null : [1] };
      const sections = sectionsOf(fold(routine, FLOAT32, PATHS[1], section, sample).explain());
      for (const [name, text] of sections) {
        const computesHere = text.includes(routine.mark);
        assert(computesHere === (name === section), `${section} wanted, ${name}:\n${text}`);
      }
      assert(sections.has(section), `no section ${section} among ${[...sections.keys()]}`);
    }
  });
}

// ------------------------------------------------------------------------------------------------
// Functions of columns and of both
// ------------------------------------------------------------------------------------------------

/** The diagonal of a square matrix, by a fold over all of it. */
function diagonal(matrix: LazyTensor, rows: number): LazyTensor {
  const row = Vi(Int32Array.from({ length: rows }, (_, i) => i), 1);
  return row.eq(indexOf("j")).where(matrix, 0);
}

for (const routine of ROUTINES) {
  for (const format of FORMATS) {
    Deno.test(`${routine.name} in ${format.name}: columns give what rows give`, async () => {
      const { x, y } = sampleOf(routine, format);
      const picked = x.map((_, k) => k).filter((k) => k % Math.ceil(x.length / 250) === 0);
      const array = (values: readonly number[]) => format.array(picked.map((k) => values[k]));
      for (const { device, there } of PATHS) {
        if (!there) continue;
        const columns = Vj(array(x), 1);
        const second = y === null ? columns : Vj(array(y), 1);
        const choices = { device, sumScheme: "direct" } as const;
        const got = await diagonal(routine.apply(columns, second), picked.length).sum("j", choices)
          .data();
        const rows = Vi(array(x), 1);
        const want = await routine.apply(rows, y === null ? rows : Vi(array(y), 1))
          .sum("j", choices).data();
        picked.forEach((k, n) =>
          assert(
            got[n] === want[n] || Number.isNaN(got[n]) && Number.isNaN(want[n]),
            `at ${x[k]}: got ${got[n]} in the column section, ${want[n]} in the row section`,
          )
        );
      }
    });

    if (routine.magnitude !== undefined) continue; // of one argument only
    Deno.test(`${routine.name} in ${format.name}: of a row minus a column`, async () => {
      const random = randomFor(`mixed ${routine.name} ${format.name}`);
      const [low, high] = routine.mixed;
      const x = Array.from({ length: 300 }, () => format.round(random.uniform(low, high)));
      const y = Array.from({ length: 300 }, () => format.round(random.uniform(-1, 1)));
      const want = x.map((row, k) => ({ value: routine.exact(format.round(row - y[k]), 0) }));
      for (const { name, device, there } of PATHS) {
        if (!there) continue;
        const difference = Vi(format.array(x), 1).sub(Vj(format.array(y), 1));
        const pairs = routine.apply(difference, difference);
        const got = await diagonal(pairs, x.length).sum("j", { device }).data();
        const accuracy = accuracyOf(got, want, format, endsOf(routine, format));
        const argument = `${x[accuracy.at]} - ${y[accuracy.at]}`;
        check(
          `${routine.name} of a difference ${format.name}, ${name}`,
          boundOf(routine, format),
          accuracy,
          argument,
        );
      }
    });
  }
}

// ------------------------------------------------------------------------------------------------
// exp with a uniform scale
// ------------------------------------------------------------------------------------------------

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
        draws.set(scale, sample = { x, y: null, want });
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
            const accuracy = accuracyOf(got, want, format, endsOf("exp", format));
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

// ------------------------------------------------------------------------------------------------
// Beyond the ranges
// ------------------------------------------------------------------------------------------------

for (const format of FORMATS) {
  Deno.test(`sin and cos in ${format.name}: NaN beyond the range, numbers up to it`, async () => {
    const x = [SINE_RANGE, -SINE_RANGE, SINE_RANGE + 1, -SINE_RANGE - 1, 1e9, -1e30, Infinity, NaN];
    for (const { device } of PATHS.filter(({ there }) => there)) {
      const rows = Vi(format.array(x), 1);
      for (const values of [rows.sin(), rows.cos()]) {
        const got = await values.sum("j", { device }).data();
        assert([...got].every((v, k) => Number.isNaN(v) === k >= 2), `got ${got}`);
      }
    }
  });
}

// ------------------------------------------------------------------------------------------------
// The checker
// ------------------------------------------------------------------------------------------------

for (const format of FORMATS) {
  Deno.test(`the checker refuses exp of a moved argument in ${format.name}`, async () => {
    const [routine] = ROUTINES;
    const { x, want } = sampleOf(routine, format);
    const bound = boundOf(routine, format);
    const moved = { x: x.map((v) => v * (1 + 1e-6)), y: null };
    const got = await fold(routine, format, PATHS[1], "row", moved).data();
    const { ulps } = accuracyOf(got, want, format, endsOf(routine, format));
    assert(ulps > bound.ulps, `${ulps} ulp`);
  });

  Deno.test(`the checker refuses wrong ends in ${format.name}`, () => {
    const value = (x: number): Expected => ({ value: { hi: x, lo: 0 } });
    const { smallestNormal, largest } = format;
    const wrong: readonly (readonly [got: number, want: number])[] = [
      [smallestNormal, smallestNormal / 4],
      [0, smallestNormal * 2],
      [largest / 2, Infinity],
      [Infinity, largest / 2],
      [NaN, 1],
      [1, NaN],
      [Infinity, -Infinity],
    ];
    for (const [got, want] of wrong) {
      const { ulps } = accuracyOf([got], [value(want)], format, endsOf("exp", format));
      assert(ulps > 100, `${got} passed for ${want}`);
    }
  });
}
