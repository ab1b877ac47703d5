// The one way into a file. Enters: a path, a URL or bytes. Leaves: a PointCloud, or a PairfoldError
// that says what was found instead and where.

import { PairfoldError } from "../error.ts";
import { badFile, type PointCloud, type PointCloudFormat } from "./cloud.ts";
import { readLas } from "./las.ts";
import { readObj } from "./obj.ts";
import { readPly } from "./ply.ts";
import { formatOf, loadSource } from "./source.ts";
import { readXyz } from "./xyz.ts";

/** How {@linkcode readPointCloud} reads. */
export interface ReadOptions {
  /** The format, where neither the bytes nor the name's extension say it. */
  readonly format?: PointCloudFormat;
  /** What messages call the source; the path or URL otherwise. Its extension counts too. */
  readonly name?: string;
  /**
   * Holds LAS and LAZ points against the bounds, and LAZ points against the counts per return, that
   * the header states (default true): garbled points show so. Pass false for a file whose header is
   * wrong.
   */
  readonly checkBounds?: boolean;
}

/**
 * Reads a point cloud from a path, a `file:`, `http:` or `https:` URL, or bytes.
 *
 * | format | what is read |
 * |---|---|
 * | ply | ascii and binary, either byte order; elements other than vertex and face are skipped |
 * | obj | `v` lines as points, faces with positive and negative indices, colours, normals |
 * | las | LAS 1.0 to 1.4, point formats 0 to 10, every field, extra bytes |
 * | laz | the same compressed, point formats 0 to 3 and 6 to 8 |
 * | xyz, csv | one point per line; blanks, tabs, commas or semicolons; `#` and `//` comments |
 *
 * A text table may name its columns on its first line or in a comment before the numbers; then it
 * has x, y and z among them, in any order. Without names the first three columns are x, y and z and
 * the others are attributes `column4`, `column5`, … An empty cell of an attribute reads as NaN.
 *
 * Files need read permission, http and https URLs net permission. LAZ needs read permission for
 * Deno's package cache too (plain `--allow-read`), where its wasm decompressor is.
 *
 * Coordinates must be finite; attributes may be NaN or infinite.
 *
 * Throws a PairfoldError with code `"io"` for a source that cannot be read, is no point cloud, is
 * cut short, garbled or has no points, with the line or the byte; with code `"memory"` for a cloud
 * larger than memory. A count in a header is held against the bytes present before anything is
 * allocated. Two things no reader can see: a text table cut at the end of a line, or within the
 * last number of its last line, and bytes changed into other valid numbers.
 *
 * ```ts
 * import { readPointCloud } from "pairfold/pointcloud";
 * const text = "x,y,z,height\n0,0,0,1.5\n1,0,0,2.5\n";
 * const cloud = await readPointCloud(new TextEncoder().encode(text), { format: "csv" });
 * console.log(cloud.count, cloud.positions); // 2 Float64Array(6) [0, 0, 0, 1, 0, 0]
 * console.log(cloud.attributes.get("height")?.values); // Float64Array(2) [1.5, 2.5]
 * ```
 */
export async function readPointCloud(
  source: string | URL | Uint8Array,
  options: ReadOptions = {},
): Promise<PointCloud> {
  const loaded = await loadSource(source, options.name);
  const { bytes, name } = loaded;
  const format = formatOf(loaded, options.format);
  try {
    switch (format) {
      case "ply":
        return readPly(bytes, name);
      case "obj":
        return readObj(bytes, name);
      case "las":
      case "laz":
        return await readLas(bytes, name, options.checkBounds ?? true);
      case "xyz":
      case "csv":
        return readXyz(bytes, name, format);
      default:
        return format satisfies never;
    }
  } catch (error) {
    // Whatever a reader missed is still about this file.
    if (error instanceof PairfoldError) throw error;
    throw badFile(name, `could not be read as ${format}: ${String(error)}`, { cause: error });
  }
}
