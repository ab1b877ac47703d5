// Colour scales. Enters: a name. Leaves: a table of linear-light colours.

// @deno-types="npm:@types/d3-scale-chromatic@3.1.0"
import {
  interpolateCividis,
  interpolateInferno,
  interpolateMagma,
  interpolatePlasma,
  interpolateTurbo,
  interpolateViridis,
} from "npm:d3-scale-chromatic@3.1.1";

/** The colour scales, all of them even to the eye but turbo, which is the most varied. */
export const colorMaps = ["viridis", "inferno", "magma", "plasma", "cividis", "turbo"] as const;

/** The name of a colour scale. */
export type ColorMap = typeof colorMaps[number];

const interpolators: Readonly<Record<ColorMap, (place: number) => string>> = {
  viridis: interpolateViridis,
  inferno: interpolateInferno,
  magma: interpolateMagma,
  plasma: interpolatePlasma,
  cividis: interpolateCividis,
  turbo: interpolateTurbo,
};

/** The dark ends of these scales would vanish in a dark background. */
const firstPlace: Readonly<Record<ColorMap, number>> = {
  viridis: 0,
  inferno: 0.14,
  magma: 0.14,
  plasma: 0,
  cividis: 0,
  turbo: 0.02,
};

/** Entries of a table. */
export const tableSize = 1024;

/** Red, green and blue in linear light, 0 to 1, for places from 0 to 1. */
export function colorTable(map: ColorMap): Float32Array {
  const table = new Float32Array(3 * tableSize);
  const first = firstPlace[map];
  for (let k = 0; k < tableSize; k++) {
    const place = first + (1 - first) * k / (tableSize - 1);
    parseColor(interpolators[map](place)).forEach((byte, c) => {
      table[3 * k + c] = toLinear(byte / 255);
    });
  }
  return table;
}

/** `#rrggbb` or `rgb(r, g, b)`, as d3 writes colours. */
function parseColor(text: string): number[] {
  if (text.startsWith("#")) return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  return (text.match(/\d+/g) ?? []).slice(0, 3).map(Number);
}

/** From sRGB to linear light. */
export function toLinear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : Math.pow((value + 0.055) / 1.055, 2.4);
}

const srgbSteps = 4096;
const srgbTable = Uint8Array.from({ length: srgbSteps + 1 }, (_, k) => {
  const value = k / srgbSteps;
  const coded = value <= 0.0031308 ? 12.92 * value : 1.055 * Math.pow(value, 1 / 2.4) - 0.055;
  return Math.round(255 * coded);
});

/** From linear light to an sRGB byte. */
export function toByte(value: number): number {
  return srgbTable[Math.round(Math.min(1, Math.max(0, value)) * srgbSteps)];
}
