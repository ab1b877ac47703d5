// Coefficients of the expanded math functions, lowest order first, made by scripts/minimax.py
// (relative minimax error of the rounded polynomial beside each).

import type { FloatType } from "../loop/mod.ts";

export interface MathConstants {
  /** e^g on |g| ≤ ½ ln 2. */
  readonly exp: readonly number[];
  /** 2^f on |f| ≤ ½; in float32 of degree 5, which saves one operation in twenty. */
  readonly exp2: readonly number[];
  /** (log((1+s)/(1−s)) − 2s) / s³ in s², for the arguments s that log needs. */
  readonly log: readonly number[];
  /** (sin r − r) / r³ in r², |r| ≤ π/4. */
  readonly sin: readonly number[];
  /** (cos r − 1 + r²/2) / r⁴ in r², |r| ≤ π/4. */
  readonly cos: readonly number[];
  /** ln 2 in two parts; the first has zero bits at its end, so that k · high is exact. */
  readonly ln2: readonly [high: number, low: number];
  /** 1.5 · 2^(mantissa bits): adding it rounds to an integer that stands in the low bits. */
  readonly magic: number;
  readonly mantissaBits: number;
  readonly exponentBias: number;
  /** bits of √½, and of 1, as integers. */
  readonly rootHalfBits: number;
  readonly oneBits: number;
  readonly smallestNormal: number;
  readonly largest: number;
}

export const CONSTANTS: Readonly<Record<FloatType, MathConstants>> = {
  f32: {
    exp: [
      1.0,
      1.0,
      0.4999999403953552,
      0.1666652113199234,
      0.04166825860738754,
      0.008368682116270065,
      0.001382171642035246,
    ], // 3.1e-09
    exp2: [
      1.0,
      0.6931470036506653,
      0.24022246897220612,
      0.0555071085691452,
      0.009671293199062347,
      0.0013269551564007998,
    ], // 9.3e-08
    log: [0.6666666865348816, 0.3999975323677063, 0.28570032119750977, 0.23020239174365997], // 2.1e-11
    sin: [-0.16666655242443085, 0.008332189172506332, -0.0001951829035533592], // 4.0e-09
    cos: [0.04166664555668831, -0.0013887310633435845, 2.4432583813904785e-05], // 1.2e-10
    ln2: [0.693145751953125, 1.428606765330187e-06],
    magic: 12582912,
    mantissaBits: 23,
    exponentBias: 127,
    rootHalfBits: 0x3f3504f3,
    oneBits: 0x3f800000,
    smallestNormal: 1.1754943508222875e-38,
    largest: 3.4028234663852886e+38,
  },
  f64: {
    exp: [
      1.0,
      1.0,
      0.5000000000000011,
      0.16666666666666463,
      0.04166666666652856,
      0.008333333333470673,
      0.0013888888943778825,
      0.00019841269546547056,
      2.4801493086440448e-05,
      2.755755761509666e-06,
      2.7630224899069805e-07,
      2.5007595412742884e-08,
    ], // 3.7e-18
    exp2: [
      1.0,
      0.6931471805599453,
      0.24022650695910108,
      0.05550410866482172,
      0.009618129107601606,
      0.0013333558146546433,
      0.00015403530449032877,
      1.5252733633822241e-05,
      1.3215438838202693e-06,
      1.0178160117271352e-07,
      7.073232572618805e-09,
      4.438851205175274e-10,
    ], // 4.1e-18
    log: [
      0.6666666666666734,
      0.39999999999417063,
      0.28571428741888016,
      0.2222219862216831,
      0.18183561874019702,
      0.15314111287041535,
      0.14795359375598377,
    ], // 1.2e-18
    sin: [
      -0.16666666666666632,
      0.00833333333332242,
      -0.0001984126982977902,
      2.7557313675994114e-06,
      -2.505075512720202e-08,
      1.5896607105648675e-10,
    ], // 3.7e-18
    cos: [
      0.041666666666666595,
      -0.0013888888888873342,
      2.4801587289002133e-05,
      -2.7557314217073737e-07,
      2.0875705403347695e-09,
      -1.1358749742060968e-11,
    ], // 5.7e-20
    ln2: [0.6931471805598903, 5.497923018708371e-14],
    magic: 6755399441055744,
    mantissaBits: 52,
    exponentBias: 1023,
    rootHalfBits: 0x3fe6a09e00000000,
    oneBits: 0x3ff0000000000000,
    smallestNormal: 2.2250738585072014e-308,
    largest: 1.7976931348623157e+308,
  },
};

/** π/2 in three float64 parts of 33, 33 and 53 bits (fdlibm): k · part is exact for |k| ≤ 2^20. */
export const HALF_PI = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21] as const;
