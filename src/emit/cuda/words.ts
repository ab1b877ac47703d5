// Names that cells and arrays of a kernel in CUDA C++ may not have.

/** Names of the code around, and words of the language. */
const RESERVED: ReadonlySet<string> = new Set([
  ...["segment", "segments", "length", "parameters", "records", "uniforms", "state", "stateRows"],
  ...["first", "last", "count", "special", "tile", "packed", "chunk", "here", "turns", "column"],
  ...["j", "c", "k", "t", "s", "q", "at", "slice"],
  ...["blockOfRows", "blockOfColumns", "block", "rowsBegin", "begin", "sums", "warpSums"],
  ...["int", "float", "double", "bool", "long", "char", "const", "if", "else", "for", "return"],
  ...["min", "max", "fold", "pack", "combine", "mirror"],
  ...["rowChunks", "columnChunks", "patch", "lane", "warpRows", "buffer", "side", "own", "slot"],
  ...["copied", "columnTarget", "rowTarget", "columnPlace", "rowPlace", "pieces"],
  ...["handed", "warpRow", "values", "from", "to", "left", "none", "a", "b", "r", "u", "n", "p"],
  ...["cells", "scales", "isScaled", "kept", "whole", "stop"],
]);

/** Whether a cell or array may not be called so: numbered names are those of values and rows. */
export const isTaken = (name: string): boolean => RESERVED.has(name) || /^[a-z]+\d+$/.test(name);
