// Every op on vectors, on long ones: loops over components, arrays where loops do not fit; as the
// result of a fold, inside of other ops, and in gradients.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { gradient } from "../../src/autodiff/mod.ts";
import { emitWasm } from "../../src/emit/wasm/mod.ts";
import {
  apply,
  type Axis,
  build,
  type Node,
  print,
  type Sample,
  TENSOR_OPS,
  variable,
  VECTOR_OPS,
  type VectorOp,
} from "../../src/formula/mod.ts";
import { wasm } from "../../src/engine/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import { verifyKernel } from "../../src/loop/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { chooseSchedule } from "../../src/tiling/mod.ts";
import {
  checkClose,
  checkFold,
  type Float,
  inputsOf,
  referenceRows,
  runFold,
  variablesIn,
} from "../support/folds.ts";
import { full, type Random, randomFor } from "../support/random.ts";

const sample = (dims: readonly number[], ...attributes: readonly number[]): Sample => ({
  dims,
  attributes,
});

/** Arguments with vectors of about D components; matrices have at most 64 rows. */
const LONG: Readonly<Record<VectorOp, (D: number) => readonly Sample[]>> = {
  sum: (D) => [sample([D])],
  sumT: (D) => [sample([1], D)],
  dot: (D) => [sample([D, D])],
  sqNorm2: (D) => [sample([D])],
  norm2: (D) => [sample([D])],
  sqDist: (D) => [sample([D, D])],
  normalize: (D) => [sample([D])],
  concat: (D) => [sample([D, 3, D]), sample([1, D])],
  elem: (D) => [sample([D], D - 1)],
  elemT: (D) => [sample([1], D, D - 2)],
  extract: (D) => [sample([D + 7], 5, D)],
  extractT: (D) => [sample([D], D + 7, 5)],
  strided: (D) => [sample([2 * D], 1, 2, D), sample([3 * D], 5, 3, D - 2), sample([D], 1, 7, 4)],
  stridedT: (D) => [sample([D], 2 * D, 1, 2), sample([D], 9 * D, 3, 9), sample([4], D, 1, 7)],
  interleave: (D) => [sample([D, D])],
  sqNormIso: (D) => [sample([1, D])],
  sqNormDiag: (D) => [sample([D, D])],
  symSqNorm: (D) => [sample([square(D), side(D)])],
  weightedSqNorm: (D) => [sample([1, D]), sample([D, D]), sample([square(D), side(D)])],
  weightedSqDist: (D) => [sample([D, D, D]), sample([square(D), side(D), side(D)])],
  maxOf: (D) => [sample([D])],
  minOf: (D) => [sample([D])],
  argMaxOf: (D) => [sample([D])],
  argMinOf: (D) => [sample([D])],
  iota: (D) => [sample([], D)],
  oneHot: (D) => [sample([1], D)],
  bSpline: (D) => [sample([D, 1], 2)],
  matVecMult: (D) => [sample([3 * D, D]), sample([3 * D, 3]), sample([square(D), side(D)])],
  vecMatMult: (D) => [sample([D, 3 * D]), sample([3, 3 * D]), sample([side(D), square(D)])],
  tensorProd: (D) => [sample([D, 3]), sample([3, D]), sample([side(D), 33])],
  kron: (D) => [sample([2 * D, 6], 2, 2, D, 2, 3), sample([4, D], 1, 4, D)],
  tensorDot: (D) => [
    sample([3 * D, 2 * D], 2, 2, 1, 3, D, 2, D, 1, 1, 1, 0), // long contraction
    sample([6, 3 * D], 2, 2, 1, 2, 3, 3, D, 1, 0, 1, 0), // long result, transposed
    sample([36, 180], 2, 3, 2, 6, 6, 6, 5, 6, 0, 1, 2, 0, 0), // two contracted axes
    sample([5 * side(D), 5 * 7], 2, 2, 1, side(D), 5, 5, 7, 1, 0, 1, 0),
  ],
  cross: () => [sample([3, 3])],
  det3: () => [sample([9])],
  inv3: () => [sample([9])],
  softDtwSqDist: (D) => [sample([D, 5, 1]), sample([5, D, 1])],
  softDtwTable: (D) => [sample([7 * side(D), 1], 7, side(D)), sample([D, 1], 1, D)],
  gridScan: (D) => [grid(7, side(D)), grid(D, 1)],
  gridScanT: (D) => [grid(7, side(D)), grid(D, 1)],
};

