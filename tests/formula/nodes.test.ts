// Nodes: identity, dims, domains, refusals, printing.

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { keyOf } from "../../src/formula/intern.ts";
import {
  ALL_OPS,
  apply,
  build,
  constant,
  entryOf,
  index,
  type Node,
  type OpName,
  print,
  variable,
  zero,
} from "../../src/formula/mod.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const p = variable(2, "p", 1);

Deno.test("equal formulas are the same node, others are not", () => {
  assertStrictEquals(build.add(x, y), build.add(variable(0, "i", 3), variable(1, "j", 3)));
  assert(build.add(x, y) !== build.add(y, x) as Node);
  assert(constant(0) !== constant(-0));
  assert(Object.is(constant(-0).value, -0));
  assertStrictEquals(constant(NaN), constant(NaN));
  assert(build.pow(x, 2) !== build.pow(x, 3));
  assert(variable(0, "i", 3) !== variable(0, "j", 3) as Node);
  assert(variable(0, "i", 3) !== variable(0, "i", 3, "index"));
});

Deno.test("nodes are frozen", () => {
  assertThrows(() => Object.assign(x, { dim: 4 }), TypeError);
  assert(Object.isFrozen(build.add(x, y).args));
});

Deno.test("domains are what a formula depends on", () => {
  const domain = (node: Node): string => node.domain;
  assertEquals([x, y, p, constant(1)].map(domain), ["i", "j", "p", "p"]);
  assertEquals(domain(build.mul(p, x)), "i");
  assertEquals(domain(build.mul(y, p)), "j");
  assertEquals(domain(build.sub(x, y)), "ij");
  assertEquals(domain(build.eq(index("i"), index("j"))), "ij");
});

Deno.test("elementwise dims: equal, or one of them 1", () => {
  assertEquals(build.add(x, y).dim, 3);
  assertEquals(build.mul(p, x).dim, 3);
  assertEquals(build.where(p, x, build.sum(y)).dim, 3);
  const error = assertThrows(() => build.mul(x, variable(3, "j", 4)), PairfoldError);
  assertEquals(error.code, "dim");
  assertEquals(
    error.message,
    "PairfoldError[dim]: mul: got dims 3 (x_i) and 4 (y_j); expected equal dims, or one of them 1",
  );
});

Deno.test("what does not fit is refused, with what was got and what was wanted", () => {
  const cases: [() => unknown, string][] = [
    [() => build.sqDist(x, variable(3, "j", 2)), "sqDist: got dims 3 (x_i) and 2 (y_j)"],
    [() => build.elem(x, 3), "elem: got m 3; expected an integer from 0 to 2"],
    [() => build.elem(x, -1), "got m -1"],
    [() => build.elem(x, 0.5), "got m 0.5"],
    [() => build.extract(x, 1, 3), "extract: got dim 3; expected an integer from 1 to 2"],
    [() => build.extract(x, 5, 1), "extract: got start 5"],
    [() => build.extractT(x, 2, 0), "extractT: got dim 2"],
    [() => build.extractT(x, 4, 2), "extractT: got start 2"],
    [() => build.elemT(x, 5, 0), "elemT: got dim of the argument 3"],
    [() => build.sumT(x, 5), "sumT: got dim of the argument 3"],
    [() => build.sumT(p, 0), "sumT: got dim 0"],
    [() => build.pow(x, 0.5), "pow: got exponent 0.5"],
    [() => build.concat(), "concat: got 0 arguments; expected at least 1"],
    [() => apply("exp", [x, y]), "exp: got 2 arguments; expected 1"],
    [() => apply("elem", [x]), "elem: got 0 attributes; expected 1"],
    [() => variable(0, "i", 0), "got 0; expected an integer of at least 1"],
    [() => variable(0, "i", 2.5), "got 2.5"],
    [() => zero(0), "got 0"],
  ];
  for (const [make, message] of cases) {
    const error = assertThrows(make, PairfoldError, message);
    assertEquals(error.code, "dim");
  }
});

