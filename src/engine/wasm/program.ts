// A kernel compiled for the host's WebAssembly.

import type { Layout, WasmModule } from "../../emit/wasm/mod.ts";
import type { Kernel } from "../../loop/mod.ts";
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

export class WasmProgram implements Program {
  readonly kernel: Kernel;
  readonly schedule: WasmSchedule;
  readonly emitted: WasmModule;
  readonly code: CompiledCode;
  readonly #target: string;
  #combine: CombineCode | null = null;

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
