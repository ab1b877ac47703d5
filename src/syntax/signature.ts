// What a function of the language takes, and what it makes of it.

import * as autodiff from "../autodiff/mod.ts";
import { PairfoldError } from "../error.ts";
import { ALL_OPS, apply, type Node, type OpName, type VariableNode } from "../formula/mod.ts";

/**
 * `formula`: any expression. `integer`: a whole number of the text. `list`: [2,3] or Ind(2,3).
 * `variable`: a name of an input, or Var(…). `variables` and `formulas`: one, or a tuple of them.
 */
export type ParameterKind =
  | "formula"
  | "formulas"
  | "integer"
  | "list"
  | "variable"
  | "variables";

export interface Parameter {
  readonly name: string;
  readonly kind: ParameterKind;
  /** Stands for it where it is left out; null where it then counts as not given. */
  readonly fallback: number | null;
  readonly isOptional: boolean;
}

/** Arguments by kind, each kind in the order of the parameters. */
export interface Arguments {
  readonly formulas: readonly Node[];
  readonly integers: readonly number[];
  readonly lists: readonly (readonly number[])[];
  readonly variables: readonly VariableNode[];
  /** A number as a formula. */
  readonly number: (value: number) => Node;
  /** The input that is the cotangent where none is written. */
  readonly cotangent: (formula: Node, variable: VariableNode) => Node;
}

/** A function of the language. */
export interface Signature {
  /** As errors show it: `x, m`. */
  readonly text: string;
  readonly parameters: readonly Parameter[];
  /** Whether more formulas may follow. */
  readonly isOpen: boolean;
  /** The ops, or derivatives of src/autodiff, without which it cannot be built. */
  readonly needs: readonly string[];
  /** The op that it is, with the same order of arguments; null for what is more. */
  readonly op: AnyOp | null;
  /** Whether it is a derivative of every component, so that it grows with their number. */
  readonly isJacobian: boolean;
  readonly build: (args: Arguments) => Node;
}

/**
 * Ops that the tables of formulas are getting; their functions come alive with them.
 */
export type ComingOp =
  | "floor"
  | "round"
  | "mod"
  | "clamp"
  | "clampInt"
  | "xLogX"
  | "sinXDivX"
  | "asin"
  | "acos"
  | "atan"
  | "atan2"
  | "sinh"
  | "cosh"
  | "tanh"
  | "erf"
  | "erfc"
  | "sigmoid"
  | "softplus"
  | "expm1"
  | "log1p"
  | "hypot"
  | "weightedSqNorm"
  | "weightedSqDist"
  | "symSqNorm"
  | "sqNormIso"
  | "sqNormDiag"
  | "maxOf"
  | "minOf"
  | "argMaxOf"
  | "argMinOf"
  | "oneHot"
  | "bSpline"
  | "matVecMult"
  | "vecMatMult"
  | "tensorProd"
  | "kron"
  | "tensorDot"
  | "cross"
  | "det3"
  | "inv3"
  | "softDtwSqDist"
  | "complexReal"
  | "complexImag"
  | "realToComplex"
  | "imagToComplex"
  | "conj"
  | "complexAbs"
  | "complexSquareAbs"
  | "complexAngle"
  | "complexSum"
  | "complexSumT"
  | "complexAdd"
  | "complexSubtract"
  | "complexMult"
  | "complexScal"
  | "complexRealScal"
  | "complexDivide"
  | "complexExp"
  | "complexExp1j";

/** An op, built in or coming. */
export type AnyOp = OpName | ComingOp;

const known: ReadonlySet<string> = new Set([...ALL_OPS, ...Object.keys(autodiff)]);

/** Whether a function can be built. */
export function isAvailable(signature: Signature): boolean {
  return signature.needs.every((name) => known.has(name));
}

const ops: ReadonlySet<string> = new Set(ALL_OPS);
const isOp = (name: AnyOp): name is OpName => ops.has(name);

/** Applies an op of the tables. */
export function applyOp(
  op: AnyOp,
  args: readonly Node[],
  attributes: readonly number[] = [],
): Node {
  if (isOp(op)) return apply(op, args, attributes);
  throw new PairfoldError("syntax", `got ${op}, which is not built yet; expected another op`);
}

const PARAMETER = /^(\w+)(?::(formulas?|integer|list|variables?))?(?:=(-?\d+)|(\?))?(?:\.\.\.)?$/;

/** Reads `x, m:integer, d:integer=0, order:list?, rest...`; formulas need no kind. */
function parametersOf(text: string): Parameter[] {
  return text.split(", ").map((part) => {
    const found = PARAMETER.exec(part);
    if (found === null) throw new PairfoldError("internal", `signature: got ${part}`);
    const [, name, kind = "formula", fallback, mark] = found;
    return {
      name,
      kind: kind as ParameterKind,
      fallback: fallback === undefined ? null : Number(fallback),
      isOptional: fallback !== undefined || mark !== undefined,
    };
  });
}

/** Declares a function: its parameters, what it is made of, what it builds. */
export function declareFunction(
  text: string,
  needs: readonly string[],
  build: (args: Arguments) => Node,
): Signature {
  return {
    text: text.replace(/:\w+/g, "").replace(/\?/g, ""),
    parameters: parametersOf(text),
    isOpen: text.endsWith("..."),
    needs,
    op: null,
    isJacobian: false,
    build,
  };
}

/** A function that is an op: formulas are its arguments, integers its attributes, in order. */
export function op(name: AnyOp, text: string): Signature {
  const build = ({ formulas, integers }: Arguments): Node => applyOp(name, formulas, integers);
  return { ...declareFunction(text, [name], build), op: name };
}
