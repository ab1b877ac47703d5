// Jacobians, traces, adjoints, divergences and Laplacians against central differences and closed
// forms; nested, refused, and through the whole pipeline.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  adjointOperator,
  differential,
  divergence,
  gradient,
  gradMatrix,
  laplacian,
  traceOperator,
} from "../../src/autodiff/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import {
  ALL_OPS,
  build,
  constant,
  entryOf,
  type Node,
  print,
  samplesOf,
  variable,
  type VariableNode,
  zero,
} from "../../src/formula/mod.ts";
import {
  distance,
  inner,
  type Inputs,
  numericJacobian,
  opCase,
  valueOf,
} from "../support/derivatives.ts";
import { checkFold, variablesIn } from "../support/folds.ts";
import { type Random, randomFor } from "../support/random.ts";

const ONE = constant(1);
const x = variable(0, "i", 4);
const y = variable(1, "j", 4);
const c = variable(2, "p", 1);
const z = variable(3, "i", 4);
const m = variable(4, "j", 1);
const difference = build.sub(x, y);
const radius = build.sqDist(x, y);
const gaussian = build.exp(build.neg(build.mul(c, radius)));

/** Values of x, y, c, z and m. */
function draw(random: Random): Inputs {
  return [4, 4, 1, 4, 1].map((dim, k) => random.float64(dim, k === 2 ? 0.3 : -1, 1));
}

/** Fields of x of dim 4, with all the structure that a trace may meet. */
const FIELDS: readonly Node[] = [
  x,
  y,
  build.mul(gaussian, difference),
  build.mul(gaussian, y),
  build.normalize(difference),
  build.mul(build.exp(x), y),
  build.div(build.sin(x), build.add(ONE, radius)),
  build.div(build.mul(x, radius), build.exp(y)),
  build.sub(y, build.square(x)),
  build.sub(build.mul(radius, x), y),
  build.sumT(gaussian, 4),
  build.add(radius, build.mul(x, y)),
  build.where(build.lt(x, y), build.square(x), build.mul(radius, x)),
  build.ifElse(m, radius, build.mul(x, z)),
  build.max(build.mul(x, radius), y),
  build.concat(build.extract(build.square(x), 1, 2), radius, build.elem(x, 3)),
  build.extractT(build.square(build.extract(x, 0, 2)), 4, 1),
  build.elemT(radius, 4, 2),
  build.interleave(build.strided(build.exp(x), 0, 2, 2), build.strided(x, 1, 2, 2)),
  build.stridedT(build.square(build.strided(x, 1, 2, 2)), 4, 0, 3),
  build.complexMult(x, build.conj(x)),
  build.complexDivide(build.complexExp(x), y),
  build.complexRealScal(radius, build.complexMult(y, x)),
  build.complexSumT(build.complexSum(build.complexExp(x)), 4),
  gradient(build.mul(gaussian, build.dot(x, z)), x, ONE),
];

/** Scalar functions of x. */
const SCALARS: readonly Node[] = [
  gaussian,
  build.norm2(difference),
  build.inv(build.add(c, radius)),
  build.log(build.add(ONE, radius)),
  build.mul(build.dot(x, z), build.cos(build.dot(x, y))),
  build.sum(build.sin(build.mul(x, y))),
  build.sum(build.complexAbs(build.complexMult(x, y))),
  build.where(build.lt(radius, c), gaussian, build.square(radius)),
  build.elem(build.pow(x, 3), 2),
  m,
];

const traceOf = (matrix: number[][], weight = (_m: number): number => 1): number =>
  matrix.reduce((total, row, k) => total + weight(k) * row[k], 0);

Deno.test("divergence is the trace of the Jacobian, on fields of every structure", () => {
  const random = randomFor("divergence");
  let flipped = 0;
  for (const field of FIELDS) {
    for (let turn = 0; turn < 5; turn++) {
      const inputs = draw(random);
      const want = traceOf(numericJacobian(field, x, inputs));
      const got = valueOf(divergence(field, x), inputs);
      assert(distance(got, [want]) < 1e-7, `${print(field)}: got ${got}, expected ${want}`);
      flipped = Math.max(flipped, distance([-got[0]], [want]));
    }
  }
  assert(flipped > 0.1, "a flipped sign passes");
});

Deno.test("grad matrix is the Jacobian row by row, and its transpose is not", () => {
  const random = randomFor("grad matrix");
  let transposed = 0;
  for (const formula of [...FIELDS, ...SCALARS, build.concat(x, gaussian, build.square(x))]) {
    for (const v of [x, c]) {
      const inputs = draw(random);
      const want = numericJacobian(formula, v, inputs);
      const got = gradMatrix(formula, v);
      assertEquals(got.dim, formula.dim * v.dim);
      const error = distance(valueOf(got, inputs), want.flat());
      assert(error < 1e-7, `${print(formula)}: relative error ${error}`);
      const columns = want[0].flatMap((_v, d) => want.map((row) => row[d]));
      transposed = Math.max(transposed, distance(valueOf(got, inputs), columns));
    }
  }
  assert(transposed > 0.1, "the transpose passes");
});

