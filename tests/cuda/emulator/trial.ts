// Builds the emulator for the tests, and runs trials in processes of their own.
//
// Enters: a trial's name, settings and arguments. Leaves: its result, as JSON can hold it.

import { fromFileUrl, join } from "@std/path";
import { CRASHES } from "./kernels.ts";
import type { trials } from "./trials.ts";

export const crashNames = Object.keys(CRASHES);

type Trials = typeof trials;
type Rest<F> = F extends (first: never, ...rest: infer R) => unknown ? R : never;

interface Emulator {
  /** Why there is none, or empty. */
  missing: string;
  environment: Record<string, string>;
  /** Paths by the libraries' names. */
  libraries: Record<string, string>;
}

function found(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

function prepare(): Emulator {
  const none = (missing: string): Emulator => ({ missing, environment: {}, libraries: {} });
  if (Deno.build.os === "windows") return none("the emulator needs Linux or macOS");
  if (!found("cmake")) return none("no cmake");
  if (!found("c++") && !found("g++") && !found("clang++")) return none("no C++ compiler");
  const script = fromFileUrl(new URL("../../../cuda/emulator/env.sh", import.meta.url));
  const { code, stdout, stderr } = new Deno.Command("bash", { args: [script, "--print"] })
    .outputSync();
  const text = new TextDecoder();
  // with the tools there, a build that fails is no reason to skip
  if (code) throw new Error(`env.sh: ${text.decode(stderr)}`);
  const lines = text.decode(stdout).trim().split("\n");
  const environment = Object.fromEntries(lines.map((line) => line.split("=")));
  const folder = join(script, "../build");
  const names = [
    ...["cuda_emulator", "cuda_emulator_without_launch", "cuda_emulator_without_graphs"],
    "nvrtc_emulator_without_compile",
  ];
  const suffix = Deno.build.os === "darwin" ? "dylib" : "so";
  return {
    missing: "",
    environment,
    libraries: Object.fromEntries(
      names.map((name) => [name, join(folder, `lib${name}.${suffix}`)]),
    ),
  };
}

export const emulator = prepare();

const PREFIX = "PAIRFOLD_EMULATOR_";

/** Runs a trial under settings (without their common prefix); throws with what it printed. */
export async function trial<Name extends keyof Trials>(
  name: Name,
  settings: Record<string, string>,
  ...rest: Rest<Trials[Name]>
): Promise<Awaited<ReturnType<Trials[Name]>>> {
  const path = fromFileUrl(new URL("./trials.ts", import.meta.url));
  const words = rest.filter((word) => word !== undefined).map((word) => JSON.stringify(word));
  // what the caller's own environment sets for the emulator does not count here
  const unset = Object.keys(Deno.env.toObject()).filter((key) => key.startsWith(PREFIX))
    .map((key) => [key, ""]);
  const set = Object.entries(settings).map(([key, value]) => [PREFIX + key, value]);
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", path, name, ...words],
    env: {
      ...emulator.environment,
      ...Object.fromEntries([...unset, [`${PREFIX}QUIET`, "1"], ...set]),
    },
  });
  const { code, signal, stdout, stderr } = await command.output();
  const text = new TextDecoder();
  if (code) throw new Error(`${name}: ${signal ?? code}: ${text.decode(stderr)}`);
  return JSON.parse(text.decode(stdout));
}
