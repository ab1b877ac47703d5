// Derivatives of solves and of log-determinants. Of (K + α) x = b it is, by the implicit rule, (K +
// α) dx = db − dK x, so that reverse and forward mode are one more solve each and derivatives of
// the product K x. Of log det (K + α) it is tr (K + α)⁻¹ dK, the mean of zᵀ (K + α)⁻¹ dK z over
// probes z: one more solve for all of them, and derivatives of the product K z.

import { build, topological, variable, type VariableNode } from "../formula/mod.ts";
import {
  type FoldChoices,
  foldDifferential,
  foldGradients,
  type FoldRequest,
  NO_BATCH,
  record,
  reshape,
  sumToSize,
} from "../program/mod.ts";
import { sizeOf, type Tensor } from "../tensor/mod.ts";
import { commonBatch } from "./inputs.ts";
import { foldInputs } from "./readable.ts";
import type { Symbolic } from "./symbolic.ts";

/** A symmetric matrix of scalars, or several in batch dims, and how to solve by it. */
interface System {
  readonly matrix: Symbolic;
  /** Of a right-hand side of the shape of the first one, or of its solution. */
  readonly again: (b: Tensor) => Tensor;
  readonly choices: FoldChoices;
}

/** A solve: b is [n], [n, width] or [...batch, n, width], x the same in the common batch shape. */
export interface SolveRecord extends System {
  readonly b: Tensor;
  readonly x: Tensor;
}

/** A log-determinant [...batch], with the probes [n, count] of its derivative. */
export interface LogDeterminantRecord extends System {
  readonly value: Tensor;
  readonly probes: () => Tensor;
}

/**
 * What derivatives of a matrix are taken by, and of its products with blocks [...batch, n, width].
 */
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
    const own = asBlock(block.astype(matrix.dtype));
    const [width] = own.shape.slice(-1), sides = own.shape.slice(0, -2);
    const { inputs, batch, ...size } = foldInputs(matrix.formula, matrix.inputs);
    const shape = commonBatch("solve", batch.shape, sides);
    return {
      ...size,
      formula: build.mul(matrix.formula, variable(own.id, "j", width)),
      inputs: new Map([...inputs, [own.id, own]]),
      batch: shape.length === 0 ? NO_BATCH : { shape, of: new Map([...batch.of, [own.id, sides]]) },
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
    const own = asBlock(cotangent.astype(this.#matrix.dtype));
    const found = foldGradients({ ...this.#product(block), cotangent: own }, moving);
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
      const own = this.#matrix.inputs.byId.get(v.slot)?.batch ?? [];
      const count = v.axis === "i" ? request.M : v.axis === "j" ? request.N : 1;
      return [{ variable: v, tangent: reshape(t, [...own, count, v.dim]) }];
    });
    return directions.length === 0 ? null : foldDifferential({ ...request, tangents: directions });
  }
}

/** A vector [n] as a block [n, 1]; blocks as they are. */
const asBlock = (t: Tensor): Tensor => t.shape.length === 1 ? reshape(t, [t.shape[0], 1]) : t;

/** The gradient by a right-hand side that was broadcast along batch dims. */
function summedTo(t: Tensor, shape: readonly number[], choices: FoldChoices): Tensor {
  const { dtype } = t;
  if (t.size === sizeOf(shape) || dtype === "int32") return reshape(t, shape);
  const missing = new Array<number>(t.shape.length - shape.length).fill(1);
  return reshape(sumToSize(t, [...missing, ...shape], { dtype, choices }), shape);
}

/** Tells those who watch the tensors of the matrix, or the right-hand side. */
export function recordSolve(solve: SolveRecord): void {
  const { b, x, again, choices } = solve;
  const moving = new Moving(solve);
  const { tensors } = moving;
  record([...tensors, b], [x], () => ({
    vjp: ([g], wanted) => {
      if (g === null) return [...tensors.map(() => null), null];
      const weights = again(g);
      const own = wanted[tensors.length]
        ? summedTo(weights.astype(b.dtype), b.shape, choices)
        : null;
      return [...moving.pulled(x, weights.neg(), wanted), own];
    },
    jvp: (tangents) => {
      const moved = moving.moved(x, tangents);
      const own = tangents[tensors.length];
      if (moved === null) return [own === null ? null : again(own)];
      const change = reshape(moved.neg().astype(b.dtype), x.shape);
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
      const share = reshape(g.div(z.shape[1]), [...value.shape, 1, 1]);
      return moving.pulled(z, again(z).mul(share), wanted);
    },
    jvp: (tangents) => {
      const z = probes();
      const moved = moving.moved(z, tangents);
      return [moved === null ? null : again(z).mul(moved).sum([-2, -1]).div(z.shape[1])];
    },
  }));
}
