// Fixed costs, each beside a plain loop of the same run: steps of small tensors, small folds, and
// the first use of a formula. Prints Markdown tables of medians and bests.
//
//     deno run -A bench/overhead.ts [--parts steps,folds,first] [--engines wasm,native]
//         [--against path/to/another/mod.ts] [--calls 1000] [--out folder]
//
// With --against, another checkout is measured in the same run, taking turns call by call, and each
// figure stands beside its own: times of runs that follow one another do not compare on a busy
// machine.

import { resolve, toFileUrl } from "@std/path";
import { countOf, namesOf, optionsOf } from "./options.ts";
import { firstUse, firstUseTable } from "./overhead/first.ts";
import { foldTable } from "./overhead/folds.ts";
import { type Library, load } from "./overhead/library.ts";
import { stepTable } from "./overhead/steps.ts";
import { cpuSlug, machineLine } from "./report.ts";

const { values: options, positionals } = optionsOf({
  options: {
    parts: { type: "string", default: "steps,folds,first" },
    engines: { type: "string", default: "wasm,native" },
    against: { type: "string" },
    calls: { type: "string", default: "1000" },
    out: { type: "string" },
    "first-use": { type: "boolean", default: false },
  },
  allowPositionals: true,
});

/** The path of a module as its address. */
const addressOf = (path: string): string => toFileUrl(resolve(path)).href;

if (options["first-use"]) {
  const [address, engine, cache] = positionals;
  await firstUse(await load(address), engine, cache);
  Deno.exit();
}

const own = new URL("../mod.ts", import.meta.url).href;
const addresses = options.against === undefined ? [own] : [own, addressOf(options.against)];
const libraries: Library[] = [];
for (const address of addresses) libraries.push(await load(address));
const parts = namesOf("parts", options.parts, ["steps", "folds", "first"]);
const engines = namesOf("engines", options.engines, ["wasm", "native"]);
const calls = countOf("calls", options.calls);

const sections: string[] = [];
if (parts.includes("steps")) {
  sections.push(
    "## Steps of small tensors, on the calling thread",
    await stepTable(libraries, calls),
  );
}
if (parts.includes("folds")) {
  sections.push(
    "## Small folds (Gaussian sum, D = 3), on the calling thread",
    await foldTable(libraries, engines, calls),
  );
}
if (parts.includes("first")) {
  sections.push("## First use of a formula", await firstUseTable(addresses, engines));
}

const page = [
  `# Fixed costs, ${new Date().toISOString().slice(0, 10)}`,
  [
    `- ${machineLine()}`,
    `- Deno ${Deno.version.deno}, V8 ${Deno.version.v8}`,
    ...options.against === undefined
      ? []
      : ["- Each cell: this checkout, after the slash another one, taking turns in one run"],
  ].join("\n"),
  ...sections,
].join("\n\n") + "\n";
console.log(page);
if (options.out !== undefined) {
  Deno.mkdirSync(options.out, { recursive: true });
  const day = new Date().toISOString().slice(0, 10);
  Deno.writeTextFileSync(`${options.out}/${day}-${cpuSlug()}-overhead.md`, page);
}
