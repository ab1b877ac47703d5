// What we do otherwise than KeOps on purpose, by `group: name` of the golden cases.

/** A convention that differs from KeOps' on purpose, and the values that it gives. */
export interface Difference {
  readonly reason: string;
  /** One list per result, row-major. */
  readonly answer: readonly (readonly number[])[];
}

const INF = Infinity;

/** Where our answer differs from KeOps' and from numpy's. */
export const DIFFERENCES: ReadonlyMap<string, Difference> = new Map([
  ["edge: sign at 0, inf, NaN", {
    reason: "sign(NaN) is NaN, not 0: a NaN is not lost",
    answer: [[0, 0, 1, -1, 1, -1, NaN]],
  }],
  ["edge: step at 0, inf, NaN", {
    reason: "step(NaN) is NaN, not 1: a NaN is not lost",
    answer: [[1, 1, 1, 0, 1, 0, NaN]],
  }],
  ["edge: powf(0,0), powf(-1,1/2) …", {
    reason: "a real power is e^(y ln x): NaN below 0 for integer y too, and 1^NaN is NaN",
    answer: [[1, NaN, 0, INF, 1, 1, NaN, NaN]],
  }],
  ["edge: powf gradient wrt the base at 0", {
    reason: "the derivative of x^y at x = 0 counts as 0 where it is infinite or 0 · ∞",
    answer: [[0, 0, 0, 0.25]],
  }],
  ["edge: powf gradient wrt the exponent at 0", {
    reason: "the derivative of x^y by y counts as 0 at x = 0, for y = 0 too",
    answer: [[0, 0, 0]],
  }],
]);

/** Where we answer as KeOps does although numpy does not, and why. */
export const AS_KEOPS: ReadonlyMap<string, string> = new Map([
  [
    "edge: complexabs at 0 and large",
    "the modulus is the root of the sum of squares, which overflow and underflow before it does",
  ],
]);
