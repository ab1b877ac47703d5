// One component of a formula as a scalar formula. Enters: a formula, a position. Leaves: the
// formula of that component alone, so that a row of a Jacobian is no vector full of products by 0.

import {
  apply,
  build,
  isScalarOp,
  type Node,
  type OpNode,
  vectorTable,
  zero,
} from "../formula/mod.ts";

/** Components that were taken already: shared parts of a formula are visited once. */
type Known = Map<string, Node>;

/** Component m of a formula, a scalar. */
export function component(node: Node, m: number, known: Known = new Map()): Node {
  const key = `${node.id}:${m}`;
  let result = known.get(key);
  if (result === undefined) {
    result = node.kind === "op" ? ofOp(node, m, known) : ofLeaf(node, m);
    known.set(key, result);
  }
  return result;
}

function ofLeaf(node: Node, m: number): Node {
  if (node.kind === "zero") return zero(1);
  return node.dim === 1 ? node : build.elem(node, m);
}

/** A component of an op's value by components of its arguments. */
function ofOp(node: OpNode, m: number, known: Known): Node {
  const { op, args, attributes } = node;
  const [x] = args;
  const of = (argument: Node, at: number): Node => component(argument, at, known);
  const ofInside = (at: number): Node =>
    Number.isInteger(at) && at >= 0 && at < x.dim ? of(x, at) : zero(1);
  if (isScalarOp(op)) {
    return apply(op, args.map((a) => of(a, a.dim === 1 ? 0 : m)), attributes);
  }
  switch (op) {
    case "sum":
      return node;
    case "sumT":
      return of(x, 0);
    case "extract":
      return of(x, attributes[0] + m);
    case "extractT":
      return ofInside(m - attributes[1]);
    case "strided":
      return of(x, attributes[0] + m * attributes[1]);
    case "stridedT":
      return ofInside((m - attributes[1]) / attributes[2]);
    case "interleave":
      return of(args[m % 2], (m - m % 2) / 2);
    case "concat": {
      let at = m;
      for (const part of args) {
        if (at < part.dim) return of(part, at);
        at -= part.dim;
      }
      return zero(1);
    }
    default: {
      const define = vectorTable[op].define;
      if (define !== null) return of(define(args, attributes), m);
      return node.dim === 1 ? node : build.elem(node, m);
    }
  }
}
