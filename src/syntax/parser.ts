// Tokens to a tree, with Python's precedence. One parser for KeOps strings and `lazy` templates.
//
// Enters: a text. Leaves: an expression, or an error that points at the character that does not
// fit. Nothing is evaluated. Depth is bounded, so that no text overflows the stack here or later.

import { type Dialect, type Holes, Lexer, type Symbol, type Token } from "./lexer.ts";
import { errorAt, quote, type Source } from "./source.ts";

/** Two operands and what stands between them. */
export type BinaryOperator =
  | "+"
  | "-"
  | "*"
  | "/"
  | "**"
  | "|"
  | "<"
  | "<="
  | ">"
  | ">="
  | "=="
  | "!=";

interface Place {
  /** Where errors about this expression point. */
  readonly at: number;
}

/** A formula as it is written. */
export type Expression =
  | Place & { readonly kind: "number"; readonly value: number; readonly isInteger: boolean }
  | Place & { readonly kind: "name"; readonly name: string }
  | Place & { readonly kind: "hole"; readonly index: number }
  | Place & { readonly kind: "negation"; readonly operand: Expression }
  | Place & {
    readonly kind: "binary";
    readonly operator: BinaryOperator;
    readonly left: Expression;
    readonly right: Expression;
  }
  | Place & { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] }
  /** [2,3], or (2,3) as Python writes tuples. */
  | Place & { readonly kind: "list" | "tuple"; readonly items: readonly Expression[] };

/** An alias as it is written. */
export interface Alias {
  readonly name: string | null;
  readonly nameAt: number;
  /** The word before the bracket: Vi, Vj, Pm, Var, or something else. */
  readonly constructor: string;
  readonly at: number;
  readonly integers: readonly number[];
}

/** Brackets, calls, signs and powers that may stand inside one another: as many as in Python. */
export const MAX_NESTING = 200;
/** Operations that may stand inside one another, those of a long sum included. */
export const MAX_DEPTH = 400;
/** Names, numbers and operations of one formula. */
export const MAX_PARTS = 10_000;

const COMPARISON = 1;

/** Python's order; `**` is read apart, since it groups to the right. */
const PRECEDENCE: Partial<Record<Symbol, number>> = {
  "<": COMPARISON,
  "<=": COMPARISON,
  ">": COMPARISON,
  ">=": COMPARISON,
  "==": COMPARISON,
  "!=": COMPARISON,
  "|": 2,
  "+": 3,
  "-": 3,
  "*": 4,
  "/": 4,
};

/** Words that Python keeps for itself: host expressions, which a formula is not. */
const KEYWORDS: ReadonlySet<string> = new Set(
  ("and as assert async await break class continue def del elif else except False finally for " +
    "from global if import in is lambda None nonlocal not or pass raise return True try while " +
    "with yield").split(" "),
);

/** An expression and how deep it is. */
interface Parsed {
  readonly expression: Expression;
  readonly depth: number;
}

export class Parser {
  readonly #source: Source;
  readonly #lexer: Lexer;
  readonly #dialect: Dialect;
  #token: Token;
  #nesting = 0;
  #parts = 0;

  constructor(source: Source, dialect: Dialect, holes?: Holes) {
    this.#source = source;
    this.#dialect = dialect;
    this.#lexer = new Lexer(source, holes);
    this.#token = this.#lexer.next();
  }

