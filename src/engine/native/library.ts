// Kernels as functions of this process: compiled or found on disk, opened once per source.

import { PairfoldError } from "../../error.ts";
import { type CSource, ENTRIES } from "../../emit/c/mod.ts";
import type { CachedLibrary, LibraryCache } from "./cache.ts";
import { compile, type FoundCompiler, optionsOf, sha256, type Target } from "./compiler.ts";

/** Which entry a source has. */
type Kind = keyof typeof ENTRIES;

/**
 * A library's entry, on the calling thread and on others. It takes the words of a call: opening a
 * library whose functions take typed arrays takes 0.5 ms longer (Deno 2.9.6).
 */
const symbolsOf = (kind: Kind) => ({
  here: { name: ENTRIES[kind], parameters: ["pointer"], result: "void" },
  apart: { name: ENTRIES[kind], parameters: ["pointer"], result: "void", nonblocking: true },
} as const);

export type Library = Deno.DynamicLibrary<ReturnType<typeof symbolsOf>>;

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
  /** The digest of what the compiler says of itself. */
  #identity: Promise<string> | null = null;
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
  known({ text }: CSource): Library | null {
    const library = this.#open.get(text);
    if (library === undefined) return null;
    this.#open.delete(text);
    this.#open.set(text, library); // the youngest now
    return library;
  }

  /** Opens the library of a source, compiling it where that is needed. */
  open(kind: Kind, source: CSource): Promise<Library> {
    const { text } = source;
    let opening = this.#opening.get(text);
    if (opening === undefined) {
      opening = this.#make(kind, source).finally(() => this.#opening.delete(text));
      this.#opening.set(text, opening);
    }
    return opening;
  }

  async #make(kind: Kind, source: CSource): Promise<Library> {
    const { path, args } = this.#compiler;
    this.#identity ??= sha256(new TextEncoder().encode(this.#target.identity));
    const options = optionsOf(this.#target, source);
    const parts = [path, ...args, ...options, await this.#identity, source.text];
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
    this.#open.set(source.text, library);
    if (this.#open.size > MAX_LIBRARIES) {
      const [[oldest, doomed]] = this.#open;
      this.#open.delete(oldest);
      this.#doomed.push(doomed);
    }
    return library;
  }
}

async function opened(kind: Kind, cached: CachedLibrary): Promise<Library> {
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
