// Lowers formulas to scalar values of the loop IR. Each value is computed in the section of its
// domain; values of earlier sections reach later ones through records. Short vectors are unrolled;
// long ones stay loops.

import { PairfoldError } from "../error.ts";
import {
  isScalarOp,
  type Node,
  type OpNode,
  type ScalarAlgebra,
  scalarTable,
  topological,
} from "../formula/mod.ts";
import {
  Builder,
  type FloatType,
  isFloat,
  type MathFunctions,
  Names,
  type Place,
  place,
  type RecordSection,
  type Section,
  type Type,
  type UniformScale,
  type Value,
} from "../loop/mod.ts";
import { UNROLL_LIMIT } from "../reduction/mod.ts";
import { hostMath } from "./math/mod.ts";
import { isNonNegative } from "./normalise.ts";

/** Components offset … offset + length − 1: one, or all that a loop's counter runs over. */
interface Span extends Place {
  readonly length: number;
}

const single = (offset: number): Span => ({ counter: null, offset, length: 1 });

const HOME = { p: "uniform", i: "row", j: "column", ij: "pair" } as const;

/** Runs shorter than this are unrolled even inside long vectors. */
const SHORT_RUN = 4;

export class FormulaLowering {
  readonly builders: Record<Section, Builder>;
  /** Types of the records' slots, in order. */
  readonly layouts: Readonly<Record<RecordSection, Type[]>> = { uniform: [], row: [], column: [] };
  readonly names = new Names();
  readonly float: FloatType;
  readonly #math: MathFunctions;
  readonly #memo = new Map<string, Value>();
  readonly #slots = new Map<Value, number>();
  readonly #bases = new Map<Node, number>();

  constructor(float: FloatType, math: MathFunctions) {
    this.float = float;
    this.#math = math;
    const make = (section: Section): Builder =>
      new Builder(section, section === "uniform" ? "f64" : float, this.names);
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
    return this.builders.pair = new Builder("pair", this.float, this.names);
  }

