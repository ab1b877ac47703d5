// The legend: a colour bar with values. Enters: picture bytes, a colour table and marks. Leaves:
// the same bytes with the bar and the text drawn in. Letters are the Hershey strokes.

// @deno-types="./hershey.d.ts"
import hershey from "npm:hershey@2.1.7";
import { tableSize, toByte } from "./colors.ts";

/** Picture bytes, width × height × 3, and their size. */
export interface Picture {
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** A mark on the bar: where, from 0 to 1, and what it says. */
export interface LegendMark {
  readonly place: number;
  readonly text: string;
}

const ink = [0xc9, 0xce, 0xd8] as const;
/** Height of a capital in the font's units, and its baseline. */
const capital = 21;
const baseline = -9;
const known = /[A-Za-z0-9 .,:;!?$/()|\-+='#&_*[\]{}<>~%@]/;

/** Size of the legend's text in pixels for a picture's width. */
export function textSize(width: number): number {
  return Math.max(8, width * 0.0125);
}

/** Width that the bar and its marks need on the right of a picture. */
export function legendWidth(width: number, marks: readonly LegendMark[]): number {
  const size = textSize(width);
  const widest = Math.max(...marks.map(({ text }) => textWidth(text, size)));
  return Math.round(widest + 3.05 * size);
}

/** Draws the bar at the right with its marks beside it, and the title in the lower left corner. */
export function drawLegend(
  picture: Picture,
  table: Float32Array,
  marks: readonly LegendMark[],
  title: string,
): void {
  const { width, height } = picture;
  const size = textSize(width);
  const barWidth = Math.round(1.1 * size);
  const left = Math.round(width - legendWidth(width, marks));
  const barHeight = Math.round(Math.min(0.42 * height, 30 * size));
  const top = Math.round((height - barHeight) / 2);
  for (let y = 0; y < barHeight; y++) {
    const entry = 3 * Math.round((1 - y / (barHeight - 1)) * (tableSize - 1));
    for (let x = 0; x < barWidth; x++) {
      const pixel = 3 * ((top + y) * width + left + x);
      for (let c = 0; c < 3; c++) picture.bytes[pixel + c] = toByte(table[entry + c]);
    }
  }
  for (const { place, text } of marks) {
    const y = top + (1 - place) * (barHeight - 1);
    const x = left + barWidth;
    drawLine(picture, [x + 0.2 * size, y], [x + 0.55 * size, y], size / 14);
    drawText(picture, text, x + 0.95 * size, y + size / 2, size);
  }
  drawText(picture, title, 1.5 * size, height - 1.5 * size, size);
}

function strokes(text: string): ReturnType<typeof hershey.stringToPaths> {
  return hershey.stringToPaths(
    [...text].map((letter) => known.test(letter) ? letter : "?").join(""),
  );
}

function textWidth(text: string, size: number): number {
  if (text === "") return 0;
  const { minX, maxX } = strokes(text).bounds;
  return (maxX - minX) * size / capital;
}

/** Draws text with its left end at x and its baseline at y; `size` is a capital's height. */
function drawText(picture: Picture, text: string, x: number, y: number, size: number): void {
  if (text === "") return;
  const { bounds, paths } = strokes(text);
  const unit = size / capital;
  for (const path of paths) {
    const points = path.map(([px, py]) =>
      [x + (px - bounds.minX) * unit, y - (py - baseline) * unit] as const
    );
    for (let k = 1; k < points.length; k++) {
      drawLine(picture, points[k - 1], points[k], size / 14);
    }
  }
}

type Point = readonly [number, number];

/** Draws a line with round ends, half of it `half` pixels wide. */
function drawLine(picture: Picture, from: Point, to: Point, half: number): void {
  const { bytes, width, height } = picture;
  const reach = half + 1;
  const alongX = to[0] - from[0];
  const alongY = to[1] - from[1];
  const squared = alongX * alongX + alongY * alongY || 1;
  const firstRow = Math.max(0, Math.floor(Math.min(from[1], to[1]) - reach));
  const lastRow = Math.min(height - 1, Math.ceil(Math.max(from[1], to[1]) + reach));
  const firstColumn = Math.max(0, Math.floor(Math.min(from[0], to[0]) - reach));
  const lastColumn = Math.min(width - 1, Math.ceil(Math.max(from[0], to[0]) + reach));
  for (let row = firstRow; row <= lastRow; row++) {
    for (let column = firstColumn; column <= lastColumn; column++) {
      const x = column - from[0];
      const y = row - from[1];
      const t = Math.min(1, Math.max(0, (x * alongX + y * alongY) / squared));
      const away = Math.hypot(x - t * alongX, y - t * alongY);
      const cover = Math.min(1, Math.max(0, half + 0.5 - away));
      if (cover === 0) continue;
      const pixel = 3 * (row * width + column);
      for (let c = 0; c < 3; c++) {
        // Ink only lightens, so that strokes may cross without spots.
        const mixed = bytes[pixel + c] + cover * (ink[c] - bytes[pixel + c]);
        bytes[pixel + c] = Math.max(bytes[pixel + c], Math.round(mixed));
      }
    }
  }
}
