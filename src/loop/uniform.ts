// The uniform section as steps: a few operations on parameters, for most formulas. Enters: the
// section. Leaves: the uniform record of one launch, in float64. Steps are plain data, so that they
// can be kept; sections with loops or state are left to the interpreter.

import { interpretUniform, MEANING, type UniformInputs } from "./interpret.ts";
import type { Operation, Region, Value } from "./ir.ts";

/** One step; `to`, `from` and arguments are registers, one per value. */
export type UniformStep =
  | { readonly kind: "constant"; readonly to: number; readonly value: number }
  | { readonly kind: "input"; readonly to: number; readonly slot: number; readonly at: number }
  | { readonly kind: "record"; readonly to: number; readonly at: number }
  | {
    readonly kind: "operation";
    readonly to: number;
    readonly name: Operation;
    readonly a: number;
    /** The first one again, where there are fewer arguments. */
    readonly b: number;
    readonly c: number;
  }
  | { readonly kind: "store"; readonly at: number; readonly from: number };

/** A number as text that gives the same number, with the sign of zero. */
export function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** The steps of a section; null where it does more than steps can. */
export function uniformSteps({ statements }: Region): UniformStep[] | null {
  const registers = new Map<Value, number>();
  const steps: UniformStep[] = [];
  for (const s of statements) {
    if (s.kind === "store") {
      const from = registers.get(s.value);
      if (s.memory.kind !== "record" || s.place.terms.length > 0 || from === undefined) return null;
      steps.push({ kind: "store", at: s.place.offset, from });
      continue;
    }
    if (s.kind !== "let") return null;
    const { value } = s;
    const to = registers.size;
    if (value.kind === "constant") {
      steps.push({ kind: "constant", to, value: value.value });
    } else if (value.kind === "operation") {
      const args = value.args.map((a) => registers.get(a) ?? -1);
      if (args.includes(-1)) return null;
      const [a, b = a, c = a] = args;
      steps.push({ kind: "operation", to, name: value.operation, a, b, c });
    } else if (value.kind === "load" && value.place.terms.length === 0) {
      const { memory, place: { offset: at } } = value;
      if (memory.kind === "input") steps.push({ kind: "input", to, slot: memory.slot, at });
      else if (memory.kind === "record") steps.push({ kind: "record", to, at });
      else return null;
    } else {
      return null;
    }
    registers.set(value, to);
  }
  return steps;
}

/** The uniform record that steps compute, from one row per input (null: not uniform). */
export function runSteps(
  steps: readonly UniformStep[],
  inputs: UniformInputs,
  length: number,
): Float64Array {
  const record = new Float64Array(length);
  const registers: number[] = [];
  for (const s of steps) {
    switch (s.kind) {
      case "constant":
        registers.push(s.value);
        break;
      case "input":
        registers.push(inputs[s.slot]?.[s.at] ?? NaN);
        break;
      case "record":
        registers.push(record[s.at]);
        break;
      case "operation":
        registers.push(MEANING[s.name](registers[s.a], registers[s.b], registers[s.c]));
        break;
      case "store":
        record[s.at] = registers[s.from];
        break;
    }
  }
  return record;
}

/** What has been made ready: a launch of many batches runs one section as often. */
const known = new WeakMap<Region, UniformStep[] | null>();

/** Computes the uniform record from one row per input. */
export function uniformRecord(root: Region, inputs: UniformInputs, length: number): Float64Array {
  let steps = known.get(root);
  if (steps === undefined) known.set(root, steps = uniformSteps(root));
  return steps === null ? interpretUniform(root, inputs, length) : runSteps(steps, inputs, length);
}
