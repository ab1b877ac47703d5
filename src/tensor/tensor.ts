// Tensors: immutable dense arrays, computed when they are read.

import type { DType, NumberArray, Progress, RunControl } from "../engine/engine.ts";
import { allocate, dtypeOf } from "../engine/host.ts";
import { PairfoldError } from "../error.ts";
import { escapeHtml, previewOf } from "./display.ts";

/** Nested arrays of numbers: what `array()` gives and `tensor()` takes. */
export type NestedNumbers = number | readonly NestedNumbers[];

/** What may stand where a tensor is wanted. */
export type TensorLike = Tensor | NumberArray | readonly NestedNumbers[];

/** What may watch and stop the computation behind a read. */
export interface ReadOptions {
  /** Stops the computation, unless others wait for it too. */
  readonly signal?: AbortSignal;
  /** Called with pairs done and in all, about every 25 ms, first with 0, last with all. */
  readonly onProgress?: (progress: Progress) => void;
}

/** A computation that gives a tensor's numbers. */
export interface Deferred {
  /** Runs the computation, or joins it. */
  resolve(control: RunControl): Promise<NumberArray>;
  /** What will run, for people. */
  explain(): string;
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

let nextId = 0;

/**
 * An immutable dense array of any rank, row-major. It is a value that may not have been computed
 * yet: building is immediate, only reading waits.
 */
export class Tensor {
  /** Unique within the process. */
  readonly id: number = nextId++;
  readonly shape: readonly number[];
  readonly dtype: DType;
  #source: NumberArray | Deferred;
  readonly #explain: () => string;

