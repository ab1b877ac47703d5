// What makes a region of the loop IR legal. Tests run it between passes; lowering runs it at the
// end.

import { PairfoldError } from "../error.ts";
import {
  type Cell,
  type Counter,
  isFloat,
  type LocalArray,
  OPERATIONS,
  type Place,
  type Region,
  type Section,
  type Type,
  type Value,
} from "./ir.ts";
import { type Kernel, regionsOf } from "./kernel.ts";
import { rangeOf } from "./place.ts";

function fail(section: string, message: string): never {
  throw new PairfoldError("internal", `loop IR, section ${section}: ${message}`);
}

const COMPARISONS: ReadonlySet<string> = new Set(["lt", "le", "eq"]);
const MASKS: ReadonlySet<string> = new Set(["maskNot", "maskAnd", "maskOr"]);
const INTEGERS: ReadonlySet<string> = new Set([
  "shl",
  "shr",
  "and",
  "or",
  "dot16",
  "convert",
  "float",
]);
const EITHER: ReadonlySet<string> = new Set(["add", "sub", "pmin", ...COMPARISONS]);

/** The result type of an operation, or a message why it has none. */
function checkOperation(value: Value & { kind: "operation" }): string | null {
  const { operation, args } = value;
  if (args.length !== OPERATIONS[operation]) return `${operation} has ${args.length} arguments`;
  const types: Type[] = args.map((a) => a.type);
  if (operation === "select") {
    const good = types[0] === "mask" && types[1] === types[2] && value.type === types[1];
    return good ? null : `select of ${types}`;
  }
  if (types.some((t) => t !== types[0])) return `${operation} of ${types}`;
  const [type] = types;
  if (operation === "holds") {
    return type === "mask" && !isFloat(value.type) ? null : `holds of ${type} gives ${value.type}`;
  }
  if (MASKS.has(operation)) return type === "mask" ? null : `${operation} of ${type}`;
  if (type === "mask") return `${operation} of a mask`;
  if (INTEGERS.has(operation) && isFloat(type)) return `${operation} of ${type}`;
  if (!INTEGERS.has(operation) && !EITHER.has(operation) && !isFloat(type)) {
    return `${operation} of ${type}`;
  }
  if (COMPARISONS.has(operation)) return value.type === "mask" ? null : "comparison is no mask";
  switch (operation) {
    case "bits":
      return value.type === (type === "f32" ? "i32" : "i64") ? null : `bits gives ${value.type}`;
    case "float":
      return value.type === (type === "i32" ? "f32" : "f64") ? null : `float gives ${value.type}`;
    case "convert":
      return isFloat(value.type) ? null : `convert gives ${value.type}`;
    case "promote":
      return type === "f32" && value.type === "f64" ? null : `promote of ${type}`;
    case "demote":
      return type === "f64" && value.type === "f32" ? null : `demote of ${type}`;
    default:
      return value.type === type ? null : `${operation} of ${type} gives ${value.type}`;
  }
}

/** What a section may load and store. */
function mayLoad(section: string, memory: string): boolean {
  switch (memory) {
    case "input":
      return section === "uniform" || section === "row" || section === "column";
    case "uniform":
      return section !== "uniform";
    case "row":
      return section === "pair" || section === "finish";
    case "column":
      return section === "pair";
    case "output":
      return false;
    default:
      return true;
  }
}

function mayStore(section: string, memory: string): boolean {
  if (memory === "output") return section === "finish";
  if (memory === "uniform" || memory === "row" || memory === "column") return section === memory;
  return memory === "array";
}

/** Throws `internal` unless a region is legal in its section. */
export function verifyRegion(name: Section | string, root: Region): void {
  const walk = (
    region: Region,
    visible: ReadonlySet<Value>,
    counters: ReadonlySet<Counter>,
  ): void => {
    const known = new Set(visible);
    const use = (value: Value): void => {
      if (!known.has(value)) {
        fail(name, `value ${value.id} (${value.kind}) is used but not visible`);
      }
    };
    const inside = (counter: Counter): void => {
      if (!counters.has(counter)) fail(name, "a counter is used outside");
    };
    const place = (at: Place, length = Infinity): void => {
      for (const { counter } of at.terms) inside(counter);
      const { low, high } = rangeOf(at);
      if (low < 0 || high >= length) fail(name, `place ${low} … ${high} is out of range`);
    };
    for (const s of region.statements) {
      switch (s.kind) {
        case "let": {
          const { value } = s;
          if (value.kind === "operation") {
            value.args.forEach(use);
            const wrong = checkOperation(value);
            if (wrong !== null) fail(name, wrong);
          }
          if (value.kind === "load") {
            const { memory } = value;
            place(value.place, lengthOf(memory));
            const what = memory.kind === "record" ? memory.section : memory.kind;
            if (!mayLoad(name, what)) fail(name, `it may not load from ${what}`);
          }
          if (value.kind === "counter") inside(value.counter);
          if (known.has(value)) fail(name, `value ${value.id} is defined twice`);
          known.add(value);
          break;
        }
        case "set":
          use(s.value);
          if (s.value.type !== s.cell.type) fail(name, `set ${s.cell.name} to ${s.value.type}`);
          break;
        case "store": {
          use(s.value);
          place(s.place, lengthOf(s.memory));
          const what = s.memory.kind === "record" ? s.memory.section : s.memory.kind;
          if (!mayStore(name, what)) fail(name, `it may not store to ${what}`);
          break;
        }
        case "scatter":
          [s.index, ...s.parts.map((p) => p.value)].forEach(use);
          if (isFloat(s.index.type) || s.index.type === "mask") {
            fail(name, `scatter at ${s.index.type}`);
          }
          for (const { array, value } of s.parts) {
            if (value.type !== array.type) fail(name, `scatter ${value.type} to ${array.name}`);
          }
          break;
        case "append":
          [s.unless, ...s.parts.map((p) => p.value)].forEach(use);
          if (s.unless.type !== "mask") fail(name, `append tests a ${s.unless.type}`);
          if (isFloat(s.size.type) || s.size.length !== 1) {
            fail(name, "append counts in no integer");
          }
          break;
        case "for":
          if (s.count !== s.counter.count) fail(name, "a loop's count is not its counter's");
          walk(s.body, known, new Set([...counters, s.counter]));
          break;
        case "when":
          use(s.mask);
          if (s.mask.type !== "mask") fail(name, `when tests a ${s.mask.type}`);
          walk(s.body, known, counters);
          break;
      }
    }
  };
  const lengthOf = (memory: { kind: string; array?: LocalArray }): number | undefined =>
    memory.array?.length;
  walk(root, new Set(), new Set());
}

/** Throws `internal` unless every region of a kernel is legal and its state is initialised. */
export function verifyKernel(kernel: Kernel): void {
  for (const [name, region] of regionsOf(kernel)) {
    const isSection = ["uniform", "row", "column", "finish"].includes(name);
    verifyRegion(isSection ? name : "pair", region);
  }
  const set = new Set<Cell | LocalArray>();
  const note = (region: Region): void => {
    for (const s of region.statements) {
      if (s.kind === "set") set.add(s.cell);
      if (s.kind === "store" && s.memory.kind === "array") set.add(s.memory.array);
      if (s.kind === "for" || s.kind === "when") note(s.body);
    }
  };
  note(kernel.init);
  for (const item of kernel.state) {
    const place = item.kind === "cell" ? item.cell : item.array;
    if (!set.has(place)) fail("init", `state ${place.name} is not initialised`);
  }
}
