// A kernel compiled for the host's WebAssembly.

import type { Layout, WasmModule } from "../../emit/wasm/mod.ts";
import { type Kernel, type Region, regionsOf, visit } from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import type { Program } from "../engine.ts";

/** Compiled code. Kernels that differ only in their uniform section, which runs here, share it. */
export interface CompiledCode {
  readonly id: number;
  /** The module's bytes and constants as a string. */
  readonly key: string;
  readonly module: WebAssembly.Module;
}

/** The compiled combining step of one program. */
export interface CombineCode {
  readonly module: WebAssembly.Module;
  readonly scratchBytes: number;
}

/** Whether any of some regions speaks of the index of a row, or of a column. */
function usesIndex(regions: readonly Region[], axis: "row" | "column"): boolean {
  let uses = false;
  for (const region of regions) {
    visit(region, (s) => {
      if (s.kind === "let" && s.value.kind === "index" && s.value.axis === axis) uses = true;
    });
  }
  return uses;
}

export class WasmProgram implements Program {
  readonly kernel: Kernel;
  readonly schedule: WasmSchedule;
  readonly emitted: WasmModule;
  readonly code: CompiledCode;
  readonly #target: string;
  #combine: CombineCode | null = null;
  #usesRowIndex: boolean | null = null;
  #usesColumnIndex: boolean | null = null;

  constructor(
    kernel: Kernel,
    schedule: WasmSchedule,
    emitted: WasmModule,
    code: CompiledCode,
    target: string,
  ) {
    this.kernel = kernel;
    this.schedule = schedule;
    this.emitted = emitted;
    this.code = code;
    this.#target = target;
  }

  /** Whether rows know their index: those of other segments are not rows of this one then. */
  get usesRowIndex(): boolean {
    this.#usesRowIndex ??= usesIndex(regionsOf(this.kernel).map(([, region]) => region), "row");
    return this.#usesRowIndex;
  }

  /** Whether columns know their index while they are packed. */
  get usesColumnIndex(): boolean {
    this.#usesColumnIndex ??= usesIndex([this.kernel.column], "column");
    return this.#usesColumnIndex;
  }

  get layout(): Layout {
    return this.emitted.layout;
  }

  /** The module that joins the states of splits, compiled when first needed. */
  get combine(): CombineCode {
    if (this.#combine === null) {
      const { bytes, scratchBytes } = this.emitted.combine();
      this.#combine = { module: new WebAssembly.Module(bytes), scratchBytes };
    }
    return this.#combine;
  }

  explain(): { target: string; schedule: string; source: string } {
    const { rowVectors, columns, operands } = this.schedule;
    const { groupRows, recordBytes } = this.layout;
    return {
      target: this.#target,
      schedule:
        `${groupRows} rows per tile (${rowVectors} vectors), ${columns} columns per turn, ` +
        `operands in ${operands}, ` +
        `${recordBytes} bytes per packed column`,
      source: this.emitted.text(),
    };
  }
}
