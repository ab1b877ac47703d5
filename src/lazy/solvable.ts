// Symbolic matrices as linear operators, and systems with them.

import { PairfoldError } from "../error.ts";
import { type FoldChoices, isTraced, stopGradient } from "../program/mod.ts";
import {
  LinearOperator,
  type LogDeterminantOptions,
  type OperatorLike,
  Probes,
  type Solution,
  type SolveOptions,
} from "../solve/mod.ts";
import { allocate, Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import { lazyAction } from "./operator.ts";
import { Reductions } from "./reductions.ts";
import { recordLogDeterminant, recordSolve } from "./solve_rule.ts";
import type { FoldAxis } from "./symbolic.ts";

/** Options of {@linkcode Solvable.solve}. */
export interface LazySolveOptions
  extends SolveOptions, Pick<FoldChoices, "device" | "sumScheme" | "fastMath" | "distances"> {
  /** "j" (default) for K x = b, "i" for Kᵀ x = b: the same, K being symmetric. */
  readonly axis?: FoldAxis;
}

/** Options of {@linkcode Solvable.logDeterminant}. */
export interface LazyLogDeterminantOptions
  extends LogDeterminantOptions, Pick<FoldChoices, "device" | "sumScheme" | "fastMath"> {
  /** Largest relative residual of the solves in its derivative; default 1e-6. */
  readonly solveTol?: number;
}

/** Symbolic matrices of scalars as operators. */
export abstract class Solvable extends Reductions implements OperatorLike {
  /**
   * This matrix of scalars as a linear operator [M, N]: for sums, products and blocks with others,
   * eigenpairs, traces, log-determinants. Its products are folds in float64, or in float32 where a
   * solver asks for that, whatever the tensors' own type.
   *
   * Throws `PairfoldError`: `dim` for a matrix of vectors, `shape` for one with batch dims, `dtype`
   * for one of tensors that a derivative is taken by: operators have none.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = [[0], [1], [3]];
   * const K = Vi(x).sqDist(Vj(x)).neg().exp().asOperator();
   * console.log(K.shape, (await K.eigsh({ k: 1 })).values[0]); // [ 3, 3 ] 1.37…
   * ```
   */
  asOperator(choices: FoldChoices = {}): LinearOperator {
    if (isTraced([...this.inputs.byId.values()].map((input) => input.tensor))) {
      throw new PairfoldError(
        "dtype",
        `asOperator: got a matrix of tensors that a derivative is taken by; expected constants, for ` +
          "operators have no derivatives (solve() has; stopGradient(x) makes a constant of x)",
      );
    }
    return this.#operator(choices);
  }

  #operator(choices: FoldChoices): LinearOperator {
    if (this.dim !== 1) {
      throw new PairfoldError(
        "dim",
        `asOperator: got a matrix [${this.shape}] of vectors; expected one of scalars, [M, N, 1]`,
      );
    }
    if (this.batchShape.length > 0) {
      throw new PairfoldError(
        "shape",
        `asOperator: got a matrix [${this.shape}] with batch dims; expected [M, N, 1] (a solve or a ` +
          "decomposition takes one matrix at a time)",
      );
    }
    const [M, N] = this.shape;
    return new LinearOperator(lazyAction(this, M, N, choices, this.toString()));
  }

  /**
   * Solves (K + alpha · I) x = b for this symmetric positive (semi)definite matrix of scalars and b
   * of shape [n] or [n, right-hand sides]: preconditioned conjugate gradients, deferred until `x` or
   * `report()` is read. Products run in float32 and residuals in float64 unless `precision` says
   * otherwise, and the residual of what counts as solved was computed from it in float64. (KeOps'
   * `solve`.)
   *
   * Of float32 tensors, the matrix is that of their points with exact arithmetic; `x` is rounded to
   * float32 at the end, and the report's `roundedResiduals` are those of the rounded one.
   *
   * `x` has derivatives by the matrix' tensors and by b (implicitly, by one more solve); by a
   * noise level that stands in the matrix, too, but not by the number `alpha`.
   *
   * Throws `PairfoldError`: `dim` for a matrix of vectors, `shape` and `dtype` for what does not
   * fit. Reading rejects with `convergence` where `tol` was not reached (unless `allowUnconverged`),
   * `indefinite` where K + alpha · I is not positive definite, `shape` where it is not symmetric.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = Float64Array.from({ length: 100 }, (_, k) => k / 10);
   * const K = Vi(x, 1).sqDist(Vj(x, 1)).mul(-2).exp(); // float64, like x
   * const solution = K.solve(x.map(Math.sin), { alpha: 0.1, preconditioner: "vecchia" });
   * console.log((await solution.x.data()).length); // 100 weights
   * const { iterations, residual } = await solution.report();
   * console.log(iterations, residual); // a few, below 1e-6
   * ```
   */
  solve(b: TensorLike, options: LazySolveOptions = {}): Solution {
    const { axis = "j", device, sumScheme, fastMath, distances, ...rest } = options;
    const choices = { device, sumScheme, fastMath, distances };
    const operator = this.#operator(choices);
    const own = this.foldAxis("solve", axis) === "j" ? operator : operator.T;
    const isNested = Array.isArray(b) && !(b instanceof Tensor);
    const t = tensor(b, undefined, isNested ? { dtype: this.dtype } : {});
    if (t.dtype !== "int32" && t.dtype !== this.dtype) {
      throw new PairfoldError(
        "dtype",
        `solve: got a matrix of ${this.dtype} and a right-hand side of ${t.dtype}; expected one type`,
      );
    }
    const solution = own.solve(stopGradient(t), rest); // what follows tells who watches
    const again = (other: Tensor): Tensor => this.solve(other, options).x;
    recordSolve({ matrix: this, b: t, x: solution.x, again, choices });
    return solution;
  }

  /**
   * log det (K + alpha · I) of this symmetric positive definite matrix of scalars, a deferred scalar:
   * what `asOperator().logDeterminant()` estimates, with derivatives by the matrix' tensors (not by
   * the number `alpha`). These are tr (K + alpha · I)⁻¹ dK, by a solve for the same number of probes.
   * With a preconditioner and few probes both are close; with as many probes as rows they are exact.
   * (Gardner et al. 2018.)
   *
   * Throws `PairfoldError`: `dim` for a matrix of vectors, `shape` for one that is not square or has
   * batch dims. Reading rejects with `indefinite` where an eigenvalue at most 0 is met.
   *
   * ```ts
   * import { grad, Pm, tensor, Vi, Vj } from "pairfold";
   * const x = Float64Array.from({ length: 100 }, (_, k) => k / 10);
   * const log = (s: typeof start) =>
   *   Vi(x, 1).sqDist(Vj(x, 1)).mul(Pm(s)).neg().exp().logDeterminant({ alpha: 0.1, probes: 100 });
   * const start = tensor(new Float64Array([2]));
   * console.log(await log(start).item(), await grad(log)(start).item()); // -160.8…, 11.7…
   * ```
   */
  logDeterminant(options: LazyLogDeterminantOptions = {}): Tensor {
    const { device, sumScheme, fastMath, solveTol, ...rest } = options;
    const choices = { device, sumScheme, fastMath };
    const operator = this.#operator(choices);
    const [n, columns] = operator.shape;
    if (n !== columns) {
      throw new PairfoldError(
        "shape",
        `logDeterminant: got a matrix [${this.shape}]; expected a square one, [N, N, 1]`,
      );
    }
    const value = new Tensor([], this.dtype, {
      resolve: async ({ signal = rest.signal }) => {
        const found = await operator.logDeterminant({ ...rest, signal });
        return allocate(this.dtype, 1).fill(found.value);
      },
      explain: () => `log-determinant of ${operator}`,
    });
    const { alpha, precision, preconditioner, signal } = rest;
    const solving = { ...choices, alpha, precision, preconditioner, signal, tol: solveTol };
    recordLogDeterminant({
      matrix: this,
      value,
      again: (b) => this.solve(b, solving).x,
      probes: () => {
        const probes = new Probes("logDeterminant", n, rest);
        const block = tensor(probes.next(probes.count), [n, probes.count], { copy: false });
        return block.astype(this.dtype);
      },
      choices,
    });
    return value;
  }
}
