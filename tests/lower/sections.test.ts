// What lowering promises: sections, sharing, factors, scales, long vectors; and a verifier that
// bites.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { gradient } from "../../src/autodiff/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import { build, type Node, variable, type VariableNode } from "../../src/formula/mod.ts";
import {
  Builder,
  type Kernel,
  Names,
  place,
  printKernel,
  printRegion,
  type Region,
  replicate,
  RowCopies,
  scaled,
  verifyKernel,
  verifyRegion,
  visit,
} from "../../src/loop/mod.ts";
import {
  expandedMath,
  factor,
  isNonNegative,
  lower,
  normalise,
  splitExponentials,
} from "../../src/lower/mod.ts";
import type { ReductionName } from "../../src/reduction/mod.ts";
import { checkFold, variablesIn } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const g = variable(3, "p", 1);
const a = variable(4, "i", 1);
const gaussian = build.exp(build.neg(build.mul(g, build.sqDist(x, y))));

function kernelOf(formula: Node, reduction: ReductionName = "sum"): Kernel {
  const inputs: VariableNode[] = [];
  for (const v of variablesIn(formula)) inputs[v.slot] = v;
  for (let slot = 0; slot < inputs.length; slot++) inputs[slot] ??= variable(slot, "p", 1);
  const options = { sumScheme: "compensated", accumulator: "f32", k: 3 } as const;
  const fold = { formula, reduction, float: "f32", inputs, options, fastMath: false } as const;
  return lower(fold, expandedMath);
}

function count(region: Region, operation: string): number {
  let found = 0;
  visit(region, (s) => {
    if (s.kind === "let" && s.value.kind === "operation" && s.value.operation === operation) {
      found++;
    }
  });
  return found;
}

Deno.test("only what depends on both indices stands in the inner loop", () => {
  // |x|² on rows, |y|² on columns, log of a parameter on the host
  const formula = build.mul(
    build.mul(build.exp(build.dot(x, y)), build.sqrt(build.sqNorm2(y))),
    build.add(build.sqrt(build.sqNorm2(x)), build.log(g)),
  );
  const kernel = kernelOf(formula);
  assertEquals(count(kernel.pair, "sqrt"), 0);
  assertEquals(count(kernel.column, "sqrt"), 1);
  assertEquals(count(kernel.row, "sqrt"), 1);
  assertEquals(count(kernel.uniform, "log"), 1);
  assertEquals(
    count(kernel.pair, "mul") + count(kernel.pair, "madd"),
    count(kernelOf(build.mul(build.exp(build.dot(x, y)), b)).pair, "mul") +
      count(kernelOf(build.mul(build.exp(build.dot(x, y)), b)).pair, "madd"),
  );
});

Deno.test("a Gaussian sum has 20 operations per pair", () => {
  const kernel = kernelOf(build.mul(gaussian, b));
  let operations = 0;
  visit(kernel.pair, (s) => {
    if (s.kind === "let" && s.value.kind === "operation") operations++;
  });
  assertEquals(operations, 20, printRegion(kernel.pair)); // two of them only rename bits
});

Deno.test("value and gradient of a kernel share the exponential", () => {
  const both = build.concat(build.mul(gaussian, b), gradient(gaussian, x, b));
  assertEquals(count(kernelOf(both).pair, "shl"), 1);
});

Deno.test("factors that do not depend on j leave the sum", () => {
  const formula = build.neg(build.mul(build.mul(a, gaussian), build.mul(g, b)));
  const { factor: outside, core } = factor(normalise(formula));
  assertEquals(outside?.domain, "i");
  assertEquals(variablesIn(core).map((v) => v.slot).sort(), [0, 1, 2, 3]); // g stays in the exponent
  const plain = kernelOf(build.mul(gaussian, b));
  const scaled = kernelOf(formula);
  assertEquals(count(scaled.pair, "mul"), count(plain.pair, "mul"));
  assertEquals(count(kernelOf(formula, "min").pair, "mul") > count(scaled.pair, "mul"), true);
});

