// A kernel compiled for the host's WebAssembly.

import {
  isLinear,
  type Layout,
  VECTOR_BYTES,
  vectorOf,
  type WasmModule,
} from "../../emit/wasm/mod.ts";
import { PairfoldError } from "../../error.ts";
import { type Kernel, type Region, regionsOf, type Value, visit } from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import type { Program } from "../engine.ts";
import type { Footprint } from "../plan.ts";
import { footprintOf } from "./footprint.ts";

/** Compiled code. Kernels that differ only in their uniform section, which runs here, share it. */
export interface CompiledCode {
  readonly id: number;
  /** The module's bytes and constants as a string. */
  readonly key: string;
  readonly module: WebAssembly.Module;
  /** Whether the engine still has it; what it forgot is compiled again. */
  isKept: boolean;
}

/**
 * A compiled module, or why the host refuses it: functions have limits (50,000 locals and 7 MB in
 * V8), and pages may forbid WebAssembly altogether.
 */
export function compileModule(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module | PairfoldError {
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return new PairfoldError(
      "compile",
      `wasm: the host refuses a kernel of ${bytes.length} bytes (${why}); expected a formula with ` +
        "fewer operations, and a page that allows WebAssembly",
      { cause: error },
    );
  }
}

/** The compiled combining step of one program. */
export interface CombineCode {
  readonly module: WebAssembly.Module;
  readonly scratchBytes: number;
}

/** Whether a value that some regions compute is one of a kind. */
function someValue(regions: readonly Region[], is: (value: Value) => boolean): boolean {
  let found = false;
  for (const region of regions) {
    visit(region, (s) => {
      if (s.kind === "let" && is(s.value)) found = true;
    });
  }
  return found;
}

const isIndexOf = (axis: "row" | "column") => (value: Value): boolean =>
  value.kind === "index" && value.axis === axis;

/** Inputs by what their rows belong to. */
type Slots = Readonly<Record<"uniform" | "row" | "column", readonly number[]>>;

export class WasmProgram implements Program {
  readonly kernel: Kernel;
  readonly schedule: WasmSchedule;
  readonly emitted: WasmModule;
  readonly code: CompiledCode;
  readonly #target: string;
  readonly #why: string;
  #combine: CombineCode | null = null;
  #constants = new Uint8Array(0);
  #footprint: Footprint | null = null;
  #slots: Slots | null = null;
  #usesRowIndex: boolean | null = null;
  #usesColumnIndex: boolean | null = null;
  #packsUniforms: boolean | null = null;

  constructor(
    kernel: Kernel,
    schedule: WasmSchedule,
    emitted: WasmModule,
    code: CompiledCode,
    target: string,
    why: string,
  ) {
    this.#why = why;
    this.kernel = kernel;
    this.schedule = schedule;
    this.emitted = emitted;
    this.code = code;
    this.#target = target;
  }

  /** Whether rows know their index: those of other segments are not rows of this one then. */
  get usesRowIndex(): boolean {
    return this.#usesRowIndex ??= someValue(
      regionsOf(this.kernel).map(([, region]) => region),
      isIndexOf("row"),
    );
  }

  /** Whether columns know their index while they are packed. */
  get usesColumnIndex(): boolean {
    this.#usesColumnIndex ??= someValue([this.kernel.column], isIndexOf("column"));
    return this.#usesColumnIndex;
  }

  /** Whether packing reads what belongs to the launch: its parameters, or its number of columns. */
  get packsUniforms(): boolean {
    this.#packsUniforms ??= someValue([this.kernel.column], (value) =>
      value.kind === "count" ||
      (value.kind === "load" && value.memory.kind === "record"));
    return this.#packsUniforms;
  }

  /** Whether its code is still the engine's. */
  get isKept(): boolean {
    return this.code.isKept;
  }

  /** What its rows and columns take of linear memory. */
  get footprint(): Footprint {
    return this.#footprint ??= footprintOf(this.kernel, this.layout);
  }

  /** Inputs by what their rows belong to. */
  get slots(): Slots {
    if (this.#slots === null) {
      const slots = { uniform: [] as number[], row: [] as number[], column: [] as number[] };
      this.kernel.inputs.forEach(({ axis }, slot) => slots[axis].push(slot));
      this.#slots = slots;
    }
    return this.#slots;
  }

  get layout(): Layout {
    return this.emitted.layout;
  }

  /** The constants as they stand in memory; those of the combining step from when it is there. */
  get constants(): Uint8Array {
    const { constants } = this.emitted;
    if (this.#constants.length < constants.length * VECTOR_BYTES) {
      const bytes = new Uint8Array(constants.length * VECTOR_BYTES);
      constants.forEach(({ type, value }, k) => bytes.set(vectorOf(type, value), k * VECTOR_BYTES));
      this.#constants = bytes;
    }
    return this.#constants;
  }

  /** The module that joins the states of splits, compiled when first needed. */
  get combine(): CombineCode {
    if (this.#combine === null) {
      const { bytes, scratchBytes } = this.emitted.combine();
      const module = compileModule(bytes);
      if (module instanceof PairfoldError) throw module;
      this.#combine = { module, scratchBytes };
    }
    return this.#combine;
  }

  explain(): { target: string; schedule: string; source: string } {
    const { rowVectors, columns, operands, components = 0, writesOut } = this.schedule;
    const { surveys, searches } = this.schedule;
    const { groupRows, records } = this.layout;
    return {
      target: this.#target,
      schedule:
        `${groupRows} rows per tile (${rowVectors} vectors), ${columns} columns per turn, ` +
        `operands in ${operands}, ` +
        (surveys && this.kernel.survey !== null ? "columns surveyed by groups, " : "") +
        (searches && this.kernel.search !== null ? "columns searched by groups, " : "") +
        (components > 0 ? `wide sums by tiles of ${components} components, ` : "") +
        (components > 0 && writesOut ? "blocks of columns written out, " : "") +
        `${records.blockBytes / records.block} bytes per packed column${
          isLinear(records) ? "" : ", in blocks"
        } (${this.#why})`,
      source: this.emitted.text(),
    };
  }
}
