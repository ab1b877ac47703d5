// Several engines as one: each takes a share of the rows and has all columns. Enters: engines that
// compute with the same functions. Leaves: an engine whose results stand on the host, in order,
// with the bits that each of them alone would give.

import { PairfoldError } from "../error.ts";
import type { Kernel, MathFunctions } from "../loop/mod.ts";
import type {
  DeviceArray,
  DType,
  Engine,
  Held,
  NumberArray,
  Program,
  RunControl,
  Segment,
} from "./engine.ts";
import { allocate, dtypeOf, hostArrays, isDeviceArray } from "./host.ts";
import { ownProgram } from "./launches.ts";

/** Rows are divided at multiples of this, so that the parts are whole tiles, wherever they run. */
const UNIT_ROWS = 256;

const rowsOf = ({ i0, i1 }: Segment): number => Math.max(0, i1 - i0);
/** Rows without columns cost something too. */
const columnsOf = ({ j0, j1 }: Segment): number => Math.max(1, j1 - j0);

/** Divides segments into so many lists of about the same number of pairs, in order of the rows. */
export function divideRows(segments: readonly Segment[], count: number): Segment[][] {
  const shares: Segment[][] = Array.from({ length: count }, () => []);
  const total = segments.reduce((sum, s) => sum + rowsOf(s) * columnsOf(s), 0);
  let before = 0;
  let open = 0; // the first share that is not complete
  for (const segment of segments) {
    const [rows, columns] = [rowsOf(segment), columnsOf(segment)];
    const { i0, wholeRows = rows } = segment;
    for (let start = 0; start < rows;) {
      const wanted = (total * (open + 1) / count - before) / columns;
      const whole = Math.round(wanted / UNIT_ROWS) * UNIT_ROWS;
      const isLast = open === count - 1;
      const end = isLast ? rows : Math.min(rows, Math.max(start, whole));
      if (end > start) shares[open].push({ ...segment, i0: i0 + start, i1: i0 + end, wholeRows });
      if (end < rows) open++;
      start = end;
    }
    before += rows * columns;
  }
  return shares;
}

/** Numbers with a copy for each of several engines. */
class SeveralArray implements DeviceArray {
  readonly engine: Engine;
  readonly dtype: DType;
  readonly length: number;
  readonly parts: readonly Held[];

  constructor(engine: Engine, numbers: NumberArray, parts: readonly Held[]) {
    this.engine = engine;
    this.dtype = dtypeOf(numbers);
    this.length = numbers.length;
    this.parts = parts;
  }

  async download(control: RunControl): Promise<NumberArray> {
    const [first] = this.parts;
    return isDeviceArray(first) ? await first.download(control) : first.slice();
  }

  dispose(): void {
    disposeAll(this.parts);
  }
}

function disposeAll(arrays: readonly Held[]): void {
  for (const held of arrays) if (isDeviceArray(held)) held.dispose();
}

/** A kernel compiled for each of several engines. */
class SeveralProgram implements Program {
  readonly kernel: Kernel;
  readonly parts: readonly Program[];

  constructor(kernel: Kernel, parts: readonly Program[]) {
    this.kernel = kernel;
    this.parts = parts;
  }

  explain(): { target: string; schedule: string; source: string } {
    const explained = this.parts[0].explain();
    const target = `${this.parts.length} engines, each with its share of the rows: ` +
      explained.target;
    return { ...explained, target };
  }
}

/** How far each of several runs has come, told as one. */
class SumOfProgress {
  readonly #done: number[];
  readonly #threads: number[];
  readonly #total: number;
  readonly #control: RunControl;

  constructor(shares: readonly (readonly Segment[])[], control: RunControl) {
    this.#done = shares.map(() => 0);
    this.#threads = shares.map(() => 0);
    const pairs = (s: Segment): number => rowsOf(s) * Math.max(0, s.j1 - s.j0);
    this.#total = shares.flat().reduce((sum, s) => sum + pairs(s), 0);
    this.#control = control;
    this.#tell();
  }

  /** What one of the runs is controlled by. */
  part(k: number, signal: AbortSignal): RunControl {
    const { onProgress, whenWatched } = this.#control;
    if (onProgress === undefined) return { signal };
    return {
      signal,
      whenWatched,
      onProgress: ({ done, threads }) => {
        const grows = done > this.#done[k];
        this.#done[k] = Math.max(this.#done[k], done);
        this.#threads[k] = Math.max(this.#threads[k], threads);
        if (grows) this.#tell();
      },
    };
  }

  /** All is done, whether told or not. */
  end(): void {
    this.#tell(this.#total);
  }

  #tell(done = this.#done.reduce((sum, n) => sum + n, 0)): void {
    const threads = this.#threads.reduce((sum, n) => sum + n, 0);
    this.#control.onProgress?.({ done, total: this.#total, threads });
  }
}

