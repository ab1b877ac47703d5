// Where bytes come from and what they are. Enters: a path, a URL or bytes, and perhaps a format.
// Leaves: the bytes, a name for messages, and the format; or a PairfoldError.

import { PairfoldError } from "../error.ts";
import { badFile, type PointCloudFormat, pointCloudFormats } from "./cloud.ts";

/** Bytes, and what to call them in messages. */
export interface Source {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/** Loads a path, a file: or http(s): URL, or takes bytes as they are. */
export async function loadSource(
  source: string | URL | Uint8Array,
  name: string | undefined,
): Promise<Source> {
  if (source instanceof Uint8Array) return { bytes: source, name: name ?? "bytes" };
  const text = String(source);
  const shown = name ?? text;
  try {
    if (/^https?:/i.test(text)) {
      const response = await fetch(text);
      if (!response.ok) {
        await response.body?.cancel();
        throw badFile(shown, `got HTTP status ${response.status}; expected 200`);
      }
      return { bytes: new Uint8Array(await response.arrayBuffer()), name: shown };
    }
    const path = typeof source === "string" && /^file:/i.test(source) ? new URL(source) : source;
    return { bytes: await Deno.readFile(path), name: shown };
  } catch (error) {
    if (error instanceof PairfoldError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw badFile(shown, `could not be read: ${reason}`, { cause: error });
  }
}

const extensions: ReadonlyMap<string, PointCloudFormat> = new Map([
  ["ply", "ply"],
  ["obj", "obj"],
  ["las", "las"],
  ["laz", "laz"],
  ["xyz", "xyz"],
  ["txt", "xyz"],
  ["asc", "xyz"],
  ["pts", "xyz"],
  ["csv", "csv"],
  ["tsv", "csv"],
]);

/** The format asked for, else the one the bytes begin with, else the one the name ends with. */
export function formatOf(source: Source, asked: string | undefined): PointCloudFormat {
  const { bytes, name } = source;
  if (bytes.length === 0) throw badFile(name, "got an empty file; expected points");
  if (asked !== undefined) {
    const format = pointCloudFormats.find((known) => known === asked);
    if (format === undefined) {
      const known = pointCloudFormats.join(", ");
      throw badFile(name, `got format ${JSON.stringify(asked)}; expected one of ${known}`);
    }
    return format;
  }
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 65536));
  if (start.startsWith("LASF")) return "las";
  if (/^ply[\r\n]/.test(start)) return "ply";
  const extension = /\.([a-z]+)$/i.exec(name.replace(/[?#].*$/, ""))?.[1]?.toLowerCase();
  const named = extensions.get(extension ?? "");
  if (named !== undefined) return named;
  if (!start.includes("\0")) {
    if (/^(v\s|vn\s|o\s|g\s|mtllib\s)/m.test(start)) return "obj";
    if (/^[\s"]*[-+.\d]+(e[-+]?\d+)?[\s;,]+[-+.\d]/im.test(start)) return "xyz";
  }
  const head = [...bytes.subarray(0, 8)].map((b) => b.toString(16).padStart(2, "0")).join(" ");
  throw badFile(
    name,
    `got no known format (it begins with the bytes ${head}); ` +
      `expected one of ${pointCloudFormats.join(", ")}`,
  );
}
