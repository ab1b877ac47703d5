// The real NVRTC: PAIRFOLD_NVRTC's, or nvidia-cuda-nvrtc's in the virtual environment.

import { join } from "@std/path";
import { LIBRARIES } from "../../../scripts/build_cuda.ts";

/** NVRTC's files in the packages of a virtual environment. */
function inPackages(environment: string): string[] {
  const found: string[] = [];
  const list = (folder: string): string[] => {
    try {
      return [...Deno.readDirSync(folder)].map(({ name }) => name);
    } catch {
      return [];
    }
  };
  for (const python of list(join(environment, "lib"))) {
    for (const inner of ["nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib"]) {
      const folder = join(environment, "lib", python, "site-packages", inner);
      const files = list(folder).filter((name) => /^libnvrtc\.so\.\d/.test(name));
      found.push(...files.map((name) => join(folder, name)));
    }
  }
  return found;
}

const environment = Deno.env.get("VIRTUAL_ENV") ?? "";
const packaged = environment ? inPackages(environment) : [];
const named = Deno.env.get("PAIRFOLD_NVRTC");

/** The library's file; undefined where there is none. The emulator goes by another name. */
export const realNvrtc: string | undefined = named && /(libnvrtc\.so|nvrtc64_)[^/\\]*$/.test(named)
  ? named
  : packaged[0];

const here = `${Deno.build.os}-${Deno.build.arch}`;

/** Why the shim cannot be used here; null where it can. */
export const unusable: string | null = here in LIBRARIES ? null : `no prebuilt library for ${here}`;

/** Why there is no real compiler; null where there is one. */
export const withoutNvrtc: string | null = unusable ??
  (realNvrtc ? null : "no NVRTC: set PAIRFOLD_NVRTC, or VIRTUAL_ENV with nvidia-cuda-nvrtc");

/** Why no packages are there to search; null where they are. */
export const withoutPackages: string | null = unusable ??
  (packaged.length > 0 ? null : "VIRTUAL_ENV has no package nvidia-cuda-nvrtc");
