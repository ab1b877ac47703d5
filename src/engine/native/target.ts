// What the compiler makes code for, remembered on disk: asking it takes 20 ms in every process. An
// entry is as good as its key, which holds the compiler's file and the processor's features; where
// those cannot be known, the compiler is asked.

import { processorOf } from "../system.ts";
import type { LibraryCache } from "./cache.ts";
import {
  type CompilerOptions,
  type FoundCompiler,
  probe,
  sha256,
  type Target,
} from "./compiler.ts";

/** Part of every key. */
const FORMAT = "pairfold target 1";

/** Finds the target of a compiler, or asks for it. */
export async function targetOf(
  compiler: FoundCompiler,
  options: CompilerOptions,
  cache: LibraryCache,
): Promise<Target> {
  const name = await nameOf(compiler, options);
  if (name !== null) {
    const known = parsed(await cache.read(name));
    if (known !== null) return known;
  }
  const target = await probe(compiler, options);
  if (name !== null) await cache.write(name, JSON.stringify(target));
  return target;
}

async function nameOf(compiler: FoundCompiler, options: CompilerOptions): Promise<string | null> {
  const processor = processorOf();
  if (processor === null) return null;
  try {
    const path = await Deno.realPath(compiler.path);
    const { mtime, size } = await Deno.stat(path);
    const parts = [FORMAT, path, mtime?.getTime(), size, compiler.args, options.machine, processor];
    return `${await sha256(new TextEncoder().encode(JSON.stringify(parts)))}.target`;
  } catch {
    return null;
  }
}

/** A target from its text; null where the text is none. */
function parsed(text: string | null): Target | null {
  if (text === null) return null;
  try {
    const target = JSON.parse(text);
    const isTarget = Array.isArray(target.machine) && [16, 32, 64].includes(target.vectorBytes) &&
      [16, 32].includes(target.registers) && typeof target.title === "string" &&
      typeof target.identity === "string";
    return isTarget ? target : null;
  } catch {
    return null;
  }
}
