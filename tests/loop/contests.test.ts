// Branches that compare a bound with a pair's value: the best of a turn's columns is compared once.
// Legal regions, one comparison per row, the same bits wherever NaN, ties and winners stand.

import { assert, assertEquals } from "@std/assert";
import { tensor, Vi, Vj, wasm, type WasmOptions } from "../../mod.ts";
import { build, variable, type VariableNode } from "../../src/formula/mod.ts";
import {
  Builder,
  type Kernel,
  Names,
  type Region,
  replicate,
  RowCopies,
  type Statement,
  verifyRegion,
} from "../../src/loop/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { randomFor } from "../support/random.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);

function kernelOf(
  reduction: "min" | "maxArgMax" | "kMin" | "logSumExp",
  k = 1,
  [a, b]: readonly [VariableNode, VariableNode] = [x, y],
): Kernel {
  const options = { sumScheme: "compensated", accumulator: "f32", k } as const;
  const formula = build.sqDist(a, b);
  const fold = { formula, reduction, float: "f32", inputs: [a, b], options } as const;
  return lower({ ...fold, fastMath: false }, expandedMath);
}

function turnOf(kernel: Kernel, columns: number): Region {
  const copies = new RowCopies(2, [...kernel.state, ...kernel.incoming]);
  const turn = replicate(kernel.pair, copies, { columns, columnSlots: 3 });
  verifyRegion("pair", turn);
  return turn;
}

/** How many operations of a name stand in a region itself. */
function countOf(name: string, { statements }: Region): number {
  const isIt = (s: Statement): boolean =>
    s.kind === "let" && s.value.kind === "operation" && s.value.operation === name;
  return statements.filter(isIt).length;
}

Deno.test("a turn of four columns compares the best of them once per row", () => {
  for (const [reduction, k, best] of [["min", 1, "pmin"], ["maxArgMax", 1, "pmax"]] as const) {
    const turn = turnOf(kernelOf(reduction, k), 4);
    assertEquals([countOf(best, turn), countOf("le", turn)], [2 * 3, 2]);
  }
  for (const k of [5, 40]) {
    const turn = turnOf(kernelOf("kMin", k), 4);
    assertEquals([countOf("pmin", turn), countOf("le", turn)], [2 * 3, 2]);
    assertEquals(turn.statements.filter((s) => s.kind === "append").length, 0);
  }
});

Deno.test("a turn of four columns goes once through the components of long vectors", () => {
  for (const dim of [17, 40]) {
    const points = [variable(0, "i", dim), variable(1, "j", dim)] as const;
    for (const [reduction, k] of [["min", 1], ["kMin", 5], ["kMin", 40]] as const) {
      const kernel = kernelOf(reduction, k, points);
      const copies = new RowCopies(2, [...kernel.state, ...kernel.incoming]);
      const turn = replicate(kernel.pair, copies, { columns: 4, columnSlots: dim });
      verifyRegion("pair", turn);
      const loops = turn.statements.filter((s) => s.kind === "for");
      assertEquals(loops.length, 1, `${reduction}, ${dim} components`);
      assertEquals(loops.map((s) => s.kind === "for" && countOf("sub", s.body)), [2 * 4]);
    }
  }
});

Deno.test("a branch that NaN must enter compares every column", () => {
  const turn = turnOf(kernelOf("logSumExp"), 2);
  assertEquals([countOf("pmax", turn), countOf("lt", turn)], [0, 4]);
  const b = new Builder("pair", "f32", new Names());
  const bound = b.cell("bound");
  const value = b.load({ kind: "record", section: "column" }, { offset: 0, terms: [] });
  b.when("notAll", b.le(b.get(bound), b.neg(value)), () => b.set(bound, value));
  const copies = new RowCopies(1, [{ kind: "cell", cell: bound }]);
  const entered = replicate(b.root, copies, { columns: 2, columnSlots: 1 });
  assertEquals([countOf("pmin", entered), countOf("le", entered)], [0, 2]);
});

Deno.test("a branch that computes again has one column, for each row by itself", () => {
  const kernel = kernelOf("min");
  const copies = new RowCopies(2, [...kernel.state, ...kernel.incoming]);
  const turn = replicate(kernel.pair, copies, { columns: 4, columnSlots: 3, again: true });
  verifyRegion("pair", turn);
  const [branch, ...others] = turn.statements.filter((s) => s.kind === "when");
  assert(branch.kind === "when" && others.length === 0);
  const ofRows = branch.body.statements.filter((s) => s.kind === "when");
  assertEquals(ofRows.map((s) => s.kind === "when" && s.columns), [4, 4]);
  for (const s of ofRows) {
    assert(s.kind === "when");
    assertEquals(countOf("sub", s.body), 3);
  }
});

const SCHEDULES = [
  ...[1, 2, 3].flatMap((rowVectors) => [1, 2, 4, 8].map((columns) => ({ rowVectors, columns }))),
  ...[1, 2, 3].flatMap((rowVectors) =>
    [2, 16].map((columns) => ({ rowVectors, columns, again: true }))
  ),
];

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`every schedule gives the same bits beside NaN, ties and infinities, ${dtype}`, async () => {
    const random = randomFor(`contests ${dtype}`);
    const [M, N] = [19, 333];
    const strange = [NaN, Infinity, -Infinity, 0, -0, 1];
    const numbers = Array.from({ length: N }, (_, n) => {
      if (n < 9) return NaN; // a whole turn of them first
      return random.next() < 0.3 ? strange[n % strange.length] : Math.floor(9 * random.next()) - 4;
    });
    const make = (list: number[]): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> =>
      dtype === "float32" ? new Float32Array(list) : new Float64Array(list);
    const v = Vj(tensor(make(numbers), [N, 1]));
    const signs = Array.from({ length: M }, (_, i) => i === 7 ? NaN : i - 9);
    const u = Vi(tensor(make(signs), [M, 1]));
    const bitsOn = async (schedule: WasmOptions["schedule"]): Promise<Uint8Array> => {
      using device = wasm({ threads: 1, schedule });
      const choices = { device };
      const results = [
        ...u.mul(v).minArgMin("j", choices),
        ...u.mul(v).maxArgMax("j", choices),
        ...[3, 20, 60].flatMap((k) => u.mul(v).kMinArgKMin(k, "j", choices)),
      ];
      const parts = [];
      for (const result of results) {
        const data = await result.data();
        parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice());
      }
      return Uint8Array.from(parts.flatMap((part) => [...part]));
    };
    const want = await bitsOn("untiled");
    assert(want.length > 0);
    for (const cut of SCHEDULES) {
      for (const operands of ["locals", "memory"] as const) {
        const schedule = { ...cut, interleave: cut.rowVectors, operands };
        assertEquals(await bitsOn(schedule), want, JSON.stringify(schedule));
      }
    }
  });
}
