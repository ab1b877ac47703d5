// Slots of numbers. A number that joins a formula has the slot of its place there, so that the same
// formula with another number is the same node: nothing is interned, renumbered or lowered again.
// Enters: terms that become one formula. Leaves: the same terms, no slot of which means two
// tensors.

import { transform, variable } from "../formula/mod.ts";
import { Tensor, tensor } from "../tensor/mod.ts";
import type { Input, Inputs, Term } from "./inputs.ts";

/** Slots by what a number joins, and by its place there. */
const known = new WeakMap<object, Map<string | number, number>>();

/** The slot of a place beside something: always the same as long as that lives. */
function slotBeside(anchor: object, place: string | number): number {
  let slots = known.get(anchor);
  if (slots === undefined) known.set(anchor, slots = new Map());
  let slot = slots.get(place);
  if (slot === undefined) slots.set(place, slot = tensor(0).id);
  return slot;
}

/** A number as a parameter, at a place beside a formula or in a template. */
export function numberTerm(value: number, anchor: object, place: string): Term {
  const slot = slotBeside(anchor, place);
  const input: Input = {
    tensor: new Tensor([], "float64", Float64Array.of(value)),
    isNumber: true,
    batch: [],
  };
  return {
    formula: variable(slot, "p", 1),
    inputs: { byId: new Map([[slot, input]]), batch: [], M: null, N: null },
  };
}

/** Whether a slot has another tensor in some inputs. */
const isTaken = (slot: number, { tensor: own }: Input, others: readonly Inputs[]): boolean =>
  others.some(({ byId }) => {
    const input = byId.get(slot);
    return input !== undefined && input.tensor !== own;
  });

/** A term, in other slots where others have these for other numbers. */
export function apart(term: Term, others: readonly Inputs[]): Term {
  let moved: Map<number, number> | null = null;
  for (const [slot, input] of term.inputs.byId) {
    if (!isTaken(slot, input, others)) continue;
    let free = slot;
    do free = slotBeside(term.formula, free); while (
      isTaken(free, input, others) || isTaken(free, input, [term.inputs])
    );
    (moved ??= new Map()).set(slot, free);
  }
  if (moved === null) return term;
  const slots = moved;
  const placeOf = (slot: number): number => slots.get(slot) ?? slot;
  return {
    formula: transform(
      term.formula,
      (leaf) =>
        leaf.kind === "variable" && slots.has(leaf.slot)
          ? variable(placeOf(leaf.slot), leaf.axis, leaf.dim, leaf.number)
          : leaf,
    ),
    inputs: {
      ...term.inputs,
      byId: new Map([...term.inputs.byId].map(([slot, input]) => [placeOf(slot), input])),
    },
  };
}

/** Terms that may stand in one formula: each apart from those before it. */
export function allApart(terms: readonly Term[]): readonly Term[] {
  if (terms.length < 2) return terms;
  const done: Term[] = [];
  const inputs: Inputs[] = [];
  for (const term of terms) {
    const own = done.length === 0 ? term : apart(term, inputs);
    done.push(own);
    inputs.push(own.inputs);
  }
  return done;
}
