// What the points around a point say of it. Enters: coordinates. Leaves: per point the spacing of
// its neighbours, the normal of the plane through them, and how flat they lie.

/** Per point, in the order of the points. */
export interface Neighbourhoods {
  /** Mean distance between points that lie next to each other. */
  readonly spacing: Float32Array;
  /** Unit normals, 3 per point; which of the two sides they point to says nothing. */
  readonly normals: Float32Array;
  /** From 0, scattered in space, to 1, in a plane. */
  readonly flatness: Float32Array;
  /** Distance to the nearest point in spacings, on average: 0.5 at random, 1 on a square grid. */
  readonly regularity: number;
}

/** Points that a cell has on average: 27 cells then hold a few tens of neighbours. */
const pointsPerCell = 5;
/** Neighbours looked at per cell, at most; a fuller cell is gone through in steps. */
const mostPerCell = 24;
/** Shares of the scatter across the plane: a plane with noise has at most the one, and scattered
 * points at least the other. */
const planar = 0.03;
const scattered = 0.11;

/** Points sorted into cubes of a grid. */
interface Grid {
  readonly cell: number;
  /** Index of each point's cell. */
  readonly cellOf: Uint32Array;
  /** Points by cell: those of cell c stand from start[c] to start[c + 1]. */
  readonly start: Uint32Array;
  readonly order: Uint32Array;
  /** Of each cell, the cells around it with itself: those of c from first[c] to first[c + 1]. */
  readonly first: Uint32Array;
  readonly around: Uint32Array;
}

const span = 131072;
const keyAt = (x: number, y: number, z: number): number => (x * span + y) * span + z;

function gridKey(points: Float32Array, i: number, cell: number): number {
  const at = (axis: number): number => Math.floor(points[3 * i + axis] / cell) + span / 2;
  return keyAt(at(0), at(1), at(2));
}

/** The cell size at which occupied cells hold the wanted number of points on average. */
function cellSize(points: Float32Array): number {
  const count = points.length / 3;
  let largest = 0;
  for (let k = 0; k < points.length; k++) largest = Math.max(largest, Math.abs(points[k]));
  if (largest === 0) return 1;
  let cell = largest / 8;
  for (;;) {
    const cells = new Set<number>();
    // A first look at a part of the points says when to look at them all.
    const step = cell > largest / 24 ? Math.max(1, Math.floor(count / 4000)) : 1;
    for (let i = 0; i < count; i += step) cells.add(gridKey(points, i, cell));
    const perCell = count / cells.size;
    if (perCell <= pointsPerCell || cell < largest / 8192) return cell;
    // A surface fills cells with the square of their size.
    cell *= Math.max(0.4, Math.sqrt(pointsPerCell / perCell) * 0.98);
  }
}

function makeGrid(points: Float32Array): Grid {
  const count = points.length / 3;
  const cell = cellSize(points);
  const indices = new Map<number, number>();
  const keys: number[] = [];
  const cellOf = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const key = gridKey(points, i, cell);
    let index = indices.get(key);
    if (index === undefined) {
      index = keys.length;
      indices.set(key, index);
      keys.push(key);
    }
    cellOf[i] = index;
  }
  const start = new Uint32Array(keys.length + 1);
  for (let i = 0; i < count; i++) start[cellOf[i] + 1]++;
  for (let c = 0; c < keys.length; c++) start[c + 1] += start[c];
  const next = start.slice();
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[next[cellOf[i]]++] = i;
  const first = new Uint32Array(keys.length + 1);
  const around: number[] = [];
  keys.forEach((key, c) => {
    for (let k = 0; k < 27; k++) {
      const offset = keyAt(Math.floor(k / 9) - 1, Math.floor(k / 3) % 3 - 1, k % 3 - 1);
      const index = indices.get(key + offset);
      if (index !== undefined) around.push(index);
    }
    first[c + 1] = around.length;
  });
  return { cell, cellOf, start, order, first, around: Uint32Array.from(around) };
}

/** Looks at each point's neighbours within one cell size. */
export function neighbourhoods(points: Float32Array): Neighbourhoods {
  const count = points.length / 3;
  const grid = makeGrid(points);
  const spacing = new Float32Array(count);
  const normals = new Float32Array(3 * count);
  const flatness = new Float32Array(count);
  const moments = new Float64Array(11);
  let ratios = 0;
  for (let i = 0; i < count; i++) {
    const neighbours = gather(points, grid, i, moments);
    // So many points share a disc of one cell size.
    spacing[i] = grid.cell * Math.sqrt(Math.PI / Math.max(1, neighbours));
    flatness[i] = fitPlane(moments, normals, 3 * i);
    ratios += Math.min(1, grid.cell * moments[10] / spacing[i]);
  }
  const median = spacing.slice().sort()[count >> 1];
  for (let i = 0; i < count; i++) spacing[i] = Math.min(spacing[i], 2 * median);
  return { spacing, normals, flatness, regularity: ratios / count };
}

