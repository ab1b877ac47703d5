// Bundles the library into one file, dist/pairfold.js, that runs in Deno, Node 20 and browsers.

import { dirname, fromFileUrl } from "@std/path";
import * as esbuild from "npm:esbuild@0.25.12";

const ENTRY = new URL("../mod.ts", import.meta.url);
const TARGET = new URL("../dist/pairfold.js", import.meta.url);

/** Writes the bundle; returns its path. */
export async function bundle(target: string = fromFileUrl(TARGET)): Promise<string> {
  await Deno.mkdir(dirname(target), { recursive: true });
  await esbuild.build({
    entryPoints: [fromFileUrl(ENTRY)],
    outfile: target,
    bundle: true,
    format: "esm",
    target: "es2022",
    external: ["node:*"],
    legalComments: "inline",
  });
  await esbuild.stop();
  return target;
}

if (import.meta.main) {
  const path = await bundle();
  const { size } = await Deno.stat(path);
  console.log(`wrote ${path}, ${size} bytes`);
}
