// Runs the conformance suite of the CUDA engine on a real card: `deno task test:cuda [device]`.
// With compute-sanitizer on the path, a short part runs again under its memory and race checkers.
//
// Says first what was found, so that a machine without a card fails by name, not by chance.

import { doctor, engineOf } from "../src/engine/mod.ts";
import type { DeviceName } from "../src/engine/mod.ts";

const SUITES = [
  "tests/cuda/conformance.test.ts",
  "tests/cuda/launch.test.ts",
  "tests/cuda/repeat.test.ts",
  "tests/cuda/scale.test.ts",
  "tests/cuda/symmetric.test.ts",
  "tests/cuda/batches.test.ts",
  "tests/cuda/panels.test.ts",
  "tests/cuda/products.test.ts",
  "tests/cuda/schedules.test.ts",
  "tests/engine/reductions.test.ts",
  "tests/engine/smallest.test.ts",
  "tests/engine/indices.test.ts",
];
/** What is run again under each of the sanitizer's tools. */
const SHORT = ["tests/cuda/conformance.test.ts", "--filter", "agrees with the reference"];
const SANITIZER = "compute-sanitizer";

const device = Deno.args[0] ?? "cuda";
const env = { PAIRFOLD_TEST_DEVICE: device };

/** Runs a command with its output shown; whether it succeeded. */
async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  console.log(`\n$ ${command} ${args.join(" ")}`);
  const child = new Deno.Command(command, { args: [...args], env }).spawn();
  return (await child.status).success;
}

/** Whether a program answers. */
function answers(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

const engine = engineOf(device as DeviceName);
console.log(engine.describe().join("\n"));
console.log(doctor());

const test = (files: readonly string[]): string[] => ["test", "-A", ...files];
let isWell = await succeeds(Deno.execPath(), test(SUITES));
if (answers(SANITIZER)) {
  for (const tool of ["memcheck", "racecheck", "synccheck"]) {
    const args = ["--tool", tool, "--error-exitcode", "1", "--target-processes", "all"];
    isWell = await succeeds(SANITIZER, [...args, Deno.execPath(), ...test(SHORT)]) && isWell;
  }
} else {
  console.log(`\nskipped: memory and race checks: no ${SANITIZER} on the path`);
}
Deno.exit(isWell ? 0 : 1);
