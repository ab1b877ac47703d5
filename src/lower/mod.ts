// Formulas and reduction to a kernel in loop IR.

export { type Fold, lower } from "./kernel.ts";
export {
  columnNumbers,
  HEIGHT,
  MOST_NORM,
  OFFSET,
  resolutionOf,
  type RoundedPoints,
  wordsOf,
} from "./keys.ts";
export { lowerLater } from "./later.ts";
export { cudaMath, expandedMath } from "./math/mod.ts";
export { splitExponentials } from "./exponents.ts";
export { exchanged, spelledAs, type Twins } from "./symmetric.ts";
export { expandDefinitions, factor, isNonNegative, normalise } from "./normalise.ts";
