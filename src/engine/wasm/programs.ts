// The programs of a WebAssembly engine: kernels with a schedule, emitted once, compiled once per
// code.

import { emitWasm, type WasmFeatures, type WasmModule } from "../../emit/wasm/mod.ts";
import { PairfoldError } from "../../error.ts";
import { type Kernel, numberText } from "../../loop/mod.ts";
import { UNTILED, type WasmSchedule } from "../../tiling/mod.ts";
import { type CompiledCode, compileModule, WasmProgram } from "./program.ts";

/** Programs that are kept compiled. */
const MAX_PROGRAMS = 256;

/** Bytes that are arguments of one call: they stand on the stack. */
const ARGUMENTS = 4096;

/** Bytes as a text of as many characters. A decoder of the host takes 0.25 ms the first time. */
function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let k = 0; k < bytes.length; k += ARGUMENTS) {
    text += Reflect.apply(String.fromCharCode, null, bytes.subarray(k, k + ARGUMENTS));
  }
  return text;
}

export class Programs {
  readonly #features: WasmFeatures;
  readonly #target: string;
  readonly #forget: (id: number) => void;
  readonly #byKernel = new WeakMap<Kernel, Map<string, WasmProgram>>();
  /** Compiled code by its bytes; the oldest leaves first. */
  readonly #codes = new Map<string, CompiledCode>();
  #compiled = 0;

  /** `forget` hears of code that is no longer kept. */
  constructor(features: WasmFeatures, threads: number, forget: (id: number) => void) {
    this.#features = features;
    this.#target = `wasm SIMD${features.relaxed ? ", relaxed" : ""}` +
      (features.shared ? `, ${threads} threads` : ", one thread");
    this.#forget = forget;
  }

  /** Programs compiled so far (not found here). */
  get compiled(): number {
    return this.#compiled;
  }

  /** A kernel with a schedule. */
  of(kernel: Kernel, schedule: WasmSchedule, why: string): WasmProgram {
    const key = `${Object.entries(schedule).join(":")}:${why}`;
    let programs = this.#byKernel.get(kernel);
    if (programs === undefined) this.#byKernel.set(kernel, programs = new Map());
    const known = programs.get(key);
    if (known !== undefined && known.isKept) return known;
    const emitted = emitWasm(kernel, schedule, this.#features);
    const code = this.#compile(emitted);
    const program = code instanceof PairfoldError
      ? this.#smallest(kernel, schedule, code)
      : new WasmProgram(kernel, schedule, emitted, code, this.#target, why);
    programs.set(key, program);
    return program;
  }

  /** The kernel as the least code, where the host refuses a schedule's. */
  #smallest(kernel: Kernel, refused: WasmSchedule, error: PairfoldError): WasmProgram {
    const isSmallest = Object.entries(UNTILED).every(([name, value]) =>
      refused[name as keyof WasmSchedule] === value
    );
    if (isSmallest) throw error;
    return this.of(kernel, UNTILED, "the host refuses the code of a larger tile");
  }

  /** Compiled code, or why the host refuses it. */
  #compile(emitted: WasmModule): CompiledCode | PairfoldError {
    // the constants stand in memory, not in the code
    const constants = emitted.constants.map(({ type, value }) => `${type} ${numberText(value)}`);
    const key = `${textOf(emitted.bytes)}${constants}`;
    let code = this.#codes.get(key);
    if (code === undefined) {
      const module = compileModule(emitted.bytes);
      if (module instanceof PairfoldError) return module;
      code = { id: this.#compiled++, key, module, isKept: true };
    }
    this.#codes.delete(key);
    this.#codes.set(key, code); // the youngest now
    if (this.#codes.size > MAX_PROGRAMS) this.#forgetOldest();
    return code;
  }

  #forgetOldest(): void {
    const [[key, code]] = this.#codes;
    this.#codes.delete(key);
    code.isKept = false;
    this.#forget(code.id);
  }
}
