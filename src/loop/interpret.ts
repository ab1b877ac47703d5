// Runs the uniform section on the host, in float64: parameters in, the uniform record out.

import { PairfoldError } from "../error.ts";
import { erf, erfc } from "../formula/erf.ts";
import type { Cell, Counter, LocalArray, Operation, Place, Region, Value } from "./ir.ts";

const bool = (x: boolean): number => x ? 1 : 0;

/** What an operation gives; those of fewer arguments take no notice of the others. */
type Meaning = (a: number, b: number, c: number) => number;

/** What operations give, masks as 0 and 1. */
export const MEANING: Readonly<Record<Operation, Meaning>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  madd: (a, b, c) => a * b + c,
  nmadd: (a, b, c) => c - a * b,
  neg: (x) => -x,
  abs: (x) => Math.abs(x),
  sqrt: (x) => Math.sqrt(x),
  floor: (x) => Math.floor(x),
  pmin: (a, b) => b < a ? b : a,
  pmax: (a, b) => a < b ? b : a,
  lt: (a, b) => bool(a < b),
  le: (a, b) => bool(a <= b),
  eq: (a, b) => bool(a === b),
  holds: (m) => -m,
  maskNot: (m) => 1 - m,
  maskAnd: (a, b) => a & b,
  maskOr: (a, b) => a | b,
  select: (m, a, b) => m ? a : b,
  exp: (x) => Math.exp(x),
  exp2: (x) => 2 ** x,
  log: (x) => Math.log(x),
  sin: (x) => Math.sin(x),
  cos: (x) => Math.cos(x),
  expm1: (x) => Math.expm1(x),
  log1p: (x) => Math.log1p(x),
  log2: (x) => Math.log2(x),
  log10: (x) => Math.log10(x),
  asin: (x) => Math.asin(x),
  acos: (x) => Math.acos(x),
  atan: (x) => Math.atan(x),
  atan2: (y, x) => Math.atan2(y, x),
  sinh: (x) => Math.sinh(x),
  cosh: (x) => Math.cosh(x),
  tanh: (x) => Math.tanh(x),
  asinh: (x) => Math.asinh(x),
  acosh: (x) => Math.acosh(x),
  atanh: (x) => Math.atanh(x),
  erf: (x) => erf(x),
  erfc: (x) => erfc(x),
  cbrt: (x) => Math.cbrt(x),
  hypot: (x, y) => Math.hypot(x, y),
  pow: (x, y) => y === 0 ? 1 : x < 0 ? NaN : Math.abs(x) ** y,
  convert: (x) => x,
  promote: (x) => x,
  demote: (x) => Math.fround(x),
  shl: refuse,
  shr: refuse,
  and: refuse,
  or: refuse,
  dot16: refuse,
  bits: refuse,
  float: refuse,
};

function refuse(): never {
  throw new PairfoldError("internal", "the uniform section has no integer operations");
}

/** One row per input; null: not uniform. */
export type UniformInputs = readonly (ArrayLike<number> | null)[];
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

/** Computes one value; what it reads stands in the registers of a section. */
type Step = () => void;

/**
 * Turns a section into functions that know where their operands stand, so that a run looks nothing
 * up: one register per value, cell and counter.
 */
