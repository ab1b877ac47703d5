// The math functions under test: how they are written, what they are exactly, where to look, and
// what error src/lower/math/mod.ts states for them.

import { assert } from "@std/assert";
import type { LazyTensor } from "../../mod.ts";
import type { Ends } from "./accuracy.ts";
import { NO_ENDS } from "./accuracy.ts";
import {
  anyBits,
  around,
  closestMultiples,
  dense,
  draw,
  edges,
  FLOAT32,
  type Format,
  logUniform,
  uniform,
} from "./floats.ts";
import { type DoubleDouble, exact } from "./oracle.ts";
import type { Random } from "./random.ts";

/** Arguments of a function, as lists of the same length. */
export interface Arguments {
  readonly x: number[];
  readonly y?: number[];
}

/** A function under test. */
export interface Routine {
  readonly name: string;
  /** The row of the header's table that states its error, or the error in ulps. */
  readonly bound: string | number;
  readonly apply: (x: LazyTensor, y: LazyTensor) => LazyTensor;
  readonly exact: (x: number, y: number) => DoubleDouble;
  /** What the stated relative error is multiplied by; functions of two arguments have it. */
  readonly magnitude?: (x: number, y: number) => number;
  /** Whether small values are 0 and large ones infinite. */
  readonly hasEnds: boolean;
  /** What stands in the loop IR where it is computed and nowhere else. */
  readonly mark: string;
  /** Range of a row from which a column in [-1, 1] may be subtracted. */
  readonly mixed: readonly [low: number, high: number];
  /** Arguments, several thousand; `scale` times as many of the random ones. */
  readonly draw: (format: Format, random: Random, scale: number) => Arguments;
}

/** The largest |x| that sin and cos are stated for. */
export const SINE_RANGE = 1_647_099;

const NOT_A_NUMBER: DoubleDouble = { hi: NaN, lo: 0 };

/** Where a search found the largest errors: every 4th float32, a million float64. */
const WORST: Readonly<Record<string, Readonly<Record<Format["name"], readonly number[]>>>> = {
  exp: {
    float32: [5.8681182861328125, -5.19671630859375],
    float64: [0.3676813297879078, -707.8397574208324],
  },
  log: {
    float32: [1.031459927558899, 1.0640870332717896],
    float64: [1.0314888918051646],
  },
  sin: {
    float32: [1865.3182373046875, 25.968626022338867, 209.67283630371094],
    float64: [480749.2843990488, -991014.5628689678],
  },
  cos: {
    float32: [333.7763671875, 3.9038143157958984],
    float64: [1590824.729171745, -300780.2785661761],
  },
};

/** ln of the largest finite value, and of the value below which exp gives 0. */
function expLimits(format: Format): readonly [low: number, high: number] {
  return format === FLOAT32
    ? [-125.5 * Math.LN2, 128 * Math.LN2]
    : [-1021.5 * Math.LN2, 1024 * Math.LN2];
}

/** Where exp and what is made of it end. */
export function endsOf(routine: Routine | "exp", format: Format): Ends {
  if (routine !== "exp" && !routine.hasEnds) return NO_ENDS;
  // x · log₂e is rounded before it is compared with the threshold
  return format === FLOAT32
    ? { zeroBelow: 2 ** -125.5, slack: 2 ** -16 }
    : { zeroBelow: 2 ** -1021.5, slack: 2 ** -42 };
}

function expArguments(format: Format, random: Random, scale: number): Arguments {
  const [low, high] = expLimits(format);
  // where the rounding of x · log₂e turns over
  const turns = Array.from({ length: 60 }, (_, k) => (k - 30 + 0.5) * 17 % high * Math.LN2);
  return {
    x: [
      ...edges(format),
      ...WORST.exp[format.name],
      ...around(format, [low, high, low - Math.LN2, high + Math.LN2, ...turns], 3),
      ...dense(format, 1500, low - 3, high + 3),
      ...uniform(format, random, 2000 * scale, low - 1, high + 1),
      ...uniform(format, random, 1500 * scale, -2, 2),
      ...logUniform(format, random, 1000 * scale, [2 ** -60, high], true),
      ...anyBits(format, random, 500 * scale),
    ],
  };
}

