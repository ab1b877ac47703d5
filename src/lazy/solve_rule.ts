// Derivatives of solves and of log-determinants. Of (K + α) x = b it is, by the implicit rule,
// (K + α) dx = db − dK x, so that reverse and forward mode are one more solve each and derivatives of
// the product K x. Of log det (K + α) it is tr (K + α)⁻¹ dK, the mean of zᵀ (K + α)⁻¹ dK z over
// probes z: one more solve for all of them, and derivatives of the product K z.

import { build, topological, variable, type VariableNode } from "../formula/mod.ts";
import {
  type FoldChoices,
  foldDifferential,
  foldGradients,
  type FoldRequest,
  record,
  reshape,
} from "../program/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { foldInputs } from "./readable.ts";
import type { Symbolic } from "./symbolic.ts";

/** A symmetric matrix of scalars, and how to solve by it. */
interface System {
  readonly matrix: Symbolic;
  readonly again: (b: Tensor) => Tensor;
  readonly choices: FoldChoices;
}

/** A solve. */
export interface SolveRecord extends System {
  readonly b: Tensor;
  readonly x: Tensor;
}

/** A log-determinant, with the probes [n, count] of its derivative. */
export interface LogDeterminantRecord extends System {
  readonly value: Tensor;
  readonly probes: () => Tensor;
}

/** What derivatives of a matrix are taken by, and of its products with blocks [n, width]. */
class Moving {
  readonly #matrix: Symbolic;
  readonly #choices: FoldChoices;
  readonly #variables: VariableNode[] = [];
  /** Tensors of the variables. */
  readonly tensors: Tensor[] = [];

  constructor({ matrix, choices }: System) {
    this.#matrix = matrix;
    this.#choices = choices;
    for (const node of topological(matrix.formula)) {
      const input = node.kind === "variable" ? matrix.inputs.byId.get(node.slot) : undefined;
      if (node.kind !== "variable" || input === undefined) continue;
      if (input.isNumber || input.tensor.dtype === "int32") continue;
      this.#variables.push(node);
      this.tensors.push(input.tensor);
    }
  }

  /** K · block as a fold. */
  #product(block: Tensor): FoldRequest {
    const matrix = this.#matrix;
    const own = reshape(block.astype(matrix.dtype), [block.shape[0], blockWidth(block)]);
    const { inputs, ...size } = foldInputs(matrix.formula, matrix.inputs);
    return {
      ...size,
      formula: build.mul(matrix.formula, variable(own.id, "j", blockWidth(block))),
      inputs: new Map([...inputs, [own.id, own]]),
      reduction: "sum",
      axis: "j",
      dtype: matrix.dtype,
      k: 1,
      choices: this.#choices,
    };
  }

  /** Gradients of Σ cotangent · (K · block) by the tensors, block held still. */
  pulled(block: Tensor, cotangent: Tensor, wanted: readonly boolean[]): (Tensor | null)[] {
    const moving = this.#variables.filter((_, k) => wanted[k]);
    if (moving.length === 0) return this.tensors.map(() => null);
    const request = this.#product(block);
    const own = reshape(cotangent.astype(this.#matrix.dtype), [request.M, blockWidth(block)]);
    const found = foldGradients({ ...request, cotangent: own }, moving);
    return this.#variables.map((v, k) => {
      const gradient = wanted[k] ? found[moving.indexOf(v)] : null;
      return gradient === null ? null : reshape(gradient, this.tensors[k].shape);
    });
  }

  /** dK · block for tangents of the tensors; null where none moves. */
  moved(block: Tensor, tangents: readonly (Tensor | null)[]): Tensor | null {
    const request = this.#product(block);
    const directions = this.#variables.flatMap((v, k) => {
      const t = tangents[k];
      if (t === null) return [];
      const count = v.axis === "i" ? request.M : v.axis === "j" ? request.N : 1;
      return [{ variable: v, tangent: reshape(t, [count, v.dim]) }];
    });
    return directions.length === 0 ? null : foldDifferential({ ...request, tangents: directions });
  }
}

const blockWidth = (block: Tensor): number => block.size / block.shape[0];

/** Tells those who watch the tensors of the matrix, or the right-hand side. */
export function recordSolve(solve: SolveRecord): void {
  const { b, x, again } = solve;
  const moving = new Moving(solve);
  const { tensors } = moving;
  record([...tensors, b], [x], () => ({
    vjp: ([g], wanted) => {
      if (g === null) return [...tensors.map(() => null), null];
      const weights = again(g);
      return [...moving.pulled(x, weights.neg(), wanted), wanted[tensors.length] ? weights : null];
    },
    jvp: (tangents) => {
      const moved = moving.moved(x, tangents);
      const own = tangents[tensors.length];
      if (moved === null) return [own === null ? null : again(own)];
      const change = reshape(moved.neg().astype(x.dtype), x.shape);
      return [again(own === null ? change : change.add(own))];
    },
  }));
}

/** Tells those who watch the tensors of the matrix. */
export function recordLogDeterminant(logs: LogDeterminantRecord): void {
  const { value, again, probes } = logs;
  const moving = new Moving(logs);
  record(moving.tensors, [value], () => ({
    vjp: ([g], wanted) => {
      if (g === null) return moving.tensors.map(() => null);
      const z = probes();
      return moving.pulled(z, again(z).mul(g.div(z.shape[1])), wanted);
    },
    jvp: (tangents) => {
      const z = probes();
      const moved = moving.moved(z, tangents);
      return [moved === null ? null : again(z).mul(moved).sum().div(z.shape[1])];
    },
  }));
}
