// What is kept of kernels beside their libraries, so that a later process that meets an equal
// formula neither lowers nor emits it: what its schedule is chosen by, its uniform section, and for
// every schedule its layout and its libraries. Enters: kernels by their identity. Leaves: notes, or
// null.
//
// A note is taken only by the version of Pairfold, the compiler, the machine and the vectors that
// it was written by.

import type { CLayout, Effort, SourceKind } from "../../emit/c/mod.ts";
import { type Kernel, type UniformStep, uniformSteps } from "../../loop/mod.ts";
import { type NativeFacts, nativeFacts, recallFacts } from "../../tiling/mod.ts";
import { NoteFiles } from "../notes/files.ts";
import { ownStamp as stampOfFolders } from "../notes/sources.ts";
import { readSteps, type WrittenSteps, writtenSteps } from "../notes/steps.ts";
import type { LibraryCache } from "./cache.ts";

/** Folders of src/ that say what a library is, beside the shared ones. */
export const FOLDERS: readonly string[] = ["emit/c", "engine/native"];

/** The version of Pairfold; null where it cannot be told. */
export const ownStamp = (): string | null => stampOfFolders(FOLDERS);

/** A library by its name in the folder, and what else is known of its source. */
export interface LibraryNote {
  readonly library: string;
  readonly effort: Effort;
  readonly scratchBytes: number;
}

/** A kernel with a schedule, and its libraries. */
export interface ProgramNote extends Readonly<Partial<Record<SourceKind, LibraryNote>>> {
  readonly layout: CLayout;
}

/** A kernel. */
export interface KernelNote {
  readonly facts: NativeFacts;
  readonly steps: readonly UniformStep[];
  /** By schedule. */
  readonly programs: Readonly<Record<string, ProgramNote>>;
}

const written = (note: KernelNote): string =>
  JSON.stringify({ ...note, ...writtenSteps(note.steps) });

/** A note from its text; null for none, or for what is no note. */
function read(text: string | null): KernelNote | null {
  if (text === null) return null;
  try {
    const { constants, ...note } = JSON.parse(text) as KernelNote & WrittenSteps;
    return { ...note, steps: readSteps({ steps: note.steps, constants }) };
  } catch {
    return null;
  }
}

/** The notes of one engine. */
export class Notes {
  readonly #files: NoteFiles;
  readonly #known = new WeakMap<Kernel, KernelNote | null>();
  /** Kernels that were to be kept without a library. */
  readonly #asked = new WeakSet<Kernel>();

  /** `version`: all that a library is made by, beside its kernel and schedule. */
  constructor({ folder }: LibraryCache, version: string) {
    this.#files = new NoteFiles(folder, version);
  }

  /** What was kept of an equal kernel; from then on the cost model knows it as well. */
  of(kernel: Kernel): KernelNote | null {
    let note = this.#known.get(kernel);
    if (note === undefined) {
      note = read(this.#files.read(kernel));
      if (note !== null) recallFacts(kernel, note.facts);
      this.#known.set(kernel, note);
    }
    return note;
  }

  /** Keeps what a kernel costs, where nothing is kept of it yet. */
  keepFacts(kernel: Kernel): void {
    if (this.#asked.has(kernel) || this.of(kernel) !== null) return;
    this.#asked.add(kernel);
    const steps = uniformSteps(kernel.uniform);
    if (steps === null) return;
    this.#files.write(kernel, written({ facts: nativeFacts(kernel), steps, programs: {} }));
  }

  /** Adds a library to what is kept of a kernel, where that can be kept. */
  keep(
    kernel: Kernel,
    schedule: string,
    layout: CLayout,
    kind: SourceKind,
    library: LibraryNote,
  ): void {
    // another process may have added some
    const before = read(this.#files.read(kernel));
    const steps = before?.steps ?? uniformSteps(kernel.uniform);
    if (steps === null) return;
    const programs = before?.programs ?? {};
    const program = { ...programs[schedule], layout, [kind]: library };
    const note = {
      facts: before?.facts ?? nativeFacts(kernel),
      steps,
      programs: { ...programs, [schedule]: program },
    };
    if (this.#files.write(kernel, written(note))) this.#known.set(kernel, note);
  }
}