function logArguments(format: Format, random: Random, scale: number): Arguments {
  const powers = Array.from({ length: 40 }, (_, k) => 2 ** (3 * k - 60));
  const nearOne = logUniform(format, random, 1500 * scale, [2 ** -format.fractionBits, 0.5], true);
  return {
    x: [
      ...edges(format),
      ...WORST.log[format.name],
      ...around(format, [1, ...powers, ...powers.map((p) => p * Math.SQRT1_2)], 3),
      ...draw(format, nearOne.length, (k) => 1 + nearOne[k]),
      ...dense(format, 1000, 0.5, 2),
      ...uniform(format, random, 1000 * scale, 0.7, 1.5),
      ...logUniform(format, random, 1500 * scale, [format.smallestNormal, format.largest]),
      ...logUniform(format, random, 500 * scale, [format.leastSubnormal, format.smallestNormal]),
      ...anyBits(format, random, 1000 * scale), // half of them negative
    ],
  };
}

function sineArguments(format: Format, random: Random, scale: number, worst: string): Arguments {
  const multiples = [...Array(40).keys(), ...closestMultiples(format, 100)];
  const some = Array.from({ length: 200 * scale }, () => random.integer(2 ** 20));
  // quadrants change at odd multiples of π/4
  const turns = Array.from({ length: 100 * scale }, () => random.integer(2 ** 20) + 0.5);
  const centres = [...multiples, ...some, ...turns].map((k) => k * (Math.PI / 2));
  const inside = (x: number): boolean => Math.abs(x) <= SINE_RANGE || Math.abs(x) > SINE_RANGE + 1;
  return {
    x: [
      ...edges(format),
      ...WORST[worst][format.name],
      ...around(format, centres),
      ...around(format, centres.map((x) => -x), 0),
      ...dense(format, 1000, -10, 10),
      ...uniform(format, random, 1500 * scale, -SINE_RANGE, SINE_RANGE),
      ...logUniform(format, random, 1500 * scale, [2 ** -100, SINE_RANGE], true),
      ...anyBits(format, random, 500 * scale),
      ...around(format, [SINE_RANGE, -SINE_RANGE], 0),
    ].filter((x) => inside(x) || Number.isNaN(x)),
  };
}

function rootArguments(format: Format, random: Random, scale: number): Arguments {
  return {
    x: [
      ...edges(format),
      ...around(format, Array.from({ length: 40 }, (_, k) => 2 ** (3 * k - 60))),
      ...dense(format, 1000, 0.25, 4),
      ...uniform(format, random, 1500 * scale, 0.25, 4),
      ...logUniform(format, random, 1500 * scale, [format.leastSubnormal, format.largest]),
      ...anyBits(format, random, 500 * scale),
    ],
  };
}

function powArguments(format: Format, random: Random, scale: number): { x: number[]; y: number[] } {
  const pairs: [x: number, y: number][] = [];
  const special = [...edges(format), 0.5, -0.5, 3, -2, 1e6, -1e6];
  for (const x of special) for (const y of special) pairs.push([x, y]);
  const [low, high] = expLimits(format);
  const bases = [
    ...logUniform(format, random, 1000 * scale, [format.smallestNormal, format.largest]),
    ...uniform(format, random, 1000 * scale, 0.1, 10),
    ...logUniform(format, random, 800 * scale, [2 ** -20, 0.5], true).map((x) =>
      format.round(1 + x)
    ),
    ...logUniform(format, random, 200 * scale, [format.leastSubnormal, format.smallestNormal]),
  ];
  const usual = [0.5, -0.5, 1 / 3, 2, 2.5, -1.5, 1, 3, -7].map(format.round);
  bases.forEach((x, k) => {
    // exponents that lead all over the range of results, usual ones, small ones
    const p = random.uniform(low - 2, high + 2) / (k % 2 === 0 ? 1 : 50);
    const exponent = k % 5 === 0 ? random.pick(usual) : format.round(p / Math.log(x));
    pairs.push([x, exponent]);
  });
  return { x: pairs.map(([x]) => x), y: pairs.map(([, y]) => y) };
}

