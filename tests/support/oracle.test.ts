// Holds the oracle against what it shares no code with: constants from the literature, identities,
// correctly rounded square roots, Math; and shows that each check notices a planted error.

import { assert, assertEquals } from "@std/assert";
import {
  type DoubleDouble,
  exact,
  rounded,
  ulp32,
  ulp64,
  ulpError32,
  ulpError64,
} from "./oracle.ts";

/** 10^40 times a double-double whose parts are multiples of 2^-200, rounded down. */
function timesTenToThe40({ hi, lo }: DoubleDouble): bigint {
  const scale = 2 ** 200;
  return ((BigInt(hi * scale) + BigInt(lo * scale)) * 10n ** 40n) >> 200n;
}

/** 2^200 times a double-double whose parts are multiples of 2^-200. */
function timesTwoToThe200({ hi, lo }: DoubleDouble): bigint {
  return BigInt(hi * 2 ** 200) + BigInt(lo * 2 ** 200);
}

/** The digits of a constant as the integer constant * 10^40; 40 decimals are required. */
function digits(decimal: string): bigint {
  const [whole, fraction] = decimal.split(".");
  assertEquals(fraction.length, 40, decimal);
  return BigInt(whole + fraction);
}

/** Whether the value agrees with the decimal to 2^-104 relative, or to the 40th digit. */
function agrees(value: DoubleDouble, decimal: string): boolean {
  const want = digits(decimal);
  const difference = timesTenToThe40(value) - want;
  const magnitude = (n: bigint) => n < 0n ? -n : n;
  return magnitude(difference) <= (magnitude(want) >> 104n) + 2n;
}

/** Reproducible numbers in [0, 1) (Park and Miller's generator). */
function randomNumbers(count: number): number[] {
  let state = 20_240_229;
  return Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  });
}

