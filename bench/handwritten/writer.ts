// Writes inner loops by hand. A turn of a loop folds some columns into a group of row vectors; each
// pair of a row vector and a column is a chain of dependent operations. One call names one
// operation and spells it once per chain, side by side, so that independent work stands next to
// each other.
//
// V8 checks every address against the memory's size (three instructions) unless it is a constant
// below the memory's least size. So constants, parameters and the rows of the group at hand stand
// at fixed addresses and are loaded by each use; only packed columns are read at a moving address.
// Loops of few operations keep the rows in locals instead: then there are registers to spare.

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

/** How many row vectors a group has, and how many columns a turn folds into it. */
export interface Shape {
  readonly rows: number;
  readonly columns: number;
  /** Where the rows' coordinates wait: loaded by each use (default), or in locals. */
  readonly coordinates?: "memory" | "locals";
}

/** What a packed column holds: coordinates, then weights. */
export interface Columns {
  readonly dim: number;
  readonly weights: number;
}

/** Three coordinates, alone or with a weight. */
export const BARE: Columns = { dim: 3, weights: 0 };
export const WEIGHTED: Columns = { dim: 3, weights: 1 };

/** Locals: one per chain (column by column), or one per row vector. */
export type Locals = readonly number[];

/** A vector at a fixed address, `stride` bytes further for each row vector. */
export interface Fixed {
  readonly address: number;
  readonly stride: number;
}

/** Locals, one per column of the turn. */
export interface ColumnLocals {
  readonly perColumn: Locals;
}

/** What an operation reads. */
export type Operand = Locals | Fixed | ColumnLocals;

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
  | "relaxed_madd";

/** Writes a function that folds columns into a group of rows. */
export class LoopWriter {
  readonly f: FunctionBody;
  readonly float: Float;
  readonly shape: Shape;
  readonly packed: Columns;
  /** Numbers that the host must write, as vectors of equal lanes, from ADDRESS.constants on. */
  readonly constants: number[] = [];
  /** The local with the address of the turn's first packed column. */
  readonly record: number;
  readonly #kept: Locals[] | null;
  #term: number | null = null;
  #scratch: number = ADDRESS.scratch;

  constructor(
    f: FunctionBody,
    float: Float,
    shape: Shape,
    packed: Columns,
    record: number,
  ) {
    this.f = f;
    this.float = float;
    this.shape = shape;
    this.packed = packed;
    this.record = record;
    const isKept = shape.coordinates === "locals";
    this.#kept = isKept ? Array.from({ length: packed.dim }, () => this.rows()) : null;
  }

  /** Bytes of a number. */
  get size(): number {
    return this.float === "f32" ? 4 : 8;
  }

  /** Bytes of a packed column. */
  get columnBytes(): number {
    return (this.packed.dim + this.packed.weights) * this.size;
  }

