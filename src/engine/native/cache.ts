// Compiled libraries on disk, by the hash of what they were made from. A library is written under a
// name of its own and then renamed, so that no process sees half of it, and checked before it is
// loaded: a file beside it holds its hash. The folder is the user's own.

import { PairfoldError } from "../../error.ts";
import { cacheFolder, granted, pathOf, privateFolder } from "../system.ts";
import { sha256 } from "./compiler.ts";

/** Part of every key: another way of making libraries makes others. */
const FORMAT = "pairfold native 1";

const suffix = (): string =>
  Deno.build.os === "windows" ? "dll" : Deno.build.os === "darwin" ? "dylib" : "so";

/** Bytes that a folder has to have room for. */
const ROOM = 2 ** 20;

/** A library that may be loaded; `release` once it is. */
export interface CachedLibrary {
  readonly path: string;
  /** Its name in the folder; null where it stands in none. */
  readonly name: string | null;
  /** Whether it was there before. */
  readonly isOld: boolean;
  /** Removes what cannot be loaded. */
  readonly forget: () => Promise<void>;
  readonly release: () => Promise<void>;
}

/** A folder of libraries. */
export class LibraryCache {
  readonly #asked: string | undefined;
  #folder: string | null | undefined;

  constructor(folder?: string) {
    this.#asked = folder;
  }

  /** The folder, made where it was missing; null where there is none that is fit. */
  get folder(): string | null {
    if (this.#folder === undefined) this.#folder = this.#prepare();
    return this.#folder;
  }

  /** Throws `PairfoldError` (device) where libraries may not be written, read and opened. */
  requirePermissions(): void {
    const path = this.folder ?? undefined;
    const missing: string[] = (["read", "write"] as const)
      .filter((name) => !granted(path === undefined ? { name } : { name, path }));
    // addresses of arrays want it whole
    if (!granted({ name: "ffi" })) missing.push("ffi");
    if (missing.length === 0) return;
    const where = path === undefined ? "a temporary folder" : path;
    const flags = missing.map((name) => `--allow-${name}`).join(", ");
    throw new PairfoldError("device", `native: compiled kernels in ${where} want ${flags}`);
  }

  #prepare(): string | null {
    const base = cacheFolder(this.#asked);
    const folder = base === null ? null : privateFolder(base, "native");
    return folder !== null && granted({ name: "write", path: folder }) ? folder : null;
  }

  /** A text that was kept; null where there is none. */
  read(name: string): string | null {
    const { folder } = this;
    if (folder === null) return null;
    try {
      return Deno.readTextFileSync(pathOf(folder, name));
    } catch {
      return null;
    }
  }

  /** Keeps a text, where that is possible. */
  async write(name: string, text: string): Promise<void> {
    const { folder } = this;
    if (folder === null) return;
    const own = pathOf(folder, `${name}.${Deno.pid}.${crypto.randomUUID()}.tmp`);
    try {
      await Deno.writeTextFile(own, text);
      await Deno.rename(own, pathOf(folder, name));
    } catch {
      await Deno.remove(own).catch(() => {});
    }
  }

  /**
   * The library made from `parts`, found or made by `make`, which writes it to a path. Where the
   * folder is not fit or full, it stands in a folder of its own until it is released.
   */
  async get(
    parts: readonly string[],
    make: (path: string) => Promise<void>,
  ): Promise<CachedLibrary> {
    const { folder } = this;
    const text = new TextEncoder().encode([FORMAT, ...parts].join("\0"));
    const name = await sha256(text);
    if (folder === null) return await temporary(name, make);
    const known = await this.find(name);
    if (known !== null) return known;
    const path = pathOf(folder, `${name}.${suffix()}`);
    const own = pathOf(folder, `${name}.${Deno.pid}.${crypto.randomUUID()}`);
    try {
      await Deno.writeTextFile(`${own}.sum`, "");
    } catch {
      return await temporary(name, make); // read-only, or full
    }
    try {
      await make(`${own}.tmp`);
      const sum = await sha256(await Deno.readFile(`${own}.tmp`));
      await Deno.writeTextFile(`${own}.sum`, sum);
      await Deno.rename(`${own}.tmp`, path);
      await Deno.rename(`${own}.sum`, `${path}.sum`);
    } catch (error) {
      // whether it is the folder's fault: a full one takes no library
      const isFull = await Deno.writeFile(`${own}.tmp`, new Uint8Array(ROOM))
        .then(() => false, () => true);
      await Deno.remove(`${own}.tmp`).catch(() => {});
      await Deno.remove(`${own}.sum`).catch(() => {});
      if (isFull) return await temporary(name, make);
      throw error;
    }
    return keptAs(path, name, false);
  }

  /** A library that was kept under a name, whole; null where there is none. */
  async find(name: string): Promise<CachedLibrary | null> {
    const { folder } = this;
    if (folder === null) return null;
    const path = pathOf(folder, `${name}.${suffix()}`);
    return await isWhole(path) ? keptAs(path, name, true) : null;
  }
}

/** A library that stays where it is. */
function keptAs(path: string, name: string, isOld: boolean): CachedLibrary {
  const forget = (): Promise<void> => Deno.remove(path).catch(() => {});
  return { path, name, isOld, forget, release: () => Promise.resolve() };
}

/** Whether a library is there and as it was written. */
async function isWhole(path: string): Promise<boolean> {
  try {
    // a few pages: two turns of the event loop take longer
    const [bytes, sum] = [Deno.readFileSync(path), Deno.readTextFileSync(`${path}.sum`)];
    return await sha256(bytes) === sum;
  } catch {
    return false;
  }
}

/** Makes a library in a folder that goes once it was loaded. */
async function temporary(
  name: string,
  make: (path: string) => Promise<void>,
): Promise<CachedLibrary> {
  const folder = await Deno.makeTempDir({ prefix: "pairfold" });
  const path = pathOf(folder, `${name}.${suffix()}`);
  // a library that is in use stays where the system does not let it go
  const release = (): Promise<void> => Deno.remove(folder, { recursive: true }).catch(() => {});
  try {
    await make(path);
  } catch (error) {
    await release();
    throw error;
  }
  return { path, name: null, isOld: false, forget: release, release };
}
