// Blocks of vectors on the host: [n, width], row-major, float64; column c is vector c. What solvers
// do with them between products.

/** The scalar product of each pair of columns. */
export function columnDots(a: Float64Array, b: Float64Array, width: number): Float64Array {
  const out = new Float64Array(width);
  if (width === 1) {
    let sum = 0;
    for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
    out[0] = sum;
    return out;
  }
  for (let row = 0; row < a.length; row += width) {
    for (let c = 0; c < width; c++) out[c] += a[row + c] * b[row + c];
  }
  return out;
}

/** The length of each column. */
export function columnNorms(a: Float64Array, width: number): Float64Array {
  return columnDots(a, a, width).map(Math.sqrt);
}

/** y += factors[c] · x, column by column. */
export function addScaled(
  y: Float64Array,
  factors: ArrayLike<number>,
  x: Float64Array,
  width: number,
): void {
  for (let row = 0; row < y.length; row += width) {
    for (let c = 0; c < width; c++) y[row + c] += factors[c] * x[row + c];
  }
}

/** p = z + factors[c] · p, column by column. */
export function combine(
  p: Float64Array,
  factors: ArrayLike<number>,
  z: Float64Array,
  width: number,
): void {
  for (let row = 0; row < p.length; row += width) {
    for (let c = 0; c < width; c++) p[row + c] = z[row + c] + factors[c] * p[row + c];
  }
}

/** Some columns of a block, in an order, as a block of their own. */
export function takeColumns(
  a: Float64Array,
  width: number,
  columns: readonly number[],
): Float64Array {
  if (columns.length === width && columns.every((c, k) => c === k)) return a.slice();
  const rows = width === 0 ? 0 : a.length / width;
  const out = new Float64Array(rows * columns.length);
  for (let row = 0, at = 0; row < rows; row++) {
    for (const c of columns) out[at++] = a[row * width + c];
  }
  return out;
}

/** Adds columns of a narrow block to those of a wide one that they stand for. */
export function addColumns(
  wide: Float64Array,
  width: number,
  columns: readonly number[],
  narrow: Float64Array,
): void {
  const count = columns.length;
  for (let row = 0, at = 0; row < wide.length; row += width) {
    for (let k = 0; k < count; k++) wide[row + columns[k]] += narrow[at++];
  }
}

/** The length of a vector. */
export function norm(x: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < x.length; k++) sum += x[k] * x[k];
  return Math.sqrt(sum);
}

/** The scalar product of two vectors. */
export function dot(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < x.length; k++) sum += x[k] * y[k];
  return sum;
}