Deno.test("a uniform scale is the exponential's own coefficient: no multiplication for it", () => {
  const without = kernelOf(build.exp(build.neg(build.sqDist(x, y))));
  const withScale = kernelOf(gaussian);
  assertEquals(count(withScale.pair, "mul") <= count(without.pair, "mul"), true);
  assertStringIncludes(printRegion(withScale.uniform), "1.4426950408889634");
});

Deno.test("squared distances need one clamp, other arguments two", () => {
  assertEquals(count(kernelOf(gaussian).pair, "pmin") + count(kernelOf(gaussian).pair, "pmax"), 1);
  const signed = kernelOf(build.exp(build.mul(g, build.dot(x, y))));
  assertEquals(count(signed.pair, "pmin") + count(signed.pair, "pmax"), 2);
  assert(isNonNegative(build.sqDist(x, y)));
  assert(!isNonNegative(build.dot(x, y)));
});

Deno.test("an exponential's terms of one index are its own factors where none can overflow", async () => {
  const q = build.sqDist(x, y);
  const [p, r] = [build.sqNorm2(x), build.sqNorm2(y)];
  const split: [Node, row: boolean, column: boolean, columnBesideB?: boolean][] = [
    [build.exp(build.sub(build.neg(p), q)), true, false],
    [build.exp(build.neg(build.add(build.add(p, q), r))), true, true],
    [build.exp(build.neg(build.mul(build.square(g), build.add(q, p)))), true, false],
    [build.exp(build.neg(build.add(p, r))), true, true, false],
    // signs unknown
    [build.exp(build.sub(p, q)), false, false],
    [build.exp(build.sub(build.dot(x, y), p)), false, false],
    [build.exp(build.neg(build.mul(g, build.add(q, p)))), false, false],
  ];
  const random = randomFor("sections exponents");
  for (const [exponential, ofRow, ofColumn, besideB = ofColumn] of split) {
    // beside another factor what leaves the sum could let it overflow
    const cases = [[exponential, ofRow, ofColumn], [
      build.mul(exponential, b),
      false,
      besideB,
    ]] as const;
    for (const [formula, row, column] of cases) {
      const kernel = kernelOf(formula);
      const what = printKernel(kernel);
      assertEquals(count(kernel.row, "shl") + count(kernel.finish, "shl") > 0, row, what);
      assertEquals(count(kernel.column, "shl") > 0, column, what);
      for (const dtype of ["float32", "float64"] as const) {
        const c = { formula, reduction: "sum", axis: "j", dtype } as const;
        await checkFold({ ...c, M: 31, N: 517 }, random);
      }
    }
  }
  const open = build.exp(build.sub(build.dot(x, y), build.dot(x, build.constant(1))));
  assert(splitExponentials(open, true) !== open);
  assert(splitExponentials(open, false) === open);
});

Deno.test("a sum that is finite only with its exponential inside stays finite", async () => {
  const formula = build.mul(
    build.exp(build.sub(build.neg(build.sqNorm2(x)), build.sqDist(x, y))),
    b,
  );
  const point = [4, 4, 3]; // |x|² = 41
  const data = new Map([
    [0, point],
    [1, Array.from({ length: 8 }, () => point).flat()],
    [2, Array<number>(8).fill(2e38)],
  ]);
  const c = { formula, reduction: "sum", axis: "j", M: 1, N: 8, dtype: "float32", data } as const;
  await checkFold(c, randomFor("sections overflow"));
});

Deno.test("the same kernel prints the same text", () => {
  const first = printKernel(kernelOf(build.mul(gaussian, b)));
  build.exp(variable(77, "i", 9)); // other work in between
  assertEquals(printKernel(kernelOf(build.mul(gaussian, b))), first);
});

