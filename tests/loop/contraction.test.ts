// The contraction of a kernel: found in sums over long vectors, nowhere else, and alike in both
// inner loops.

import { assert, assertEquals } from "@std/assert";
import { build, type Node, variable, type VariableNode } from "../../src/formula/mod.ts";
import { type Contraction, contractionOf, type Kernel } from "../../src/loop/mod.ts";
import { cudaMath, lower } from "../../src/lower/mod.ts";

const inputs: readonly VariableNode[] = [
  variable(0, "i", 40),
  variable(1, "j", 40),
  variable(2, "j", 1),
];
const [x, y, b] = inputs;

function kernelOf(formula: Node, float: "f32" | "f64" = "f32"): Kernel {
  const options = { sumScheme: "compensated", accumulator: float, k: 1 } as const;
  const fold = { formula, weight: null, reduction: "sum", float, inputs, options } as const;
  return lower({ ...fold, fastMath: false, products: "tf32" }, cudaMath);
}

const shape = (found: Contraction | null) =>
  found && [found.counter.count, found.isProduct, found.products];

Deno.test("contraction: a dot product of long vectors, or a distance; tensor cores take products of floats", () => {
  const weighted = (f: Node) => kernelOf(build.mul(build.exp(f), b));
  assertEquals(shape(contractionOf(weighted(build.dot(x, y)))), [40, true, "tf32"]);
  assertEquals(shape(contractionOf(weighted(build.sqDist(x, y)))), [40, false, null]);
  assertEquals(shape(contractionOf(kernelOf(build.dot(x, y), "f64"))), [40, true, null]);
});

Deno.test("contraction: none of several, of one that is read elsewhere", () => {
  const dot = build.dot(x, y);
  const none: readonly (readonly [string, Kernel])[] = [
    ["two at once", kernelOf(build.mul(dot, build.sqDist(x, y)))],
    ["a wide output of the column's vector", kernelOf(build.mul(build.exp(dot), y))],
    ["no vectors", kernelOf(build.mul(b, b))],
  ];
  for (const [name, kernel] of none) assertEquals(contractionOf(kernel), null, name);
});

Deno.test("contraction: where the row's vector is read at the end, it is not rounded for tensor cores", () => {
  const kernel = kernelOf(build.dot(x, y));
  const found = contractionOf(kernel);
  assert(found !== null);
  assertEquals(found.products, "tf32");
  // the same kernel, whose end reads what a row's pairs read
  const reads = found.body.statements.map((s) => ({ ...s }));
  const finish = { ...kernel.finish, statements: [...reads, ...kernel.finish.statements] };
  const other = contractionOf({ ...kernel, finish });
  assertEquals(other?.isProduct, true);
  assertEquals(other?.products, null);
});
