// What one op's table entry holds, and the dim rules that entries share.

import { PairfoldError, shown } from "../error.ts";
import type { OpName } from "./names.ts";
import { declareDimRule, describe, type DimRule, type Node } from "./node.ts";

/**
 * Scalar arithmetic over some carrier: numbers, or values of the loop IR. An elementwise op is
 * defined once against it. `T` is a number, `M` a truth value.
 */
export interface ScalarAlgebra<T, M> {
  constant(value: number): T;
  add(a: T, b: T): T;
  sub(a: T, b: T): T;
  mul(a: T, b: T): T;
  div(a: T, b: T): T;
  neg(x: T): T;
  abs(x: T): T;
  sqrt(x: T): T;
  floor(x: T): T;
  exp(x: T): T;
  exp2(x: T): T;
  expm1(x: T): T;
  log(x: T): T;
  log1p(x: T): T;
  log2(x: T): T;
  log10(x: T): T;
  sin(x: T): T;
  cos(x: T): T;
  asin(x: T): T;
  acos(x: T): T;
  atan(x: T): T;
  atan2(y: T, x: T): T;
  sinh(x: T): T;
  cosh(x: T): T;
  tanh(x: T): T;
  asinh(x: T): T;
  acosh(x: T): T;
  atanh(x: T): T;
  erf(x: T): T;
  erfc(x: T): T;
  pow(x: T, y: T): T;
  cbrt(x: T): T;
  hypot(x: T, y: T): T;
  lt(a: T, b: T): M;
  le(a: T, b: T): M;
  eq(a: T, b: T): M;
  not(m: M): M;
  or(a: M, b: M): M;
  select(m: M, a: T, b: T): T;
}

/** A gradient rule: from the cotangent of the output to one cotangent, or null, per argument. */
export type GradRule = (
  cotangent: Node,
  args: readonly Node[],
  output: Node,
  attributes: readonly number[],
) => readonly (Node | null)[];

/** The range that random tests draw one argument's components from. */
export type Interval = readonly [low: number, high: number];

/** Dims of the arguments and attributes that fit together: what tests try an op on. */
export interface Sample {
  readonly dims: readonly number[];
  readonly attributes: readonly number[];
}

interface EntryBase {
  /** What the op computes, in a line, conventions at the edges included. */
  readonly meaning: string;
  /** Number of arguments; -1 for one or more. */
  readonly arity: number;
  /** Names of the arguments, where `meaning` speaks of others than x, or a and b. */
  readonly parameters?: readonly string[];
  /** Names of the integer attributes; a last one like "...dims" stands for any number of them. */
  readonly attributes: readonly string[];
  readonly dim: DimRule;
  readonly grad: GradRule;
  /** Where random tests draw arguments from: one interval per argument, or one for all. */
  readonly domain: readonly Interval[];
  /** How tests draw a component from u, uniform in [0, 1), where intervals are not enough. */
  readonly draw?: (argument: number, component: number, u: number) => number;
  /** What tests try the op on; default: vectors of dim 3, the second of them also a scalar. */
  readonly samples?: readonly Sample[];
}

/** A component of an argument, as random tests draw it. */
export function drawn(entry: EntryBase, argument: number, component: number, u: number): number {
  if (entry.draw !== undefined) return entry.draw(argument, component, u);
  const [low, high] = entry.domain[Math.min(argument, entry.domain.length - 1)];
  return low + (high - low) * u;
}

/** What tests try an op on. */
export function samplesOf({ samples, arity }: EntryBase): readonly Sample[] {
  if (samples !== undefined) return samples;
  const count = arity < 0 ? 2 : arity;
  const equal = { dims: Array<number>(count).fill(3), attributes: [] };
  if (count < 2) return [equal];
  return [equal, { ...equal, dims: equal.dims.map((dim, k) => k === 1 ? 1 : dim) }];
}

/** Samples on one vector. */
export const onVector = (dim: number, ...attributes: readonly (readonly number[])[]): Sample[] =>
  attributes.map((list) => ({ dims: [dim], attributes: list }));

/** Samples of arguments of some dims, without attributes. */
export const onDims = (...lists: readonly (readonly number[])[]): Sample[] =>
  lists.map((dims) => ({ dims, attributes: [] }));

/** An op on components: `evaluate` in float64, `scalar` its definition for every target. */
export interface ScalarEntry extends EntryBase {
  readonly evaluate: (args: readonly number[], attributes: readonly number[]) => number;
  readonly scalar: <T, M>(
    s: ScalarAlgebra<T, M>,
    args: readonly T[],
    attributes: readonly number[],
  ) => T;
}

/**
 * An op on vectors: `evaluate` dense in float64; `define` says it by simpler ops, null for the
 * few that lowering knows.
 */
export interface VectorEntry extends EntryBase {
  readonly evaluate: (
    args: readonly Float64Array[],
    attributes: readonly number[],
    out: Float64Array,
  ) => void;
  readonly define: ((args: readonly Node[], attributes: readonly number[]) => Node) | null;
}

/** Lists dims for messages: `3 (x_i) and 4 (y_j)`. */
function dims(args: readonly Node[]): string {
  return args.map(describe).join(" and ");
}

/** Throws the dim error of an op. */
export function refuse(op: OpName, args: readonly Node[], expected: string): never {
  throw new PairfoldError("dim", `${op}: got dims ${dims(args)}; expected ${expected}`);
}

/** Equal dims, or some of them 1. */
export const broadcast: DimRule = (op, args) => {
  let dim = 1;
  for (const a of args) {
    if (a.dim === 1) continue;
    if (dim !== 1 && dim !== a.dim) refuse(op, args, "equal dims, or one of them 1");
    dim = a.dim;
  }
  return dim;
};

/** Equal dims, or one of them 1; the result is a scalar. */
export const contraction: DimRule = (op, args, attributes) => {
  broadcast(op, args, attributes);
  return 1;
};

/** Checks an integer attribute's range. */
export function checkAttribute(
  op: OpName,
  name: string,
  value: number,
  low: number,
  high: number,
): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new PairfoldError(
      "dim",
      `${op}: got ${name} ${shown(value)}; expected an integer from ${low} to ${high}`,
    );
  }
}

/** Registers the dim rules of a table, with a check of the number of arguments in front. */
export function declare<Name extends OpName, Entry extends EntryBase>(
  entries: Readonly<Record<Name, Entry>>,
): Readonly<Record<Name, Entry>> {
  for (const name of Object.keys(entries) as Name[]) {
    const { arity, attributes: names, dim } = entries[name];
    declareDimRule(name, (op, args, attributes) => {
      if (arity < 0 ? args.length === 0 : args.length !== arity) {
        const wanted = arity < 0 ? "at least 1" : String(arity);
        throw new PairfoldError("dim", `${op}: got ${args.length} arguments; expected ${wanted}`);
      }
      const isOpen = names.at(-1)?.startsWith("...") ?? false;
      const fewest = names.length - (isOpen ? 1 : 0);
      if (attributes.length < fewest || (!isOpen && attributes.length > fewest)) {
        const wanted = `${isOpen ? "at least " : ""}${fewest} (${names})`;
        throw new PairfoldError(
          "dim",
          `${op}: got ${attributes.length} attributes; expected ${wanted}`,
        );
      }
      return dim(op, args, attributes);
    });
  }
  return entries;
}
