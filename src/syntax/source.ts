// A text that is being read, and errors that point into it.

import { type ErrorCode, PairfoldError } from "../error.ts";

/** A text with the names that errors give it. */
export interface Source {
  readonly text: string;
  /** Who reads it: `genred`, `lazy`. */
  readonly reader: string;
  /** What it is: `formula`, `alias 2`. */
  readonly label: string;
}

/** Characters that are shown on each side of the place of an error. */
const WINDOW = 60;

/** The line around a position, clipped, with a caret under the character. */
function excerpt({ text, label }: Source, position: number): string {
  const at = Math.min(position, text.length);
  const before = text.slice(Math.max(0, at - WINDOW), at);
  const start = at - (before.length - 1 - before.lastIndexOf("\n"));
  const end = text.slice(at, at + WINDOW).indexOf("\n");
  const stop = end < 0 ? Math.min(text.length, at + WINDOW) : at + end;
  const head = start > 0 && text[start - 1] !== "\n" ? "…" : "";
  const tail = stop < text.length && text[stop] !== "\n" ? "…" : "";
  // one column per character, so that the caret stands under its own
  const shown = text.slice(start, stop).replace(/[\p{Cc}\p{Cf}]/gu, " ");
  const column = head.length + [...text.slice(start, at)].length;
  const line = countLines(text, at);
  return `  ${label}, line ${line}:\n    ${head}${shown}${tail}\n    ${" ".repeat(column)}^`;
}

function countLines(text: string, end: number): number {
  let lines = 1;
  for (let k = text.indexOf("\n"); k >= 0 && k < end; k = text.indexOf("\n", k + 1)) lines++;
  return lines;
}

/** An error that shows where it happened. */
export function errorAt(
  source: Source,
  at: number,
  message: string,
  code: ErrorCode = "syntax",
  options?: ErrorOptions,
): PairfoldError {
  const text = `${source.reader}: ${message}\n${excerpt(source, at)}`;
  return new PairfoldError(code, text, options);
}

/** Runs what may throw an error of an op, and says where in the text that op stands. */
export function located<T>(source: Source, at: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof PairfoldError) || error.code === "internal") throw error;
    if (error.cause instanceof Located) throw error;
    const message = error.message.slice(`PairfoldError[${error.code}]: `.length);
    throw errorAt(source, at, message, error.code, { cause: new Located(error) });
  }
}

/** Marks errors that already point into a text, so that outer calls leave them. */
class Located {
  readonly error: PairfoldError;

  constructor(error: PairfoldError) {
    this.error = error;
  }
}

/** A piece of text for messages: clipped, so that a long text does not fill the screen. */
export function quote(text: string): string {
  const clipped = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return `"${clipped.replace(/[\p{Cc}\p{Cf}]/gu, " ")}"`;
}
