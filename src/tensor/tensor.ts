// Tensors: immutable dense arrays, computed when they are read, kept where they were computed.

import type { DType, Engine, Held, NumberArray, RunControl } from "../engine/engine.ts";
import { allocate, checkedInteger, dtypeOf } from "../engine/host.ts";
import { checkOptions, PairfoldError, shown } from "../error.ts";
import { escapeHtml, previewOf } from "./display.ts";
import { TensorMethods } from "./methods.ts";
import type { NestedNumbers, ReadOptions } from "./operations.ts";
import { isShape, sizeOf } from "./shapes.ts";
import { TensorStorage } from "./storage.ts";

/** What may stand where a tensor is wanted. */
export type TensorLike = Tensor | NumberArray | readonly NestedNumbers[];

/** A computation that gives a tensor's numbers. */
export interface Deferred {
  /** Runs the computation, or joins it; what it gives belongs to the tensor from then on. */
  resolve(control: RunControl): Promise<Held>;
  /** What will run, for people. */
  explain(): string;
}

let nextId = 0;

/** A tensor's storage, for what stands beside the class in this file. */
let storageIn: (t: Tensor) => TensorStorage;

/**
 * An immutable dense array of any rank, row-major. It is a value that may not have been computed
 * yet: building is immediate, only reading waits. What a device computes stays in its memory and
 * feeds further folds there, until somebody reads it.
 */
export class Tensor extends TensorMethods {
  /** Unique within the process. */
  readonly id: number = nextId++;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly #storage: TensorStorage;

  static {
    storageIn = (t) => t.#storage;
  }

  /** Use {@linkcode tensor}. */
  constructor(
    shape: readonly number[],
    dtype: DType,
    source: NumberArray | Deferred | TensorStorage,
  ) {
    super();
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
    this.#storage = source instanceof TensorStorage
      ? source
      : isDeferred(source)
      ? deferredStorage(source)
      : new TensorStorage(source, () => `${this.#title()}: given numbers, nothing to compute`);
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /**
   * Whether the numbers are there, or on their way on a device, so that reading does not compute.
   */
  get isComputed(): boolean {
    return this.#storage.isComputed;
  }

  /** The numbers where they stand on the host, not a copy, else null: for showing them. */
  peek(): NumberArray | null {
    return this.#storage.host;
  }

  /**
   * The numbers on the host, not a copy: for what only reads them.
   * A computed tensor forgets how it was computed, so that loops do not grow.
   */
  async resolve(control: RunControl = {}): Promise<NumberArray> {
    checkOptions("reading", control);
    const { host } = this.#storage;
    if (host !== null) return host;
    const storage = storageOf(this);
    storage.enter();
    try {
      return await storage.onHost(control);
    } finally {
      storage.leave();
    }
  }

  /**
   * The numbers where an engine's launches read them, uploaded once and kept there: for looking.
   * They are the tensor's, and stay as long as it is neither disposed of nor forgotten.
   */
  async resolveOn(engine: Engine, control: RunControl = {}): Promise<Held> {
    checkOptions("reading", control);
    const storage = storageOf(this);
    storage.enter();
    try {
      return await storage.on(engine, control);
    } finally {
      storage.leave();
    }
  }

  /**
   * Frees the memory that the tensor has on devices, once what goes on there has run. Numbers that
   * stand on the host (given, or read before) stay readable; others are gone, and reading them
   * rejects with `PairfoldError` (device). So does what was built on them and has not been read.
   * Without it, memory is freed some time after nobody has the tensor any more.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * {
   *   using sums = Vi([[0], [1]]).sqDist(Vj([[2], [4]])).sum("j"); // disposed of with the block
   *   console.log(await sums.array()); // [ [ 20 ], [ 10 ] ]
   * }
   * ```
   */
  dispose(): void {
    this.#storage.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Computes the tensor and copies its numbers, row-major.
   *
   * Rejects with `PairfoldError`: `aborted` by the signal, `memory` when one row does not fit,
   * `device` when the tensor was disposed of or its device failed.
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
    return this.#storage.explain();
  }

  #title(): string {
    return `Tensor ${this.dtype} [${this.shape}]`;
  }