/** Side of the square matrices of tests. */
const side = (D: number): number => Math.min(D, 64);
const square = (D: number): number => side(D) ** 2;
const grid = (n: number, m: number): Sample => sample(new Array(4).fill(n * m), n, m);

const OPS: readonly VectorOp[] = [...VECTOR_OPS, ...TENSOR_OPS];

/** Where arguments live: of one axis, of several, of a sum of both. */
const ROLES: readonly (readonly Role[])[] = [
  ["i", "j"],
  ["j", "i"],
  ["p", "j"],
  ["i", "p"],
  ["ij", "j"],
  ["ij", "ij"],
  ["i"],
  ["j"],
  ["p"],
];
type Role = "i" | "j" | "p" | "ij";

/** All roles for short vectors; some for the longest, whose references take long. */
function rolesFor(
  D: number,
  dims: readonly number[],
  random: Random,
): readonly (readonly Role[])[] {
  const all = dims.length === 1 ? ROLES.filter((r) => r.length === 1 || r[0] === "ij") : ROLES;
  if (dims.length === 0) return all.slice(0, 1);
  if (D < 100 || full) return all;
  return Array.from({ length: D < 1000 ? 4 : 2 }, () => random.pick(all));
}

function argumentsOf({ dims }: Sample, roles: readonly Role[]): Node[] {
  return dims.map((dim, k) => {
    const role = roles[k % roles.length];
    if (role === "ij") {
      return build.add(variable(2 * k, "i", dim), variable(2 * k + 1, "j", dim));
    }
    return variable(2 * k, role, dim);
  });
}

/** Positive numbers, so that nothing cancels; knots ascend; weights of recurrences stay small. */
function valuesOf(op: VectorOp, formula: Node, random: Random): Map<number, Float32Array> {
  const values = new Map<number, Float32Array>();
  for (const v of variablesIn(formula)) {
    const rows = SIZES[v.axis];
    const isKnots = op === "bSpline" && v.slot < 2;
    const draw = (_: unknown, n: number): number => {
      const u = random.next();
      const d = n % v.dim;
      if (isKnots) return (d + 0.4 * u) / (2 * v.dim);
      if (op === "oneHot") return 10 * u;
      if (op.startsWith("gridScan")) return 0.05 + 0.2 * u;
      if (op === "inv3" || op === "det3") return (d % 4 === 0 ? 3 : 0) + u;
      return 0.2 + 0.8 * u;
    };
    values.set(v.slot, Float32Array.from({ length: rows * v.dim }, draw));
  }
  return values;
}

const SIZES = { i: 5, j: 9, p: 1 } as const;

/** The op's value by itself, moved about, and below other loops. */
function uses(value: Node): [string, Node][] {
  const { dim } = value;
  const half = Math.ceil(dim / 2);
  const y = variable(20, "j", 1);
  const x = variable(21, "i", 1);
  return [
    ["value", build.mul(value, build.mul(x, y))],
    ["sum of squares", build.mul(build.sqNorm2(value), build.add(x, y))],
    [
      "moved",
      build.mul(
        build.interleave(build.strided(value, 0, dim > 1 ? 2 : 1, half), build.sumT(x, half)),
        y,
      ),
    ],
    [
      "cut and shared",
      build.mul(
        build.concat(build.extract(value, 0, half), build.mul(build.sum(value), value)),
        build.mul(x, y),
      ),
    ],
  ];
}

const TOLERANCES: Readonly<Record<Float, number>> = { float32: 3e-4, float64: 1e-11 };

for (const D of [33, 100, 1000]) {
  for (const op of OPS) {
    Deno.test(`${op} on vectors of dim ${D}: agrees with the reference in every role`, async () => {
      const random = randomFor(`long ${op} ${D}`);
      for (const s of LONG[op](D)) {
        for (const role of rolesFor(D, s.dims, random)) {
          const value = apply(op, argumentsOf(s, role), s.attributes);
          for (const [use, formula] of full ? uses(value) : [random.pick(uses(value))]) {
            for (const dtype of ["float32", "float64"] as const) {
              const axis = random.pick(["i", "j"] as const);
              const what = `${use}, arguments of ${role}, dims ${s.dims}`;
              await check(what, { op, formula, axis, dtype }, random);
            }
          }
        }
      }
    });
  }
}

