// Spells the operations of the loop IR as WebAssembly SIMD instructions.

import { PairfoldError } from "../../error.ts";
import { bytesOf, type FloatType, isFloat, type Operation, type Value } from "../../loop/mod.ts";
import type { FunctionBody, Instruction } from "./assembler.ts";

/** What the host's WebAssembly offers beyond plain SIMD. */
export interface WasmFeatures {
  /** Fused multiply-add and lane selection (relaxed SIMD). */
  readonly relaxed: boolean;
  /** Shared memory, hence threads. */
  readonly shared: boolean;
  /** More than one memory in a module, hence one of each thread's own. */
  readonly memories: boolean;
}

const PREFIX = { f32: "f32x4", f64: "f64x2", i32: "i32x4", i64: "i64x2", mask: "v128" } as const;

/** The spelling of operations that are one instruction after their arguments. */
const PLAIN: Partial<Record<Operation, string>> = {
  add: "add",
  sub: "sub",
  mul: "mul",
  div: "div",
  neg: "neg",
  abs: "abs",
  sqrt: "sqrt",
  floor: "floor",
  pmin: "pmin",
  pmax: "pmax",
  lt: "lt",
  le: "le",
  eq: "eq",
};
/** Of integers of 32 bits. */
const INTEGERS: Partial<Record<Operation, Instruction>> = {
  pmin: "i32x4.min_s",
  dot16: "i32x4.dot_i16x8_s",
};
const BITWISE: Partial<Record<Operation, Instruction>> = {
  and: "v128.and",
  or: "v128.or",
  maskAnd: "v128.and",
  maskOr: "v128.or",
  maskNot: "v128.not",
};

/** Whether all bits of a value are known to be 0. */
function isZero(value: Value): boolean {
  return value.kind === "constant" && Object.is(value.value, 0);
}

/**
 * Emits operations into one function; `push` leaves an argument (or one half of it) on the stack.
 */
export class Spelling {
  readonly #f: FunctionBody;
  readonly #float: FloatType;
  readonly #features: WasmFeatures;
  readonly #push: (value: Value, half?: number) => void;
  /** Bytes of a lane. */
  readonly #size: number;

  constructor(
    f: FunctionBody,
    float: FloatType,
    features: WasmFeatures,
    push: (value: Value, half?: number) => void,
  ) {
    this.#f = f;
    this.#float = float;
    this.#features = features;
    this.#push = push;
    this.#size = bytesOf(float, float);
  }

  operation(value: Value & { kind: "operation" }, half: number): void {
    const f = this.#f;
    const { operation, args } = value;
    const [first] = args;
    const prefix = PREFIX[first.type];
    const pushAll = (): void => args.forEach((a) => this.#push(a, half));
    const ofIntegers = prefix === "i32x4" ? INTEGERS[operation] : undefined;
    if (ofIntegers !== undefined) {
      pushAll();
      f.op(ofIntegers);
      return;
    }
    const plain = PLAIN[operation];
    if (plain !== undefined) {
      pushAll();
      const signed = !isFloat(first.type) && (operation === "lt" || operation === "le") ? "_s" : "";
      f.op(`${prefix}.${plain}${signed}` as Instruction);
      return;
    }
    const bitwise = BITWISE[operation];
    if (bitwise !== undefined) {
      pushAll();
      f.op(bitwise);
      return;
    }
    switch (operation) {
      case "madd":
      case "nmadd":
        this.#fused(operation, args, half);
        return;
      case "select":
        if (bytesOf(value.type, this.#float) > this.#size) {
          throw new PairfoldError("internal", "select of wide values");
        }
        this.#push(args[1]);
        if (isZero(args[2])) { // one instruction, where Intel's blend is three
          this.#push(args[0]);
          f.op("v128.and");
          return;
        }
        this.#push(args[2]);
        this.#push(args[0]);
        if (!this.#features.relaxed) f.op("v128.bitselect");
        else if (this.#size === 4) f.op("i32x4.relaxed_laneselect");
        else f.op("i64x2.relaxed_laneselect");
        return;
      case "shl":
      case "shr":
        pushAll();
        f.i32(value.attribute);
        f.op(`${prefix}.${operation === "shl" ? "shl" : "shr_s"}` as Instruction);
        return;
      case "holds":
      case "bits":
      case "float":
        pushAll();
        return;
      case "convert":
        this.#convert(first);
        return;
      case "promote":
        this.#push(first);
        if (half === 1) {
          this.#push(first);
          f.op("i8x16.shuffle", ...[8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);
        }
        f.op("f64x2.promote_low_f32x4");
        return;
      case "demote":
        this.#push(first, 0);
        f.op("f32x4.demote_f64x2_zero");
        this.#push(first, 1);
        f.op("f32x4.demote_f64x2_zero");
        f.op("i8x16.shuffle", ...[0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
        return;
      default:
        throw new PairfoldError("internal", `WebAssembly has no ${operation}`);
    }
  }

  #fused(operation: "madd" | "nmadd", args: readonly Value[], half: number): void {
    const f = this.#f;
    const [a, b, c] = args;
    const prefix = a.type === "f32" ? "f32x4" : "f64x2";
    if (this.#features.relaxed) {
      for (const x of args) this.#push(x, half);
      f.op(`${prefix}.relaxed_${operation}`);
      return;
    }
    if (operation === "nmadd") this.#push(c, half);
    this.#push(a, half);
    this.#push(b, half);
    f.op(`${prefix}.mul`);
    if (operation === "nmadd") f.op(`${prefix}.sub`);
    else {
      this.#push(c, half);
      f.op(`${prefix}.add`);
    }
  }

  /** Integer to float. 64-bit lanes have no instruction: add to the bits of 1.5 · 2^52. */
  #convert(x: Value): void {
    const f = this.#f;
    this.#push(x);
    if (this.#size === 4) {
      f.op("f32x4.convert_i32x4_s");
      return;
    }
    const magic = new Uint8Array(new Float64Array(2).fill(1.5 * 2 ** 52).buffer);
    f.op("v128.const", ...magic).op("i64x2.add").op("v128.const", ...magic).op("f64x2.sub");
  }
}
