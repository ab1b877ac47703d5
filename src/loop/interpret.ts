// Runs the uniform section on the host, in float64: parameters in, the uniform record out.

import { PairfoldError } from "../error.ts";
import { erf, erfc } from "../formula/erf.ts";
import type { Cell, Counter, LocalArray, Operation, Place, Region, Value } from "./ir.ts";

const bool = (x: boolean): number => x ? 1 : 0;

const MEANING: Readonly<Record<Operation, (args: readonly number[]) => number>> = {
  add: ([a, b]) => a + b,
  sub: ([a, b]) => a - b,
  mul: ([a, b]) => a * b,
  div: ([a, b]) => a / b,
  madd: ([a, b, c]) => a * b + c,
  nmadd: ([a, b, c]) => c - a * b,
  neg: ([x]) => -x,
  abs: ([x]) => Math.abs(x),
  sqrt: ([x]) => Math.sqrt(x),
  floor: ([x]) => Math.floor(x),
  pmin: ([a, b]) => b < a ? b : a,
  pmax: ([a, b]) => a < b ? b : a,
  lt: ([a, b]) => bool(a < b),
  le: ([a, b]) => bool(a <= b),
  eq: ([a, b]) => bool(a === b),
  holds: ([m]) => -m,
  maskNot: ([m]) => 1 - m,
  maskAnd: ([a, b]) => a & b,
  maskOr: ([a, b]) => a | b,
  select: ([m, a, b]) => m ? a : b,
  exp: ([x]) => Math.exp(x),
  exp2: ([x]) => 2 ** x,
  log: ([x]) => Math.log(x),
  sin: ([x]) => Math.sin(x),
  cos: ([x]) => Math.cos(x),
  expm1: ([x]) => Math.expm1(x),
  log1p: ([x]) => Math.log1p(x),
  asin: ([x]) => Math.asin(x),
  acos: ([x]) => Math.acos(x),
  atan: ([x]) => Math.atan(x),
  atan2: ([y, x]) => Math.atan2(y, x),
  sinh: ([x]) => Math.sinh(x),
  cosh: ([x]) => Math.cosh(x),
  tanh: ([x]) => Math.tanh(x),
  erf: ([x]) => erf(x),
  erfc: ([x]) => erfc(x),
  hypot: ([x, y]) => Math.hypot(x, y),
  pow: ([x, y]) => y === 0 ? 1 : x < 0 ? NaN : Math.abs(x) ** y,
  convert: ([x]) => x,
  promote: ([x]) => x,
  demote: ([x]) => Math.fround(x),
  shl: refuse,
  shr: refuse,
  and: refuse,
  or: refuse,
  bits: refuse,
  float: refuse,
};

function refuse(): never {
  throw new PairfoldError("internal", "the uniform section has no integer operations");
}

type UniformInputs = readonly (ArrayLike<number> | null)[];
type Interpreter = (inputs: UniformInputs, length: number) => Float64Array;

/** What has been made ready: a launch of many batches runs one section as often. */
const interpreters = new WeakMap<Region, Interpreter>();

/** Computes the uniform record, in float64, from one row per input (null: not uniform). */
export function interpretUniform(
  root: Region,
  inputs: UniformInputs,
  length: number,
): Float64Array {
  let interpreter = interpreters.get(root);
  if (interpreter === undefined) interpreters.set(root, interpreter = interpreterOf(root));
  return interpreter(inputs, length);
}

function interpreterOf(root: Region): Interpreter {
  let inputs: UniformInputs = [];
  let record = new Float64Array(0);
  const values = new Map<Value, number>();
  const cells = new Map<Cell, number>();
  const arrays = new Map<LocalArray, Float64Array>();
  const counters = new Map<Counter, number>();
  const arrayOf = (array: LocalArray): Float64Array => {
    let data = arrays.get(array);
    if (data === undefined) arrays.set(array, data = new Float64Array(array.length));
    return data;
  };
  const read = (value: Value): number => {
    const result = values.get(value);
    if (result === undefined) throw new PairfoldError("internal", "uniform value is undefined");
    return result;
  };
  const turns = (counter: Counter): number => counters.get(counter) ?? 0;
  const element = ({ offset, terms }: Place): number =>
    terms.reduce((at, { counter, step }) => at + step * turns(counter), offset);
  const compute = (value: Value): number => {
    switch (value.kind) {
      case "constant":
        return value.value;
      case "get":
        return cells.get(value.cell) ?? 0;
      case "operation":
        return MEANING[value.operation](value.args.map(read));
      case "load": {
        const { memory } = value;
        const at = element(value.place);
        if (memory.kind === "input") return inputs[memory.slot]?.[at] ?? NaN;
        if (memory.kind === "array") return arrayOf(memory.array)[at];
        return record[at];
      }
      case "counter":
        return turns(value.counter);
      case "index":
      case "count":
        throw new PairfoldError("internal", `the uniform section has no ${value.kind}`);
    }
    value satisfies never;
    throw new TypeError();
  };
  const run = (region: Region): void => {
    for (const s of region.statements) {
      switch (s.kind) {
        case "let":
          values.set(s.value, compute(s.value));
          break;
        case "set":
          cells.set(s.cell, read(s.value));
          break;
        case "store": {
          const target = s.memory.kind === "array" ? arrayOf(s.memory.array) : record;
          target[element(s.place)] = read(s.value);
          break;
        }
        case "scatter":
          for (const { array, value } of s.parts) arrayOf(array)[read(s.index)] = read(value);
          break;
        case "append": {
          const size = arrayOf(s.size);
          if (read(s.unless) !== 0) break;
          for (const { array, value } of s.parts) arrayOf(array)[size[0]] = read(value);
          size[0]++;
          break;
        }
        case "for":
          for (let k = 0; k < s.count; k++) {
            counters.set(s.counter, k);
            run(s.body);
          }
          break;
        case "when":
          if ((read(s.mask) !== 0) === (s.test === "any")) run(s.body);
          break;
      }
    }
  };
  return (given, length) => {
    inputs = given;
    record = new Float64Array(length);
    cells.clear();
    arrays.clear();
    run(root);
    return record;
  };
}
