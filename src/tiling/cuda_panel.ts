// Panels of pairs for wide sums: every thread walks some columns of its own row and leaves the
// pairs' values in shared memory; then the warp multiplies this panel with the components of these
// columns, like matrices, some rows × components per thread. So a value is computed once for all
// components of a slice, and what is loaded meets several others.
//
// Enters: a kernel. Leaves: what of its regions a thread does for its row, and what for its
// components; what panels take of shared memory.

import {
  bytesOf,
  contractionOf,
  type Counter,
  type FloatType,
  type Kernel,
  lengthOf,
  type LocalArray,
  type Place,
  type Region,
  region,
  type Statement,
  touches,
  type Value,
  visit,
} from "../loop/mod.ts";
import { chunkStride, PATCHES, SHORT_STATE, warpPieces } from "./cuda_patch.ts";
import { columnRecord, sliceableOf } from "./cuda_slices.ts";

/** Columns of a panel; behind patches it takes what they hand over at a time. */
export const PANELS: readonly number[] = [16, 32];
/** Columns of a block of the sum. */
const BLOCK = 64;
/**
 * Numbers from one row of a panel to the next, beyond its columns: where four factors stand. Rows
 * are an odd number of 16 bytes then, so that 8 of them side by side are in different banks.
 */
export const PANEL_PAD: Readonly<Record<FloatType, number>> = { f32: 4, f64: 6 };
/** Components of a thread at most: with 8 rows they are 128 sums, or 80 of two registers each. */
const MOST_COMPONENTS: Readonly<Record<FloatType, number>> = { f32: 16, f64: 10 };
/** Slices up to which a thread takes 4 rows, else 8. */
const NARROW_SLICE = 32;
/** Cells of a row's state at most: they pass through its row of the panel. */
const MOST_CELLS = 16;

/** A region in two: what meets no array of state, and the loops that do nothing else. */
export interface Parted {
  readonly cells: Region;
  readonly arrays: Region;
}

/** What a kernel does where its wide sums are products of panels. */
export interface Panel {
  /**
   * An inner loop without its components: it leaves the pair's value, and what sums are scaled by.
   * Of a kernel with a careful one it is that: others give the same bits, and a multiplication per
   * pair is little beside its components.
   */
  readonly narrow: (pair: Region) => Region;
  /** Arrays of one element for these two; no factor where sums are never scaled. */
  readonly value: LocalArray;
  readonly factor: LocalArray | null;
  /** Arrays that the factor scales. */
  readonly scaled: readonly LocalArray[];
  /** What products of values and components are added to, and what they are between blocks. */
  readonly sums: LocalArray;
  readonly initial: number;
  /** Without what sums begin with. */
  readonly init: Parted;
  readonly close: Parted;
  /** All arrays of state, which have a counter's length. */
  readonly arrays: ReadonlySet<LocalArray>;
  readonly counters: ReadonlySet<Counter>;
}

/** Rows and components of a thread for slices of so many components. */
export function panelShape(slice: number): { readonly rows: number; readonly components: number } {
  const rows = slice <= NARROW_SLICE ? 4 : 8;
  return { rows, components: slice / rows };
}

/** Panels in words. */
export function panelText(slice: number, panel: number): string {
  const { rows, components } = panelShape(slice);
  return `panels of ${panel} columns times ${rows} rows × ${components} components per thread`;
}

/** Whether slices can be dealt to the threads of a warp. */
export function isPanelSlice(slice: number, float: FloatType): boolean {
  const { components } = panelShape(slice);
  return Number.isInteger(components) && components >= 1 && components <= MOST_COMPONENTS[float];
}

/** The slice of n components at most that a width is cut into, so that little is left over. */
export function panelSlice(width: number, most: number): number {
  const part = Math.ceil(width / Math.ceil(width / most));
  const step = part <= NARROW_SLICE ? 4 : 8;
  return step * Math.ceil(part / step);
}

/** Bytes of shared memory that a block of threads takes. */
export function panelBytes(
  kernel: Kernel,
  { threads, slice, chunk, panel }: {
    readonly threads: number;
    readonly slice: number;
    readonly chunk: number;
    readonly panel: number;
  },
): number {
  const { float } = kernel;
  const { staged } = columnRecord(kernel, slice, chunk);
  if (chunk === 0) {
    return bytesOf(float, float) * (threads * (panel + PANEL_PAD[float]) + 2 * panel * staged);
  }
  const { tile } = PATCHES[float];
  const pieces = threads / 32 * warpPieces(chunk, float) + 2 * tile * chunkStride(chunk, float);
  return 16 * pieces + bytesOf(float, float) * tile * staged;
}

