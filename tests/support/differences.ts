// Derivatives of functions of tensors against central differences in float64. Enters: a function of
// float64 tensors and inputs. Leaves: nothing, or an error that says which derivative is off.

import { assertEquals } from "@std/assert";
import { grad, hvp, jvp, type Tensor, tensor } from "../../mod.ts";
import { randomFor } from "./random.ts";

/** A function of float64 tensors. */
export type Program = (...inputs: Tensor[]) => Tensor;

const STEP = 1e-5;

/** The largest difference of two lists, relative where they are large; infinite for NaN. */
export function worstError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Infinity;
  let scale = 1;
  for (let k = 0; k < want.length; k++) scale = Math.max(scale, Math.abs(want[k]));
  let worst = 0;
  for (let k = 0; k < got.length; k++) {
    const error = Math.abs(got[k] - want[k]) / scale;
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
  }
  return worst;
}

const shown = (list: ArrayLike<number>): string => Array.from(list).slice(0, 6).join(", ");

function check(what: string, got: ArrayLike<number>, want: ArrayLike<number>, bound: number): void {
  const error = worstError(got, want);
  if (error <= bound) return;
  throw new Error(`${what}: off by ${error}: ${shown(got)}, not ${shown(want)}`);
}

/** Inputs moved along directions. */
async function moved(
  inputs: readonly Tensor[],
  along: readonly Tensor[],
  step: number,
): Promise<Tensor[]> {
  const lists = await Promise.all(inputs.map((t) => t.data()));
  const directions = await Promise.all(along.map((t) => t.data()));
  return inputs.map((t, k) =>
    tensor(Float64Array.from(lists[k], (x, n) => x + step * directions[k][n]), t.shape)
  );
}

/** What tests may change or leave out. */
export interface CheckOptions {
  /** Whether second derivatives are checked too; default true. */
  readonly second?: boolean;
  /** Spoils the gradients, to see that the check finds it. */
  readonly spoil?: (gradient: Float64Array, position: number) => void;
  readonly bound?: number;
}

/**
 * Gradient, differential and Hessian-vector product of Σ c · f with random c, along random
 * directions of one input after another and of all.
 */
export async function checkDerivatives(
  name: string,
  f: Program,
  inputs: readonly Tensor[],
  { second = true, spoil = () => {}, bound = 2e-8 }: CheckOptions = {},
): Promise<void> {
  const random = randomFor(name);
  const { shape } = f(...inputs);
  const c = tensor(random.float64(shape.reduce((a, b) => a * b, 1), 0.5, 1.5), shape);
  const loss: Program = (...args) => f(...args).mul(c).sum();
  const argnums = inputs.map((_, k) => k);
  const gradients = grad(loss, { argnums })(...inputs) as Tensor[];
  const lists = await Promise.all(gradients.map(async (g) => Float64Array.from(await g.data())));
  lists.forEach(spoil);
  gradients.forEach((g, k) => assertEquals(g.shape, inputs[k].shape, `${name}: shape ${k}`));
  const cases = inputs.length === 1 ? [[0]] : [...argnums.map((k) => [k]), argnums];
  for (const moving of cases) {
    const along = inputs.map((t, k) => {
      const data = moving.includes(k) ? random.float64(t.size) : new Float64Array(t.size);
      return tensor(data, t.shape);
    });
    const [up, down] = [await moved(inputs, along, STEP), await moved(inputs, along, -STEP)];
    const [high, low] = [await f(...up).data(), await f(...down).data()];
    const slope = Float64Array.from(high, (x, k) => (x - low[k]) / (2 * STEP));
    const [, tangent] = jvp(f as (...args: Tensor[]) => Tensor, inputs, along);
    assertEquals(tangent.shape, shape, `${name}: shape of the tangent`);
    check(`${name}, jvp along ${moving}`, await tangent.data(), slope, bound);
    const weights = await c.data();
    const want = slope.reduce((total, x, k) => total + x * weights[k], 0);
    let got = 0;
    for (const [k, list] of lists.entries()) {
      const direction = await along[k].data();
      got += list.reduce((total, g, n) => total + g * direction[n], 0);
    }
    check(`${name}, gradient along ${moving}`, [got], [want], bound);
    if (!second) continue;
    const curvatures = hvp(loss, inputs, along) as readonly Tensor[];
    const above = grad(loss, { argnums })(...up) as Tensor[];
    const below = grad(loss, { argnums })(...down) as Tensor[];
    for (const k of argnums) {
      const [a, b] = [await above[k].data(), await below[k].data()];
      const wanted = Float64Array.from(a, (x, n) => (x - b[n]) / (2 * STEP));
      const what = `${name}, second derivative of ${k} along ${moving}`;
      check(what, await curvatures[k].data(), wanted, bound * 10);
    }
  }
}

/** A float64 tensor of random numbers. */
export function drawnTensor(
  name: string,
  shape: readonly number[],
  low = -1,
  high = 1,
): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(randomFor(name).float64(size, low, high), shape);
}
