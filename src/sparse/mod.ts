// What can be left out of folds over points: trees of boxes and the columns that are near enough;
// clusters, and blocks of rows and columns that meet.

export { Clusters, type ClustersOptions, gridCluster, type PointTable } from "./clusters.ts";
export { NearColumns, nearNode } from "./near.ts";
export type { KeepMatrix, RangeList } from "./range_lists.ts";
export { arraysOf, type BlockArrays, BlockRanges, type KeopsRanges } from "./ranges.ts";
export { type Coordinates, gathered, isWithin, PointTree } from "./tree.ts";
export { inPlace, radixSorted } from "./radix.ts";
