// The part of npm:hershey that legend.ts calls; the package has no types of its own.

interface TextStrokes {
  readonly bounds: { readonly minX: number; readonly maxX: number };
  /** Polylines, x to the right and y up. */
  readonly paths: readonly (readonly (readonly [number, number])[])[];
}

declare const hershey: {
  stringToPaths(text: string): TextStrokes;
};

export default hershey;
