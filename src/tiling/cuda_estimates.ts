// What the rows of a CUDA thread take: registers, memory where vectors are long, statements.

import {
  type Counter,
  type FloatType,
  hasAppends,
  type Kernel,
  lengthOf,
  type LocalArray,
  MATH_OPERATIONS,
  type Region,
  type StateItem,
  typeOf,
  type Value,
  visit,
} from "../loop/mod.ts";
import { sliceableOf } from "./cuda_slices.ts";

/**
 * Elements of arrays up to which their loops are unrolled wholly, so that they stay in registers.
 */
export const REGISTER_ARRAY = 64;

/** The same for numbers of a type: doubles are two registers each. */
export const registerArray = (float: FloatType): number =>
  float === "f32" ? REGISTER_ARRAY : REGISTER_ARRAY / 2;

/** Turns side by side of loops over longer arrays. */
export const PARTLY_UNROLLED = 4;

/** 32-bit registers that an item of state takes while it is in registers. */
function registersOf(item: StateItem, longest: number): number {
  const length = lengthOf(item);
  const type = typeOf(item);
  return length > longest ? 0 : length * (type === "f64" || type === "i64" ? 2 : 1);
}

/**
 * Registers of a row's state that the inner loop meets. What is met at the end of a block alone
 * (totals, their compensation) the compiler keeps in memory where registers are few.
 */
export function stateRegisters(kernel: Kernel, longest: number): number {
  const met = new Set<unknown>();
  visit(kernel.pair, (s) => {
    if (s.kind === "set") met.add(s.cell);
    if (s.kind === "store" && s.memory.kind === "array") met.add(s.memory.array);
    if (s.kind !== "let") return;
    if (s.value.kind === "get") met.add(s.value.cell);
    if (s.value.kind === "load" && s.value.memory.kind === "array") met.add(s.value.memory.array);
  });
  return kernel.state
    .filter((item) => met.has(item.kind === "cell" ? item.cell : item.array))
    .reduce((total, item) => total + registersOf(item, longest), 0);
}

/** Slots of the row record that the inner loop reads, where few enough to stay in registers. */
export function rowSlotsOf(pair: Region, longest: number): number {
  const slots = new Set<number>();
  visit(pair, (s) => {
    if (s.kind !== "let" || s.value.kind !== "load") return;
    const { memory, place } = s.value;
    if (memory.kind !== "record" || memory.section !== "row") return;
    const [term] = place.terms;
    const count = term === undefined ? 1 : term.counter.count;
    if (count > longest) return;
    for (let k = 0; k < count; k++) slots.add(place.offset + k * (term?.step ?? 0));
  });
  return slots.size;
}

/** Statements that a math function counts as: it is a page of instructions. */
const MATH_STATEMENTS = 25;

/** Math functions but 2^x in single precision, which is one instruction. */
const isLongFunction = (value: Value): boolean =>
  value.kind === "operation" && value.operation in MATH_OPERATIONS &&
  (value.operation !== "exp2" || value.type === "f64");

/** Statements of a region as they stand once its loops of so many turns are unrolled. */
export function unrolledStatements(region: Region, longest = REGISTER_ARRAY): number {
  let count = 0;
  for (const s of region.statements) {
    count += s.kind === "let" && isLongFunction(s.value) ? MATH_STATEMENTS : 1;
    if (s.kind === "for") {
      const turns = s.count <= longest ? s.count : PARTLY_UNROLLED;
      count += turns * unrolledStatements(s.body, longest);
    } else if (s.kind === "when") {
      count += unrolledStatements(s.body, longest);
      if (s.otherwise !== undefined) count += unrolledStatements(s.otherwise, longest);
    }
  }
  return count;
}

/** Components of a row, and of sums beside it, up to which both are registers. */
const CROWDED = 24;

/** Whether a row's vectors are too long for registers, so that they wait in memory. */
export function hasLongRows({ pair }: Kernel, longest: number, cut: ReadonlySet<Counter>): boolean {
  let isLong = false;
  visit(pair, (s) => {
    if (s.kind !== "let" || s.value.kind !== "load") return;
    const { memory, place } = s.value;
    if (memory.kind !== "record" || memory.section !== "row") return;
    if (place.terms.some(({ counter: c }) => c.count > longest && !cut.has(c))) isLong = true;
  });
  return isLong;
}

/**
 * Elements of arrays up to which a fold keeps them in registers: fewer where both rows and sums,
 * which no slices cut, are long.
 */
export function registersOfFold(kernel: Kernel, slice: number): number {
  const isCrowded = slice === 0 && !hasAppends(kernel.pair) &&
    kernel.state.some((item) => lengthOf(item) > CROWDED) &&
    hasLongRows(kernel, CROWDED, new Set());
  return isCrowded ? CROWDED : registerArray(kernel.float);
}

/** Operations of a pair, loops counted in full, but for those over components of slices. */
export function narrowOperations(kernel: Kernel): number {
  const components = sliceableOf(kernel)?.counters;
  const count = (region: Region): number =>
    region.statements.reduce((sum, s) => {
      if (s.kind === "for") return sum + (components?.has(s.counter) ? 0 : s.count * count(s.body));
      return sum + (s.kind === "let" && s.value.kind === "operation" ? 1 : 0);
    }, 0);
  return count(kernel.pair);
}

/** Arrays that a pair's loops over components meet: several where sums are scaled in between. */
export function arraysOfPair({ pair }: Kernel, components: ReadonlySet<Counter>): number {
  const met = new Set<LocalArray>();
  visit(pair, (s) => {
    if (s.kind !== "for" || !components.has(s.counter)) return;
    visit(s.body, (inner) => {
      if (inner.kind === "store" && inner.memory.kind === "array") met.add(inner.memory.array);
    });
  });
  return met.size;
}

/** Registers of a thread for slices of so many components of some arrays, and short rows. */
const SLICE_REGISTERS: Readonly<Record<FloatType, number>> = { f32: 240, f64: 272 };
/** The same where there are several arrays, which branches scale. */
const SCALED_REGISTERS = 208;

/** Whether a thread has registers for slices of some rows. */
export function slicesFit(
  { float }: Kernel,
  { rows, slice, arrays, slots }: {
    readonly rows: number;
    readonly slice: number;
    readonly arrays: number;
    /** Slots of a row beside them. */
    readonly slots: number;
  },
): boolean {
  const width = float === "f32" ? 1 : 2;
  const most = arrays > 1 ? SCALED_REGISTERS : SLICE_REGISTERS[float];
  return rows * width * (slice * arrays + slots) <= most;
}

/** Statements of the loops over components of a slice, one turn of each. */
export function sliceStatements(region: Region, components: ReadonlySet<Counter>): number {
  let count = 0;
  visit(region, (s) => {
    if (s.kind === "for" && components.has(s.counter)) count += unrolledStatements(s.body);
  });
  return count;
}
