// Elementwise operations on tensors. Enters: scalar ops of the formula tables, and operands that
// broadcast. Leaves: deferred tensors; derivatives are the tables' own rules, as formulas again.

import { differentials, gradients } from "../autodiff/mod.ts";
import { PairfoldError, shown } from "../error.ts";
import {
  apply,
  type Node,
  type ScalarOp,
  topological,
  transform,
  variable,
  type VariableNode,
} from "../formula/mod.ts";
import {
  broadcastedShape,
  checkFloats,
  type NestedNumbers,
  type OperandOf,
  sameShape,
  Tensor,
  tensor,
} from "../tensor/mod.ts";
import { Elementwise, partOf } from "./expression.ts";
import type { Part } from "./group.ts";
import { broadcastTo, sumTo } from "./linear.ts";
import { record, type Rule } from "./trace.ts";

/** What may stand beside a tensor: another one, a number, numbers in arrays. */
export type TensorOperand = OperandOf<Tensor>;

const slots: VariableNode[] = Array.from({ length: 8 }, (_, k) => variable(k, "i", 1));
const slot = (k: number): VariableNode => slots[k] ??= variable(k, "i", 1);

/** Formulas of single ops over their arguments, held so that they stay the same nodes. */
const formulas = new Map<string, Node>();

function formulaOf(op: ScalarOp, count: number, attributes: readonly number[]): Node {
  const key = attributes.length === 0 ? op : `${op},${attributes.map(shown)}`;
  let formula = formulas.get(key);
  if (formula === undefined) {
    formula = apply(op, Array.from({ length: count }, (_, k) => slot(k)), attributes);
    formulas.set(key, formula);
  }
  return formula;
}

/** A formula over the operands that it reads, and which these are. */
interface Trimmed {
  readonly formula: Node;
  readonly positions: readonly number[];
}

/** The derivatives of a formula over n operands; null where they are zero. */
interface DerivativeFormulas {
  /** Per operand, over the operands, the cotangent and the result. */
  readonly gradients: readonly (Trimmed | null)[];
  /** By a mask of the operands that move, over the operands, their tangents and the result. */
  readonly differentials: Map<number, Trimmed | null>;
}

const derivatives = new WeakMap<Node, DerivativeFormulas>();

function trimmed(formula: Node): Trimmed | null {
  const isZero = formula.kind === "zero" || (formula.kind === "constant" && formula.value === 0);
  if (isZero) return null;
  const positions: number[] = [];
  for (const node of topological(formula)) if (node.kind === "variable") positions.push(node.slot);
  const renumbered = transform(
    formula,
    (leaf) => leaf.kind === "variable" ? slot(positions.indexOf(leaf.slot)) : leaf,
  );
  return { formula: renumbered, positions };
}

/** A formula's value where it stands in its derivatives is a slot of its own. */
function withResult(derivative: Node, formula: Node, result: Node): Node {
  if (formula.kind !== "op") return derivative;
  return transform(
    derivative,
    (leaf) => leaf,
    (node, args) => {
      if (node === formula) return result;
      return args.every((a, k) => a === node.args[k])
        ? node
        : apply(node.op, args, node.attributes);
    },
  );
}

function derivativesOf(formula: Node, count: number): DerivativeFormulas {
  let known = derivatives.get(formula);
  if (known === undefined) {
    const variables = Array.from({ length: count }, (_, k) => slot(k));
    const list = gradients(formula, variables, slot(count));
    known = {
      gradients: list.map((g) => trimmed(withResult(g, formula, slot(count + 1)))),
      differentials: new Map(),
    };
    derivatives.set(formula, known);
  }
  return known;
}

function differentialOf(formula: Node, count: number, moving: readonly boolean[]): Trimmed | null {
  const { differentials: known } = derivativesOf(formula, count);
  const mask = moving.reduce((bits, is, k) => is ? bits | (1 << k) : bits, 0);
  let found = known.get(mask);
  if (found === undefined) {
    const positions = moving.flatMap((is, k) => is ? [k] : []);
    const d = differentials(
      formula,
      positions.map((k) => slot(k)),
      positions.map((k) => slot(count + k)),
    );
    known.set(mask, found = trimmed(withResult(d, formula, slot(2 * count))));
  }
  return found;
}

