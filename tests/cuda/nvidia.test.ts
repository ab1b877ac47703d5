// The driver's and NVRTC's functions as the shim declares them, against NVIDIA's own headers where
// a CUDA toolkit, or Python's packages of it, are found.

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ROOT, testUnless } from "./support/tools.ts";

/** Folders that may hold cuda.h and nvrtc.h. */
function includeFolders(): string[] {
  const folders = ["/usr/local/cuda/include", "/opt/cuda/include"];
  for (const variable of ["CUDA_HOME", "CUDA_PATH"]) {
    const base = Deno.env.get(variable);
    if (base) folders.unshift(join(base, "include"));
  }
  const environment = Deno.env.get("VIRTUAL_ENV");
  if (environment) {
    try {
      for (const { name } of Deno.readDirSync(join(environment, "lib"))) {
        folders.unshift(join(environment, "lib", name, "site-packages/nvidia/cu13/include"));
      }
    } catch {
      // not laid out like this
    }
  }
  return folders;
}

/** The text of a header without comments; null where there is none. */
function headerText(name: string): string | null {
  for (const folder of includeFolders()) {
    try {
      const text = Deno.readTextFileSync(join(folder, name));
      return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
    } catch {
      // not in this folder
    }
  }
  return null;
}

const WIDTHS: Record<string, string> = {
  "size_t": "64",
  "CUdeviceptr": "64",
  "int": "32",
  "unsigned": "32",
  "unsigned int": "32",
  "unsigned char": "8",
  "CUdevice": "32",
  "CUresult": "32",
  "CUdevice_attribute": "32",
  "CUfunction_attribute": "32",
  "nvrtcResult": "32",
  "CUcontext": "64",
  "CUstream": "64",
  "CUevent": "64",
  "CUmodule": "64",
  "CUfunction": "64",
  "nvrtcProgram": "64",
};

/** How wide each parameter of a list is; pointers are told from numbers. */
function widths(list: string): string[] {
  const parameters = list.split(",").map((one) => one.replace(/\s+/g, " ").trim());
  return parameters.filter((one) => one !== "void").map((one) => {
    if (one.includes("*")) return "pointer";
    const type = one.replace(/^const /, "").replace(/ \w+$/, "");
    return WIDTHS[type] ?? `? ${one}`;
  });
}

/** The functions that a header of the shim declares, with the widths of their parameters. */
function declared(file: string): [string, string[]][] {
  const text = Deno.readTextFileSync(join(ROOT, "cuda", "src", file)).replaceAll("\\\n", "");
  const found = text.matchAll(/X\(\s*((?:cu|nvrtc)[A-Z]\w+),\s*\(([^)]*)\)\)/g);
  return [...found].map(([, name, list]) => [name, widths(list)]);
}

for (const [file, header] of [["driver.h", "cuda.h"], ["nvrtc.h", "nvrtc.h"]]) {
  const text = headerText(header);
  const reason = text === null ? `no ${header}: set CUDA_HOME or VIRTUAL_ENV` : null;
  testUnless(reason, `${file} declares functions as NVIDIA's ${header} does`, () => {
    const functions = declared(file);
    assertEquals(functions.length > 11, true);
    for (const [name, mine] of functions) {
      // the header gives the newest version the plain name
      const base = name.replace(/_v\d+$/, "");
      const lists = [
        ...text!.matchAll(new RegExp(`\\b${base}(?:_v2)?\\s*\\(([^;]*?)\\)\\s*;`, "g")),
      ];
      const theirs = lists.map(([, list]) => widths(list).join());
      assertEquals(theirs.includes(mine.join()), true, `${name}: ${mine} is none of ${theirs}`);
    }
  });
}
