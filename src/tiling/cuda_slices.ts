// Wide outputs in slices: a block of threads keeps only some components of every array of state, so
// that they are registers; others work for the rest and compute again what comes before.
//
// Enters: a kernel. Leaves: whether its arrays of state can be cut, and how packed columns then
// stand.

import {
  bytesOf,
  contractionOf,
  type Counter,
  type Kernel,
  type LocalArray,
  type Place,
  rangeOf,
  type Region,
  regionsOf,
  type Statement,
  visit,
} from "../loop/mod.ts";

/** How a kernel's arrays of state may be cut. */
export interface Sliceable {
  /** Components of each array of state. */
  readonly length: number;
  /** Counters of the loops over them; nothing else meets these arrays. */
  readonly counters: ReadonlySet<Counter>;
}

/** Each kernel is looked at once. */
const known = new WeakMap<Kernel, Sliceable | null>();

/** How a kernel's arrays of state may be cut; null where components depend on each other. */
export function sliceableOf(kernel: Kernel): Sliceable | null {
  let found = known.get(kernel);
  if (found === undefined) known.set(kernel, found = lookAt(kernel));
  return found;
}

function lookAt(kernel: Kernel): Sliceable | null {
  const arrays = new Set<LocalArray>();
  for (const item of kernel.state) if (item.kind === "array") arrays.add(item.array);
  const lengths = new Set([...arrays].map(({ length }) => length));
  const [length] = lengths;
  if (lengths.size !== 1 || length <= 1) return null;
  const counters = new Set<Counter>();
  const isWhole = ({ offset, terms }: Place, around: Counter | null): boolean =>
    around !== null && offset === 0 && terms.length === 1 && terms[0].step === 1 &&
    terms[0].counter === around;
  const meets = (region: Region): boolean => {
    let found = false;
    visit(region, (s) => found ||= arraysOf(s).some((array) => arrays.has(array)));
    return found;
  };
  /**
   * Whether statements allow it; `around` is the counter of the loop over components around them.
   */
  const allows = (region: Region, around: Counter | null): boolean =>
    region.statements.every((s) => {
      switch (s.kind) {
        case "let": {
          const { value } = s;
          if (value.kind !== "load" || value.memory.kind !== "array") return true;
          return !arrays.has(value.memory.array) || isWhole(value.place, around);
        }
        case "set":
          return around === null;
        case "store":
          if (s.memory.kind === "array" && arrays.has(s.memory.array)) {
            return isWhole(s.place, around);
          }
          if (around === null) return true;
          return s.memory.kind === "output" &&
            s.place.terms.some(({ counter }) => counter === around);
        case "scatter":
        case "append":
          return around === null && !arraysOf(s).some((array) => arrays.has(array));
        case "for": {
          if (!meets(s.body)) return allows(s.body, around);
          if (around !== null || s.count !== length) return false;
          counters.add(s.counter);
          return allows(s.body, s.counter);
        }
        case "when":
          return allows(s.body, around) &&
            (s.otherwise === undefined || allows(s.otherwise, around));
      }
      s satisfies never;
      return false;
    });
  const { row, init, pair, careful, close, finish } = kernel;
  const regions = [row, init, pair, careful?.test, careful?.pair, close, finish];
  const isCut = regions.every((r) => r === null || r === undefined || allows(r, null));
  if (!isCut) return null;
  const sliceable = { length, counters };
  return columnsAllow(kernel, sliceable) ? sliceable : null;
}

/**
 * Whether loops over components read packed columns in windows only, of which a slice takes a part.
 */
function columnsAllow(kernel: Kernel, sliceable: Sliceable): boolean {
  const runs = runsOf(kernel);
  const windows = windowsOf(kernel, sliceable, runs);
  let allows = true;
  for (const region of [kernel.pair, kernel.careful?.pair]) {
    if (region === undefined) continue;
    visit(region, (s) => {
      if (s.kind !== "let" || s.value.kind !== "load") return;
      const { memory, place: { offset, terms } } = s.value;
      if (memory.kind !== "record" || memory.section !== "column") return;
      if (!terms.some(({ counter }) => sliceable.counters.has(counter))) return;
      if (!windows.some(({ first }) => first === offset)) allows = false;
    });
  }
  return allows;
}

/** The arrays that a statement itself touches. */
function arraysOf(s: Statement): LocalArray[] {
  if (s.kind === "store") return s.memory.kind === "array" ? [s.memory.array] : [];
  if (s.kind === "let") {
    const { value } = s;
    return value.kind === "load" && value.memory.kind === "array" ? [value.memory.array] : [];
  }
  if (s.kind === "scatter") return s.parts.map(({ array }) => array);
  if (s.kind === "append") return [...s.parts.map(({ array }) => array), s.size];
  return [];
}

/** Slots of a record that stand together, from a place on. */
interface Run {
  readonly first: number;
  readonly last: number;
}