/** Long vectors in every role: loops, records, breaks, wide outputs. */
function longFormulas(dim: number): [string, Node][] {
  const X = variable(0, "i", dim);
  const Y = variable(1, "j", dim);
  const c = variable(2, "j", 1);
  const q = variable(3, "p", dim);
  const squares = build.exp(build.neg(build.div(build.sqDist(X, Y), variable(5, "p", 1))));
  return [
    ["kernel", build.mul(squares, c)],
    ["its gradient", gradient(squares, X, c)],
    ["weights per component", build.sum(build.mul(q, build.square(build.sub(X, Y))))],
    ["normalised", build.dot(build.normalize(X), build.normalize(Y))],
    ["wide output", build.mul(build.sub(X, Y), build.mul(q, c))],
    ["concatenated", build.concat(build.sub(X, Y), c, build.mul(X, c))],
    [
      "cut and put",
      build.mul(build.extractT(build.extract(build.add(X, Y), 1, dim - 1), dim + 3, 2), c),
    ],
    ["elements", build.mul(build.elemT(build.elem(Y, dim - 1), dim, 0), build.elem(X, 0))],
  ];
}

for (const dim of [2, 31, 32, 33, 40, 64, 100, 257]) {
  Deno.test(`vectors of dim ${dim} are right in every role`, async () => {
    const random = randomFor(`long ${dim}`);
    for (const [, formula] of longFormulas(dim)) {
      for (const reduction of ["sum", "max", "logSumExp", "argMin"] as const) {
        const data = new Map([[5, [dim]]]);
        const dtype = random.pick(["float32", "float64"] as const);
        const axis = random.pick(["i", "j"] as const);
        const tolerance = dtype === "float32" ? 1e-4 : 1e-12;
        const c = { formula, reduction, axis, M: 19, N: 67, dtype, data, tolerance } as const;
        await checkFold(c, random);
      }
    }
  });
}

Deno.test("D = 1000 stays loops: small code, compiled in milliseconds", async () => {
  const random = randomFor("D=1000");
  const [[, formula]] = longFormulas(1000);
  const started = performance.now();
  const kernel = kernelOf(formula);
  const elapsed = performance.now() - started;
  let statements = 0;
  visit(kernel.pair, () => statements++);
  assert(statements < 100, `${statements} statements`);
  assert(elapsed < 200, `${elapsed} ms`);
  const data = new Map([[5, [1000]]]);
  const c = {
    formula,
    reduction: "sum",
    axis: "j",
    M: 5,
    N: 67,
    dtype: "float32",
    data,
    tolerance: 1e-4,
  } as const;
  await checkFold(c, random);
});

Deno.test("the gradient of a long kernel computes its distance once per pair, not per component", () => {
  const [, [, formula]] = longFormulas(64);
  const kernel = kernelOf(formula);
  const nested = kernel.pair.statements.some((s) =>
    s.kind === "for" && s.body.statements.some((inner) => inner.kind === "for")
  );
  assert(!nested, printRegion(kernel.pair));
});

