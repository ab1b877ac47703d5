// The math functions under test: how they are written, what they are exactly, where to look, and
// what error src/lower/math/mod.ts states for them.

import { assert } from "@std/assert";
import { build, constant, type Node } from "../../src/formula/mod.ts";
import { type Ends, NO_ENDS } from "./accuracy.ts";
import {
  type Arguments,
  expArguments,
  logArguments,
  pairArguments,
  pointedArguments,
  powArguments,
  rootArguments,
  SINE_RANGE,
  sineArguments,
  worstArguments,
} from "./arguments.ts";
import { FLOAT32, type Format, logUniform } from "./floats.ts";
import { type DoubleDouble, exact } from "./oracle.ts";
import type { Random } from "./random.ts";

const NOT_A_NUMBER: DoubleDouble = { hi: NaN, lo: 0 };

/** A function under test. */
export interface Routine {
  readonly name: string;
  /** The row of the header's table that states its error, or the error in ulps. */
  readonly bound: string | number;
  readonly apply: (x: Node, y: Node) => Node;
  readonly exact: (x: number, y: number) => DoubleDouble;
  readonly arity: 1 | 2;
  /** What the stated relative error is multiplied by. */
  readonly magnitude?: (x: number, y: number) => number;
  /** Where small values are 0 and large ones infinite. */
  readonly ends: "none" | "exp" | "exp2" | "erfc";
  /** What stands in the loop IR where it is computed and nowhere else. */
  readonly mark: string;
  /** Range of a row from which a column in [-1, 1] may be subtracted. */
  readonly mixed: readonly [low: number, high: number];
  /** Arguments, several thousand; `scale` times as many of the random ones. */
  readonly draw: (format: Format, random: Random, scale: number) => Arguments;
}

/** Where a function ends: exp where its result or e^(−x²) is too small, at a power of two. */
export function endsOf({ ends }: Pick<Routine, "ends">, format: Format): Ends {
  if (ends === "none") return NO_ENDS;
  const least = format === FLOAT32 ? -125.5 : -1021.5;
  // 2^least itself is 0, as is what rounds to its exponent
  if (ends === "exp2") return { zeroBelow: 2 ** least * (1 + 2 ** -40), slack: 2 ** -45 };
  const zeroBelow = ends === "exp" ? 2 ** least : exact.erfc(Math.sqrt(-least * Math.LN2)).hi;
  // x · log₂e is rounded before it is compared with the threshold
  return { zeroBelow, slack: format === FLOAT32 ? 2 ** -16 : 2 ** -42 };
}

/** ±½, ±1½, … ±5½ times a number: where k of x = k · number + g turns over. */
const halves = (unit: number): number[] => [0.5, 1.5, 2.5, 5.5].map((n) => n * unit);

const powersOfTwo = (format: Format): number[] =>
  [-8, -2, 1, 5, format.fractionBits, format.fractionBits + 1].map((n) => 2 ** n);

/** The binary exponent at which a format overflows. */
const maxExponent = (format: Format): number => format === FLOAT32 ? 128 : 1024;

/** Where e^x or half of it overflows. */
const exponentEnds = (format: Format): number[] =>
  [-0.5, 0, 0.4, 0.5, 1, 1.4, 1.5, 2].map((n) => (maxExponent(format) + n) * Math.LN2);

function hyperbolicArguments(
  format: Format,
  random: Random,
  scale: number,
  worst: string,
): Arguments {
  const end = (maxExponent(format) + 1) * Math.LN2;
  const points = [...halves(Math.LN2), ...exponentEnds(format)];
  return pointedArguments(format, random, scale, { worst, points, range: [-end, end] });
}

function arcArguments(format: Format, random: Random, scale: number, worst: string): Arguments {
  return pointedArguments(format, random, scale, { worst, points: [0.5, 1], range: [-1, 1] });
}

/** Where e^(−x²) counts as 0. */
const erfcEnd = (format: Format): number => Math.sqrt((maxExponent(format) - 2.5) * Math.LN2);

/** Pairfold's real power: e^(y ln x), 1 at y = 0, NaN below x = 0. */
function exactPower(x: number, y: number): DoubleDouble {
  if (y === 0) return { hi: 1, lo: 0 };
  if (x < 0 || (x === 1 && !Number.isFinite(y))) return NOT_A_NUMBER;
  return exact.pow(Math.abs(x), y);
}

const beyond = (x: number): boolean => Math.abs(x) > SINE_RANGE;

const plain = { arity: 1, ends: "none", mark: "bits(", mixed: [-5, 5] } as const;

/** x^y for an exponent that is a constant of the formula. */
const halfPowers = [-2.5, -1.5, -0.5, 0.5, 1.5, 4.5].map((y): Routine => ({
  ...plain,
  name: `x^${y}`,
  bound: 4 * Math.abs(y) + 2,
  apply: (x) => build.powr(x, constant(y)),
  exact: (x) => exactPower(x, y),
  mark: "sqrt(",
  mixed: [1, 4],
  draw: rootArguments,
}));

