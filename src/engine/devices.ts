// The engines of devices. Enters: a device by name, an engine, or a list. Leaves: the engine that
// runs folds there, opened once per process; what all of them hold in memory.

import { PairfoldError, shown } from "../error.ts";
import { AutoEngine } from "./auto.ts";
import {
  type CudaEngine,
  type CudaOptions,
  type CudaSearch,
  findCuda,
  openCuda,
} from "./cuda/mod.ts";
import { readVariable } from "./cuda/host.ts";
import type { Engine, MemoryUse } from "./engine.ts";
import { findNative, NativeEngine, type NativeOptions, type NativeSearch } from "./native/mod.ts";
import { several } from "./several.ts";
import { WasmEngine } from "./wasm/engine.ts";
import type { WasmOptions } from "./wasm/options.ts";

/**
 * A device by name: the best one found, or one of a kind, by its number where there are several.
 */
export type DeviceName = "auto" | "wasm" | "native" | "cuda" | `cuda:${number}`;

/**
 * Where a fold runs: a device by name, an engine that was made with options, or several of one
 * kind, between which the rows of a fold are divided.
 */
export type Device = DeviceName | Engine | readonly (DeviceName | Engine)[];

/** How engines of one kind come to be. */
interface Kind {
  /** Whether names may carry a number, as "cuda:1". */
  readonly isNumbered: boolean;
  /** Throws `PairfoldError` (device) where there is no such device. */
  open(ordinal: number): Engine;
}

/** What may stand before the colon of a name. */
const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["wasm", { isNumbered: false, open: () => new WasmEngine() }],
  ["native", { isNumbered: false, open: () => new NativeEngine() }],
  ["cuda", { isNumbered: true, open: (ordinal) => openCuda({ ordinal }) }],
]);

/** What became of looking for a card for "auto"; looked for once. */
let search: CudaSearch | null = null;

function searched(): CudaSearch {
  if (search !== null) return search;
  search = findCuda();
  if (search.engine !== null) {
    opened.set("cuda:0", remembered(search.engine));
  } else if (search.isBroken) {
    console.warn(
      `Pairfold: there is a card, but it cannot be used; folds run on the CPU.\n${search.reason}`,
    );
  }
  return search;
}

/** What became of looking for a compiler, and the engine of "auto" where there is one. */
let compilerSearch: { readonly found: NativeSearch; readonly engine: AutoEngine | null } | null =
  null;

function searchedCompiler(): NonNullable<typeof compilerSearch> {
  if (compilerSearch !== null) return compilerSearch;
  const wasm = openNamed("wasm");
  const found = findNative();
  const engine = found.engine !== null && wasm instanceof WasmEngine
    ? new AutoEngine(remembered(found.engine), wasm)
    : null;
  return compilerSearch = { found, engine };
}

const opened = new Map<string, Engine>();
/** Engines that were asked for, as long as somebody has them. */
const inUse = new Set<WeakRef<Engine>>();
const known = new WeakSet<Engine>();
const gone = new FinalizationRegistry<WeakRef<Engine>>((ref) => void inUse.delete(ref));

function remembered<E extends Engine>(engine: E): E {
  if (!known.has(engine)) {
    const ref = new WeakRef<Engine>(engine);
    known.add(engine);
    inUse.add(ref);
    gone.register(engine, ref);
  }
  return engine;
}

/**
 * Makes a CUDA engine with options of its own; pass it as `device`. Throws `PairfoldError` (device)
 * where there is no such card, with all that was looked for.
 */
export function cuda(options: CudaOptions = {}): CudaEngine {
  return remembered(openCuda(options));
}

/** Makes a WebAssembly engine with options of its own; pass it as `device`. */
export function wasm(options: WasmOptions = {}): WasmEngine {
  return remembered(new WasmEngine(options));
}

/**
 * Makes a native engine with options of its own; pass it as `device`. Kernels are compiled by the C
 * compiler found ($CC, cc, gcc, clang), which wants permission to run it, to open libraries (ffi),
 * and to read and write the folder that keeps them. Throws `PairfoldError` (device) where there is
 * none.
 */
export function native(options: NativeOptions = {}): NativeEngine {
  return remembered(new NativeEngine(options));
}

