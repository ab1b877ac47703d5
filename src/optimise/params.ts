// Parameters of a function as one vector. Enters: numbers, typed arrays and tensors in nested
// arrays and objects. Leaves: a float64 vector, and the way back to the same structure.

import { PairfoldError } from "../error.ts";
import { type NestedNumbers, Tensor } from "../tensor/mod.ts";

/** One parameter. */
export type Leaf = number | Float32Array | Float64Array | Tensor;

/** Parameters: a leaf, or arrays and objects of parameters. */
export type Params = Leaf | readonly Params[] | { readonly [name: string]: Params };

/** The structure of parameters, by which vectors become parameters again. */
export interface Structure<P extends Params> {
  /** Length of the vector. */
  readonly size: number;
  /** Parameters of this structure as a vector. Rejects with `PairfoldError` (shape, dtype). */
  flatten(what: string, params: unknown): Promise<Float64Array>;
  /** A vector as parameters. */
  restore(vector: Float64Array): P;
}

/** Takes a vector's numbers apart, in order. */
type Restore = (vector: Float64Array, at: { position: number }) => Params;

/** A leaf or a branch: where it is, how to rebuild it, how to read one like it. */
interface Part {
  readonly size: number;
  readonly restore: Restore;
  /** Pushes the leaves of something of this structure. */
  readonly collect: (what: string, value: unknown, leaves: LeafValue[]) => void;
}

/** A leaf's value and how many numbers it must have. */
interface LeafValue {
  readonly what: string;
  readonly value: unknown;
  readonly size: number;
  readonly shape: readonly number[] | null;
}

const isLeaf = (value: unknown): value is Leaf =>
  typeof value === "number" || value instanceof Tensor || value instanceof Float32Array ||
  value instanceof Float64Array;

function leafPart(leaf: Leaf, path: string): Part {
  const size = typeof leaf === "number" ? 1 : leaf instanceof Tensor ? leaf.size : leaf.length;
  const shape = leaf instanceof Tensor ? leaf.shape : null;
  if (leaf instanceof Tensor && leaf.dtype === "int32") {
    throw new PairfoldError("dtype", `params${path}: got an int32 tensor; expected floats`);
  }
  const restore: Restore = (vector, at) => {
    const own = vector.slice(at.position, at.position += size);
    if (typeof leaf === "number") return own[0];
    if (leaf instanceof Float64Array) return own;
    if (leaf instanceof Float32Array) return Float32Array.from(own);
    const isSingle = leaf.dtype === "float32";
    return new Tensor(leaf.shape, leaf.dtype, isSingle ? Float32Array.from(own) : own);
  };
  return {
    size,
    restore,
    collect: (what, value, leaves) => leaves.push({ what: what + path, value, size, shape }),
  };
}

function partOf(params: Params, path: string): Part {
  if (isLeaf(params)) return leafPart(params, path);
  const isList = Array.isArray(params);
  if (!isList && (params === null || typeof params !== "object" || ArrayBuffer.isView(params))) {
    throw new PairfoldError(
      "dtype",
      `params${path}: got ${params === null ? "null" : typeof params}; expected numbers, float ` +
        "arrays and tensors, in arrays and objects",
    );
  }
  const children = Object.entries(params).map(([name, child]) =>
    [name, partOf(child as Params, isList ? `${path}[${name}]` : `${path}.${name}`)] as const
  );
  return {
    size: children.reduce((sum, [, child]) => sum + child.size, 0),
    restore: (vector, at) => {
      const entries = children.map(([name, child]) => [name, child.restore(vector, at)] as const);
      return isList ? entries.map(([, value]) => value) : Object.fromEntries(entries);
    },
    collect: (what, value, leaves) => {
      for (const [name, child] of children) {
        const own = (value as Record<string, unknown> | null | undefined)?.[name];
        child.collect(what, own, leaves);
      }
    },
  };
}

const flat = (value: NestedNumbers): number[] =>
  typeof value === "number" ? [value] : value.flatMap(flat);

/** Numbers of a leaf's counterpart, of any kind of leaf or nested arrays. */
async function numbersOf({ what, value, size, shape }: LeafValue): Promise<ArrayLike<number>> {
  const numbers = value instanceof Tensor
    ? await value.resolve()
    : typeof value === "number"
    ? [value]
    : Array.isArray(value)
    ? flat(value as NestedNumbers)
    : isLeaf(value)
    ? value as Float64Array
    : null;
  const isFit = numbers !== null && numbers.length === size &&
    !(value instanceof Tensor && shape !== null && value.shape.join() !== shape.join());
  if (isFit) return numbers;
  const got = value instanceof Tensor
    ? `a tensor [${value.shape}]`
    : numbers === null
    ? `${value === null ? "null" : typeof value}`
    : `${numbers.length} numbers`;
  const wanted = shape === null ? `${size} numbers` : `a tensor [${shape}]`;
  throw new PairfoldError("shape", `${what}: got ${got}; expected ${wanted}`);
}

/** The structure of parameters. Throws `PairfoldError` (dtype) for what is no parameter. */
export function structureOf<P extends Params>(params: P): Structure<P> {
  const root = partOf(params, "");
  return {
    size: root.size,
    flatten: async (what, value) => {
      const leaves: LeafValue[] = [];
      root.collect(what, value, leaves);
      const out = new Float64Array(root.size);
      let at = 0;
      for (const leaf of leaves) {
        out.set(await numbersOf(leaf), at);
        at += leaf.size;
      }
      return out;
    },
    restore: (vector) => root.restore(vector, { position: 0 }) as P,
  };
}
