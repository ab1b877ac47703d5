// Stands in for jsr:@std/assert where JSR is out of reach: the calls that the tests make, over
// node:assert, with the standard library's signatures.
import nodeAssert from "node:assert";

export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Fails unless `condition` is truthy. */
export function assert(condition: unknown, message = ""): asserts condition {
  if (!condition) throw new AssertionError(message || "expected a truthy value");
}

/** Fails unless the two are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.deepStrictEqual(actual, expected, message);
}

/** Fails unless the two are the same value by `Object.is`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): void {
  nodeAssert.strictEqual(actual, expected, message);
}

/** Fails if the two are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.notDeepStrictEqual(actual, expected, message);
}

/** Fails unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  assert(
    actual.includes(expected),
    message ?? `expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`,
  );
}

/** Fails unless `expected` matches `actual`. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  nodeAssert.match(actual, expected, message);
}

type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

function checkError<E extends Error>(
  error: unknown,
  errorClass: ErrorClass<E>,
  includes: string,
  message: string | undefined,
): E {
  if (!(error instanceof errorClass)) {
    throw new AssertionError(message ?? `expected a ${errorClass.name}, got ${String(error)}`);
  }
  assertStringIncludes(error.message, includes, message);
  return error;
}

/**
 * Fails unless `fn` throws an `errorClass` whose message includes `includes`; returns the error.
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  includes = "",
  message?: string,
): E {
  try {
    fn();
  } catch (error) {
    return checkError(error, errorClass, includes, message);
  }
  throw new AssertionError(message ?? `expected a ${errorClass.name}, nothing was thrown`);
}

/**
 * Fails unless the promise of `fn` rejects with an `errorClass` whose message includes `includes`.
 */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  includes = "",
  message?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return checkError(error, errorClass, includes, message);
  }
  throw new AssertionError(message ?? `expected a ${errorClass.name}, nothing was rejected`);
}
