// Stands in for jsr:@std/path where JSR is out of reach: the calls that scripts and tests make,
// over node:path and node:url, with the standard library's signatures.
import path from "node:path";
import url from "node:url";

/** Joins path segments and normalises the result. */
export const join = (...segments: string[]): string => path.join(...segments);
/** The last segment of a path. */
export const basename = (name: string, suffix?: string): string => path.basename(name, suffix);
/** The folder of a path. */
export const dirname = (name: string): string => path.dirname(name);
/** The extension of a path, with its dot. */
export const extname = (name: string): string => path.extname(name);
/** The path from one folder to another. */
export const relative = (from: string, to: string): string => path.relative(from, to);
/** Resolves segments to an absolute path. */
export const resolve = (...segments: string[]): string => path.resolve(...segments);
/** The file path of a `file:` URL. */
export const fromFileUrl = (name: string | URL): string => url.fileURLToPath(name);
/** The `file:` URL of a path. */
export const toFileUrl = (name: string): URL => url.pathToFileURL(name);
