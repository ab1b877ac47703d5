// What the emitter asks about regions: their size, and what of them stands at fixed places of
// records.

import { type Region, type Statement, type Value, visit } from "../../loop/mod.ts";

/**
 * Names a place of a row's or the uniform record, less what counters add; null for other values.
 */
export function recordKeyAt(value: Value, offset: number): string | null {
  if (value.kind !== "load" || value.memory.kind !== "record") return null;
  const { section } = value.memory;
  if (section === "column") return null;
  return `${section}:${offset}:${section === "row" ? value.row : 0}`;
}

/** Names a fixed place of a row's or the uniform record; null for other values. */
export function recordKey(value: Value): string | null {
  if (value.kind !== "load" || value.place.terms.length > 0) return null;
  return recordKeyAt(value, value.place.offset);
}

/** How many statements a region holds. */
export function sizeOf(body: Region): number {
  let size = 0;
  visit(body, () => size++);
  return Math.max(1, size);
}

export function containsLoop(body: Region): boolean {
  let contains = false;
  visit(body, (s) => {
    if (s.kind === "for" || (s.kind === "when" && s.columns !== undefined)) contains = true;
  });
  return contains;
}

/** A load. */
export type Load = Value & { readonly kind: "load" };

/** A loop. */
export type Loop = Statement & { readonly kind: "for" };

/** What a loop's body reads of rows, by its own counter alone. */
export function rowsReadBy({ body, counter }: Loop): Load[] {
  const found: Load[] = [];
  visit(body, (s) => {
    if (s.kind !== "let" || s.value.kind !== "load" || s.value.memory.kind !== "record") return;
    const { memory: { section }, place: { terms } } = s.value;
    if (section === "row" && terms.length === 1 && terms[0].counter === counter) {
      found.push(s.value);
    }
  });
  return found;
}
