// What is kept of kernels beside their binaries, so that a later process that meets an equal
// formula neither lowers nor emits it: what the cost model asks about it, its uniform section, and
// for every schedule the rows that it was chosen for, its layout and its sources, by which the shim
// finds the binaries. Enters: kernels by their identity. Leaves: notes, or null.
//
// A note is taken only by the version of Pairfold, the compiler, its options and the card's
// architecture that it was written with. Its folder is the user's own, for sources become code.

import type { CudaLayout } from "../../emit/cuda/mod.ts";
import { type Kernel, type UniformStep, uniformSteps } from "../../loop/mod.ts";
import {
  chooseCudaSchedule,
  type CudaSchedule,
  describeCudaSchedule,
  type NativeFacts,
  nativeFacts,
  parseCudaSchedule,
  recallFacts,
} from "../../tiling/mod.ts";
import { NoteFiles } from "../notes/files.ts";
import { readSteps, type WrittenSteps, writtenSteps } from "../notes/steps.ts";
import { packsUniforms, recallPacksUniforms } from "./plans.ts";

/** Folders of src/ that say what a source is, beside the shared ones. */
export const FOLDERS: readonly string[] = ["emit/c", "emit/cuda", "engine/cuda"];

/** Schedules that a note has; beyond, the oldest leave. */
const MOST_PROGRAMS = 8;
/** From so many rows on, a kernel has one schedule: they keep the largest card busy. */
export const MOST_ROWS: number = 2 ** 20;

/** The sources of a program: what folds all pairs, joins states, folds points with themselves. */
export type CudaSource = "fold" | "combine" | "mirror";

/** What an engine asks about an emitted kernel, its sources aside. */
export interface CudaShape {
  readonly layout: CudaLayout;
  /** Whether there are columns to pack. */
  readonly packs: boolean;
  /** How points with themselves are folded; null where all pairs are. */
  readonly mirror: { readonly threads: number } | null;
}

/** A kernel with a schedule. */
export interface ProgramNote extends CudaShape {
  readonly schedule: CudaSchedule;
  /** The fewest and the most rows that the cost model chooses it for; null: it was not asked. */
  readonly rows: readonly [least: number, most: number] | null;
  readonly sources: Readonly<Partial<Record<CudaSource, string>>>;
}

/** A kernel. */
export interface KernelNote {
  readonly facts: NativeFacts;
  readonly steps: readonly UniformStep[];
  /** Whether packed columns depend on the uniform record. */
  readonly packsUniforms: boolean;
  /** By schedule, the oldest first. */
  readonly programs: Readonly<Record<string, ProgramNote>>;
}

/** The notes of one card. */
export class Notes {
  readonly #files: NoteFiles;
  readonly #known = new WeakMap<Kernel, KernelNote | null>();
  /** Kernels of which nothing can be kept, or of which only facts were to be. */
  readonly #settled = new WeakSet<Kernel>();

  /** `version`: all that binaries are made by, beside their kernel and schedule. */
  constructor(folder: string | null, version: string) {
    this.#files = new NoteFiles(folder, version);
  }