/** A trimmed formula of a pool of operands. */
function applied({ formula, positions }: Trimmed, pool: readonly (Tensor | number)[]): Tensor {
  const operands = positions.map((k) => pool[k]);
  if (formula.kind === "variable") {
    const [only] = operands;
    if (only instanceof Tensor) return only;
  }
  return formulaTensor("elementwise", formula, operands);
}

/** A formula over tensors that broadcast; slots are positions. At least one operand is a tensor. */
function formulaTensor(
  op: string,
  formula: Node,
  operands: readonly (Tensor | number)[],
): Tensor {
  const tensors: Tensor[] = [];
  const parts: (Part | number)[] = [];
  for (const operand of operands) {
    if (operand instanceof Tensor) {
      tensors.push(operand);
      parts.push(partOf(operand));
    } else parts.push(operand);
  }
  const dtype = floatTypeOf(op, tensors);
  const shape = tensors.length === 1
    ? tensors[0].shape
    : broadcastedShape(op, tensors.map((t) => t.shape));
  const result = new Tensor(shape, dtype, new Elementwise(formula, parts, shape, dtype).storage);
  record(tensors, [result], () => ruleOf(formula, operands, result));
  return result;
}

function ruleOf(formula: Node, operands: readonly (Tensor | number)[], result: Tensor): Rule {
  const count = operands.length;
  // positions of the tensors among the operands
  const places = operands.flatMap((operand, k) => operand instanceof Tensor ? [k] : []);
  return {
    vjp: ([cotangent], wanted) => {
      if (cotangent === null) return places.map(() => null);
      const { gradients: list } = derivativesOf(formula, count);
      const pool = [...operands, cotangent, result];
      return places.map((k, position) => {
        const g = wanted[position] ? list[k] : null;
        if (g === null) return null;
        return sumTo(applied(g, pool), (operands[k] as Tensor).shape);
      });
    },
    jvp: (tangents) => {
      const own: (Tensor | null)[] = Array(count).fill(null);
      places.forEach((k, position) => own[k] = tangents[position]);
      const d = differentialOf(formula, count, own.map((t) => t !== null));
      if (d === null) return [null];
      const pool = [...operands, ...own.map((t) => t ?? 0), result];
      return [broadcastTo(applied(d, pool), result.shape)];
    },
  };
}

/** The one float type of tensors. */
export function floatTypeOf(op: string, tensors: readonly Tensor[]): "float32" | "float64" {
  const { dtype } = tensors[0];
  for (const t of tensors) {
    checkFloats(op, t.dtype);
    if (t.dtype !== dtype) {
      throw new PairfoldError(
        "dtype",
        `${op}: got float32 and float64 tensors; expected one of them throughout`,
      );
    }
  }
  return dtype === "float64" ? "float64" : "float32";
}

/** An operand as a tensor or a number; arrays of numbers take on a dtype. */
export function operandOf(op: string, x: TensorOperand, dtype: Tensor["dtype"]): Tensor | number {
  if (x instanceof Tensor || typeof x === "number") return x;
  if (ArrayBuffer.isView(x)) return tensor(x);
  if (Array.isArray(x)) return tensor(x as NestedNumbers[], undefined, { dtype });
  const got = x === null ? "null" : typeof x;
  throw new PairfoldError(
    "dtype",
    `${op}: got ${got}; expected a tensor, a number, or numbers in arrays`,
  );
}

/** A scalar op of operands, one of them a tensor. */
export function elementwise(
  op: ScalarOp,
  args: readonly TensorOperand[],
  attributes: readonly number[] = [],
): Tensor {
  const first = args.find((x) => x instanceof Tensor);
  const dtype = first instanceof Tensor ? first.dtype : "float32";
  const operands = args.map((x) => operandOf(op, x, dtype));
  if (!operands.some((x) => x instanceof Tensor)) {
    operands[0] = tensor(operands[0], undefined, { dtype });
  }
  return formulaTensor(op, formulaOf(op, args.length, attributes), operands);
}

/** a + b, for derivatives. */
export function sumOf(a: Tensor, b: Tensor): Tensor {
  if (!sameShape(a.shape, b.shape)) {
    throw new PairfoldError("internal", `cotangents of shapes [${a.shape}] and [${b.shape}]`);
  }
  return elementwise("add", [a, b]);
}