const constants: readonly (readonly [string, DoubleDouble, string])[] = [
  ["exp(1)", exact.exp(1), "2.7182818284590452353602874713526624977572"],
  ["exp(-1)", exact.exp(-1), "0.3678794411714423215955237701614608674458"],
  ["exp(0.5)", exact.exp(0.5), "1.6487212707001281468486507878141635716538"],
  ["exp(2)", exact.exp(2), "7.3890560989306502272304274605750078131803"],
  ["log(2)", exact.log(2), "0.6931471805599453094172321214581765680755"],
  ["log(3)", exact.log(3), "1.0986122886681096913952452369225257046475"],
  ["log(10)", exact.log(10), "2.3025850929940456840179914546843642076011"],
  ["sin(1)", exact.sin(1), "0.8414709848078965066525023216302989996226"],
  ["cos(1)", exact.cos(1), "0.5403023058681397174009366074429766037323"],
  // The usual test of a reduction by enough bits of pi.
  ["sin(1e22)", exact.sin(1e22), "-0.8522008497671888017727058937530293682618"],
  ["2^(1/2)", exact.pow(2, 0.5), "1.4142135623730950488016887242096980785697"],
  ["5^(1/2)", exact.pow(5, 0.5), "2.2360679774997896964091736687312762354406"],
  ["2^(1/4)", exact.pow(2, 0.25), "1.1892071150027210667174999705604759152930"],
  ["expm1(1)", exact.expm1(1), "1.7182818284590452353602874713526624977572"],
  ["expm1(-0.25)", exact.expm1(-0.25), "-0.2211992169285951317548297330216793527032"],
  ["log1p(1)", exact.log1p(1), "0.6931471805599453094172321214581765680755"],
  ["log1p(-0.25)", exact.log1p(-0.25), "-0.2876820724517809274392190059938274315035"],
  ["exp2(0.5)", exact.exp2(0.5), "1.4142135623730950488016887242096980785696"],
  ["exp2(-0.25)", exact.exp2(-0.25), "0.8408964152537145430311254762332148950400"],
  ["log2(3)", exact.log2(3), "1.5849625007211561814537389439478165087598"],
  ["log2(0.75)", exact.log2(0.75), "-0.4150374992788438185462610560521834912401"],
  ["log10(2)", exact.log10(2), "0.3010299956639811952137388947244930267681"],
  ["log10(0.875)", exact.log10(0.875), "-0.0579919469776867549290004255808428868209"],
  ["asinh(1)", exact.asinh(1), "0.8813735870195430252326093249797923090281"],
  ["asinh(0.25)", exact.asinh(0.25), "0.2474664615472634529447815497883592892537"],
  ["acosh(2)", exact.acosh(2), "1.3169578969248167086250463473079684440269"],
  ["acosh(1.0625)", exact.acosh(1.0625), "0.3517373900432605797707447861211228780001"],
  ["atanh(0.5)", exact.atanh(0.5), "0.5493061443340548456976226184612628523237"],
  ["atanh(0.125)", exact.atanh(0.125), "0.1256572141404530388425688652009358398289"],
  ["cbrt(2)", exact.cbrt(2), "1.2599210498948731647672106072782283505702"],
  ["cbrt(3)", exact.cbrt(3), "1.4422495703074083823216383107801095883918"],
  ["sinh(1)", exact.sinh(1), "1.1752011936438014568823818505956008151557"],
  ["sinh(0.25)", exact.sinh(0.25), "0.2526123168081683079141251505420579055197"],
  ["cosh(1)", exact.cosh(1), "1.5430806348152437784779056207570616826015"],
  ["tanh(1)", exact.tanh(1), "0.7615941559557648881194582826047935904127"],
  ["asin(1)", exact.asin(1), "1.5707963267948966192313216916397514420985"],
  ["asin(0.5)", exact.asin(0.5), "0.5235987755982988730771072305465838140328"],
  ["acos(-0.5)", exact.acos(-0.5), "2.0943951023931954923084289221863352561314"],
  ["atan(1)", exact.atan(1), "0.7853981633974483096156608458198757210492"],
  ["atan(0.5)", exact.atan(0.5), "0.4636476090008061162142562314612144020285"],
  ["atan2(1, -1)", exact.atan2(1, -1), "2.3561944901923449288469825374596271631478"],
  ["hypot(1, 1)", exact.hypot(1, 1), "1.4142135623730950488016887242096980785696"],
  ["hypot(1, 2)", exact.hypot(1, 2), "2.2360679774997896964091736687312762354406"],
  ["erf(0.5)", exact.erf(0.5), "0.5204998778130465376827466538919645287364"],
  ["erf(1)", exact.erf(1), "0.8427007929497148693412206350826092592960"],
  ["erf(3)", exact.erf(3), "0.9999779095030014145586272238704176796201"],
  ["erfc(1)", exact.erfc(1), "0.1572992070502851306587793649173907407039"],
  ["erfc(2)", exact.erfc(2), "0.0046777349810472658379307436327470713891"],
  ["erfc(-1)", exact.erfc(-1), "1.8427007929497148693412206350826092592960"],
  ["erfc(3)", exact.erfc(3), "0.0000220904969985854413727761295823203798"],
];

for (const [name, value, decimal] of constants) {
  Deno.test(`oracle: ${name} has the digits of the literature`, () => {
    assert(agrees(value, decimal), `${value.hi} + ${value.lo}, expected ${decimal}`);
    const off = { hi: value.hi, lo: value.lo + ulp64(value.hi) / 2 ** 48 };
    assert(!agrees(off, decimal), "an error of 2^-48 ulp must be noticed");
  });
}

Deno.test("oracle: the float64 nearest to a multiple of pi/2 is reduced", () => {
  // The worst case of float64 range reduction; Muller, Elementary Functions, chapter on reduction.
  assertEquals(exact.cos(6381956970095103 * 2 ** 797).hi, -4.687165924254627611e-19);
  // sin of pi rounded is what the rounding left, the next two parts of pi, less a cube of 3e-49.
  const { hi, lo } = exact.sin(Math.PI);
  assertEquals(hi, 1.2246467991473532e-16);
  assert(Math.abs(lo - -2.9947698097183397e-33) < 1e-48, `lo = ${lo}`);
});