  /** dtype, shape and, once they are computed, some numbers. */
  override toString(): string {
    const { host, isGone, engines } = this.#storage;
    const title = this.#title();
    if (host !== null) return `${title}: ${previewOf(host, this.shape)}`;
    if (isGone) return `${title}, disposed of`;
    if (engines.length === 0) return `${title}, not computed yet`;
    return `${title}, on ${engines.map(({ name }) => name).join(", ")}, not read yet`;
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

function deferredStorage(source: Deferred): TensorStorage {
  const storage: TensorStorage = new TensorStorage(
    async (control) => storage.receive(await source.resolve(control)),
    () => source.explain(),
  );
  return storage;
}

/** Where a tensor's numbers stand, for runs. Throws `PairfoldError` (device) if they are gone. */
export function storageOf(t: Tensor): TensorStorage {
  const storage = storageIn(t);
  if (storage.isGone) storage.check(`tensor ${t.dtype} [${t.shape}]`);
  return storage;
}

/** The same numbers in another shape of the same size; disposing of one disposes of both. */
export function reshaped(t: Tensor, shape: readonly number[]): Tensor {
  if (t.shape.join() === shape.join()) return t;
  return new Tensor(shape, t.dtype, storageIn(t));
}

/** Refuses arrays whose buffer was transferred, or shrunk until it ends before them. */
function checkAttached(data: NumberArray): void {
  try {
    data.values();
  } catch {
    throw new PairfoldError(
      "dtype",
      "tensor: got an array without its buffer; expected one that was not transferred or shrunk",
    );
  }
}

/** Arrays that may stand inside one another. */
const MAX_RANK = 64;

/** Infers the shape of nested arrays; every list of one level must have the same length. */
function shapeOfNested(data: NestedNumbers): number[] {
  const shape: number[] = [];
  for (let level = data; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (shape.length > MAX_RANK) {
      throw new PairfoldError(
        "shape",
        `tensor: got more than ${MAX_RANK} arrays inside one another`,
      );
    }
  }
  return shape;
}

function flatten(data: NestedNumbers, shape: readonly number[], out: NumberArray): void {
  let at = 0;
  const isWhole = out instanceof Int32Array;
  const visit = (part: NestedNumbers, axis: number): void => {
    if (typeof part !== "number" && !Array.isArray(part)) {
      throw new PairfoldError("dtype", `tensor: got ${typeof part}; expected numbers in arrays`);
    }
    const length = typeof part === "number" ? "a number" : `length ${part.length}`;
    const wanted = axis === shape.length ? "a number" : `length ${shape[axis]}`;
    if (length !== wanted) {
      throw new PairfoldError(
        "shape",
        `tensor: ragged array, got ${length} at axis ${axis}; expected ${wanted}`,
      );
    }
    if (typeof part !== "number") { for (const inner of part) visit(inner, axis + 1); }
    else out[at++] = isWhole ? checkedInteger("tensor", part) : part;
  };
  visit(data, 0);
}

/** The class of a shape that is no array, before its elements. */
function typeOfShape(shape: unknown): string {
  return ArrayBuffer.isView(shape) ? `${Object.prototype.toString.call(shape).slice(8, -1)} ` : "";
}

function checkShape(shape: readonly number[], length: number): void {
  if (isShape(shape) && sizeOf(shape) === length) return;
  throw new PairfoldError(
    "shape",
    `tensor: got ${length} numbers and shape ${typeOfShape(shape)}${shown(shape)}; expected an ` +
      `array of integers whose product is ${length}`,
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
  checkOptions("tensor", options);
  if (data instanceof Tensor) return data;
  if (ArrayBuffer.isView(data)) {
    const dtype = dtypeOf(data);
    checkAttached(data);
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
