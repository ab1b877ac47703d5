// Finds the contraction of a kernel: the loop over long vectors' components that every pair runs
// through, a sum of products or of squares of differences. It needs nothing but one vector of the
// row and one of the column, so that targets may compute it for many rows and columns at a time,
// like a matrix product, and hand its values to the rest of the pair section. Each sum meets its
// components in the same order, so no bit changes.
//
// Enters: a kernel. Leaves: its contraction, and what its inner loops do besides.

import {
  type Cell,
  type Counter,
  type Memory,
  type Place,
  type Region,
  region,
  type Statement,
  type Value,
} from "./ir.ts";
import type { Kernel, TensorProducts } from "./kernel.ts";
import { visit } from "./passes.ts";

/** A sum over the components of one vector of the row and one of the column. */
export interface Contraction {
  /** Counts components. */
  readonly counter: Counter;
  /** What one component adds to the sum. */
  readonly body: Region;
  readonly sum: Cell;
  /** What the sum begins with. */
  readonly initial: number;
  /** First slots of the two vectors in their records. */
  readonly row: number;
  readonly column: number;
  /** Whether it is a sum of products, one operation per component. */
  readonly isProduct: boolean;
  /**
   * How tensor cores multiply, where it is a sum of products and the kernel wants them; else null.
   */
  readonly products: TensorProducts | null;
  /** The kernel's inner loops, which load the sum from what a pair holds (slot 0). */
  readonly pair: Region;
  readonly careful: Region | null;
}

/** Operations of a component at most: more of them leave no registers for the sums. */
const MOST_OPERATIONS = 4;

/** Each kernel is looked at once. */
const known = new WeakMap<Kernel, Contraction | null>();

/** The contraction of a kernel; null where it has none, or several, or one of another kind. */
export function contractionOf(kernel: Kernel): Contraction | null {
  let found = known.get(kernel);
  if (found === undefined) known.set(kernel, found = find(kernel));
  return found;
}

type Loop = Statement & { readonly kind: "for" };

/** A loop that is a contraction. */
interface Found extends Pick<Contraction, "sum" | "initial" | "row" | "column"> {
  readonly loop: Loop;
  readonly isProduct: boolean;
}

function find(kernel: Kernel): Contraction | null {
  const found = findIn(kernel.pair, kernel);
  if (found === null) return null;
  const { loop, sum, initial, row, column, isProduct } = found;
  let careful: Region | null = null;
  if (kernel.careful !== null) {
    const other = findIn(kernel.careful.pair, kernel);
    if (other === null || shapeOf(other) !== shapeOf(found)) return null;
    careful = without(kernel.careful.pair, other);
  }
  // a row's vector is rounded for tensor cores where it stands
  const { count } = loop;
  const isRead = [kernel.close, kernel.careful?.test, kernel.finish].some((region) =>
    region && readsWindow(region, loop, "row", row, count)
  );
  const isTensor = isProduct && !isRead && kernel.float === "f32";
  const products = isTensor ? kernel.products ?? null : null;
  const { counter, body } = loop;
  const pair = without(kernel.pair, found);
  return { counter, body, sum, initial, row, column, isProduct, products, pair, careful };
}

/** The only contraction of an inner loop. */
function findIn(pair: Region, kernel: Kernel): Found | null {
  const all = pair.statements.flatMap((s) => {
    const found = s.kind === "for" ? contractionIn(s, pair, kernel) : null;
    return found === null ? [] : [found];
  });
  const [only, ...others] = all;
  if (only === undefined || others.length > 0) return null;
  const { row, column, loop: { count } } = only;
  const isElsewhere = readsWindow(pair, only.loop, "row", row, count) ||
    readsWindow(pair, only.loop, "column", column, count);
  return isElsewhere ? null : only;
}

/** What a loop contracts; null where it does anything else. */
function contractionIn(loop: Loop, pair: Region, kernel: Kernel): Found | null {
  const { counter, count, body } = loop;
  const vectors: Record<"row" | "column", Set<number>> = { row: new Set(), column: new Set() };
  const isComponent = ({ terms }: Place): boolean =>
    terms.length === 1 && terms[0].counter === counter && terms[0].step === 1;
  const isRead = (memory: Memory, place: Place): boolean => {
    if (memory.kind !== "record") return false;
    if (memory.section === "uniform") return place.terms.length === 0;
    if (!isComponent(place)) return false;
    vectors[memory.section].add(place.offset);
    return true;
  };
  const cells = new Set<Cell>();
  let operations = 0;
  const fits = body.statements.every((s) => {
    if (s.kind === "set") return cells.add(s.cell), s.value.type === kernel.float;
    if (s.kind !== "let") return false;
    const { value } = s;
    switch (value.kind) {
      case "constant":
        return true;
      case "get":
        cells.add(value.cell);
        return true;
      case "load":
        return isRead(value.memory, value.place);
      case "operation":
        operations++;
        return value.operation in ARITHMETIC;
      default:
        return false;
    }
  });
  const [sum, ...others] = cells;
  const isOne = sum !== undefined && others.length === 0 && sum.type === kernel.float &&
    vectors.row.size === 1 && vectors.column.size === 1;
  if (!fits || !isOne || operations > MOST_OPERATIONS) return null;
  if (kernel.state.some((item) => item.kind === "cell" && item.cell === sum)) return null;
  const initial = initialOf(pair, loop, sum);
  if (initial === null) return null;
  const [row] = vectors.row;
  const [column] = vectors.column;
  const last = (offset: number): number => offset + count - 1;
  const { records } = kernel;
  if (last(row) >= records.row.length || last(column) >= records.column.length) return null;
  return { loop, sum, initial, row, column, isProduct: isProduct(body, sum) };
}