Deno.test("oracle: exp(log x) = x", () => {
  const samples = randomNumbers(150).map((u) => 2 ** (2000 * u - 1000) * (1 + u));
  for (const x of [...samples, 1 + 2 ** -52, 1 - 2 ** -53, 0.5, 3, 1e300]) {
    const { hi, lo } = exact.log(x);
    const image = exact.exp(hi);
    // e^(hi + lo) = e^hi (1 + lo + lo^2/2 + ...).
    const error = (image.hi - x + image.lo + image.hi * (lo + lo * lo / 2)) / x;
    assert(Math.abs(error) < 1e-28, `x = ${x}, relative error ${error}`);
  }
});

Deno.test("oracle: exp(a + b) = exp(a) exp(b)", () => {
  const samples = randomNumbers(200).map((u) => Math.round((20 * u - 10) * 2 ** 20) / 2 ** 20);
  for (let index = 0; index < samples.length; index += 2) {
    const [a, b] = [samples[index], samples[index + 1]];
    const product = timesTwoToThe200(exact.exp(a)) * timesTwoToThe200(exact.exp(b)) >> 200n;
    const sum = timesTwoToThe200(exact.exp(a + b));
    assert(Math.abs(Number(product - sum)) < Number(sum) * 2 ** -104, `a = ${a}, b = ${b}`);
  }
});

Deno.test("oracle: sin² + cos² = 1 and sin 2x = 2 sin x cos x", () => {
  const samples = randomNumbers(150).map((u) => 10 ** (60 * u - 5) * (u < 0.5 ? -1 : 1));
  for (const x of samples) {
    const [sin, cos] = [timesTwoToThe200(exact.sin(x)), timesTwoToThe200(exact.cos(x))];
    const one = 1n << 400n;
    assert(Math.abs(Number(sin * sin + cos * cos - one)) < 2 ** (400 - 104), `x = ${x}`);
    const double = timesTwoToThe200(exact.sin(2 * x)) << 200n;
    assert(Math.abs(Number(2n * sin * cos - double)) < 2 ** (400 - 104), `x = ${x}`);
  }
});

Deno.test("oracle: x^(1/2) is the square root, and x^n the product", () => {
  for (const u of randomNumbers(200)) {
    const x = 2 ** (2000 * u - 1000) * (1 + u);
    assertEquals(rounded("pow", x, 0.5), Math.sqrt(x));
    // One rounding, of the exact square: what a multiplication does.
    assertEquals(rounded("pow", 1 + u, 2), (1 + u) * (1 + u));
    assertEquals(rounded("pow", 1 + u, -1), 1 / (1 + u));
  }
  // Ties: the square of an odd number just above 2^26.5 has 54 bits, the last one set.
  for (let odd = 94906267; odd < 94906467; odd += 2) {
    assertEquals(rounded("pow", odd, 2), odd * odd);
  }
  assertEquals(exact.pow(3, 4), { hi: 81, lo: 0 });
  assertEquals(exact.pow(-1.5, 3), { hi: -3.375, lo: 0 });
  assertEquals(exact.pow(10, 23), { hi: 1e23, lo: 2 ** 23 });
});

