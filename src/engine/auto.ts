// What device "auto" runs on where there is no card: native kernels where a fold is long enough to
// wait for a compiler, WebAssembly where not, or where native kernels turn out not to work.

import { PairfoldError } from "../error.ts";
import type { FloatType, Kernel } from "../loop/mod.ts";
import { expandedMath } from "../lower/mod.ts";
import { costOf, mirrorFacts } from "../tiling/mod.ts";
import type {
  DType,
  Engine,
  Held,
  NumberArray,
  Program,
  RoundsFrom,
  RunControl,
  Segment,
  WholeFold,
} from "./engine.ts";
import { allocate } from "./host.ts";
import { ownProgram } from "./launches.ts";
import type { NativeEngine } from "./native/mod.ts";
import type { WasmEngine } from "./wasm/engine.ts";

/**
 * Operations of all pairs together from which a fold is compiled natively: 5 ms of WebAssembly,
 * which pay for 0.1 s of compiling if the fold comes again (Gaussian 3000 × 3000). By size alone,
 * so that the same fold has the same bits every time.
 */
const NATIVE_OPERATIONS = 2e8;

/** Whether a fold is long enough for a compiler. */
const isLong = (kernel: Kernel, pairs: number): boolean =>
  pairs * costOf(kernel).operations >= NATIVE_OPERATIONS;

/**
 * Pairs from which most formulas are as long: what is known of their kernels is asked for first.
 */
const LIKELY_PAIRS = NATIVE_OPERATIONS / 20;

/** A kernel for one of two engines; which one is known where the compiler was asked. */
class AutoProgram implements Program {
  readonly kernel: Kernel;
  readonly rows: number;
  readonly columns: number;
  /** What decides which engine runs it. */
  readonly whole: WholeFold;
  readonly #engine: AutoEngine;

  constructor(
    engine: AutoEngine,
    kernel: Kernel,
    rows: number,
    columns: number,
    whole: WholeFold = { kernel, pairs: rows * columns },
  ) {
    this.kernel = kernel;
    this.rows = rows;
    this.columns = columns;
    this.whole = whole;
    this.#engine = engine;
  }

  get isLong(): boolean {
    return isLong(this.whole.kernel, this.whole.pairs);
  }

  explain(): ReturnType<Program["explain"]> {
    return this.#engine.explain(this);
  }
}

export class AutoEngine implements Engine {
  readonly name = "native";
  readonly onHost = true;
  readonly expectsFinite = true;
  readonly math = expandedMath;
  readonly roundsFrom: RoundsFrom | undefined;
  readonly #native: NativeEngine;
  readonly #wasm: WasmEngine;
  #failure: string | null = null;

  constructor(native: NativeEngine, wasm: WasmEngine) {
    this.#native = native;
    this.#wasm = wasm;
    this.roundsFrom = native.roundsFrom;
  }

  /** Why native kernels do not work; null as long as they do. */
  get failure(): string | null {
    return this.#failure;
  }

  describe(): string[] {
    return this.#native.describe();
  }

  /** The engine that runs a program. */
  #chosen(program: AutoProgram): Engine {
    return program.isLong && this.#failure === null ? this.#native : this.#wasm;
  }

  explain(program: AutoProgram): ReturnType<Program["explain"]> {
    const on = (engine: Engine): ReturnType<Program["explain"]> =>
      engine.compile(program.kernel, program.rows, program.columns).explain();
    try {
      return on(this.#chosen(program));
    } catch (error) {
      this.#goOn(error);
      return on(this.#wasm);
    }
  }

  mirrors(points: number, dim: number, float: FloatType): boolean {
    return [this.#native, this.#wasm].some((engine) => engine.mirrors(points, dim, float));
  }

  /**
   * Asks the engine that folds them; after a failure WebAssembly folds all pairs where it has to.
   */
  mirrorPays(kernel: Kernel, points: number): boolean {
    const works = this.#failure === null;
    if (works && points ** 2 >= LIKELY_PAIRS) this.#native.recall(kernel);
    const engine = works && isLong(kernel, points ** 2) ? this.#native : this.#wasm;
    const dim = mirrorFacts(kernel)?.components ?? 0;
    return engine.mirrors(points, dim, kernel.float) && engine.mirrorPays(kernel);
  }

  isMirrored(program: Program, segments: readonly Segment[]): boolean {
    const own = ownProgram(program, AutoProgram);
    const { kernel, rows, columns } = own;
    const engine = this.#chosen(own);
    return engine.isMirrored?.(engine.compile(kernel, rows, columns), segments) ?? false;
  }

  compile(kernel: Kernel, rows: number, columns: number, whole?: WholeFold): Program {
    return new AutoProgram(this, kernel, rows, columns, whole);
  }

  allocate(dtype: DType, length: number): NumberArray {
    return allocate(dtype, length);
  }

  place(numbers: NumberArray): NumberArray {
    return numbers;
  }

  async launch(
    program: Program,
    inputs: readonly Held[],
    outputs: readonly Held[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    const own = ownProgram(program, AutoProgram);
    const on = (engine: Engine): Promise<void> => {
      const { kernel, rows, columns } = own;
      const compiled = engine.compile(kernel, rows, columns);
      return engine.launch(compiled, inputs, outputs, segments, control);
    };
    const isLikely = own.whole.pairs >= LIKELY_PAIRS && this.#failure === null;
    if (isLikely || this.#chosen(own) === this.#native) {
      try {
        await this.#native.open(own.kernel, own.rows, own.columns);
        this.#native.recall(own.whole.kernel);
        if (this.#chosen(own) === this.#native) return await on(this.#native);
      } catch (error) {
        this.#goOn(error);
      }
    }
    await on(this.#wasm);
  }

  /** Goes on with WebAssembly after what only native kernels can have to do with. */
  #goOn(error: unknown): void {
    const isNative = error instanceof PairfoldError &&
      (error.code === "compile" || error.code === "device");
    if (!isNative) throw error;
    if (this.#failure === null) {
      const [line] = error.message.split("\n");
      console.warn(`Pairfold: native kernels do not work; folds run on WebAssembly.\n${line}`);
    }
    this.#failure = error.message;
  }

  /** Its engines tell of theirs. */
  memory(): null {
    return null;
  }
}