for (const op of ALL_OPS) {
  Deno.test(`grad matrix of ${op}: matches central differences`, () => {
    const random = randomFor(`grad matrix ${op}`);
    for (const sample of samplesOf(entryOf(op))) {
      const { formula, inputs } = opCase(op, random, sample);
      for (const v of variablesIn(formula)) {
        const got = valueOf(gradMatrix(formula, v), inputs);
        const error = distance(got, numericJacobian(formula, v, inputs).flat());
        assert(error < 1e-7, `relative error ${error}`);
      }
    }
  });
}

Deno.test("an infinite component leaves the other rows of a Jacobian alone", () => {
  const jacobian = valueOf(gradMatrix(build.log(x), x), [Float64Array.from([0, 1, 2, 4])]);
  assertEquals([...jacobian], [Infinity, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0.25]);
});

/** The Jacobian of the symbolic gradient. */
function hessian(formula: Node, inputs: Inputs): number[][] {
  return numericJacobian(gradient(formula, x, ONE), x, inputs);
}

Deno.test("the Laplacian is the trace of the Hessian and the divergence of the gradient", () => {
  const random = randomFor("laplacian");
  for (const formula of SCALARS) {
    for (let turn = 0; turn < 5; turn++) {
      const inputs = draw(random);
      const got = valueOf(laplacian(formula, x), inputs);
      const want = traceOf(hessian(formula, inputs));
      assert(distance(got, [want]) < 1e-6, `${print(formula)}: got ${got}, expected ${want}`);
      const field = gradient(formula, x, ONE);
      assert(distance(got, valueOf(divergence(field, x), inputs)) < 1e-13);
      const matrix = valueOf(gradMatrix(field, x), inputs);
      const diagonal = [0, 5, 10, 15].reduce((total, at) => total + matrix[at], 0);
      assert(distance(got, [diagonal]) < 1e-12, print(formula));
    }
  }
});

Deno.test("closed forms: Laplacians of a Gaussian, of log r² and of r, once and twice", () => {
  const random = randomFor("closed forms");
  for (let turn = 0; turn < 20; turn++) {
    const inputs = draw(random);
    const [D, g, r2] = [4, inputs[2][0], valueOf(radius, inputs)[0]];
    const E = Math.exp(-g * r2);
    const first = (4 * g * g * r2 - 2 * g * D) * E;
    // Δ(r² E) = 2D E − 8 g r² E + r² ΔE
    const second = 4 * g * g * (2 * D * E - 8 * g * r2 * E + r2 * first) - 2 * g * D * first;
    const once = laplacian(gaussian, x);
    assert(distance(valueOf(once, inputs), [first]) < 1e-12);
    assert(distance(valueOf(laplacian(once, x), inputs), [second]) < 1e-11);
    assert(distance(valueOf(laplacian(laplacian(gaussian, y), x), inputs), [second]) < 1e-11);
    const logarithm = valueOf(laplacian(build.log(radius), x), inputs)[0];
    assert(distance([logarithm * r2], [2 * (D - 2)]) < 1e-12);
    const length = valueOf(laplacian(build.norm2(difference), x), inputs)[0];
    assert(distance([length * Math.sqrt(r2)], [D - 1]) < 1e-12);
  }
});

Deno.test("derivatives nest: the gradient of a divergence, the divergence of a differential", () => {
  const random = randomFor("nested");
  for (const field of FIELDS) {
    const inputs = draw(random);
    const div = divergence(field, x);
    const numeric = numericJacobian(div, x, inputs)[0];
    const got = valueOf(gradient(div, x, ONE), inputs);
    assert(distance(got, numeric) < 1e-6, `${print(field)}: ${got}, expected ${numeric}`);
    const moved = differential(field, x, z);
    const want = traceOf(numericJacobian(moved, x, inputs));
    const turned = valueOf(divergence(moved, x), inputs);
    assert(distance(turned, [want]) < 1e-6, `${print(field)}: ${turned}, expected ${want}`);
  }
});

/** Formulas that are linear in z. */
const LINEAR: readonly Node[] = [
  z,
  build.mul(gaussian, z),
  build.mul(x, build.dot(z, y)),
  build.div(build.neg(z), radius),
  build.sub(build.sumT(build.sum(z), 4), build.mul(z, x)),
  build.where(build.lt(x, y), z, build.mul(z, y)),
  build.ifElse(difference, build.mul(constant(2), z), build.sum(z)),
  build.complexMult(z, build.complexExp(x)),
  build.concat(build.extract(z, 2, 2), build.extract(z, 0, 2)),
  build.add(zero(4), build.conj(z)),
  gradient(build.mul(gaussian, x), x, z),
  differential(build.normalize(difference), x, z),
];