const spread: readonly {
  readonly name: string;
  readonly arguments: (u: number) => readonly [number, number];
  readonly oracle: (x: number, y: number) => DoubleDouble;
  readonly reference: (x: number, y: number) => number;
}[] = [
  {
    name: "exp",
    arguments: (u) => [1450 * u - 740, 0],
    oracle: exact.exp,
    reference: Math.exp,
  },
  {
    name: "log",
    arguments: (u) => [2 ** (2090 * u - 1070) * (1 + u), 0],
    oracle: exact.log,
    reference: Math.log,
  },
  {
    name: "sin",
    arguments: (u) => [(u < 0.5 ? -1 : 1) * 2 ** (2000 * u - 990), 0],
    oracle: exact.sin,
    reference: Math.sin,
  },
  {
    name: "cos",
    arguments: (u) => [(u < 0.5 ? -1 : 1) * 2 ** (2000 * u - 990), 0],
    oracle: exact.cos,
    reference: Math.cos,
  },
  {
    name: "pow",
    arguments: (u) => [2 ** (40 * u - 20) * (1 + u), (u * 1e4 % 1) * 60 - 30],
    oracle: exact.pow,
    reference: Math.pow,
  },
  {
    name: "expm1",
    arguments: (u) => [u < 0.3 ? 2 ** (u * 3e3 - 1000) : 740 * u - 300, 0],
    oracle: exact.expm1,
    reference: Math.expm1,
  },
  {
    name: "log1p",
    arguments: (u) => [u < 0.3 ? u * 3 - 0.9 : 2 ** (1400 * u - 600), 0],
    oracle: exact.log1p,
    reference: Math.log1p,
  },
  {
    name: "sinh",
    arguments: (u) => [u < 0.3 ? 2 ** (u * 3e3 - 1000) : 1400 * u - 700, 0],
    oracle: exact.sinh,
    reference: Math.sinh,
  },
  {
    name: "cosh",
    arguments: (u) => [u < 0.5 ? 4 * u : 1400 * u - 700, 0],
    oracle: exact.cosh,
    reference: Math.cosh,
  },
  {
    name: "tanh",
    arguments: (u) => [u < 0.3 ? 2 ** (u * 3e3 - 1000) : 40 * u - 20, 0],
    oracle: exact.tanh,
    reference: Math.tanh,
  },
  {
    name: "asin",
    arguments: (u) => [u < 0.3 ? 2 ** (u * 3e3 - 1000) : 2 * u - 1, 0],
    oracle: exact.asin,
    reference: Math.asin,
  },
  {
    name: "pow(2, x), as exp2",
    arguments: (u) => [2000 * u - 1000, 0],
    oracle: exact.exp2,
    reference: (x) => 2 ** x,
  },
  {
    name: "log2",
    arguments: (u) => [u < 0.3 ? 0.5 + 3 * u : 2 ** (2090 * u - 1070) * (1 + u), 0],
    oracle: exact.log2,
    reference: Math.log2,
  },
  {
    name: "log10",
    arguments: (u) => [u < 0.3 ? 0.5 + 3 * u : 2 ** (2090 * u - 1070) * (1 + u), 0],
    oracle: exact.log10,
    reference: Math.log10,
  },
  {
    name: "asinh",
    arguments: (u) => [u < 0.3 ? 2 ** (u * 3e3 - 1000) : -(2 ** (200 * u - 100)), 0],
    oracle: exact.asinh,
    reference: Math.asinh,
  },
  {
    name: "acosh",
    arguments: (u) => [1 + 2 ** (400 * u - 50), 0],
    oracle: exact.acosh,
    reference: Math.acosh,
  },
  {
    name: "atanh",
    arguments: (u) => [u < 0.3 ? 2 ** (u * 3e3 - 1000) : 2 * u - 1, 0],
    oracle: exact.atanh,
    reference: Math.atanh,
  },
  {
    name: "cbrt",
    arguments: (u) => [(u < 0.5 ? -1 : 1) * 2 ** (2090 * u - 1070) * (1 + u), 0],
    oracle: exact.cbrt,
    reference: Math.cbrt,
  },
  { name: "acos", arguments: (u) => [2 * u - 1, 0], oracle: exact.acos, reference: Math.acos },
  {
    name: "atan",
    arguments: (u) => [(u < 0.5 ? -1 : 1) * 2 ** (400 * u - 200), 0],
    oracle: exact.atan,
    reference: Math.atan,
  },
  {
    name: "atan2",
    arguments: (u) => [(u < 0.5 ? -1 : 1) * 2 ** (400 * u - 200), (u * 1e4 % 1) - 0.5],
    oracle: exact.atan2,
    reference: Math.atan2,
  },
  {
    name: "hypot",
    arguments: (u) => [2 ** (1000 * u - 500), 2 ** (1000 * u - 500) * (u * 1e4 % 1)],
    oracle: exact.hypot,
    reference: Math.hypot,
  },
];