  /** Use {@linkcode tensor}. */
  constructor(shape: readonly number[], dtype: DType, source: NumberArray | Deferred) {
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
    this.#source = source;
    this.#explain = isDeferred(source)
      ? () => source.explain()
      : () => `${this.#title()}: given numbers, nothing to compute`;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Whether the numbers are there, so that reading does not compute. */
  get isComputed(): boolean {
    return !isDeferred(this.#source);
  }

  /** The numbers where they are there, not a copy, else null: for showing them. */
  peek(): NumberArray | null {
    return isDeferred(this.#source) ? null : this.#source;
  }

  /**
   * The numbers themselves, not a copy: for engines, which only read them.
   * A computed tensor forgets how it was computed, so that loops do not grow.
   */
  async resolve(control: RunControl = {}): Promise<NumberArray> {
    const source = this.#source;
    if (!isDeferred(source)) return source;
    const data = await source.resolve(control);
    this.#source = data;
    return data;
  }

  /**
   * Computes the tensor and copies its numbers, row-major.
   *
   * Rejects with `PairfoldError`: `aborted` by the signal, `memory` when one row does not fit.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * console.log(await tensor([[1, 2], [3, 4]]).data()); // Float32Array(4) [ 1, 2, 3, 4 ]
   * ```
   */
  async data(options: ReadOptions = {}): Promise<NumberArray> {
    return (await this.resolve(options)).slice();
  }

  /** Computes the tensor and gives it as nested arrays (a number for rank 0). */
  async array(options: ReadOptions = {}): Promise<NestedNumbers> {
    const data = await this.resolve(options);
    const nest = (axis: number, start: number): NestedNumbers => {
      if (axis === this.shape.length) return data[start];
      const stride = sizeOf(this.shape.slice(axis + 1));
      return Array.from({ length: this.shape[axis] }, (_, k) => nest(axis + 1, start + k * stride));
    };
    return nest(0, 0);
  }

  /** Computes the tensor and gives its one number. Rejects with code `shape` if it has more. */
  async item(options: ReadOptions = {}): Promise<number> {
    if (this.size !== 1) {
      throw new PairfoldError("shape", `item: got shape [${this.shape}]; expected one element`);
    }
    return (await this.resolve(options))[0];
  }

  /** What was, or will be, computed: formula, sections, schedule, target, generated source. */
  explain(): string {
    return this.#explain();
  }

  #title(): string {
    return `Tensor ${this.dtype} [${this.shape}]`;
  }

  /** dtype, shape and, once they are computed, some numbers. */
  toString(): string {
    const numbers = this.peek();
    if (numbers === null) return `${this.#title()}, not computed yet`;
    return `${this.#title()}: ${previewOf(numbers, this.shape)}`;
  }

  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  [Symbol.for("Jupyter.display")](): Record<"text/plain" | "text/html", string> {
    const text = this.toString();
    return { "text/plain": text, "text/html": `<code>${escapeHtml(text)}</code>` };
  }
}

function isDeferred(source: NumberArray | Deferred): source is Deferred {
  return "resolve" in source;
}

/** Infers the shape of nested arrays; every list of one level must have the same length. */
function shapeOfNested(data: NestedNumbers): number[] {
  const shape: number[] = [];
  for (let level = data; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
  }
  return shape;
}

function flatten(data: NestedNumbers, shape: readonly number[], out: NumberArray): void {
  let at = 0;
  const visit = (part: NestedNumbers, axis: number): void => {
    const length = typeof part === "number" ? "a number" : `length ${part.length}`;
    const wanted = axis === shape.length ? "a number" : `length ${shape[axis]}`;
    if (typeof part !== "number" && !Array.isArray(part)) {
      throw new PairfoldError("dtype", `tensor: got ${typeof part}; expected numbers in arrays`);
    }
    if (length !== wanted) {
      throw new PairfoldError(
        "shape",
        `tensor: ragged array, got ${length} at axis ${axis}; expected ${wanted}`,
      );
    }
    if (typeof part === "number") out[at++] = part;
    else for (const inner of part) visit(inner, axis + 1);
  };
  visit(data, 0);
}

function checkShape(shape: readonly number[], length: number): void {
  const isShape = shape.every((n) => Number.isInteger(n) && n >= 0);
  if (isShape && sizeOf(shape) === length) return;
  throw new PairfoldError(
    "shape",
    `tensor: got ${length} numbers and shape [${shape}]; expected a shape of integers whose ` +
      `product is ${length}`,
  );
}

/**
 * Makes a tensor from a typed array (copied, or adopted with `copy: false`) or from nested arrays
 * of numbers (float32 unless `dtype` says otherwise). Shape: as given, else that of the nesting;
 * a typed array alone has rank 1.
 *
 * Throws `PairfoldError`: `shape` for ragged arrays and shapes that do not fit, `dtype` for other
 * element types.
 *
 * ```ts
 * import { tensor } from "pairfold";
 * const x = tensor(new Float32Array([0, 1, 2, 3, 4, 5]), [2, 3]);
 * const y = tensor([[0, 1, 2], [3, 4, 5]]);
 * console.log(x.shape, y.shape); // [ 2, 3 ] [ 2, 3 ]
 * ```
 */
export function tensor(
  data: TensorLike | number,
  shape?: readonly number[],
  options: { readonly dtype?: DType; readonly copy?: boolean } = {},
): Tensor {
  if (data instanceof Tensor) return data;
  if (ArrayBuffer.isView(data)) {
    const dtype = dtypeOf(data);
    if (options.dtype !== undefined && options.dtype !== dtype) {
      throw new PairfoldError("dtype", `tensor: got ${dtype}; expected ${options.dtype}`);
    }
    const ownShape = shape ?? [data.length];
    checkShape(ownShape, data.length);
    return new Tensor(ownShape, dtype, options.copy === false ? data : data.slice());
  }
  if (typeof data !== "number" && !Array.isArray(data)) {
    throw new PairfoldError("dtype", `tensor: got ${typeof data}; expected numbers in arrays`);
  }
  const nested = shapeOfNested(data);
  const out = allocate(options.dtype ?? "float32", sizeOf(nested));
  flatten(data, nested, out);
  const ownShape = shape ?? nested;
  checkShape(ownShape, out.length);
  return new Tensor(ownShape, options.dtype ?? "float32", out);
}
