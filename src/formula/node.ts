// The nodes of formulas: frozen, interned, tagged values, so that `===` is structural equality.
// Enters: op names, arguments, attributes. Leaves: nodes with their dim and domain.
//
// Float policy of the whole folder: constructors never simplify; a rewrite that changes a bit of any
// result (NaN, -0 and infinities included) is not "exact". Constants are keyed by bit pattern, so
// that 0 and -0 stay apart.

import { PairfoldError } from "../error.ts";
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

type WithoutId<T> = T extends NodeBase ? Omit<T, "id"> : never;

// The intern table holds nodes weakly: a formula that nobody holds disappears from it.
const table = new Map<string, WeakRef<Node>>();
const cleanup = new FinalizationRegistry<string>((key) => {
  if (table.get(key)?.deref() === undefined) table.delete(key);
});
let nextId = 0;

function intern(key: string, make: () => WithoutId<Node>): Node {
  const found = table.get(key)?.deref();
  if (found !== undefined) return found;
  const node = Object.freeze({ id: nextId++, ...make() }) as Node;
  table.set(key, new WeakRef(node));
  cleanup.register(node, key);
  return node;
}

/** How many formulas the intern table holds (to watch that they go away). */
export function internedCount(): number {
  return table.size;
}

function checkCount(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new PairfoldError("dim", `${what}: got ${value}; expected an integer of at least 1`);
  }
}

/** An input variable. Slots are positions in a fold's list of inputs. */
export function variable(
  slot: number,
  axis: Axis | "p",
  dim: number,
  number: NumberKind = "float",
): VariableNode {
  checkCount("variable's dim", dim);
  const key = `v${slot}:${axis}:${dim}:${number}`;
  return intern(
    key,
    () => ({ kind: "variable", slot, axis, dim, number, domain: axis }),
  ) as VariableNode;
}

/** The global index along an axis, as a scalar. */
export function index(axis: Axis): IndexNode {
  return intern(`x${axis}`, () => ({ kind: "index", axis, dim: 1, domain: axis })) as IndexNode;
}

const bitsOf = new DataView(new ArrayBuffer(8));

/** A structural constant. */
export function constant(value: number): ConstantNode {
  bitsOf.setFloat64(0, value);
  const key = `c${bitsOf.getBigUint64(0)}`;
  return intern(key, () => ({ kind: "constant", value, dim: 1, domain: "p" })) as ConstantNode;
}

/** The zero vector of a dim. */
export function zero(dim: number): ZeroNode {
  checkCount("zero's dim", dim);
  return intern(`z${dim}`, () => ({ kind: "zero", dim, domain: "p" })) as ZeroNode;
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

/** Applies an op. Throws `PairfoldError` with code `dim` when the arguments do not fit. */
export function apply(
  op: OpName,
  args: readonly Node[],
  attributes: readonly number[] = [],
): OpNode {
  let key = `o${op}`;
  for (const a of attributes) key += `,${a}`;
  for (const a of args) key += `:${a.id}`;
  const found = table.get(key)?.deref();
  if (found !== undefined) return found as OpNode;
  const rule = dimRules.get(op);
  if (rule === undefined) throw new PairfoldError("internal", `op ${op} has no table entry`);
  const dim = rule(op, args, attributes);
  let domain: Domain = "p";
  for (const a of args) domain = joinDomains(domain, a.domain);
  return intern(key, () => ({
    kind: "op",
    op,
    args: Object.freeze([...args]),
    attributes: Object.freeze([...attributes]),
    dim,
    domain,
  })) as OpNode;
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
  const visit = (node: Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    if (node.kind === "op") node.args.forEach(visit);
    order.push(node);
  };
  roots.forEach(visit);
  return order;
}
