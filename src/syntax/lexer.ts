// Text to tokens, one at a time. Whitespace separates; nothing else is skipped.

import { errorAt, quote, type Source } from "./source.ts";

/** Which of the two languages a text is in. */
export type Dialect = "genred" | "lazy";

export type Symbol =
  | "+"
  | "-"
  | "*"
  | "/"
  | "**"
  | "^"
  | "|"
  | "<"
  | "<="
  | ">"
  | ">="
  | "=="
  | "!="
  | "="
  | "("
  | ")"
  | "["
  | "]"
  | ",";

/** A token and where it starts. */
export type Token =
  | {
    readonly kind: "number";
    readonly at: number;
    readonly value: number;
    readonly isInteger: boolean;
  }
  | { readonly kind: "name"; readonly at: number; readonly name: string }
  | { readonly kind: "symbol"; readonly at: number; readonly symbol: Symbol }
  /** A value put into a template. */
  | { readonly kind: "hole"; readonly at: number; readonly index: number }
  | { readonly kind: "end"; readonly at: number };

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/y;
const NAME = /[A-Za-z_][A-Za-z_0-9]*/y;
const SYMBOL = /\*\*|<=|>=|==|!=|[-+*/^|<>=()[\],]/y;
/** What Python and JavaScript write, as far as it would otherwise be read as something else. */
const FOREIGN = /\/\/|<<|>>|===|!==|&&|\|\||->|\.\.\./y;

/** Where values stand in a template's joined text, by offset. */
export type Holes = ReadonlyMap<number, { readonly index: number; readonly end: number }>;

const NO_HOLES: Holes = new Map();

export class Lexer {
  readonly #source: Source;
  readonly #holes: Holes;
  #at = 0;

  constructor(source: Source, holes: Holes = NO_HOLES) {
    this.#source = source;
    this.#holes = holes;
  }

  /** The next token; `end` again and again at the end. */
  next(): Token {
    this.#match(SPACE);
    const at = this.#at;
    const { text } = this.#source;
    const hole = this.#holes.get(at);
    if (hole !== undefined) {
      this.#at = hole.end;
      return { kind: "hole", at, index: hole.index };
    }
    if (at >= text.length) return { kind: "end", at };
    const digits = this.#match(NUMBER);
    if (digits !== null) return this.#number(at, digits);
    const name = this.#match(NAME);
    if (name !== null) return { kind: "name", at, name };
    const foreign = this.#match(FOREIGN);
    if (foreign !== null) throw this.#unexpected(at, foreign);
    const symbol = this.#match(SYMBOL);
    if (symbol !== null) return { kind: "symbol", at, symbol: symbol as Symbol };
    throw this.#unexpected(at, String.fromCodePoint(text.codePointAt(at) ?? 0));
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source.text);
    if (found === null) return null;
    this.#at += found[0].length;
    return found[0];
  }

  #number(at: number, digits: string): Token {
    const fail = (expected: string): Error =>
      errorAt(this.#source, at, `got the number ${quote(digits)}; expected ${expected}`);
    const rest = this.#match(NAME);
    if (rest !== null) {
      throw errorAt(
        this.#source,
        at,
        `got ${quote(digits + rest)}; expected a number, or a name that starts with a letter`,
      );
    }
    const isInteger = /^[0-9]+$/.test(digits);
    if (isInteger && digits.length > 1 && digits[0] === "0") throw fail("no leading zeros");
    const value = Number(digits);
    if (!Number.isFinite(value)) throw fail("one that is at most 1.8e308");
    return { kind: "number", at, value, isInteger };
  }

  #unexpected(at: number, got: string): Error {
    return errorAt(
      this.#source,
      at,
      `got ${quote(got)}; expected a name, a number, a bracket, a comma or one of ` +
        "+ - * / ** | < <= > >= == !=",
    );
  }
}
