// A device for tests: a WebAssembly engine behind memory of its own. Launches are queued and run in
// later turns of the event loop; memory is poisoned before it is filled and after it is freed, so
// that what reads too early or too late shows; everything is counted, and faults can be asked for.

import type {
  DeviceArray,
  DType,
  Engine,
  Held,
  MemoryUse,
  NumberArray,
  Program,
  RunControl,
  Segment,
} from "../../src/engine/mod.ts";
import { allocate, dtypeOf, isDeviceArray, WasmEngine } from "../../src/engine/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import type { Kernel } from "../../src/loop/mod.ts";
import { expandedMath } from "../../src/lower/mod.ts";

const POISON = { float32: NaN, float64: NaN, int32: -77_777_777 } as const;

/** Choices of a test device. */
export interface TestDeviceOptions {
  readonly name?: string;
  /** Bytes of its memory; default without end. */
  readonly capacity?: number;
}

class TestArray implements DeviceArray {
  readonly engine: TestDevice;
  readonly numbers: NumberArray;
  /** Pairs that the launch folds which fills it. */
  pairs = 0;
  /** What went wrong in the launch that should have filled it. */
  fault: unknown = null;
  isDisposed = false;

  constructor(engine: TestDevice, numbers: NumberArray) {
    this.engine = engine;
    this.numbers = numbers;
  }

  get dtype(): DType {
    return dtypeOf(this.numbers);
  }
  get length(): number {
    return this.numbers.length;
  }
  get bytes(): number {
    return this.numbers.byteLength;
  }

  download(control: RunControl): Promise<NumberArray> {
    return this.engine.download(this, control);
  }
  dispose(): void {
    this.engine.free(this);
  }
}

class TestProgram implements Program {
  readonly kernel: Kernel;
  readonly inner: Program;

  constructor(inner: Program) {
    this.kernel = inner.kernel;
    this.inner = inner;
  }
  explain(): { target: string; schedule: string; source: string } {
    return { ...this.inner.explain(), target: "a device for tests" };
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

export class TestDevice implements Engine {
  readonly name: string;
  readonly math = expandedMath;
  uploads = 0;
  downloads = 0;
  /** Launches that have run. */
  launches = 0;
  /** All that was compiled. */
  readonly kernels = new Set<Kernel>();
  liveArrays = 0;
  liveBytes = 0;
  /** Errors that the next launches meet, when they run or when they are asked for. */
  readonly faultsOfRuns: Error[] = [];
  readonly faultsOfCalls: Error[] = [];
  readonly #capacity: number;
  readonly #inner = new WasmEngine({ threads: 1 });
  #queue: Promise<void> = Promise.resolve();
  #go: () => void = () => {};
  #gate: Promise<void> = Promise.resolve();

  constructor({ name = "test:0", capacity = Infinity }: TestDeviceOptions = {}) {
    this.name = name;
    this.#capacity = capacity;
  }

  describe(): string[] {
    return ["a device for tests"];
  }

  compile(kernel: Kernel, rows: number, columns: number): Program {
    this.kernels.add(kernel);
    return new TestProgram(this.#inner.compile(kernel, rows, columns));
  }

  /** Keeps what is queued from running. */
  pause(): void {
    this.#gate = new Promise((resolve) => this.#go = resolve);
    this.#enqueue(() => this.#gate);
  }
  resume(): void {
    this.#go();
  }
  /** Waits for all that is queued now. */
  settled(): Promise<void> {
    return this.#queue;
  }

  #enqueue(work: () => Promise<void> | void): Promise<void> {
    return this.#queue = this.#queue.then(turn).then(work);
  }

  allocate(dtype: DType, length: number): TestArray {
    const numbers = allocate(dtype, length).fill(POISON[dtype]);
    if (this.liveBytes + numbers.byteLength > this.#capacity) {
      throw new PairfoldError(
        "memory",
        `${this.name}: cannot allocate ${numbers.byteLength} bytes`,
      );
    }
    this.liveArrays++;
    this.liveBytes += numbers.byteLength;
    return new TestArray(this, numbers);
  }

  place(numbers: NumberArray): TestArray {
    const array = this.allocate(dtypeOf(numbers), numbers.length);
    this.uploads++;
    array.numbers.set(numbers);
    return array;
  }

  free(array: TestArray): void {
    if (array.isDisposed) return;
    array.isDisposed = true;
    this.liveArrays--;
    this.liveBytes -= array.bytes;
    this.#enqueue(() => void array.numbers.fill(POISON[array.dtype]));
  }

  #own(held: Held): TestArray {
    if (!(held instanceof TestArray) || held.engine !== this) {
      const where = isDeviceArray(held) ? held.engine.name : "the host";
      throw new PairfoldError("internal", `${this.name}: got an array on ${where}`);
    }
    if (held.isDisposed) throw new PairfoldError("device", `${this.name}: got a freed array`);
    return held;
  }

  async download(array: TestArray, { signal, onProgress }: RunControl): Promise<NumberArray> {
    this.#own(array);
    this.downloads++;
    onProgress?.({ done: 0, total: array.pairs, threads: 0 });
    let numbers: NumberArray | null = null;
    const copied = this.#enqueue(() => {
      numbers = array.numbers.slice();
    });
    await Promise.race([copied, abortOf(signal)]);
    if (array.fault !== null) throw array.fault;
    if (numbers === null) throw new PairfoldError("aborted", "download: the signal was aborted");
    onProgress?.({ done: array.pairs, total: array.pairs, threads: 1 });
    return numbers;
  }

  // deno-lint-ignore require-await -- what it throws must reject
  async launch(
    program: Program,
    inputs: readonly Held[],
    outputs: readonly Held[],
    segments: readonly Segment[],
    { signal }: RunControl,
  ): Promise<void> {
    if (!(program instanceof TestProgram)) throw new PairfoldError("internal", "whose program?");
    if (signal?.aborted) throw new PairfoldError("aborted", "launch: the signal was aborted");
    const fault = this.faultsOfCalls.shift();
    if (fault !== undefined) throw fault;
    const { inputs: kinds } = program.kernel;
    const devices = inputs.flatMap((held, k) => kinds[k].axis === "uniform" ? [] : this.#own(held));
    const from = inputs.map((held, k): NumberArray => {
      if (kinds[k].axis !== "uniform") return this.#own(held).numbers;
      if (isDeviceArray(held)) throw new PairfoldError("internal", `input ${k} is not on the host`);
      return held;
    });
    const to = outputs.map((held) => this.#own(held));
    const pairs = segments.reduce((sum, s) => sum + (s.i1 - s.i0) * (s.j1 - s.j0), 0);
    for (const array of to) array.pairs = pairs;
    this.#enqueue(async () => {
      const own = this.faultsOfRuns.shift() ?? devices.find((a) => a.fault !== null)?.fault ?? null;
      for (const array of to) array.fault = own;
      if (own !== null) return;
      const numbers = to.map((array) => array.numbers);
      try {
        await this.#inner.launch(program.inner, from, numbers, segments, {});
        this.launches++;
      } catch (error) {
        for (const array of to) array.fault = error;
      }
    });
  }

  memory(): MemoryUse {
    const total = this.#capacity;
    return { live: this.liveBytes, pooled: 0, available: total - this.liveBytes, total };
  }
}

function abortOf(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve();
    signal?.addEventListener("abort", () => resolve(), { once: true });
  });
}
