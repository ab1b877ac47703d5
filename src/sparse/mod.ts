// What can be left out of folds over points: trees of boxes, and the columns that are near enough.

export { NearColumns, nearNode } from "./near.ts";
export { type Coordinates, gathered, isWithin, PointTree } from "./tree.ts";
