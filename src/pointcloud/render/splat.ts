// Points to surfaces. Enters: projected points with normal, radius and place on the colour scale
// each. Leaves: per sample the coverage, depth, normal and place, blended over the splats in front.
// A splat is a disc in its point's plane; points that lie in no plane are drawn as balls.

import type { Projection } from "./camera.ts";

/** What each splat looks like, by point. */
export interface Splats {
  /** In samples. */
  readonly radius: Float32Array;
  /** Towards the viewer, 3 per point: x right, y down, z to the viewer. */
  readonly normal: Float32Array;
  /** 1 for a disc, 0 for a ball. */
  readonly flatness: Float32Array;
  /** On the colour scale, 0 to 1; points at NaN are not drawn. */
  readonly place: Float32Array;
}

/** What the splats leave per sample, row by row. */
export interface Surface {
  readonly width: number;
  readonly height: number;
  /** Sum of the weights of the splats; 0 where there is nothing. */
  readonly weight: Float32Array;
  /** Towards the viewer, in samples; −Infinity where there is nothing. */
  readonly depth: Float32Array;
  /** Right and down components of the unit normal. */
  readonly normalX: Float32Array;
  readonly normalY: Float32Array;
  /** On the colour scale, 0 to 1. */
  readonly place: Float32Array;
}

/** Squared part of a splat's radius that hides what is behind; the rim around it only softens. */
const core = 0.7;
/** Splats within this many radii behind the front are one surface with it. */
const sameSurface = 0.9;
/** A splat whose middle lies so many radii behind the front is hidden as a whole. */
const hidden = 5;
/** Discs seen from the side keep this much of their width, and slope no more. */
const leastWidth = 0.3;

/** Draws every splat in two passes: the front first, then what belongs to it. */
export function splat(projection: Projection, splats: Splats): Surface {
  const { width, height } = projection;
  const size = width * height;
  const depth = new Float32Array(size).fill(-Infinity);
  drawFront(projection, splats, depth);
  const surface: Surface = {
    width,
    height,
    depth,
    weight: new Float32Array(size),
    normalX: new Float32Array(size),
    normalY: new Float32Array(size),
    place: new Float32Array(size),
  };
  const behind = new Float32Array(size);
  blend(projection, splats, surface, behind);
  for (let k = 0; k < size; k++) {
    const weight = surface.weight[k];
    if (weight === 0) continue;
    depth[k] += behind[k] / weight;
    surface.place[k] /= weight;
    surface.normalX[k] /= weight;
    surface.normalY[k] /= weight;
  }
  return surface;
}

/** One splat in the picture: an ellipse, and the plane that it lies in. */
class Footprint {
  firstRow = 0;
  lastRow = 0;
  /** Depth per sample to the right and down. */
  slopeX = 0;
  slopeY = 0;
  radius = 0;
  /** Depth that a ball loses from its middle to its rim. */
  bulge = 0;
  firstColumn = 0;
  lastColumn = 0;

  constructor(readonly projection: Projection, readonly splats: Splats) {}

  /** Goes to splat i, or its part within `limit` of the squared radius; false if it is outside. */
  goTo(i: number, limit: number): boolean {
    const { radius, normal, flatness, place } = this.splats;
    const { y, height } = this.projection;
    if (Number.isNaN(place[i])) return false;
    const nx = normal[3 * i];
    const ny = normal[3 * i + 1];
    const nz = Math.max(leastWidth, normal[3 * i + 2]);
    this.slopeX = -nx / nz;
    this.slopeY = -ny / nz;
    this.radius = radius[i];
    this.bulge = radius[i] * (1 - flatness[i]);
    const half = radius[i] * Math.sqrt(limit * (1 - ny * ny / (nx * nx + ny * ny + nz * nz)));
    this.firstRow = Math.max(0, Math.ceil(y[i] - half));
    this.lastRow = Math.min(height - 1, Math.floor(y[i] + half));
    return this.firstRow <= this.lastRow;
  }

  /** Finds the columns of a row, at `dy` below the splat's middle at column `x`. */
  span(x: number, dy: number, limit: number): void {
    // dx² + dy² + (slopeX dx + slopeY dy)² ≤ limit radius², solved for dx.
    const a = 1 + this.slopeX * this.slopeX;
    const b = this.slopeX * this.slopeY * dy;
    const c = (1 + this.slopeY * this.slopeY) * dy * dy - limit * this.radius * this.radius;
    const half = Math.sqrt(Math.max(0, b * b - a * c)) / a;
    this.firstColumn = Math.max(0, Math.ceil(x - b / a - half));
    this.lastColumn = Math.min(this.projection.width - 1, Math.floor(x - b / a + half));
  }
}

function drawFront(projection: Projection, splats: Splats, front: Float32Array): void {
  const { x, y, depth, width } = projection;
  const at = new Footprint(projection, splats);
  for (let i = 0; i < x.length; i++) {
    if (!at.goTo(i, core)) continue;
    const { slopeX, slopeY, bulge } = at;
    const fall = bulge / (at.radius * at.radius);
    for (let row = at.firstRow; row <= at.lastRow; row++) {
      const dy = row - y[i];
      at.span(x[i], dy, core);
      const start = row * width;
      for (let column = at.firstColumn; column <= at.lastColumn; column++) {
        const dx = column - x[i];
        const rise = slopeX * dx + slopeY * dy;
        const here = depth[i] + rise - fall * (dx * dx + dy * dy + rise * rise);
        if (here > front[start + column]) front[start + column] = here;
      }
    }
  }
}

/** Adds up what lies at the front; `behind` sums depths relative to it (float32 loses less so). */
function blend(
  projection: Projection,
  splats: Splats,
  surface: Surface,
  behind: Float32Array,
): void {
  const { x, y, depth, width, height } = projection;
  const { depth: front, weight, normalX, normalY, place } = surface;
  const at = new Footprint(projection, splats);
  for (let i = 0; i < x.length; i++) {
    if (!at.goTo(i, 1)) continue;
    const { slopeX, slopeY, bulge, radius } = at;
    const middleRow = Math.min(height - 1, Math.max(0, Math.round(y[i])));
    const middleColumn = Math.min(width - 1, Math.max(0, Math.round(x[i])));
    if (depth[i] < front[middleRow * width + middleColumn] - hidden * radius) continue;
    const scale = 1 / (radius * radius);
    const nearest = sameSurface * radius;
    const color = splats.place[i];
    const nx = splats.normal[3 * i];
    const ny = splats.normal[3 * i + 1];
    // The normals of a ball turn outwards.
    const turn = (1 - splats.flatness[i]) / radius;
    for (let row = at.firstRow; row <= at.lastRow; row++) {
      const dy = row - y[i];
      at.span(x[i], dy, 1);
      for (let column = at.firstColumn; column <= at.lastColumn; column++) {
        const dx = column - x[i];
        const rise = slopeX * dx + slopeY * dy;
        const inside = (dx * dx + dy * dy + rise * rise) * scale;
        const sample = row * width + column;
        const here = depth[i] + rise - bulge * inside;
        // Where there are rims only, the first is the front.
        if (front[sample] === -Infinity) front[sample] = here;
        const back = here - front[sample];
        if (back < -nearest || back > nearest) continue;
        const fall = Math.max(0, 1 - inside);
        const share = fall * fall;
        weight[sample] += share;
        behind[sample] += share * back;
        place[sample] += share * color;
        normalX[sample] += share * (nx + turn * dx);
        normalY[sample] += share * (ny + turn * dy);
      }
    }
  }
}
