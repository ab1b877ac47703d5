// Polygons to triangles. Enters: the corners of one face. Leaves: its triangles, as a fan.

import { badFile, type NumberList } from "./cloud.ts";

/** Appends a polygon's triangles; refuses corners that are not points of the cloud. */
export function addPolygon(
  triangles: NumberList,
  corners: readonly number[],
  pointCount: number,
  where: string,
): void {
  for (const corner of corners) {
    if (!Number.isInteger(corner) || corner < 0 || corner >= pointCount) {
      throw badFile(
        where,
        `face refers to point ${corner}; expected a whole number from 0 to ${pointCount - 1}`,
      );
    }
  }
  for (let k = 2; k < corners.length; k++) {
    triangles.push(corners[0]);
    triangles.push(corners[k - 1]);
    triangles.push(corners[k]);
  }
}
