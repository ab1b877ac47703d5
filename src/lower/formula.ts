// Lowers formulas to scalar values of the loop IR. Each value is computed in the section of its
// domain; values of earlier sections reach later ones through records. Short vectors are unrolled;
// long ones stay loops, or are written to an array where no loop meets them at affine places.

import { PairfoldError } from "../error.ts";
import {
  isScalarOp,
  type Node,
  type OpNode,
  scalarTable,
  topological,
  type VariableNode,
} from "../formula/mod.ts";
import {
  Builder,
  type FloatType,
  type LocalArray,
  type MathFunctions,
  moved,
  Names,
  type Place,
  place,
  placeKey,
  type RecordSection,
  type Region,
  type Section,
  shifted,
  type Type,
  type UniformScale,
  type Value,
} from "../loop/mod.ts";
import { UNROLL_LIMIT } from "../reduction/mod.ts";
import { algebraOf, asFloat } from "./algebra.ts";
import { hostMath } from "./math/mod.ts";
import { isNonNegative } from "./normalise.ts";
import { loopsOf, runsOf } from "./runs.ts";
import { scaleOf, unscaled } from "./scale.ts";
import { homeOf, isCheap, isCostly } from "./sections.ts";
import {
  type Components,
  contraction,
  extremum,
  fillGrid,
  fillMoved,
  isLarge,
  position,
  sourceOf,
  termsOf,
  warpedDistance,
} from "./vectors.ts";

const single = (offset: number): Place => place(offset);

/** An array that holds a vector, and the region that fills it. */
interface Filled {
  readonly array: LocalArray;
  readonly region: Region;
}

export class FormulaLowering {
  readonly builders: Record<Section, Builder>;
  /** Types of the records' slots, in order. */
  readonly layouts: Readonly<Record<RecordSection, Type[]>> = { uniform: [], row: [], column: [] };
  readonly names = new Names();
  readonly float: FloatType;
  /** Components of a result up to which they are scalars. */
  readonly scalars: number;
  /** Terms of a sum up to which it is a chain, and no loop. */
  readonly #terms: number;
  /** The same where nothing else reads what they are made of. */
  readonly #ownTerms: number;
  readonly #math: MathFunctions;
  readonly #memo = new Map<string, Value>();
  readonly #slots = new Map<Value, number>();
  readonly #bases = new Map<Node, number>();
  readonly #arrays = new Map<Builder, Map<Node, Filled>>();
  /** How many nodes read a node, of those seen so far. */
  readonly #readers = new Map<Node, number>();
  readonly #seen = new Set<Node>();

  constructor(
    float: FloatType,
    math: MathFunctions,
    { scalars = UNROLL_LIMIT, terms = UNROLL_LIMIT }: Pick<MathFunctions, "scalars" | "terms">,
  ) {
    this.float = float;
    this.scalars = scalars;
    this.#terms = terms;
    this.#ownTerms = Math.min(terms, math.ownTerms ?? terms);
    this.#math = math;
    const make = (section: Section): Builder =>
      new Builder(section, section === "uniform" ? "f64" : float, this.names, scalars);
    this.builders = {
      uniform: make("uniform"),
      row: make("row"),
      column: make("column"),
      pair: make("pair"),
      finish: make("finish"),
    };
  }

  /** Starts a pair section anew; the other sections go on. Returns its builder. */
  anotherPair(): Builder {
    return this.builders.pair = new Builder("pair", this.float, this.names, this.scalars);
  }

  /** Runs `body` for every component of a formula in a section; indices come as floats. */
  each(node: Node, section: Section, body: (at: Place, value: Value) => void): void {
    const b = this.builders[section];
    this.#countReaders(node);
    this.#eachPlace(node, section, (at) => {
      body(at, asFloat(b, this.#component(node, at, section)));
    }, node.dim <= this.scalars);
  }

  /** One component of a formula (or its only one) as a float of a section. */
  component(node: Node, at: Place, section: Section): Value {
    this.#countReaders(node);
    return asFloat(this.builders[section], this.#argument(node, at, section));
  }

  /** One number of an input of integers of rows or columns, as it is, in the pair section. */
  integer(input: VariableNode, at: Place): Value {
    const home = input.axis === "i" ? "row" : "column";
    const { integer } = this.builders.pair;
    const base = this.#vectorIn(input, home, integer, (part) => this.#component(input, part, home));
    return this.builders.pair.load({ kind: "record", section: home }, shifted(at, base), integer);
  }

  #countReaders(root: Node): void {
    if (this.#seen.has(root)) return;
    for (const node of topological(root)) {
      if (this.#seen.has(node) || node.kind !== "op") continue;
      this.#seen.add(node);
      for (const a of node.args) this.#readers.set(a, (this.#readers.get(a) ?? 0) + 1);
    }
  }

  #eachPlace(
    node: Node,
    section: Section,
    body: (at: Place) => void,
    isUnrolled = node.dim <= UNROLL_LIMIT,
  ): void {
    if (isUnrolled) {
      for (let d = 0; d < node.dim; d++) body(single(d));
      return;
    }
    const b = this.builders[section];
    const isPlain = (n: Node): boolean =>
      homeOf(n) !== section || this.#filled(n, section) !== null;
    for (const run of runsOf(node, isPlain)) {
      const { axes, rest } = loopsOf(run);
      const walk = (depth: number, at: Place): void => {
        if (depth === axes.length) {
          body(at);
          return;
        }
        const { count, step, isUnrolled } = axes[depth];
        if (!isUnrolled) b.for(count, (counter) => walk(depth + 1, moved(at, counter, step)));
        else for (let k = 0; k < count; k++) walk(depth + 1, shifted(at, k * step));
      };
      walk(0, place(run.start));
      const end = run.start + run.length;
      for (let d = end - rest; d < end; d++) body(single(d));
    }
  }

  /** The array that holds a vector, where it may be read. */
  #filled(node: Node, section: Section): LocalArray | null {
    const b = this.builders[section];
    const filled = this.#arrays.get(b)?.get(node);
    return filled !== undefined && b.sees(filled) ? filled.array : null;
  }