class SeveralEngines implements Engine {
  readonly name: string;
  readonly math: MathFunctions;
  readonly engines: readonly Engine[];

  constructor(engines: readonly Engine[]) {
    this.engines = engines;
    this.name = engines.map(({ name }) => name).join(" and ");
    this.math = engines[0].math;
  }

  describe(): string[] {
    return this.engines.flatMap((engine) => [
      `${engine.name}:`,
      ...engine.describe().map((line) => `  ${line}`),
    ]);
  }

  compile(kernel: Kernel, rows: number, columns: number): Program {
    const share = Math.ceil(rows / this.engines.length);
    return new SeveralProgram(
      kernel,
      this.engines.map((engine) => engine.compile(kernel, share, columns)),
    );
  }

  allocate(dtype: DType, length: number): NumberArray {
    return allocate(dtype, length);
  }

  place(numbers: NumberArray): Held {
    const parts: Held[] = [];
    try {
      for (const engine of this.engines) parts.push(engine.place(numbers));
    } catch (error) {
      disposeAll(parts);
      throw error;
    }
    return parts.some(isDeviceArray) ? new SeveralArray(this, numbers, parts) : numbers;
  }

  async launch(
    program: Program,
    inputs: readonly Held[],
    outputs: readonly Held[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    const { parts } = ownProgram(program, SeveralProgram);
    const targets = hostArrays(outputs);
    const shares = divideRows(segments, this.engines.length);
    const progress = new SumOfProgress(shares, control);
    const stop = new AbortController();
    const abort = (): void => stop.abort(control.signal?.reason);
    if (control.signal?.aborted) abort();
    control.signal?.addEventListener("abort", abort, { once: true });
    // what fails first stops the others, and all have ended before this does
    const failures: unknown[] = [];
    await Promise.all(shares.map(async (share, k) => {
      if (share.length === 0) return;
      const own = inputs.map((held) => held instanceof SeveralArray ? held.parts[k] : held);
      try {
        const part = progress.part(k, stop.signal);
        await runShare(this.engines[k], parts[k], own, targets, share, part);
      } catch (error) {
        failures.push(error);
        stop.abort(error);
      }
    }));
    control.signal?.removeEventListener("abort", abort);
    if (failures.length > 0) throw failures[0];
    progress.end();
  }

  /** Its engines tell of theirs. */
  memory(): null {
    return null;
  }
}

/** Runs one engine's share and copies its rows to where they belong. */
async function runShare(
  engine: Engine,
  program: Program,
  inputs: readonly Held[],
  targets: readonly NumberArray[],
  share: readonly Segment[],
  control: RunControl,
): Promise<void> {
  // the engine's own outputs hold the share's rows alone, one after another
  let rows = 0;
  const packed = share.map((segment): Segment => {
    const first = rows;
    rows += rowsOf(segment);
    return { ...segment, output: first - segment.i0 };
  });
  const outputs: Held[] = [];
  try {
    for (const [slot, { dim }] of program.kernel.outputs.entries()) {
      outputs.push(engine.allocate(dtypeOf(targets[slot]), rows * dim));
    }
    await engine.launch(program, inputs, outputs, packed, control);
    for (const [slot, held] of outputs.entries()) {
      const numbers = isDeviceArray(held) ? await held.download(control) : held;
      const { dim } = program.kernel.outputs[slot];
      share.forEach(({ i0, i1, output }, at) => {
        const from = packed[at].output;
        const part = numbers.subarray((i0 + from) * dim, (i1 + from) * dim);
        targets[slot].set(part, (i0 + output) * dim);
      });
    }
  } finally {
    disposeAll(outputs);
  }
}

/** Engines made of others, by the first of these. */
const made = new WeakMap<Engine, SeveralEngines[]>();

/**
 * One engine of several, always the same for the same ones. Throws `PairfoldError` (device) unless
 * they differ and compute with the same functions, so that it is all one which of them takes a row.
 */
export function several(engines: readonly Engine[]): Engine {
  const names = engines.map(({ name }) => name).join(", ");
  if (engines.length === 0) {
    throw new PairfoldError("device", "device: got an empty list; expected one device or more");
  }
  const [first, ...others] = engines;
  if (others.length === 0) return first;
  if (new Set(engines).size < engines.length) {
    throw new PairfoldError("device", `device: got one twice in ${names}; expected each once`);
  }
  if (others.some(({ math }) => math !== first.math)) {
    throw new PairfoldError("device", `device: got ${names}; expected devices of one kind`);
  }
  const known = made.get(first) ?? [];
  let engine = known.find((e) =>
    e.engines.length === engines.length && e.engines.every((member, k) => member === engines[k])
  );
  if (engine === undefined) {
    engine = new SeveralEngines(engines);
    made.set(first, [...known, engine]);
  }
  return engine;
}
