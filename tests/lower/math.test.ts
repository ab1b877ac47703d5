// The expanded math functions against the higher-precision oracle, through the whole pipeline: both
// float types, with and without fused multiply-add, in the row, pair and column sections. Bounds
// are read from the table at the top of src/lower/math/mod.ts, so that table and tests cannot part.
//
// PAIRFOLD_TEST=full draws many times the arguments and prints the largest errors.

import { assert } from "@std/assert";
import { build, constant, index, type Node, variable } from "../../src/formula/mod.ts";
import type { Tensor } from "../../src/tensor/mod.ts";
import { accuracyOf, type Expected } from "../support/accuracy.ts";
import { PI_NUMERATORS, SINE_RANGE } from "../support/arguments.ts";
import { FLOAT32, FLOAT64, type Format } from "../support/floats.ts";
import {
  check,
  foldScalars,
  FORMATS,
  type Path,
  PATHS,
  sectionsOf,
} from "../support/math_folds.ts";
import { exact } from "../support/oracle.ts";
import { full, randomFor } from "../support/random.ts";
import { boundOf, endsOf, type Routine, ROUTINES, statedBound } from "../support/routines.ts";

/** Arguments in slots 0 and 1, by axis; the number 1 of a column in slot 2. */
const row = [variable(0, "i", 1), variable(1, "i", 1)] as const;
const column = [variable(0, "j", 1), variable(1, "j", 1)] as const;
const one = variable(2, "j", 1);

/** Where a function of rows is computed, by how its argument is written; x · 1 is exactly x. */
const SECTIONS = {
  row: row[0],
  pair: build.mul(row[0], one),
} as const;
const SECTION_NAMES = ["row", "pair"] as const;

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

