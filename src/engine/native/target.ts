// What the compiler makes code for, remembered on disk: asking it takes 20 ms in every process. An
// entry is as good as its key, which holds the compiler's file and the processor's features; where
// those cannot be known, the compiler is asked.

import { hashOf, processorOf } from "../system.ts";
import type { LibraryCache } from "./cache.ts";
import { type CompilerOptions, type FoundCompiler, probe, type Target } from "./compiler.ts";

/** Part of every key. */
const FORMAT = "pairfold target 2";

/** The target of a compiler, or who asks for it. */
export function targetOf(
  compiler: FoundCompiler,
  options: CompilerOptions,
  cache: LibraryCache,
): Target | (() => Promise<Target>) {
  const key = keyOf(compiler, options);
  const name = key === null ? null : `${hashOf(key)}.target`;
  const known = key === null || name === null ? null : parsed(cache.read(name), key);
  if (known !== null) return known;
  return async () => {
    const target = await probe(compiler, options);
    if (name !== null) await cache.write(name, JSON.stringify({ ...target, key }));
    return target;
  };
}

function keyOf(compiler: FoundCompiler, options: CompilerOptions): string | null {
  const processor = processorOf();
  if (processor === null) return null;
  try {
    const path = Deno.realPathSync(compiler.path);
    const { mtime, size } = Deno.statSync(path);
    const parts = [FORMAT, path, mtime?.getTime(), size, compiler.args, options.machine, processor];
    return JSON.stringify(parts);
  } catch {
    return null;
  }
}

/** A target from its text; null where the text is none, or of another key. */
function parsed(text: string | null, wanted: string): Target | null {
  if (text === null) return null;
  try {
    const { key, ...target } = JSON.parse(text);
    const isTarget = Array.isArray(target.machine) && [16, 32, 64].includes(target.vectorBytes) &&
      [16, 32].includes(target.registers) && typeof target.title === "string" &&
      /^[0-9a-f]{64}$/.test(target.identity);
    return isTarget && key === wanted ? target : null;
  } catch {
    return null;
  }
}
