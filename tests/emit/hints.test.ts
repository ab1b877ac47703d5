// Branch hints of the assembler: a custom section before the code that hosts may read or leave.

import { assert, assertEquals } from "@std/assert";
import { assemble, FunctionBody } from "../../src/emit/wasm/assembler.ts";

const memory = { shared: false, minimum: 1, maximum: 1 };
const SECTION = "metadata.code.branch_hint";

/** Adds one to its first local where that is not zero. */
function body(name: string, rarely: boolean): FunctionBody {
  const f = new FunctionBody(name, ["i32"]);
  f.local("v128");
  f.get(0);
  if (rarely) f.ifRarely();
  else f.op("if");
  return f.get(0).i32(1).op("i32.add").set(0).op("end");
}

Deno.test("a hint names the function and the place of its branch, counted from the locals", () => {
  const module = new WebAssembly.Module(assemble([body("f", false), body("g", true)], memory));
  const [section] = WebAssembly.Module.customSections(module, SECTION);
  // one function, number 1; one hint at 5 (three bytes of locals, two of local.get), one byte: no
  assertEquals([...new Uint8Array(section)], [1, 1, 1, 5, 1, 0]);
});

Deno.test("without rare branches there is no such section", () => {
  const bytes = assemble([body("f", false)], memory);
  assert(WebAssembly.validate(bytes));
  const module = new WebAssembly.Module(bytes);
  assertEquals(WebAssembly.Module.customSections(module, SECTION), []);
});
