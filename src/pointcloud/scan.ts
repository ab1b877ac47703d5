// A scan without a file. Enters: a number of points and a seed. Leaves: points on a ribbed knot, as
// scanners in front of it would have taken them, the same bits on every machine: sine and cosine
// are written out in additions and multiplications.

import { PairfoldError } from "../error.ts";
import { allocate, makeCloud, type PointCloud } from "./cloud.ts";
import { normal, uniform } from "./random.ts";

type Vector = readonly [number, number, number];

/** The knot: a tube that goes twice around the z axis while it goes three times around itself. */
const turnsAround = 2;
const turnsThrough = 3;
const radius = 2;
const tube = 0.46;
const ribs = 20;
const millimetres = 15;
/** Standard deviation of the measurement, in units of the knot. */
const noise = 0.004;

/** Directions to the scanners, of length 1; sides turned away get few points. */
const scanners: readonly Vector[] = [[-0.48, 0.36, 0.8], [0.8, 0, 0.6], [0, -0.6, -0.8]];
/** Share of the points that come from all sides, by light that is scattered. */
const scattered = 0.2;

const taylorSine = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800];
const taylorCosine = [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600];

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let k = coefficients.length - 1; k >= 0; k--) sum = sum * x + coefficients[k];
  return sum;
}

/** Cosine and sine of an angle in turns; exact to about 1e-10. */
function circle(turns: number): readonly [number, number] {
  const quarter = Math.round(4 * turns);
  const x = (turns - quarter / 4) * 6.283185307179586;
  const cosine = polynomial(taylorCosine, x * x);
  const sine = x * polynomial(taylorSine, x * x);
  switch (((quarter % 4) + 4) % 4) {
    case 0:
      return [cosine, sine];
    case 1:
      return [-sine, cosine];
    case 2:
      return [-cosine, -sine];
    default:
      return [sine, -cosine];
  }
}

const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

function unit(a: Vector): Vector {
  const length = Math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
  return [a[0] / length, a[1] / length, a[2] / length];
}

/** A point of the knot's surface, and the direction away from the tube's middle there. */
function surface(along: number, around: number): { point: Vector; outward: Vector } {
  const [cosine, sine] = circle(turnsAround * along);
  const [inward, through] = circle(turnsThrough * along);
  const distance = radius + inward;
  const middle: Vector = [distance * cosine, distance * sine, 1.15 * through];
  const tangent: Vector = [
    -turnsAround * distance * sine - turnsThrough * through * cosine,
    turnsAround * distance * cosine - turnsThrough * through * sine,
    1.15 * turnsThrough * inward,
  ];
  // The tangent never lies along the direction away from the axis: it always goes around.
  const side = unit(cross(tangent, [cosine, sine, 0]));
  const other = unit(cross(side, tangent));
  const [u, v] = circle(around);
  const outward: Vector = [
    u * side[0] + v * other[0],
    u * side[1] + v * other[1],
    u * side[2] + v * other[2],
  ];
  const [rib] = circle(ribs * along + around);
  const [swell] = circle(along);
  const thickness = tube * (1 + 0.06 * rib + 0.18 * swell);
  const point: Vector = [
    middle[0] + thickness * outward[0],
    middle[1] + thickness * outward[1],
    middle[2] + thickness * outward[2],
  ];
  return { point, outward };
}

/**
 * A reproducible scan to try things on: `count` points (millimetres, about 100 across, seen best
 * along −z) on a knotted, ribbed tube, with measurement noise, dense where the scanners look
 * straight on and sparse on the sides turned away. Point i depends on the seed and i only. Throws
 * `"shape"` for a `count` or `seed` that is no whole number.
 *
 * ```ts
 * import { boundingBox, syntheticScan } from "pairfold/pointcloud";
 * const scan = syntheticScan(2000);
 * const { minimum, maximum } = boundingBox(scan);
 * console.log(scan.count, maximum[0] - minimum[0]); // 2000, and about 100
 * ```
 */
export function syntheticScan(count = 30000, seed = 1): PointCloud {
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) {
    throw new PairfoldError(
      "shape",
      `syntheticScan: got count ${count}, seed ${seed}; expected whole numbers, count at least 1`,
    );
  }
  const positions = allocate("syntheticScan", () => new Float64Array(3 * count));
  for (let i = 0; i < count; i++) {
    for (let attempt = 0; !place(positions, seed, i, attempt); attempt++);
  }
  return makeCloud("syntheticScan", "synthetic", positions, []);
}

/** Tries one place on the surface for point i; false if no scanner would have taken it. */
function place(positions: Float64Array, seed: number, i: number, attempt: number): boolean {
  const draw = (k: number) => uniform(seed, i, 4 * attempt + k + 4096);
  const { point, outward } = surface(draw(0), draw(1));
  let facing = 0;
  for (const scanner of scanners) {
    const dot = scanner[0] * outward[0] + scanner[1] * outward[1] + scanner[2] * outward[2];
    facing = Math.max(facing, dot);
  }
  // The first scanner stands nearest to the upper left, the light falls off from there.
  const near = 0.6 - 0.13 * (point[0] - point[1]) / radius;
  if (draw(2) >= scattered + (1 - scattered) * facing * facing * near) return false;
  point.forEach((value, axis) => {
    positions[3 * i + axis] = millimetres * (value + noise * normal(seed, i, axis));
  });
  return true;
}
