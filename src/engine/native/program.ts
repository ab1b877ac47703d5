// A kernel emitted as C for this machine.

import type { CLayout, CModule } from "../../emit/c/mod.ts";
import type { CSource } from "../../emit/c/mod.ts";
import type { Kernel } from "../../loop/mod.ts";
import type { NativeSchedule } from "../../tiling/mod.ts";
import type { Program } from "../engine.ts";

export class NativeProgram implements Program {
  readonly kernel: Kernel;
  readonly schedule: NativeSchedule;
  readonly emitted: CModule;
  readonly #target: string;
  readonly #why: string;
  #combine: CSource | null = null;

  constructor(
    kernel: Kernel,
    schedule: NativeSchedule,
    emitted: CModule,
    target: string,
    why: string,
  ) {
    this.#why = why;
    this.kernel = kernel;
    this.schedule = schedule;
    this.emitted = emitted;
    this.#target = target;
  }

  get layout(): CLayout {
    return this.emitted.layout;
  }

  /** The source that joins the states of splits, emitted when first needed. */
  get combine(): CSource {
    return this.#combine ??= this.emitted.combine();
  }

  explain(): { target: string; schedule: string; source: string } {
    const { rowVectors, columns, surveys = false } = this.schedule;
    const { groupRows, recordBytes } = this.layout;
    return {
      target: this.#target,
      schedule:
        `${groupRows} rows per tile (${rowVectors} vectors), ${columns} columns per turn, ` +
        (this.kernel.mirror === null ? "" : "each pair of points once, for both, ") +
        (surveys ? "columns surveyed by groups, " : "") +
        `${recordBytes} bytes per packed column (${this.#why})`,
      source: this.emitted.fold.text,
    };
  }
}
