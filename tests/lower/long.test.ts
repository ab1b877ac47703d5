// Every op on vectors, on long ones: loops over components, arrays where loops do not fit; as the
// result of a fold, inside of other ops, and in gradients.

import { assert, assertEquals } from "@std/assert";
import { gradient } from "../../src/autodiff/mod.ts";
import { emitWasm } from "../../src/emit/wasm/mod.ts";
import {
  apply,
  build,
  type Node,
  type Sample,
  TENSOR_OPS,
  variable,
  VECTOR_OPS,
  type VectorOp,
} from "../../src/formula/mod.ts";
import { verifyKernel } from "../../src/loop/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { chooseSchedule } from "../../src/tiling/mod.ts";
import { checkFold, type Float, variablesIn } from "../support/folds.ts";
import { type Random, randomFor } from "../support/random.ts";

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

/** Ops whose arguments are long: the others ran at full length elsewhere. */
const OPS: readonly VectorOp[] = [...VECTOR_OPS, ...TENSOR_OPS];

/** Where arguments live: of one axis, of several, of a sum of both. */
const ROLES = [["i", "j"], ["j", "i"], ["p", "j"], ["i", "p"], ["ij", "j"], ["ij", "ij"]] as const;

function argumentsOf({ dims }: Sample, roles: readonly string[]): Node[] {
  return dims.map((dim, k) => {
    const role = roles[k % roles.length];
    if (role === "ij") {
      return build.add(variable(2 * k, "i", dim), variable(2 * k + 1, "j", dim));
    }
    return variable(2 * k, role as "i" | "j" | "p", dim);
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
        const roles = s.dims.length === 0 ? [random.pick(ROLES)] : ROLES;
        for (const role of roles) {
          const value = apply(op, argumentsOf(s, role), s.attributes);
          const [use, formula] = random.pick(uses(value));
          for (const dtype of ["float32", "float64"] as const) {
            const axis = random.pick(["i", "j"] as const);
            const data = valuesOf(op, formula, random);
            const tolerance = TOLERANCES[dtype];
            const c = { formula, axis, dtype, data, tolerance, M: SIZES.i, N: SIZES.j } as const;
            await labelled(
              `${use}, arguments of ${role}, dims ${s.dims}`,
              () => checkFold({ ...c, reduction: "sum" }, random),
            );
          }
        }
      }
    });
  }
}

async function labelled(what: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
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
          const data = valuesOf(op, formula, random);
          const tolerance = 10 * TOLERANCES[dtype];
          const c = { formula, axis, dtype, data, tolerance, M: SIZES.i, N: SIZES.j } as const;
          await labelled(
            `by slot ${v.slot}, arguments of ${role}, dims ${s.dims}`,
            () => checkFold({ ...c, reduction: "sum" }, random),
          );
        }
      }
    });
  }
}

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
  const schedule = chooseSchedule(kernel, 1000);
  const { bytes } = emitWasm(kernel, schedule, { relaxed: true, shared: true });
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
        times[0].bytes < 1.05 * shorter.bytes + 200,
        `${op} ${s.dims}: ${times[0].bytes} bytes, ${shorter.bytes} at half the length`,
      );
    }
  }
  assertEquals(slow, []);
});
