// Spells types, constants and operations of the loop IR as C expressions of one vector of lanes, in
// the words of prelude.ts.

import { PairfoldError } from "../../error.ts";
import { type FloatType, isFloat, type Operation, type Type } from "../../loop/mod.ts";

/**
 * The type of a vector of lanes: `vf` of the kernel's floats, `vi` of integers as wide and of
 * masks,
 * `wf` of float64 in float32 kernels.
 */
export function typeOf(type: Type, float: FloatType): string {
  switch (type) {
    case "mask":
    case "i32":
    case "i64":
      return "vi";
    default:
      return type === float ? "vf" : "wf";
  }
}

/** All lanes the same number. */
export function literal(type: Type, value: number, float: FloatType): string {
  switch (type) {
    case "mask":
      return `splat_i(${value !== 0 ? -1 : 0})`;
    case "i32":
      return `splat_i(${value === -(2 ** 31) ? "-2147483647 - 1" : value})`;
    case "i64":
      return `splat_i(${
        value === -(2 ** 63) ? "-9223372036854775807ll - 1" : `${BigInt(value)}ll`
      })`;
    default:
      return type === float
        ? `splat(${floatLiteral(type === "f32" ? Math.fround(value) : value, type)})`
        : `splat_w(${floatLiteral(value, "f64")})`;
  }
}

function floatLiteral(value: number, type: FloatType): string {
  const suffix = type === "f32" ? "f" : "";
  if (Number.isNaN(value)) return `__builtin_nan${suffix}("")`;
  if (!Number.isFinite(value)) return `${value < 0 ? "-" : ""}__builtin_inf${suffix}()`;
  if (Object.is(value, -0)) return `-0.0${suffix}`;
  const text = String(value);
  return (/[.e]/.test(text) ? text : `${text}.0`) + suffix;
}

/** Operations between two operands that the language has a sign for. */
const SIGNS: Partial<Record<Operation, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  and: "&",
  or: "|",
  maskAnd: "&",
  maskOr: "|",
};
/** Comparisons, whose result is a vector of integers. */
const COMPARISONS: Partial<Record<Operation, string>> = { lt: "<", le: "<=", eq: "==" };
/** Functions of the prelude; those of float64 in float32 kernels have a w at the end. */
const FUNCTIONS: Partial<Record<Operation, string>> = {
  madd: "madd",
  nmadd: "nmadd",
  sqrt: "root",
  floor: "down",
  pmin: "pmin",
  pmax: "pmax",
  dot16: "dot16",
};

/** An operation on vectors. */
export function operation(
  name: Operation,
  type: Type,
  argument: Type,
  args: readonly string[],
  attribute: number,
  float: FloatType,
): string {
  const [a, b, c] = args;
  const isWide = isFloat(argument) && argument !== float;
  const sign = SIGNS[name];
  if (sign !== undefined) return `${a} ${sign} ${b}`;
  const comparison = COMPARISONS[name];
  if (comparison !== undefined && !isWide) return `(vi)(${a} ${comparison} ${b})`;
  const called = FUNCTIONS[name];
  if (called !== undefined) {
    const variant = isWide ? "_w" : name === "pmin" && !isFloat(argument) ? "_i" : "";
    return `${called}${variant}(${args.join(", ")})`;
  }
  switch (name) {
    case "neg":
      return `-${a}`;
    case "abs":
      return isFloat(argument) ? `magnitude${isWide ? "_w" : ""}(${a})` : `magnitude_i(${a})`;
    case "shl":
      return `(vi)((vu)${a} << ${attribute})`;
    case "shr":
      return `${a} >> ${attribute}`;
    case "bits":
      return `(vi)${a}`;
    case "float":
      return `(vf)${a}`;
    case "convert":
      return `to_float(${a})`;
    case "promote":
      return `promote(${a})`;
    case "demote":
      return `demote(${a})`;
    case "holds":
      return a;
    case "maskNot":
      return `~${a}`;
    case "select":
      if (isFloat(type) && type !== float) break;
      return isFloat(type) ? `choose(${a}, ${b}, ${c})` : `choose_i(${a}, ${b}, ${c})`;
  }
  throw new PairfoldError("internal", `C has no ${name} of ${argument}`);
}
