// How matrices and tensors show themselves: in a line, inspected, in a notebook.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { indexOf, type LazyTensor, Pm, tensor, Vi, Vj } from "../../mod.ts";

const X = [[0, 0, 0], [1, 2, 3]];
const Y = [[1, 0, 0], [0, 1, 0], [3, 3, 3]];

const gaussian = (): LazyTensor => Vi(X).sqDist(Vj(Y)).mul(-0.5).exp();

/** What a notebook is told. */
function displayOf(thing: object): Record<string, string> {
  const display: unknown = Reflect.get(thing, Symbol.for("Jupyter.display"));
  assert(typeof display === "function");
  return display.call(thing);
}

Deno.test("a matrix is a line of shape, formula and variables", () => {
  assertEquals(
    String(gaussian()),
    "LazyTensor [2, 3, 1] float32: exp(sqDist(x0, y1) * p2), " +
      "x0 Vi [2, 3] float32, y1 Vj [3, 3] float32, p2 = -0.5",
  );
  assertEquals(String(indexOf("i")), "LazyTensor [1, 1, 1] float32: i");
});

Deno.test("inspected, it takes a line for each", () => {
  const lines = [
    "LazyTensor [2, 3, 1] float32",
    "  exp(sqDist(x0, y1) * p2)",
    "  x0 Vi [2, 3] float32",
    "  y1 Vj [3, 3] float32",
    "  p2 = -0.5",
  ];
  assertEquals(Deno.inspect(gaussian()).split("\n"), lines);
  assertEquals(gaussian().explain().split("\n"), lines);
  assertEquals(displayOf(gaussian())["text/plain"].split("\n"), lines);
});

Deno.test("variables are named alike in a matrix and in its folds", () => {
  const K = gaussian();
  assertStringIncludes(K.sum("j").explain(), "exp(sqDist(x0, y1) * p2)");
  assertStringIncludes(String(K), "exp(sqDist(x0, y1) * p2)");
});

Deno.test("parameters show their numbers, long ones and tensors their shapes", () => {
  const x = Vi(X);
  assertStringIncludes(String(x.mul([1, 2.5, 1 / 3])), "p1 = [1, 2.5, 0.333333]");
  const long = Pm(Array.from({ length: 9 }, (_, k) => k));
  assertStringIncludes(String(long), "p0 = [0, 1, 2, …, 6, 7, 8]");
  assertStringIncludes(String(x.mul(tensor([1, 2, 3]))), "p1 Pm [3] float32");
  assertStringIncludes(String(Vi(new Int32Array(2), 1)), "x0 Vi [2, 1] int32");
  assertStringIncludes(String(Vi(x.sum("j"))), "x0 Vi [2, 3] float32");
});

Deno.test("complex matrices say that they are", () => {
  const z = Vi([[1, 2, 3, 4]]).toComplex().mul({ re: 0, im: 1 });
  assertStringIncludes(String(z), "ComplexLazyTensor [1, 1, 2] of float32 pairs: complexScal(");
  assertStringIncludes(String(z), "p1 = [0, 1]");
});

Deno.test("in a notebook it is HTML, and what looks like markup is text", () => {
  const html = displayOf(gaussian().lt(Vj(Y).elem(0)))["text/html"];
  assertStringIncludes(html, "<strong>LazyTensor [2, 3, 1] float32</strong>");
  assertStringIncludes(html, "<code>exp(sqDist(x0, y1) * p2) &lt; elem(y3, 0)</code>");
  assertStringIncludes(html, "<tr><td><code>p2</code></td><td>= -0.5</td></tr>");
});

Deno.test("the text of a formula that shares its parts grows with the formula, not with its paths", () => {
  let x = Vi(X);
  for (let k = 0; k < 60; k++) x = x.mul(x).add(x); // 2^60 paths and more
  const text = String(x);
  assert(text.length < 5000, `${text.length} characters`);
  assertStringIncludes(text, ": t59 * t59 + t59 where t1 = x0 * x0 + x0; t2 = t1 * t1 + t1; ");
});

Deno.test("a tensor shows dtype and shape, and numbers once it has them", async () => {
  assertEquals(String(tensor(X)), "Tensor float32 [2,3]: [[0, 0, 0], [1, 2, 3]]");
  assertEquals(String(tensor(2.5)), "Tensor float32 []: 2.5");
  assertEquals(String(tensor([])), "Tensor float32 [0]: []");
  assertEquals(String(tensor([NaN, -0, 1 / 3])), "Tensor float32 [3]: [NaN, -0, 0.333333]");
  assertEquals(
    String(tensor(Int32Array.from({ length: 16 }, (_, k) => k), [8, 2])),
    "Tensor int32 [8,2]: [[0, 1], [2, 3], [4, 5], …, [10, 11], [12, 13], [14, 15]]",
  );
  const sums = gaussian().sum("j");
  assertEquals(Deno.inspect(sums), "Tensor float32 [2,1], not computed yet");
  await sums.data();
  assertStringIncludes(Deno.inspect(sums), "Tensor float32 [2,1]: [[");
  const display = displayOf(sums);
  assertEquals(display["text/plain"], String(sums));
  assertEquals(display["text/html"], `<code>${String(sums)}</code>`);
});
