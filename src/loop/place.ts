// Places in arrays: affine in the counters of the loops around.

import type { Counter, Place, Term } from "./ir.ts";

/** A fixed place, or one that a counter moves by one. */
export function place(offset: number, counter: Counter | null = null): Place {
  return { offset, terms: counter === null ? [] : [{ counter, step: 1 }] };
}

/** A place some elements further on. */
export function shifted({ offset, terms }: Place, by: number): Place {
  return { offset: offset + by, terms };
}

/** Every coordinate of a place times a factor. */
export function scaled({ offset, terms }: Place, by: number): Place {
  return { offset: offset * by, terms: terms.map((t) => ({ ...t, step: t.step * by })) };
}

/** The sum of places, one term per counter. */
export function joined(...places: readonly Place[]): Place {
  const terms: Term[] = [];
  let offset = 0;
  for (const p of places) {
    offset += p.offset;
    for (const t of p.terms) {
      const same = terms.findIndex((u) => u.counter === t.counter);
      if (same < 0) terms.push(t);
      else terms[same] = { ...t, step: t.step + terms[same].step };
    }
  }
  return { offset, terms };
}

/** A place that a counter moves by some elements. */
export function moved(at: Place, counter: Counter, step: number): Place {
  return joined(at, { offset: 0, terms: [{ counter, step }] });
}

/** The first and the last element that a place meets while its loops run. */
export function rangeOf({ offset, terms }: Place): { readonly low: number; readonly high: number } {
  let [low, high] = [offset, offset];
  for (const { counter, step } of terms) {
    const reach = step * (counter.count - 1);
    if (reach < 0) low += reach;
    else high += reach;
  }
  return { low, high };
}

/** Text that is equal for equal places. */
export function placeKey({ offset, terms }: Place): string {
  return `${terms.map(({ counter, step }) => `${counter.id}*${step}`).join("+")}:${offset}`;
}

/** A place whose coordinates are all multiples, divided; null where they are not. */
export function divided({ offset, terms }: Place, by: number): Place | null {
  if (offset % by !== 0 || terms.some((t) => t.step % by !== 0)) return null;
  return { offset: offset / by, terms: terms.map((t) => ({ ...t, step: t.step / by })) };
}
