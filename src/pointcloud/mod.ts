/**
 * Point clouds: files in, clouds of float64 positions with attributes, pictures and files out.
 *
 * @module
 */

export { pointCloudFormats } from "./cloud.ts";
export type { Attribute, AttributeArray, PointCloud, PointCloudFormat } from "./cloud.ts";
export { readPointCloud } from "./read.ts";
export type { ReadOptions } from "./read.ts";
export { boundingBox, center, centre, subsample } from "./transform.ts";
export type { BoundingBox, CentredCloud, Positions } from "./transform.ts";
export { syntheticScan } from "./scan.ts";
export { encodePly, encodeXyz, writePly, writeXyz } from "./write.ts";
export type { PlyOptions, WritableCloud, XyzOptions } from "./write.ts";
export { renderDensity } from "./render/render.ts";
export type { RenderOptions } from "./render/render.ts";
export type { UpAxis, View } from "./render/camera.ts";
export { colorMaps } from "./render/colors.ts";
export type { ColorMap } from "./render/colors.ts";
export type { ValueMapping } from "./render/scale.ts";