export const ROUTINES: readonly Routine[] = [
  ...halfPowers,
  {
    ...plain,
    name: "exp",
    bound: "exp",
    apply: build.exp,
    exact: exact.exp,
    ends: "exp",
    mixed: [-80, 80],
    draw: expArguments,
  },
  {
    ...plain,
    name: "log",
    bound: "log",
    apply: build.log,
    exact: exact.log,
    mixed: [1, 4],
    draw: (format, random, scale) => logArguments(format, random, scale, "log"),
  },
  {
    ...plain,
    name: "sin",
    bound: "sin, cos",
    apply: build.sin,
    exact: (x) => beyond(x) ? NOT_A_NUMBER : exact.sin(x),
    draw: (format, random, scale) => sineArguments(format, random, scale, "sin"),
  },
  {
    ...plain,
    name: "cos",
    bound: "sin, cos",
    apply: build.cos,
    exact: (x) => beyond(x) ? NOT_A_NUMBER : exact.cos(x),
    draw: (format, random, scale) => sineArguments(format, random, scale, "cos"),
  },
  {
    ...plain,
    name: "powr",
    bound: "pow",
    arity: 2,
    apply: build.powr,
    exact: exactPower,
    magnitude: (x, y) => Math.abs(y * Math.log(x)),
    ends: "exp",
    draw: powArguments,
  },
  {
    ...plain,
    name: "sqrt",
    bound: 0.5, // an instruction
    apply: build.sqrt,
    exact: (x) => x < 0 ? NOT_A_NUMBER : exact.pow(x, 0.5),
    mark: "sqrt(",
    mixed: [1, 4],
    draw: rootArguments,
  },
  {
    ...plain,
    name: "rsqrt",
    bound: 1.5, // the root's rounding, at most doubled by the quotient's binade, and the quotient's
    apply: build.rsqrt,
    exact: (x) => x === 0 ? { hi: 0, lo: 0 } : x < 0 ? NOT_A_NUMBER : exact.pow(x, -0.5),
    mark: "sqrt(",
    mixed: [1, 4],
    draw: rootArguments,
  },
  {
    ...plain,
    name: "expm1",
    bound: "expm1",
    apply: build.expm1,
    exact: exact.expm1,
    mixed: [-80, 80],
    draw: (format, random, scale) =>
      pointedArguments(format, random, scale, {
        worst: "expm1",
        points: [...halves(Math.LN2), ...exponentEnds(format)],
        range: [-40, maxExponent(format) * Math.LN2],
      }),
  },
  {
    ...plain,
    name: "log1p",
    bound: "log1p",
    apply: build.log1p,
    exact: exact.log1p,
    mixed: [1, 4],
    draw: (format, random, scale) =>
      pointedArguments(format, random, scale, {
        worst: "log1p",
        points: [-1, -0.5, Math.SQRT1_2 - 1, Math.SQRT2 - 1, ...powersOfTwo(format)],
        range: [-1, 3],
      }),
  },
  {
    ...plain,
    name: "sinh",
    bound: "sinh",
    apply: build.sinh,
    exact: exact.sinh,
    draw: (format, random, scale) => hyperbolicArguments(format, random, scale, "sinh"),
  },
  {
    ...plain,
    name: "cosh",
    bound: "cosh",
    apply: build.cosh,
    exact: exact.cosh,
    draw: (format, random, scale) => hyperbolicArguments(format, random, scale, "cosh"),
  },
  {
    ...plain,
    name: "tanh",
    bound: "tanh",
    apply: build.tanh,
    exact: exact.tanh,
    draw: (format, random, scale) =>
      pointedArguments(format, random, scale, {
        worst: "tanh",
        points: [...halves(Math.LN2 / 2), 9.01, 19.06],
        range: [-20, 20],
      }),
  },
  {
    ...plain,
    name: "exp2",
    bound: "exp2",
    apply: build.exp2,
    exact: exact.exp2,
    ends: "exp2",
    mixed: [-80, 80],
    draw: (format, random, scale) =>
      pointedArguments(format, random, scale, {
        worst: "exp2",
        points: [0.5, 1.5, 2, 22.5, ...exponentEnds(format).map((x) => x / Math.LN2)],
        range: [-maxExponent(format), maxExponent(format)],
      }),
  },
  {
    ...plain,
    name: "log2",
    bound: "log2",
    apply: build.log2,
    exact: exact.log2,
    mixed: [1, 4],
    draw: (format, random, scale) => logArguments(format, random, scale, "log2"),
  },
  {
    ...plain,
    name: "log10",
    bound: "log10",
    apply: build.log10,
    exact: exact.log10,
    mixed: [1, 4],
    draw: (format, random, scale) => logArguments(format, random, scale, "log10"),
  },
  {
    ...plain,
    name: "asinh",
    bound: "asinh",
    apply: build.asinh,
    exact: exact.asinh,
    draw: (format, random, scale) =>
      pointedArguments(format, random, scale, {
        worst: "asinh",
        points: [Math.SQRT1_2 - 1, 0.3535, 1, 2 ** 14, 2 ** 28, ...powersOfTwo(format)],
        range: [-20, 20],
      }),
  },
  {
    ...plain,
    name: "acosh",
    bound: "acosh",
    apply: build.acosh,
    exact: exact.acosh,
    mixed: [2, 8],
    draw: (format, random, scale) => {
      const { x } = pointedArguments(format, random, scale, {
        worst: "acosh",
        points: [1, 1.0625, 1.25, 2, 2 ** 14, 2 ** 28, ...powersOfTwo(format)],
        range: [0.9, 20],
      });
      const near = logUniform(format, random, 1000 * scale, [2 ** -format.fractionBits, 1]);
      const far = logUniform(format, random, 500 * scale, [1, format.largest]);
      return { x: [...x, ...near.map((t) => format.round(1 + t)), ...far] };
    },
  },
  {
    ...plain,
    name: "atanh",
    bound: "atanh",
    apply: build.atanh,
    exact: exact.atanh,
    mixed: [0, 0],
    draw: (format, random, scale) => {
      const { x } = arcArguments(format, random, scale, "atanh");
      const near = logUniform(format, random, 1000 * scale, [2 ** -format.fractionBits, 0.5], true);
      return { x: [...x, ...near.map((t) => format.round(Math.sign(t) - t))] };
    },
  },
  {
    ...plain,
    name: "cbrt",
    bound: "cbrt",
    apply: build.cbrt,
    exact: exact.cbrt,
    draw: (format, random, scale) => {
      const { x } = rootArguments(format, random, scale);
      const any = logUniform(
        format,
        random,
        1500 * scale,
        [format.leastSubnormal, format.largest],
        true,
      );
      return { x: [...x, ...x.map((one) => -one), ...any, ...worstArguments("cbrt", format)] };
    },
  },
  {
    ...plain,
    name: "asin",
    bound: "asin",
    apply: build.asin,
    exact: exact.asin,
    mixed: [0, 0],
    draw: (format, random, scale) => arcArguments(format, random, scale, "asin"),
  },
  {
    ...plain,
    name: "acos",
    bound: "acos",
    apply: build.acos,
    exact: exact.acos,
    mixed: [0, 0],
    draw: (format, random, scale) => arcArguments(format, random, scale, "acos"),
  },
  {
    ...plain,
    name: "atan",
    bound: "atan",
    apply: build.atan,
    exact: exact.atan,
    draw: (format, random, scale) =>
      pointedArguments(format, random, scale, {
        worst: "atan",
        points: [1, ...powersOfTwo(format)],
        range: [-20, 20],
      }),
  },
  {
    ...plain,
    name: "atan2",
    bound: "atan2",
    arity: 2,
    apply: build.atan2,
    exact: exact.atan2,
    draw: pairArguments,
  },
  {
    ...plain,
    name: "hypot",
    bound: "hypot",
    arity: 2,
    apply: build.hypot,
    exact: exact.hypot,
    mark: "sqrt(",
    draw: pairArguments,
  },
  {
    ...plain,
    name: "erf",
    bound: "erf",
    apply: build.erf,
    exact: exact.erf,
    draw: (format, random, scale) =>
      pointedArguments(format, random, scale, {
        worst: "erf",
        points: [0.5, 1, 2, 3.92, 4, 5.92, 6],
        range: [-6, 6],
      }),
  },
  {
    ...plain,
    name: "erfc",
    bound: "erfc",
    apply: build.erfc,
    exact: exact.erfc,
    ends: "erfc",
    draw: (format, random, scale) =>
      pointedArguments(format, random, scale, {
        worst: "erfc",
        points: [0.5, 1, 2, 2.5, 4, erfcEnd(format)],
        range: [-7, 1.02 * erfcEnd(format)],
      }),
  },
];

/** A bound: ulps, and what the relative error of intermediate values may add per unit. */
export interface Bound {
  readonly ulps: number;
  readonly relative: number;
}

const header = Deno.readTextFileSync(new URL("../../src/lower/math/mod.ts", import.meta.url));

/** The bound that the header's table states in a row: `2 ulp`, `3 ulp + |c·q|·2^−24 (2^−53)`. */
export function statedBound(row: string, format: Format): Bound {
  const line = header.split("\n").find((text) => text.startsWith(`//   ${row} `));
  const error = line?.match(/ ([\d.]+) ulp(?: \+ \|[^|]+\| ?· ?2\^−(\d+) \(2\^−(\d+)\))?/);
  assert(error, `src/lower/math/mod.ts: its header states no bound for ${row}`);
  const [, ulps, power32, power64] = error;
  const power = format === FLOAT32 ? power32 : power64;
  return { ulps: Number(ulps), relative: power === undefined ? 0 : 2 ** -Number(power) };
}

/** The bound of a function: stated in the header, or its own. */
export const boundOf = (routine: Routine, format: Format): Bound =>
  typeof routine.bound === "string"
    ? statedBound(routine.bound, format)
    : { ulps: routine.bound, relative: 0 };