  /** Runs `body` for every component of a formula in a section; indices come as floats. */
  each(node: Node, section: Section, body: (at: Place, value: Value) => void): void {
    const b = this.builders[section];
    this.#eachSpan(node, section, (span) => {
      body(span, this.#asFloat(b, this.#component(node, span, section)));
    });
  }

  /** One component of a formula (or its only one) as a float of a section. */
  component(node: Node, at: Place, section: Section): Value {
    const span = node.dim === 1 ? single(0) : { ...at, length: 1 };
    return this.#asFloat(this.builders[section], this.#component(node, span, section));
  }

  #eachSpan(node: Node, section: Section, body: (span: Span) => void): void {
    const b = this.builders[section];
    if (node.dim <= UNROLL_LIMIT) {
      for (let d = 0; d < node.dim; d++) body(single(d));
      return;
    }
    const ends = [...new Set([...breaks(node), node.dim])].filter((e) => e > 0 && e <= node.dim)
      .sort((x, y) => x - y);
    this.#sumsFirst(node, section);
    let start = 0;
    for (const end of ends) {
      const length = end - start;
      const offset = start;
      if (length < SHORT_RUN) { for (let d = start; d < end; d++) body(single(d)); }
      else b.for(length, (counter) => body({ counter, offset, length }));
      start = end;
    }
  }

  /** Computes the long sums that a loop's body needs before the loop, not once per turn. */
  #sumsFirst(node: Node, section: Section): void {
    for (const inner of topological(node)) {
      const isLongSum = inner.kind === "op" && inner.op === "sum" &&
        inner.args[0].dim > UNROLL_LIMIT;
      if (isLongSum && HOME[inner.domain] === section && inner !== node) {
        this.#component(inner, single(0), section);
      }
    }
  }

  #component(node: Node, span: Span, section: Section): Value {
    const b = this.builders[section];
    if (node.kind === "constant") return b.constant(node.value);
    if (node.kind === "zero") return b.constant(0);
    if (node.kind === "index" && section !== "uniform") {
      return b.index(node.axis === "i" ? "row" : "column");
    }
    const home = HOME[node.domain];
    if (home !== section) return this.#cross(node, span, home, section);
    const key = `${node.id}:${span.counter?.id ?? ""}:${span.offset}`;
    const known = this.#memo.get(key);
    if (known !== undefined && b.sees(known)) return known;
    const value = this.#compute(node, span, section);
    this.#memo.set(key, value);
    return value;
  }

  /** Hands a value of an earlier section over through its record. */
  #cross(node: Node, span: Span, home: Section, section: Section): Value {
    if (home === "pair" || home === "finish") {
      throw new PairfoldError("internal", `a value of section ${home} is wanted in ${section}`);
    }
    const memory = { kind: "record", section: home } as const;
    const target = this.builders[section];
    if (span.counter === null) return this.#load(this.#component(node, span, home), home, target);
    let base = this.#bases.get(node);
    if (base === undefined) {
      base = this.layouts[home].length;
      this.#bases.set(node, base);
      const types: Type[] = this.layouts[home];
      for (let d = 0; d < node.dim; d++) types.push(this.#recordType(home));
      const from = base;
      this.#eachSpan(node, home, (part) => {
        const value = this.#asFloat(this.builders[home], this.#component(node, part, home));
        this.builders[home].store(memory, place(from + part.offset, part.counter), value);
      });
    }
    return target.load(memory, place(base + span.offset, span.counter));
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

  #asFloat(b: Builder, value: Value): Value {
    return isFloat(value.type) ? value : b.convert(value);
  }

  #compute(node: Node, span: Span, section: Section): Value {
    const b = this.builders[section];
    switch (node.kind) {
      case "variable": {
        const type = node.number === "index" && section !== "uniform" ? b.integer : b.float;
        const memory = { kind: "input", slot: node.slot } as const;
        return b.load(memory, place(span.offset, span.counter), type);
      }
      case "op":
        return this.#operation(node, span, section);
      default:
        throw new PairfoldError("internal", `${node.kind} has no value in ${section}`);
    }
  }

  #argument(argument: Node, span: Span, section: Section): Value {
    return this.#component(argument, argument.dim === 1 ? single(0) : span, section);
  }

  #operation(node: OpNode, span: Span, section: Section): Value {
    const { op, args, attributes } = node;
    if (isScalarOp(op)) {
      if (op === "exp") return this.#exponential(node, span, section);
      const values = args.map((a) => this.#argument(a, span, section));
      return scalarTable[op].scalar(this.#algebra(section), values, attributes);
    }
    const shifted = (by: number): Span => ({ ...span, offset: span.offset + by });
    switch (op) {
      case "extract":
        return this.#component(args[0], shifted(attributes[0]), section);
      case "sumT":
        return this.#component(args[0], single(0), section);
      case "concat": {
        let start = 0;
        for (const a of args) {
          if (span.offset < start + a.dim) {
            return this.#argument(a, shifted(-start), section);
          }
          start += a.dim;
        }
        throw new PairfoldError("internal", "concat: component out of range");
      }
      case "extractT": {
        const [_dim, start] = attributes;
        const inside = span.offset >= start && span.offset < start + args[0].dim;
        if (!inside) return this.builders[section].constant(0);
        return this.#argument(args[0], shifted(-start), section);
      }
      case "strided": {
        const [start, step] = attributes;
        return this.#component(args[0], single(start + this.#fixed(node, span) * step), section);
      }
      case "stridedT": {
        const [_dim, start, step] = attributes;
        const at = this.#fixed(node, span) - start;
        const inside = at >= 0 && at % step === 0 && at / step < args[0].dim;
        if (!inside) return this.builders[section].constant(0);
        return this.#component(args[0], single(at / step), section);
      }
      case "interleave": {
        const at = this.#fixed(node, span);
        return this.#component(args[at % 2], single((at - at % 2) / 2), section);
      }
      case "sum":
        return this.#sum(args[0], section);
      default:
        throw new PairfoldError("internal", `${op} was not expanded before lowering`);
    }
  }

  /** The component that a span without a counter names. */
  #fixed(node: OpNode, span: Span): number {
    if (span.counter === null) return span.offset;
    throw new PairfoldError("internal", `${node.op}: a loop cannot run over its components yet`);
  }

  /** Sum of components: a chain, or a loop when long. */
  #sum(argument: Node, section: Section): Value {
    const b = this.builders[section];
    if (argument.dim <= UNROLL_LIMIT) {
      let total: Value | null = null;
      this.#eachSpan(argument, section, (span) => {
        const term = this.#asFloat(b, this.#component(argument, span, section));
        total = total === null ? term : b.add(total, term);
      });
      return total ?? b.constant(0);
    }
    const total = b.cell("sum");
    b.set(total, b.constant(0));
    this.#eachSpan(argument, section, (span) => {
      const term = this.#asFloat(b, this.#component(argument, span, section));
      b.set(total, b.add(b.get(total), term));
    });
    return b.get(total);
  }

  /** exp, with a uniform scale of its argument as the exponential's own coefficient. */
  #exponential(node: OpNode, span: Span, section: Section): Value {
    const b = this.builders[section];
    const [argument] = node.args;
    const { scale, negative, rest } = section === "uniform"
      ? unscaled(argument)
      : scaleOf(argument);
    if (scale === null) {
      const x = this.#asFloat(b, this.#argument(argument, span, section));
      return this.#mathOf(section).exp(b, x);
    }
    const u = this.builders.uniform;
    const uniform: UniformScale = (compute) => {
      const c = this.#argument(scale, span, "uniform");
      return this.#load(compute(u, negative ? u.neg(c) : c), "uniform", b);
    };
    const q = this.#asFloat(b, this.#argument(rest, span, section));
    return this.#math.expScaled(b, q, isNonNegative(rest), uniform);
  }

  #mathOf(section: Section): MathFunctions {
    return section === "uniform" ? hostMath : this.#math;
  }

  /** The scalar definitions of ops, over values of a section. Indices become floats in arithmetic. */
  #algebra(section: Section): ScalarAlgebra<Value, Value> {
    const b = this.builders[section];
    const math = this.#mathOf(section);
    const float = (x: Value): Value => this.#asFloat(b, x);
    // indices compare as integers, exactly
    const compare = (how: "lt" | "le" | "eq") => (x: Value, y: Value): Value =>
      x.type === y.type ? b[how](x, y) : b[how](float(x), float(y));
    return {
      constant: (value) => b.constant(value),
      add: (x, y) => b.add(float(x), float(y)),
      sub: (x, y) => b.sub(float(x), float(y)),
      mul: (x, y) => b.mul(float(x), float(y)),
      div: (x, y) => b.div(float(x), float(y)),
      neg: (x) => b.neg(float(x)),
      abs: (x) => b.abs(float(x)),
      sqrt: (x) => b.sqrt(float(x)),
      floor: (x) => b.floor(float(x)),
      exp: (x) => math.exp(b, float(x)),
      expm1: (x) => math.expm1(b, float(x)),
      log: (x) => math.log(b, float(x)),
      log1p: (x) => math.log1p(b, float(x)),
      sin: (x) => math.sin(b, float(x)),
      cos: (x) => math.cos(b, float(x)),
      asin: (x) => math.asin(b, float(x)),
      acos: (x) => math.acos(b, float(x)),
      atan: (x) => math.atan(b, float(x)),
      atan2: (y, x) => math.atan2(b, float(y), float(x)),
      sinh: (x) => math.sinh(b, float(x)),
      cosh: (x) => math.cosh(b, float(x)),
      tanh: (x) => math.tanh(b, float(x)),
      erf: (x) => math.erf(b, float(x)),
      erfc: (x) => math.erfc(b, float(x)),
      pow: (x, y) => math.pow(b, float(x), float(y)),
      hypot: (x, y) => math.hypot(b, float(x), float(y)),
      lt: compare("lt"),
      le: compare("le"),
      eq: compare("eq"),
      not: (m) => b.maskNot(m),
      or: (m, n) => b.maskOr(m, n),
      select: (m, x, y) => x.type === y.type ? b.select(m, x, y) : b.select(m, float(x), float(y)),
    };
  }
}

