// The card that tests of the CUDA engine run on: a real one where PAIRFOLD_TEST_DEVICE is "cuda",
// else the emulator, built where needed.

import { cuda, type CudaEngine, type CudaOptions } from "../../../src/engine/mod.ts";
import { emulator, emulatorVariables } from "./emulator.ts";
import { testUnless } from "./tools.ts";

const [kind, ordinal = "0"] = Deno.env.get("PAIRFOLD_TEST_DEVICE")?.split(":") ?? [];
/** Whether the tests run on a real card (or on whatever driver the environment names). */
export const isReal = kind === "cuda";

/** Why there is no card to test on, not even an emulated one; null where there is. */
export const withoutCard: string | null = isReal ? null : emulator().reason;

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
  if (isReal) return cuda({ ordinal: Number(ordinal), ...options });
  const { PAIRFOLD_CUDA_DRIVER: driver, PAIRFOLD_NVRTC: nvrtc } = emulatorVariables();
  return cuda({ driver, nvrtc, cache: ownCache(), ...options });
}

/** A test that wants a card, real or emulated. */
export function testOnCard(name: string, run: () => void | Promise<void>): void {
  testUnless(withoutCard, name, run);
}