Deno.test("adjoints and traces of linear formulas are those of their matrices", () => {
  const random = randomFor("linear operators");
  const scalar = build.dot(z, x);
  for (const formula of [...LINEAR, scalar]) {
    const inputs = draw(random);
    const matrix = numericJacobian(formula, z, inputs);
    const u = variable(5, "i", formula.dim);
    const values = [...inputs, random.float64(formula.dim)];
    const adjoint = adjointOperator(formula, z, u);
    assert(!variablesIn(adjoint).includes(z), `${print(adjoint)} holds the variable`);
    const want = matrix[0].map((_v, d) => inner(values[5], matrix.map((row) => row[d])));
    assert(distance(valueOf(adjoint, values), want) < 1e-7, print(formula));
    // a row stands for itself in every row
    const square = formula === scalar ? Array<number[]>(4).fill(matrix[0]) : matrix;
    const weights: readonly [Node | undefined, (k: number) => number][] = [
      [undefined, () => 1],
      [c, () => inputs[2][0]],
      [y, (k) => inputs[1][k]],
    ];
    for (const [weight, at] of weights) {
      const trace = traceOperator(formula, z, weight);
      assert(!variablesIn(trace).includes(z), `${print(trace)} holds the variable`);
      const got = valueOf(trace, inputs);
      assert(distance(got, [traceOf(square, at)]) < 1e-7, `${print(formula)}: got ${got}`);
    }
  }
});

Deno.test("what is not linear, or does not fit, is refused", () => {
  const linear = "expected sums and products in which the variable stands once";
  const formulas: Node[] = [
    build.exp(z),
    build.mul(z, z),
    build.add(z, ONE),
    build.div(x, z),
    build.where(z, x, y),
    x,
  ];
  for (const formula of formulas) {
    const calls = [() => traceOperator(formula, z), () => adjointOperator(formula, z, y)];
    for (const call of calls) {
      assertEquals(assertThrows(call, PairfoldError, linear).code, "syntax", print(formula));
    }
  }
  const cases: [() => unknown, string][] = [
    [() => adjointOperator(z, z, c), "adjoint: got a vector of dim 1 (parameter); expected"],
    [() => traceOperator(build.extract(z, 0, 2), z), "trace: got a formula of dim 2 (x_i)"],
    [() => traceOperator(z, z, build.extract(y, 0, 3)), "trace: got a weight of dim 3 (y_j)"],
    [() => divergence(gaussian, x), "divergence: got a formula of dim 1 (x_i, y_j); expected"],
    [() => laplacian(x, x), "laplacian: got a formula of dim 4 (x_i); expected a scalar"],
  ];
  for (const [call, message] of cases) {
    assertEquals(assertThrows(call, PairfoldError, message).code, "dim");
  }
});

Deno.test("a variable that is not in a formula gives zeros", () => {
  const inputs = draw(randomFor("absent"));
  const all: [Node, number][] = [
    [gradMatrix(y, x), 16],
    [divergence(y, x), 1],
    [laplacian(m, x), 1],
    [traceOperator(zero(4), x), 1],
    [adjointOperator(zero(4), x, z), 4],
  ];
  for (const [formula, dim] of all) {
    assertEquals([...valueOf(formula, inputs)], Array<number>(dim).fill(0));
  }
});

Deno.test("operators of Gaussians stay small, whatever the dim", () => {
  for (const dim of [4, 100, 1000]) {
    const [a, b]: VariableNode[] = [variable(0, "i", dim), variable(1, "j", dim)];
    const formula = laplacian(build.exp(build.neg(build.mul(c, build.sqDist(a, b)))), a);
    assert(print(formula).length < 3000, `${print(formula).length} characters at dim ${dim}`);
  }
});

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`divergences, Laplacians and Jacobians fold in ${dtype}`, async () => {
    const random = randomFor(`operators ${dtype}`);
    const formulas = [
      laplacian(gaussian, x),
      laplacian(gaussian, y),
      divergence(FIELDS[2], x),
      gradMatrix(FIELDS[2], x),
      gradMatrix(gaussian, c),
      traceOperator(build.mul(x, build.dot(z, y)), z, y),
    ];
    for (const formula of formulas) {
      for (const axis of ["i", "j"] as const) {
        const [M, N] = axis === "j" ? [31, 517] : [517, 31];
        const fold = { formula, reduction: "sum", axis, M, N, dtype } as const;
        // sums inside a pair's value cancel: what cancels there is not in Σ|F|
        await checkFold({ ...fold, tolerance: dtype === "float32" ? 2e-5 : 1e-13 }, random);
      }
    }
  });
}
