// Writes inner loops by hand. One call names one operation and spells it once per vector of rows,
// side by side, so that independent work stands next to each other.
//
// V8 checks every address against the memory's size (three instructions) unless it is a constant
// below the memory's least size. So constants, parameters and the rows of the group at hand stand at
// fixed addresses and are loaded by each use; only packed columns are read at a moving address.

import type { FunctionBody, Instruction } from "../../src/emit/wasm/assembler.ts";

/** The float type of a loop. */
export type Float = "f32" | "f64";

/** Bytes of a vector register. */
export const VECTOR = 16;

/** Fixed addresses in bytes; packed rows and columns follow from `data` on. */
export const ADDRESS = {
  parameters: 1024,
  constants: 4096,
  rows: 8192,
  scratch: 16384,
  data: 65536,
} as const;

/** Locals, one per vector of rows. */
export type Rows = readonly number[];

/** A vector at a fixed address, `stride` bytes further for each vector of rows. */
export interface Fixed {
  readonly address: number;
  readonly stride: number;
}

/** What an operation reads: locals per vector of rows, one local for all, or memory. */
export type Operand = Rows | number | Fixed;

/** Instructions by their names without the prefix of the float type. */
export type FloatOperation =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "sqrt"
  | "pmin"
  | "pmax"
  | "lt"
  | "le"
  | "eq"
  | "relaxed_madd"
  | "relaxed_nmadd";

/** Writes a function that folds columns into a group of row vectors. */
export class RowWriter {
  readonly f: FunctionBody;
  readonly float: Float;
  /** Vectors of rows in a group. */
  readonly count: number;
  /** Numbers that the host must write, as vectors of equal lanes, from ADDRESS.constants on. */
  readonly constants: number[] = [];
  readonly #record: number;
  #scratch: number = ADDRESS.scratch;

  /** `record`: the local with the address of the packed column at hand. */
  constructor(f: FunctionBody, float: Float, count: number, record: number) {
    this.f = f;
    this.float = float;
    this.count = count;
    this.#record = record;
  }

  /** Bytes of a number. */
  get size(): number {
    return this.float === "f32" ? 4 : 8;
  }

  /** New locals, one per vector of rows. */
  rows(): Rows {
    return Array.from({ length: this.count }, () => this.f.local("v128"));
  }

  /** A new local. */
  shared(): number {
    return this.f.local("v128");
  }

  /** A number in all lanes. */
  constant(value: number): Fixed {
    const known = this.constants.findIndex((c) => Object.is(c, value));
    const index = known >= 0 ? known : this.constants.push(value) - 1;
    return { address: ADDRESS.constants + index * VECTOR, stride: 0 };
  }

  /** A number that each run gives, in all lanes. */
  parameter(index: number): Fixed {
    return { address: ADDRESS.parameters + index * VECTOR, stride: 0 };
  }

  /** A coordinate of the rows at hand. */
  row(axis: number): Fixed {
    return { address: ADDRESS.rows + axis * this.count * VECTOR, stride: VECTOR };
  }

  /** New memory, a vector per vector of rows. */
  scratch(): Fixed {
    const address = this.#scratch;
    this.#scratch += this.count * VECTOR;
    return { address, stride: VECTOR };
  }

  /** Loads a number of the packed column into all lanes of a local. */
  column(into: number, index: number): number {
    const splat = this.float === "f32" ? "v128.load32_splat" : "v128.load64_splat";
    this.f.get(this.#record).op(splat, index * this.size).set(into);
    return into;
  }

  /** Leaves one row vector's operand on the stack. */
  push(operand: Operand, row: number): void {
    if (typeof operand === "number") this.f.get(operand);
    else if ("address" in operand) {
      this.f.i32(operand.address + row * operand.stride).op("v128.load", 0);
    } else this.f.get(operand[row]);
  }

  /** out = operation(operands), for each vector of rows. */
  op(operation: FloatOperation, out: Rows, ...operands: readonly Operand[]): void {
    const prefix = this.float === "f32" ? "f32x4" : "f64x2";
    this.plain(`${prefix}.${operation}`, out, ...operands);
  }

  /** The same for an instruction by its full name. */
  plain(instruction: Instruction, out: Rows, ...operands: readonly Operand[]): void {
    out.forEach((local, row) => {
      for (const operand of operands) this.push(operand, row);
      this.f.op(instruction).set(local);
    });
  }

  /** out = a·b + c */
  madd(out: Rows, a: Operand, b: Operand, c: Operand): void {
    this.op("relaxed_madd", out, a, b, c);
  }

  /** out = value */
  set(out: Rows, value: Operand): void {
    out.forEach((local, row) => {
      this.push(value, row);
      this.f.set(local);
    });
  }

  /** memory = value */
  store(memory: Fixed, value: Operand): void {
    for (let row = 0; row < this.count; row++) {
      this.f.i32(memory.address + row * memory.stride);
      this.push(value, row);
      this.f.op("v128.store", 0);
    }
  }

  /** out = mask ? a : b */
  select(out: Rows, mask: Operand, a: Operand, b: Operand): void {
    const lane = this.float === "f32" ? "i32x4" : "i64x2";
    this.plain(`${lane}.relaxed_laneselect`, out, a, b, mask);
  }

  /** out = number · 2^k, where the low bits of `power` hold k and the exponent's bias. */
  timesPowerOfTwo(out: Rows, number: Rows, power: Rows): void {
    const [prefix, lane, bits] = this.float === "f32"
      ? ["f32x4", "i32x4", 23] as const
      : ["f64x2", "i64x2", 52] as const;
    out.forEach((local, row) => {
      this.push(power, row);
      this.f.i32(bits).op(`${lane}.shl`);
      this.push(number, row);
      this.f.op(`${prefix}.mul`).set(local);
    });
  }
}
