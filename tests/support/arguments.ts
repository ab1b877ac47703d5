// Arguments that are hard for math functions: where their parts meet, cancel, overflow, underflow.
//
// Enters: a format, a generator, how many times the random ones. Leaves: several thousand
// arguments.

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
import type { Random } from "./random.ts";

/** Arguments of a function, as lists of the same length. */
export interface Arguments {
  readonly x: number[];
  readonly y?: number[];
}

/** Up to here sin and cos are reduced in one step. */
const NEAR_SINE = 1_647_099;

/** The largest |x| that sin and cos are stated for. */
export const SINE_RANGE = 2 ** 53;

/** Numerators of convergents of π: the integers that come closest to its multiples. */
export const PI_NUMERATORS: readonly number[] = [
  ...[3, 22, 355, 5419351, 80143857, 165707065, 245850922, 411557987, 1068966896, 2549491779],
  ...[6167950454, 14885392687, 21053343141, 1783366216531, 3587785776203, 8958937768937],
];

/**
 * Where searches found the largest errors, among 25 million float32 and 100,000 float64 at least.
 */
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
  expm1: {
    float32: [0.38285115361213684, 0.38375571370124817],
    float64: [0.3565279666800052, 0.36389071913436055],
  },
  log1p: {
    float32: [0.4200102388858795, 0.42052873969078064],
    float64: [0.0017256304843311719],
  },
  exp2: {
    float32: [7.542986869812012, -63.563209533691406],
    float64: [-889.478401184082, 1010.4496221542358],
  },
  log2: {
    float32: [1.0429352521896362, 1.0212825536727905],
    float64: [1.0000020788735122, 1.0000006462379993],
  },
  log10: {
    float32: [1.0723034143447876, 1.0181416273117065],
    float64: [1.0043172827406737, 1.00000000001673],
  },
  asinh: {
    float32: [0.2394910752773285, 0.12144900858402252],
    float64: [0.22621207893826067],
  },
  acosh: {
    float32: [1.0073543787002563, 1.0018917322158813],
    float64: [1.0289776954283536],
  },
  atanh: {
    float32: [0.11492467671632767, 0.12286392599344254],
    float64: [-0.05902560950164945],
  },
  cbrt: {
    float32: [0.505050778388977, 0.8561973571777344],
    float64: [5.230617687235945e-57, 0.7483778632595204],
  },
  sinh: {
    float32: [0.12263283133506775, -0.12419524043798447],
    float64: [0.42500779847614467, -0.44300348893739283],
  },
  cosh: {
    float32: [4.537503719329834, -5.199957847595215],
    float64: [2.404632104472961, 1.027524242643267],
  },
  tanh: {
    float32: [-4.505090713500977, -4.504116058349609],
    float64: [9.535725712776184],
  },
  asin: {
    float32: [0.5002464056015015, -0.5010061264038086],
    float64: [-0.5072672516107559],
  },
  acos: {
    float32: [0.5436720252037048, 0.5424359440803528],
    float64: [-0.5269952018279582, -0.5331730032339692],
  },
  atan: {
    float32: [-1.0517126321792603, 1.0584278106689453],
    float64: [-1.1784416595473886, 1.1432882468216121],
  },
  erf: {
    float32: [-1.0565987825393677, -1.191520094871521],
    float64: [1.068909184774384, 0.9600736666470766],
  },
  erfc: {
    float32: [1.5261536836624146, 1.5346413850784302],
    float64: [1.0886183297261596, 0.5486872547000917],
  },
};

/** Where searches found a function's largest errors. */
export const worstArguments = (name: string, format: Format): readonly number[] =>
  WORST[name]?.[format.name] ?? [];

/** ln of the largest finite value, and of the value below which exp gives 0. */
export function expLimits(format: Format): readonly [low: number, high: number] {
  return format === FLOAT32
    ? [-125.5 * Math.LN2, 128 * Math.LN2]
    : [-1021.5 * Math.LN2, 1024 * Math.LN2];
}