Deno.test("every op has a meaning, a test range for its arguments, and prints", () => {
  for (const op of ALL_OPS) {
    const { meaning, domain, arity } = entryOf(op);
    assert(meaning.length > 0 && domain.length > 0, op);
    assert(domain.length === 1 || domain.length === arity, `${op}: ${domain.length} ranges`);
  }
});

Deno.test("printing is infix, with the parentheses that are needed", () => {
  const cases: [Node, string][] = [
    [build.exp(build.neg(build.mul(p, build.sqDist(x, y)))), "exp(-(p2 * sqDist(x0, y1)))"],
    [build.mul(build.add(x, y), p), "(x0 + y1) * p2"],
    [build.sub(x, build.sub(y, p)), "x0 - (y1 - p2)"],
    [build.sub(build.sub(x, y), p), "x0 - y1 - p2"],
    [build.div(x, build.mul(y, p)), "x0 / (y1 * p2)"],
    [build.add(build.dot(x, y), p), "(x0 | y1) + p2"],
    [build.square(build.neg(x)), "(-x0)^2"],
    [build.pow(x, 3), "x0^3"],
    [build.elem(x, 2), "elem(x0, 2)"],
    [build.mul(constant(-2), x), "-2 * x0"],
    [build.lt(index("i"), index("j")), "i < j"],
  ];
  for (const [formula, want] of cases) assertEquals(print(formula), want);
});

Deno.test("the intern table forgets formulas that nobody holds, and keeps those that are held", async () => {
  const url = new URL("../../src/formula/mod.ts", import.meta.url);
  const script = `
    import { build, internedCount, variable } from "${url}";
    const held = Array.from({ length: 100 }, (_, k) => build.log(variable(k, "i", 1)));
    const before = internedCount();
    for (let k = 0; k < 20000; k++) build.exp(variable(1000000 + k, "i", 1));
    const full = internedCount();
    for (let turn = 0; turn < 10; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      gc();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    const kept = held.every((node, k) => node === build.log(variable(k, "i", 1)));
    console.log(JSON.stringify({ made: full - before, left: internedCount() - before, kept }));
  `;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--v8-flags=--expose-gc", script],
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder();
  const { made, left, kept } = JSON.parse(text.decode(stdout) || `"${text.decode(stderr)}"`);
  assertEquals([made, kept], [40_000, true]);
  assert(left < 100, `${left} of ${made} formulas are still held`);
});

Deno.test("lists of ids have keys of their own", () => {
  const big = [2 ** 26 - 1, 2 ** 26, 2 ** 31, 2 ** 52];
  const ids = [0, 1, 2, 5, 2 ** 26 - 3, 2 ** 26 - 2, ...big];
  const lists = [
    [],
    ...ids.map((a) => [a]),
    ...ids.flatMap((a) => ids.map((b) => [a, b])),
    ...ids.flatMap((a) => ids.flatMap((b) => ids.map((c) => [a, b, c]))),
  ];
  const keys = new Set(lists.map((list) => keyOf(list.map((id) => ({ id })))));
  assertEquals(keys.size, lists.length);
});

Deno.test("every op name is in exactly one family", () => {
  const seen = new Set<OpName>();
  for (const op of ALL_OPS) {
    assert(!seen.has(op), `${op} twice`);
    seen.add(op);
  }
});

Deno.test("long formulas name what they share; short ones are printed as they are", () => {
  const x = variable(0, "i", 1);
  let shared: Node = x;
  for (let k = 0; k < 70; k++) shared = build.mul(shared, shared);
  const text = print(shared);
  assert(text.startsWith("t69 * t69 where t1 = x0 * x0; t2 = t1 * t1; "), text.slice(0, 80));
  assert(text.length < 2000);
  let chain: Node = x;
  for (let k = 0; k < 300; k++) chain = build.neg(build.exp(chain)); // long, but nothing is shared
  assert(!print(chain).includes("where"));
});
