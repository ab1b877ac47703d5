// Takes divisions and square roots of the next turn into this one, so that their latency passes
// beside other work. Enters: the region of a turn. Leaves: what runs before the first turn, and a
// turn that works on what the one before it has prepared.

import { operands, reads } from "./passes.ts";
import type { RowCopies } from "./copies.ts";
import { type Cell, type Place, type Region, region, type Statement, type Value } from "./ir.ts";
import { shifted } from "./place.ts";

/** A turn in two stages. */
export interface Pipelined {
  /** Prepares the first turn. */
  readonly prologue: Region;
  /** Finishes a turn and prepares the next. */
  readonly turn: Region;
  /** What one turn leaves for the next. */
  readonly waiting: readonly Cell[];
}

type Let = Statement & { readonly kind: "let" };

/** Operations per division below which nothing stands beside it that could hide it. */
const WORTHWHILE = 8;

const isHeavy = (value: Value): boolean =>
  value.kind === "operation" && (value.operation === "div" || value.operation === "sqrt");

/** Values that cost nothing to have twice. */
const isCheap = (value: Value): boolean =>
  value.kind === "constant" || (value.kind === "load" && value.memory.kind === "record");

/**
 * Splits a turn after its divisions and square roots; null where they depend on what is remembered,
 * where more than their results would have to wait, or where it does not pay. The last turn
 * prepares one that does not come: it reads `ahead` slots beyond the packed columns.
 */
export function pipeline(turn: Region, copies: RowCopies, ahead: number): Pipelined | null {
  const { statements } = turn;
  if (!statements.every((s) => s.kind === "let" || s.kind === "set")) return null;
  const lets = statements.filter((s): s is Let => s.kind === "let");
  const fixed = new Set<Value>(); // what no cell has a part in
  for (const { value } of lets) {
    const isFixed = value.kind === "operation"
      ? value.args.every((a) => fixed.has(a))
      : isCheap(value);
    if (isFixed) fixed.add(value);
  }
  const heavy = lets.map((s) => s.value).filter((v) => isHeavy(v) && fixed.has(v));
  const early = new Set<Value>();
  const add = (value: Value): void => {
    if (early.has(value)) return;
    early.add(value);
    operands(value).forEach(add);
  };
  heavy.forEach(add);
  const late = statements.filter((s) => s.kind !== "let" || !early.has(s.value));
  const work = late.filter((s) => s.kind === "let" && s.value.kind === "operation").length;
  if (heavy.length === 0 || work < WORTHWHILE * heavy.length) return null;
  const wanted = new Set(late.flatMap((s) => [...reads(s)]).filter((v) => early.has(v)));
  const again = [...wanted].filter(isCheap);
  const waiting = [...wanted].filter((v) => !isCheap(v));
  if (!waiting.every(isHeavy)) return null;

  const cells = new Map(waiting.map((value): [Value, Cell] => {
    const id = copies.nextId();
    return [value, { id, name: `next${id}`, type: value.type }];
  }));
  /** Copies the first stage, some slots on, and keeps its results. */
  const prepare = (to: Region, slots: number): void => {
    const made = new Map<Value, Value>();
    for (const { value } of lets) {
      if (!early.has(value)) continue;
      made.set(value, copyOf(value, to, made, slots));
    }
    for (const [value, cell] of cells) {
      to.statements.push({ kind: "set", cell, value: made.get(value) ?? value });
    }
  };
  const copyOf = (
    value: Value,
    to: Region,
    made: ReadonlyMap<Value, Value>,
    slots: number,
  ): Value => {
    const base = { ...value, id: copies.nextId(), region: to };
    const place = (at: Place, isColumn: boolean): Place => isColumn ? shifted(at, slots) : at;
    const copy: Value = base.kind === "operation"
      ? { ...base, args: base.args.map((a) => made.get(a) ?? a) }
      : base.kind === "load"
      ? { ...base, place: place(base.place, isColumnLoad(base)) }
      : base;
    to.statements.push({ kind: "let", value: copy });
    return copy;
  };

  const prologue = region(turn.kind);
  prepare(prologue, 0);
  const body = region(turn.kind);
  const now = new Map<Value, Value>();
  for (const [value, cell] of cells) {
    const { id, type, perRow, row, column } = { ...value, id: copies.nextId() };
    const got: Value = { kind: "get", cell, id, type, perRow, row, column, region: body };
    body.statements.push({ kind: "let", value: got });
    now.set(value, got);
  }
  prepare(body, ahead);
  for (const value of again) now.set(value, copyOf(value, body, now, 0));
  for (const s of late) {
    if (s.kind === "let") now.set(s.value, copyOf(s.value, body, now, 0));
    else if (s.kind === "set") {
      body.statements.push({ ...s, value: now.get(s.value) ?? s.value });
    }
  }
  return { prologue, turn: body, waiting: [...cells.values()] };
}

function isColumnLoad(value: Value): boolean {
  return value.kind === "load" && value.memory.kind === "record" &&
    value.memory.section === "column";
}
