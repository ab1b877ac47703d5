// How numbers show themselves to people. Enters: an array and its shape. Leaves: text.

import type { NumberArray } from "../engine/engine.ts";

/** Entries shown of each axis before the rest becomes an ellipsis, and digits of each number. */
const SHOWN = 6;
const DIGITS = 6;

const numberText = (x: number): string =>
  Number.isInteger(x)
    ? (Object.is(x, -0) ? "-0" : String(x))
    : String(Number(x.toPrecision(DIGITS)));

/** Numbers as nested brackets, the middle of long axes left out: [[1, 2], [3, 4]]. */
export function previewOf(data: NumberArray, shape: readonly number[]): string {
  const part = (axis: number, start: number): string => {
    if (axis === shape.length) return numberText(data[start]);
    const stride = shape.slice(axis + 1).reduce((product, n) => product * n, 1);
    const length = shape[axis];
    const entry = (k: number): string => part(axis + 1, start + k * stride);
    if (length <= SHOWN) return `[${Array.from({ length }, (_, k) => entry(k)).join(", ")}]`;
    const head = Array.from({ length: SHOWN / 2 }, (_, k) => entry(k));
    const tail = Array.from({ length: SHOWN / 2 }, (_, k) => entry(length - SHOWN / 2 + k));
    return `[${[...head, "…", ...tail].join(", ")}]`;
  };
  return part(0, 0);
}

/** Text that a page shows as it is. */
export function escapeHtml(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
