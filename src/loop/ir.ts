// The loop IR: typed values over lanes, in structured regions. One lane is one row i (in the column
// section one column j). Formula lowering and reductions build it; emitters spell it.
//
// A value is pure unless it reads a cell or memory that is written elsewhere. `madd` is a·b + c,
// fused where the target has it. `pmin(a, b)` is b < a ? b : a, `pmax(a, b)` is a < b ? b : a, so a
// NaN in b never wins.

/** The type of one lane. `i32`/`i64` are integers as wide as the kernel's float type. */
export type Type = "f32" | "f64" | "i32" | "i64" | "mask";
/** The two float types. */
export type FloatType = "f32" | "f64";

/** The parts of a kernel, by what they depend on (uniform: parameters; row: i; column: j). */
export type Section = "uniform" | "row" | "column" | "pair" | "finish";
/** Sections whose values are kept in a record that later sections load from. */
export type RecordSection = "uniform" | "row" | "column";

/** The counter of a `for` statement: 0 … count − 1. */
export interface Counter {
  readonly id: number;
  readonly count: number;
}

/** A counter's share of a place. */
export interface Term {
  readonly counter: Counter;
  readonly step: number;
}

/** A place in an array: `offset` + Σ step · counter. */
export interface Place {
  readonly offset: number;
  readonly terms: readonly Term[];
}

/** What loads read and stores write. */
export type Memory =
  | { readonly kind: "input"; readonly slot: number }
  | { readonly kind: "record"; readonly section: RecordSection }
  | { readonly kind: "array"; readonly array: LocalArray }
  /** What the narrow part of a pair keeps for updates that wait (deferred.ts). */
  | { readonly kind: "held" }
  | { readonly kind: "output"; readonly slot: number };

/** An indexable array of the row at hand: state or scratch. */
export interface LocalArray {
  readonly id: number;
  readonly name: string;
  readonly type: Type;
  readonly length: number;
}

/** A mutable scalar of the row at hand. */
export interface Cell {
  readonly id: number;
  readonly name: string;
  readonly type: Type;
}

/** Math functions of targets that have them: the host, for the uniform section; CUDA. */
export const MATH_OPERATIONS = {
  exp: 1,
  exp2: 1,
  expm1: 1,
  log: 1,
  log1p: 1,
  log2: 1,
  log10: 1,
  sin: 1,
  cos: 1,
  asin: 1,
  acos: 1,
  atan: 1,
  atan2: 2,
  sinh: 1,
  cosh: 1,
  tanh: 1,
  asinh: 1,
  acosh: 1,
  atanh: 1,
  erf: 1,
  erfc: 1,
  pow: 2,
  cbrt: 1,
  hypot: 2,
} as const;
export type MathOperation = keyof typeof MATH_OPERATIONS;

/** Pure operations: their arguments have the type named, their result the same unless said. */
export const OPERATIONS = {
  add: 2,
  sub: 2,
  mul: 2,
  div: 2,
  madd: 3,
  nmadd: 3, // c − a·b
  neg: 1,
  abs: 1,
  sqrt: 1,
  floor: 1,
  pmin: 2,
  pmax: 2,
  shl: 1, // integers; the amount is the attribute
  shr: 1, // arithmetic
  and: 2,
  or: 2,
  dot16: 2, // i32 as two integers of 16 bits each: a₀ b₀ + a₁ b₁
  bits: 1, // float to integer of the same width, bit for bit
  float: 1, // the inverse of bits
  convert: 1, // integer to float, by value
  promote: 1, // f32 to f64
  demote: 1, // f64 to f32
  lt: 2, // comparisons give masks
  le: 2,
  eq: 2,
  holds: 1, // mask to integer: −1 where it holds, else 0
  maskNot: 1,
  maskAnd: 2,
  maskOr: 2,
  select: 3, // mask, value, value
  ...MATH_OPERATIONS,
} as const;
export type Operation = keyof typeof OPERATIONS;

/** A value of one lane. */
export type Value =
  & {
    readonly id: number;
    readonly type: Type;
    /** The region that computes it. */
    readonly region: Region;
    /** Whether it differs between the rows of one column. */
    readonly perRow: boolean;
    /** Which row of a group it belongs to, once rows were replicated; else 0. */
    readonly row: number;
    /** Which column of a turn it belongs to, once columns were replicated; else 0. */
    readonly column: number;
  }
  & (
    | { readonly kind: "constant"; readonly value: number }
    | { readonly kind: "index"; readonly axis: "row" | "column" }
    | { readonly kind: "count" } // number of columns folded
    | { readonly kind: "counter"; readonly counter: Counter } // of the loop around
    | { readonly kind: "get"; readonly cell: Cell }
    | { readonly kind: "load"; readonly memory: Memory; readonly place: Place }
    | {
      readonly kind: "operation";
      readonly operation: Operation;
      readonly args: readonly Value[];
      /** Shift amount. */
      readonly attribute: number;
    }
  );

/** One array that a scatter or an append stores to, and what. */
export interface ScatterPart {
  readonly array: LocalArray;
  readonly value: Value;
}

/** One step of a region. */
export type Statement =
  | { readonly kind: "let"; readonly value: Value }
  | { readonly kind: "set"; readonly cell: Cell; readonly value: Value }
  | {
    readonly kind: "store";
    readonly memory: Memory;
    readonly place: Place;
    readonly value: Value;
    readonly row: number;
  }
  | {
    /** Each lane stores to its own place of local arrays: array[index] = value, for every part. */
    readonly kind: "scatter";
    readonly index: Value;
    readonly parts: readonly ScatterPart[];
  }
  | {
    /**
     * In lanes where the mask fails: array[size] = value for every part, then size + 1; `size` is
     * an array of one integer. Takes effect at the end of its region, which may not read the
     * arrays.
     */
    readonly kind: "append";
    readonly unless: Value;
    /** The mask is a ≤ b of a bound and a pair's value: where that is NaN, it may be left out. */
    readonly skipsNaN: boolean;
    readonly size: LocalArray;
    readonly parts: readonly ScatterPart[];
  }
  | {
    readonly kind: "for";
    readonly counter: Counter;
    readonly count: number;
    readonly body: Region;
  }
  | {
    /** Runs the body if any lane's mask holds, or if not all lanes' masks hold; else the other. */
    readonly kind: "when";
    readonly test: "any" | "notAll";
    readonly mask: Value;
    /**
     * The mask is a ≤ b of a bound and a pair's value: where that is NaN, the body changes nothing.
     */
    readonly skipsNaN: boolean;
    readonly body: Region;
    /** The columns of a turn that the body runs for, one after another; default once. */
    readonly columns?: number;
    readonly otherwise?: Region;
  };

/** A list of steps, with the values that it has computed. */
export interface Region {
  readonly kind: "root" | "for" | "when";
  readonly statements: Statement[];
  /** Values by structure, so that equal ones are computed once. */
  readonly known: Map<string, Value>;
}

/** A new, empty region. */
export function region(kind: Region["kind"]): Region {
  return { kind, statements: [], known: new Map() };
}

/** Whether a type counts as a float. */
export function isFloat(type: Type): type is FloatType {
  return type === "f32" || type === "f64";
}

/** The integer type as wide as a float type. */
export function integerOf(float: FloatType): "i32" | "i64" {
  return float === "f32" ? "i32" : "i64";
}

/** Bytes of one lane. Masks are as wide as the kernel's float. */
export function bytesOf(type: Type, float: FloatType): number {
  if (type === "mask") return bytesOf(float, float);
  return type === "f32" || type === "i32" ? 4 : 8;
}
