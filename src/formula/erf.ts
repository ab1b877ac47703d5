// The error function and its complement in float64, which Math lacks: for dense evaluation and for
// what the host computes. Within a few units in the last place; slow, and short.

/** Spacing of the trapezoidal rule; its error is below e^(−(π/h)²) = 7e-18. */
const STEP = 0.5;
/** Terms of the rule; the last has a factor e^(−42). */
const TERMS = 13;

const TWO_BY_ROOT_PI = 2 / Math.sqrt(Math.PI);

/** erf(x) = 2/√π Σ (−1)^n x^(2n+1) / (n! (2n + 1)), for |x| < ½. */
function series(x: number): number {
  const z = x * x;
  let term = 1;
  let sum = 0; // the first term, x, is added last
  for (let n = 1; n <= 14; n++) {
    term *= -z / n;
    sum += term / (2 * n + 1);
  }
  return TWO_BY_ROOT_PI * (x + x * sum);
}

/** e^(−x²) with x² to more than its own bits. */
function bell(x: number): number {
  const head = Math.fround(x); // its square is exact
  return Math.exp(-head * head) * Math.exp((head - x) * (head + x));
}

/**
 * erfc(x) for x ≥ ½: the trapezoidal rule on (x/π) e^(−x²) ∫ e^(−t²) / (t² + x²) dt, plus what the
 * pole at t = ix leaves while it is nearer than the rule's own error (Chiarella and Reichel, 1968).
 */
function complement(x: number): number {
  if (x > 28) return 0;
  const z = x * x;
  let sum = 0;
  for (let n = TERMS; n >= 1; n--) {
    const t = n * STEP;
    sum += 2 * Math.exp(-t * t) / (t * t + z);
  }
  const rule = bell(x) * (STEP * x / Math.PI) * (sum + 1 / z);
  const pole = x < Math.PI / STEP ? 2 / Math.expm1(2 * Math.PI * x / STEP) : 0;
  return rule - pole;
}

/** The error function 2/√π ∫₀ˣ exp(−t²) dt. */
export function erf(x: number): number {
  if (Math.abs(x) < 0.5) return series(x);
  if (Number.isNaN(x)) return NaN;
  return x > 0 ? 1 - complement(x) : complement(-x) - 1;
}

/** 1 − erf(x), accurate relative to itself for large x too. */
export function erfc(x: number): number {
  if (Math.abs(x) < 0.5) return 1 - series(x);
  if (Number.isNaN(x)) return NaN;
  return x > 0 ? complement(x) : 2 - complement(-x);
}
