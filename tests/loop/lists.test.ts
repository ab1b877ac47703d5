// Scatters and appends of the loop IR: what they mean, what the verifier refuses, how they print.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import {
  Builder,
  interpretUniform,
  Names,
  place,
  printRegion,
  removeDead,
  verifyRegion,
} from "../../src/loop/mod.ts";

function builder(): Builder {
  return new Builder("uniform", "f64", new Names());
}

/** The uniform record is what the list holds at the end. */
function record(b: Builder, list: ReturnType<Builder["array"]>): number[] {
  for (let k = 0; k < list.length; k++) {
    b.store({ kind: "record", section: "uniform" }, place(k), b.fetch(list, place(k)));
  }
  return [...interpretUniform(removeDead(b.root), [], list.length)];
}

Deno.test("a scatter stores to the place that its index tells", () => {
  const b = builder();
  const list = b.array("list", 3);
  for (const [at, value] of [[2, 5], [0, 7], [2, 9]]) {
    b.scatter(b.constant(at, b.integer), [{ array: list, value: b.constant(value) }]);
  }
  verifyRegion("pair", b.root);
  assertStringIncludes(printRegion(b.root), "list[2] := 5");
  assertEquals(record(b, list), [7, 0, 9]);
});

Deno.test("an append counts where its mask fails, and skips where it holds", () => {
  const b = builder();
  const list = b.array("list", 3);
  const size = b.array("size", 1, b.integer);
  for (const value of [4, 1, 6, 2]) {
    const unless = b.lt(b.constant(value), b.constant(3));
    b.append(unless, size, [{ array: list, value: b.constant(value) }]);
  }
  verifyRegion("pair", b.root);
  assertStringIncludes(printRegion(b.root), "list[size] := 4");
  assertEquals(record(b, list), [4, 6, 0]);
});

Deno.test("a mask counts as −1 where it holds", () => {
  const b = builder();
  const list = b.array("list", 2, b.integer);
  b.store({ kind: "array", array: list }, place(0), b.holds(b.lt(b.constant(1), b.constant(2))));
  b.store({ kind: "array", array: list }, place(1), b.holds(b.lt(b.constant(2), b.constant(1))));
  verifyRegion("pair", b.root);
  assertEquals(record(b, list).map((n) => n + 0), [-1, 0]);
});

Deno.test("scatters at floats, into other types, and appends without a mask are refused", () => {
  const wrong: ((b: Builder) => void)[] = [
    (b) => b.scatter(b.constant(1), [{ array: b.array("l", 3), value: b.constant(1) }]),
    (b) => {
      const value = b.constant(1, b.integer);
      b.scatter(b.constant(1, b.integer), [{ array: b.array("l", 3), value }]);
    },
    (b) => b.append(b.constant(1), b.array("n", 1, b.integer), []),
    (b) => b.append(b.lt(b.constant(1), b.constant(2)), b.array("n", 1), []),
  ];
  for (const make of wrong) assertThrows(() => make(builder()), PairfoldError, "loop IR");
  // the verifier sees them too, where a pass has made them
  const b = builder();
  const [good, float] = [b.constant(1, b.integer), b.constant(1)];
  b.scatter(good, [{ array: b.array("l", 3), value: float }]);
  const [scatter] = b.root.statements.filter((s) => s.kind === "scatter");
  b.root.statements.push({ ...scatter, index: float });
  assertThrows(() => verifyRegion("pair", b.root), PairfoldError, "scatter at f64");
});
