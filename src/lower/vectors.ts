// Lowers the ops on vectors that have no definition by simpler ones: where a component comes from,
// contractions of tensors, extrema, recurrences over grids. Enters: what one section knows of
// components. Leaves: values, or arrays that are filled.

import { axesOf, type Node, type OpNode, stridesOf } from "../formula/mod.ts";
import {
  type Builder,
  divided,
  joined,
  type LocalArray,
  type MathFunctions,
  moved,
  type Place,
  place,
  rangeOf,
  scaled,
  shifted,
  type Value,
} from "../loop/mod.ts";
import { UNROLL_LIMIT } from "../reduction/mod.ts";
import { SHORT_LOOP } from "./runs.ts";

/** The components of formulas in one section. */
export interface Components {
  readonly b: Builder;
  readonly math: MathFunctions;
  /** A component as a float. */
  value(node: Node, at: Place): Value;
  /** The same, for a vector whose components are read again and again. */
  repeated(node: Node, at: Place): Value;
  /** Runs `body` for every component, in a loop or one by one. */
  each(node: Node, body: (at: Place) => void): void;
}

/** Where a component of a vector that only moves components comes from. */
export type Source =
  | { readonly kind: "component"; readonly node: Node; readonly at: Place }
  | { readonly kind: "zero" }
  /** From different places in different turns of a loop. */
  | { readonly kind: "mixed" };

const MIXED: Source = { kind: "mixed" };
const ZERO: Source = { kind: "zero" };

const from = (node: Node, at: Place): Source => ({ kind: "component", node, at });

/** The source of a component; null for ops that compute. */
export function sourceOf({ op, args, attributes }: OpNode, at: Place): Source | null {
  const [x] = args;
  switch (op) {
    case "sumT":
      return from(x, place(0));
    case "extract":
      return from(x, shifted(at, attributes[0]));
    case "strided":
      return from(x, shifted(scaled(at, attributes[1]), attributes[0]));
    case "concat": {
      const { low, high } = rangeOf(at);
      let start = 0;
      for (const a of args) {
        const end = start + a.dim;
        if (low < end) return high < end ? from(a, shifted(at, -start)) : MIXED;
        start = end;
      }
      return MIXED;
    }
    case "extractT":
      return within(x, shifted(at, -attributes[1]));
    case "stridedT": {
      const [_dim, start, step] = attributes;
      const inner = shifted(at, -start);
      const part = divided(inner, step);
      if (part !== null) return within(x, part);
      return inner.terms.every((t) => t.step % step === 0) ? ZERO : MIXED;
    }
    case "interleave": {
      const which = at.offset % 2;
      const part = divided(shifted(at, -which), 2);
      return part === null ? MIXED : from(args[which], part);
    }
    default:
      return null;
  }
}

/** A component of a vector that zeros surround. */
function within(x: Node, at: Place): Source {
  const { low, high } = rangeOf(at);
  if (high < 0 || low >= x.dim) return ZERO;
  return low >= 0 && high < x.dim ? from(x, at) : MIXED;
}

/** Writes a vector that only moves components to an array, part by part. */
export function fillMoved(c: Components, node: OpNode, array: LocalArray): void {
  const { op, args, attributes, dim } = node;
  const copy = (a: Node, to: (at: Place) => Place): void =>
    c.each(a, (at) => store(c.b, array, to(at), c.value(a, at)));
  const clear = (start: number, end: number): void => {
    if (start === end) return;
    const zero = c.b.constant(0);
    c.b.for(end - start, (counter) => store(c.b, array, place(start, counter), zero));
  };
  switch (op) {
    case "concat": {
      let start = 0;
      for (const a of args) {
        const by = start;
        copy(a, (at) => shifted(at, by));
        start += a.dim;
      }
      return;
    }
    case "extractT": {
      const [_dim, start] = attributes;
      clear(0, start);
      copy(args[0], (at) => shifted(at, start));
      clear(start + args[0].dim, dim);
      return;
    }
    case "stridedT": {
      const [_dim, start, step] = attributes;
      clear(0, dim);
      copy(args[0], (at) => shifted(scaled(at, step), start));
      return;
    }
    case "interleave":
      args.forEach((a, k) => copy(a, (at) => shifted(scaled(at, 2), k)));
      return;
    default:
      c.each(node, (at) => store(c.b, array, at, c.value(node, at)));
  }
}

