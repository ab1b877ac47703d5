// The command line. Enters: its words. Leaves: options that make sense, or a PairfoldError.

import { parseArgs } from "node:util";
import { PairfoldError } from "../../mod.ts";

/** What `--help` prints. */
export const usage = `deno task demo [file] [--sigma S] [--max-points N] [--out picture]

Computes the Gaussian kernel density of every point of a cloud and its gradient, checks random rows
against direct sums, and draws the cloud in the colours of the density.

  file            PLY, OBJ, LAS, LAZ, XYZ or CSV; without one, a synthetic scan of 30,000 points
  --sigma S       bandwidth in the file's units; default 0.02 of the bounding box's diagonal
  --max-points N  takes at most N points, chosen at random
  --out picture   PNG file to write; default NAME-density.png in the current folder`;

/** What was asked for. */
export interface Options {
  readonly help: boolean;
  readonly file?: string;
  readonly sigma?: number;
  readonly maxPoints?: number;
  readonly out?: string;
}

const flags = {
  sigma: { type: "string" },
  "max-points": { type: "string" },
  out: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

interface Config {
  readonly args: string[];
  readonly allowPositionals: true;
  readonly options: typeof flags;
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs<Config>({ args: [...args], allowPositionals: true, options: flags });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PairfoldError("syntax", `demo: ${reason}`, { cause: error });
  }
}

/** Reads the command line. Throws `PairfoldError` (syntax) for what is unknown or out of range. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) {
    throw new PairfoldError("syntax", `demo: got ${positionals.length} files; expected one`);
  }
  const [file] = positionals;
  const { out } = values;
  if (file === "" || out === "") {
    throw new PairfoldError("syntax", "demo: got an empty file name; expected a path");
  }
  const sigma = number("sigma", values.sigma, "a length above 0", (value) => value > 0);
  const maxPoints = number(
    "max-points",
    values["max-points"],
    "a whole number from 1",
    (value) => Number.isSafeInteger(value) && value >= 1,
  );
  return { help: values.help ?? false, file, sigma, maxPoints, out };
}

function number(
  flag: string,
  text: string | undefined,
  wanted: string,
  isGood: (value: number) => boolean,
): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value) && isGood(value)) return value;
  throw new PairfoldError("syntax", `--${flag}: got ${JSON.stringify(text)}; expected ${wanted}`);
}
