// The C header as data: what the shim promises, read from its text.

import { join } from "@std/path";
import { ROOT } from "./tools.ts";

/** A parameter of a function: its C type without spaces, and its name. */
export interface CParameter {
  readonly type: string;
  readonly name: string;
}

/** A function that the header declares. */
export interface CFunction {
  readonly name: string;
  readonly result: string;
  readonly parameters: readonly CParameter[];
}

/** The text of the header without comments. */
export function headerText(): string {
  const text = Deno.readTextFileSync(join(ROOT, "cuda", "include", "pairfold_cuda.h"));
  return text.replace(/\/\/.*$/gm, "");
}

/** Every function behind PF_API. */
export function headerFunctions(text: string = headerText()): CFunction[] {
  const found = text.matchAll(/^PF_API\s+(\w+)\s+(\w+)\s*\(([^)]*)\)\s*;/gm);
  return [...found].map(([, result, name, list]) => ({
    name,
    result,
    parameters: list.trim() === "void" ? [] : list.split(",").map(parameter),
  }));
}

function parameter(text: string): CParameter {
  const [, type, name] = /^\s*([\s\S]*?)\s*(\w+)\s*$/.exec(text)!;
  return { type: type.replace(/\s+/g, " ").replaceAll(" *", "*"), name };
}

/** The number behind `#define PF_ABI_VERSION`. */
export function headerAbi(text: string = headerText()): number {
  return Number(/#define PF_ABI_VERSION (\d+)/.exec(text)?.[1]);
}

/** The names of the status enumeration with their numbers. */
export function headerStatuses(text: string = headerText()): [string, number][] {
  const list = /typedef int32_t pf_status;\s*enum \{([^}]*)\}/.exec(text)![1];
  return [...list.matchAll(/PF_(\w+) = (\d+)/g)].map(([, name, value]) => [name, Number(value)]);
}