  #isAtEnd(): boolean {
    return this.#token.kind === "end";
  }

  #advance(): void {
    this.#token = this.#lexer.next();
  }

  /** Reads a symbol if it comes next. */
  #accept(symbol: Symbol): boolean {
    if (this.#token.kind !== "symbol" || this.#token.symbol !== symbol) return false;
    this.#advance();
    return true;
  }

  /** An error at the next token. */
  #unexpected(expected: string): Error {
    const token = this.#token;
    return errorAt(this.#source, token.at, `got ${nameOf(token)}; expected ${expected}`);
  }

  /** The whole text as one expression. */
  parse(): Expression {
    if (this.#isAtEnd()) throw this.#unexpected("a formula");
    const { expression } = this.#binary(COMPARISON);
    if (!this.#isAtEnd()) throw this.#missing("the end");
    return expression;
  }

  /** The whole text as an alias: a name and =, or neither, then Vi(0,3) or its like. */
  parseAlias(): Alias {
    const first = this.#word("a name, or Vi(0,3)");
    const named = this.#accept("=");
    const constructor = named ? this.#word("Vi(0,3), or its like") : first;
    if (!this.#accept("(")) throw this.#unexpected(named ? '"("' : '"=" or "("');
    const integers: number[] = [];
    do integers.push(this.#wholeNumber()); while (this.#accept(","));
    if (!this.#accept(")")) throw this.#unexpected('a comma or ")"');
    if (!this.#isAtEnd()) throw this.#unexpected("the end");
    return {
      name: named ? first.name : null,
      nameAt: first.at,
      constructor: constructor.name,
      at: constructor.at,
      integers,
    };
  }

  #word(expected: string): Token & { readonly kind: "name" } {
    const token = this.#token;
    if (token.kind !== "name") throw this.#unexpected(expected);
    if (KEYWORDS.has(token.name)) throw this.#unexpected(`${expected}, not a keyword of Python`);
    this.#advance();
    return token;
  }

  #wholeNumber(): number {
    const token = this.#token;
    const isWhole = token.kind === "number" && token.isInteger;
    if (!isWhole || !Number.isSafeInteger(token.value)) throw this.#unexpected("an integer from 0");
    this.#advance();
    return token.value;
  }

  #make(expression: Expression, ...parts: readonly Parsed[]): Parsed {
    let depth = 0;
    for (const part of parts) depth = Math.max(depth, part.depth);
    if (depth >= MAX_DEPTH) throw this.#tooDeep(expression.at, MAX_DEPTH, "operations");
    if (++this.#parts > MAX_PARTS) {
      throw errorAt(
        this.#source,
        expression.at,
        `got more than ${MAX_PARTS} names, numbers and operations; expected a shorter formula`,
      );
    }
    return { expression, depth: depth + 1 };
  }

  #tooDeep(at: number, limit: number, what: string): Error {
    return errorAt(
      this.#source,
      at,
      `got more than ${limit} ${what} inside one another; expected a flatter formula`,
    );
  }

  /** Reads something inside something else; the parser's own stack is bounded here. */
  #inside(read: () => Parsed): Parsed {
    if (++this.#nesting > MAX_NESTING) {
      throw this.#tooDeep(this.#token.at, MAX_NESTING, "brackets");
    }
    const parsed = read();
    this.#nesting--;
    return parsed;
  }

  /** Operators of a precedence and above; those of one precedence group to the left. */
  #binary(lowest: number): Parsed {
    let left = this.#unary();
    for (;;) {
      const token = this.#token;
      if (token.kind !== "symbol") return left;
      const precedence = PRECEDENCE[token.symbol];
      if (precedence === undefined || precedence < lowest) return left;
      this.#advance();
      const right = this.#binary(precedence + 1);
      left = this.#pair(token.at, token.symbol as BinaryOperator, left, right);
      const after = this.#token;
      if (precedence === COMPARISON && after.kind === "symbol" && isComparison(after.symbol)) {
        throw this.#unexpected("one comparison; chained ones need parentheses");
      }
    }
  }

  #pair(at: number, operator: BinaryOperator, left: Parsed, right: Parsed): Parsed {
    const pair: Expression = {
      kind: "binary",
      at,
      operator,
      left: left.expression,
      right: right.expression,
    };
    return this.#make(pair, left, right);
  }

  #unary(): Parsed {
    const { at } = this.#token;
    if (!this.#accept("-")) return this.#power();
    const operand = this.#inside(() => this.#unary());
    return this.#make({ kind: "negation", at, operand: operand.expression }, operand);
  }

  /** Binds tighter than a minus before it and looser than one after it, and groups to the right. */
  #power(): Parsed {
    const base = this.#primary();
    const { at } = this.#token;
    const caret = this.#dialect === "lazy" && this.#accept("^");
    if (!caret && !this.#accept("**")) return base;
    const exponent = this.#inside(() => this.#unary());
    return this.#pair(at, "**", base, exponent);
  }

  #primary(): Parsed {
    const token = this.#token;
    switch (token.kind) {
      case "number":
      case "hole":
        this.#advance();
        return this.#make(token);
      case "name":
        return this.#nameOrCall(token);
      case "symbol":
        if (this.#accept("(")) return this.#inside(() => this.#parenthesised(token.at));
        if (this.#accept("[")) return this.#list("list", token.at, this.#items("]"));
        throw this.#unexpected(
          token.symbol === "+" ? "a value; there is no plus before one" : VALUE,
        );
      case "end":
        throw this.#unexpected(VALUE);
    }
    token satisfies never;
    throw new TypeError();
  }

  /** (x) is x; (x,) and (x, y) are tuples. */
  #parenthesised(at: number): Parsed {
    const inner = this.#binary(COMPARISON);
    if (this.#accept(",")) return this.#list("tuple", at, [inner, ...this.#items(")")]);
    if (!this.#accept(")")) throw this.#missing('")"');
    return inner;
  }

  #list(kind: "list" | "tuple", at: number, items: readonly Parsed[]): Parsed {
    return this.#make({ kind, at, items: items.map((i) => i.expression) }, ...items);
  }

  #nameOrCall({ at, name }: Token & { readonly kind: "name" }): Parsed {
    if (KEYWORDS.has(name)) throw this.#unexpected("a formula; this is a keyword of Python");
    this.#advance();
    if (!this.#accept("(")) return this.#make({ kind: "name", at, name });
    const args = this.#items(")");
    return this.#make({ kind: "call", at, name, args: args.map((a) => a.expression) }, ...args);
  }

  /** Expressions with commas between them, and perhaps behind them, up to a closing bracket. */
  #items(close: ")" | "]"): Parsed[] {
    const items: Parsed[] = [];
    while (!this.#accept(close)) {
      items.push(this.#inside(() => this.#binary(COMPARISON)));
      if (this.#accept(",")) continue;
      if (!this.#accept(close)) throw this.#missing(`a comma or "${close}"`);
      break;
    }
    return items;
  }

  /** An error where an operator, or something that ends the expression, should stand. */
  #missing(end: string): Error {
    const token = this.#token;
    const symbol = token.kind === "symbol" ? token.symbol : "";
    if (symbol === "^") return this.#unexpected("an operator; a power is written x**2");
    if (symbol === "=") {
      return this.#unexpected(`an operator or ${end}; == compares, arguments have no names`);
    }
    if (symbol === "[") {
      return this.#unexpected(`an operator or ${end}; a component is Elem(x, 0)`);
    }
    return this.#unexpected(`an operator or ${end}`);
  }
}

const VALUE = "a name, a number or an opening bracket";

function isComparison(symbol: Symbol): boolean {
  return PRECEDENCE[symbol] === COMPARISON;
}

function nameOf(token: Token): string {
  switch (token.kind) {
    case "number":
      return `the number ${token.value}`;
    case "name":
      return quote(token.name);
    case "symbol":
      return quote(token.symbol);
    case "hole":
      return "a value";
    case "end":
      return "the end";
  }
  token satisfies never;
  throw new TypeError();
}