/** The function at all arguments of a sample, by one fold over a single column. */
function evaluate(
  routine: Routine,
  format: Format,
  path: Path,
  section: keyof typeof SECTIONS,
  { x, y }: Pick<Sample, "x" | "y">,
): Tensor {
  const formula = routine.apply(SECTIONS[section], row[1]);
  const { device } = path;
  return foldScalars(formula, [x, y ?? x, [1]], format, [x.length, 1], { device });
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
            const got = await evaluate(routine, format, path, section, sample).data();
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

for (const routine of ROUTINES) {
  Deno.test(`${routine.name}: the row and the pair section are the ones measured`, () => {
    for (const section of SECTION_NAMES) {
      const sample = { x: [1], y: routine.arity === 1 ? null : [1] };
      const sections = sectionsOf(evaluate(routine, FLOAT32, PATHS[1], section, sample).explain());
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
const diagonal = (matrix: Node): Node =>
  build.where(build.eq(index("i"), index("j")), matrix, constant(0));

for (const routine of ROUTINES) {
  for (const format of FORMATS) {
    Deno.test(`${routine.name} in ${format.name}: columns give what rows give`, async () => {
      const { x, y } = sampleOf(routine, format);
      const picked = x.map((_, k) => k).filter((k) => k % Math.ceil(x.length / 250) === 0);
      const size = picked.length;
      const inputs = [x, y ?? x].map((values) => picked.map((k) => values[k]));
      for (const { device, there } of PATHS) {
        if (!there) continue;
        const choices = { device, sumScheme: "direct" } as const;
        const columns = diagonal(routine.apply(...column));
        const got = await foldScalars(columns, inputs, format, [size, size], choices).data();
        const rows = routine.apply(...row);
        const want = await foldScalars(rows, inputs, format, [size, 1], choices).data();
        picked.forEach((k, n) =>
          assert(
            got[n] === want[n] || Number.isNaN(got[n]) && Number.isNaN(want[n]),
            `at ${x[k]}: got ${got[n]} in the column section, ${want[n]} in the row section`,
          )
        );
      }
    });

    if (routine.arity === 2) continue;
    Deno.test(`${routine.name} in ${format.name}: of a row minus a column`, async () => {
      const random = randomFor(`mixed ${routine.name} ${format.name}`);
      const [low, high] = routine.mixed;
      const x = Array.from({ length: 300 }, () => format.round(random.uniform(low, high)));
      const y = Array.from({ length: 300 }, () => format.round(random.uniform(-1, 1)));
      const want = x.map((row, k) => ({ value: routine.exact(format.round(row - y[k]), 0) }));
      const difference = build.sub(row[0], column[1]);
      const pairs = diagonal(routine.apply(difference, difference));
      for (const { name, device, there } of PATHS) {
        if (!there) continue;
        const got = await foldScalars(pairs, [x, y], format, [300, 300], { device }).data();
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
// Beyond the ranges
// ------------------------------------------------------------------------------------------------

for (const format of FORMATS) {
  Deno.test(`sin and cos in ${format.name}: NaN beyond the range, numbers up to it`, async () => {
    const above = format.round(SINE_RANGE * (1 + 2 ** -22));
    const x = [SINE_RANGE, -SINE_RANGE, 1e9, above, -above, 1e20, -1e30, Infinity, -Infinity, NaN];
    for (const { device } of PATHS.filter(({ there }) => there)) {
      for (const values of [build.sin(row[0]), build.cos(row[0])]) {
        const got = await foldScalars(values, [x], format, [x.length, 1], { device }).data();
        assert([...got].every((v, k) => Number.isNaN(v) === k >= 3), `got ${got}`);
      }
    }
  });
}

Deno.test("sin and cos in float64, nearest to multiples of π/2: 2.5 ulp + 2^−77", async () => {
  const { ulps } = statedBound("sin, cos", FLOAT64);
  const random = randomFor("quarters");
  const quarters = Array.from({ length: 2000 }, () => Math.floor(2 ** (20 + 31 * random.next())));
  const x = [...PI_NUMERATORS, ...quarters.map((k) => k * (Math.PI / 2))];
  for (const { device } of PATHS.filter(({ there }) => there)) {
    for (const name of ["sin", "cos"] as const) {
      const got = await foldScalars(build[name](row[0]), [x], FLOAT64, [x.length, 1], { device })
        .data();
      for (const [k, value] of x.entries()) {
        const { hi, lo } = exact[name](value);
        const error = Math.abs(got[k] - hi - lo);
        const allowed = ulps * 2 ** -52 * Math.abs(hi) + 2 ** -77;
        assert(
          error <= allowed,
          `${name} ${value}: got ${got[k]}, expected ${hi}, off by ${error}`,
        );
      }
    }
  }
});

// ------------------------------------------------------------------------------------------------
// Exact results
// ------------------------------------------------------------------------------------------------

const integers = (low: number, high: number): number[] =>
  Array.from({ length: high - low + 1 }, (_, k) => low + k);

/** Arguments whose functions are numbers of the format. */
const EXACT: Readonly<
  Record<"exp2" | "log2" | "log10" | "cbrt", (format: Format) => [x: number, want: number][]>
> = {
  exp2: (format) =>
    integers(format === FLOAT32 ? -125 : -1021, format === FLOAT32 ? 127 : 1023)
      .map((n) => [n, 2 ** n]),
  log2: (format) =>
    integers(format === FLOAT32 ? -149 : -1074, format === FLOAT32 ? 127 : 1023)
      .map((n) => [2 ** n, n]),
  log10: (format) => integers(0, format === FLOAT32 ? 10 : 22).map((n) => [Number(`1e${n}`), n]),
  cbrt: (format) =>
    integers(1, format === FLOAT32 ? 255 : 20000).flatMap((n) =>
      [-30, -1, 0, 1, 13].map((k): [number, number] => [n ** 3 * 8 ** k, n * 2 ** k])
    ).map(([x, want], k) => k % 2 === 0 ? [x, want] : [-x, -want]),
};

for (const [name, pairs] of Object.entries(EXACT)) {
  for (const format of FORMATS) {
    Deno.test(`${name} in ${format.name}: exact where its value is a number`, async () => {
      const list = pairs(format);
      const x = list.map(([argument]) => argument);
      for (const { name: path, device } of PATHS.filter(({ there }) => there)) {
        const formula = build[name as keyof typeof EXACT](row[0]);
        const got = await foldScalars(formula, [x], format, [x.length, 1], { device }).data();
        list.forEach(([argument, want], k) =>
          assert(got[k] === want, `${path}: ${name} ${argument} = ${got[k]}, expected ${want}`)
        );
      }
    });
  }
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
    const got = await evaluate(routine, format, PATHS[1], "row", moved).data();
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
      const { ulps } = accuracyOf([got], [value(want)], format, endsOf({ ends: "exp" }, format));
      assert(ulps > 100, `${got} passed for ${want}`);
    }
  });
}
