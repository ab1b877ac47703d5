// Who watches what tensors are made of. Enters: applications of operations, with their derivative
// rules. Leaves: a tape of those that depend on what is watched, to be walked backwards or
// forwards; nothing is remembered while nobody watches.

import type { Tensor } from "../tensor/mod.ts";

/** How an operation is differentiated; null stands for zeros. */
export interface Rule {
  /**
   * Reverse mode: cotangents of the inputs from those of the outputs; those not wanted are null.
   */
  readonly vjp: (
    cotangents: readonly (Tensor | null)[],
    wanted: readonly boolean[],
  ) => readonly (Tensor | null)[];
  /** Forward mode: tangents of the outputs from those of the inputs. */
  readonly jvp: (tangents: readonly (Tensor | null)[]) => readonly (Tensor | null)[];
}

/** An operation that was applied. */
interface Step {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly rule: Rule;
}

/** Adds tensors of one shape. */
export type Add = (a: Tensor, b: Tensor) => Tensor;

/** Integers do not move when what they come from does. */
const isMoving = (t: Tensor): boolean => t.dtype !== "int32";

/** What was applied to watched tensors and to what came of them, in order. */
export class Tape {
  readonly #steps: Step[] = [];
  readonly #active: Set<Tensor>;

  constructor(watched: readonly Tensor[]) {
    this.#active = new Set(watched);
  }

  /** Whether a tensor is watched or depends on one that is. */
  isActive(t: Tensor): boolean {
    return this.#active.has(t);
  }

  note(step: Step): void {
    if (!step.inputs.some((t) => this.#active.has(t))) return;
    this.#steps.push(step);
    for (const t of step.outputs) if (isMoving(t)) this.#active.add(t);
  }

  /** The cotangents of `targets` from those of outputs, by reverse mode; null for zeros. */
  backward(
    outputs: readonly Tensor[],
    cotangents: readonly Tensor[],
    targets: readonly Tensor[],
    add: Add,
  ): (Tensor | null)[] {
    const found = new Map<Tensor, Tensor>();
    const give = (to: Tensor, cotangent: Tensor): void => {
      const before = found.get(to);
      found.set(to, before === undefined ? cotangent : add(before, cotangent));
    };
    outputs.forEach((t, k) => give(t, cotangents[k]));
    const kept = new Set(targets);
    // in reverse: a cotangent is complete once all who read its tensor are done
    for (let k = this.#steps.length - 1; k >= 0; k--) {
      const { inputs, outputs: made, rule } = this.#steps[k];
      const own = made.map((t) => found.get(t) ?? null);
      if (own.every((cotangent) => cotangent === null)) continue;
      for (const t of made) if (!kept.has(t)) found.delete(t);
      const wanted = inputs.map((t) => this.#active.has(t));
      rule.vjp(own, wanted).forEach((cotangent, position) => {
        if (cotangent !== null && wanted[position]) give(inputs[position], cotangent);
      });
    }
    return targets.map((t) => found.get(t) ?? null);
  }

  /** The tangents of outputs from those of what is watched, by forward mode; null for zeros. */
  forward(
    watched: readonly Tensor[],
    tangents: readonly Tensor[],
    outputs: readonly Tensor[],
  ): (Tensor | null)[] {
    const found = new Map<Tensor, Tensor>(watched.map((t, k) => [t, tangents[k]]));
    for (const { inputs, outputs: made, rule } of this.#steps) {
      const own = inputs.map((t) => found.get(t) ?? null);
      if (own.every((tangent) => tangent === null)) continue;
      rule.jvp(own).forEach((tangent, slot) => {
        if (tangent !== null) found.set(made[slot], tangent);
      });
    }
    return outputs.map((t) => found.get(t) ?? null);
  }
}

/** Those who watch now, the innermost last. */
const tapes: Tape[] = [];

/** Whether somebody watches one of some tensors. */
export function isTraced(inputs: Iterable<Tensor>): boolean {
  if (tapes.length === 0) return false;
  for (const t of inputs) {
    for (const tape of tapes) if (tape.isActive(t)) return true;
  }
  return false;
}

/**
 * Notes that outputs were made of inputs, for all who watch one of those. Rules are written with
 * operations that are noted themselves, so that derivatives of any order are derivatives of
 * derivatives.
 */
export function record(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  rule: () => Rule,
): void {
  if (!isTraced(inputs) || !outputs.some(isMoving)) return;
  const step = { inputs, outputs, rule: rule() };
  for (const tape of tapes) tape.note(step);
}

/** Whether values are wanted together with the derivatives that are being built. */
let wantsValues = false;

/** Builds derivatives of what will be read too, so that they may share work with it. */
export function withValues<T>(build: () => T): T {
  const before = wantsValues;
  wantsValues = true;
  try {
    return build();
  } finally {
    wantsValues = before;
  }
}

/** Whether what is differentiated now will be read too. */
export const valuesAreWanted = (): boolean => wantsValues;

/** Runs something while watching tensors: what it gave, and the tape. */
export function watch<T>(
  watched: readonly Tensor[],
  run: () => T,
): { readonly result: T; readonly tape: Tape } {
  const tape = new Tape(watched);
  tapes.push(tape);
  try {
    return { result: run(), tape };
  } finally {
    tapes.pop();
  }
}