function interpreterOf(root: Region): Interpreter {
  let inputs: UniformInputs = [];
  let record = new Float64Array(0);
  const places = new Map<Value | Cell | Counter, number>();
  const registers: number[] = [];
  const cells: number[] = [];
  const arrays = new Map<LocalArray, Float64Array>();
  const arrayOf = (array: LocalArray): Float64Array => {
    let data = arrays.get(array);
    if (data === undefined) arrays.set(array, data = new Float64Array(array.length));
    return data;
  };
  const registerOf = (place: Value | Cell | Counter): number => {
    let register = places.get(place);
    if (register === undefined) {
      places.set(place, register = registers.length);
      registers.push(0);
    }
    return register;
  };
  const cellOf = (cell: Cell): number => {
    const isNew = !places.has(cell);
    const register = registerOf(cell);
    if (isNew) cells.push(register);
    return register;
  };
  /** The register of a value that was computed before. */
  const operand = (value: Value): number => {
    const register = places.get(value);
    if (register === undefined) throw new PairfoldError("internal", "uniform value is undefined");
    return register;
  };
  const elementOf = ({ offset, terms }: Place): () => number => {
    if (terms.length === 0) return () => offset;
    const steps = terms.map(({ counter, step }) => ({ register: registerOf(counter), step }));
    return () => {
      let at = offset;
      for (const { register, step } of steps) at += step * registers[register];
      return at;
    };
  };
  const operation = (name: Operation, args: readonly number[], to: number): Step => {
    const meaning = MEANING[name];
    const [a, b = a, c = a] = args;
    return () => registers[to] = meaning(registers[a], registers[b], registers[c]);
  };
  const computing = (value: Value): Step => {
    switch (value.kind) {
      case "constant": {
        const to = registerOf(value);
        return () => registers[to] = value.value;
      }
      case "get": {
        const from = cellOf(value.cell);
        const to = registerOf(value);
        return () => registers[to] = registers[from];
      }
      case "operation": {
        const args = value.args.map(operand);
        return operation(value.operation, args, registerOf(value));
      }
      case "load": {
        const { memory } = value;
        const element = elementOf(value.place);
        const to = registerOf(value);
        if (memory.kind === "input") {
          const { slot } = memory;
          return () => registers[to] = inputs[slot]?.[element()] ?? NaN;
        }
        if (memory.kind === "record") return () => registers[to] = record[element()];
        if (memory.kind === "array") {
          const { array } = memory;
          return () => registers[to] = arrayOf(array)[element()];
        }
        throw new PairfoldError("internal", `the uniform section reads no ${memory.kind}`);
      }
      case "counter": {
        const from = registerOf(value.counter);
        const to = registerOf(value);
        return () => registers[to] = registers[from];
      }
      case "index":
      case "count":
        throw new PairfoldError("internal", `the uniform section has no ${value.kind}`);
    }
    value satisfies never;
    throw new TypeError();
  };
  const steps = ({ statements }: Region): Step => {
    const list = statements.map((s): Step => {
      switch (s.kind) {
        case "let":
          return computing(s.value);
        case "set": {
          const from = operand(s.value);
          const to = cellOf(s.cell);
          return () => registers[to] = registers[from];
        }
        case "store": {
          const from = operand(s.value);
          const element = elementOf(s.place);
          const { memory } = s;
          if (memory.kind === "array") {
            const { array } = memory;
            return () => arrayOf(array)[element()] = registers[from];
          }
          return () => record[element()] = registers[from];
        }
        case "scatter": {
          const at = operand(s.index);
          const parts = s.parts.map(({ array, value }) => ({ array, from: operand(value) }));
          return () => {
            for (const { array, from } of parts) arrayOf(array)[registers[at]] = registers[from];
          };
        }
        case "append": {
          const unless = operand(s.unless);
          const parts = s.parts.map(({ array, value }) => ({ array, from: operand(value) }));
          return () => {
            const size = arrayOf(s.size);
            if (registers[unless] !== 0) return;
            for (const { array, from } of parts) arrayOf(array)[size[0]] = registers[from];
            size[0]++;
          };
        }
        case "for": {
          const counter = registerOf(s.counter);
          const body = steps(s.body);
          return () => {
            for (let k = 0; k < s.count; k++) {
              registers[counter] = k;
              body();
            }
          };
        }
        case "when": {
          const mask = operand(s.mask);
          const body = steps(s.body);
          return () => {
            if ((registers[mask] !== 0) === (s.test === "any")) body();
          };
        }
      }
      s satisfies never;
      throw new TypeError();
    });
    return () => {
      for (const step of list) step();
    };
  };
  const run = steps(root);
  return (given, length) => {
    inputs = given;
    record = new Float64Array(length);
    for (const cell of cells) registers[cell] = 0;
    arrays.clear();
    run();
    return record;
  };
}
