// Folds on cards that keep notes of kernels: run as a later process would, and watched for what
// they look at.

import { join } from "@std/path";
import { CudaArray } from "../../../src/engine/cuda/array.ts";
import type { CudaOptions } from "../../../src/engine/cuda/mod.ts";
import { FOLDERS } from "../../../src/engine/cuda/notes.ts";
import { build, constant, index, variable, type VariableNode } from "../../../src/formula/mod.ts";
import type { Kernel } from "../../../src/loop/mod.ts";
import { cudaMath, type Fold, lowerLater } from "../../../src/lower/mod.ts";
import { randomFor } from "../../support/random.ts";
import { stampedTest, unstamped } from "../../support/stamps.ts";
import { card, withoutCard } from "./card.ts";

export const x: VariableNode = variable(0, "i", 3);
export const y: VariableNode = variable(1, "j", 3);
export const b: VariableNode = variable(2, "j", 2);
const p = variable(3, "p", 1);
const [q, keys, values] = [variable(0, "i", 33), variable(1, "j", 33), variable(2, "j", 5)];
const gaussian = build.exp(build.mul(p, build.sqDist(x, y)));

/** Folds by what is particular about them. */
export const FOLDS: Record<string, Partial<Fold> & { readonly k?: number }> = {
  "a parameter's section": { formula: build.mul(gaussian, b), reduction: "sum" },
  "packed by a parameter": { formula: build.mul(x, build.exp(build.mul(p, y))), reduction: "sum" },
  "constants without a name in JSON": {
    formula: build.mul(gaussian, build.min(build.mul(p, constant(-0)), constant(Infinity))),
    reduction: "max",
  },
  "short lists": { formula: build.sqDist(x, y), reduction: "argKMin", k: 5 },
  "long lists": { formula: build.sqDist(x, y), reduction: "kMin", k: 50 },
  "indices": { formula: build.mul(index("j"), gaussian), reduction: "logSumExp" },
  "attention": {
    formula: build.mul(p, build.dot(q, keys)),
    reduction: "sumSoftMaxWeight",
    weight: values,
    inputs: [q, keys, values, p],
  },
};

export type Float = "f32" | "f64";

export function foldOf(name: string, float: Float): Fold {
  const { k = 1, ...rest } = FOLDS[name];
  const options = { sumScheme: "compensated", accumulator: float, k } as const;
  const fold = { inputs: [x, y, b, p], float, options, fastMath: false, ...rest };
  return fold as Fold;
}

/** Parts of a kernel that are known without lowering it. */
const HEADER = ["float", "inputs", "outputs", "identity", "products", "hasKeys", "title"];

/** A kernel that has not been lowered, and which of its lowered parts were looked at since. */
export function watched(fold: Fold): { kernel: Kernel; seen: Set<string> } {
  const seen = new Set<string>();
  const later = lowerLater(fold, cudaMath);
  const kernel = new Proxy(later, {
    get: (target, name: keyof Kernel) => {
      // of a fold without twins it is known to be none
      const isKnown = HEADER.includes(name) || (name === "mirror" && !fold.twins);
      if (!isKnown) seen.add(name);
      return target[name];
    },
  });
  return { kernel, seen };
}

interface Ran {
  readonly bits: Int32Array[];
  readonly text: string;
  /** Parts of the kernel that were looked at before anybody asked for an explanation. */
  readonly seen: string[];
}

/** Runs a fold three times on an engine of its own, as another process would: bits of each run. */
export async function run(
  fold: Fold,
  [M, N]: readonly [number, number],
  options: CudaOptions,
): Promise<Ran> {
  const { kernel, seen } = watched(fold);
  const engine = card(options);
  const random = randomFor("notes of cards");
  const inputs = fold.inputs.map(({ axis, dim }) => {
    if (axis === "p") return Float64Array.of(-0.7);
    const length = (axis === "i" ? M : N) * dim;
    return engine.place(fold.float === "f32" ? random.float32(length) : random.float64(length));
  });
  const segment = { i0: 0, i1: M, j0: 0, j1: N, offsets: fold.inputs.map(() => 0), output: 0 };
  const bits: Int32Array[] = [];
  for (let launch = 0; launch < 3; launch++) {
    // packed columns are found again where nothing that they are made of has changed
    if (launch === 2) {
      for (const input of inputs) if (input instanceof Float64Array) input[0] = -1.3;
    }
    const program = engine.compile(kernel, M, N);
    const outputs = kernel.outputs.map(({ number, dim }) =>
      engine.allocate(
        number === "index" ? "int32" : fold.float === "f32" ? "float32" : "float64",
        M * dim,
      )
    );
    await engine.launch(program, inputs, outputs, [segment], {});
    for (const output of outputs) {
      const numbers = await output.download({});
      bits.push(new Int32Array(numbers.slice().buffer));
      output.dispose();
    }
  }
  for (const input of inputs) if (input instanceof CudaArray) input.dispose();
  const parts = [...seen]; // explaining looks at all
  const text = Object.values(engine.compile(kernel, M, N).explain()).join("\n");
  return { bits, seen: parts, text };
}

export const notesIn = (cache: string): string[] =>
  [...Deno.readDirSync(join(cache, "cuda"))]
    .map(({ name }) => join(cache, "cuda", name)).filter((name) => name.endsWith(".note"));

export const withoutNotes: string | null = withoutCard ?? unstamped(FOLDERS);
export const test = (name: string, body: () => Promise<void>): void =>
  stampedTest(withoutNotes, FOLDERS, `cuda notes: ${name}`, body);
