// The FFI table against the C header: names, every parameter and result, the ABI's number.

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { STATUSES } from "../../src/engine/cuda/report.ts";
import { ABI_VERSION, SYMBOLS } from "../../src/engine/cuda/symbols.ts";
import {
  type CFunction,
  headerAbi,
  headerFunctions,
  headerStatuses,
  headerText,
} from "./support/header.ts";
import { ROOT } from "./support/tools.ts";

/** What stands in the table for a C type. */
function nativeType(type: string): string {
  if (type.endsWith("*")) return "buffer";
  const scalars: Record<string, string> = {
    uint64_t: "u64",
    uint32_t: "u32",
    int32_t: "i32",
    uint8_t: "u8",
    pf_status: "i32",
  };
  assert(type in scalars, `no FFI type for ${type}`);
  return scalars[type];
}

type Entry = {
  parameters: readonly string[];
  result: string;
  name?: string;
  nonblocking?: boolean;
};
const table = SYMBOLS as unknown as Record<string, Entry>;

/** What is wrong with a table, a line each. */
function differences(
  functions: readonly CFunction[],
  symbols: Readonly<Record<string, Entry>>,
): string[] {
  const wrong: string[] = [];
  const known = new Map(functions.map((one) => [one.name, one]));
  for (const name of known.keys()) {
    if (!(name in symbols)) wrong.push(`${name} is not in the table`);
  }
  for (const [name, entry] of Object.entries(symbols)) {
    const declared = known.get(entry.name ?? name);
    if (!declared) {
      wrong.push(`${name} is not in the header`);
      continue;
    }
    const wanted = declared.parameters.map(({ type }) => nativeType(type));
    if (wanted.join() !== entry.parameters.join()) {
      wrong.push(`${name}: parameters are ${entry.parameters}; the header says ${wanted}`);
    }
    if (nativeType(declared.result) !== entry.result) {
      wrong.push(`${name}: result is ${entry.result}; the header says ${declared.result}`);
    }
  }
  return wrong;
}

Deno.test("the FFI table is the header, name by name and type by type", () => {
  const functions = headerFunctions();
  assertEquals(functions.length, [...headerText().matchAll(/^PF_API\b/gm)].length);
  assert(functions.length > 30);
  assertEquals(differences(functions, table), []);
});

Deno.test("a table that differs from the header is told apart", () => {
  const functions = headerFunctions();
  const { pf_trim: _, ...without } = table;
  assertEquals(differences(functions, without), ["pf_trim is not in the table"]);
  const truncated = { ...table, pf_alloc: { ...table.pf_alloc, result: "u64" } };
  assertEquals(differences(functions, truncated).length, 1);
  const narrow = ["buffer", "u64", "i32", "buffer"];
  const other = { ...table, pf_alloc: { ...table.pf_alloc, parameters: narrow } };
  assertEquals(differences(functions, other).length, 1);
  assertEquals(differences(functions, { ...table, pf_more: table.pf_trim }).length, 1);
});

Deno.test("every parameter of the table is commented with the header's name and type", () => {
  const path = join(ROOT, "src", "engine", "cuda", "symbols.ts");
  const source = Deno.readTextFileSync(path);
  for (const { name, parameters } of headerFunctions()) {
    const start = source.indexOf(`  ${name}: {`);
    const entry = source.slice(start, source.indexOf("result:", start));
    const comments = [...entry.matchAll(/\/\/ (\w+)(?:: (.*))?$/gm)].map(([, n, t]) => [n, t]);
    const wanted = parameters.map((one) => [
      one.name,
      one.type.endsWith("*") ? one.type : undefined,
    ]);
    assertEquals(comments, wanted, name);
  }
});

Deno.test("calls that wait exist as nonblocking ones, others do not", () => {
  const waiting = Object.entries(table).filter(([, entry]) => entry.nonblocking);
  assertEquals(waiting.map(([, entry]) => entry.name).sort(), [
    "pf_compile",
    "pf_compile_binary",
    "pf_download",
    "pf_event_wait",
    "pf_module_free",
    "pf_synchronize",
    "pf_upload",
  ]);
  for (const [key, entry] of waiting) assertEquals(key, `${entry.name}_nonblocking`);
});

Deno.test("ABI version and statuses are the header's", () => {
  assertEquals(ABI_VERSION, headerAbi());
  const names = headerStatuses();
  assertEquals(names.map(([, value]) => value), names.map((_, k) => k));
  assertEquals(
    [...STATUSES],
    names.map(([name]) => name.toLowerCase().replaceAll("_", "-")) as string[],
  );
});