  /** What was kept of an equal kernel; from then on what the cost model asks is known as well. */
  of(kernel: Kernel): KernelNote | null {
    let note = this.#known.get(kernel);
    if (note === undefined) {
      note = read(this.#files.read(kernel), kernel);
      if (note !== null) {
        recallFacts(kernel, note.facts);
        recallPacksUniforms(kernel, note.packsUniforms);
      }
      this.#known.set(kernel, note);
    }
    return note;
  }

  /** What was kept of a kernel with a schedule. */
  program(kernel: Kernel, schedule: CudaSchedule): ProgramNote | null {
    return this.of(kernel)?.programs[describeCudaSchedule(schedule)] ?? null;
  }

  /** The schedule that the cost model is known to choose for so many rows. */
  chosen(kernel: Kernel, rows: number): CudaSchedule | null {
    const programs = Object.values(this.of(kernel)?.programs ?? {});
    const wanted = Math.min(rows, MOST_ROWS);
    const isFor = ({ rows: range }: ProgramNote): boolean =>
      range !== null && range[0] <= wanted && wanted <= range[1];
    return programs.find(isFor)?.schedule ?? null;
  }

  /** Keeps what a kernel costs, where nothing is kept of it yet. */
  keepFacts(kernel: Kernel): void {
    if (this.#settled.has(kernel) || this.of(kernel) !== null) return;
    this.#settled.add(kernel);
    const note = begun(kernel);
    if (note !== null) this.#files.write(kernel, written(note));
  }

  /**
   * Adds a source that was compiled to what is kept of a kernel, where that can be kept. `rows`:
   * how many the cost model chose the schedule for; null where it was not asked.
   */
  keep(
    kernel: Kernel,
    schedule: CudaSchedule,
    rows: number | null,
    { layout, packs, mirror }: CudaShape,
    kind: CudaSource,
    source: string,
  ): void {
    // another process may have added some
    const before = read(this.#files.read(kernel), kernel) ?? begun(kernel);
    if (before === null) return;
    const key = describeCudaSchedule(schedule);
    const { [key]: known, ...others } = before.programs;
    const program: ProgramNote = {
      schedule,
      rows: known?.rows ?? (rows === null ? null : rangeOf(kernel, schedule, rows)),
      layout,
      packs,
      mirror: mirror === null ? null : { threads: mirror.threads },
      sources: { ...known?.sources, [kind]: source },
    };
    const rest = Object.entries(others).slice(-(MOST_PROGRAMS - 1));
    const note = { ...before, programs: { ...Object.fromEntries(rest), [key]: program } };
    if (this.#files.write(kernel, written(note))) this.#known.set(kernel, note);
  }
}

/** The note of a kernel without any schedule; null where it can have none. */
function begun(kernel: Kernel): KernelNote | null {
  const steps = uniformSteps(kernel.uniform);
  if (steps === null) return null;
  const facts = nativeFacts(kernel);
  return { facts, steps, packsUniforms: packsUniforms(kernel), programs: {} };
}

/**
 * All rows that a schedule is chosen for, by a number of them that it is chosen for. The more rows
 * there are, the more of them a thread takes: a schedule's are all between two numbers.
 */
export function rangeOf(kernel: Kernel, schedule: CudaSchedule, rows: number): [number, number] {
  const key = describeCudaSchedule(schedule);
  /** The number next to `no` that it is chosen for, between one that is and one that may be not. */
  const last = (yes: number, no: number): number => {
    const isChosen = (n: number): boolean =>
      describeCudaSchedule(chooseCudaSchedule(kernel, n)) === key;
    if (isChosen(no)) return no;
    while (Math.abs(yes - no) > 1) {
      const half = Math.floor((yes + no) / 2);
      if (isChosen(half)) yes = half;
      else no = half;
    }
    return yes;
  };
  const known = Math.min(rows, MOST_ROWS);
  return [last(known, 0), last(known, MOST_ROWS)];
}

const written = (note: KernelNote): string =>
  JSON.stringify({ ...note, ...writtenSteps(note.steps) });

/** A note of a kernel from its text; null for none, or for what is no note. */
function read(text: string | null, kernel: Kernel): KernelNote | null {
  if (text === null) return null;
  try {
    const { facts, constants, programs, ...note } = JSON.parse(text) as KernelNote & WrittenSteps;
    if (!areFacts(facts) || typeof note.packsUniforms !== "boolean") return null;
    for (const [key, program] of Object.entries(programs)) {
      if (!isProgram(key, program, kernel)) return null;
    }
    return { ...note, facts, steps: readSteps({ steps: note.steps, constants }), programs };
  } catch {
    return null;
  }
}

const isCount = (value: unknown): boolean => Number.isFinite(value) && (value as number) >= 0;
const areCounts = (...values: unknown[]): boolean => values.every(isCount);

function areFacts({ cost, size, mirror }: NativeFacts): boolean {
  const { operations, divisions, state, deferred, statements, isWide, isLong, isProduct } = cost;
  return areCounts(operations, divisions, state, deferred, statements, size.around, size.pair) &&
    [isWide, isLong, isProduct, size.hasSurvey].every((value) => typeof value === "boolean") &&
    (mirror === null ||
      areCounts(mirror.components, mirror.cost.operations, mirror.cost.divisions));
}

/** Whether it is the note of a kernel's program with a schedule of that name. */
function isProgram(key: string, program: ProgramNote, kernel: Kernel): boolean {
  const { rows, packs, mirror, sources, layout } = program;
  const schedule = parseCudaSchedule(program.schedule);
  const { size, recordStride, blockRows, slices, stateBytes, uniforms, segmentWords } = layout;
  return schedule !== null && describeCudaSchedule(schedule) === key &&
    (rows === null || (rows.length === 2 && areCounts(...rows))) &&
    typeof packs === "boolean" && (mirror === null || isCount(mirror.threads)) &&
    Object.values(sources).every((source) => typeof source === "string") &&
    size === (kernel.float === "f32" ? 4 : 8) &&
    areCounts(recordStride, blockRows, slices, stateBytes, uniforms, segmentWords);
}