for (const { name, arguments: argumentsOf, oracle, reference } of spread) {
  Deno.test(`oracle: Math.${name} is within 2 ulp, and a planted error is noticed`, () => {
    for (const u of randomNumbers(400)) {
      const [x, y] = argumentsOf(u);
      const value = oracle(x, y);
      const error = ulpError64(reference(x, y), value);
      assert(error <= 2, `${name}(${x}, ${y}): ${error} ulp`);
      if (!Number.isFinite(value.hi)) continue;
      assert(ulpError64(value.hi, value) <= 0.5 + 1e-12, `${name}(${x}, ${y}): not the nearest`);
      const planted = value.hi - 2 * ulp64(value.hi);
      assert(ulpError64(planted, value) >= 1.5, `${name}(${x}, ${y}): a planted error passed`);
    }
  });
}

Deno.test("ulp64, ulp32: the distance of neighbours in the binade of x", () => {
  assertEquals([1, -1.999, 2, 0, 5e-324].map(ulp64), [
    2 ** -52,
    2 ** -52,
    2 ** -51,
    5e-324,
    5e-324,
  ]);
  assertEquals([1, -1.999, 2, 0, 1e-40].map(ulp32), [
    2 ** -23,
    2 ** -23,
    2 ** -22,
    2 ** -149,
    2 ** -149,
  ]);
  assertEquals(ulp64(Number.MAX_VALUE), 2 ** 971);
  assert(Number.isNaN(ulp64(Infinity)) && Number.isNaN(ulp32(NaN)));
});

Deno.test("ulpError: measures below half an ulp, and in the format that is asked for", () => {
  assertEquals(ulpError64(1, { hi: 1, lo: 2 ** -54 }), 0.25);
  // Just below 1 the ulp is half of that above.
  assertEquals(ulpError64(1, { hi: 1, lo: -(2 ** -55) }), 0.25);
  assertEquals(ulpError64(-1, { hi: -1, lo: 2 ** -55 }), 0.25);
  assertEquals(ulpError64(1 + 2 ** -51, { hi: 1, lo: 0 }), 2);
  assertEquals(ulpError32(1, { hi: 1 + 2 ** -25, lo: 0 }), 0.25);
  assertEquals(ulpError32(1 + 2 ** -22, { hi: 1, lo: 0 }), 2);
  assertEquals(ulpError32(2 ** -149, { hi: 2 ** -150, lo: 0 }), 0.5);
  assertEquals(ulpError64(1e-323, { hi: 5e-324, lo: 0 }), 1);
});

Deno.test("ulpError: infinities and NaN count as right only where they are the value", () => {
  assertEquals(ulpError64(Infinity, exact.exp(1000)), 0);
  assertEquals(ulpError32(Infinity, exact.exp(100)), 0);
  assertEquals(ulpError64(NaN, exact.log(-1)), 0);
  assertEquals(ulpError64(Infinity, exact.exp(700)), Infinity);
  assertEquals(ulpError64(-Infinity, exact.exp(1000)), Infinity);
  assertEquals(ulpError64(Number.MAX_VALUE, exact.exp(1000)), Infinity);
  assertEquals(ulpError64(NaN, exact.exp(1)), Infinity);
  assertEquals(ulpError64(0, exact.log(-1)), Infinity);
});