/** Pairfold's real power: e^(y ln x), 1 at y = 0, NaN below x = 0. */
function exactPower(x: number, y: number): DoubleDouble {
  if (y === 0) return { hi: 1, lo: 0 };
  if (x < 0 || (x === 1 && !Number.isFinite(y))) return NOT_A_NUMBER;
  return exact.pow(Math.abs(x), y);
}

const beyond = (x: number): boolean => Math.abs(x) > SINE_RANGE;

const plain = { hasEnds: false, mark: "bits(", mixed: [-5, 5] } as const;

export const ROUTINES: readonly Routine[] = [
  {
    ...plain,
    name: "exp",
    bound: "exp",
    apply: (x) => x.exp(),
    exact: exact.exp,
    hasEnds: true,
    mixed: [-80, 80],
    draw: expArguments,
  },
  {
    ...plain,
    name: "log",
    bound: "log",
    apply: (x) => x.log(),
    exact: exact.log,
    mixed: [1, 4],
    draw: logArguments,
  },
  {
    ...plain,
    name: "sin",
    bound: "sin, cos",
    apply: (x) => x.sin(),
    exact: (x) => beyond(x) ? NOT_A_NUMBER : exact.sin(x),
    draw: (format, random, scale) => sineArguments(format, random, scale, "sin"),
  },
  {
    ...plain,
    name: "cos",
    bound: "sin, cos",
    apply: (x) => x.cos(),
    exact: (x) => beyond(x) ? NOT_A_NUMBER : exact.cos(x),
    draw: (format, random, scale) => sineArguments(format, random, scale, "cos"),
  },
  {
    ...plain,
    name: "powr",
    bound: "pow",
    apply: (x, y) => x.pow(y),
    exact: exactPower,
    magnitude: (x, y) => Math.abs(y * Math.log(x)),
    hasEnds: true,
    draw: powArguments,
  },
  {
    ...plain,
    name: "sqrt",
    bound: 0.5, // an instruction
    apply: (x) => x.sqrt(),
    exact: (x) => x < 0 ? NOT_A_NUMBER : exact.pow(x, 0.5),
    mark: "sqrt(",
    mixed: [1, 4],
    draw: rootArguments,
  },
  {
    ...plain,
    name: "rsqrt",
    bound: 1.5, // the root's rounding, at most doubled by the quotient's binade, and the quotient's
    apply: (x) => x.rsqrt(),
    exact: (x) => x === 0 ? { hi: 0, lo: 0 } : x < 0 ? NOT_A_NUMBER : exact.pow(x, -0.5),
    mark: "sqrt(",
    mixed: [1, 4],
    draw: rootArguments,
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

/** Scales of exp(c · q): of both signs, 0, tiny, huge; all but 0 with a normal coefficient. */
export function scalesOf(format: Format, random: Random): number[] {
  const [tiny, huge] = format === FLOAT32 ? [2 ** -120, 2 ** 120] : [2 ** -1000, 2 ** 1000];
  const drawn = Array.from({ length: 5 }, () => 2 ** random.uniform(-20, 20));
  const positive = [1, 0.5, Math.LN2, 1 / 3, 1e-4, 1e5, tiny, huge, ...drawn].map(format.round);
  return [0, ...positive.flatMap((c) => [c, -c])];
}

/** Values of q for a scale: results from 0 to infinity, of both signs, and the edges. */
export function scaledArguments(
  format: Format,
  random: Random,
  scale: number,
  times: number,
): number[] {
  const [low, high] = expLimits(format);
  const most = Math.min(
    format.largest / 4,
    high / Math.max(Math.abs(scale), format.smallestNormal),
  );
  const ends = scale === 0 ? [] : [low / scale, high / scale].filter(Number.isFinite);
  return [
    ...edges(format).filter((q) => Number.isFinite(q) || Math.abs(scale) > 1e-30),
    ...around(format, ends, 3),
    ...dense(format, 41, -1.05 * most, 1.05 * most),
    ...uniform(format, random, 120 * times, -most, most),
    ...logUniform(format, random, 60 * times, [most * 2 ** -20, most], true),
  ];
}