export function expArguments(format: Format, random: Random, scale: number): Arguments {
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

export function logArguments(
  format: Format,
  random: Random,
  scale: number,
  worst: string,
): Arguments {
  const powers = Array.from({ length: 40 }, (_, k) => 2 ** (3 * k - 60));
  const nearOne = logUniform(format, random, 1500 * scale, [2 ** -format.fractionBits, 0.5], true);
  return {
    x: [
      ...edges(format),
      ...worstArguments(worst, format),
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

export function sineArguments(
  format: Format,
  random: Random,
  scale: number,
  worst: string,
): Arguments {
  const multiples = [...Array(40).keys(), ...closestMultiples(format, 100)];
  const some = Array.from({ length: 200 * scale }, () => random.integer(2 ** 20));
  // quadrants change at odd multiples of π/4
  const turns = Array.from({ length: 100 * scale }, () => random.integer(2 ** 20) + 0.5);
  const centres = [...multiples, ...some, ...turns].map((k) => k * (Math.PI / 2));
  return {
    x: [
      ...edges(format),
      ...WORST[worst][format.name],
      ...around(format, centres),
      ...around(format, centres.map((x) => -x), 0),
      ...dense(format, 1000, -10, 10),
      ...uniform(format, random, 1500 * scale, -NEAR_SINE, NEAR_SINE),
      ...logUniform(format, random, 1500 * scale, [2 ** -100, NEAR_SINE], true),
      ...around(format, [NEAR_SINE, -NEAR_SINE, SINE_RANGE, -SINE_RANGE]),
      ...logUniform(format, random, 1500 * scale, [NEAR_SINE, SINE_RANGE], true),
      ...anyBits(format, random, 500 * scale),
    ],
  };
}

export function rootArguments(format: Format, random: Random, scale: number): Arguments {
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

export function powArguments(
  format: Format,
  random: Random,
  scale: number,
): { x: number[]; y: number[] } {
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

/** Arguments of a function that is special at some points, interesting in a range, steep beyond. */
export function pointedArguments(
  format: Format,
  random: Random,
  scale: number,
  { worst, points, range: [low, high], finest = 2 ** -60 }: {
    readonly worst: string;
    /** Where its parts meet, and where it ends. */
    readonly points: readonly number[];
    readonly range: readonly [low: number, high: number];
    /** The least magnitude to look at often. */
    readonly finest?: number;
  },
): Arguments {
  const reach = Math.max(Math.abs(low), Math.abs(high));
  return {
    x: [
      ...edges(format),
      ...worstArguments(worst, format),
      ...around(format, points, 3),
      ...around(format, points.map((x) => -x), 3),
      ...dense(format, 1000, low, high),
      ...uniform(format, random, 1500 * scale, low, high),
      ...uniform(format, random, 1000 * scale, -1.5, 1.5),
      ...logUniform(format, random, 1000 * scale, [finest, reach], true),
      ...logUniform(format, random, 200 * scale, [format.leastSubnormal, finest], true),
      ...anyBits(format, random, 300 * scale),
    ],
  };
}

/** Pairs: special values with each other, any magnitudes, equal magnitudes, small quotients. */
export function pairArguments(format: Format, random: Random, scale: number): Required<Arguments> {
  const pairs: [x: number, y: number][] = [];
  for (const x of edges(format)) for (const y of edges(format)) pairs.push([x, y]);
  const { leastSubnormal, largest } = format;
  const all = logUniform(format, random, 1500 * scale, [leastSubnormal, largest], true);
  const others = logUniform(format, random, 1500 * scale, [leastSubnormal, largest], true);
  all.forEach((x, k) => pairs.push([x, others[others.length - 1 - k]]));
  const near = logUniform(format, random, 3000 * scale, [leastSubnormal, largest], true);
  for (const [k, x] of near.entries()) {
    const ratio = k % 3 === 0 ? random.uniform(-2, 2) : 2 ** random.uniform(-30, 30);
    pairs.push([x, format.round(x * ratio)]);
  }
  for (let k = 0; k < 1500 * scale; k++) {
    pairs.push([format.round(random.uniform(-5, 5)), format.round(random.uniform(-5, 5))]);
  }
  return { x: pairs.map(([x]) => x), y: pairs.map(([, y]) => y) };
}

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
