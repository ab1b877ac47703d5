// The C compiler: which one, what it makes for this machine, and compiling. Enters: options and the
// environment. Leaves: a compiler with its target, or one error that says what was looked for.
//
// Permissions are asked about, never asked for: what would prompt counts as denied.

import { PairfoldError, shown } from "../../error.ts";
import { type CSource, EFFORTS, OPTIONS } from "../../emit/c/mod.ts";
import { granted, isFile, pathOf, processorOf, readVariable } from "../system.ts";

/** Which compiler to take. */
export interface CompilerOptions {
  /** Command of the C compiler, with arguments; goes before CC. */
  readonly compiler?: string;
  /** Options that choose the machine; default what the compiler takes for the one it runs on. */
  readonly machine?: readonly string[];
  /** Milliseconds that compiling one source may take; default 60,000. */
  readonly timeout?: number;
}

/** A command that was found, not yet tried. */
export interface FoundCompiler {
  readonly path: string;
  readonly args: readonly string[];
}

/** What the compiler makes code for. */
export interface Target {
  /** Options that choose it. */
  readonly machine: readonly string[];
  /** Bytes of a vector, and vector registers. */
  readonly vectorBytes: 16 | 32 | 64;
  readonly registers: number;
  /** The compiler's name and version, and the instruction set, for people. */
  readonly title: string;
  /** Digest of all macros that the compiler defines: its version and the machine's features. */
  readonly identity: string;
}

/** The same where only the code is asked about. */
export type Machine = Omit<Target, "identity">;

const DEFAULT_TIMEOUT = 60_000;
const NAMES = ["cc", "gcc", "clang"] as const;

const deviceError = (text: string, cause?: unknown): PairfoldError =>
  new PairfoldError("device", `native: ${text}`, { cause });

/** Looks for a compiler. Throws `PairfoldError` (device) with all that was looked for. */
export function findCompiler(options: CompilerOptions = {}): FoundCompiler {
  if (typeof Deno === "undefined") throw deviceError("the device needs Deno, for Deno.dlopen");
  const asked = options.compiler ?? readVariable("CC");
  if (asked) {
    if (typeof asked !== "string") throw deviceError(`got compiler ${shown(asked)}`);
    const [command, ...args] = asked.trim().split(/\s+/);
    const path = located(command);
    if (path !== null) return { path: requireRun(path), args };
    throw deviceError(`no compiler ${command}${options.compiler ? "" : " (from CC)"}`);
  }
  for (const name of NAMES) {
    const path = located(name);
    if (path !== null) return { path: requireRun(path), args: [] };
  }
  if (readVariable("PATH") === undefined) {
    throw deviceError(`looking for a C compiler wants --allow-env (PATH), or the compiler's path`);
  }
  throw deviceError(`no C compiler: looked for $CC, ${NAMES.join(", ")} along PATH`);
}

function requireRun(path: string): string {
  if (!granted({ name: "run", command: path })) {
    throw deviceError(`running ${path} wants --allow-run`);
  }
  return path;
}

/** The file of a command along PATH; null where there is none. */
function located(command: string): string | null {
  if (/[\\/]/.test(command)) return isFile(command) ? command : null;
  const isWindows = Deno.build.os === "windows";
  const folders = (readVariable("PATH") ?? "").split(isWindows ? ";" : ":");
  for (const folder of folders) {
    const path = pathOf(folder, isWindows ? `${command}.exe` : command);
    if (folder !== "" && isFile(path)) return path;
  }
  return null;
}

/** Options that choose the machine, the best first. */
function machines({ machine }: CompilerOptions): (readonly string[])[] {
  if (machine !== undefined) return [machine];
  return Deno.build.arch === "x86_64" ? [["-march=native"], []] : [["-mcpu=native"], []];
}

const probeArguments = (compiler: FoundCompiler, machine: readonly string[]): string[] => [
  ...compiler.args,
  ...machine,
  ...["-dM", "-E", "-x", "c", "-"],
];

/** Asks the compiler what it makes code for. */
export async function probe(compiler: FoundCompiler, options: CompilerOptions): Promise<Target> {
  const failures: string[] = [];
  for (const machine of machines(options)) {
    const args = probeArguments(compiler, machine);
    const result = await run(compiler.path, args, "", options.timeout);
    if (result.ok) return await targetOf(machine, result.output);
    failures.push(`${[compiler.path, ...args].join(" ")}: ${result.log}`);
    if (result.isLate) break;
  }
  throw deviceError(`the C compiler fails: ${failures.join("\n")}`);
}

/** The same, less the identity, while the caller waits: for what may not be asynchronous. */
export function probeNow(
  compiler: FoundCompiler,
  options: CompilerOptions,
): Machine {
  for (const machine of machines(options)) {
    const args = probeArguments(compiler, machine);
    const { success, stdout } = new Deno.Command(compiler.path, { args, stdin: "null" })
      .outputSync();
    if (success) return machineOf(machine, new TextDecoder().decode(stdout));
  }
  throw deviceError(`the C compiler ${compiler.path} fails`);
}