  /** A component of a vector that is computed as a whole, before the loops around. */
  #fromArray(node: OpNode, at: Place, section: Section): Value {
    const b = this.builders[section];
    const array = this.#filled(node, section) ?? b.before([], () => {
      const arrays = this.#arrays.get(b) ?? new Map<Node, Filled>();
      this.#arrays.set(b, arrays);
      const fresh = b.array(`vector${arrays.size}`, node.dim);
      this.#fill(node, fresh, section);
      arrays.set(node, { array: fresh, region: b.here });
      return fresh;
    });
    return b.load({ kind: "array", array }, at);
  }

  #fill(node: OpNode, array: LocalArray, section: Section): void {
    const c = this.#components(section);
    switch (node.op) {
      case "softDtwTable":
      case "gridScan":
      case "gridScanT":
        fillGrid(c, node, array);
        return;
      case "tensorDot":
        this.#eachPlace(node, section, (at) => {
          const value = contraction(c, node, at);
          if (value === null) throw new PairfoldError("internal", "tensorDot: a loop misses axes");
          c.b.store({ kind: "array", array }, at, value);
        }, false);
        return;
      default:
        fillMoved(c, node, array);
    }
  }

  #components(section: Section): Components {
    const b = this.builders[section];
    const value = (node: Node, at: Place): Value => asFloat(b, this.#argument(node, at, section));
    return {
      b,
      math: this.#mathOf(section),
      value,
      repeated: (node, at) => {
        const isLoad = at.terms.length === 0 || node.kind !== "op" || isCheap(node, section);
        return isLoad ? value(node, at) : this.#fromArray(node, at, section);
      },
      each: (node, body) => this.#eachPlace(node, section, body),
    };
  }

  #component(node: Node, at: Place, section: Section): Value {
    const b = this.builders[section];
    if (node.kind === "constant") return b.constant(node.value);
    if (node.kind === "zero") return b.constant(0);
    if (node.kind === "index" && section !== "uniform") {
      return b.index(node.axis === "i" ? "row" : "column");
    }
    if (node.kind === "op" && node.op === "iota") return position(b, at);
    const home = homeOf(node);
    if (home !== section) return this.#cross(node, at, home, section);
    const key = `${node.id}:${placeKey(at)}`;
    const known = this.#memo.get(key);
    if (known !== undefined && b.sees(known)) return known;
    const array = at.terms.length === 0 ? null : this.#filled(node, section);
    const value = array === null
      ? this.#compute(node, at, section)
      : b.load({ kind: "array", array }, at);
    this.#memo.set(key, value);
    return value;
  }

  /** Hands a value of an earlier section over through its record. */
  #cross(node: Node, at: Place, home: Section, section: Section): Value {
    if (home === "pair" || home === "finish") {
      throw new PairfoldError("internal", `a value of section ${home} is wanted in ${section}`);
    }
    const target = this.builders[section];
    if (at.terms.length === 0) return this.#load(this.#component(node, at, home), home, target);
    const base = this.#vectorIn(
      node,
      home,
      this.#recordType(home),
      (part) => asFloat(this.builders[home], this.#component(node, part, home)),
    );
    return target.load({ kind: "record", section: home }, shifted(at, base));
  }

  /** Where a vector begins in a record, in which its components stand one after another. */
  #vectorIn(
    node: Node,
    home: RecordSection,
    type: Type,
    component: (part: Place) => Value,
  ): number {
    const known = this.#bases.get(node);
    if (known !== undefined) return known;
    const base = this.layouts[home].length;
    this.#bases.set(node, base);
    for (let d = 0; d < node.dim; d++) this.layouts[home].push(type);
    const memory = { kind: "record", section: home } as const;
    this.#eachPlace(node, home, (part) => {
      this.builders[home].store(memory, shifted(part, base), component(part));
    });
    return base;
  }

  #recordType(home: RecordSection): Type {
    return home === "uniform" ? "f64" : this.float;
  }

  /** Loads a value of another section from its record, storing it there on first use. */
  #load(value: Value, home: RecordSection, target: Builder): Value {
    const memory = { kind: "record", section: home } as const;
    let slot = this.#slots.get(value);
    if (slot === undefined) {
      slot = this.layouts[home].length;
      this.#slots.set(value, slot);
      this.layouts[home].push(value.type);
      this.builders[home].store(memory, place(slot), value);
    }
    // the uniform record is float64 on the host; engines hand it over in the kernel's float type
    const type = home === "uniform" ? target.float : value.type;
    return target.load(memory, place(slot), type);
  }

  #compute(node: Node, at: Place, section: Section): Value {
    const b = this.builders[section];
    switch (node.kind) {
      case "variable": {
        const type = node.number === "index" && section !== "uniform" ? b.integer : b.float;
        return b.load({ kind: "input", slot: node.slot }, at, type);
      }
      case "op":
        return this.#operation(node, at, section);
      default:
        throw new PairfoldError("internal", `${node.kind} has no value in ${section}`);
    }
  }

  #argument(argument: Node, at: Place, section: Section): Value {
    return this.#component(argument, argument.dim === 1 ? single(0) : at, section);
  }

  #operation(node: OpNode, at: Place, section: Section): Value {
    const { op, args, attributes } = node;
    if (isScalarOp(op)) {
      if (op === "exp") return this.#exponential(node, at, section);
      const values = args.map((a) => this.#argument(a, at, section));
      return scalarTable[op].scalar(
        algebraOf(this.builders[section], this.#mathOf(section)),
        values,
        attributes,
      );
    }
    const source = sourceOf(node, at);
    switch (source?.kind) {
      case "component":
        return this.#argument(source.node, source.at, section);
      case "zero":
        return this.builders[section].constant(0);
      case "mixed":
        return this.#fromArray(node, at, section);
    }
    switch (op) {
      case "sum":
        return this.#sum(args[0], section);
      case "maxOf":
      case "minOf":
      case "argMaxOf":
      case "argMinOf":
        return extremum(this.#components(section), node);
      case "softDtwSqDist":
        return warpedDistance(this.#components(section), node);
      case "softDtwTable":
      case "gridScan":
      case "gridScanT":
        return this.#fromArray(node, at, section);
      case "tensorDot":
        return this.#contraction(node, at, section);
      default:
        throw new PairfoldError("internal", `${op} was not expanded before lowering`);
    }
  }

  /** A component of a contraction, on its own unless the whole is cheaper. */
  #contraction(node: OpNode, at: Place, section: Section): Value {
    const isSum = termsOf(node) > 1;
    const isShared = at.terms.length > 0 && isSum && (this.#readers.get(node) ?? 0) > 1;
    const isMany = at.terms.length === 0 && isLarge(node);
    const value = isShared || isMany ? null : contraction(this.#components(section), node, at);
    return value ?? this.#fromArray(node, at, section);
  }

  /** Whether nothing but a vector reads the vectors that it is computed from in its section. */
  #isOwn(vector: Node, section: Section): boolean {
    return topological(vector).every((node) =>
      node.kind !== "op" || node.dim === 1 || homeOf(node) !== section ||
      (this.#readers.get(node) ?? 0) <= 1
    );
  }

  /** Sum of components: a chain, or a loop when long. */
  #sum(argument: Node, section: Section): Value {
    const b = this.builders[section];
    const term = (at: Place): Value => asFloat(b, this.#component(argument, at, section));
    const isLoop = argument.dim > this.#terms || isCostly(argument, section) ||
      (argument.dim > this.#ownTerms && this.#isOwn(argument, section));
    if (!isLoop) {
      let total: Value | null = null;
      for (let d = 0; d < argument.dim; d++) {
        const next = term(single(d));
        total = total === null ? next : b.add(total, next);
      }
      return total ?? b.constant(0);
    }
    return b.before([], () => {
      const total = b.cell("sum");
      b.set(total, b.constant(-0)); // the neutral element of sums, also for −0
      const addTerm = (at: Place): void => {
        const next = term(at);
        b.set(total, b.add(b.get(total), next));
      };
      this.#eachPlace(argument, section, addTerm, false);
      return b.get(total);
    });
  }

  /** exp, with a uniform scale of its argument as the exponential's own coefficient. */
  #exponential(node: OpNode, at: Place, section: Section): Value {
    const b = this.builders[section];
    const [argument] = node.args;
    const { scale, negative, rest } = section === "uniform"
      ? unscaled(argument)
      : scaleOf(argument);
    if (scale === null) {
      const x = asFloat(b, this.#argument(argument, at, section));
      return this.#mathOf(section).exp(b, x);
    }
    const u = this.builders.uniform;
    const uniform: UniformScale = (compute) => {
      const c = this.#argument(scale, at, "uniform");
      return this.#load(compute(u, negative ? u.neg(c) : c), "uniform", b);
    };
    const q = asFloat(b, this.#argument(rest, at, section));
    const sign = negative ? -1 : 1;
    const constant = scale.kind === "constant" ? sign * scale.value : undefined;
    return this.#math.expScaled(b, q, isNonNegative(rest), uniform, constant);
  }

  #mathOf(section: Section): MathFunctions {
    return section === "uniform" ? hostMath : this.#math;
  }
}
