// The house: folders import only from folders before them, files have no circles, and the core
// imports nothing remote.

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join, relative } from "@std/path";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

/** Folders of src/ in the order of the pipeline; the error class comes before all. */
const ORDER = [
  "error.ts",
  "formula",
  "autodiff",
  "syntax",
  "loop",
  "reduction",
  "lower",
  "tiling",
  "emit",
  "engine",
  "tensor",
  "sparse",
  "program",
  "solve",
  "optimise",
  "lazy",
  "npy",
  "pointcloud",
];

/** Edges that the order does not allow and the design does: types of engines are their tensors'. */
const CORE = ORDER.filter((folder) => folder !== "npy" && folder !== "pointcloud");

function sources(folder: string): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) found.push(...sources(path));
    else if (path.endsWith(".ts")) found.push(path);
  }
  return found;
}

/** The specifiers that a source imports or re-exports, dynamic imports too. */
export function importsOf(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const statements = code.matchAll(
    /(?:^|\n)\s*(?:import|export)\s[^;"']*?from\s*["']([^"']+)["']|import\s*\(?\s*["']([^"']+)["']/g,
  );
  return [...statements].map((m) => m[1] ?? m[2]);
}

const folderOf = (path: string): string => relative(join(ROOT, "src"), path).split("/")[0];

const files = sources(join(ROOT, "src"));
const edges = new Map(files.map((file) => {
  const targets = importsOf(Deno.readTextFileSync(file)).filter((s) => s.startsWith("."));
  return [file, targets.map((target) => join(file, "..", target))];
}));

Deno.test("every folder of src/ has its place in the order", () => {
  const folders = new Set(files.map(folderOf));
  assertEquals([...folders].filter((f) => !ORDER.includes(f)), []);
});

Deno.test("folders import only from folders before them", () => {
  const wrong: string[] = [];
  for (const [file, targets] of edges) {
    for (const target of targets) {
      const [from, to] = [folderOf(file), folderOf(target)];
      const isForward = ORDER.indexOf(to) < ORDER.indexOf(from);
      if (from !== to && !isForward) wrong.push(`${relative(ROOT, file)} imports ${to}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("the point-cloud entry point uses only the error class of the core", () => {
  for (const [file, targets] of edges) {
    if (folderOf(file) !== "pointcloud") continue;
    for (const target of targets) {
      assert(["pointcloud", "error.ts"].includes(folderOf(target)), `${file} imports ${target}`);
    }
  }
});

Deno.test("no file imports itself through others", () => {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      const circle = [...path.slice(path.indexOf(file)), file].map((f) => relative(ROOT, f));
      throw new Error(`circle: ${circle.join(" → ")}`);
    }
    if (done.has(file)) return;
    for (const target of edges.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) visit(file, []);
});

Deno.test("the core imports nothing remote or mapped, so that it loads from a URL, offline", () => {
  const core = [join(ROOT, "mod.ts"), ...files.filter((f) => CORE.includes(folderOf(f)))];
  for (const file of core) {
    const imports = importsOf(Deno.readTextFileSync(file));
    // node:worker_threads is part of the host and imported only where it exists
    const foreign = imports.filter((s) => !s.startsWith(".") && s !== "node:worker_threads");
    assertEquals(foreign, [], file);
  }
});

Deno.test("the parser of imports sees every form", () => {
  const source = [
    'import a from "./a.ts";',
    'import {\n  b,\n} from "./b.ts";',
    'export * from "./c.ts";',
    'import "./d.ts";',
    'const e = await import("./e.ts");',
    '// import f from "./f.ts";',
  ].join("\n");
  assertEquals(importsOf(source), ["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts"]);
});
