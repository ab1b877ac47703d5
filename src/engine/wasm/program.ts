// A kernel compiled for the host's WebAssembly.

import type { Layout, WasmModule } from "../../emit/wasm/mod.ts";
import type { Kernel } from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import type { Program } from "../engine.ts";

export class WasmProgram implements Program {
  readonly id: number;
  /** The module's bytes and constants as a string. */
  readonly key: string;
  readonly kernel: Kernel;
  readonly schedule: WasmSchedule;
  readonly emitted: WasmModule;
  readonly module: WebAssembly.Module;
  readonly #target: string;

  constructor(
    id: number,
    key: string,
    kernel: Kernel,
    schedule: WasmSchedule,
    emitted: WasmModule,
    target: string,
  ) {
    this.id = id;
    this.key = key;
    this.kernel = kernel;
    this.schedule = schedule;
    this.emitted = emitted;
    this.module = new WebAssembly.Module(emitted.bytes);
    this.#target = target;
  }

  get layout(): Layout {
    return this.emitted.layout;
  }

  explain(): { target: string; schedule: string; source: string } {
    const { rowVectors, operands } = this.schedule;
    const { groupRows, recordBytes } = this.layout;
    return {
      target: this.#target,
      schedule: `${groupRows} rows per tile (${rowVectors} vectors), operands in ${operands}, ` +
        `${recordBytes} bytes per packed column`,
      source: this.emitted.text(),
    };
  }
}