function store(b: Builder, array: LocalArray, at: Place, value: Value): void {
  b.store({ kind: "array", array }, at, value);
}

/** A place's own number, as a float. */
export function position(b: Builder, { offset, terms }: Place): Value {
  const start = offset === 0 && terms.length > 0 ? null : b.constant(offset);
  const total = terms.reduce<Value | null>((sum, { counter, step }) => {
    const turn = b.convert(b.counter(counter));
    const share = step === 1 ? turn : b.mul(turn, b.constant(step));
    return sum === null ? share : b.add(sum, share);
  }, start);
  return total ?? b.constant(0);
}

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** A place's index along each axis of a row-major tensor; null where it is not affine. */
function digitsOf(at: Place, dims: readonly number[]): Place[] | null {
  const strides = stridesOf(dims);
  const digits = dims.map((dim, axis) => place(Math.floor(at.offset / strides[axis]) % dim));
  for (const { counter, step } of at.terms) {
    const axis = strides.findIndex((s, k) => dims[k] > 1 && step >= s && step % s === 0);
    if (axis < 0) return null;
    digits[axis] = moved(digits[axis], counter, step / strides[axis]);
  }
  const fits = digits.every((digit, axis) => rangeOf(digit).high < dims[axis]);
  return fits ? digits : null;
}

/** How many products a contraction's component is the sum of. */
export function termsOf({ attributes }: OpNode): number {
  const { dims, rank } = axesOf(attributes);
  return product(dims.slice(rank));
}

/** Contractions with at most so many products in all are unrolled. */
const UNROLLED_PRODUCTS = 100;

/** Whether a contraction of few components is better computed by loops. */
export function isLarge(node: OpNode): boolean {
  return node.op === "tensorDot" && node.dim > SHORT_LOOP &&
    node.dim * termsOf(node) > UNROLLED_PRODUCTS;
}

/** A component of a contraction: a sum of products, in loops when long; null where not affine. */
export function contraction(c: Components, node: OpNode, at: Place): Value | null {
  const { rank, dims, stridesA, stridesB } = axesOf(node.attributes);
  const fixed = digitsOf(at, dims.slice(0, rank));
  if (fixed === null) return null;
  const { b } = c;
  const factor = (k: 0 | 1, digits: readonly Place[]): Value => {
    const strides = k === 0 ? stridesA : stridesB;
    const there = joined(...digits.map((digit, axis) => scaled(digit, strides[axis])));
    const isReused = dims.some((dim, axis) => dim > 1 && strides[axis] === 0);
    return isReused ? c.repeated(node.args[k], there) : c.value(node.args[k], there);
  };
  const term = (digits: readonly Place[]): Value => {
    const [x, y] = [factor(0, digits), factor(1, digits)];
    if (isOne(x)) return y;
    return isOne(y) ? x : b.mul(x, y);
  };
  const count = termsOf(node);
  if (count === 1) return term([...fixed, ...dims.slice(rank).map(() => place(0))]);
  const summed = dims.slice(rank);
  const isUnrolled = unrolledAxes(summed, count <= UNROLL_LIMIT);
  const walk = (digits: readonly Place[], body: (digits: readonly Place[]) => void): void => {
    const axis = digits.length - rank;
    if (axis === summed.length) {
      body(digits);
    } else if (isUnrolled[axis]) {
      for (let k = 0; k < summed[axis]; k++) walk([...digits, place(k)], body);
    } else b.for(summed[axis], (counter) => walk([...digits, place(0, counter)], body));
  };
  return b.before(at.terms.map((t) => t.counter), () => {
    if (count <= UNROLL_LIMIT) {
      let total: Value | null = null;
      walk(fixed, (digits) => {
        const next = term(digits);
        total = total === null ? next : b.add(total, next);
      });
      return total;
    }
    const total = b.cell("dot");
    b.set(total, b.constant(0));
    walk(fixed, (digits) => {
      const next = term(digits);
      b.set(total, b.add(b.get(total), next));
    });
    return b.get(total);
  });
}

