// Names of what a kernel holds: numbers of values, cells and arrays; keys of memory.

import type { Memory } from "./ir.ts";

/** Numbers the things of one kernel; shared by the builders of its sections. */
export class Names {
  #next = 0;
  /** The next unused number. */
  next(): number {
    return this.#next++;
  }
}

/** Names memory among what a section loads from. */
export function nameOf(memory: Memory): string {
  switch (memory.kind) {
    case "record":
      return memory.section;
    case "input":
    case "output":
      return `${memory.kind}${memory.slot}`;
    case "array":
      return `array${memory.array.id}`;
    case "held":
      return memory.kind;
  }
}
