// Bodies of loops chain by chain: every value before what reads it, cells read before they change,
// and few values waiting between.

import { assert, assertEquals } from "@std/assert";
import {
  Builder,
  chainByChain,
  Names,
  printRegion,
  type Region,
  removeDead,
  replicate,
  RowCopies,
  type Value,
} from "../../src/loop/mod.ts";

/** cell1 += x·x, cell2 = cell1 as it was; for so many rows and columns. */
function bodyOf(rows: number, columns: number): Region {
  const b = new Builder("pair", "f32", new Names());
  const [sum, last] = [b.cell("sum"), b.cell("last")];
  const load = (section: "row" | "column"): Value =>
    b.load({ kind: "record", section }, { offset: 0, terms: [] });
  const before = b.get(sum);
  const x = b.sub(load("row"), load("column"));
  b.set(sum, b.add(before, b.mul(x, x)));
  b.set(last, before);
  return replicate(removeDead(b.root), new RowCopies(rows), { columns, columnSlots: 1 });
}

/** The most operations' results that wait for their readers at one time. */
function mostWaiting({ statements }: Region): number {
  const lastRead = new Map<Value, number>();
  statements.forEach((s, k) => {
    if (s.kind === "set") lastRead.set(s.value, k);
    if (s.kind === "let" && s.value.kind === "operation") {
      for (const a of s.value.args) lastRead.set(a, k);
    }
  });
  return Math.max(
    ...statements.map((_, k) =>
      statements.slice(0, k + 1).filter((s) =>
        s.kind === "let" && s.value.kind === "operation" && (lastRead.get(s.value) ?? k) > k
      ).length
    ),
  );
}

/** Refuses an order in which a value is read before it is there, or a cell after it changed. */
function checkOrder({ statements }: Region): void {
  const there = new Set<Value>();
  const changed = new Set<unknown>();
  for (const s of statements) {
    if (s.kind === "set") {
      assert(there.has(s.value));
      changed.add(s.cell);
    }
    if (s.kind !== "let") continue;
    if (s.value.kind === "operation") assert(s.value.args.every((a) => there.has(a)));
    if (s.value.kind === "get") assert(!changed.has(s.value.cell), "read after it changed");
    there.add(s.value);
  }
}

Deno.test("chains follow one another, with the same statements", () => {
  for (const [rows, columns] of [[1, 1], [4, 2], [2, 4], [3, 1]]) {
    const sideBySide = bodyOf(rows, columns);
    const chains = chainByChain(sideBySide);
    checkOrder(chains);
    const lines = (region: Region): string[] => printRegion(region).split("\n").sort();
    assertEquals(new Set(chains.statements), new Set(sideBySide.statements));
    assertEquals(lines(chains).length, lines(sideBySide).length);
    assertEquals(mostWaiting(chains), 1);
    assert(rows * columns === 1 || mostWaiting(sideBySide) > 1);
  }
});

Deno.test("what stores to memory stays as it is", () => {
  const b = new Builder("pair", "f32", new Names());
  const array = b.array("state", 4);
  const place = { offset: 0, terms: [] };
  b.store({ kind: "array", array }, place, b.add(b.fetch(array, place), b.constant(1)));
  assertEquals(chainByChain(b.root), b.root);
});
