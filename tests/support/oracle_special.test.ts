// Identities of the oracle's inverse, hyperbolic and error functions, and what a planted error does
// to them.

import { assert, assertEquals } from "@std/assert";
import { type DoubleDouble, exact, ulp64 } from "./oracle.ts";
import { complementDifference } from "./oracle_special.ts";
import { Random } from "./random.ts";

/** 2^1400 times a double-double, exactly. */
function scaled({ hi, lo }: DoubleDouble): bigint {
  const whole = (x: number): bigint => {
    let exponent = 0;
    while (Math.abs(x) < 2 ** 900 && exponent < 1400) {
      x *= 2;
      exponent++;
    }
    return BigInt(x) << BigInt(1400 - exponent);
  };
  return whole(hi) + whole(lo);
}

const ONE = 1n << 1400n;
const product = (a: bigint, b: bigint): bigint => (a * b) >> 1400n;

/** |difference| relative to a size. */
function relative(difference: bigint, size: bigint): number {
  const magnitude = (n: bigint): bigint => n < 0n ? -n : n;
  return Number((magnitude(difference) << 300n) / (magnitude(size) + 1n)) / 2 ** 300;
}

const value = {
  exp: (x: number): bigint => scaled(exact.exp(x)),
  expm1: (x: number): bigint => scaled(exact.expm1(x)),
  exp2: (x: number): bigint => scaled(exact.exp2(x)),
  log2: (x: number): bigint => scaled(exact.log2(x)),
  log10: (x: number): bigint => scaled(exact.log10(x)),
  sinh: (x: number): bigint => scaled(exact.sinh(x)),
  cosh: (x: number): bigint => scaled(exact.cosh(x)),
  tanh: (x: number): bigint => scaled(exact.tanh(x)),
  asinh: (x: number): bigint => scaled(exact.asinh(x)),
  acosh: (x: number): bigint => scaled(exact.acosh(x)),
  atanh: (x: number): bigint => scaled(exact.atanh(x)),
  asin: (x: number): bigint => scaled(exact.asin(x)),
  acos: (x: number): bigint => scaled(exact.acos(x)),
  atan: (x: number): bigint => scaled(exact.atan(x)),
  erf: (x: number): bigint => scaled(exact.erf(x)),
  erfc: (x: number): bigint => scaled(exact.erfc(x)),
  cbrt: (x: number): bigint => scaled(exact.cbrt(x)),
  hypot: (x: number, y: number): bigint => scaled(exact.hypot(x, y)),
};
type Values = typeof value;

const HALF_PI = value.asin(1);

/** Identities: both sides at x, whose difference is compared with `size`. */
const IDENTITIES: readonly {
  readonly name: string;
  readonly range: readonly [low: number, high: number];
  readonly of: keyof Values;
  readonly sides: (v: Values, x: number) => readonly [left: bigint, right: bigint, size: bigint];
}[] = [
  {
    name: "e^x - 1 + 1 = e^x",
    range: [-20, 20],
    of: "expm1",
    sides: (v, x) => [v.expm1(x) + ONE, v.exp(x), v.expm1(x)],
  },
  {
    name: "cosh² - sinh² = 1",
    range: [-5, 5],
    of: "sinh",
    sides: (v, x) => {
      const [s, c] = [v.sinh(x), v.cosh(x)];
      return [product(c, c) - product(s, s), ONE, product(c, c)];
    },
  },
  {
    name: "sinh + cosh = exp",
    range: [-5, 40],
    of: "cosh",
    sides: (v, x) => [v.sinh(x) + v.cosh(x), v.exp(x), v.cosh(x)],
  },
  {
    name: "tanh · cosh = sinh",
    range: [-20, 20],
    of: "tanh",
    sides: (v, x) => [product(v.tanh(x), v.cosh(x)), v.sinh(x), v.sinh(x)],
  },
  {
    name: "asin + acos = π/2",
    range: [-1, 1],
    of: "acos",
    sides: (v, x) => [v.asin(x) + v.acos(x), HALF_PI, v.acos(x)],
  },
  {
    name: "atan x + atan 1/x = ±π/2, for powers of two",
    range: [-100, 100],
    of: "atan",
    sides: (v, x) => {
      const power = 2 ** Math.round(x);
      return [v.atan(power) + v.atan(1 / power), HALF_PI, HALF_PI];
    },
  },
  {
    name: "asin(1 - 2x²) + 2 asin x = π/2, where x² is a number",
    range: [0, 1],
    of: "asin",
    sides: (v, x) => {
      const short = Math.round(x * 2 ** 20) / 2 ** 20;
      return [v.asin(1 - 2 * short * short) + 2n * v.asin(short), HALF_PI, HALF_PI];
    },
  },
  {
    name: "erf + erfc = 1",
    range: [-6, 6],
    of: "erf",
    sides: (v, x) => [v.erf(x) + v.erfc(x), ONE, ONE],
  },
  {
    name: "erfc(x) + erfc(-x) = 2",
    range: [-6, 6],
    of: "erfc",
    sides: (v, x) => [v.erfc(x) + v.erfc(-x), 2n * ONE, ONE],
  },
  {
    name: "2^x of half an x, squared",
    range: [-20, 20],
    of: "exp2",
    sides: (v, x) => {
      const short = Math.round(x * 2 ** 20) / 2 ** 20;
      const half = v.exp2(short / 2);
      // the planted error counts twice on the left, once on the right
      return [product(half, half), v.exp2(short), v.exp2(short)];
    },
  },
  {
    name: "log₂ x · log 2 = log x",
    range: [0.1, 20],
    of: "log2",
    sides: (v, x) => {
      const [left, right] = [product(v.log2(x), scaled(exact.log(2))), scaled(exact.log(x))];
      return [left, right, right];
    },
  },
  {
    name: "log₁₀ x · log 10 = log x",
    range: [0.1, 20],
    of: "log10",
    sides: (v, x) => {
      const [left, right] = [product(v.log10(x), scaled(exact.log(10))), scaled(exact.log(x))];
      return [left, right, right];
    },
  },
  {
    name: "∛x³ = x",
    range: [-50, 50],
    of: "cbrt",
    sides: (v, x) => {
      const root = v.cbrt(x);
      return [product(root, product(root, root)), scaled({ hi: x, lo: 0 }), scaled(exact.cbrt(x))];
    },
  },
  {
    name: "hypot² = x² + 1",
    range: [-50, 50],
    of: "hypot",
    sides: (v, x) => {
      const short = Math.round(x * 2 ** 20) / 2 ** 20;
      const h = v.hypot(short, 1);
      return [product(h, h), scaled({ hi: short * short + 1, lo: 0 }), product(h, h)];
    },
  },
];