interface Scaled {
  readonly scale: Node | null;
  readonly negative: boolean;
  readonly rest: Node;
}

const unscaled = (node: Node): Scaled => ({ scale: null, negative: false, rest: node });

/** Splits ±c·q into a uniform scalar c and q; constants are no scales. */
function scaleOf(node: Node, negative = false): Scaled {
  if (node.kind !== "op") return unscaled(node);
  if (node.op === "neg") return scaleOf(node.args[0], !negative);
  if (node.op !== "mul") return unscaled(node);
  const isScale = (n: Node): boolean => n.domain === "p" && n.kind !== "constant" && n.dim === 1;
  const [a, b] = node.args;
  if (isScale(a) && !isScale(b)) return { scale: a, negative, rest: b };
  if (isScale(b) && !isScale(a)) return { scale: b, negative, rest: a };
  return unscaled(node);
}

/** Components at which a long vector changes its source, so that a loop must not cross them. */
function breaks(node: Node): number[] {
  if (node.kind !== "op" || node.dim <= 1) return [];
  const { op, args, attributes } = node;
  const within = (list: number[]): number[] => list.filter((x) => x > 0 && x < node.dim);
  switch (op) {
    case "extract":
      return within(breaks(args[0]).map((x) => x - attributes[0]));
    case "extractT": {
      const start = attributes[1];
      const inner = breaks(args[0]).map((x) => x + start);
      return within([start, start + args[0].dim, ...inner]);
    }
    case "concat": {
      let start = 0;
      const all: number[] = [];
      for (const a of args) {
        const from = start;
        all.push(from, ...breaks(a).map((x) => x + from));
        start += a.dim;
      }
      return within(all);
    }
    default:
      return isScalarOp(op) ? args.flatMap(breaks) : [];
  }
}