/**
 * Sums weights, offsets and products of offsets over the neighbours, and puts the distance to the
 * nearest one, in cells, behind them; returns how many neighbours there are.
 */
function gather(points: Float32Array, grid: Grid, i: number, moments: Float64Array): number {
  const { cell, cellOf, start, order, first, around } = grid;
  const x = points[3 * i];
  const y = points[3 * i + 1];
  const z = points[3 * i + 2];
  const scale = 1 / (cell * cell);
  let [w, wx, wy, wz, xx, xy, xz, yy, yz, zz] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  let neighbours = 0;
  let most = 0;
  for (let k = first[cellOf[i]]; k < first[cellOf[i] + 1]; k++) {
    const begin = start[around[k]];
    const end = start[around[k] + 1];
    const step = Math.max(1, Math.ceil((end - begin) / mostPerCell));
    for (let j = begin; j < end; j += step) {
      const at = 3 * order[j];
      const dx = points[at] - x;
      const dy = points[at + 1] - y;
      const dz = points[at + 2] - z;
      const share = 1 - (dx * dx + dy * dy + dz * dz) * scale;
      if (share <= 0) continue;
      neighbours += step;
      if (share > most && order[j] !== i) most = share;
      w += share;
      wx += share * dx;
      wy += share * dy;
      wz += share * dz;
      xx += share * dx * dx;
      xy += share * dx * dy;
      xz += share * dx * dz;
      yy += share * dy * dy;
      yz += share * dy * dz;
      zz += share * dz * dz;
    }
  }
  moments.set([w, wx, wy, wz, xx, xy, xz, yy, yz, zz, Math.sqrt(1 - most)]);
  return neighbours;
}

/** Writes the normal of the plane of least squares; returns the flatness. */
function fitPlane(moments: Float64Array, normals: Float32Array, at: number): number {
  const [w, wx, wy, wz] = moments;
  const mx = wx / w;
  const my = wy / w;
  const mz = wz / w;
  const xx = moments[4] / w - mx * mx;
  const xy = moments[5] / w - mx * my;
  const xz = moments[6] / w - mx * mz;
  const yy = moments[7] / w - my * my;
  const yz = moments[8] / w - my * mz;
  const zz = moments[9] / w - mz * mz;
  const trace = xx + yy + zz;
  const least = leastEigenvalue(xx, xy, xz, yy, yz, zz);
  // Each product of two rows of (matrix − eigenvalue) lies along the eigenvector; the longest is
  // the most exact.
  const rows = [[xx - least, xy, xz], [xy, yy - least, yz], [xz, yz, zz - least]];
  let best = 0;
  for (let k = 0; k < 3; k++) {
    const [a, b, c] = rows[k];
    const [d, e, f] = rows[(k + 1) % 3];
    const px = b * f - c * e;
    const py = c * d - a * f;
    const pz = a * e - b * d;
    const length = Math.sqrt(px * px + py * py + pz * pz);
    if (length > best) {
      best = length;
      normals[at] = px / length;
      normals[at + 1] = py / length;
      normals[at + 2] = pz / length;
    }
  }
  // Fewer than three points, or points in a line, have no plane.
  if (!(best > 1e-6 * trace * trace)) return 0;
  return Math.min(1, Math.max(0, (scattered - least / trace) / (scattered - planar)));
}

/** The least eigenvalue of a symmetric 3 × 3 matrix, by the trigonometric formula. */
function leastEigenvalue(
  xx: number,
  xy: number,
  xz: number,
  yy: number,
  yz: number,
  zz: number,
): number {
  const mean = (xx + yy + zz) / 3;
  const a = xx - mean;
  const b = yy - mean;
  const c = zz - mean;
  const spread = Math.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6);
  if (spread === 0) return mean;
  const determinant = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz);
  const cosine = Math.min(1, Math.max(-1, determinant / (2 * spread * spread * spread)));
  const angle = Math.acos(cosine) / 3 + 2 * Math.PI / 3;
  return Math.max(0, mean + 2 * spread * Math.cos(angle));
}
