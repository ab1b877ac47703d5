// Matrices that are known by what they do. Enters: an action. Leaves: LinearOperator, with its
// algebra, solves, eigenpairs, traces and log-determinants.

import { PairfoldError } from "../error.ts";
import { Tensor, type TensorLike } from "../tensor/mod.ts";
import {
  type Action,
  type ApplyControl,
  checkAborted,
  diagonalAction,
  productAction,
  sumAction,
} from "./action.ts";
import { type EigenOptions, type EigenResult, lanczosEigen } from "./lanczos.ts";
import { lobpcgEigen, type LobpcgOptions } from "./lobpcg.ts";
import { allRows, type Preconditioner } from "./preconditioner.ts";
import {
  type PreconditionerChoice,
  preconditionerOf,
  rightHandSide,
  type SolveOptions,
} from "./settings.ts";
import { type Solution, solveAction } from "./solve.ts";
import {
  type Estimate,
  hutchinsonTrace,
  type LogDeterminant,
  type LogDeterminantOptions,
  stochasticLogDeterminant,
  type TraceOptions,
} from "./stochastic.ts";

/** A linear operator, or what gives one: a LazyTensor of scalars does. */
export interface OperatorLike {
  asOperator(): LinearOperator;
}

/** The action behind an operator, for what builds on it outside the class. */
let actionIn: (operator: LinearOperator) => Action;

/** The products of an operator. */
export const actionOf = (operator: OperatorLike): Action => actionIn(operator.asOperator());

/**
 * A matrix that is known by its products with vectors, as SciPy's `LinearOperator`: never stored
 * unless it was given so. Products are computed in float64.
 *
 * ```ts
 * import { denseOperator, diagonalOperator, lowRankOperator, Vi, Vj } from "pairfold";
 * const x = new Float64Array([0, 1, 3]);
 * const K = Vi(x, 1).sqDist(Vj(x, 1)).neg().exp().asOperator();
 * const A = K.add(diagonalOperator([0.1, 0.2, 0.3])).add(lowRankOperator([[1], [1], [1]]));
 * console.log(A.shape); // [ 3, 3 ]
 * console.log(await A.matmul([1, 0, 0]).array()); // its first column
 * console.log(await A.solve([1, 2, 3]).x.array(), denseOperator([[1, 2]]).T.shape);
 * ```
 */
export class LinearOperator implements OperatorLike {
  readonly #action: Action;

  static {
    actionIn = (operator) => operator.#action;
  }

  /** Use `asOperator()` of a LazyTensor, `denseOperator` and its kin. */
  constructor(action: Action) {
    this.#action = action;
  }

