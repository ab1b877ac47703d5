// Every scalar op of the tables has a method on tensors, and the method computes that op.

import { assert } from "@std/assert";
import { type Tensor, tensor } from "../../mod.ts";
import { drawn, samplesOf, SCALAR_OPS, type ScalarOp, scalarTable } from "../../src/formula/mod.ts";
import { worstError } from "../support/differences.ts";
import { randomFor } from "../support/random.ts";

type Method = (args: readonly Tensor[], attributes: readonly number[]) => Tensor;

/** How each op is written. */
const METHODS: Readonly<Record<ScalarOp, Method>> = {
  add: ([a, b]) => a.add(b),
  sub: ([a, b]) => a.sub(b),
  mul: ([a, b]) => a.mul(b),
  div: ([a, b]) => a.div(b),
  neg: ([x]) => x.neg(),
  inv: ([x]) => x.inv(),
  square: ([x]) => x.square(),
  pow: ([x], [exponent]) => x.pow(exponent),
  powr: ([x, y]) => x.pow(y),
  sqrt: ([x]) => x.sqrt(),
  rsqrt: ([x]) => x.rsqrt(),
  exp: ([x]) => x.exp(),
  log: ([x]) => x.log(),
  sin: ([x]) => x.sin(),
  cos: ([x]) => x.cos(),
  abs: ([x]) => x.abs(),
  sign: ([x]) => x.sign(),
  step: ([x]) => x.step(),
  relu: ([x]) => x.relu(),
  min: ([a, b]) => a.minimum(b),
  max: ([a, b]) => a.maximum(b),
  floor: ([x]) => x.floor(),
  round: ([x], [decimals]) => x.round(decimals),
  mod: ([x, modulus, offset]) => x.mod(modulus, offset),
  clamp: ([x, low, high]) => x.clamp(low, high),
  clampInt: ([x], [low, high]) => x.clampInt(low, high),
  expm1: ([x]) => x.expm1(),
  exp2: ([x]) => x.exp2(),
  log1p: ([x]) => x.log1p(),
  log2: ([x]) => x.log2(),
  log10: ([x]) => x.log10(),
  xLogX: ([x]) => x.xLogX(),
  sinXDivX: ([x]) => x.sinXDivX(),
  asin: ([x]) => x.asin(),
  acos: ([x]) => x.acos(),
  atan: ([x]) => x.atan(),
  atan2: ([y, x]) => y.atan2(x),
  sinh: ([x]) => x.sinh(),
  cosh: ([x]) => x.cosh(),
  tanh: ([x]) => x.tanh(),
  asinh: ([x]) => x.asinh(),
  acosh: ([x]) => x.acosh(),
  atanh: ([x]) => x.atanh(),
  erf: ([x]) => x.erf(),
  erfc: ([x]) => x.erfc(),
  sigmoid: ([x]) => x.sigmoid(),
  softplus: ([x]) => x.softplus(),
  cbrt: ([x]) => x.cbrt(),
  hypot: ([a, b]) => a.hypot(b),
  lt: ([a, b]) => a.lt(b),
  le: ([a, b]) => a.le(b),
  gt: ([a, b]) => a.gt(b),
  ge: ([a, b]) => a.ge(b),
  eq: ([a, b]) => a.eq(b),
  ne: ([a, b]) => a.ne(b),
  ifElse: ([x, a, b]) => x.ifElse(a, b),
  where: ([x, a, b]) => x.where(a, b),
};

for (const op of SCALAR_OPS) {
  Deno.test(`${op} of tensors: a method that computes it`, async () => {
    const entry = scalarTable[op];
    const random = randomFor(`tensor method ${op}`);
    for (const { attributes } of samplesOf(entry)) {
      const args = Array.from(
        { length: entry.arity },
        (_, k) => Float64Array.from({ length: 7 }, (_, d) => drawn(entry, k, d, random.next())),
      );
      const got = METHODS[op](args.map((list) => tensor(list)), attributes);
      const want = args[0].map((_, at) => entry.evaluate(args.map((list) => list[at]), attributes));
      assert(worstError(await got.data(), want) < 1e-13);
    }
  });
}

Deno.test("sinc of tensors", async () => {
  const x = tensor(new Float64Array([0, 0.5, 1]));
  assert(worstError(await x.sinc().data(), [1, 2 / Math.PI, 0]) < 1e-15);
});
