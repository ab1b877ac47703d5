// The functions of `lazy` templates: KeOps' spelling, the methods of LazyTensor, and pykeops'.
//
// Where a method's order of arguments is not KeOps', its lower-case name has the method's: the
// matrix itself comes first.

import { apply, build as f, type Node } from "../formula/mod.ts";
import { KEOPS_FUNCTIONS } from "./keops.ts";
import { declareFunction, op, type Signature } from "./signature.ts";

/** One argument: the largest or smallest component. Two: component by component. */
function extremum(pair: "max" | "min", component: "maxOf" | "minOf"): Signature {
  return declareFunction(
    "a, b?",
    ({ formulas: [a, b] }) => b === undefined ? apply(component, [a]) : apply(pair, [a, b]),
  );
}

const weightedSqNorm = declareFunction(
  "x, s",
  ({ formulas: [x, s] }) => apply("weightedSqNorm", [s, x]),
);

const weightedSqDist = declareFunction(
  "x, y, s",
  ({ formulas: [x, y, s] }) => apply("weightedSqDist", [s, x, y]),
);

/** The cotangent is 1 when it is left out. */
const grad = { ...signatureOf("Grad"), ...withDefault("f, v:variable, cotangent=1") };

/** Methods whose names or arguments differ from KeOps'. */
const METHODS: Readonly<Record<string, Signature | string>> = {
  max: extremum("max", "maxOf"),
  min: extremum("min", "minOf"),
  weightedSqNorm,
  weightedsqnorm: weightedSqNorm,
  weightedSqDist,
  weightedsqdist: weightedSqDist,
  round: op("round", "x, decimals:integer=0"),
  mod: op("mod", "x, modulus, offset=0"),
  extractT: op("extractT", "x, dim:integer, start:integer"),
  concat: declareFunction("a, b, more...", ({ formulas }) => f.concat(...formulas)),
  grad,
  Grad: grad,
  pow: "Powf",
  power: "Powf",
  norm: "Norm2",
  powf: "Powf",
  one_hot: "OneHot",
  real: "ComplexReal",
  imag: "ComplexImag",
  angle: "ComplexAngle",
  exp1j: "ComplexExp1j",
  grad_matrix: "GradMatrix",
  trace_operator: "TraceOperator",
  keops_kron: "Kron",
  keops_tensordot: "TensorDot",
};

function signatureOf(name: string): Signature {
  const found = KEOPS_FUNCTIONS.get(name);
  if (found === undefined) throw new TypeError(`no function ${name}`);
  return found;
}

/** The same function with other defaults. */
function withDefault(text: string): Pick<Signature, "text" | "parameters"> {
  const { text: shown, parameters } = declareFunction(text, ({ formulas: [x] }): Node => x);
  return { text: shown, parameters };
}

function lazyFunctions(): Map<string, Signature> {
  const functions = new Map<string, Signature>();
  for (const [name, signature] of KEOPS_FUNCTIONS) {
    functions.set(name, signature);
    functions.set(name[0].toLowerCase() + name.slice(1), signature);
    functions.set(name.toLowerCase(), signature);
  }
  for (const signature of KEOPS_FUNCTIONS.values()) {
    if (signature.op !== null && !functions.has(signature.op)) {
      functions.set(signature.op, signature);
    }
  }
  for (const [name, method] of Object.entries(METHODS)) {
    functions.set(name, typeof method === "string" ? signatureOf(method) : method);
  }
  return functions;
}

/** Functions of templates, by all their spellings. */
export const LAZY_FUNCTIONS: ReadonlyMap<string, Signature> = lazyFunctions();

/** Methods that take whole numbers as part of the formula, as infix powers do. */
export const LAZY_POWERS: ReadonlySet<string> = new Set(["pow", "power"]);