const isOne = (value: Value): boolean => value.kind === "constant" && value.value === 1;

/** Which contracted axes have no loop: all, or the innermost while they are short. */
function unrolledAxes(dims: readonly number[], all: boolean): boolean[] {
  let copies = 1;
  return dims.map((_, k) => dims.length - 1 - k).map((axis) => {
    const isShort = dims[axis] <= SHORT_LOOP && copies * dims[axis] <= 4 * SHORT_LOOP;
    if (isShort) copies *= dims[axis];
    return all || isShort;
  }).reverse();
}

/** The extremum of a vector's components, or its index: the first winner, NaN never. */
export function extremum(c: Components, node: OpNode): Value {
  const { b } = c;
  const [x] = node.args;
  const isMax = node.op === "maxOf" || node.op === "argMaxOf";
  const wantsIndex = node.op === "argMaxOf" || node.op === "argMinOf";
  const best = b.cell("best");
  const index = b.cell("index");
  const takes = (value: Value, than: Value): Value => {
    const keeps = isMax ? b.le(value, than) : b.le(than, value);
    return b.maskAnd(b.maskNot(keeps), b.eq(value, value));
  };
  if (x.dim <= UNROLL_LIMIT) {
    let [top, where] = [b.constant(NaN), b.constant(-1)];
    for (let d = 0; d < x.dim; d++) {
      const value = c.value(x, place(d));
      const wins = d === 0 ? b.eq(value, value) : takes(value, top);
      where = b.select(wins, b.constant(d), where);
      top = d === 0 ? value : b.select(wins, value, top);
    }
    return wantsIndex ? where : top;
  }
  return b.before([], () => {
    b.set(best, b.constant(NaN));
    if (wantsIndex) b.set(index, b.constant(-1));
    c.each(x, (at) => {
      const value = c.value(x, at);
      const top = b.get(best);
      const wins = takes(value, top);
      b.set(best, b.select(wins, value, top));
      if (wantsIndex) b.set(index, b.select(wins, position(b, at), b.get(index)));
    });
    return b.get(wantsIndex ? index : best);
  });
}

/** −γ log Σ exp(−r/γ). */
function softMin(c: Components, list: readonly Value[], gamma: Value): Value {
  const { b, math } = c;
  const inverse = b.div(b.constant(1), gamma);
  const least = list.reduce((x, y) => b.pmin(x, y));
  const total = list.map((r) => math.exp(b, b.mul(b.sub(least, r), inverse)))
    .reduce((x, y) => b.add(x, y));
  return b.sub(least, b.mul(gamma, math.log(b, total)));
}

/** A loop that may have no turn. */
function loop(b: Builder, count: number, body: (at: Place) => void): void {
  if (count > 0) b.for(count, (counter) => body(place(0, counter)));
}

