// The CUDA emulator as tests use it: what the environment has selected already, else built where
// that is missing by cuda/emulator/env.sh.

import { join } from "@std/path";
import { LIBRARIES } from "../../../scripts/build_cuda.ts";
import { missing, ROOT } from "./tools.ts";

/** The libraries of the emulator, or why there are none. */
export type Emulator =
  | { readonly driver: string; readonly nvrtc: string; readonly reason: null }
  | { readonly reason: string };

let found: Emulator | null = null;

/** Finds the emulator or builds it, once per process. */
export function emulator(): Emulator {
  return found ??= find();
}

/** Variables of the environment for a process that should use the emulator. */
export function emulatorVariables(): Record<string, string> {
  const one = emulator();
  if (one.reason !== null) throw new Error(one.reason);
  return {
    PAIRFOLD_CUDA_LIBRARY: "",
    PAIRFOLD_CUDA_DRIVER: one.driver,
    PAIRFOLD_NVRTC: one.nvrtc,
    // faults that a test brings about are not news
    PAIRFOLD_EMULATOR_QUIET: "1",
  };
}

function find(): Emulator {
  const here = `${Deno.build.os}-${Deno.build.arch}`;
  if (!(here in LIBRARIES) && !Deno.env.get("PAIRFOLD_CUDA_LIBRARY")) {
    return { reason: `no prebuilt library for ${here}` };
  }
  const driver = Deno.env.get("PAIRFOLD_CUDA_DRIVER"), nvrtc = Deno.env.get("PAIRFOLD_NVRTC");
  // what is selected may be a card's: these tests bring faults about
  if (driver && nvrtc && /emulator/.test(driver) && /emulator/.test(nvrtc)) {
    return { driver, nvrtc, reason: null };
  }
  const script = join(ROOT, "cuda", "emulator", "env.sh");
  const reason = missing("bash", "cmake", "g++");
  if (reason) return { reason: `the emulator is not built: ${reason}` };
  if (!exists(script)) return { reason: "no cuda/emulator/env.sh" };
  const { success, stdout, stderr } = new Deno.Command("bash", {
    args: [script, "--print"],
    stdin: "null",
  }).outputSync();
  const decoder = new TextDecoder(), said = decoder.decode(stdout);
  const value = (name: string): string | undefined =>
    new RegExp(`^${name}=(.*)$`, "m").exec(said)?.[1];
  const built = { driver: value("PAIRFOLD_CUDA_DRIVER"), nvrtc: value("PAIRFOLD_NVRTC") };
  // a compiler is there: an emulator that does not build is a fault, not a reason to skip
  if (!success || !built.driver || !built.nvrtc) {
    throw new Error(`${script} failed\n${said}${decoder.decode(stderr)}`);
  }
  return { driver: built.driver, nvrtc: built.nvrtc, reason: null };
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
