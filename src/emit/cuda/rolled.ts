// Rows that wait in memory while lowering wrote their components one by one, as it does with short
// vectors: the compiler compares each store with all others, a fifth of its time for 25 doubles of
// four rows.
//
// Enters: the section of rows. Leaves: the same with loops over what it copies from inputs.

import { type Counter, reads, type Region, type Statement, type Value } from "../../loop/mod.ts";

type Load = Value & { readonly kind: "load" };
type Store = Statement & { readonly kind: "store" };

/** A component that is copied from an input to the record. */
interface Copy {
  readonly load: Load;
  readonly store: Store;
}

/** Components from which on they are a loop. */
const LONG = 9;

/** Two statements that copy a component, for nobody else. */
function copyIn(first: Statement, second: Statement | undefined): Copy | null {
  if (first.kind !== "let" || first.value.kind !== "load" || second?.kind !== "store") return null;
  const load = first.value;
  if (load.memory.kind !== "input" || load.place.terms.length > 0) return null;
  const { memory, place, value } = second;
  const isRow = memory.kind === "record" && memory.section === "row";
  return isRow && place.terms.length === 0 && value === load ? { load, store: second } : null;
}

/** Whether a copy takes the component after another's. */
const follows = (next: Copy, { load, store }: Copy): boolean =>
  next.load.memory.kind === "input" && load.memory.kind === "input" &&
  next.load.memory.slot === load.memory.slot && next.load.type === load.type &&
  next.load.place.offset === load.place.offset + 1 &&
  next.store.place.offset === store.place.offset + 1;

/** One loop for copies of components that follow one another. */
function loopOf(copies: readonly Copy[]): Statement {
  const [{ load, store }] = copies;
  const counter: Counter = { id: -1 - load.id, count: copies.length };
  const terms = [{ counter, step: 1 }];
  const body: Region = { kind: "for", statements: [], known: new Map() };
  const value: Load = { ...load, region: body, place: { ...load.place, terms } };
  body.statements.push({ kind: "let", value });
  body.statements.push({ ...store, value, place: { ...store.place, terms } });
  return { kind: "for", counter, count: copies.length, body };
}

/** A section of rows whose copies of many components are loops. */
export function rolled(row: Region): Region {
  const readers = new Map<Value, number>();
  for (const s of row.statements) {
    for (const value of reads(s)) readers.set(value, (readers.get(value) ?? 0) + 1);
  }
  const copyAt = (at: number): Copy | null => {
    const copy = copyIn(row.statements[at], row.statements[at + 1]);
    return copy !== null && readers.get(copy.load) === 1 ? copy : null;
  };
  const statements: Statement[] = [];
  for (let at = 0; at < row.statements.length;) {
    const copies: Copy[] = [];
    for (let from = at; from < row.statements.length; from += 2) {
      const copy = copyAt(from);
      const before = copies.at(-1);
      if (copy === null || (before !== undefined && !follows(copy, before))) break;
      copies.push(copy);
    }
    if (copies.length < LONG) statements.push(...row.statements.slice(at, at + 1));
    else statements.push(loopOf(copies));
    at += copies.length < LONG ? 1 : 2 * copies.length;
  }
  return { ...row, statements };
}
