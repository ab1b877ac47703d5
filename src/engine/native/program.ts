// A kernel with a schedule as C for this machine, emitted when somebody wants the source.

import {
  type CLayout,
  type CModule,
  type CSource,
  emitC,
  type SourceKind,
} from "../../emit/c/mod.ts";
import { type Kernel, runSteps, uniformRecord } from "../../loop/mod.ts";
import { checkNativeSchedule, mirrorFacts, type NativeSchedule } from "../../tiling/mod.ts";
import type { Program } from "../engine.ts";
import type { LibrarySource } from "./library.ts";
import type { KernelNote, LibraryNote, ProgramNote } from "./notes.ts";

/** A schedule's name, in notes too: all that changes the source. */
export function scheduleKey(schedule: NativeSchedule): string {
  const { rowVectors, interleave, columns, components = 0, surveys = false } = schedule;
  return `${rowVectors}:${interleave}:${columns}:${components}:${surveys}`;
}

/** What a program is made of. */
export interface NativeProgramOptions {
  readonly kernel: Kernel;
  readonly schedule: NativeSchedule;
  readonly vectorBytes: number;
  /** The machine, and why the schedule was chosen, for people. */
  readonly target: string;
  readonly why: string;
  /** What an earlier process has kept of an equal kernel. */
  readonly note: KernelNote | null;
  /** What was written before it was known what for, if that was right. */
  readonly prepared: Prepared | null;
}

/** A kernel as C, written ahead. */
export interface Prepared {
  readonly kernel: Kernel;
  readonly vectorBytes: number;
  /** Its schedule's. */
  readonly key: string;
  readonly module: CModule;
}

/** Writes a kernel for vectors of so many bytes: the source that will be wanted first. */
export function prepared(kernel: Kernel, schedule: NativeSchedule, vectorBytes: number): Prepared {
  const { layout, source } = emitC(kernel, schedule, vectorBytes);
  const first = kernel.mirror === null ? "fold" : "mirror";
  const written = source(first);
  const module: CModule = { layout, source: (kind) => kind === first ? written : source(kind) };
  return { kernel, vectorBytes, key: scheduleKey(schedule), module };
}

export class NativeProgram implements Program {
  readonly kernel: Kernel;
  readonly schedule: NativeSchedule;
  readonly #options: NativeProgramOptions;
  readonly #note: ProgramNote | undefined;
  #emitted: CModule | null = null;
  readonly #sources = new Map<SourceKind, LibrarySource>();

  constructor(options: NativeProgramOptions) {
    const { kernel, schedule, note, prepared } = options;
    checkNativeSchedule(schedule);
    this.kernel = kernel;
    this.schedule = schedule;
    this.#options = options;
    const key = scheduleKey(schedule);
    this.#note = note?.programs[key];
    const isRight = prepared?.kernel === kernel && prepared.vectorBytes === options.vectorBytes &&
      prepared.key === key;
    if (isRight) this.#emitted = prepared.module;
  }

  get #module(): CModule {
    const { kernel, schedule, vectorBytes } = this.#options;
    return this.#emitted ??= emitC(kernel, schedule, vectorBytes);
  }

  get layout(): CLayout {
    return this.#note?.layout ?? this.#module.layout;
  }

  /**
   * The source that folds all pairs, or each pair of points once, or joins the states of splits.
   */
  source(kind: SourceKind): LibrarySource {
    let source = this.#sources.get(kind);
    if (source === undefined) {
      source = sourceOf(this.#note?.[kind], () => this.#module.source(kind));
      this.#sources.set(kind, source);
    }
    return source;
  }

  /** The uniform record of one row per input (null: not uniform). */
  uniforms(inputs: Parameters<typeof runSteps>[1]): Float64Array {
    const { uniforms } = this.layout;
    const { note } = this.#options;
    return note === null
      ? uniformRecord(this.kernel.uniform, inputs, uniforms)
      : runSteps(note.steps, inputs, uniforms);
  }

  explain(): { target: string; schedule: string; source: string } {
    const { rowVectors, columns, components = 0, surveys = false } = this.schedule;
    const { groupRows, recordBytes } = this.layout;
    const { target, why } = this.#options;
    return {
      target,
      schedule:
        `${groupRows} rows per tile (${rowVectors} vectors), ${columns} columns per turn, ` +
        (components > 0 ? `tiles of ${components} components, ` : "") +
        (surveys ? "columns surveyed by groups, " : "") +
        `${recordBytes} bytes per packed column (${why})`,
      source: this.source(mirrorFacts(this.kernel) === null ? "fold" : "mirror").text,
    };
  }
}

/** A source whose library may be known without its text. */
function sourceOf(note: LibraryNote | undefined, emit: () => CSource): LibrarySource {
  if (note === undefined) return { ...emit(), library: null };
  let emitted: CSource | null = null;
  const { library, effort, scratchBytes } = note;
  return {
    library,
    effort,
    scratchBytes,
    get text() {
      return (emitted ??= emit()).text;
    },
  };
}