/** Where the slots of a packed column stand, in numbers from the record's beginning. */
export interface ColumnRecord {
  /** Numbers between two records, as they are packed. */
  readonly stride: number;
  /** Numbers between two records of a slice, as they are staged; without slices the same. */
  readonly staged: number;
  /** Slices, and components of each: 1 and 0 where nothing is cut. */
  readonly slices: number;
  readonly slice: number;
  /** Windows at the record's beginning that slices read a part of. */
  readonly windows: number;
  /** Numbers at the record's beginning that patches take chunk by chunk; they are not staged. */
  readonly vector: number;
  /** Place of a slot as it is packed, and as it is staged. */
  readonly packedPlace: (slot: number) => number;
  readonly stagedPlace: (slot: number) => number;
}

/** Ranges of column slots that loops walk; ranges that overlap are one. */
function runsOf(kernel: Kernel): Run[] {
  const runs: Run[] = [];
  const note = (place: Place): void => {
    if (place.terms.length === 0) return;
    const { low, high } = rangeOf(place);
    runs.push({ first: low, last: high });
  };
  for (const [, region] of regionsOf(kernel)) {
    visit(region, (s) => {
      const access = s.kind === "store"
        ? s
        : s.kind === "let" && s.value.kind === "load"
        ? s.value
        : null;
      if (access === null || access.memory.kind !== "record") return;
      if (access.memory.section === "column") note(access.place);
    });
  }
  runs.sort((a, b) => a.first - b.first);
  const merged: Run[] = [];
  for (const run of runs) {
    const last = merged.at(-1);
    if (last !== undefined && run.first <= last.last) {
      merged[merged.length - 1] = { first: last.first, last: Math.max(last.last, run.last) };
    } else merged.push(run);
  }
  return merged;
}

/** Runs that loops over components walk from end to end, and nothing else. */
function windowsOf(kernel: Kernel, { length, counters }: Sliceable, runs: readonly Run[]): Run[] {
  const inside = new Set<number>();
  const outside = new Set<number>();
  for (const region of [kernel.pair, kernel.careful?.pair]) {
    if (region === undefined) continue;
    visit(region, (s) => {
      if (s.kind !== "let" || s.value.kind !== "load") return;
      const { memory, place } = s.value;
      if (memory.kind !== "record" || memory.section !== "column") return;
      const run = runs.findIndex((r) => r.first <= place.offset && place.offset <= r.last);
      const [term] = place.terms;
      const isWhole = place.terms.length === 1 && counters.has(term.counter) && term.step === 1;
      (isWhole && runs[run]?.first === place.offset ? inside : outside).add(run);
    });
  }
  return runs.filter((run, k) =>
    inside.has(k) && !outside.has(k) && run.last - run.first + 1 === length
  );
}

/**
 * Places the slots of packed columns: what loops walk begins at a multiple of 16 bytes, so that
 * several components are one load. A slice of so many components (0: all) finds its part of every
 * window in the staged record. Where patches take a contraction's vector in chunks (0: there are
 * none), it comes first, in whole chunks for tensor cores.
 */
export function columnRecord(kernel: Kernel, slice: number, chunk = 0): ColumnRecord {
  const slots = kernel.records.column.length;
  const runs = runsOf(kernel);
  const widest = 16 / bytesOf(kernel.float, kernel.float);
  const width = slots <= 1 ? 1 : Math.min(widest, slots === 2 ? 2 : widest);
  const padded = (n: number): number => Math.ceil(n / width) * width;
  const sliceable = slice === 0 ? null : sliceableOf(kernel);
  const windows = sliceable === null ? [] : windowsOf(kernel, sliceable, runs);
  const slices = sliceable === null ? 1 : Math.ceil(sliceable.length / slice);
  const packed = new Array<number>(slots).fill(-1);
  const staged = new Array<number>(slots).fill(-1);
  let [stride, stagedStride] = [0, 0];
  const contraction = chunk === 0 ? null : contractionOf(kernel);
  let vector = 0;
  if (contraction !== null) {
    const { column, counter, products } = contraction;
    for (let slot = 0; slot < counter.count; slot++) packed[column + slot] = slot;
    vector = products === null ? padded(counter.count) : chunk * Math.ceil(counter.count / chunk);
    stride = vector;
  }
  for (const { first, last } of windows) {
    for (let slot = first; slot <= last; slot++) {
      packed[slot] = stride + slot - first;
      staged[slot] = stagedStride + slot - first;
    }
    stride += slices * slice;
    stagedStride += slice;
  }
  const isVector = ({ first }: Run): boolean => packed[first] !== -1 && vector > 0;
  for (const { first, last } of runs.filter((run) => !windows.includes(run) && !isVector(run))) {
    for (let slot = first; slot <= last; slot++) {
      packed[slot] = stride + slot - first;
      staged[slot] = stagedStride + slot - first;
    }
    stride += padded(last - first + 1);
    stagedStride += padded(last - first + 1);
  }
  for (let slot = 0; slot < slots; slot++) {
    if (packed[slot] !== -1) continue;
    packed[slot] = stride++;
    staged[slot] = stagedStride++;
  }
  return {
    stride: padded(stride),
    // few numbers besides the vector stand close: those of a turn's columns are a load together
    staged: contraction !== null && stagedStride <= 2 ? stagedStride : padded(stagedStride),
    slices,
    slice: sliceable === null ? 0 : slice,
    windows: windows.length,
    vector,
    packedPlace: (slot) => packed[slot],
    stagedPlace: (slot) => staged[slot],
  };
}
