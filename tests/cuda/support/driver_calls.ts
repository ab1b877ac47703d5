// What reaches the emulated driver while something runs.

import { emulatorVariables } from "./emulator.ts";
import { DRIVER_FUNCTIONS } from "./fakes.ts";

/** Calls that cost next to nothing. */
const CHEAP = /^cu(CtxSetCurrent|GetError)/;

/** Calls by name, those that there were, and bytes that were copied. */
export interface DriverCalls {
  readonly calls: Readonly<Record<string, number>>;
  readonly up: number;
  readonly down: number;
}

const encoder = new TextEncoder();

/** The emulator's counts, by name. */
function openCounts(): { count: (name: string) => number; close: () => void } {
  const library = Deno.dlopen(emulatorVariables().PAIRFOLD_CUDA_DRIVER, {
    pairfold_emulator_calls: { parameters: ["buffer"], result: "u64" },
  });
  const { symbols } = library;
  const count = (name: string): number =>
    Number(symbols.pairfold_emulator_calls(encoder.encode(`${name}\0`)));
  return { count, close: () => library.close() };
}

/** How often a function of the driver was called so far. */
export function callsOf(name: string): number {
  const { count, close } = openCounts();
  try {
    return count(name);
  } finally {
    close();
  }
}

/** Counts while something runs. */
export async function driverCallsOf(run: () => Promise<unknown>): Promise<DriverCalls> {
  const { count, close } = openCounts();
  const names = [...DRIVER_FUNCTIONS.filter((name) => !CHEAP.test(name)), "bytes up", "bytes down"];
  try {
    const before = names.map(count);
    await run();
    const after = new Map(names.map((name, k) => [name, count(name) - before[k]]));
    const [up, down] = [after.get("bytes up")!, after.get("bytes down")!];
    const calls = [...after].filter(([name, n]) => n > 0 && name.startsWith("cu"));
    return { calls: Object.fromEntries(calls), up, down };
  } finally {
    close();
  }
}
