// Compiles all sources by the real NVRTC through the shim; prints one line of JSON per failure and
// one with the count. Arguments: "all" or "some", architectures. Of some, each meets one
// architecture.

import { OPTIONS } from "../../../src/emit/cuda/mod.ts";
import { PairfoldError } from "../../../src/error.ts";
import { Shim } from "../../../src/engine/cuda/shim.ts";
import { sources } from "./kernels.ts";

const [amount, ...architectures] = Deno.args;
const shim = Shim.openSync();
shim.openNvrtc();
const queue = [...sources(amount === "all")].flatMap((source, n) => {
  const own = amount === "all" ? architectures : [architectures[n % architectures.length]];
  return own.map((architecture) => ({ ...source, architecture: Number(architecture) }));
});
const total = queue.length;

/** Compiles one source after another until none is left. */
async function work(): Promise<void> {
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { architecture, text, name } = next;
    try {
      const { binary, notes } = await shim.compileBinary(architecture, text, "kernel.cu", OPTIONS);
      if (binary.length < 1000) throw new PairfoldError("compile", "the binary is empty");
      if (/warning/.test(notes)) throw new PairfoldError("compile", notes);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      console.log(JSON.stringify({ name, architecture, message: message.slice(0, 1500) }));
    }
  }
}

await Promise.all([work(), work()]);
console.log(total);
