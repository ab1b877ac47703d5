// The card that tests of the CUDA engine run on: a real one where PAIRFOLD_TEST_DEVICE is "cuda", else
// the emulator, built where needed.

import { join } from "@std/path";
import { cuda, type CudaEngine, type CudaOptions } from "../../../src/engine/mod.ts";
import { missing, ROOT, testUnless } from "./tools.ts";

/** Whether the tests run on a real card (or on whatever driver the environment names). */
export const isReal = Deno.env.get("PAIRFOLD_TEST_DEVICE")?.startsWith("cuda") ?? false;

/** Why there is no emulator; null where there is one or a card is used instead. */
export const withoutCard: string | null = isReal
  ? null
  : Deno.build.os === "windows"
  ? "the emulator is for Linux and macOS"
  : missing("bash", "cmake", "g++");

/** Variables that select the emulator. */
let found: Record<string, string> | null = null;

/** Builds the emulator where needed; the variables that select it. */
export function emulatorVariables(): Record<string, string> {
  if (found !== null) return found;
  const script = join(ROOT, "cuda", "emulator", "env.sh");
  const { success, stdout, stderr } = new Deno.Command("bash", { args: [script, "--print"] })
    .outputSync();
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`the emulator was not built:\n${decode(stderr)}`);
  const lines = decode(stdout).trim().split("\n").map((line) => line.split("="));
  return found = Object.fromEntries(lines);
}

const folders: string[] = [];

/** A cache folder that this process alone uses. */
function ownCache(): string {
  const [folder = Deno.makeTempDirSync({ prefix: "pairfold-cache-" })] = folders;
  if (folders.length === 0) {
    folders.push(folder);
    globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  }
  return folder;
}

/** A CUDA engine for tests. */
export function card(options: CudaOptions = {}): CudaEngine {
  if (isReal) return cuda(options);
  const { PAIRFOLD_CUDA_DRIVER: driver, PAIRFOLD_NVRTC: nvrtc } = emulatorVariables();
  return cuda({ driver, nvrtc, cache: ownCache(), ...options });
}

/** A test that wants a card, real or emulated. */
export function testOnCard(name: string, run: () => void | Promise<void>): void {
  testUnless(withoutCard, name, run);
}
