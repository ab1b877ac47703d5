// Trees to formulas. Enters: an expression and what its names mean. Leaves: a node, or an error
// that points at the name or the operation that does not fit.

import type { PairfoldError } from "../error.ts";
import {
  apply,
  build as f,
  constant,
  isHalfPower,
  type Node,
  type VariableNode,
} from "../formula/mod.ts";
import { suggestion } from "./nearest.ts";
import type { BinaryOperator, Expression } from "./parser.ts";
import { MAX_NODE_DEPTH, MAX_NODES, measure } from "./size.ts";
import type { Parameter, Signature } from "./signature.ts";
import { errorAt, located, quote, type Source } from "./source.ts";

/** Components that one value may have: a matrix of 128 × 128. */
export const MAX_DIM = 2 ** 14;

/** A value put into a template: as a formula, and as what else it may stand for. */
export type HoleValue =
  & { readonly node: () => Node }
  & (
    | { readonly kind: "formula" }
    | { readonly kind: "number"; readonly value: number }
    | { readonly kind: "list"; readonly values: readonly number[] }
  );

/** What the names of a text mean. */
export interface Scope {
  readonly functions: ReadonlyMap<string, Signature>;
  /** What they are, for errors. */
  readonly functionsAre: string;
  /** Functions that are the infix power. */
  readonly powers: ReadonlySet<string>;
  /** Names that stand for a formula. */
  readonly names: ReadonlyMap<string, Node>;
  /** `Var(…)` and its like, by name; null for other names. */
  readonly declare: (name: string) => ((integers: readonly number[], at: number) => Node) | null;
  /** A value put into the text. */
  readonly hole: (index: number) => HoleValue;
  /** A uniform parameter that holds a number. */
  readonly parameter: (value: number) => Node;
  /** The input that is the cotangent of Grad(f,v). */
  readonly cotangent: (formula: Node, v: VariableNode, at: number) => Node;
  /** What to say of a function that nobody knows; null for the usual. */
  readonly unknown: (name: string) => string | null;
}

type Call = Expression & { readonly kind: "call" };

const OPERATIONS = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  "|": "dot",
  "<": "lt",
  "<=": "le",
  ">": "gt",
  ">=": "ge",
  "==": "eq",
  "!=": "ne",
} as const satisfies Record<Exclude<BinaryOperator, "**">, string>;

/** Numbers that rewriting and gradients use themselves; others are parameters, compiled once. */
const STRUCTURAL: ReadonlySet<number> = new Set([-1, 0, 0.5, 1, 2]);

/** Resolves the expressions of one text. */
export class Resolver {
  readonly #source: Source;
  readonly #scope: Scope;

  constructor(source: Source, scope: Scope) {
    this.#source = source;
    this.#scope = scope;
  }

  /** The formula that an expression stands for. */
  formula(expression: Expression): Node {
    const node = this.#formula(expression);
    if (node.dim <= MAX_DIM) return node;
    throw errorAt(
      this.#source,
      expression.at,
      `got a value of dim ${node.dim}; expected at most ${MAX_DIM}`,
      "dim",
    );
  }

  #formula(expression: Expression): Node {
    const { at } = expression;
    switch (expression.kind) {
      case "number":
        return this.#number(expression.value);
      case "name":
        return this.#name(expression.name, at);
      case "hole":
        return this.#scope.hole(expression.index).node();
      case "negation": {
        const { operand } = expression;
        if (operand.kind === "number") return this.#number(-operand.value);
        const inner = this.formula(operand);
        return located(this.#source, at, () => f.neg(inner));
      }
      case "binary":
        return this.#binary(expression);
      case "call":
        return this.#call(expression);
      case "list":
      case "tuple":
        throw this.#error(at, `got a ${expression.kind}; expected a formula`);
    }
    expression satisfies never;
    throw new TypeError();
  }

  #error(at: number, message: string): PairfoldError {
    return errorAt(this.#source, at, message);
  }

