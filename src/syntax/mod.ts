// Text to formulas: KeOps' strings and `lazy` templates, one parser for both.

import { PairfoldError } from "../error.ts";
import { constant, index, type Node } from "../formula/mod.ts";
import { type InputDeclaration, Inputs } from "./inputs.ts";
import { KEOPS_FUNCTIONS } from "./keops.ts";
import { LAZY_FUNCTIONS, LAZY_POWERS } from "./lazy_names.ts";
import type { Holes } from "./lexer.ts";
import { type Expression, Parser } from "./parser.ts";
import { type HoleValue, Resolver, type Scope } from "./resolve.ts";
import type { Source } from "./source.ts";

export type { InputDeclaration } from "./inputs.ts";
export { KEOPS_FUNCTIONS } from "./keops.ts";
export { LAZY_FUNCTIONS } from "./lazy_names.ts";
export { suggestion } from "./nearest.ts";
export { MAX_DEPTH, MAX_NESTING, MAX_PARTS } from "./parser.ts";
export type { HoleValue } from "./resolve.ts";
export type { Signature } from "./signature.ts";

/** A KeOps formula, read. */
export interface KeopsFormula {
  readonly formula: Node;
  /** The second formula of weighted reductions. */
  readonly weight: Node | null;
  /** By position. */
  readonly inputs: readonly InputDeclaration[];
}

/** Where variables of a formula get their slots. */
export interface Slots {
  /** The slot of the input at a position. */
  readonly input: (position: number) => number;
  /** A parameter that holds a number of the text. */
  readonly parameter: (value: number) => Node;
}

/** KeOps' names of reductions, which no formula calls. */
const REDUCTION =
  /_Reduction$|^(LogSumExp|SumSoftMaxWeight|Min_ArgMin|Max_ArgMax|(Arg)?KMin|Max_SumShiftExp)/;

function unknownInKeops(name: string): string | null {
  if (!REDUCTION.test(name)) return null;
  return `got the reduction ${name} inside a formula; expected it as genred's option "reduction"`;
}

const NO_POWERS: ReadonlySet<string> = new Set();

function noHole(index: number): never {
  throw new PairfoldError("internal", `a formula has no value ${index}`);
}

/** Reads a KeOps formula (and a second one) with its aliases. Throws `PairfoldError`. */
export function readKeops(
  text: string,
  weight: string | null,
  aliases: readonly string[],
  slots: Slots,
): KeopsFormula {
  const inputs = new Inputs(slots.input);
  aliases.forEach((alias, order) => inputs.readAlias(alias, order));
  const read = (formula: string, label: string): Node => {
    const source: Source = { text: formula, reader: "genred", label };
    const scope: Scope = {
      functions: KEOPS_FUNCTIONS,
      functionsAre: "a function of KeOps",
      powers: NO_POWERS,
      names: inputs.names,
      declare: (name) => inputs.inline(source, name),
      hole: noHole,
      parameter: slots.parameter,
      cotangent: (f, v, at) => inputs.cotangent(source, at, f, v),
      unknown: unknownInKeops,
    };
    return new Resolver(source, scope).formula(new Parser(source, "genred").parse());
  };
  const formula = read(text, "formula");
  const second = weight === null ? null : read(weight, "weight");
  return { formula, weight: second, inputs: inputs.list() };
}

/** A template, read; values come later. */
export interface Template {
  readonly source: Source;
  readonly expression: Expression;
}

/** Reads the text of a template between its values. Throws `PairfoldError` (syntax). */
export function readTemplate(strings: readonly string[]): Template {
  const holes = new Map<number, { index: number; end: number }>();
  let text = strings[0];
  for (const [k, part] of strings.slice(1).entries()) {
    const at = text.length;
    text += `\${${k}}`;
    holes.set(at, { index: k, end: text.length });
    text += part;
  }
  const source: Source = { text, reader: "lazy", label: "template" };
  return { source, expression: new Parser(source, "lazy", holes satisfies Holes).parse() };
}

/** Methods of LazyTensor that fold an axis. */
const LAZY_REDUCTION = /^(log_?sum_?exp|sum_?soft_?max_?weight|k_?min|arg_?k_?min|matmul|mean)$/i;

function unknownInTemplate(name: string): string | null {
  if (LAZY_REDUCTION.test(name)) {
    return `got the reduction ${name} inside a formula; expected it as a method of what lazy gives`;
  }
  if (/^(V[ijxy]|Pm|Var)$/.test(name)) {
    return `got ${name}(…); expected the value itself: \${${name}(x)}`;
  }
  return null;
}

/** The formula of a template with its values. Throws `PairfoldError`. */
export function resolveTemplate(
  { source, expression }: Template,
  hole: (index: number) => HoleValue,
  parameter: (value: number) => Node,
): Node {
  const scope: Scope = {
    functions: LAZY_FUNCTIONS,
    functionsAre: "a method of LazyTensor or a function of KeOps",
    powers: LAZY_POWERS,
    names: new Map<string, Node>([["i", index("i")], ["j", index("j")]]),
    declare: () => null,
    hole,
    parameter,
    cotangent: () => constant(1),
    unknown: unknownInTemplate,
  };
  return new Resolver(source, scope).formula(expression);
}
