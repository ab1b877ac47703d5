// Derivatives of functions of tensors, as functions: reverse mode, forward mode, and one over the
// other. Functions are watched while they run once; nesting gives derivatives of any order. (In the
// style of JAX, Bradbury et al. 2018.)

import { PairfoldError, shown } from "../error.ts";
import { sameShape, storageOf, Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import { sumOf } from "./elementwise.ts";
import { alias } from "./linear.ts";
import { ones, zerosLike } from "./movement.ts";
import { sharingNeededValues } from "./joint.ts";
import { type Tape, watch, withValues } from "./trace.ts";
import { leavesOf, withLeaves } from "./tree.ts";

/** Which arguments a gradient is taken by. */
export interface GradOptions<N extends number | readonly number[]> {
  /** The position of an argument, or several; default 0. */
  readonly argnums: N;
}

/** Gradients: of one argument, its own form; of several, a list of these. */
export type Gradients<Args extends readonly unknown[], N> = N extends number ? Args[N]
  : N extends readonly number[] ? { -readonly [K in keyof N]: Args[N[K] & number] }
  : never;

function refuse(op: string, code: "shape" | "dtype", got: string, expected: string): never {
  throw new PairfoldError(code, `${op}: got ${got}; expected ${expected}`);
}

/** The arguments that options name, a number or a list. Throws `PairfoldError` (shape). */
function argnumsOf(
  op: string,
  options: GradOptions<number | readonly number[]>,
): number | readonly number[] {
  const argnums: unknown = options?.argnums;
  if (Number.isInteger(argnums) || isIntegers(argnums)) return options.argnums;
  const got = options === null || argnums === undefined ? options : argnums;
  refuse(op, "shape", shown(got), "{ argnums } with the place of an argument, or an array of them");
}

function isIntegers(x: unknown): boolean {
  return Array.isArray(x) && x.every((one) => Number.isInteger(one));
}

/** Throws `PairfoldError` (dtype) for what derivatives cannot be taken by. */
function checkFloats(op: string, tensors: readonly Tensor[]): void {
  const other = tensors.find((t) => t.dtype === "int32");
  if (other === undefined) return;
  refuse(op, "dtype", `an int32 tensor [${other.shape}]`, "derivatives by float32 or float64");
}

/** One run of a function on tensors that are watched. */
interface Watched<Output> {
  readonly output: Output;
  readonly tape: Tape;
  /** What the function was given in place of the inputs. */
  readonly inputs: readonly Tensor[];
}

/** Runs a function on tensors of its own, so that derivatives of different runs do not mix. */
export function watched<Output>(
  tensors: readonly Tensor[],
  run: (inputs: readonly Tensor[]) => Output,
): Watched<Output> {
  const inputs = tensors.map(alias);
  const { result, tape } = watch(inputs, () => run(inputs));
  return { output: result, tape, inputs };
}

/** Cotangents of all that a function was given; zeros where the output does not depend on it. */
export function pulled(
  { tape, inputs }: Watched<unknown>,
  output: Tensor,
  cotangent: Tensor,
): Tensor[] {
  const found = tape.backward([output], [cotangent], inputs, sumOf);
  return found.map((g, k) => g ?? zerosLike(inputs[k]));
}

/** The one number that a function gave. */
function scalarOf(op: string, output: unknown): Tensor {
  if (!(output instanceof Tensor)) {
    const isPromise = typeof output === "object" && output !== null && "then" in output;
    const got = isPromise ? "a promise" : output === null ? "null" : typeof output;
    return refuse(op, "dtype", `a function that gives ${got}`, "one that gives a tensor");
  }
  if (output.dtype === "int32") {
    refuse(op, "dtype", "a function that gives int32", "one that gives a float");
  }
  if (output.size !== 1) {
    refuse(
      op,
      "shape",
      `a function that gives shape [${output.shape}]`,
      "one that gives one number (sum() adds up; vjp takes a cotangent)",
    );
  }
  return output;
}

function valueAndGradients<Args extends readonly unknown[]>(
  op: string,
  f: (...args: Args) => Tensor,
  args: Args,
  argnums: readonly number[],
): [value: Tensor, gradients: unknown[]] {
  if (typeof f !== "function") refuse(op, "dtype", typeof f, "a function of tensors");
  const trees = argnums.map((position) => {
    const at = position < 0 ? position + args.length : position;
    if (Number.isInteger(at) && at >= 0 && at < args.length) return { at, tree: args[at] };
    return refuse(op, "shape", `argument ${position} of ${args.length}`, "one that is there");
  });
  const lists = trees.map(({ tree }) => leavesOf(op, tree));
  const tensors = lists.flat();
  checkFloats(op, tensors);
  const run = watched(tensors, (inputs) => {
    const own: unknown[] = [...args];
    let from = 0;
    trees.forEach(({ at, tree }, k) => {
      own[at] = withLeaves(op, tree, inputs.slice(from, from += lists[k].length));
    });
    return f(...own as unknown as Args);
  });
  const value = scalarOf(op, run.output);
  const pull = (): Tensor[] => pulled(run, value, ones(value.shape, value.dtype));
  const list = op === "valueAndGrad" ? withValues(pull) : sharingNeededValues(pull);
  let from = 0;
  const gradients = trees.map(({ tree }, k) =>
    withLeaves(op, tree, list.slice(from, from += lists[k].length))
  );
  return [value, gradients];
}

/**
 * A function's value and its gradient, as a function of the same arguments that gives
 * `[value, gradient]`. See {@linkcode grad}.
 *
 * ```ts
 * import { tensor, valueAndGrad, Vi, Vj } from "pairfold";
 * const y = tensor([[1, 0], [0, 1], [2, 2]]);
 * const energy = valueAndGrad((x) => Vi(x).sqDist(Vj(y)).neg().exp().sum("j").sum());
 * const [value, gradient] = energy(tensor([[0, 0], [1, 1]]));
 * console.log(await value.item(), gradient.shape); // 1.6… [ 2, 2 ]
 * ```
 */
export function valueAndGrad<Args extends readonly [Tensor, ...unknown[]] = [Tensor]>(
  f: (...args: Args) => Tensor,
): (...args: Args) => [value: Tensor, gradient: Args[0]];
export function valueAndGrad<Args extends readonly unknown[]>(
  f: (...args: Args) => Tensor,
): (...args: Args) => [value: Tensor, gradient: Args[0]];
export function valueAndGrad<
  Args extends readonly unknown[],
  const N extends number | readonly number[],
>(
  f: (...args: Args) => Tensor,
  options: GradOptions<N>,
): (...args: Args) => [value: Tensor, gradient: Gradients<Args, N>];
export function valueAndGrad<Args extends readonly unknown[]>(
  f: (...args: Args) => Tensor,
  options: GradOptions<number | readonly number[]> = { argnums: 0 },
): (...args: Args) => [value: Tensor, gradient: unknown] {
  const argnums = argnumsOf("valueAndGrad", options);
  return (...args) => {
    const list = typeof argnums === "number" ? [argnums] : argnums;
    const [value, gradients] = valueAndGradients("valueAndGrad", f, args, list);
    return [value, typeof argnums === "number" ? gradients[0] : gradients];
  };
}

/**
 * The gradient of a function that gives one number, by reverse mode: a function of the same
 * arguments that gives the gradient by the first one (or by those that `argnums` names), of its
 * form: a tensor, or arrays and plain objects of tensors. Other arguments are handed through as
 * they are. All that is built of tensors inside has derivatives: reductions of symbolic matrices,
 * functions made by `genred`, operations on tensors. Gradients are deferred, and functions again:
 * nesting gives higher orders.
 *
 * What the result does not depend on gets zeros. Integers are constants: indices of winners and of
 * sorts do not move.
 *
 * Throws `PairfoldError`: `shape` for a function that gives more than one number, `dtype` for a
 * gradient by or of integers and for what is no tensor.
 *
 * ```ts
 * import { grad, tensor } from "pairfold";
 * const cube = (x: typeof one) => x.pow(3).sum();
 * const one = tensor([1, 2]);
 * console.log(await grad(cube)(one).array()); // [ 3, 12 ]
 * const slope = grad((x) => grad(cube)(x).sum());
 * console.log(await slope(one).array()); // [ 6, 12 ]
 * ```
 */
export function grad<Args extends readonly [Tensor, ...unknown[]] = [Tensor]>(
  f: (...args: Args) => Tensor,
): (...args: Args) => Args[0];
export function grad<Args extends readonly unknown[]>(
  f: (...args: Args) => Tensor,
): (...args: Args) => Args[0];
export function grad<
  Args extends readonly unknown[],
  const N extends number | readonly number[],
>(
  f: (...args: Args) => Tensor,
  options: GradOptions<N>,
): (...args: Args) => Gradients<Args, N>;
export function grad<Args extends readonly unknown[]>(
  f: (...args: Args) => Tensor,
  options: GradOptions<number | readonly number[]> = { argnums: 0 },
): (...args: Args) => unknown {
  const argnums = argnumsOf("grad", options);
  return (...args) => {
    const list = typeof argnums === "number" ? [argnums] : argnums;
    const [, gradients] = valueAndGradients("grad", f, args, list);
    return typeof argnums === "number" ? gradients[0] : gradients;
  };
}

/** A tangent or cotangent of a tensor: of its shape and type. */
export function likeTensor(
  op: string,
  what: string,
  value: TensorLike | number,
  t: Tensor,
): Tensor {
  const { shape, dtype } = t;
  const own = value instanceof Tensor
    ? value
    : ArrayBuffer.isView(value)
    ? tensor(value, value.length === t.size ? shape : undefined)
    : tensor(value, undefined, { dtype });
  if (!sameShape(own.shape, shape)) {
    refuse(op, "shape", `a ${what} of shape [${own.shape}]`, `[${shape}]`);
  }
  if (own.dtype !== dtype) refuse(op, "dtype", `a ${what} of ${own.dtype}`, dtype);
  return own;
}

/** Tangents for the tensors of arguments. */
function tangentsOf(op: string, leaves: readonly Tensor[], tangents: readonly unknown[]): Tensor[] {
  if (!Array.isArray(tangents)) refuse(op, "dtype", shown(tangents), "an array of tangents");
  const given = tangents.flatMap((tree) => leavesOf(op, tree));
  if (given.length !== leaves.length) {
    refuse(op, "shape", `${given.length} tangents`, `${leaves.length}, one per tensor`);
  }
  return given.map((t, k) => likeTensor(op, "tangent", t, leaves[k]));
}

/**
 * Forward mode: a function's value at some arguments, and how it moves when they move along
 * tangents (Jacobian-vector product), from one run: `[output, tangent]`, the tangent of the
 * output's form. Arguments are tensors, or arrays and plain objects of them; tangents have their
 * form.
 *
 * Throws `PairfoldError`: `shape` for tangents that do not fit, `dtype` for what is no float
 * tensor.
 *
 * ```ts
 * import { jvp, tensor } from "pairfold";
 * const x = tensor([1, 2]), v = tensor([1, 0]);
 * const [value, moved] = jvp((t) => t.square().sum(), [x], [v]);
 * console.log(await value.item(), await moved.item()); // 5 2
 * ```
 */
export function jvp<Args extends readonly unknown[], Output>(
  f: (...args: Args) => Output,
  primals: readonly [...Args],
  tangents: readonly [...Args],
): [output: Output, tangent: Output] {
  return forward(f, primals, tangents, withValues);
}

/** {@linkcode jvp}; `walk` says how the tape is gone through. */
function forward<Args extends readonly unknown[], Output>(
  f: (...args: Args) => Output,
  primals: readonly [...Args],
  tangents: readonly [...Args],
  walk: typeof withValues,
): [output: Output, tangent: Output] {
  if (typeof f !== "function") refuse("jvp", "dtype", typeof f, "a function of tensors");
  if (!Array.isArray(primals)) refuse("jvp", "dtype", shown(primals), "an array of arguments");
  const tensors = leavesOf("jvp", primals);
  checkFloats("jvp", tensors);
  const along = tangentsOf("jvp", tensors, tangents);
  const run = watched(
    tensors,
    (inputs) => f(...withLeaves("jvp", primals, inputs) as unknown as Args),
  );
  const outputs = leavesOf("jvp", run.output);
  const moved = walk(() => run.tape.forward(run.inputs, along, outputs));
  const whole = moved.map((t, k) => t ?? zerosLike(outputs[k]));
  return [run.output, withLeaves("jvp", run.output, whole)];
}

/**
 * The same tensor as a constant: derivatives do not go through it. (JAX' `stop_gradient`.)
 *
 * ```ts
 * import { grad, stopGradient, tensor } from "pairfold";
 * const f = grad((x) => x.mul(stopGradient(x)).sum());
 * console.log(await f(tensor([3])).array()); // [ 3 ], not [ 6 ]
 * ```
 */
export function stopGradient(x: Tensor): Tensor {
  if (!(x instanceof Tensor)) refuse("stopGradient", "dtype", shown(x), "a tensor");
  return new Tensor(x.shape, x.dtype, storageOf(x));
}

/**
 * Hessian-vector product: how the gradient of a function that gives one number moves when its
 * arguments move along tangents, by forward over reverse mode. One result per argument, of its
 * form.
 *
 * Throws as {@linkcode grad} and {@linkcode jvp}.
 *
 * ```ts
 * import { hvp, tensor } from "pairfold";
 * const x = tensor([1, 2]), v = tensor([1, 1]);
 * const [moved] = hvp((t) => t.pow(3).sum(), [x], [v]);
 * console.log(await moved.array()); // [ 6, 12 ]
 * ```
 */
export function hvp<Args extends readonly unknown[]>(
  f: (...args: Args) => Tensor,
  primals: readonly [...Args],
  tangents: readonly [...Args],
): Args {
  if (!Array.isArray(primals)) refuse("hvp", "dtype", shown(primals), "an array of arguments");
  const argnums = primals.map((_, position) => position);
  const gradient = (...args: Args): Args =>
    valueAndGradients("hvp", f, args, argnums)[1] as unknown as Args;
  return forward<Args, Args>(gradient, primals, tangents, (run) => run())[1];
}