  #number(value: number): Node {
    return STRUCTURAL.has(value) ? constant(value) : this.#scope.parameter(value);
  }

  #name(name: string, at: number): Node {
    const { names, functions } = this.#scope;
    const node = names.get(name);
    if (node !== undefined) return node;
    const signature = functions.get(name);
    if (signature !== undefined) {
      throw this.#error(at, `got the function ${name}; expected ${name}(${signature.text})`);
    }
    const known = [...names.keys()];
    const guess = suggestion(name, [...known, ...functions.keys()]);
    const wanted = known.length === 0 ? "no names here" : `one of ${listOf(known)}`;
    throw this.#error(at, `got the unknown name ${quote(name)}; expected ${wanted}${guess}`);
  }

  #binary({ at, operator, left, right }: Expression & { readonly kind: "binary" }): Node {
    const a = this.formula(left);
    if (operator === "**") return this.#power(at, a, right);
    const b = this.formula(right);
    return located(this.#source, at, () => apply(OPERATIONS[operator], [a, b]));
  }

  /** Whole exponents are part of the formula, ½ and −½ are roots. */
  #power(at: number, x: Node, exponent: Expression): Node {
    const value = this.#literal(exponent);
    if (value === 2) return f.square(x);
    if (value === 0.5) return f.sqrt(x);
    if (value === -0.5) return f.rsqrt(x);
    if (value !== null && Number.isInteger(value) && Math.abs(value) <= 1024) {
      return f.pow(x, value);
    }
    const y = value === null
      ? this.formula(exponent)
      : isHalfPower(value)
      ? constant(value)
      : this.#number(value);
    return located(this.#source, at, () => f.powr(x, y));
  }

  /** The number that an exponent is: 2, -2, 1/2, 2**1, a number in a template; else null. */
  #literal(expression: Expression): number | null {
    switch (expression.kind) {
      case "number":
        return expression.value;
      case "hole": {
        const value = this.#scope.hole(expression.index);
        return value.kind === "number" ? value.value : null;
      }
      case "negation": {
        const value = this.#literal(expression.operand);
        return value === null ? null : -value;
      }
      case "binary": {
        const a = this.#literal(expression.left);
        const b = a === null ? null : this.#literal(expression.right);
        return a === null || b === null ? null : arithmetic(expression.operator, a, b);
      }
      default:
        return null;
    }
  }

  #call(call: Call): Node {
    const { name, args, at } = call;
    const declare = this.#scope.declare(name);
    if (declare !== null) return declare(args.map((a) => this.#integer(a, name, "numbers")), at);
    const signature = this.#signature(call);
    this.#checkCount(call, signature);
    if (this.#scope.powers.has(name)) return this.#power(at, this.formula(args[0]), args[1]);
    const formulas: Node[] = [];
    const integers: number[] = [];
    const lists: (readonly number[])[] = [];
    const variables: VariableNode[] = [];
    const last = signature.parameters.length - 1;
    const places = Math.max(args.length, signature.parameters.length);
    for (let k = 0; k < places; k++) {
      const parameter = signature.parameters[Math.min(k, last)];
      const argument = args.at(k);
      if (argument === undefined) {
        if (parameter.fallback === null) continue;
        if (parameter.kind === "integer") integers.push(parameter.fallback);
        else formulas.push(this.#number(parameter.fallback));
        continue;
      }
      switch (parameter.kind) {
        case "formula":
          formulas.push(this.formula(argument));
          break;
        case "integer":
          integers.push(this.#integer(argument, name, parameter.name));
          break;
        case "list":
          lists.push(this.#list(argument, name, parameter.name));
          break;
        case "variable":
          variables.push(this.#variable(argument, name, parameter));
          break;
        case "formulas":
          formulas.push(...membersOf(argument).map((member) => this.formula(member)));
          break;
        case "variables":
          for (const member of membersOf(argument)) {
            variables.push(this.#variable(member, name, parameter));
          }
          break;
        default:
          parameter.kind satisfies never;
      }
    }
    const number = (value: number): Node => this.#number(value);
    const cotangent = (formula: Node, v: VariableNode): Node =>
      this.#scope.cotangent(formula, v, at);
    const isDerivative = variables.length > 0;
    if (isDerivative) {
      this.#checkSize(formulas, call, signature.isJacobian ? formulas[0].dim : 1);
    }
    const node = located(
      this.#source,
      at,
      () => signature.build({ formulas, integers, lists, variables, number, cotangent }),
    );
    if (isDerivative) this.#checkSize([node], call);
    return node;
  }

  #signature({ name, at }: Call): Signature {
    const { functions, functionsAre, names, unknown } = this.#scope;
    const signature = functions.get(name);
    if (signature === undefined) {
      if (names.has(name)) {
        throw this.#error(at, `got ${name}(…), and ${name} is no function; expected an operator`);
      }
      const message = unknown(name) ??
        `got the unknown function ${quote(name)}; expected ${functionsAre}` +
          suggestion(name, functions.keys());
      throw this.#error(at, message);
    }
    return signature;
  }

  #checkCount({ name, args, at }: Call, { parameters, isOpen, text }: Signature): void {
    const least = parameters.filter((p) => !p.isOptional).length - (isOpen ? 1 : 0);
    const most = isOpen ? Infinity : parameters.length;
    if (args.length >= least && args.length <= most) return;
    const plural = args.length === 1 ? "argument" : "arguments";
    const wanted = isOpen ? `at least ${least}` : least === most ? least : `${least} to ${most}`;
    const shape = `${name}(${text})`;
    throw this.#error(at, `${name}: got ${args.length} ${plural}; expected ${wanted}: ${shape}`);
  }

  /** A whole number of the text, perhaps with a minus. */
  #integer(argument: Expression, name: string, parameter: string): number {
    const sign = argument.kind === "negation" ? -1 : 1;
    const digits = argument.kind === "negation" ? argument.operand : argument;
    if (digits.kind === "number" && digits.isInteger && Number.isSafeInteger(digits.value)) {
      return sign * digits.value || 0; // no −0
    }
    if (digits.kind === "hole") {
      const hole = this.#scope.hole(digits.index);
      if (hole.kind === "number" && Number.isSafeInteger(hole.value)) return sign * hole.value || 0;
    }
    throw this.#error(
      argument.at,
      `${name}: got ${nameOf(argument)} for ${parameter}; expected an integer`,
    );
  }

  /** [2,3], (2,3) or Ind(2,3). */
  #list(argument: Expression, name: string, parameter: string): readonly number[] {
    if (argument.kind === "list" || argument.kind === "tuple") {
      return argument.items.map((item) => this.#integer(item, name, parameter));
    }
    if (argument.kind === "call" && argument.name === "Ind") {
      return argument.args.map((item) => this.#integer(item, name, parameter));
    }
    if (argument.kind === "hole") {
      const hole = this.#scope.hole(argument.index);
      if (hole.kind === "list" && hole.values.every(Number.isSafeInteger)) return hole.values;
    }
    throw this.#error(
      argument.at,
      `${name}: got ${nameOf(argument)} for ${parameter}; expected a list of integers, [2,3]`,
    );
  }

  #variable(argument: Expression, name: string, { name: parameter }: Parameter): VariableNode {
    const isNumber = this.#literal(argument) !== null; // which would be a parameter
    const node = isNumber ? null : this.formula(argument);
    if (node?.kind === "variable") return node;
    throw this.#error(
      argument.at,
      `${name}: got ${nameOf(argument)} for ${parameter}; expected an input: a name, or Var(…)`,
    );
  }

  /**
   * Derivatives of derivatives grow, and matrices of gradients by the formula's dim; they must stay
   * what the rest of the pipeline can walk.
   */
  #checkSize(roots: readonly Node[], { name, at }: Call, times = 1): void {
    for (const root of roots) {
      const { count, depth } = measure(root);
      if (count * times <= MAX_NODES && depth <= MAX_NODE_DEPTH) continue;
      throw this.#error(
        at,
        `${name}: got a derivative of ${count * times} operations, ${depth} inside one another; ` +
          `expected at most ${MAX_NODES}, and ${MAX_NODE_DEPTH} inside one another`,
      );
    }
  }
}

/** The members of a tuple, or the one expression. */
function membersOf(expression: Expression): readonly Expression[] {
  return expression.kind === "tuple" ? expression.items : [expression];
}

/** What Python makes of two numbers; null where that is no number of ours. */
function arithmetic(operator: BinaryOperator, a: number, b: number): number | null {
  const value = valueOf(operator, a, b);
  return Number.isFinite(value) ? value : null;
}

function valueOf(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "**":
      return a ** b;
    default:
      return NaN; // comparisons and scalar products
  }
}

function nameOf(expression: Expression): string {
  switch (expression.kind) {
    case "number":
      return `the number ${expression.value}`;
    case "name":
      return quote(expression.name);
    case "hole":
      return "a value";
    case "negation":
    case "binary":
      return "an operation";
    case "call":
      return `${expression.name}(…)`;
    case "list":
    case "tuple":
      return `a ${expression.kind}`;
  }
  expression satisfies never;
  throw new TypeError();
}

/** Some names, the first of them where they are many. */
function listOf(names: readonly string[]): string {
  const shown = names.slice(0, 12).join(", ");
  return names.length > 12 ? `${shown}, …` : shown;
}
