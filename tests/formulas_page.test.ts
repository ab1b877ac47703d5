// FORMULAS.md is what the tables say.

import { assert, assertEquals } from "@std/assert";
import { formulasPage } from "../scripts/formulas.ts";
import { ALL_OPS } from "../src/formula/mod.ts";
import { REDUCTIONS } from "../src/reduction/mod.ts";

Deno.test("FORMULAS.md is what scripts/formulas.ts makes of the tables", async () => {
  const written = await Deno.readTextFile(new URL("../FORMULAS.md", import.meta.url));
  assertEquals(written, formulasPage(), "stale: run `deno task build:formulas`");
});

Deno.test("FORMULAS.md names every op and every reduction", () => {
  const page = formulasPage();
  for (const op of ALL_OPS) assert(page.includes(`| \`${op}(`), `op ${op} is missing`);
  for (const name of REDUCTIONS) assert(page.includes(`| \`${name}\``), `${name} is missing`);
});
