// Kernels as functions of this process: compiled or found on disk, opened once per source.

import { PairfoldError } from "../../error.ts";
import { type CSource, ENTRIES, type SourceKind } from "../../emit/c/mod.ts";
import type { CachedLibrary, LibraryCache } from "./cache.ts";
import { compile, type FoundCompiler, optionsOf, type Target } from "./compiler.ts";

/**
 * A library's entry, on the calling thread and on others. It takes the words of a call: opening a
 * library whose functions take typed arrays takes 0.5 ms longer (Deno 2.9.6).
 */
const symbolsOf = (kind: SourceKind) => ({
  here: { name: ENTRIES[kind], parameters: ["pointer"], result: "void" },
  apart: { name: ENTRIES[kind], parameters: ["pointer"], result: "void", nonblocking: true },
} as const);

export type Library = Deno.DynamicLibrary<ReturnType<typeof symbolsOf>>;

/** What a library is made from, and its name in the folder where that is known without the text. */
export interface LibrarySource extends CSource {
  readonly library: string | null;
}

/** What sources are known by. */
const keyOf = (source: LibrarySource): string => source.library ?? source.text;

/** Libraries that are kept open. */
const MAX_LIBRARIES = 256;

/** The open libraries of one engine, by their source; the oldest leave first. */
export class Libraries {
  readonly #compiler: FoundCompiler;
  readonly #target: Target;
  readonly #cache: LibraryCache;
  readonly #timeout: number | undefined;
  readonly #open = new Map<string, Library>();
  readonly #opening = new Map<string, Promise<Library>>();
  #doomed: Library[] = [];
  #users = 0;
  #compiled = 0;

  constructor(
    compiler: FoundCompiler,
    target: Target,
    cache: LibraryCache,
    timeout: number | undefined,
  ) {
    this.#compiler = compiler;
    this.#target = target;
    this.#cache = cache;
    this.#timeout = timeout;
  }

  /** Libraries compiled so far (not found on disk). */
  get compiled(): number {
    return this.#compiled;
  }

  /** Says that libraries are in use until `leave`: as long, none is closed. */
  enter(): void {
    this.#users++;
  }

  leave(): void {
    this.#users--;
    this.#closeDoomed();
  }

  /** Closes all libraries, once none is in use. */
  close(): void {
    this.#doomed.push(...this.#open.values());
    this.#open.clear();
    this.#closeDoomed();
  }

  #closeDoomed(): void {
    if (this.#users > 0) return;
    for (const library of this.#doomed) library.close();
    this.#doomed = [];
  }

  /** The library of a source where it is open: without a turn of the event loop. */
  known(source: LibrarySource): Library | null {
    const key = keyOf(source);
    const library = this.#open.get(key);
    if (library === undefined) return null;
    this.#open.delete(key);
    this.#open.set(key, library); // the youngest now
    return library;
  }

  /**
   * Opens the library of a source, compiling it where that is needed; `named` gets the name of one
   * that was found by its text.
   */
  open(
    kind: SourceKind,
    source: LibrarySource,
    named: (library: string) => void = () => {},
  ): Promise<Library> {
    const key = keyOf(source);
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      opening = this.#take(kind, source, named).finally(() => this.#opening.delete(key));
      this.#opening.set(key, opening);
    }
    return opening;
  }

  async #take(
    kind: SourceKind,
    source: LibrarySource,
    named: (library: string) => void,
  ): Promise<Library> {
    const library = await this.#find(kind, source) ?? await this.#make(kind, source, named);
    this.#open.set(keyOf(source), library);
    if (this.#open.size > MAX_LIBRARIES) {
      const [[oldest, doomed]] = this.#open;
      this.#open.delete(oldest);
      this.#doomed.push(doomed);
    }
    return library;
  }

  /** The library of a source that is known by its name; null where it is gone, or none any more. */
  async #find(kind: SourceKind, { library }: LibrarySource): Promise<Library | null> {
    const cached = library === null ? null : await this.#cache.find(library);
    return cached === null ? null : await opened(kind, cached).catch(() => null);
  }

  async #make(
    kind: SourceKind,
    source: LibrarySource,
    named: (library: string) => void,
  ): Promise<Library> {
    const { path, args } = this.#compiler;
    const options = optionsOf(this.#target, source);
    const parts = [path, ...args, ...options, this.#target.identity, source.text];
    const get = (): Promise<CachedLibrary> =>
      this.#cache.get(parts, async (file) => {
        this.#compiled++;
        await compile(this.#compiler, this.#target, source, file, this.#timeout);
      });
    const cached = await get();
    const library = await opened(kind, cached).catch(async (error) => {
      if (!cached.isOld) throw error;
      // of another machine, though its name and sum are right
      await cached.forget();
      return await opened(kind, await get());
    });
    if (cached.name !== null) named(cached.name);
    return library;
  }
}

async function opened(kind: SourceKind, cached: CachedLibrary): Promise<Library> {
  try {
    return Deno.dlopen(cached.path, symbolsOf(kind));
  } catch (error) {
    throw new PairfoldError("compile", `native: ${cached.path} cannot be loaded: ${error}`, {
      cause: error,
    });
  } finally {
    await cached.release();
  }
}
