// Compilers for the platforms of the prebuilt shims, and what runs their programs here.

import { join } from "@std/path";
import { missing, run, runWell, which } from "./tools.ts";

/** A platform: how to compile C for it on this machine and how to run what comes out. */
export interface Platform {
  readonly name: string;
  /** Why it cannot be tried here; null where it can. */
  readonly reason: string | null;
  compile(sources: readonly string[], folders: readonly string[], program: string): Promise<void>;
  run(program: string, args: readonly string[], env: Record<string, string>): Promise<string>;
  /** A path of this machine as programs of the platform see it. */
  path(path: string): string;
}

async function compileWith(
  compiler: string,
  sources: readonly string[],
  folders: readonly string[],
  program: string,
  libraries: readonly string[],
): Promise<void> {
  const includes = folders.map((folder) => `-I${folder}`);
  const args = ["-std=c11", "-O1", ...includes, ...sources, "-o", program, ...libraries];
  await runWell(compiler, args);
}

const HERE = `${Deno.build.os}-${Deno.build.arch}`;
const POSIX_LIBRARIES = ["-ldl", "-pthread"];
const MACHINES = [["x86_64", "x86_64-linux-gnu"], ["aarch64", "aarch64-linux-gnu"]];

/** A processor of Linux: this machine's own, or another one's under qemu. */
function linux(processor: string, triple: string): Platform {
  const name = `linux-${processor}`, own = name === HERE;
  const compiler = own ? "gcc" : `${triple}-gcc`, emulator = `qemu-${processor}`;
  const reason = Deno.build.os !== "linux"
    ? "not on Linux"
    : own
    ? missing(compiler)
    : missing(compiler, emulator);
  return {
    name,
    reason,
    compile: (sources, folders, program) =>
      compileWith(compiler, sources, folders, program, POSIX_LIBRARIES),
    run: (program, args, env) =>
      own
        ? runWell(program, args, env)
        : runWell(emulator, ["-L", `/usr/${triple}`, program, ...args], env),
    path: (path) => path,
  };
}

/** Windows under wine, with a prefix that lives as long as `folder` does. */
function windows(prefix: () => string): Platform {
  const compiler = "x86_64-w64-mingw32-gcc";
  return {
    name: "windows-x86_64",
    reason: Deno.build.os === "linux" ? missing(compiler, "wine") : "not on Linux",
    compile: (sources, folders, program) => compileWith(compiler, sources, folders, program, []),
    run: (program, args, env) =>
      runWell("wine", [program, ...args], { ...wineVariables(prefix()), ...env }),
    path: (path) => "Z:" + path.replaceAll("/", "\\"),
  };
}

// no debugging text, and no offers to install what its own desktop would need
const wineVariables = (folder: string): Record<string, string> => ({
  WINEPREFIX: join(folder, "wine"),
  WINEDEBUG: "-all",
  WINEDLLOVERRIDES: "mscoree,mshtml=",
});

/** All platforms; `prefix` gives the folder where wine may keep its own. */
export function platforms(prefix: () => string): Platform[] {
  return [...MACHINES.map(([processor, triple]) => linux(processor, triple)), windows(prefix)];
}

/** Ends the server that wine leaves running for a prefix, so that its folder can be removed. */
export async function endWine(folder: string): Promise<void> {
  if (which("wineserver")) await run("wineserver", ["-k"], wineVariables(folder));
  if (which("wineserver")) await run("wineserver", ["-w"], wineVariables(folder));
}
