// The nodes of formulas: frozen, interned, tagged values, so that `===` is structural equality.
// Enters: op names, arguments, attributes. Leaves: nodes with their dim and domain.
//
// Float policy of the whole folder: constructors never simplify; a rewrite that changes a bit of
// any result (NaN, -0 and infinities included) is not "exact". Constants 0 and -0 stay apart.

import { PairfoldError, shown } from "../error.ts";
import { keyOf, WeakTable } from "./intern.ts";
import type { OpName } from "./names.ts";

/** The two point axes: i counts the M points of x, j the N points of y. */
export type Axis = "i" | "j";

/** Which axes a value depends on: neither (a parameter), one, or both. */
export type Domain = "p" | Axis | "ij";

/** Whether a variable holds numbers of the kernel's float type or int32 indices. */
export type NumberKind = "float" | "index";

interface NodeBase {
  /** Unique within the process; says nothing about structure. */
  readonly id: number;
  /** Length of the vector that the node yields. */
  readonly dim: number;
  readonly domain: Domain;
}

/** An input: a row of a (rows, dim) array that is indexed by i, by j, or by neither (p). */
export interface VariableNode extends NodeBase {
  readonly kind: "variable";
  readonly slot: number;
  readonly axis: Axis | "p";
  readonly number: NumberKind;
}

/** The global index i or j, as a scalar. */
export interface IndexNode extends NodeBase {
  readonly kind: "index";
  readonly axis: Axis;
}

/** A structural number: what users pass are uniform parameters, not constants. */
export interface ConstantNode extends NodeBase {
  readonly kind: "constant";
  readonly value: number;
}

/** The zero vector. */
export interface ZeroNode extends NodeBase {
  readonly kind: "zero";
}

/** An op applied to arguments; `attributes` are integers that are part of the op. */
export interface OpNode extends NodeBase {
  readonly kind: "op";
  readonly op: OpName;
  readonly args: readonly Node[];
  readonly attributes: readonly number[];
}

/** A formula. */
export type Node = VariableNode | IndexNode | ConstantNode | ZeroNode | OpNode;

const table = new WeakTable<Node>();
let nextId = 0;

/** Freezes a node that the table does not have, and adds it. */
function interned<N extends Node>(group: number | string, key: number | string, node: N): N {
  Object.freeze(node);
  table.add(group, key, node);
  return node;
}

/** How many formulas the intern table holds (to watch that they go away). */
export function internedCount(): number {
  return table.count();
}

function checkCount(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new PairfoldError("dim", `${what}: got ${value}; expected an integer of at least 1`);
  }
}

const AXIS_NUMBER = { i: 0, j: 1, p: 2 } as const;

/** An input variable. Slots are positions in a fold's list of inputs. */
export function variable(
  slot: number,
  axis: Axis | "p",
  dim: number,
  number: NumberKind = "float",
): VariableNode {
  const group = 6 * dim + 2 * AXIS_NUMBER[axis] + (number === "index" ? 1 : 0);
  const found = table.find(group, slot);
  if (found !== undefined) return found as VariableNode;
  checkCount("variable's dim", dim);
  const node = { id: nextId++, kind: "variable", slot, axis, dim, number, domain: axis } as const;
  return interned(group, slot, node);
}

/** The global index along an axis, as a scalar. */
export function index(axis: Axis): IndexNode {
  const found = table.find("index", axis);
  if (found !== undefined) return found as IndexNode;
  return interned("index", axis, { id: nextId++, kind: "index", axis, dim: 1, domain: axis });
}

/** A structural constant. */
export function constant(value: number): ConstantNode {
  const key = Object.is(value, -0) ? "-0" : value;
  const found = table.find("constant", key);
  if (found !== undefined) return found as ConstantNode;
  const node = { id: nextId++, kind: "constant", value, dim: 1, domain: "p" } as const;
  return interned("constant", key, node);
}

/** The zero vector of a dim. */
export function zero(dim: number): ZeroNode {
  const found = table.find("zero", dim);
  if (found !== undefined) return found as ZeroNode;
  checkCount("zero's dim", dim);
  return interned("zero", dim, { id: nextId++, kind: "zero", dim, domain: "p" });
}

/** The domain of something that depends on both domains. */
export function joinDomains(a: Domain, b: Domain): Domain {
  if (a === b || b === "p") return a;
  return a === "p" ? b : "ij";
}

/** Gives an op's result dim from its arguments' dims, or throws a `dim` error. */
export type DimRule = (
  op: OpName,
  args: readonly Node[],
  attributes: readonly number[],
) => number;

const dimRules = new Map<OpName, DimRule>();

/** Called by the op tables, whose entries own the dim rules. */
export function declareDimRule(op: OpName, rule: DimRule): void {
  dimRules.set(op, rule);
}

/** Attributes as text. Throws `PairfoldError` (dim) for what is no number. */
function numbersIn(op: OpName, attributes: readonly number[]): string {
  const odd = attributes.findIndex((value) => typeof value !== "number");
  if (odd < 0) return attributes.join();
  throw new PairfoldError("dim", `${op}: got ${shown(attributes[odd])}; expected a number`);
}

/** Applies an op. Throws `PairfoldError` with code `dim` when the arguments do not fit. */
export function apply(
  op: OpName,
  args: readonly Node[],
  attributes: readonly number[] = [],
): OpNode {
  const group = attributes.length === 0 ? op : `${op},${numbersIn(op, attributes)}`;
  const key = keyOf(args);
  const found = table.find(group, key);
  if (found !== undefined) return found as OpNode;
  const rule = dimRules.get(op);
  if (rule === undefined) throw new PairfoldError("internal", `op ${op} has no table entry`);
  const dim = rule(op, args, attributes);
  let domain: Domain = "p";
  for (const a of args) domain = joinDomains(domain, a.domain);
  return interned(group, key, {
    id: nextId++,
    kind: "op",
    op,
    args: Object.freeze([...args]),
    attributes: Object.freeze([...attributes]),
    dim,
    domain,
  });
}

/** One line about a node for messages: its dim and where it lives. */
export function describe(node: Node): string {
  const where = { p: "parameter", i: "x_i", j: "y_j", ij: "x_i, y_j" }[node.domain];
  return `${node.dim} (${where})`;
}

/** Rebuilds a formula bottom-up; `leaf` replaces leaves, shared parts are visited once. */
export function transform(
  root: Node,
  leaf: (node: Exclude<Node, OpNode>) => Node,
  rebuilt: (node: OpNode, args: readonly Node[]) => Node = (node, args) =>
    args.every((a, k) => a === node.args[k]) ? node : apply(node.op, args, node.attributes),
): Node {
  const done = new Map<Node, Node>();
  const visit = (node: Node): Node => {
    let result = done.get(node);
    if (result === undefined) {
      result = node.kind === "op" ? rebuilt(node, node.args.map(visit)) : leaf(node);
      done.set(node, result);
    }
    return result;
  };
  return visit(root);
}

/** All nodes of a formula, arguments before users, each once. */
export function topological(...roots: readonly Node[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  // without recursion: formulas may be deeper than stacks; `met` are arguments that were looked at
  const open: { readonly node: Node; met: number }[] = [];
  const enter = (node: Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    open.push({ node, met: 0 });
  };
  for (const root of roots) {
    enter(root);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const { node } = top;
      if (node.kind === "op" && top.met < node.args.length) enter(node.args[top.met++]);
      else {
        order.push(node);
        open.pop();
      }
    }
  }
  return order;
}