interface Case {
  readonly op: VectorOp;
  readonly formula: Node;
  readonly axis: Axis;
  readonly dtype: Float;
  /** Factor of the tolerance. */
  readonly slack?: number;
}

/** Sums a formula over an axis and holds it against the reference; errors say what it was. */
async function check(what: string, { op, slack = 1, ...c }: Case, random: Random): Promise<void> {
  const data = valuesOf(op, c.formula, random);
  // neighbouring knots are close: their differences lose digits, most where a spline begins or ends
  const loss = op === "bSpline" ? 100 : 1;
  const tolerance = loss * slack * TOLERANCES[c.dtype];
  try {
    const sizes = { M: SIZES.i, N: SIZES.j };
    await checkFold({ ...c, ...sizes, reduction: "sum", data, tolerance }, random);
  } catch (error) {
    throw new Error(`${what}: ${String(error)}`, { cause: error });
  }
}

for (const D of [33, 100]) {
  for (const op of OPS) {
    Deno.test(`gradient of ${op} on vectors of dim ${D}: agrees with the reference`, async () => {
      const random = randomFor(`long gradient ${op} ${D}`);
      for (const s of LONG[op](D)) {
        const role = random.pick(ROLES);
        const value = apply(op, argumentsOf(s, role), s.attributes);
        const variables = variablesIn(value);
        if (variables.length === 0) return;
        const v = random.pick(variables);
        const cotangent = build.mul(variable(22, "p", value.dim), variable(23, "j", 1));
        const formula = gradient(value, v, cotangent);
        for (const dtype of ["float32", "float64"] as const) {
          const axis = random.pick(["i", "j"] as const);
          const what = `by slot ${v.slot}, arguments of ${role}, dims ${s.dims}`;
          await check(what, { op, formula, axis, dtype, slack: 10 }, random);
        }
      }
    });
  }
}

/** A random vector of about 30 to 200 components, made of moves, sums, products and recurrences. */
function randomVector(random: Random, depth: number): Node {
  if (depth === 0) {
    const dim = 30 + random.integer(40);
    const axis = random.integer(3);
    return variable(30 + 3 * dim + axis, (["i", "j", "p"] as const)[axis], dim);
  }
  const x = randomVector(random, depth - 1);
  const n = x.dim;
  const again = (): Node => randomVector(random, depth - 1);
  const fitted = (y: Node): Node => {
    if (y.dim >= n) return build.extract(y, random.integer(y.dim - n + 1), n);
    return build.extractT(y, n, random.integer(n - y.dim + 1));
  };
  const short = build.extract(x, random.integer(n - 6), 6);
  switch (random.integer(n > 200 ? 6 : 13)) {
    case 0:
      return build.strided(x, random.integer(3), 2, Math.floor((n - 3) / 2));
    case 1:
      return build.extract(x, random.integer(5), n - 5);
    case 2:
      return build.add(x, fitted(again()));
    case 3:
      return build.mul(fitted(again()), x);
    case 4:
      return build.add(x, build.maxOf(again()));
    case 5:
      return build.tensorDot(build.extract(x, 0, 24), build.extract(again(), 0, 24), {
        dimsA: [4, 6],
        dimsB: [8, 3],
        contractedA: [],
        contractedB: [],
        permutation: [2, 0, 3, 1],
      });
    case 6:
      return build.concat(x, short, again());
    case 7:
      return build.interleave(x, fitted(again()));
    case 8:
      return build.stridedT(x, 3 * n, random.integer(3), 1 + random.integer(3));
    case 9:
      return build.tensorProd(short, build.extract(again(), 2, 20));
    case 10:
      return build.mul(build.normalize(x), again().dim === n ? again() : x);
    case 11: {
      const half = build.mul(build.constant(0.3), build.extract(x, 0, 30));
      return build.gridScan(half, half, half, build.extract(again(), 0, 30), 5, 6);
    }
    default:
      return build.vecMatMult(
        short,
        build.extract(build.interleave(x, x), 0, 6 * Math.floor(n / 3)),
      );
  }
}

Deno.test("random trees of long vectors agree with the reference", async () => {
  const random = randomFor("long trees");
  let tried = 0;
  while (tried < (full ? 300 : 60)) {
    let value: Node;
    try {
      value = randomVector(random, 1 + random.integer(4));
    } catch (error) {
      if (error instanceof PairfoldError && error.code === "dim") continue; // does not fit
      throw error;
    }
    if (value.dim > 3000) continue;
    tried++;
    const formula = build.mul(value, build.add(variable(20, "i", 1), variable(21, "j", 1)));
    const dtype = random.pick(["float32", "float64"] as const);
    const axis = random.pick(["i", "j"] as const);
    await check(print(formula), { op: "sum", formula, axis, dtype }, random);
  }
});

