// Spells types, constants and operations of the loop IR as CUDA C++ expressions of one lane.

import {
  EITHER_NAN,
  isFloat,
  type MathOperation,
  type Operation,
  type Type,
} from "../../loop/mod.ts";

/** The C++ type of a lane. */
export const TYPES: Readonly<Record<Type, string>> = {
  f32: "float",
  f64: "double",
  i32: "int",
  i64: "long long",
  mask: "bool",
};

/** A constant of a type; negative ones in parentheses, so that a sign may stand before them. */
export function literal(type: Type, value: number): string {
  const text = type === "f32"
    ? floatLiteral(Math.fround(value), "f")
    : type === "f64"
    ? floatLiteral(value, "")
    : integerLiteral(type, value);
  return text.startsWith("-") ? `(${text})` : text;
}

function integerLiteral(type: "i32" | "i64" | "mask", value: number): string {
  if (type === "mask") return value !== 0 ? "true" : "false";
  if (value === -(2 ** 31) && type === "i32") return "-2147483647 - 1";
  if (value === -(2 ** 63)) return "-9223372036854775807ll - 1";
  return type === "i32" ? `${value}` : `${BigInt(value)}ll`;
}

function floatLiteral(value: number, suffix: "f" | ""): string {
  const isSingle = suffix === "f";
  if (Number.isNaN(value)) {
    return isSingle ? "__int_as_float(0x7fc00000)" : "__longlong_as_double(0x7ff8000000000000ll)";
  }
  if (!Number.isFinite(value)) {
    const infinity = isSingle
      ? "__int_as_float(0x7f800000)"
      : "__longlong_as_double(0x7ff0000000000000ll)";
    return value < 0 ? `-${infinity}` : infinity;
  }
  if (Object.is(value, -0)) return `-0.0${suffix}`;
  const text = String(value);
  return (/[.e]/.test(text) ? text : `${text}.0`) + suffix;
}

/** Math functions: single precision has an f at the end; its 2^x is one instruction. */
function math(operation: MathOperation, type: Type, args: readonly string[]): string {
  if (type === "f64") return `${operation}(${args.join(", ")})`;
  if (operation === "exp2") return `pf_exp2(${args[0]})`;
  return `${operation}f(${args.join(", ")})`;
}

/**
 * Sums and products of floats stand alone: the compiler is told not to fuse them (--fmad=false).
 */
export function operation(
  name: Operation,
  type: Type,
  argument: Type,
  args: readonly string[],
  attribute: number,
): string {
  const [a, b, c] = args;
  const single = argument === "f32";
  const unsigned = argument === "i32" ? "unsigned" : "unsigned long long";
  switch (name) {
    case "add":
      return `${a} + ${b}`;
    case "sub":
      return `${a} - ${b}`;
    case "mul":
      return `${a} * ${b}`;
    case "div":
      return `${a} / ${b}`;
    case "madd":
      return `${single ? "fmaf" : "fma"}(${a}, ${b}, ${c})`;
    case "nmadd":
      return `${single ? "fmaf" : "fma"}(-${a}, ${b}, ${c})`;
    case "neg":
      return `-${a}`;
    case "abs":
      return isFloat(argument) ? `${single ? "fabsf" : "fabs"}(${a})` : `${a} < 0 ? -${a} : ${a}`;
    case "sqrt":
    case "floor":
      return `${name}${single ? "f" : ""}(${a})`;
    case "pmin":
      if (attribute === EITHER_NAN) return `${single ? "fminf" : "fmin"}(${a}, ${b})`;
      return `${b} < ${a} ? ${b} : ${a}`;
    case "pmax":
      if (attribute === EITHER_NAN) return `${single ? "fmaxf" : "fmax"}(${a}, ${b})`;
      return `${a} < ${b} ? ${b} : ${a}`;
    case "shl":
      return `(${TYPES[type]})((${unsigned})${a} << ${attribute})`;
    case "shr":
      return `${a} >> ${attribute}`;
    case "and":
      return `${a} & ${b}`;
    case "or":
      return `${a} | ${b}`;
    case "dot16":
      return `(short)${a} * (short)${b} + (${a} >> 16) * (${b} >> 16)`;
    case "bits":
      return `${single ? "__float_as_int" : "__double_as_longlong"}(${a})`;
    case "float":
      return `${argument === "i32" ? "__int_as_float" : "__longlong_as_double"}(${a})`;
    case "convert":
    case "promote":
    case "demote":
      return `(${TYPES[type]})${a}`;
    case "lt":
      return `${a} < ${b}`;
    case "le":
      return `${a} <= ${b}`;
    case "eq":
      return `${a} == ${b}`;
    case "holds":
      return `-(${TYPES[type]})${a}`;
    case "maskNot":
      return `!${a}`;
    case "maskAnd":
      return `${a} && ${b}`;
    case "maskOr":
      return `${a} || ${b}`;
    case "select":
      return `${a} ? ${b} : ${c}`;
    default:
      return math(name, type, args);
  }
}

/** Records hold floats; integers stand in them bit for bit. */
export function fromFloat(float: string, type: Type): string {
  switch (type) {
    case "i32":
      return `__float_as_int(${float})`;
    case "i64":
      return `__double_as_longlong(${float})`;
    case "mask":
      return `${float} != 0`;
    default:
      return float;
  }
}

/** A value as the float that a record holds. */
export function toFloat(text: string, type: Type, float: Type): string {
  switch (type) {
    case "i32":
      return `__int_as_float(${text})`;
    case "i64":
      return `__longlong_as_double(${text})`;
    case "mask":
      return `(${TYPES[float]})${text}`;
    default:
      return text;
  }
}
