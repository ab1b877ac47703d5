// Steps of a uniform section as JSON, which has no name for some numbers: constants are written as
// text.

import { numberText, OPERATIONS, type UniformStep } from "../../loop/mod.ts";

/** Steps as they are written, and the values of their constants in order. */
export interface WrittenSteps {
  readonly steps: readonly UniformStep[];
  readonly constants: readonly string[];
}

export function writtenSteps(steps: readonly UniformStep[]): WrittenSteps {
  const constants = steps.flatMap((s) => s.kind === "constant" ? [numberText(s.value)] : []);
  return { steps, constants };
}

const isIndex = (value: unknown, end = Infinity): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < end;

/** The steps that were written; throws for what nobody has written so. */
export function readSteps({ steps, constants }: WrittenSteps): UniformStep[] {
  let values = 0, next = 0;
  return steps.map((s) => {
    if (!isStep(s, values)) throw new TypeError("no step");
    if (s.kind !== "store") values++;
    return s.kind === "constant" ? { ...s, value: Number(constants[next++]) } : s;
  });
}

/** Whether it is a step behind those that gave so many values. */
function isStep(s: UniformStep, values: number): boolean {
  switch (s.kind) {
    case "constant":
      return true;
    case "input":
      return isIndex(s.slot) && isIndex(s.at);
    case "record":
      return isIndex(s.at);
    case "operation":
      return Object.hasOwn(OPERATIONS, s.name) && [s.a, s.b, s.c].every((v) => isIndex(v, values));
    case "store":
      return isIndex(s.at) && isIndex(s.from, values);
    default:
      s satisfies never;
      return false;
  }
}
