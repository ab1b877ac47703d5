// The one error class of the library. Enters: a code, what was got and what was wanted.

/** What kind of mistake or fault a {@linkcode PairfoldError} reports. */
export type ErrorCode =
  | "dim"
  | "shape"
  | "dtype"
  | "syntax"
  | "device"
  | "compile"
  | "memory"
  | "aborted"
  | "io"
  | "convergence"
  | "indefinite"
  | "internal";

/** What somebody passed, as messages show it: also what has no text, or none without an end. */
export function shown(value: unknown): string {
  try {
    return Array.isArray(value) ? `[${value.map(String)}]` : String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/**
 * The only error that Pairfold throws. Its message names the operation, what it got and what it
 * wanted; its `code` says the kind, for programs.
 *
 * ```ts
 * import { PairfoldError, tensor } from "pairfold";
 * try {
 *   tensor([[1, 2], [3]]);
 * } catch (error) {
 *   console.log(error instanceof PairfoldError && error.code); // "shape"
 * }
 * ```
 */
export class PairfoldError extends Error {
  override readonly name: string = "PairfoldError";
  /** The kind of mistake or fault. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(`PairfoldError[${code}]: ${message}`, options);
    this.code = code;
  }
}
