// The command lines of the benchmark scripts: node:util's parseArgs with --help, and words that are
// no option, no number or no known name refused in one line, with status 2.

import { parseArgs, type ParseArgsConfig } from "node:util";

type Config = Pick<ParseArgsConfig, "options" | "allowPositionals">;

/** Ends the process: one line of what is wrong with the command line. */
export function refuse(reason: string): never {
  console.error(`${scriptName()}: ${reason}`);
  Deno.exit(2);
}

const scriptName = (): string => Deno.mainModule.replace(/^.*\/(?=bench\/)/, "");

/** The script and its options with their defaults, in a line. */
function usageOf({ options = {}, allowPositionals = false }: Config): string {
  const words = Object.entries(options).map(([name, option]) =>
    option.type === "boolean" ? `[--${name}]` : `[--${name} ${option.default ?? "…"}]`
  );
  const rest = allowPositionals ? ["[name …]"] : [];
  return ["usage: deno run -A", scriptName(), ...rest, ...words].join(" ");
}

/** The options of the command line; after `--help`, prints the usage and ends the process. */
export function optionsOf<const T extends Config>(config: T): ReturnType<typeof parseArgs<T>> {
  if (Deno.args.includes("--help")) {
    console.log(usageOf(config));
    Deno.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return refuse(`${error.message.split("\n")[0]}\n${usageOf(config)}`);
  }
}

/** A whole number from 1. */
export function countOf(option: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  return refuse(`--${option}: got ${JSON.stringify(text)}; expected a whole number from 1`);
}

/** Names from a list on the command line, or all of them. */
export function namesOf<T extends string>(
  option: string,
  text: string | undefined,
  known: readonly T[],
): readonly T[] {
  if (text === undefined) return known;
  return text.split(",").filter((name) => name !== "").map((name) =>
    known.find((one) => one === name) ??
      refuse(`--${option}: got ${name}; expected some of ${known.join(", ")}`)
  );
}
