// The driver's and NVRTC's functions as the shim declares them, against NVIDIA's own headers where
// a CUDA toolkit, or Python's packages of it, are found.

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { inFolder, missing, ROOT, runWell, testUnless } from "./support/tools.ts";

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

/** The folder of a header; null where there is none. */
function folderOf(name: string): string | null {
  return includeFolders().find((folder) => {
    try {
      return Deno.statSync(join(folder, name)).isFile;
    } catch {
      return false;
    }
  }) ?? null;
}

/** The text of a header without comments; null where there is none. */
function headerText(name: string): string | null {
  const folder = folderOf(name);
  if (folder === null) return null;
  const text = Deno.readTextFileSync(join(folder, name));
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
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
  "CUgraph": "64",
  "CUgraphExec": "64",
  "unsigned long long": "64",
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
      // the header gives the newest version the plain name, or another by a macro
      const plain = name.replace(/_v\d+$/, "");
      const macro = new RegExp(`#define\\s+(\\w+)\\s+${name}\\s`).exec(text!);
      const names = [plain, ...(macro === null ? [] : [macro[1]])].join("|");
      const lists = [
        ...text!.matchAll(new RegExp(`\\b(?:${names})(?:_v2)?\\s*\\(([^;]*?)\\)\\s*;`, "g")),
      ];
      const theirs = lists.map(([, list]) => widths(list).join());
      assertEquals(theirs.includes(mine.join()), true, `${name}: ${mine} is none of ${theirs}`);
    }
  });
}

/** Members by the shim's names and NVIDIA's, of structures that both declare. */
const STRUCTURES = [
  ["CopyParameters", "CUDA_MEMCPY3D", {
    ...{ from_x: "srcXInBytes", from_y: "srcY", from_z: "srcZ", from_level: "srcLOD" },
    ...{ from_kind: "srcMemoryType", from_host: "srcHost", from_device: "srcDevice" },
    ...{ from_array: "srcArray", from_reserved: "reserved0", from_pitch: "srcPitch" },
    ...{ from_height: "srcHeight", to_x: "dstXInBytes", to_y: "dstY", to_z: "dstZ" },
    ...{ to_level: "dstLOD", to_kind: "dstMemoryType", to_host: "dstHost" },
    ...{ to_device: "dstDevice", to_array: "dstArray", to_reserved: "reserved1" },
    ...{ to_pitch: "dstPitch", to_height: "dstHeight", bytes: "WidthInBytes" },
    ...{ rows: "Height", layers: "Depth" },
  }],
  ["KernelParameters", "CUDA_KERNEL_NODE_PARAMS", {
    ...{ function: "func", grid_x: "gridDimX", grid_y: "gridDimY", grid_z: "gridDimZ" },
    ...{ block_x: "blockDimX", block_y: "blockDimY", block_z: "blockDimZ" },
    ...{ dynamic_shared: "sharedMemBytes", arguments: "kernelParams", extra: "extra" },
    ...{ kernel: "kern", context: "ctx" },
  }],
] as const;

/** Sizes and offsets that a C program with these lines before it says of structures. */
async function layout(include: string, folder: string, which: 0 | 1): Promise<string> {
  const lines = STRUCTURES.flatMap((structure) => {
    const name = structure[which], members = Object.entries(structure[2]);
    return [
      `printf("%zu:", sizeof(${name}));`,
      ...members.map((both) => {
        const member = `((${name}*)0)->${both[which]}`;
        return `printf(" %zu+%zu", offsetof(${name}, ${both[which]}), sizeof(${member}));`;
      }),
    ];
  });
  const kinds = [["MEMORY_HOST", "CU_MEMORYTYPE_HOST"], ["MEMORY_DEVICE", "CU_MEMORYTYPE_DEVICE"]];
  lines.push(...kinds.map((both) => `printf(" %d", ${both[which]});`));
  return await inFolder(async (own) => {
    const source = join(own, "layout.c"), program = join(own, "layout");
    const text = `#include <stddef.h>\n#include <stdio.h>\n#include "${include}"\n` +
      `int main(void) {\n${lines.join("\n")}\nreturn 0;\n}\n`;
    Deno.writeTextFileSync(source, text);
    const folders = [folder, join(ROOT, "cuda", "include")].flatMap((one) => ["-I", one]);
    await runWell("gcc", [...folders, source, "-o", program]);
    return await runWell(program, []);
  });
}

const nvidia = folderOf("cuda.h");
testUnless(
  nvidia === null ? "no cuda.h: set CUDA_HOME or VIRTUAL_ENV" : missing("gcc"),
  "driver.h lays structures out as NVIDIA's cuda.h does",
  async () => {
    const mine = await layout("driver.h", join(ROOT, "cuda", "src"), 0);
    assertEquals(mine, await layout("cuda.h", nvidia!, 1));
    assertEquals(mine.split("+").length, 38);
  },
);