/** Each kernel is looked at once. */
const known = new WeakMap<Kernel, Panel | null>();

/** How a kernel's sums are products of panels; null where they are not. */
export function panelOf(kernel: Kernel): Panel | null {
  let found = known.get(kernel);
  if (found === undefined) known.set(kernel, found = lookAt(kernel));
  return found;
}

type Loop = Statement & { readonly kind: "for" };
type When = Statement & { readonly kind: "when" };

/** A pair's value times a component, added to a sum. */
interface Product {
  readonly loop: Loop;
  readonly value: Value;
  readonly sums: LocalArray;
}

/** A branch that scales sums. */
interface Scaling {
  readonly when: When;
  readonly loop: Loop;
  readonly factor: Value;
  readonly scaled: readonly LocalArray[];
}

function lookAt(kernel: Kernel): Panel | null {
  const sliceable = sliceableOf(kernel);
  if (sliceable === null || sliceable.length <= SHORT_STATE) return null;
  if (kernel.block !== BLOCK) return null;
  const cells = kernel.state.flatMap((item) => item.kind === "cell" ? [item.cell] : []);
  if (cells.length > MOST_CELLS || cells.some(({ type }) => type !== kernel.float)) return null;
  if (columnRecord(kernel, NARROW_SLICE).windows !== 1) return null;
  const arrays = new Set(
    kernel.state.flatMap((item) => item.kind === "array" && lengthOf(item) > 1 ? [item.array] : []),
  );
  const { counters } = sliceable;
  const found = partsOf(kernel.careful?.pair ?? kernel.pair, arrays);
  const init = parted(kernel.init, arrays);
  const close = kernel.close === null ? null : parted(kernel.close, arrays);
  if (found === null || init === null || close === null) return null;
  const { product, scaling } = found;
  const others = new Set([...arrays].filter((array) => array !== product.sums));
  const begun = init.arrays.statements.filter((s) => touches(alone(s), others));
  // their places in registers are known to the compiler alone
  if (touches(kernel.finish, new Set([product.sums]))) return null;
  const initial = constantIn(init.arrays, product.sums);
  if (initial === null || !Object.is(initial, constantIn(close.arrays, product.sums))) return null;
  const cell = (name: string): LocalArray => ({ id: -1, name, type: kernel.float, length: 1 });
  const value = cell("value");
  const factor = scaling === null ? null : cell("factor");
  return {
    narrow: (pair) => narrowed(pair, product, scaling, { value, factor }),
    ...{ value, factor, sums: product.sums, initial, close, arrays, counters },
    init: { cells: init.cells, arrays: alone(...begun) },
    scaled: scaling?.scaled ?? [],
  };
}

/** The constant that loops leave in every element of an array; null where it is none. */
function constantIn(loops: Region, array: LocalArray): number | null {
  let constant: number | null = null;
  visit(loops, (s) => {
    if (s.kind !== "store" || s.memory.kind !== "array" || s.memory.array !== array) return;
    constant = s.value.kind === "constant" ? s.value.value : null;
  });
  return constant;
}

/** A statement as a region of its own. */
function alone(...statements: readonly Statement[]): Region {
  const one = region("root");
  one.statements.push(...statements);
  return one;
}

/** The product and the scaling of an inner loop, which meets arrays of state nowhere else. */
function partsOf(
  pair: Region,
  arrays: ReadonlySet<LocalArray>,
): { readonly product: Product; readonly scaling: Scaling | null } | null {
  const meeting = pair.statements.filter((s) => touches(alone(s), arrays));
  const last = meeting.pop();
  const product = last?.kind === "for" ? productIn(last) : null;
  if (product === null || meeting.length > 1) return null;
  const [when] = meeting;
  if (when === undefined) return { product, scaling: null };
  const scaling = when.kind === "when" ? scalingIn(when, arrays) : null;
  return scaling === null ? null : { product, scaling };
}

const isAt = ({ offset, terms }: Place, { counter }: Loop, from: number): boolean =>
  offset === from && terms.length === 1 && terms[0].step === 1 && terms[0].counter === counter;

/** The values that a loop's body defines. */
function definedIn(body: Region): Set<Value> {
  return new Set(body.statements.flatMap((s) => s.kind === "let" ? [s.value] : []));
}

