// Programs that tests of the shim need and a machine may lack. A test that is left out says why.

import { fromFileUrl, join } from "@std/path";

/** The project's root. */
export const ROOT: string = fromFileUrl(new URL("../../..", import.meta.url));

/** The path of a program; null where there is none. */
export function which(program: string): string | null {
  const windows = Deno.build.os === "windows";
  for (const folder of (Deno.env.get("PATH") ?? "").split(windows ? ";" : ":")) {
    const path = join(folder, windows ? `${program}.exe` : program);
    try {
      if (Deno.statSync(path).isFile) return path;
    } catch {
      // not in this folder
    }
  }
  return null;
}

/** The first program of a list that is missing, as a reason; null where all are there. */
export function missing(...programs: string[]): string | null {
  const absent = programs.find((program) => which(program) === null);
  return absent ? `no ${absent}` : null;
}

/** A test that runs unless there is a reason against it, which its name and a line then tell. */
export function testUnless(
  reason: string | null,
  name: string,
  run: (t: Deno.TestContext) => void | Promise<void>,
): void {
  if (reason !== null) console.log(`skipped: ${name}: ${reason}`);
  const shown = reason === null ? name : `${name} (skipped: ${reason})`;
  Deno.test({ name: shown, ignore: reason !== null, fn: run });
}

/** What a command printed and how it ended. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export async function run(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
  cwd?: string,
): Promise<Ran> {
  const output = await new Deno.Command(command, { args: [...args], env, cwd, stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout).replaceAll("\r\n", "\n"),
    stderr: decoder.decode(output.stderr),
  };
}

/** The same, but anything but success is an error with what was printed. */
export async function runWell(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, env);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** Runs with a folder that is removed afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "pairfold-test-" });
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A module of the engine as scripts import it. */
export function moduleUrl(name: string): string {
  return new URL(`../../../src/engine/cuda/${name}.ts`, import.meta.url).href;
}

/** Runs a script in a process of its own; what it printed. Anything but success is an error. */
export async function runScript(
  source: string,
  env: Record<string, string> = {},
  permissions: readonly string[] = ["-A"],
): Promise<string> {
  return await inFolder(async (folder) => {
    const path = join(folder, "script.ts");
    await Deno.writeTextFile(path, source);
    const args = ["run", "--quiet", "--no-config", "--no-lock", ...permissions, path];
    const variables = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env };
    const { code, stdout, stderr } = await run(Deno.execPath(), args, variables);
    if (code !== 0) throw new Error(`the script ended with ${code}\n${stdout}${stderr}`);
    return stdout + stderr;
  });
}
