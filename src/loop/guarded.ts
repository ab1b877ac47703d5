// Copies a region whose branches are all known before anything is remembered: one test for all rows
// and columns of a turn. Where branches compare a bound with values of pairs, which is a contest,
// the best of a turn's values is compared once.

import {
  type Operation,
  type Region,
  region,
  type Statement,
  type Type,
  type Value,
} from "./ir.ts";
import { hasLoops } from "./kernel.ts";
import type { Branch, Guarded, IsState } from "./state.ts";

/**
 * The attribute of a pmin or pmax whose result a bound is compared with, and nothing else: it may
 * leave a NaN out or keep it, and give a zero of either sign.
 */
export const EITHER_NAN = 1;

/**
 * A branch of a bound and a value of a pair: the best of several values answers for all of them.
 */
interface Contest {
  readonly bound: Value;
  readonly value: Value;
  readonly better: "pmin" | "pmax";
}

/** A branch that a NaN need not enter: pmin and pmax leave it out, or keep it and enter. */
function contestOf({ mask, skipsNaN }: Branch, isState: IsState): Contest | null {
  if (!skipsNaN || mask.kind !== "operation") return null;
  const isBound = (value: Value): boolean => value.kind === "get" && isState(value.cell);
  const [low, high] = mask.args;
  if (isBound(low)) return { bound: low, value: high, better: "pmin" };
  if (isBound(high)) return { bound: high, value: low, better: "pmax" };
  return null;
}

/** How statements of a region are copied for some rows and some columns of a turn. */
export interface Copying {
  readonly isState: IsState;
  /** The copy of a value that was copied. */
  at(value: Value, row: number, column: number): Value;
  statement(s: Statement, rows: readonly number[], turn: readonly number[], to: Region): void;
  /** Statements: what touches state sees the columns in order. */
  all(
    statements: readonly Statement[],
    rows: readonly number[],
    turn: readonly number[],
    to: Region,
  ): void;
  /** A new operation beside its last operand. */
  operation(
    name: Operation,
    args: readonly Value[],
    type: Type,
    to: Region,
    attribute?: number,
  ): Value;
  /** One mask of several: a test of it asks whether the test of any of them says yes. */
  joined(test: Branch["test"], masks: readonly Value[], to: Region): Value;
}

/** What is copied, for which rows and columns, and how what is done rarely is written. */
export interface GuardedTurn extends Guarded {
  readonly root: Region;
  readonly rows: readonly number[];
  readonly turn: readonly number[];
  readonly again: boolean;
  readonly oneByOne: boolean;
}

/** One test for all rows and columns of a turn: side by side where it says no, else in order. */
export function copyGuarded(guarded: GuardedTurn, copying: Copying, to: Region): void {
  const { root, rows, turn, again, oneByOne, before, branches, after } = guarded;
  const { at, operation, joined } = copying;
  const [{ test }] = branches;
  const contests = branches.map((branch) => contestOf(branch, copying.isState));
  const decided = new Set(branches.filter((_, k) => contests[k] !== null).map((b) => b.mask));
  const bests = contests.map((): Value[] => []); // by row
  const meet = ({ value, better }: Contest, best: Value[], columns: readonly number[]): void => {
    for (const column of columns) {
      for (const row of rows) {
        const next = at(value, row, column);
        best[row] = best[row] === undefined
          ? next
          : operation(better, [best[row], next], value.type, to, EITHER_NAN);
      }
    }
  };
  // where nothing waits for the other columns, one after another takes fewer registers; but loops
  // load what they share once for all columns
  const isTogether = after.length > 0 || hasLoops({ statements: before });
  for (const columns of isTogether ? [turn] : turn.map((column) => [column])) {
    for (const s of before) {
      if (s.kind !== "let" || !decided.has(s.value)) copying.statement(s, rows, columns, to);
    }
    contests.forEach((contest, k) => contest !== null && meet(contest, bests[k], columns));
  }
  const masksOf = (row: number, k: number): Value[] => {
    const contest = contests[k];
    if (contest === null) return turn.map((column) => at(branches[k].mask, row, column));
    const sides = [at(contest.bound, row, 0), bests[k][row]];
    return [operation("le", contest.better === "pmin" ? sides : sides.reverse(), "mask", to)];
  };
  const masks = branches.map((_, k) => rows.map((row) => masksOf(row, k)));
  const mask = joined(test, masks.flat(2), to);
  const otherwise = region("when");
  copying.all(after, rows, turn, otherwise);
  const body = region("when");
  if (again && after.length === 0 && contests.every((contest) => contest !== null)) {
    rows.forEach((row, r) => {
      const ofRow = region("when");
      copying.all(root.statements, [row], [0], ofRow);
      const mask = joined(test, masks.flatMap((ofBranch) => ofBranch[r]), body);
      const { length } = turn;
      const when = { kind: "when", test, mask, skipsNaN: false } as const;
      body.statements.push({ ...when, body: ofRow, columns: length });
    });
  } else if (oneByOne && contests.every((contest) => contest === null)) {
    copying.all(root.statements, rows, [0], body);
    const when = { kind: "when", test, mask, body, otherwise, skipsNaN: false } as const;
    to.statements.push({ ...when, columns: turn.length });
    return;
  } else copying.all(root.statements, rows, turn, body);
  to.statements.push({ kind: "when", test, mask, body, otherwise, skipsNaN: false });
}