async function targetOf(machine: readonly string[], macros: string): Promise<Target> {
  const identity = await sha256(new TextEncoder().encode(macros));
  return { ...machineOf(machine, macros), identity };
}

function machineOf(machine: readonly string[], macros: string): Machine {
  const has = (name: string): boolean => macros.includes(`#define ${name} `);
  const value = (name: string): string =>
    new RegExp(`^#define ${name} "?([^"\\n]*)`, "m").exec(macros)?.[1] ?? "";
  const version = value("__VERSION__").replace(/\s*\(.*/, "");
  const name = has("__clang__") ? version : `gcc ${version}`;
  const [vectorBytes, registers, isa] = has("__AVX512F__") && has("__AVX512DQ__")
    ? [64, 32, "AVX-512"] as const
    : has("__AVX2__")
    ? [32, 16, has("__FMA__") ? "AVX2 and FMA" : "AVX2"] as const
    : has("__aarch64__")
    ? [16, 32, "NEON"] as const
    : [16, 16, has("__SSE2__") ? "SSE2" : "plain C"] as const;
  return { machine, vectorBytes, registers, title: `${name}, ${isa}` };
}

/** What a compiler most likely makes code for, before it is asked: by the processor's features. */
export function likelyMachine(): Omit<Machine, "machine" | "title"> {
  const processor = processorOf() ?? "";
  const has = (feature: string): boolean =>
    new RegExp(`^flags\\b.* ${feature}\\b`, "m").test(processor);
  if (has("avx512f") && has("avx512dq")) return { vectorBytes: 64, registers: 32 };
  if (has("avx2")) return { vectorBytes: 32, registers: 16 };
  return { vectorBytes: 16, registers: Deno.build.arch === "aarch64" ? 32 : 16 };
}

/** What a compiler is told, beside the library's name. */
export function optionsOf(target: Target, { effort }: Pick<CSource, "effort">): string[] {
  // clang has no such options, and is quick enough
  const isGcc = target.title.startsWith("gcc");
  return [...OPTIONS, ...EFFORTS[isGcc ? effort : "thorough"], ...target.machine];
}

/**
 * What is linked. On Linux gcc is spared start files and the C library, which the process has
 * anyway: linking takes 11 ms instead of 19, and 8 ms where no function of a library is called, for
 * AVX has instructions for all of them (gcc 12, 2026-11-23).
 */
function linkedTo({ title }: Target): readonly string[] {
  if (Deno.build.os !== "linux" || !title.startsWith("gcc")) return ["-lm"];
  const alone = ["-pipe", "-nostdlib", "-fno-use-linker-plugin"];
  return title.includes("AVX") ? alone : [...alone, "-lm", "-lgcc"];
}

/** Compiles a source to a library. Throws `PairfoldError` (compile) with log and source. */
export async function compile(
  compiler: FoundCompiler,
  target: Target,
  source: Pick<CSource, "text" | "effort">,
  library: string,
  timeout?: number,
): Promise<void> {
  const options = [...compiler.args, ...optionsOf(target, source)];
  const args = [...options, ...["-x", "c", "-", "-o", library], ...linkedTo(target)];
  const { ok, log } = await run(compiler.path, args, source.text, timeout);
  const isMade = ok && await Deno.stat(library).then(({ isFile }) => isFile, () => false);
  if (isMade) return;
  const why = ok ? "it says that it succeeded, but made no library" : log;
  const numbered = source.text.split("\n").map((line, k) => `${`${k + 1}`.padStart(4)} ${line}`);
  throw new PairfoldError(
    "compile",
    [`native: ${[compiler.path, ...args].join(" ")}`, why, ...numbered].join("\n"),
  );
}

/** What a command came to. */
interface Outcome {
  readonly ok: boolean;
  /** Whether it was stopped because it took too long. */
  readonly isLate: boolean;
  readonly output: string;
  readonly log: string;
}

/** Runs a command with a text on its standard input, for so long at most. */
async function run(
  path: string,
  args: readonly string[],
  input: string,
  timeout = DEFAULT_TIMEOUT,
): Promise<Outcome> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(path, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    return { ok: false, isLate: false, output: "", log: `it cannot be run: ${error}` };
  }
  const streams = [child.stdout.getReader(), child.stderr.getReader()];
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
    // what it has started may hold its streams open
    for (const stream of streams) stream.cancel().catch(() => {});
  }, timeout);
  try {
    const reading = Promise.all(streams.map(textOf));
    const writer = child.stdin.getWriter();
    // a compiler that ends early says why on its other streams
    await writer.write(new TextEncoder().encode(input)).catch(() => {});
    await writer.close().catch(() => {});
    const [output, said] = await reading;
    const { success, code } = await child.status;
    const log = isLate
      ? `it did not end within ${timeout} ms`
      : `exit status ${code}\n${said.trim()}`;
    return { ok: success && !isLate, isLate, output, log };
  } finally {
    clearTimeout(timer);
  }
}

/** All that a stream says until it ends or is cancelled. */
async function textOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  while (true) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
  }
}

/** SHA-256 as hexadecimal digits. */
export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