/** Soft dynamic time warping of two series, one column of the grid kept at a time. */
export function warpedDistance(c: Components, { args: [x, y, gamma] }: OpNode): Value {
  const { b } = c;
  const [n, m] = [x.dim, y.dim];
  return b.before([], () => {
    const g = c.value(gamma, place(0));
    const column = b.array("column", n);
    const [up, corner] = [b.cell("up"), b.cell("corner")];
    const cost = (i: Place, j: Place): Value => {
      const difference = b.sub(c.repeated(x, i), c.repeated(y, j));
      return b.mul(difference, difference);
    };
    const put = (i: Place, value: Value): void => {
      store(b, column, i, value);
      b.set(up, value);
    };
    const first = place(0);
    put(first, cost(first, first));
    loop(b, n - 1, (at) => {
      const i = shifted(at, 1);
      put(i, b.add(b.get(up), cost(i, first)));
    });
    loop(b, m - 1, (later) => {
      const j = shifted(later, 1);
      const start = b.fetch(column, first);
      b.set(corner, start);
      put(first, b.add(start, cost(first, j)));
      loop(b, n - 1, (at) => {
        const i = shifted(at, 1);
        const left = b.fetch(column, i);
        const least = softMin(c, [b.get(corner), b.get(up), left], g);
        b.set(corner, left);
        put(i, b.add(cost(i, j), least));
      });
    });
    return b.fetch(column, place(n - 1));
  });
}

/** A cell of a grid, and whether cells stand before it in its column and in its row. */
type Cell = (at: Place, hasUp: boolean, hasLeft: boolean) => void;

/** Visits an n×m grid from its first cell to its last. */
function forward(b: Builder, n: number, m: number, cell: Cell): void {
  cell(place(0), false, false);
  loop(b, m - 1, (j) => cell(shifted(j, 1), false, true));
  loop(b, n - 1, (i) => {
    const row = shifted(scaled(i, m), m);
    cell(row, true, false);
    loop(b, m - 1, (j) => cell(shifted(joined(row, j), 1), true, true));
  });
}

/** Visits an n×m grid from its last cell to its first. */
function backward(b: Builder, n: number, m: number, cell: Cell): void {
  loop(b, n - 1, (i) => {
    const row = shifted(scaled(i, -m), (n - 1) * m);
    loop(b, m - 1, (j) => cell(shifted(joined(row, scaled(j, -1)), m - 1), true, true));
    cell(row, true, false);
  });
  loop(b, m - 1, (j) => cell(shifted(scaled(j, -1), m - 1), false, true));
  cell(place(0), false, false);
}

/** Fills the array of a recurrence over a grid. */
export function fillGrid(c: Components, node: OpNode, array: LocalArray): void {
  const { op, args, attributes: [n, m] } = node;
  const { b } = c;
  const read = (at: Place): Value => b.fetch(array, at);
  const reach = [m, 1, m + 1]; // from a cell to those above, to the left, and both
  const inside = (hasUp: boolean, hasLeft: boolean): number[] =>
    [0, 1, 2].filter((k) => [hasUp, hasLeft, hasUp && hasLeft][k]);
  switch (op) {
    case "softDtwTable": {
      const gamma = c.value(args[1], place(0));
      forward(b, n, m, (at, hasUp, hasLeft) => {
        const list = inside(hasUp, hasLeft).map((k) => read(shifted(at, -reach[k])));
        const cost = c.value(args[0], at);
        const [only] = list;
        if (list.length === 0) store(b, array, at, cost);
        else store(b, array, at, b.add(cost, list.length === 1 ? only : softMin(c, list, gamma)));
      });
      return;
    }
    case "gridScan":
      forward(b, n, m, (at, hasUp, hasLeft) => {
        const total = inside(hasUp, hasLeft).reduce(
          (sum, k) => b.madd(c.value(args[k], at), read(shifted(at, -reach[k])), sum),
          c.value(args[3], at),
        );
        store(b, array, at, total);
      });
      return;
    default: // gridScanT: each cell hands its value on to those before it
      c.each(args[3], (at) => store(b, array, at, c.value(args[3], at)));
      backward(b, n, m, (at, hasUp, hasLeft) => {
        const value = read(at);
        for (const k of inside(hasUp, hasLeft)) {
          const to = shifted(at, -reach[k]);
          store(b, array, to, b.madd(c.value(args[k], at), value, read(to)));
        }
      });
  }
}