/** What a loop over components adds, where that is products of one value. */
function productIn(loop: Loop): Product | null {
  const { statements } = loop.body;
  const inside = definedIn(loop.body);
  const store = statements.at(-1);
  if (statements.length !== 4 || store?.kind !== "store" || inside.size !== 3) return null;
  const { memory, value: sum } = store;
  if (memory.kind !== "array" || !isAt(store.place, loop, 0)) return null;
  if (sum.kind !== "operation" || sum.operation !== "madd") return null;
  const [a, b, before] = sum.args;
  const value = inside.has(a) ? b : a;
  const component = inside.has(a) ? a : b;
  if (inside.has(value) || component.kind !== "load" || before.kind !== "load") return null;
  const { memory: column, place: { offset } } = component;
  if (column.kind !== "record" || column.section !== "column") return null;
  const isSum = before.memory.kind === "array" && before.memory.array === memory.array &&
    isAt(before.place, loop, 0);
  if (!isSum || !isAt(component.place, loop, offset)) return null;
  return { loop, value, sums: memory.array };
}

/** The loop of a branch that scales all sums by one factor. */
function scalingIn(when: When, arrays: ReadonlySet<LocalArray>): Scaling | null {
  if (when.test !== "any" || when.otherwise !== undefined) return null;
  const meeting = when.body.statements.filter((s) => touches(alone(s), arrays));
  const [loop, ...others] = meeting;
  if (loop?.kind !== "for" || others.length > 0) return null;
  const inside = definedIn(loop.body);
  const factors = new Set<Value>();
  const scaled: LocalArray[] = [];
  for (const s of loop.body.statements) {
    if (s.kind === "let" && s.value.kind === "load") continue;
    if (s.kind === "let" && s.value.kind === "operation" && s.value.operation === "mul") continue;
    if (s.kind !== "store" || s.memory.kind !== "array" || !isAt(s.place, loop, 0)) return null;
    const { value } = s;
    if (value.kind !== "operation" || value.operation !== "mul") return null;
    const [a, b] = value.args;
    const [before, factor] = inside.has(a) ? [a, b] : [b, a];
    if (inside.has(factor) || before.kind !== "load" || before.memory.kind !== "array") return null;
    if (before.memory.array !== s.memory.array || !isAt(before.place, loop, 0)) return null;
    factors.add(factor);
    scaled.push(s.memory.array);
  }
  const [factor, ...rest] = factors;
  const isOnce = new Set(scaled).size === scaled.length;
  return factor === undefined || rest.length > 0 || !isOnce ? null : { when, loop, factor, scaled };
}

/** A region's loops over arrays apart, where they need nothing from around them. */
function parted(whole: Region, arrays: ReadonlySet<LocalArray>): Parted | null {
  const meets = (s: Statement): boolean => touches(alone(s), arrays);
  const loops = whole.statements.filter(meets);
  const isAlone = loops.every((loop) => {
    if (loop.kind !== "for") return false;
    const inside = definedIn(loop.body);
    const isKnown = (value: Value): boolean => value.kind === "constant" || inside.has(value);
    return loop.body.statements.every((s) => {
      if (s.kind === "store") return s.memory.kind === "array" && isKnown(s.value);
      if (s.kind !== "let") return false;
      const { value } = s;
      if (value.kind === "operation") return value.args.every(isKnown);
      return value.kind === "constant" || (value.kind === "load" && value.memory.kind === "array");
    });
  });
  if (!isAlone) return null;
  const cells = whole.statements.filter((s) => !meets(s));
  return { cells: alone(...cells), arrays: alone(...loops) };
}

/** An inner loop that leaves the value of a pair, and the factor, instead of meeting components. */
function narrowed(
  pair: Region,
  product: Product,
  scaling: Scaling | null,
  { value, factor }: Pick<Panel, "value" | "factor">,
): Region {
  const keep = (array: LocalArray, kept: Value): Statement => ({
    ...{ kind: "store", memory: { kind: "array", array }, place: { offset: 0, terms: [] } },
    ...{ value: kept, row: 0 },
  });
  const to = region("root");
  for (const s of pair.statements) {
    if (s === product.loop) to.statements.push(keep(value, product.value));
    else if (scaling !== null && factor !== null && s === scaling.when) {
      const body = region("when");
      for (const inner of scaling.when.body.statements) {
        body.statements.push(inner === scaling.loop ? keep(factor, scaling.factor) : inner);
      }
      to.statements.push({ ...scaling.when, body });
    } else to.statements.push(s);
  }
  return to;
}

/** The contraction whose values panels multiply; null where pairs compute their own. */
export function panelContraction(kernel: Kernel): ReturnType<typeof contractionOf> {
  return panelOf(kernel) === null ? null : contractionOf(kernel);
}