Deno.test("the verifier refuses what is not legal", () => {
  const wrong: [string, (b: Builder) => void][] = [
    ["a value used before it is defined", (b) => {
      const later = b.neg(b.load({ kind: "record", section: "row" }, place(0)));
      b.root.statements.pop();
      b.set(b.cell("c"), later);
    }],
    [
      "a store to another section's record",
      (b) => b.store({ kind: "record", section: "row" }, place(0), b.constant(1)),
    ],
    [
      "an output outside the finish section",
      (b) => b.store({ kind: "output", slot: 0 }, place(0), b.constant(1)),
    ],
    [
      "a load of an input in the inner loop",
      (b) => b.set(b.cell("c"), b.load({ kind: "input", slot: 0 }, place(0))),
    ],
    ["a place outside an array", (b) => {
      const array = b.array("list", 4);
      b.store({ kind: "array", array }, place(4), b.constant(1));
    }],
    ["a place that a loop takes outside an array", (b) => {
      const array = b.array("list", 10);
      b.for(4, (counter) => {
        b.store({ kind: "array", array }, scaled(place(1, counter), 3), b.constant(1));
      });
    }],
    ["a counter outside its loop", (b) => {
      const array = b.array("list", 4);
      b.for(4, (counter) => {
        b.before([], () => b.store({ kind: "array", array }, place(0, counter), b.constant(1)));
      });
    }],
    ["types that do not match", (b) => {
      const cell = b.cell("c", "i32");
      const value = b.constant(1);
      b.root.statements.push({ kind: "set", cell, value });
    }],
  ];
  for (const [name, make] of wrong) {
    const b = new Builder("pair", "f32", new Names());
    make(b);
    const error = assertThrows(() => verifyRegion("pair", b.root), PairfoldError, "", name);
    assertEquals(error.code, "internal", name);
  }
});

Deno.test("the verifier refuses a kernel whose state is not initialised", () => {
  const kernel = kernelOf(build.mul(gaussian, b));
  verifyKernel(kernel);
  const empty = { ...kernel, init: { ...kernel.init, statements: [] } };
  assertThrows(() => verifyKernel(empty), PairfoldError, "is not initialised");
});

Deno.test("kernels stay legal when rows are replicated", () => {
  const formulas = [build.mul(gaussian, b), ...longFormulas(40).map(([, formula]) => formula)];
  for (const formula of formulas) {
    for (const reduction of ["sum", "logSumExp", "minArgMin", "kMinArgKMin"] as const) {
      if (reduction === "kMinArgKMin" && formula.dim > 32) continue;
      const kernel = kernelOf(formula, reduction);
      const copies = new RowCopies(4, [...kernel.state, ...kernel.incoming]);
      const columnSlots = kernel.records.column.length;
      verifyRegion("pair", replicate(kernel.pair, copies, { columns: 2, columnSlots }));
      verifyRegion("row", replicate(kernel.row, copies));
      for (const region of [kernel.init, kernel.pair, kernel.combine, kernel.careful?.pair]) {
        for (const interleave of [1, 3, 4]) {
          if (region) verifyRegion("pair", replicate(region, copies, { interleave }));
        }
      }
      verifyRegion("finish", replicate(kernel.finish, copies));
    }
  }
});

Deno.test("sums of 17 terms and more are loops where nothing else reads what they add up", () => {
  const options = { sumScheme: "compensated", accumulator: "f32", k: 1 } as const;
  const loopsOf = (formula: Node, reduction: ReductionName): number => {
    const inputs = variablesIn(formula);
    const kernel = lower(
      { formula, reduction, float: "f32", inputs, options, fastMath: false },
      expandedMath,
    );
    verifyKernel(kernel);
    let loops = 0;
    visit(kernel.pair, (s) => {
      if (s.kind === "for") loops++;
    });
    return loops;
  };
  const pointsOf = (dim: number): VariableNode[] => [variable(0, "i", dim), variable(1, "j", dim)];
  for (const reduction of ["sum", "min", "logSumExp"] as const) {
    for (const [dim, loops] of [[16, 0], [17, 1], [32, 1], [33, 1]]) {
      const [p, q] = pointsOf(dim);
      const formula = build.exp(build.neg(build.sqDist(p, q)));
      assertEquals(loopsOf(formula, reduction) > 0, loops > 0, `${reduction}, ${dim}`);
    }
  }
  // the gradient reads the differences that its Gaussian adds up
  for (const [dim, loops] of [[24, 0], [33, 2]]) {
    const [p, q] = pointsOf(dim);
    const formula = gradient(build.exp(build.neg(build.sqDist(p, q))), p, build.constant(1));
    assertEquals(loopsOf(formula, "sum") > 0, loops > 0, `gradient, ${dim}`);
  }
});
