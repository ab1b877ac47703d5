// Locals of WebAssembly functions: values take those that nothing reads any more, so that long
// formulas stay within what hosts allow.

import { assert, assertEquals } from "@std/assert";
import { type Device, type LazyTensor, type Tensor, tensor, Vi, Vj, wasm } from "pairfold";
import { noteLastReads, ValueLocals } from "../../src/emit/wasm/locals.ts";
import { Builder, Names, type Region, type Value } from "../../src/loop/mod.ts";

const [M, N, DIM] = [37, 131, 3];
const TILED = { rowVectors: 4, interleave: 4, columns: 2, operands: "memory" } as const;

/** Numbers that look random. */
function numbers(length: number): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length }, (_, k) => Math.fround(Math.sin(1 + 7.3 * k)));
}
const [X, Y] = [numbers(M * DIM), numbers(N * DIM).reverse()];

/** Σ_j of a function of x_i − y_j, applied to its own result so many times, by components. */
function nested(f: (z: LazyTensor) => LazyTensor, depth: number, device: Device): Tensor {
  const point = (values: Float64Array<ArrayBuffer>): Tensor =>
    tensor(Float32Array.from(values), [values.length / DIM, DIM]);
  let z = Vi(point(X)).sub(Vj(point(Y)));
  for (let k = 0; k < depth; k++) z = f(z);
  return z.sum("j", { device });
}

/** The most locals that a function of an explained kernel has. */
function localsOf(explained: string): number {
  return Math.max(...[...explained.matchAll(/;; (\d+) locals/g)].map(([, count]) => Number(count)));
}

Deno.test("a formula of more values than a function may have locals is folded", async () => {
  const depth = 200;
  using device = wasm({ schedule: "untiled", threads: 1 });
  const folded = await nested((z) => z.sin(), depth, device).data();
  for (let at = 0; at < M * DIM; at++) {
    let want = 0;
    for (let j = 0; j < N; j++) {
      let value = X[at] - Y[j * DIM + at % DIM];
      for (let k = 0; k < depth; k++) value = Math.sin(value);
      want += value;
    }
    assert(Math.abs(folded[at] - want) < 1e-4 * N, `${folded[at]} for ${want}`);
  }
});

Deno.test("how many locals a function has grows with what waits, not with the formula", () => {
  using device = wasm({ schedule: TILED, threads: 1 });
  const [few, many] = [10, 60].map((depth) =>
    localsOf(nested((z) => z.neg().exp(), depth, device).explain())
  );
  assert(few > 0 && many <= few, `${few} locals, ${many} for six times as many operations`);
});

/** Where in a region the values that are given are read for the last time. */
function lastReadsOf(root: Region, values: readonly Value[]): number[] {
  const noted = new Map<Region, readonly (readonly Value[])[]>();
  noteLastReads(root, noted);
  return values.map((value) => noted.get(root)?.findIndex((dying) => dying.includes(value)) ?? -1);
}

Deno.test("what a loop or a branch reads of the region around lasts until its end", () => {
  const b = new Builder("pair", "f32", new Names());
  const cell = b.cell("sum");
  const load = (offset: number): Value =>
    b.load({ kind: "record", section: "column" }, { offset, terms: [] });
  const [x, y, z, unread] = [load(0), load(1), load(2), load(3)];
  b.for(5, () => b.set(cell, b.add(b.get(cell), x)));
  b.when("any", b.lt(y, z), () => b.set(cell, y));
  b.set(cell, z);
  const kinds = b.root.statements.map((s) => s.kind);
  const [loop, branch] = [kinds.indexOf("for"), kinds.indexOf("when")];
  const definition = b.root.statements.findIndex((s) => s.kind === "let" && s.value === unread);
  assertEquals(lastReadsOf(b.root, [x, y, z, unread]), [
    loop,
    branch,
    kinds.length - 1,
    definition,
  ]);
});

Deno.test("locals that are taken back are given again, others are not", () => {
  let count = 0;
  const locals = new ValueLocals(() => count++);
  const b = new Builder("pair", "f32", new Names());
  const [x, y, z] = [0, 1, 2].map((offset) =>
    b.load({ kind: "record", section: "column" }, { offset, terms: [] })
  );
  const [first, second] = [locals.give(x, 1), locals.give(y, 2)];
  locals.takeBack([x]);
  assertEquals(locals.of(x), undefined);
  assertEquals(locals.give(z, 1), first);
  assertEquals(locals.of(y), second);
  assertEquals(count, 3);
});
