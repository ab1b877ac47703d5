// What is kept of kernels beside their libraries, so that a later process that meets an equal
// formula neither lowers nor emits it: what its schedule is chosen by, its uniform section, and for
// every schedule its layout and its libraries. Enters: kernels by their identity. Leaves: notes, or
// null.
//
// A note is taken only by the version of Pairfold, the compiler, the machine and the vectors that
// it was written by: its key, the last lines of its file, holds them all. The first line is a sum
// of the second, which is the note.

import type { CLayout, Effort, SourceKind } from "../../emit/c/mod.ts";
import { type Kernel, numberText, type UniformStep, uniformSteps } from "../../loop/mod.ts";
import { type NativeFacts, nativeFacts, recallFacts } from "../../tiling/mod.ts";
import { hashOf, pathOf } from "../system.ts";
import type { LibraryCache } from "./cache.ts";

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

/** Constants of steps may be numbers that JSON has no name for: they are written as text. */
type Written = KernelNote & { readonly constants: readonly string[] };

function written(note: KernelNote): string {
  const constants = note.steps.flatMap((s) => s.kind === "constant" ? [numberText(s.value)] : []);
  return JSON.stringify({ ...note, constants } satisfies Written);
}

function read(text: string): KernelNote {
  const { constants, ...note } = JSON.parse(text) as Written;
  let next = 0;
  const steps = note.steps.map((s) =>
    s.kind === "constant" ? { ...s, value: Number(constants[next++]) } : s
  );
  return { ...note, steps };
}

/** The notes of one engine. */
export class Notes {
  readonly #cache: LibraryCache;
  readonly #version: string;
  readonly #versionHash: string;
  readonly #known = new WeakMap<Kernel, KernelNote | null>();
  /** Kernels that were to be kept without a library. */
  readonly #asked = new WeakSet<Kernel>();

  /** `version`: all that a library is made by, beside its kernel and schedule. */
  constructor(cache: LibraryCache, version: string) {
    this.#cache = cache;
    this.#version = version;
    this.#versionHash = hashOf(version);
  }

  /** What was kept of an equal kernel; from then on the cost model knows it as well. */
  of(kernel: Kernel): KernelNote | null {
    let note = this.#known.get(kernel);
    if (note === undefined) {
      note = this.#read(kernel);
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
    if (steps !== null) this.#write(kernel, { facts: nativeFacts(kernel), steps, programs: {} });
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
    const before = this.#read(kernel);
    const steps = before?.steps ?? uniformSteps(kernel.uniform);
    if (steps === null) return;
    const programs = before?.programs ?? {};
    const program = { ...programs[schedule], layout, [kind]: library };
    const note = {
      facts: before?.facts ?? nativeFacts(kernel),
      steps,
      programs: { ...programs, [schedule]: program },
    };
    if (this.#write(kernel, note)) this.#known.set(kernel, note);
  }

  #read(kernel: Kernel): KernelNote | null {
    const file = this.#fileOf(kernel);
    if (file === null) return null;
    try {
      const text = Deno.readTextFileSync(file.path);
      const [sum, body] = text.split("\n", 2);
      const key = text.slice(sum.length + body.length + 2);
      return key === file.key && sum === hashOf(body) ? read(body) : null;
    } catch {
      return null;
    }
  }

  #write(kernel: Kernel, note: KernelNote): boolean {
    const file = this.#fileOf(kernel);
    if (file === null) return false;
    const own = `${file.path}.${Deno.pid}.${crypto.randomUUID()}.tmp`;
    const body = written(note);
    try {
      Deno.writeTextFileSync(own, `${hashOf(body)}\n${body}\n${file.key}`);
      Deno.renameSync(own, file.path);
      return true;
    } catch {
      try {
        Deno.removeSync(own);
      } catch {
        // it was never there
      }
      return false;
    }
  }

  /** Where a kernel's note stands; null where it can have none. */
  #fileOf({ identity }: Kernel): { readonly path: string; readonly key: string } | null {
    const { folder } = this.#cache;
    if (folder === null || identity === undefined) return null;
    const key = `${this.#version}\n${identity}`;
    const name = `${this.#versionHash}${hashOf(identity)}.note`;
    return { path: pathOf(folder, name), key };
  }
}
