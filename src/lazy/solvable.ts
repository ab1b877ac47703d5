// Symbolic matrices as linear operators, and systems with them.

import { PairfoldError } from "../error.ts";
import { type FoldChoices, isTraced, stopGradient } from "../program/mod.ts";
import {
  type ActionBatch,
  actionOfBatch,
  LinearOperator,
  type LogDeterminantOptions,
  type OperatorLike,
  Probes,
  type Solution,
  solveAction,
  solveBatches,
  type SolveOptions,
  stochasticLogDeterminant,
  together,
} from "../solve/mod.ts";
import { allocate, sizeOf, Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import { lazyActions } from "./operator.ts";
import { Reductions } from "./reductions.ts";
import { recordLogDeterminant, recordSolve } from "./solve_rule.ts";
import type { FoldAxis } from "./symbolic.ts";

/** What solvers take of a fold's choices: the precision of totals they choose themselves. */
type SolveChoices = Omit<FoldChoices, "accumulator">;

/** Options of {@linkcode Solvable.solve}. */
export interface LazySolveOptions extends SolveOptions, SolveChoices {
  /** "j" (default) for K x = b, "i" for Kᵀ x = b: the same, K being symmetric. */
  readonly axis?: FoldAxis;
}

/** Options of {@linkcode Solvable.logDeterminant}. */
export interface LazyLogDeterminantOptions extends LogDeterminantOptions, SolveChoices {
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
   * Throws `PairfoldError`: `dim` for a matrix of vectors, `shape` for one with batch dims (an
   * operator is one matrix; {@linkcode asOperators} gives one for each batch), `dtype` for one of
   * tensors that a derivative is taken by: operators have none.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = [[0], [1], [3]];
   * const K = Vi(x).sqDist(Vj(x)).neg().exp().asOperator();
   * console.log(K.shape, (await K.eigsh({ k: 1 })).values[0]); // [ 3, 3 ] 1.37…
   * ```
   */
  asOperator(choices: FoldChoices = {}): LinearOperator {
    const actions = this.#constants("asOperator", choices);
    if (actions.shape.length === 0) return new LinearOperator(actionOfBatch(actions, 0));
    throw new PairfoldError(
      "shape",
      `asOperator: got a matrix [${this.shape}] with batch dims; expected [M, N, 1], for an operator ` +
        "is one matrix (asOperators() gives one for each batch; solve() and logDeterminant() take all)",
    );
  }

  /**
   * The matrices of this one's batch dims as linear operators [M, N], row-major: for eigenpairs,
   * traces and the like of each. Each computes its products by itself.
   *
   * Throws `PairfoldError`: `dim` and `dtype` as {@linkcode asOperator}.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = [[[0], [1]], [[0], [2]]]; // [2, 2, 1]
   * const operators = Vi(x).sqDist(Vj(x)).neg().exp().asOperators();
   * for (const K of operators) console.log((await K.eigsh({ k: 1 })).values[0]); // 1.37…, 1.02…
   * ```
   */
  asOperators(choices: FoldChoices = {}): LinearOperator[] {
    const actions = this.#constants("asOperators", choices);
    return Array.from(
      { length: sizeOf(actions.shape) },
      (_, of) => new LinearOperator(actionOfBatch(actions, of)),
    );
  }

  /** The matrices as operators, which have no derivatives. */
  #constants(op: string, choices: FoldChoices): ActionBatch {
    if (isTraced([...this.inputs.byId.values()].map((input) => input.tensor))) {
      throw new PairfoldError(
        "dtype",
        `${op}: got a matrix of tensors that a derivative is taken by; expected constants, for ` +
          "operators have no derivatives (solve() has; stopGradient(x) makes a constant of x)",
      );
    }
    return this.#actions(op, choices);
  }

  #actions(op: string, choices: FoldChoices): ActionBatch {
    if (this.dim !== 1) {
      throw new PairfoldError(
        "dim",
        `${op}: got a matrix [${this.shape}] of vectors; expected one of scalars, [...batch, M, N, 1]`,
      );
    }
    const { M, N } = this.inputs;
    const describe = this.toString();
    return lazyActions({ term: this, M: M ?? 1, N: N ?? 1, choices, describe });
  }

  /** The same of square matrices, which are solved by. */
  #squares(op: string, choices: FoldChoices): ActionBatch {
    const actions = this.#actions(op, choices);
    if (actions.rows === actions.columns) return actions;
    throw new PairfoldError(
      "shape",
      `${op}: got a matrix [${this.shape}]; expected square ones, [...batch, N, N, 1]`,
    );
  }

  /**
   * Solves (K + alpha · I) x = b for this symmetric positive (semi)definite matrix of scalars and b
   * of shape [n], [n, right-hand sides] or [...batch, n, right-hand sides]: preconditioned
   * conjugate gradients, deferred until `x` or `report()` is read. Products run in float32 and
   * residuals in float64 unless `precision` says otherwise, and the residual of what counts as
   * solved was computed from it in float64. (KeOps'
   * `solve`.)
   *
   * Of float32 tensors, the matrix is that of their points with exact arithmetic; `x` is rounded to
   * float32 at the end, and the report's `roundedResiduals` are those of the rounded one.
   *
   * `x` has derivatives by the matrix' tensors and by b (implicitly, by one more solve); by a
   * noise level that stands in the matrix, too, but not by the number `alpha`.
   *
   * Batch dims of the matrix and of b broadcast (as in `numpy.linalg.solve`, b [n] being one vector
   * for all): `x` is [...batch, n, right-hand sides]. Every batch converges by itself, and the
   * report's `batches` say how; products of all of them are one launch. A preconditioner that was
   * prepared serves all batches, one that is named is made for each.
   *
   * Throws `PairfoldError`: `dim` for a matrix of vectors, `shape` and `dtype` for what does not
   * fit. Reading rejects with `convergence` where `tol` was not reached (unless
   * `allowUnconverged`),
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
    const { axis = "j", device, sumScheme, fastMath, distances, products, ...rest } = options;
    const choices = { device, sumScheme, fastMath, distances, products };
    const actions = this.#squares("solve", choices);
    const own = this.foldAxis("solve", axis) === "j" ? actions : actions.transposed();
    const isNested = Array.isArray(b) && !(b instanceof Tensor);
    const t = tensor(b, undefined, isNested ? { dtype: this.dtype } : {});
    if (t.dtype !== this.dtype) {
      throw new PairfoldError(
        "dtype",
        `solve: got a matrix of ${this.dtype} and a right-hand side of ${t.dtype}; expected one type`,
      );
    }
    const { shape } = t, n = own.rows;
    const isVector = shape.length === 1;
    if (shape.length === 0 || shape[isVector ? 0 : shape.length - 2] !== n) {
      throw new PairfoldError(
        "shape",
        `solve: got shape [${shape}]; expected [${n}], [${n}, right-hand sides] or ` +
          `[...batch, ${n}, right-hand sides]`,
      );
    }
    const isOne = own.shape.length === 0 && shape.length <= 2;
    if (!isOne && isVector) { // one vector for all batches
      const all = this.solve(t.reshape(n, 1), options);
      return all.reshaped(all.x.shape.slice(0, -1));
    }
    const constant = stopGradient(t); // what follows tells who watches
    const solution = isOne
      ? solveAction(actionOfBatch(own, 0), constant, this.dtype, rest)
      : solveBatches(own, constant, this.dtype, rest);
    // of a solve in float32 alone, cotangents are float32 whatever the matrix is
    const again = (other: Tensor): Tensor => this.solve(other.astype(this.dtype), options).x;
    recordSolve({ matrix: this, b: t, x: solution.x, again, choices });
    return solution;
  }

  /**
   * log det (K + alpha · I) of this symmetric positive definite matrix of scalars, a deferred
   * scalar, or one for each batch, [...batch]: what `asOperator().logDeterminant()` estimates, with
   * derivatives by the matrix' tensors (not by the number `alpha`). These are tr (K + alpha · I)⁻¹
   * dK, by a solve for the same number of probes. With a preconditioner and few probes both are
   * close; with as many probes as rows they are exact. (Gardner et al. 2018.)
   *
   * Throws `PairfoldError`: `dim` for a matrix of vectors, `shape` for one that is not square.
   * Reading rejects with `indefinite` where an eigenvalue at most 0 is met.
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
    const { device, sumScheme, fastMath, distances, products, solveTol, ...rest } = options;
    const choices = { device, sumScheme, fastMath, distances, products };
    const actions = this.#squares("logDeterminant", choices);
    const n = actions.rows;
    const value = new Tensor(actions.shape, this.dtype, {
      resolve: async ({ signal = rest.signal }) => {
        const own = { ...rest, signal };
        const found = await together(actions, (matrix) => stochasticLogDeterminant(matrix, own));
        const out = allocate(this.dtype, found.length);
        out.set(found.map((one) => one.value));
        return out;
      },
      explain: () => `log-determinant of ${actions.describe()}`,
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
