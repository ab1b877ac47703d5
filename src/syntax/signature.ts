// What a function of the language takes, and what it makes of it.

import { PairfoldError } from "../error.ts";
import { apply, type Node, type OpName, type VariableNode } from "../formula/mod.ts";

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
  /** The op that it is, with the same order of arguments; null for what is more. */
  readonly op: OpName | null;
  /** Whether it is a derivative of every component, so that it grows with their number. */
  readonly isJacobian: boolean;
  readonly build: (args: Arguments) => Node;
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

/** Declares a function: its parameters and what it builds. */
export function declareFunction(
  text: string,
  build: (args: Arguments) => Node,
): Signature {
  return {
    text: text.replace(/:\w+/g, "").replace(/\?/g, ""),
    parameters: parametersOf(text),
    isOpen: text.endsWith("..."),
    op: null,
    isJacobian: false,
    build,
  };
}

/** A function that is an op: formulas are its arguments, integers its attributes, in order. */
export function op(name: OpName, text: string): Signature {
  const build = ({ formulas, integers }: Arguments): Node => apply(name, formulas, integers);
  return { ...declareFunction(text, build), op: name };
}
