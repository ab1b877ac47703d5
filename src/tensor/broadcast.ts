// Shapes that broadcast as NumPy's do: aligned at their last axes, where axes of length 1 stretch.

/** The shape that shapes broadcast to (NumPy's `broadcast_shapes`); null where they do not. */
export function broadcastShapes(...shapes: (readonly number[])[]): number[] | null {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (const [k, length] of shape.entries()) {
      const at = rank - shape.length + k;
      if (length === 1 || length === result[at]) continue;
      if (result[at] !== 1) return null;
      result[at] = length;
    }
  }
  return result;
}

/**
 * For a row-major array of a shape, read as if broadcast to another: how far it is from an index to
 * the next along each axis of the other, in elements; 0 along axes that it does not have.
 */
export function broadcastStrides(shape: readonly number[], to: readonly number[]): number[] {
  const strides = new Array<number>(to.length).fill(0);
  let stride = 1;
  for (let k = shape.length - 1; k >= 0; k--) {
    if (shape[k] !== 1) strides[to.length - shape.length + k] = stride;
    stride *= shape[k];
  }
  return strides;
}
