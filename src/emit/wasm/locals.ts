// The locals that hold the values of one function. A local is another value's once nothing reads
// the one that it held: hosts bound how many a function has (50,000 in V8), and compile what has
// fewer sooner.

import { operands, type Region, type Statement, type Value } from "../../loop/mod.ts";

/**
 * Per statement of a region, and behind the last one, the values of the region that nothing reads
 * afterwards. What a loop or a branch reads of the region around is read until its end.
 */
export type LastReads = readonly (readonly Value[])[];

/** What ends at most statements. */
const NONE: Value[] = [];

/** Notes the last reads of a region and of those inside it; returns what it reads of others. */
export function noteLastReads(root: Region, into: Map<Region, LastReads>): ReadonlySet<Value> {
  const last = new Map<Value, number>();
  const outer = new Set<Value>();
  const end = root.statements.length;
  const read = (value: Value, at: number): void => {
    const before = last.get(value);
    if (before === undefined) outer.add(value);
    else if (before < at) last.set(value, at);
  };
  const readInside = (body: Region, at: number): void =>
    noteLastReads(body, into).forEach((value) => read(value, at));
  const note = (s: Statement, at: number): void => {
    switch (s.kind) {
      case "let":
        for (const value of operands(s.value)) read(value, at);
        last.set(s.value, at);
        return;
      case "set":
      case "store":
        read(s.value, at);
        return;
      case "scatter":
        read(s.index, at);
        for (const { value } of s.parts) read(value, at);
        return;
      case "append": // takes effect at the end
        read(s.unless, end);
        for (const { value } of s.parts) read(value, end);
        return;
      case "for":
        readInside(s.body, at);
        return;
      case "when":
        read(s.mask, at);
        readInside(s.body, at);
        if (s.otherwise !== undefined) readInside(s.otherwise, at);
        return;
    }
    s satisfies never;
  };
  root.statements.forEach(note);
  const reads = new Array<Value[]>(end + 1).fill(NONE);
  for (const [value, at] of last) {
    if (reads[at] === NONE) reads[at] = [value];
    else reads[at].push(value);
  }
  into.set(root, reads);
  return outer;
}

/** Gives values locals, and takes them back. */
export class ValueLocals {
  readonly #newLocal: () => number;
  readonly #locals = new Map<Value, readonly number[]>();
  readonly #free: number[] = [];

  constructor(newLocal: () => number) {
    this.#newLocal = newLocal;
  }

  /** The locals of a value, one for each register that it takes; undefined where it has none. */
  of(value: Value): readonly number[] | undefined {
    return this.#locals.get(value);
  }

  /** Gives a value locals that hold nothing which is still read. */
  give(value: Value, registers: number): readonly number[] {
    const locals: number[] = [];
    for (let k = 0; k < registers; k++) locals.push(this.#free.pop() ?? this.#newLocal());
    this.#locals.set(value, locals);
    return locals;
  }

  /** Takes back the locals of values that nothing reads any more. */
  takeBack(values: readonly Value[]): void {
    for (const value of values) {
      const locals = this.#locals.get(value);
      if (locals === undefined) continue;
      this.#free.push(...locals);
      this.#locals.delete(value);
    }
  }
}