for (const { name, range, of, sides } of IDENTITIES) {
  Deno.test(`oracle: ${name}, and a planted error is noticed`, () => {
    const random = new Random(20_240_229);
    const planted: Values = {
      ...value,
      [of]: (x: number, y: number) => {
        const right = value[of](x, y);
        return right + (right >> 90n); // 2^-90, relative
      },
    };
    let noticed = 0;
    for (let n = 0; n < 100; n++) {
      const x = random.uniform(...range);
      const [left, right, size] = sides(value, x);
      const error = relative(left - right, size);
      assert(error < 2 ** -98, `x = ${x}: ${error}`);
      const [l, r, s] = sides(planted, x);
      if (relative(l - r, s) > 2 ** -98) noticed++;
    }
    assert(noticed >= 95, `only ${noticed} of 100 were noticed`);
  });
}

Deno.test("oracle: log1p undoes expm1, asin undoes sin and so on, near 0 too", () => {
  const random = new Random(7);
  for (let n = 0; n < 200; n++) {
    const x = (n % 2 === 0 ? 1 : -1) * 2 ** random.uniform(-300, 0);
    for (
      const [inner, outer, slope] of [
        [exact.expm1(x), exact.log1p, (y: number) => 1 / (1 + y)],
        [exact.sin(x), exact.asin, (y: number) => 1 / Math.sqrt((1 - y) * (1 + y))],
        [exact.tanh(x), exact.atanh, (y: number) => 1 / ((1 - y) * (1 + y))],
        [exact.sinh(x), exact.asinh, (y: number) => 1 / Math.sqrt(1 + y * y)],
      ] as const
    ) {
      const image = outer(inner.hi);
      // f(hi + lo) = f(hi) + f'(hi) lo
      const error = (image.hi - x + image.lo + slope(inner.hi) * inner.lo) / x;
      assert(Math.abs(error) < 2 ** -98, `x = ${x}: ${error}`);
    }
  }
});

Deno.test("oracle: acosh undoes cosh", () => {
  const random = new Random(8);
  for (let n = 0; n < 200; n++) {
    const x = random.uniform(0.5, n % 2 === 0 ? 2 : 700);
    const { hi, lo } = exact.cosh(x);
    const image = exact.acosh(hi);
    const slope = 1 / (Math.sqrt(hi - 1) * Math.sqrt(hi + 1));
    const error = (image.hi - x + image.lo + slope * lo) / x;
    assert(Math.abs(error) < 2 ** -98, `x = ${x}: ${error}`);
  }
});

Deno.test("oracle: the quadrants of atan2 are those of the signs", () => {
  const random = new Random(11);
  for (let n = 0; n < 100; n++) {
    const [y, x] = [random.uniform(0.1, 9), random.uniform(0.1, 9)];
    const angle = scaled(exact.atan2(y, x));
    assert(relative(scaled(exact.atan2(y, -x)) + angle - 2n * HALF_PI, ONE) < 2 ** -98);
    assert(relative(scaled(exact.atan2(x, y)) + angle - HALF_PI, ONE) < 2 ** -98);
    assertEquals(scaled(exact.atan2(-y, x)), -angle);
    assertEquals(scaled(exact.atan2(-y, -x)), -scaled(exact.atan2(y, -x)));
  }
});

Deno.test("oracle: both ways to erfc agree to 2^-175 from ½ to 4", () => {
  for (let x = 0.5; x <= 4; x += 0.03125) {
    const difference = complementDifference(x);
    assert(difference < 32n && difference > -32n, `x = ${x}: ${difference} · 2^-180`);
  }
});

Deno.test("oracle: erfc in the tail is its continued fraction", () => {
  for (let x = 3; x < 26; x += 0.125) {
    // √π e^(x²) erfc x = 1/(x + ½/(x + 1/(x + 1½/(x + …)))); x² is exact
    let fraction = x;
    for (let n = 400; n >= 1; n--) fraction = x + n / 2 / fraction;
    const { hi, lo } = exact.exp(-x * x);
    const want = hi / Math.sqrt(Math.PI) / fraction;
    const got = exact.erfc(x);
    assert(Math.abs(got.hi - want) < 6 * ulp64(want), `x = ${x}: ${got.hi}, expected ${want}`);
    assert(Math.abs(lo) <= ulp64(hi));
  }
});