  #locals(length: number): Locals {
    return Array.from({ length }, () => this.f.local("v128"));
  }

  /** New locals, one per chain. */
  chains(): Locals {
    return this.#locals(this.shape.rows * this.shape.columns);
  }

  /** New locals, one per row vector. */
  rows(): Locals {
    return this.#locals(this.shape.rows);
  }

  /** New locals, one per column of the turn. */
  columns(): ColumnLocals {
    return { perColumn: this.#locals(this.shape.columns) };
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
  coordinate(axis: number): Operand {
    if (this.#kept !== null) return this.#kept[axis];
    return { address: ADDRESS.rows + axis * this.shape.rows * VECTOR, stride: VECTOR };
  }

  /** Takes over the coordinates of a group from where they are packed. */
  takeRows(packed: number): void {
    for (let axis = 0; axis < this.packed.dim; axis++) {
      for (let row = 0; row < this.shape.rows; row++) {
        const offset = (axis * this.shape.rows + row) * VECTOR;
        if (this.#kept !== null) {
          this.f.get(packed).op("v128.load", offset).set(this.#kept[axis][row]);
        } else {
          this.f.i32(ADDRESS.rows + offset).get(packed).op("v128.load", offset);
          this.f.op("v128.store", 0);
        }
      }
    }
  }

  /** New memory, a vector per row vector. */
  scratch(): Fixed {
    const address = this.#scratch;
    this.#scratch += this.shape.rows * VECTOR;
    return { address, stride: VECTOR };
  }

  /** Loads a number of each packed column into all lanes, of this turn or of a later one. */
  load(into: ColumnLocals, index: number, turnsAhead = 0): ColumnLocals {
    const splat = this.float === "f32" ? "v128.load32_splat" : "v128.load64_splat";
    into.perColumn.forEach((local, column) => {
      const first = (turnsAhead * this.shape.columns + column) * this.columnBytes;
      this.f.get(this.record).op(splat, first + index * this.size).set(local);
    });
    return into;
  }

  /** Leaves an operand of one chain (or row vector) on the stack. */
  push(operand: Operand, chain: number): void {
    const { rows } = this.shape;
    if ("address" in operand) {
      this.f.i32(operand.address + chain % rows * operand.stride).op("v128.load", 0);
    } else if ("perColumn" in operand) this.f.get(operand.perColumn[Math.floor(chain / rows)]);
    else this.f.get(operand[chain % operand.length]);
  }

  /** out = operation(operands), for each chain, or for each row vector. */
  op(operation: FloatOperation, out: Locals, ...operands: readonly Operand[]): void {
    this.plain(`${this.#prefix}.${operation}`, out, ...operands);
  }

  /** The same for an instruction by its full name. */
  plain(instruction: Instruction, out: Locals, ...operands: readonly Operand[]): void {
    out.forEach((local, chain) => {
      for (const operand of operands) this.push(operand, chain);
      this.f.op(instruction).set(local);
    });
  }

  /** out = operation(operands) for each chain, into locals per row vector: in order of columns. */
  fold(operation: FloatOperation, out: Locals, ...operands: readonly Operand[]): void {
    const { rows, columns } = this.shape;
    for (let chain = 0; chain < rows * columns; chain++) {
      for (const operand of operands) this.push(operand, chain);
      this.f.op(`${this.#prefix}.${operation}`).set(out[chain % rows]);
    }
  }

  /** out = a·b + c */
  madd(out: Locals, a: Operand, b: Operand, c: Operand): void {
    this.op("relaxed_madd", out, a, b, c);
  }

  /** out += (x − y)², chain by chain. */
  addSquares(out: Locals, x: Operand, y: Operand): void {
    this.#term ??= this.f.local("v128");
    const term = this.#term;
    out.forEach((local, chain) => {
      this.push(x, chain);
      this.push(y, chain);
      this.f.op(`${this.#prefix}.sub`).op("local.tee", term).get(term);
      this.f.get(local).op(`${this.#prefix}.relaxed_madd`).set(local);
    });
  }

  /** out = value */
  set(out: Locals, value: Operand): void {
    out.forEach((local, chain) => {
      this.push(value, chain);
      this.f.set(local);
    });
  }

  /** memory = value, for each row vector. */
  store(memory: Fixed, value: Operand): void {
    for (let row = 0; row < this.shape.rows; row++) {
      this.f.i32(memory.address + row * memory.stride);
      this.push(value, row);
      this.f.op("v128.store", 0);
    }
  }

  /** out = mask ? a : b */
  select(out: Locals, mask: Operand, a: Operand, b: Operand): void {
    const lanes = this.float === "f32" ? "i32x4" : "i64x2";
    this.plain(`${lanes}.relaxed_laneselect`, out, a, b, mask);
  }

  /** out = number · 2^k, where the low bits of `power` hold k plus the exponent's bias. */
  timesPowerOfTwo(out: Locals, number: Locals, power: Locals): void {
    const [shift, bits] = this.float === "f32"
      ? ["i32x4.shl", 23] as const
      : ["i64x2.shl", 52] as const;
    out.forEach((local, chain) => {
      this.push(power, chain);
      this.f.i32(bits).op(shift);
      this.push(number, chain);
      this.f.op(`${this.#prefix}.mul`).set(local);
    });
  }

  /** Runs `body` if any lane of any mask holds. */
  whenAny(masks: Locals, body: () => void): void {
    masks.forEach((mask, k) => {
      this.f.get(mask);
      if (k > 0) this.f.op("v128.or");
    });
    this.f.op("v128.any_true").op("if");
    body();
    this.f.op("end");
  }

  get #prefix(): "f32x4" | "f64x2" {
    return this.float === "f32" ? "f32x4" : "f64x2";
  }
}
