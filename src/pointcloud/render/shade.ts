// Surfaces to pictures. Enters: depth, coverage and place per sample, two samples per pixel each
// way. Leaves: RGB bytes: colours of the scale under a light, with soft shadows in hollows (from
// the depths around), on a dark ground. Light adds up linearly until the last step.

import { tableSize, toByte, toLinear } from "./colors.ts";
import type { Surface } from "./splat.ts";

/** Samples per pixel each way. */
export const samplesPerPixel = 2;

/** From the upper left, in front; x right, y up, z to the viewer. Length 1. */
const light = [-0.42, 0.58, 0.698] as const;
/** Half way between the light and the viewer. */
const halfway = [-0.2279, 0.3147, 0.9214] as const;
/** Weight of splats that covers a sample wholly: that of one splat where its rim begins. */
const fullWeight = 0.09;
/** Directions and rings in which hollows are looked for. */
const rays = 10;
const rings = [0.0035, 0.009, 0.022] as const;

/** Lights a surface; returns width × height × 3 bytes of the picture. */
export function shade(surface: Surface, table: Float32Array): Uint8Array {
  const width = surface.width / samplesPerPixel;
  const height = surface.height / samplesPerPixel;
  const open = openness(surface, width, height);
  const bytes = new Uint8Array(3 * width * height);
  const sum = new Float32Array(3);
  const ground = new Float32Array(3);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const pixel = row * width + column;
      background(ground, column / width, row / height);
      sum.fill(0);
      let covered = 0;
      for (let k = 0; k < samplesPerPixel * samplesPerPixel; k++) {
        const x = column * samplesPerPixel + (k % samplesPerPixel);
        const y = row * samplesPerPixel + Math.floor(k / samplesPerPixel);
        const sample = y * surface.width + x;
        const weight = surface.weight[sample];
        if (weight === 0) continue;
        const cover = Math.min(1, weight / fullWeight);
        addSample(sum, surface, x, y, open[pixel], cover, table);
        covered += cover;
      }
      const samples = samplesPerPixel * samplesPerPixel;
      for (let c = 0; c < 3; c++) {
        bytes[3 * pixel + c] = toByte((sum[c] + (samples - covered) * ground[c]) / samples);
      }
    }
  }
  return bytes;
}

const groundColor = [0x17, 0x1a, 0x21].map((byte) => toLinear(byte / 255));

/** A dark blue grey, a little lighter in the middle. */
function background(into: Float32Array, x: number, y: number): void {
  const away = (x - 0.5) * (x - 0.5) + (y - 0.45) * (y - 0.45);
  const bright = 1.25 - 1.5 * Math.min(0.5, away);
  for (let c = 0; c < 3; c++) into[c] = groundColor[c] * bright;
}

/** Adds the light that one sample sends to the viewer, times its coverage. */
function addSample(
  sum: Float32Array,
  surface: Surface,
  x: number,
  y: number,
  open: number,
  cover: number,
  table: Float32Array,
): void {
  const sample = y * surface.width + x;
  const across = surface.normalX[sample];
  const down = surface.normalY[sample];
  // Blended normals are shorter than 1; what is missing points to the viewer.
  const towards = Math.sqrt(Math.max(0.01, 1 - across * across - down * down));
  const lit = across * light[0] - down * light[1] + towards * light[2];
  const glance = across * halfway[0] - down * halfway[1] + towards * halfway[2];
  const sky = 0.5 - 0.5 * down;
  const diffuse = Math.max(0, (lit + 0.2) / 1.2);
  const strength = open * (0.22 + 0.22 * sky) + 0.86 * diffuse * (0.45 + 0.55 * open);
  const gloss = glance > 0 ? 0.06 * Math.pow(glance, 28) * open : 0;
  const place = Math.min(1, Math.max(0, surface.place[sample]));
  const entry = 3 * Math.round(place * (tableSize - 1));
  for (let c = 0; c < 3; c++) sum[c] += cover * (table[entry + c] * strength + gloss);
}

/** How much of the sky each pixel sees, 0 to 1: what rises around it above its own plane hides. */
function openness(surface: Surface, width: number, height: number): Float32Array {
  const depth = new Float32Array(width * height);
  const stride = samplesPerPixel;
  for (let pixel = 0; pixel < depth.length; pixel++) {
    const row = Math.floor(pixel / width);
    const sample = row * stride * surface.width + (pixel % width) * stride;
    depth[pixel] = surface.depth[sample] / stride;
  }
  const open = new Float32Array(width * height).fill(1);
  const offsets = rings.flatMap((ring, k) => {
    const radius = Math.max(1.5, ring * width);
    return Array.from({ length: rays }, (_, ray) => {
      const angle = 2 * Math.PI * (ray + k / rings.length) / rays;
      const x = Math.round(radius * Math.cos(angle));
      const y = Math.round(radius * Math.sin(angle));
      return { x, y, radius };
    });
  });
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const here = depth[row * width + column];
      if (here === -Infinity) continue;
      let hidden = 0;
      for (const { x, y, radius } of offsets) {
        const toX = column + x;
        const toY = row + y;
        if (toX < 0 || toY < 0 || toX >= width || toY >= height) continue;
        const rise = (depth[toY * width + toX] - here) / radius;
        // The point opposite shows the plane's own slope. Far in front is another thing's edge.
        const back = depth[Math.max(0, row - y) * width + Math.max(0, column - x)] ?? -Infinity;
        const plane = back === -Infinity ? 0 : Math.max(0, (here - back) / radius);
        const above = rise - Math.min(plane, 3) - 0.1;
        if (above > 0) hidden += Math.min(1, above) / (1 + 0.05 * above * above);
      }
      open[row * width + column] = Math.pow(1 - hidden / offsets.length, 1.8);
    }
  }
  return blur(open, depth, width, height);
}

/** The mean of 3 × 3 pixels, of those at about the same depth. */
function blur(
  values: Float32Array,
  depth: Float32Array,
  width: number,
  height: number,
): Float32Array {
  const result = values.slice();
  for (let row = 1; row < height - 1; row++) {
    for (let column = 1; column < width - 1; column++) {
      const pixel = row * width + column;
      if (depth[pixel] === -Infinity) continue;
      let sum = 0;
      let count = 0;
      for (let k = 0; k < 9; k++) {
        const other = pixel + (Math.floor(k / 3) - 1) * width + (k % 3) - 1;
        if (Math.abs(depth[other] - depth[pixel]) > 8) continue;
        sum += values[other];
        count++;
      }
      result[pixel] = sum / count;
    }
  }
  return result;
}
