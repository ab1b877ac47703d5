// Notes on disk: a text for each kernel, by its identity, as one version of all that it was made by
// has written it. Leaves: the text, or null for what is not there, damaged, or another's.
//
// A file holds the text, one line, and its key, which holds the version and the identity, for names
// are only hashes; then both once more. Damage is told by comparing the halves, which is native,
// where a sum is a loop that a new process has to interpret. A file is written beside its place and
// then renamed, so that no process sees half of it.

import type { Kernel } from "../../loop/mod.ts";
import { hashOf, pathOf } from "../system.ts";

export class NoteFiles {
  readonly #folder: string | null;
  readonly #version: string;
  readonly #versionHash: string;

  /** `version`: all that texts depend on, beside their kernel; `folder`: null for none. */
  constructor(folder: string | null, version: string) {
    this.#folder = folder;
    this.#version = version;
    this.#versionHash = hashOf(version);
  }

  read(kernel: Kernel): string | null {
    const file = this.#fileOf(kernel);
    if (file === null) return null;
    try {
      const text = Deno.readTextFileSync(file.path);
      const half = text.length / 2;
      const [one, other] = [text.slice(0, half), text.slice(half)];
      const end = one.indexOf("\n");
      return one === other && one.slice(end + 1) === file.key ? one.slice(0, end) : null;
    } catch {
      return null;
    }
  }

  /** Writes a text of one line; false where that is not possible. */
  write(kernel: Kernel, body: string): boolean {
    const file = this.#fileOf(kernel);
    if (file === null) return false;
    const own = `${file.path}.${Deno.pid}.${crypto.randomUUID()}.tmp`;
    try {
      Deno.writeTextFileSync(own, `${body}\n${file.key}`.repeat(2));
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
    if (this.#folder === null || identity === undefined) return null;
    const key = `${this.#version}\n${identity}`;
    const name = `${this.#versionHash}${hashOf(identity)}.note`;
    return { path: pathOf(this.#folder, name), key };
  }
}
