// Clouds to smaller numbers and smaller clouds. Enters: positions. Leaves: an origin with float32
// points around it, a bounding box, or a part of the cloud.

import { PairfoldError } from "../error.ts";
import { allocate, type Attribute, type PointCloud, sameType } from "./cloud.ts";
import { uniform } from "./random.ts";

/** A cloud, or its coordinates row by row. */
export type Positions = PointCloud | Float64Array | Float32Array;

/** The coordinates of a cloud; refuses an array that is not rows of three. */
export function positionsOf(what: string, cloud: Positions): Float64Array | Float32Array {
  const positions = "positions" in cloud ? cloud.positions : cloud;
  if (positions.length === 0 || positions.length % 3 !== 0) {
    throw new PairfoldError(
      "shape",
      `${what}: got ${positions.length} coordinates; expected N × 3, N at least 1`,
    );
  }
  return positions;
}

/** The least box along the axes around all points. */
export interface BoundingBox {
  /** 3 numbers. */
  readonly minimum: Float64Array;
  /** 3 numbers. */
  readonly maximum: Float64Array;
}

/**
 * The bounding box of a cloud, in its units. Throws `"shape"` for an array that is not N × 3.
 *
 * ```ts
 * import { boundingBox } from "pairfold/pointcloud";
 * const { minimum, maximum } = boundingBox(Float64Array.of(0, 5, 2, 1, 4, 2));
 * console.log(minimum, maximum); // [0, 4, 2] and [1, 5, 2]
 * ```
 */
export function boundingBox(cloud: Positions): BoundingBox {
  const positions = positionsOf("boundingBox", cloud);
  const minimum = new Float64Array(3).fill(Infinity);
  const maximum = new Float64Array(3).fill(-Infinity);
  for (let k = 0; k < positions.length; k++) {
    const axis = k % 3;
    minimum[axis] = Math.min(minimum[axis], positions[k]);
    maximum[axis] = Math.max(maximum[axis], positions[k]);
  }
  return { minimum, maximum };
}

/** A cloud around an origin of its own. */
export interface CentredCloud {
  /** 3 numbers: what was subtracted, in the cloud's units. */
  readonly origin: Float64Array;
  /** N × 3 coordinates relative to the origin, row by row. */
  readonly points: Float32Array;
}

/**
 * Subtracts an origin in float64 and rounds what is left to float32 once: coordinates of airborne
 * lidar (10^5 to 10^7, in steps of 0.01) keep their steps, where float32 alone would lose them.
 * The origin is the mean of the points, or the centre of their bounding box. Throws `"shape"` for
 * an array that is not N × 3.
 *
 * ```ts
 * import { centre } from "pairfold/pointcloud";
 * const { origin, points } = centre(Float64Array.of(637012.25, 0, 0, 637012.75, 0, 0));
 * console.log(origin[0], points[0], points[3]); // 637012.5 -0.25 0.25
 * ```
 */
export function centre(cloud: Positions, about: "mean" | "box" = "mean"): CentredCloud {
  const positions = positionsOf("centre", cloud);
  const { minimum, maximum } = boundingBox(positions);
  const middle = minimum.map((low, axis) => low + (maximum[axis] - low) / 2);
  const origin = about === "box" ? middle : meanAbout(middle, positions);
  const points = allocate("centre", () => new Float32Array(positions.length));
  for (let k = 0; k < positions.length; k++) points[k] = positions[k] - origin[k % 3];
  return { origin, points };
}

/** The same as {@linkcode centre}. */
export const center: typeof centre = centre;

/** The mean, summed relative to a point among the points so that few digits are lost. */
function meanAbout(near: Float64Array, positions: Float64Array | Float32Array): Float64Array {
  const sum = new Float64Array(3);
  for (let k = 0; k < positions.length; k++) sum[k % 3] += positions[k] - near[k % 3];
  return near.map((value, axis) => value + sum[axis] / (positions.length / 3));
}

/**
 * At most `maxPoints` of a cloud's points, chosen at random without replacement, each subset as
 * likely as any other, in the cloud's order and with their attributes. The same seed chooses the
 * same points on every machine. Faces are left out when points are. Throws `"shape"` for a
 * `maxPoints` that is no whole number from 1.
 *
 * ```ts
 * import { subsample, syntheticScan } from "pairfold/pointcloud";
 * const part = subsample(syntheticScan(1000), 100, 7);
 * console.log(part.count); // 100
 * ```
 */
export function subsample(cloud: PointCloud, maxPoints: number, seed = 1): PointCloud {
  if (!Number.isSafeInteger(maxPoints) || maxPoints < 1) {
    throw new PairfoldError(
      "shape",
      `subsample: got maxPoints ${maxPoints}; expected a whole number from 1`,
    );
  }
  if (cloud.count <= maxPoints) return cloud;
  // Selection sampling (Knuth, algorithm S): take a point with chance wanted / left.
  const chosen = new Uint32Array(maxPoints);
  let taken = 0;
  for (let i = 0; taken < maxPoints; i++) {
    if (uniform(seed, i, 0) * (cloud.count - i) < maxPoints - taken) chosen[taken++] = i;
  }
  const attributes = new Map<string, Attribute>();
  for (const [name, { components, values }] of cloud.attributes) {
    const part = sameType(values, maxPoints * components);
    copyRows(values, part, chosen, components);
    attributes.set(name, { components, values: part });
  }
  const positions = new Float64Array(3 * maxPoints);
  copyRows(cloud.positions, positions, chosen, 3);
  return Object.freeze({ format: cloud.format, count: maxPoints, positions, attributes });
}

function copyRows(
  from: Attribute["values"],
  to: Attribute["values"],
  rows: Uint32Array,
  components: number,
): void {
  rows.forEach((row, i) => {
    for (let c = 0; c < components; c++) to[i * components + c] = from[row * components + c];
  });
}
