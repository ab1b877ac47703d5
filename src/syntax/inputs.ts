// The inputs of a KeOps formula: what aliases and inline Var(…) say about positions.
//
// Enters: alias strings. Leaves: a variable per position and the names that stand for them.

import { PairfoldError } from "../error.ts";
import { type Axis, type Node, topological, variable, type VariableNode } from "../formula/mod.ts";
import { suggestion } from "./nearest.ts";
import { Parser } from "./parser.ts";
import { MAX_DIM } from "./resolve.ts";
import { errorAt, quote, type Source } from "./source.ts";

/** KeOps' words for the categories; Vx and Vy are their old names. */
const CATEGORIES: ReadonlyMap<string, Axis | "p"> = new Map([
  ["Vi", "i"],
  ["Vj", "j"],
  ["Pm", "p"],
  ["Vx", "i"],
  ["Vy", "j"],
]);
/** KeOps' numbers for them, in Var(position,dim,category). */
const NUMBERED: readonly (Axis | "p")[] = ["i", "j", "p"];
const WORD = { i: "Vi", j: "Vj", p: "Pm" } as const;

/** One input of a formula. */
export interface InputDeclaration {
  /** Its first name, or null for an inline variable. */
  readonly name: string | null;
  readonly variable: VariableNode;
}

/** Gathers declarations and refuses those that contradict one another. */
export class Inputs {
  readonly names: Map<string, Node> = new Map();
  readonly #byPosition = new Map<number, { name: string | null; variable: VariableNode }>();
  readonly #slotOf: (position: number) => number;

  /** Variables take their slots from `slotOf`. */
  constructor(slotOf: (position: number) => number) {
    this.#slotOf = slotOf;
  }

  /** The constructor of that name, as an inline call; null for other names. */
  inline(source: Source, name: string): ((integers: readonly number[], at: number) => Node) | null {
    if (name !== "Var" && !CATEGORIES.has(name)) return null;
    return (integers, at) => {
      const wanted = name === "Var" ? 3 : 2;
      if (integers.length !== wanted) {
        const shape = name === "Var" ? "Var(position,dim,category)" : `${name}(position,dim)`;
        throw errorAt(
          source,
          at,
          `${name}: got ${integers.length} numbers; expected ${wanted}: ${shape}`,
        );
      }
      return this.#declare(source, at, name, integers);
    };
  }

  /** Reads one alias: `x=Vi(0,3)`, `x = Vi(3)` (its position by order), `Var(2,3,1)`. */
  readAlias(text: string, order: number): void {
    const source: Source = { text, reader: "genred", label: `alias ${order + 1}` };
    const { name, nameAt, constructor, at, integers } = new Parser(source, "genred").parseAlias();
    const most = constructor === "Var" ? 3 : 2;
    const least = constructor === "Var" ? 3 : 1;
    if (constructor !== "Var" && !CATEGORIES.has(constructor)) {
      const known = [...CATEGORIES.keys(), "Var"].slice(0, 3);
      throw errorAt(
        source,
        at,
        `got ${quote(constructor)}; expected Vi, Vj, Pm or Var${suggestion(constructor, known)}`,
      );
    }
    if (integers.length < least || integers.length > most) {
      throw errorAt(
        source,
        at,
        `${constructor}: got ${integers.length} numbers; expected ` +
          (constructor === "Var"
            ? "3: Var(position,dim,category)"
            : `${constructor}(position,dim) or ${constructor}(dim)`),
      );
    }
    const full = integers.length === 1 ? [order, integers[0]] : integers;
    const node = this.#declare(source, at, constructor, full);
    if (name === null) return;
    const before = this.names.get(name);
    if (before !== undefined && before !== node) {
      throw errorAt(
        source,
        nameAt,
        `got the name ${quote(name)} for a second input; expected another name`,
      );
    }
    this.names.set(name, node);
    this.#nameInput(node, name);
  }

  /**
   * What Grad(f,v) takes for its cotangent: the input behind the last one of the formula, of its
   * dim, and of the axis that v does not have.
   */
  cotangent(source: Source, at: number, formula: Node, v: VariableNode): Node {
    if (v.axis === "p") {
      throw errorAt(source, at, "Grad: got no cotangent for a parameter; expected Grad(f,v,e)");
    }
    let last = -1;
    const nodes = new Set<Node>(topological(formula));
    for (const [position, input] of this.#byPosition) {
      if (nodes.has(input.variable)) last = Math.max(last, position);
    }
    const name = v.axis === "i" ? "Vj" : "Vi";
    return this.#declare(source, at, name, [last + 1, formula.dim]);
  }

  #nameInput(node: Node, name: string): void {
    for (const input of this.#byPosition.values()) {
      if (input.variable === node) input.name ??= name;
    }
  }

  #declare(source: Source, at: number, name: string, integers: readonly number[]): VariableNode {
    const [position, dim, number] = integers;
    const fail = (code: "syntax" | "dim", message: string): never => {
      throw errorAt(source, at, `${name}: ${message}`, code);
    };
    const category = name === "Var" ? NUMBERED.at(number) : CATEGORIES.get(name);
    if (category === undefined || number < 0) {
      return fail("syntax", `got category ${number}; expected 0 (Vi), 1 (Vj) or 2 (Pm)`);
    }
    if (position < 0) fail("syntax", `got position ${position}; expected one from 0`);
    if (dim < 1 || dim > MAX_DIM) {
      fail("dim", `got dim ${dim}; expected an integer from 1 to ${MAX_DIM}`);
    }
    const before = this.#byPosition.get(position)?.variable;
    if (before === undefined) {
      const made = variable(this.#slotOf(position), category, dim);
      this.#byPosition.set(position, { name: null, variable: made });
      return made;
    }
    if (before.dim !== dim) {
      fail("dim", `got dim ${dim} for position ${position}, which has dim ${before.dim} already`);
    }
    if (before.axis !== category) {
      const other = WORD[before.axis];
      fail("syntax", `got ${WORD[category]} for position ${position}, which is ${other} already`);
    }
    return before;
  }

  /** The inputs by position, once all are known. */
  list(): InputDeclaration[] {
    const positions = [...this.#byPosition.keys()].sort((a, b) => a - b);
    const gap = positions.findIndex((position, k) => position !== k);
    if (gap >= 0) {
      throw new PairfoldError(
        "syntax",
        `genred: got an input at position ${positions[gap]} and none at ${gap}; expected ` +
          "positions 0, 1, 2 … without gaps",
      );
    }
    return positions.flatMap((position) => this.#byPosition.get(position) ?? []);
  }
}
