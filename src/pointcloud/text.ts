// Text files, line by line. Enters: bytes. Leaves: trimmed lines with their numbers, and tokens
// turned into numbers, strictly. Works through the bytes in blocks, so that a file may be larger
// than the longest string.

import { badFile } from "./cloud.ts";

const blockBytes = 1 << 20;
const longestLine = 1 << 20;
const newline = 10;

/** One line: its text without surrounding blanks, and its number from 1. */
export interface Line {
  readonly text: string;
  readonly number: number;
}

/** The lines of a UTF-8 text from byte `start` on; refuses bytes that are no text. */
export function* linesOf(
  bytes: Uint8Array,
  name: string,
  start = 0,
  firstNumber = 1,
): Generator<Line, void, undefined> {
  if (bytes.length >= 2 && (bytes[0] ^ bytes[1]) === 1 && (bytes[0] | bytes[1]) === 0xff) {
    throw badFile(name, "got UTF-16 text; expected UTF-8");
  }
  const decoder = new TextDecoder();
  let number = firstNumber;
  for (let begin = start; begin < bytes.length;) {
    let end = Math.min(bytes.length, begin + blockBytes);
    if (end < bytes.length) {
      const last = bytes.lastIndexOf(newline, end - 1);
      end = last < begin ? bytes.indexOf(newline, end) + 1 || bytes.length : last + 1;
      if (end - begin > blockBytes + longestLine) {
        throw badFile(
          `${name}: line ${number}`,
          `got a line of ${end - begin} bytes; expected text`,
        );
      }
    }
    const block = bytes.subarray(begin, end);
    const nul = block.indexOf(0);
    if (nul >= 0) {
      throw badFile(`${name}: byte ${begin + nul}`, "got a zero byte; expected text");
    }
    const lines = decoder.decode(block).split("\n");
    if (block[block.length - 1] === newline) lines.pop();
    for (const text of lines) yield { text: text.trim(), number: number++ };
    begin = end;
  }
}

const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eEdD][+-]?\d+)?$/;
const special: ReadonlyMap<string, number> = new Map([
  ["nan", NaN],
  ["inf", Infinity],
  ["infinity", Infinity],
]);

/** The number that a token spells (decimal, nan, inf), or undefined. */
export function parseNumber(token: string): number | undefined {
  if (decimal.test(token)) {
    const value = Number(token);
    // Fortran writes 1.5D+03.
    return Number.isNaN(value) ? Number(token.replace(/d/i, "e")) : value;
  }
  const unsigned = token.replace(/^[+-]/, "");
  const value = special.get(unsigned.toLowerCase());
  return value !== undefined && token.startsWith("-") ? -value : value;
}

/** The number that a token spells, or the error that says where it does not. */
export function numberAt(token: string, what: string, name: string, line: number): number {
  const value = parseNumber(token);
  if (value === undefined) {
    throw badFile(`${name}: line ${line}`, `${what}: got ${quote(token)}; expected a number`);
  }
  return value;
}

/** A finite coordinate, or the error that says where it is not. */
export function coordinateAt(token: string, what: string, name: string, line: number): number {
  const value = numberAt(token, what, name, line);
  if (!Number.isFinite(value)) {
    throw badFile(`${name}: line ${line}`, `${what}: got ${value}; expected a finite number`);
  }
  return value;
}

/** Quotes a piece of a file for a message, shortened, with control characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
