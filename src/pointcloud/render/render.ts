// The picture of a cloud. Enters: positions with a value each. Leaves: a PNG: the cloud as a lit
// surface of round splats, coloured by value, on a dark ground, with a legend.

import { encode } from "npm:fast-png@8.0.0";
import { PairfoldError } from "../../error.ts";
import { allocate, type PointCloud } from "../cloud.ts";
import { centre, positionsOf } from "../transform.ts";
import { project, type Projection, type UpAxis, type View } from "./camera.ts";
import { type ColorMap, colorMaps, colorTable } from "./colors.ts";
import { drawLegend, legendWidth } from "./legend.ts";
import { formatMarks, scaleValues, type ValueMapping } from "./scale.ts";
import { samplesPerPixel, shade } from "./shade.ts";
import { neighbourhoods } from "./neighbours.ts";
import { splat, type Splats } from "./splat.ts";

/** How {@linkcode renderDensity} draws. */
export interface RenderOptions {
  /** Pixels; default 1200. */
  readonly width?: number;
  /** Pixels; fits the cloud by default, between 0.62 and 1 times the width. */
  readonly height?: number;
  /**
   * `"auto"` (default) takes a cloud that is flat along z for land and looks from `"above"` at an
   * angle, and any other from the `"front"`, a little from the right and above.
   */
  readonly view?: View;
  /** The axis that points up; `"auto"` (default) is z for flat clouds and else y. */
  readonly up?: UpAxis;
  /** Colours from low to high; default `"viridis"`. */
  readonly colorMap?: ColorMap;
  /** How values spread over the colours; default `"rank"`. */
  readonly mapping?: ValueMapping;
  /** Size of the splats relative to the spacing of the points; default 1. */
  readonly pointSize?: number;
  /** A colour bar with values; default true. */
  readonly legend?: boolean;
  /** What is shown, in the lower left corner; drawn with the legend only; default none. */
  readonly title?: string;
}

/**
 * Radius of a disc in spacings of the points: enough that discs overlap and noise averages out. It
 * is the first for points on a grid; points at random leave larger gaps and need the second.
 */
const gridSpacings = 1.35;
const randomSpacings = 1.9;
/** Radius of a ball in spacings. */
const ballSpacings = 0.7;
/** Least radius in samples, so that single points are seen. */
const leastRadius = 2.4;
const mostRadius = 60;
const mostPixels = 8192;

/**
 * Draws a cloud, each point in the colour of its value, and returns the bytes of a PNG file.
 * `values` has one number per point (a density, a height, …); points whose value is NaN are left
 * out. The same input gives the same picture. Throws `"shape"` for arrays that do not fit together
 * or are not finite, and for sizes out of range.
 *
 * ```ts
 * import { renderDensity, syntheticScan } from "pairfold/pointcloud";
 * const scan = syntheticScan(2000);
 * const heights = scan.positions.filter((_, k) => k % 3 === 1);
 * const png = renderDensity(scan, heights, { width: 300, title: "height, mm" });
 * console.log(png[0], png.length > 1000); // 137 true
 * ```
 */
export function renderDensity(
  cloud: PointCloud | Float64Array | Float32Array,
  values: ArrayLike<number>,
  options: RenderOptions = {},
): Uint8Array {
  const { width = 1200, height, legend = true, title = "" } = options;
  const { view = "auto", up = "auto", pointSize = 1 } = options;
  const { colorMap = "viridis", mapping = "rank" } = options;
  const positions = positionsOf("renderDensity", cloud);
  check(positions, values, options);
  const { points } = centre(positions, "box");
  const { places, marks } = scaleValues(values, mapping);
  const texts = formatMarks(marks.map((mark) => mark.value));
  const named = marks.map(({ place }, k) => ({ place, text: texts[k] }));
  const n = samplesPerPixel;
  const table = colorTable(colorMap);
  const picture = allocate("renderDensity", () => {
    const projection = project(points, view, up, {
      width: width * n,
      ...(height === undefined ? {} : { height: height * n }),
      margin: Math.round(0.045 * width) * n,
      right: legend ? Math.round(legendWidth(width, named)) * n : 0,
    });
    const surface = splat(projection, makeSplats(points, places, projection, pointSize));
    return { bytes: shade(surface, table), width, height: projection.height / n };
  });
  if (legend) drawLegend(picture, table, named, title);
  return encode({ ...picture, data: picture.bytes, channels: 3, depth: 8 });
}

/** Sizes and turns the splats: each as large as the spacing around it, its normal to the viewer. */
function makeSplats(
  points: Float32Array,
  place: Float32Array,
  { axes, scale }: Projection,
  pointSize: number,
): Splats {
  const { spacing, normals, flatness, regularity } = neighbourhoods(points);
  const random = Math.min(1, Math.max(0, (0.85 - regularity) / 0.3));
  const discSpacings = gridSpacings + (randomSpacings - gridSpacings) * random;
  const radius = spacing.map((space, i) => {
    const spacings = ballSpacings + (discSpacings - ballSpacings) * flatness[i];
    const wanted = spacings * pointSize * space * scale;
    return Math.min(mostRadius, Math.max(leastRadius * pointSize, wanted));
  });
  const normal = new Float32Array(normals.length);
  for (let i = 0; i < place.length; i++) {
    const along = axes.map((axis) =>
      axis[0] * normals[3 * i] + axis[1] * normals[3 * i + 1] + axis[2] * normals[3 * i + 2]
    );
    // A ball has no plane: it faces the viewer.
    const flat = along[2] < 0 ? -flatness[i] : flatness[i];
    normal[3 * i] = flat * along[0];
    normal[3 * i + 1] = -flat * along[1];
    normal[3 * i + 2] = flat * along[2] + 1 - flatness[i];
  }
  return { radius, normal, flatness, place };
}

function check(
  positions: Float64Array | Float32Array,
  values: ArrayLike<number>,
  options: RenderOptions,
): void {
  const refuse = (message: string): never => {
    throw new PairfoldError("shape", `renderDensity: ${message}`);
  };
  if (values.length !== positions.length / 3) {
    refuse(`got ${values.length} values; expected one for each of ${positions.length / 3} points`);
  }
  const broken = positions.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) {
    refuse(`point ${Math.floor(broken / 3)}: got ${positions[broken]}; expected finite positions`);
  }
  for (const name of ["width", "height"] as const) {
    const size = options[name];
    if (size !== undefined && !(Number.isInteger(size) && size >= 16 && size <= mostPixels)) {
      refuse(`got ${name} ${size}; expected a whole number from 16 to ${mostPixels}`);
    }
  }
  const { pointSize = 1, colorMap = "viridis" } = options;
  if (!(pointSize > 0 && pointSize <= 20)) {
    refuse(`got pointSize ${pointSize}; expected more than 0 and at most 20`);
  }
  if (!colorMaps.includes(colorMap)) {
    refuse(`got colorMap ${JSON.stringify(colorMap)}; expected one of ${colorMaps.join(", ")}`);
  }
}