Deno.test("long vectors have the same bits with every schedule", async () => {
  const schedules = [
    { rowVectors: 3, interleave: 3, columns: 2, operands: "memory" },
    { rowVectors: 4, interleave: 2, columns: 4, operands: "locals" },
  ] as const;
  for (const op of OPS) {
    const random = randomFor(`schedules ${op}`);
    const [s] = LONG[op](40);
    const value = apply(op, argumentsOf(s, ["ij", "j"]), s.attributes);
    const [, formula] = random.pick(uses(value));
    const data = valuesOf(op, formula, random);
    const c = { formula, axis: "j", M: 5, N: 9, dtype: "float32", reduction: "sum", data } as const;
    const inputs = inputsOf(c, random);
    using untiled = wasm({ schedule: "untiled", threads: 1 });
    const want = await runFold({ ...c, device: untiled }, inputs);
    for (const schedule of schedules) {
      using device = wasm({ schedule, threads: 1 });
      assertEquals(await runFold({ ...c, device }, inputs), want, op);
    }
  }
});

Deno.test("a component in the wrong place is noticed", async () => {
  const random = randomFor("misplaced");
  const [x, y] = [variable(0, "i", 66), variable(1, "j", 33)];
  const right = build.mul(build.strided(x, 1, 2, 33), y);
  const wrong = build.mul(build.strided(x, 0, 2, 33), y);
  const c = { axis: "j", M: 5, N: 9, dtype: "float64", reduction: "sum" } as const;
  const inputs = inputsOf({ ...c, formula: right }, random);
  const [got] = await runFold({ ...c, formula: right }, inputs);
  const [row] = await referenceRows({ ...c, formula: wrong }, inputs, [0]);
  assertThrows(
    () => row.forEach((want, d) => checkClose(got[d], want, Math.abs(want), 1e-3, "component")),
    Error,
  );
});

/** Milliseconds from formula to compiled module, and the module's bytes. */
function compile(formula: Node): { time: number; bytes: number } {
  const inputs = [];
  for (const v of variablesIn(formula)) inputs[v.slot] = v;
  for (let slot = 0; slot < inputs.length; slot++) inputs[slot] ??= variable(slot, "p", 1);
  const options = { sumScheme: "compensated", accumulator: "f32", k: 1 } as const;
  const fold = {
    formula,
    reduction: "sum",
    float: "f32",
    inputs,
    options,
    fastMath: false,
  } as const;
  const start = performance.now();
  const kernel = lower(fold, expandedMath);
  // the first call's: later ones may get longer code
  const schedule = chooseSchedule(kernel, 1000, 0);
  const { bytes } = emitWasm(kernel, schedule, { relaxed: true, shared: true, memories: true });
  new WebAssembly.Module(bytes);
  const time = performance.now() - start;
  verifyKernel(kernel);
  return { time, bytes: bytes.length };
}

Deno.test("every op on vectors of dim 1000 compiles within 20 ms, into code that does not grow", () => {
  const slow: string[] = [];
  for (const op of OPS) {
    for (const [index, s] of LONG[op](1000).entries()) {
      const make = ({ dims, attributes }: Sample): Node => {
        const value = apply(op, argumentsOf({ dims, attributes }, ["i", "j"]), attributes);
        return build.mul(value, variable(20, "j", 1));
      };
      // the least of some runs: others share the machine
      const times = Array.from({ length: 5 }, () => compile(make(s)));
      const time = Math.min(...times.map((t) => t.time));
      const shorter = compile(make(LONG[op](500)[index]));
      if (time > 20) slow.push(`${op} ${s.dims}: ${time.toFixed(1)} ms`);
      if (Deno.env.get("PAIRFOLD_TIMES") === "print") {
        console.log(`${op} [${s.dims}] ${time.toFixed(2)} ms, ${times[0].bytes} bytes`);
      }
      assert(
        // turns of a loop that are left over when four stand side by side
        times[0].bytes < 1.3 * shorter.bytes + 200,
        `${op} ${s.dims}: ${times[0].bytes} bytes, ${shorter.bytes} at half the length`,
      );
    }
  }
  assertEquals(slow, []);
});
