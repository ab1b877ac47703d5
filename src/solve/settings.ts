// What a solve may be told, checked, with its defaults; the preconditioner that was asked for.

import { PairfoldError } from "../error.ts";
import { Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import type { Action, ApplyControl, Points } from "./action.ts";
import {
  blockJacobi,
  jacobi,
  nystrom,
  type Preconditioner,
  type System,
} from "./preconditioner.ts";
import { vecchia } from "./vecchia.ts";

/** Which approximate inverse speeds up the iteration, with what it may be told. */
export type PreconditionerChoice =
  | "none"
  | "jacobi"
  | "blockJacobi"
  | "nystrom"
  | "vecchia"
  /** The inverse of the diagonal. */
  | { readonly kind: "jacobi" }
  /** Inverses of blocks of `size` near rows, default 256. */
  | { readonly kind: "blockJacobi"; readonly size?: number; readonly points?: TensorLike }
  /**
   * Pivoted Cholesky of a rank (default 200, less where the trace that is left falls below
   * `tolerance` of the whole), inverted with alpha by Woodbury's identity.
   */
  | { readonly kind: "nystrom"; readonly rank?: number; readonly tolerance?: number }
  /** A sparse factor of the inverse from the nearest `neighbours`, default 64. */
  | { readonly kind: "vecchia"; readonly neighbours?: number; readonly points?: TensorLike }
  /** One made before, for several solves with one matrix. */
  | Preconditioner;

/** Arithmetic of the products. */
export type SolvePrecision = "mixed" | "float64" | "float32";

/** How far a solve has come. */
export interface SolveProgress {
  readonly iteration: number;
  /** Largest relative residual among the right-hand sides, as the recurrence has it. */
  readonly residual: number;
  /** Which matrix, of one with batch dims, row-major; undefined without them. */
  readonly batch?: number;
}

/** Options of {@linkcode LinearOperator.solve}. */
export interface SolveOptions {
  /** Added to the diagonal; default 0. (KeOps' `alpha`.) */
  readonly alpha?: number;
  /** Largest relative residual |b − (K + alpha I) x| / |b| of a solved column; default 1e-6. */
  readonly tol?: number;
  /**
   * Iterations over all refinements, but for those of a float32 trial that came to its end and was
   * taken back; default 10 n, at most 10,000.
   */
  readonly maxIterations?: number;
  readonly preconditioner?: PreconditionerChoice;
  /**
   * "mixed" (default): products in float32, residuals and solution in float64, with float64
   * products where float32 ones do not get on. "float64": all in float64. "float32": all products
   * in float32 and the solution rounded to it; only the residual that is reported is computed in
   * float64.
   */
  readonly precision?: SolvePrecision;
  /** Hands over a solution that did not reach `tol`; default false. */
  readonly allowUnconverged?: boolean;
  /** Stops the solve, whoever waits for it. */
  readonly signal?: AbortSignal;
  /** Called after each iteration. */
  readonly onProgress?: (progress: SolveProgress) => void;
}

/** Options with their defaults. */
export interface Settings extends Required<Omit<SolveOptions, "signal" | "onProgress">> {
  readonly onProgress?: (progress: SolveProgress) => void;
}

const MAX_ITERATIONS = 10_000;

/** A number that must lie in a range. Throws `PairfoldError` (shape). */
export function inRange(
  what: string,
  value: number,
  low: number,
  high: number,
  isInteger = false,
): number {
  const isGood = typeof value === "number" && value >= low && value <= high &&
    (!isInteger || Number.isInteger(value));
  if (isGood) return value;
  const kind = isInteger ? "an integer" : "a number";
  const range = high === Infinity ? `from ${low}` : `from ${low} to ${high}`;
  throw new PairfoldError("shape", `${what} ${value}; expected ${kind} ${range}`);
}

/** Checked options for a matrix of n rows. */
export function settingsOf(n: number, options: SolveOptions): Settings {
  const {
    alpha = 0,
    tol = 1e-6,
    maxIterations = Math.min(10 * n, MAX_ITERATIONS),
    preconditioner = "none",
    precision = "mixed",
    allowUnconverged = false,
    onProgress,
  } = options;
  inRange("solve: got alpha", alpha, -Number.MAX_VALUE, Number.MAX_VALUE);
  inRange("solve: got tol", tol, 0, Number.MAX_VALUE);
  inRange("solve: got maxIterations", maxIterations, 0, Infinity);
  if (!["mixed", "float64", "float32"].includes(precision)) {
    throw new PairfoldError(
      "dtype",
      `solve: got precision ${String(precision)}; expected "mixed", "float64" or "float32"`,
    );
  }
  if (!isPrepared(preconditioner)) namedChoice(preconditioner);
  return { alpha, tol, maxIterations, preconditioner, precision, allowUnconverged, onProgress };
}

const isPrepared = (choice: PreconditionerChoice): choice is Preconditioner =>
  typeof choice === "object" && choice !== null && "apply" in choice;

type NamedChoice = Extract<PreconditionerChoice, { readonly kind: string }>;

const KINDS = ["jacobi", "blockJacobi", "nystrom", "vecchia"] as const;

/** A choice by its kind; null for none. */
function namedChoice(choice: Exclude<PreconditionerChoice, Preconditioner>): NamedChoice | null {
  if (choice === "none") return null;
  const named = typeof choice === "string" ? { kind: choice } : choice;
  if (KINDS.includes(named?.kind)) return named;
  throw new PairfoldError(
    "shape",
    `solve: got preconditioner ${JSON.stringify(choice)}; expected "none", ` +
      `${
        KINDS.map((kind) => `"${kind}"`).join(", ")
      }, one of these with options, or a prepared one`,
  );
}

/** Positions of the rows, as given or as the matrix knows them. */
async function pointsOf(
  matrix: Action,
  given: TensorLike | undefined,
  control: ApplyControl,
): Promise<Points | null> {
  if (given === undefined) return await matrix.points(control);
  const t = tensor(given);
  if (t.shape.length !== 2 || t.shape[0] !== matrix.rows) {
    throw new PairfoldError(
      "shape",
      `preconditioner: got points of shape [${t.shape}]; expected [${matrix.rows}, dim]`,
    );
  }
  return { data: await t.resolve(control), dim: t.shape[1] };
}

/** Makes the preconditioner of a choice; null for none. */
export async function preconditionerOf(
  choice: PreconditionerChoice,
  system: System,
): Promise<Preconditioner | null> {
  if (isPrepared(choice)) return choice;
  const named = namedChoice(choice);
  if (named === null) return null;
  const { matrix, control } = system;
  switch (named.kind) {
    case "jacobi":
      return await jacobi(system);
    case "blockJacobi": {
      const size = inRange("preconditioner: got size", named.size ?? 256, 1, Infinity, true);
      return await blockJacobi(system, size, await pointsOf(matrix, named.points, control));
    }
    case "nystrom": {
      const rank = inRange("preconditioner: got rank", named.rank ?? 200, 1, Infinity, true);
      const tolerance = inRange("preconditioner: got tolerance", named.tolerance ?? 1e-10, 0, 1);
      return await nystrom(system, rank, tolerance);
    }
    case "vecchia": {
      const { neighbours = 64 } = named;
      inRange("preconditioner: got neighbours", neighbours, 0, Infinity, true);
      const points = await pointsOf(matrix, named.points, control);
      if (points !== null) return await vecchia(system, neighbours, points);
      throw new PairfoldError(
        "shape",
        `preconditioner "vecchia": got ${matrix.describe()}, whose rows have no known positions; ` +
          `expected { kind: "vecchia", points } with points [${matrix.rows}, dim]`,
      );
    }
    default:
      return named satisfies never;
  }
}

/** A right-hand side or a start: a tensor [n] or [n, width] of floats. */
export function rightHandSide(op: string, b: TensorLike, n: number): Tensor {
  const t = b instanceof Tensor ? b : tensor(b, undefined, isNested(b) ? { dtype: "float64" } : {});
  if (t.dtype === "int32") {
    throw new PairfoldError("dtype", `${op}: got int32 numbers; expected float32 or float64`);
  }
  if (t.shape.length >= 1 && t.shape.length <= 2 && t.shape[0] === n) return t;
  throw new PairfoldError(
    "shape",
    `${op}: got shape [${t.shape}]; expected [${n}] or [${n}, right-hand sides]`,
  );
}

const isNested = (b: TensorLike): boolean => Array.isArray(b);
