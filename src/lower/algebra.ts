// The scalar arithmetic that ops are defined against, over values of the loop IR.

import type { ScalarAlgebra } from "../formula/mod.ts";
import { type Builder, isFloat, type MathFunctions, type Value } from "../loop/mod.ts";

/** A value as a float of its section: indices are integers until they meet arithmetic. */
export const asFloat = (b: Builder, value: Value): Value =>
  isFloat(value.type) ? value : b.convert(value);

/** Arithmetic that writes to a builder; indices become floats in it. */
export function algebraOf(b: Builder, math: MathFunctions): ScalarAlgebra<Value, Value> {
  const float = (x: Value): Value => asFloat(b, x);
  // indices compare as integers, exactly
  const compare = (how: "lt" | "le" | "eq") => (x: Value, y: Value): Value =>
    x.type === y.type ? b[how](x, y) : b[how](float(x), float(y));
  return {
    constant: (value) => b.constant(value),
    add: (x, y) => b.add(float(x), float(y)),
    sub: (x, y) => b.sub(float(x), float(y)),
    mul: (x, y) => b.mul(float(x), float(y)),
    div: (x, y) => b.div(float(x), float(y)),
    neg: (x) => b.neg(float(x)),
    abs: (x) => b.abs(float(x)),
    sqrt: (x) => b.sqrt(float(x)),
    floor: (x) => b.floor(float(x)),
    exp: (x) => math.exp(b, float(x)),
    exp2: (x) => math.exp2All(b, float(x)),
    expm1: (x) => math.expm1(b, float(x)),
    log: (x) => math.log(b, float(x)),
    log1p: (x) => math.log1p(b, float(x)),
    log2: (x) => math.log2(b, float(x)),
    log10: (x) => math.log10(b, float(x)),
    sin: (x) => math.sin(b, float(x)),
    cos: (x) => math.cos(b, float(x)),
    asin: (x) => math.asin(b, float(x)),
    acos: (x) => math.acos(b, float(x)),
    atan: (x) => math.atan(b, float(x)),
    atan2: (y, x) => math.atan2(b, float(y), float(x)),
    sinh: (x) => math.sinh(b, float(x)),
    cosh: (x) => math.cosh(b, float(x)),
    tanh: (x) => math.tanh(b, float(x)),
    asinh: (x) => math.asinh(b, float(x)),
    acosh: (x) => math.acosh(b, float(x)),
    atanh: (x) => math.atanh(b, float(x)),
    erf: (x) => math.erf(b, float(x)),
    erfc: (x) => math.erfc(b, float(x)),
    pow: (x, y) => math.pow(b, float(x), float(y)),
    cbrt: (x) => math.cbrt(b, float(x)),
    hypot: (x, y) => math.hypot(b, float(x), float(y)),
    lt: compare("lt"),
    le: compare("le"),
    eq: compare("eq"),
    not: (m) => b.maskNot(m),
    or: (m, n) => b.maskOr(m, n),
    select: (m, x, y) => x.type === y.type ? b.select(m, x, y) : b.select(m, float(x), float(y)),
  };
}