function openNamed(name: string): Engine {
  const [, kindName = "", number] = /^([a-z]+)(?::(\d{1,4}))?$/.exec(name) ?? [];
  const kind = KINDS.get(kindName);
  if (kind === undefined || (number !== undefined && !kind.isNumbered)) {
    const names = [...KINDS].map(([k, { isNumbered }]) =>
      isNumbered ? `"${k}", "${k}:1"` : `"${k}"`
    );
    throw new PairfoldError(
      "device",
      `device: got "${name}"; expected "auto", ${names.join(", ")}, an engine, or a list of these`,
    );
  }
  const ordinal = Number(number ?? 0);
  const key = kind.isNumbered ? `${kindName}:${ordinal}` : kindName;
  const there = opened.get(key);
  if (there !== undefined) return there;
  const engine = remembered(kind.open(ordinal));
  opened.set(key, engine);
  return engine;
}

/** What the environment says that "auto" takes; read once. */
let wish: string | null = null;

/** The engine that "auto" takes: the environment's PAIRFOLD_DEVICE, else the best one found. */
function best(): Engine {
  wish ??= (typeof Deno === "undefined" ? null : readVariable("PAIRFOLD_DEVICE")) ?? "auto";
  if (wish !== "auto") return openNamed(wish);
  return searched().engine ?? searchedCompiler().engine ?? openNamed("wasm");
}

/** The engine of a device. Throws `PairfoldError` (device) for one that is not there. */
export function engineOf(device: Device = "auto"): Engine {
  if (device === "auto") return best();
  if (typeof device === "string") return openNamed(device);
  if (isList(device)) return several(device.map(memberOf));
  if (typeof device?.launch !== "function") return openNamed(shown(device));
  return remembered(device);
}

/** An engine of a list. */
function memberOf(one: DeviceName | Engine): Engine {
  if (!Array.isArray(one)) return engineOf(one);
  throw new PairfoldError("device", "device: got a list in a list; expected names and engines");
}

function isList(device: Device): device is readonly (DeviceName | Engine)[] {
  return Array.isArray(device);
}

/** What one engine's memory holds, in bytes. */
export interface EngineMemory extends MemoryUse {
  /** The engine's name. */
  readonly engine: string;
}

/**
 * What the memory of each engine in use holds. Tensors free theirs when they are disposed of, or
 * some time after nobody has them any more.
 *
 * ```ts
 * import { memory, Vi, Vj } from "pairfold";
 * await Vi([[0], [1]]).sub(Vj([[2]])).sum("j").data();
 * const [{ engine, live }] = memory();
 * console.log(engine, live); // "wasm", 0: results stand outside, where JavaScript sees them
 * ```
 */
export function memory(): EngineMemory[] {
  return [...inUse].flatMap((ref) => {
    const engine = ref.deref();
    const use = engine?.memory() ?? null;
    return engine === undefined || use === null ? [] : [{ engine: engine.name, ...use }];
  });
}

/**
 * Says which engines this host has, which one `device: "auto"` takes, and why.
 *
 * ```ts
 * import { doctor } from "pairfold";
 * console.log(doctor());
 * ```
 */
export function doctor(): string {
  const { engine: card, ...rest } = searched();
  const { found, engine: auto } = searchedCompiler();
  const wasm = openNamed("wasm");
  const taken = best();
  const indented = (lines: readonly string[]): string[] =>
    lines.flatMap((line) => line.split("\n")).map((line) => `  ${line}`);
  const works = auto !== null && auto.failure === null;
  const reason = found.engine === null ? found.reason : auto?.failure ?? "";
  const why = wish !== "auto"
    ? "PAIRFOLD_DEVICE says so"
    : card !== null
    ? "a card is faster than the CPU"
    : works
    ? "compiled for this machine; short folds run on wasm"
    : "it needs no permission, no compiler and no driver";
  return [
    `device "auto" takes ${
      wish === "auto" && card === null && !works ? "wasm" : taken.name
    }: ${why}`,
    ...(card === null
      ? ["cuda: not available", ...indented(["reason" in rest ? rest.reason : ""])]
      : [card.name, ...indented(card.describe())]),
    ...(works
      ? ["native", ...indented(auto.describe())]
      : ["native: not available", ...indented([reason])]),
    wasm.name,
    ...indented(wasm.describe()),
  ].join("\n");
}