/** What a component may be computed by. */
const ARITHMETIC: Readonly<Record<string, true>> = {
  add: true,
  sub: true,
  mul: true,
  madd: true,
  nmadd: true,
  neg: true,
  abs: true,
};

/** What a sum begins with, where nothing but the loop and a constant before it set it. */
function initialOf(pair: Region, loop: Loop, sum: Cell): number | null {
  const at = pair.statements.indexOf(loop);
  let initial: number | null = null;
  let sets = 0;
  visit(pair, (s) => {
    if (s.kind === "set" && s.cell === sum) sets++;
  });
  pair.statements.slice(0, at).forEach((s) => {
    if (s.kind !== "set" || s.cell !== sum) return;
    initial = s.value.kind === "constant" ? s.value.value : null;
  });
  // one before the loop, one inside
  return sets === 2 ? initial : null;
}

/** Whether a component adds the product of both vectors' to the sum, and nothing else. */
function isProduct({ statements }: Region, sum: Cell): boolean {
  const isLoad = (value: Value): boolean =>
    value.kind === "load" && value.memory.kind === "record" && value.place.terms.length > 0;
  const sectionOf = (value: Value): string =>
    value.kind === "load" && value.memory.kind === "record" ? value.memory.section : "";
  const isSum = (value: Value): boolean => value.kind === "get" && value.cell === sum;
  const set = statements.find((s) => s.kind === "set");
  if (set?.kind !== "set" || set.value.kind !== "operation") return false;
  const { operation, args } = set.value;
  const isBoth = (a: Value, b: Value): boolean =>
    isLoad(a) && isLoad(b) && sectionOf(a) !== sectionOf(b);
  if (operation === "madd") return isBoth(args[0], args[1]) && isSum(args[2]);
  if (operation !== "add") return false;
  const [term, ...rest] = args.filter((a) => !isSum(a));
  return rest.length === 0 && term?.kind === "operation" && term.operation === "mul" &&
    isBoth(term.args[0], term.args[1]);
}

/** Whether anything in a region but a loop reads a vector of a record. */
function readsWindow(
  region: Region,
  loop: Loop,
  section: "row" | "column",
  first: number,
  count: number,
): boolean {
  const own = new Set<Statement>(loop.body.statements);
  let reads = false;
  visit(region, (s) => {
    if (own.has(s) || s.kind !== "let" || s.value.kind !== "load") return;
    const { memory, place: { offset, terms } } = s.value;
    if (memory.kind !== "record" || memory.section !== section) return;
    const high = terms.reduce((end, { counter, step }) => end + step * (counter.count - 1), offset);
    if (offset < first + count && high >= first) reads = true;
  });
  return reads;
}

/** What two contractions have in common that are the same. */
function shapeOf({ loop, initial, row, column }: Found): string {
  const numbers = new Map<Value, number>();
  const text = loop.body.statements.map((s) => {
    if (s.kind === "set") return `set ${numbers.get(s.value)}`;
    if (s.kind !== "let") return s.kind;
    const { value } = s;
    numbers.set(value, numbers.size);
    switch (value.kind) {
      case "constant":
        return `constant ${Object.is(value.value, -0) ? "-0" : value.value}`;
      case "load": {
        const section = value.memory.kind === "record" ? value.memory.section : "";
        return `load ${section} ${value.place.offset}`;
      }
      case "operation":
        return `${value.operation} ${value.args.map((a) => numbers.get(a))}`;
      default:
        return value.kind;
    }
  });
  const first = Object.is(initial, -0) ? "-0" : initial;
  return [loop.count, first, row, column, ...text].join("\n");
}

/** An inner loop that loads the contraction's value instead of computing it. */
function without(pair: Region, { loop, sum }: Found): Region {
  const to = region("root");
  for (const s of pair.statements) {
    if (s.kind === "set" && s.cell === sum) continue;
    if (s !== loop) {
      to.statements.push(s);
      continue;
    }
    const value: Value = {
      kind: "load",
      memory: { kind: "held" },
      place: { offset: 0, terms: [] },
      id: -1,
      type: sum.type,
      region: to,
      perRow: true,
      row: 0,
      column: 0,
    };
    to.statements.push({ kind: "let", value }, { kind: "set", cell: sum, value });
  }
  return to;
}
