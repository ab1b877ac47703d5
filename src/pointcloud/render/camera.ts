// Where to look from. Enters: positions and a view. Leaves: each point's place in the picture, in
// pixels, with its depth towards the viewer in the same pixels.

/** A view by name, or the direction to the viewer in degrees. */
export type View = "auto" | "front" | "above" | {
  /** Degrees to the right of the front, around the up axis. */
  readonly azimuth: number;
  /** Degrees above the horizon. */
  readonly elevation: number;
};

/** The axis that points up. */
export type UpAxis = "auto" | "x" | "y" | "z";

/** Points in the picture: x right, y down, depth towards the viewer, all in pixels. */
export interface Projection {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly depth: Float32Array;
  readonly width: number;
  readonly height: number;
  /** Pixels per unit of the cloud, in the middle of the cloud. */
  readonly scale: number;
  /** Directions in the cloud: to the right, up, and to the viewer. */
  readonly axes: Axes;
}

/** The picture's size, and what it keeps free around the cloud, in pixels. */
export interface Frame {
  readonly width: number;
  /** Fits the cloud if left out. */
  readonly height?: number;
  readonly margin: number;
  /** Kept free on the right, for the legend. */
  readonly right: number;
}

type Vector = readonly [number, number, number];
type Axes = readonly [Vector, Vector, Vector];

/** Half the angle of view: mild perspective. */
const halfAngle = 12 * Math.PI / 180;
/** Height below which a cloud counts as land seen from the air, relative to its width. */
const flat = 0.35;

const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** Right-handed axes with `up` second: to the right, up, and to the viewer of the front. */
const frames: Readonly<Record<Exclude<UpAxis, "auto">, Axes>> = {
  x: [[0, 1, 0], [1, 0, 0], [0, 0, -1]],
  y: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  z: [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
};

const directions: Readonly<Record<"front" | "above", readonly [number, number]>> = {
  front: [18, 12],
  above: [-14, 50],
};

/** Right, up and viewer directions of a view. */
function viewAxes(view: View, up: UpAxis, extent: Vector, long: () => number): Axes {
  const isFlat = extent[2] < flat * Math.min(extent[0], extent[1]);
  const axis = up !== "auto" ? up : isFlat ? "z" : "y";
  const named = view !== "auto" ? view : isFlat && axis === "z" ? "above" : "front";
  const turn = view === "auto" && named === "above" ? long() : 0;
  const [azimuth, elevation] = typeof named === "string"
    ? [directions[named][0] + turn, directions[named][1]]
    : [named.azimuth, named.elevation];
  const [right, top, front] = frames[axis];
  const a = azimuth * Math.PI / 180;
  const e = elevation * Math.PI / 180;
  const weights = [Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)];
  const towards = combine(weights, [right, top, front]);
  const side = combine([Math.cos(a), 0, -Math.sin(a)], [right, top, front]);
  return [side, cross(towards, side), towards];
}

/** Degrees that x and y must turn for the cloud's long side, seen from above, to lie across. */
function longAxis(columns: readonly Float32Array[], middle: readonly number[]): number {
  let [xx, xy, yy] = [0, 0, 0];
  for (let i = 0; i < columns[0].length; i++) {
    const x = columns[0][i] - middle[0];
    const y = columns[1][i] - middle[1];
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  return 90 * Math.atan2(2 * xy, xx - yy) / Math.PI;
}

function combine(weights: readonly number[], axes: Axes): Vector {
  const along = (k: number): number =>
    weights[0] * axes[0][k] + weights[1] * axes[1][k] + weights[2] * axes[2][k];
  return [along(0), along(1), along(2)];
}

/** Range of a coordinate without its farthest thousandth on either side, a little widened. */
function robustRange(values: Float32Array): readonly [number, number] {
  const sorted = values.slice().sort();
  const cut = Math.floor(sorted.length / 2000);
  const low = sorted[cut];
  const high = sorted[sorted.length - 1 - cut];
  const more = cut === 0 ? 0 : 0.01 * (high - low);
  return [low - more, high + more];
}

/** Projects points in mild perspective and fits them into the frame. */
export function project(
  points: Float32Array,
  view: View,
  up: UpAxis,
  frame: Frame,
): Projection {
  const count = points.length / 3;
  const columns = [0, 1, 2].map((axis) => points.filter((_, k) => k % 3 === axis));
  const ranges = columns.map(robustRange);
  const extent: Vector = [
    ranges[0][1] - ranges[0][0],
    ranges[1][1] - ranges[1][0],
    ranges[2][1] - ranges[2][0],
  ];
  const middle = ranges.map(([low, high]) => (low + high) / 2);
  const axes = viewAxes(view, up, extent, () => longAxis(columns, middle));
  const radius = Math.hypot(...extent) / 2 || 1;
  const distance = radius / Math.sin(halfAngle);
  const [x, y, depth] = [0, 1, 2].map(() => new Float32Array(count));
  for (let i = 0; i < count; i++) {
    const point: Vector = [
      columns[0][i] - middle[0],
      columns[1][i] - middle[1],
      columns[2][i] - middle[2],
    ];
    depth[i] = Math.min(dot(point, axes[2]), 0.9 * distance);
    const nearer = distance / (distance - depth[i]);
    x[i] = dot(point, axes[0]) * nearer;
    y[i] = -dot(point, axes[1]) * nearer;
  }
  return { ...fit(x, y, depth, frame), axes };
}

/** Scales and moves projected points, in place, into the frame. */
function fit(
  x: Float32Array,
  y: Float32Array,
  depth: Float32Array,
  frame: Frame,
): Omit<Projection, "axes"> {
  const [left, right] = robustRange(x);
  const [top, bottom] = robustRange(y);
  const { width, margin } = frame;
  const innerWidth = width - 2 * margin - frame.right;
  const most = (frame.height ?? width) - 2 * margin;
  const scale = Math.min(
    innerWidth / Math.max(right - left, 1e-30),
    most / Math.max(bottom - top, 1e-30),
  );
  const used = Math.round((bottom - top) * scale + 2 * margin);
  const height = frame.height ?? 2 * Math.ceil(Math.max(used, Math.round(0.55 * width)) / 2);
  const shiftX = margin + innerWidth / 2 - scale * (left + right) / 2;
  const shiftY = height / 2 - scale * (top + bottom) / 2;
  for (let i = 0; i < x.length; i++) {
    x[i] = x[i] * scale + shiftX;
    y[i] = y[i] * scale + shiftY;
    depth[i] *= scale;
  }
  return { x, y, depth, width, height, scale };
}
