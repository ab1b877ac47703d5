// Values and gradients of whole energies, Pairfold's and PyTorch's (dense, on the CPU), on the same
// inputs: writes a Markdown table.
//
//     deno run -A bench/peers/gradients.ts [--energies sinkhorn,lddmm] [--repeats 3]
//                                          [--out file.md]
//
// PyTorch runs in the Python that $PAIRFOLD_PYTHON names (default python3); where it is missing the
// script says so and ends well. float32 inputs are compared with PyTorch in float64 on the same
// rounded inputs, beside what PyTorch's own float32 gives. Status 1 where float64 differs by more
// than the limit. Times are bests of repeats of value and gradient together, first calls excluded,
// one contestant after the other.

import { doctor, type Tensor } from "pairfold";
import { loadNpy, saveNpy } from "pairfold/npy";
import { countOf, namesOf, optionsOf } from "../options.ts";
import { ENERGIES, type Energy, type FloatType, type Inputs } from "./energies.ts";

/** The largest relative difference of float64 values and gradients. */
const LIMIT = 1e-5;
const THREADS = navigator.hardwareConcurrency;

const { values: options } = optionsOf({
  options: {
    energies: { type: "string" },
    repeats: { type: "string", default: "3" },
    out: { type: "string" },
  },
});
const repeats = countOf("repeats", options.repeats);
const chosen = namesOf("energies", options.energies, ENERGIES.map(({ name }) => name));

/** What the worker says (its docstring is the contract). */
interface Answer {
  readonly error?: string;
  readonly value: number;
  readonly seconds: readonly number[];
  readonly torch: string;
}

/** A value, gradients, and how long they took. */
interface Found {
  readonly value: number;
  readonly gradients: Readonly<Record<string, ArrayLike<number>>>;
  readonly seconds: number;
}

async function pairfold(energy: Energy, inputs: Inputs): Promise<Found> {
  let seconds = Infinity;
  for (let k = 0;; k++) {
    const start = performance.now();
    const { value, gradients } = await energy.differentiate(inputs);
    const number = await value.item();
    const found: Record<string, ArrayLike<number>> = {};
    for (const name of energy.by) found[name] = await gradients[name].data();
    if (k > 0) seconds = Math.min(seconds, (performance.now() - start) / 1000);
    if (k === repeats) return { value: number, gradients: found, seconds };
  }
}

/** PyTorch's answer; a reason where there is none. */
async function torch(
  energy: Energy,
  inputs: Readonly<Record<string, string>>,
  dtype: FloatType,
  folder: string,
): Promise<(Found & { version: string }) | string> {
  const { name, by, settings } = energy;
  const job = { energy: name, dtype, inputs, by, settings, threads: THREADS, repeats, folder };
  await Deno.writeTextFile(`${folder}/job.json`, JSON.stringify(job));
  const python = Deno.env.get("PAIRFOLD_PYTHON") ?? "python3";
  const worker = new URL("torch_worker.py", import.meta.url).pathname;
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(python, { args: [worker, `${folder}/job.json`] }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "no Python";
    throw error;
  }
  const text = new TextDecoder();
  if (!output.success) throw new Error(text.decode(output.stderr));
  const answer: Answer = JSON.parse(text.decode(output.stdout));
  if (answer.error !== undefined) return answer.error;
  const gradients: Record<string, ArrayLike<number>> = {};
  for (const input of by) gradients[input] = await (await loadNpy(`${folder}/${input}.npy`)).data();
  const seconds = Math.min(...answer.seconds);
  return { value: answer.value, gradients, seconds, version: answer.torch };
}

/** |a − b| / |b|, Euclidean. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [apart, size] = [0, 0];
  for (let k = 0; k < b.length; k++) {
    apart += (a[k] - b[k]) ** 2;
    size += b[k] ** 2;
  }
  return a.length === b.length ? Math.sqrt(apart / size) : Infinity;
}

const HEAD = [
  ["energy", "dtype", "size", "value", "of the value"],
  ["of gradients", "PyTorch's own", "Pairfold, s", "PyTorch, s"],
].flat();
const rows: string[][] = [HEAD, HEAD.map(() => "---")];
let isGood = true, version = "";
const scientific = (x: number): string => x.toExponential(1);

async function compare(energy: Energy, dtype: FloatType, folder: string): Promise<string | null> {
  const inputs: Record<string, Tensor> = energy.inputs(dtype);
  const paths: Record<string, string> = {};
  for (const [name, t] of Object.entries(inputs)) {
    await saveNpy(paths[name] = `${folder}/input-${name}.npy`, t);
  }
  const wanted = await torch(energy, paths, "float64", folder);
  if (typeof wanted === "string") return wanted;
  const same = dtype === "float64" ? wanted : await torch(energy, paths, dtype, folder);
  if (typeof same === "string") return same;
  version = wanted.version;
  const found = await pairfold(energy, inputs);
  const gradients = (of: Found): [name: string, apart: number][] =>
    energy.by.map((name) => [name, difference(of.gradients[name], wanted.gradients[name])]);
  const value = Math.abs(found.value / wanted.value - 1);
  const all = gradients(found);
  if (dtype === "float64") isGood &&= [value, ...all.map(([, d]) => d)].every((d) => d < LIMIT);
  const own = Math.max(
    Math.abs(same.value / wanted.value - 1),
    ...gradients(same).map(([, d]) => d),
  );
  rows.push([
    energy.name,
    dtype,
    energy.size,
    found.value.toPrecision(8),
    scientific(value),
    all.map(([name, apart]) => `${name} ${scientific(apart)}`).join(", "),
    dtype === "float64" ? "–" : scientific(own),
    found.seconds.toPrecision(3),
    same.seconds.toPrecision(3),
  ]);
  return null;
}

const folder = await Deno.makeTempDir({ prefix: "pairfold-peers-" });
try {
  for (const energy of ENERGIES.filter(({ name }) => chosen.includes(name))) {
    for (const dtype of ["float64", "float32"] as const) {
      const missing = await compare(energy, dtype, folder);
      if (missing === null) continue;
      console.log(`PyTorch is missing (${missing}): nothing to compare with`);
      Deno.exit(0);
    }
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
const text = `# Energies and gradients, Pairfold and PyTorch

- PyTorch ${version} (dense, CPU) and Pairfold on ${
  doctor().split("\n")[0]
}; ${THREADS} threads each
- differences are relative, to PyTorch in float64 on the same inputs; limit in float64: ${LIMIT}

${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}
`;
console.log(text);
if (options.out !== undefined) await Deno.writeTextFile(options.out, text);
if (!isGood) Deno.exit(1);