  /** [rows, columns]. */
  get shape(): readonly [rows: number, columns: number] {
    return [this.#action.rows, this.#action.columns];
  }

  /** Itself. */
  asOperator(): LinearOperator {
    return this;
  }

  /** What it is made of. */
  toString(): string {
    return `LinearOperator [${this.shape.join(", ")}]: ${this.#action.describe()}`;
  }

  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  // ---- algebra ----------------------------------------------------------------------------------

  #sum(op: string, other: OperatorLike, factor: number): LinearOperator {
    const that = other.asOperator();
    if (that.shape.join() !== this.shape.join()) {
      throw new PairfoldError(
        "shape",
        `${op}: got operators [${this.shape}] and [${that.shape}]; expected equal shapes`,
      );
    }
    return new LinearOperator(sumAction([this.#action, that.#action], [1, factor]));
  }

  /** this + other. Throws `PairfoldError` (shape) unless the shapes are equal. */
  add(other: OperatorLike): LinearOperator {
    return this.#sum("add", other, 1);
  }
  /** this − other. */
  sub(other: OperatorLike): LinearOperator {
    return this.#sum("sub", other, -1);
  }
  /** A number times this. */
  mul(factor: number): LinearOperator {
    if (!Number.isFinite(factor)) {
      throw new PairfoldError("shape", `mul: got the factor ${factor}; expected a finite number`);
    }
    return new LinearOperator(sumAction([this.#action], [factor]));
  }
  /** this + alpha · identity. */
  addIdentity(alpha: number): LinearOperator {
    const identity = diagonalAction(alpha, this.#square("addIdentity"));
    return new LinearOperator(sumAction([this.#action, identity], [1, 1]));
  }
  /** The transpose. */
  transpose(): LinearOperator {
    return new LinearOperator(this.#action.transposed());
  }
  /** The transpose, as NumPy spells it. */
  get T(): LinearOperator {
    return this.transpose();
  }
  /**
   * The product with another operator [columns, …], an operator again; with a tensor [columns] or
   * [columns, width], a deferred float64 tensor.
   */
  matmul(other: OperatorLike): LinearOperator;
  matmul(b: TensorLike, options?: ApplyControl): Tensor;
  matmul(other: OperatorLike | TensorLike, options: ApplyControl = {}): LinearOperator | Tensor {
    const [rows, columns] = this.shape;
    if ("asOperator" in other) {
      const that = other.asOperator();
      if (that.shape[0] !== columns) {
        throw new PairfoldError(
          "shape",
          `matmul: got operators [${this.shape}] and [${that.shape}]; expected the second to have ` +
            `${columns} rows`,
        );
      }
      return new LinearOperator(productAction(this.#action, that.#action));
    }
    const b = rightHandSide("matmul", other, columns);
    return new Tensor([rows, ...b.shape.slice(1)], "float64", {
      resolve: async ({ signal = options.signal }) => {
        const block = Float64Array.from(await b.resolve({ signal }));
        checkAborted("matmul", { signal });
        return await this.#action.apply(block, b.shape[1] ?? 1, { ...options, signal });
      },
      explain: () => `product of ${this.#action.describe()} with a block [${b.shape}]`,
    });
  }

  // ---- entries ----------------------------------------------------------------------------------

  /** Entries (rows[k], columns[k]). Throws `PairfoldError` (shape) for indices out of range. */
  async entries(
    rows: ArrayLike<number>,
    columns: ArrayLike<number>,
    control: ApplyControl = {},
  ): Promise<Float64Array> {
    const [i, j] = [Int32Array.from(rows), Int32Array.from(columns)];
    const isIn = (values: ArrayLike<number>, limit: number): boolean =>
      Array.from(values).every((v) => Number.isInteger(v) && v >= 0 && v < limit);
    const [M, N] = this.shape;
    if (i.length !== j.length || !isIn(rows, M) || !isIn(columns, N)) {
      throw new PairfoldError(
        "shape",
        `entries: got ${i.length} rows and ${j.length} columns of [${M}, ${N}]; expected as many ` +
          "of both, integers in range",
      );
    }
    return await this.#action.entries(i, j, control);
  }

  /** The diagonal of a square operator. */
  async diagonal(control: ApplyControl = {}): Promise<Float64Array> {
    const all = allRows(this.#square("diagonal"));
    return await this.#action.entries(all, all, control);
  }

  // ---- solving ----------------------------------------------------------------------------------

  #square(op: string): number {
    const [rows, columns] = this.shape;
    if (rows === columns) return rows;
    throw new PairfoldError(
      "shape",
      `${op}: got an operator of shape [${this.shape}]; expected a square one`,
    );
  }

  /**
   * Solves (this + alpha · identity) x = b by preconditioned conjugate gradients, for a symmetric
   * positive definite matrix and b of shape [n] or [n, right-hand sides]. Deferred: the solve runs
   * when `x` or `report()` is read. The residual is recomputed in float64 from the solution before
   * it counts as solved.
   *
   * `x` has b's dtype (float32 is rounded at the end; its own residual is in `roundedResiduals`),
   * nested arrays count as float64.
   *
   * Throws `PairfoldError` (shape, dtype) for what does not fit; reading rejects with `convergence`
   * where `tol` was not reached, `indefinite` where the matrix is not positive definite, `shape`
   * where it is not symmetric, `aborted` by the signal.
   *
   * ```ts
   * import { denseOperator } from "pairfold";
   * const A = denseOperator([[4, 1], [1, 3]]);
   * const solution = A.solve([1, 2]);
   * console.log(await solution.x.array()); // [ 0.0909…, 0.6363… ]
   * const { iterations, residual } = await solution.report();
   * console.log(iterations, residual); // 2, below 1e-6
   * ```
   */
  solve(b: TensorLike, options: SolveOptions = {}): Solution {
    const t = rightHandSide("solve", b, this.#square("solve"));
    return solveAction(this.#action, t, t.dtype === "float32" ? "float32" : "float64", options);
  }

  /**
   * A preconditioner for solves with this + alpha · identity, for use in several of them.
   *
   * - "jacobi": the inverse of the diagonal.
   * - "blockJacobi": inverses of diagonal blocks of near rows.
   * - "nystrom": a low-rank approximation by pivoted Cholesky (Harbrecht, Peters and Schneider
   *   2012), for matrices whose eigenvalues fall fast; alpha above 0.
   * - "vecchia": a sparse factor of the inverse (Schäfer, Katzfuss and Owhadi 2021), for kernels of
   *   points in few dimensions.
   */
  async preconditioner(
    choice: PreconditionerChoice,
    options: { readonly alpha?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Preconditioner> {
    const { alpha = 0, signal } = options;
    this.#square("preconditioner");
    const system = { matrix: this.#action, alpha, control: { signal } };
    return await preconditionerOf(choice, system) ??
      { name: "none", apply: (block) => block.slice() };
  }

  /**
   * Extreme eigenpairs of a symmetric operator by Lanczos' method with full reorthogonalisation, in
   * memory for one vector per step. One start sees one vector of a multiple eigenvalue: `lobpcg`
   * finds all. (SciPy's `eigsh`.)
   *
   * Rejects with `PairfoldError` (convergence) where `tol` was not reached.
   *
   * ```ts
   * import { denseOperator } from "pairfold";
   * const { values } = await denseOperator([[2, 1], [1, 2]]).eigsh({ k: 1 });
   * console.log(values); // Float64Array(1) [ 3 ]
   * ```
   */
  async eigsh(options: EigenOptions = {}): Promise<EigenResult> {
    this.#square("eigsh");
    return await lanczosEigen(this.#action, options);
  }

  /**
   * Extreme eigenpairs of a symmetric operator by LOBPCG (Knyazev 2001): multiple eigenvalues too,
   * and the smallest ones with a preconditioner. Memory for about 6 k vectors.
   *
   * Rejects with `PairfoldError` (convergence) where `tol` was not reached.
   */
  async lobpcg(options: LobpcgOptions = {}): Promise<EigenResult> {
    this.#square("lobpcg");
    return await lobpcgEigen(this.#action, options);
  }

  /** Trace by random probes, with its standard error (Hutchinson 1989). */
  async trace(options: TraceOptions = {}): Promise<Estimate> {
    this.#square("trace");
    return await hutchinsonTrace(this.#action, options);
  }

  /**
   * Log-determinant of this + alpha · identity, symmetric positive definite, by stochastic Lanczos
   * quadrature (Ubaru, Chen and Saad 2017), with its standard error.
   *
   * Rejects with `PairfoldError` (indefinite) where an eigenvalue at most 0 is met.
   *
   * ```ts
   * import { diagonalOperator } from "pairfold";
   * const { value } = await diagonalOperator([1, 2, 4]).logDeterminant();
   * console.log(value, Math.log(8)); // equal: of a diagonal matrix, every probe tells it
   * ```
   */
  async logDeterminant(options: LogDeterminantOptions = {}): Promise<LogDeterminant> {
    this.#square("logDeterminant");
    return await stochasticLogDeterminant(this.#action, options);
  }
}
