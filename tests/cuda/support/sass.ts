// Machine code of a card as text and numbers: what `nvdisasm` prints of a binary, its loops and the
// shortest way through each, registers and stack from the binary's own notes.
//
// Enters: a binary of NVRTC ("cubin", an ELF file). Leaves: counts that tests hold against a table.

import { join } from "@std/path";
import { inFolder, runWell, which } from "./tools.ts";

/** One instruction as nvdisasm spells it. */
export interface Instruction {
  /** Without predicate, operands and suffixes: "FFMA", "LDS". */
  readonly name: string;
  readonly text: string;
  /** The label that a branch goes to. */
  readonly target: string | null;
  /** Whether what follows may run next. */
  readonly fallsThrough: boolean;
}

/** One kernel. */
export interface Code {
  readonly instructions: readonly Instruction[];
  /** Index of the instruction behind each label. */
  readonly labels: ReadonlyMap<string, number>;
}

/** A way through a loop: from its head back to it. */
export interface Loop {
  readonly head: number;
  readonly tail: number;
  /** The shortest way: what runs where no rare branch is taken. */
  readonly path: readonly Instruction[];
}

const ENDS: ReadonlySet<string> = new Set(["EXIT", "RET", "BRA", "JMP", "BRX", "KILL"]);

function instructionOf(text: string): Instruction {
  const [, predicate = "", rest] = /^(@!?U?P[T\d]+\s+)?(.*)$/.exec(text) ?? [];
  const [name] = rest.split(/[.\s]/);
  const target = name === "BRA" || name === "JMP" ? /`\((\.L_\w+)\)/.exec(text)?.[1] ?? null : null;
  // a branch may be conditional by its operands too: BRA.U !UP0, BRA P1, BRA.DIV
  const isConditional = predicate !== "" || /^BRA\S*\s+!?U?P\d/.test(rest) || /\.DIV/.test(rest);
  return { name, text, target, fallsThrough: !ENDS.has(name) || isConditional };
}

/** Reads what nvdisasm prints: kernels by name. */
export function parseSass(listing: string): Map<string, Code> {
  const kernels = new Map<string, Code>();
  let instructions: Instruction[] = [];
  let labels = new Map<string, number>();
  for (const line of listing.split("\n")) {
    const section = /^\s*\.section\s+\.text\.([^,\s]+)/.exec(line);
    if (section !== null) {
      [instructions, labels] = [[], new Map()];
      kernels.set(section[1], { instructions, labels });
      continue;
    }
    const label = /^(\.L_\w+):/.exec(line);
    if (label !== null) labels.set(label[1], instructions.length);
    const code = /^\s+\/\*[0-9a-f]{4,}\*\/\s+(.*?)\s*;/.exec(line);
    if (code !== null) instructions.push(instructionOf(code[1]));
  }
  return kernels;
}

/** The shortest way from one instruction to another, both counted; null where there is none. */
export function shortestPath(
  { instructions, labels }: Code,
  from: number,
  to: number,
): number[] | null {
  const before = new Map<number, number>([[from, -1]]);
  let front = [from];
  while (front.length > 0 && !before.has(to)) {
    const next: number[] = [];
    for (const at of front) {
      const { target, fallsThrough } = instructions[at];
      const goal = target === null ? undefined : labels.get(target);
      for (const step of [fallsThrough ? at + 1 : undefined, goal]) {
        if (step === undefined || step >= instructions.length || before.has(step)) continue;
        before.set(step, at);
        next.push(step);
      }
    }
    front = next;
  }
  if (!before.has(to)) return null;
  const path: number[] = [];
  for (let at = to; at !== -1; at = before.get(at)!) path.unshift(at);
  return path;
}

/** The loops of a kernel: branches back, with the shortest way from head to branch. */
export function loopsOf(code: Code): Loop[] {
  const loops: Loop[] = [];
  code.instructions.forEach(({ target }, tail) => {
    const head = target === null ? undefined : code.labels.get(target);
    if (head === undefined || head > tail) return;
    const path = shortestPath(code, head, tail)?.map((at) => code.instructions[at]);
    if (path !== undefined) loops.push({ head, tail, path: path.filter((i) => i.name !== "NOP") });
  });
  return loops;
}

/** What the unit for doubles does. */
export const DOUBLES = ["DADD", "DMUL", "DFMA", "DSETP"] as const;

/** How many instructions of a list have one of the names. */
export const countOf = (list: readonly Instruction[], ...names: string[]): number =>
  list.filter(({ name }) => names.includes(name)).length;

/**
 * The loop that works on pairs: it computes with columns that it reads from shared memory, or where
 * they were packed, and stages none. Of several (whole turns, the rest, careful ones) the one whose
 * turn is longest.
 */
export function pairLoop(code: Code): Loop | null {
  const computing = loopsOf(code).filter(({ path }) =>
    countOf(path, "FFMA", "DFMA", "FADD", "DADD") > 0 && countOf(path, "STS") === 0
  );
  const staged = computing.filter(({ path }) => countOf(path, "LDS") > 0);
  const works = staged.length > 0
    ? staged
    : computing.filter(({ path }) => countOf(path, "LDG", "LD") > 0);
  const inner = works.filter((loop) =>
    !works.some((o) => o !== loop && o.head >= loop.head && o.tail <= loop.tail)
  );
  return inner.sort((a, b) => b.path.length - a.path.length)[0] ?? null;
}

/**
 * The loop over whole turns of a kernel that meets pairs once: lanes add up what rows are to
 * columns.
 */
export function mirrorLoop(code: Code): Loop | null {
  const adding = loopsOf(code).filter(({ path }) => countOf(path, "SHFL") > 0);
  const inner = adding.filter((loop) =>
    !adding.some((o) => o !== loop && o.head >= loop.head && o.tail <= loop.tail)
  );
  return inner.sort((a, b) => b.path.length - a.path.length)[0] ?? null;
}

/** Floats that the loads from shared memory bring to one thread. */
export function floatsLoaded(list: readonly Instruction[]): number {
  const loads = list.filter(({ name, text }) => /^LDSM?$/.test(name) && !text.startsWith("@!PT"));
  return loads.reduce((sum, { name, text }) => {
    // ldmatrix gives each thread a number of each of its matrices
    if (name === "LDSM") return sum + Number(/\.(2|4)\s/.exec(text)?.[1] ?? 1);
    const bits = Number(/\.(64|128)\b/.exec(text)?.[1] ?? 32);
    return sum + bits / 32;
  }, 0);
}

/** What a binary notes of one of its kernels. */
export interface Notes {
  readonly registers: number;
  /** Bytes of local memory of a thread: arrays that are no registers, and spills. */
  readonly stack: number;
}

/** EIATTR codes of .nv.info: (symbol, number) each. */
const ATTRIBUTES = { registers: 0x2f, frame: 0x11 } as const;

/** Reads the notes of an ELF file for cards. */
export function notesOf(binary: Uint8Array): Map<string, Notes> {
  const view = new DataView(binary.buffer, binary.byteOffset, binary.byteLength);
  const long = (at: number): number => Number(view.getBigUint64(at, true));
  const text = (at: number): string => {
    const end = binary.indexOf(0, at);
    return new TextDecoder().decode(binary.subarray(at, end));
  };
  const [headers, size, count, names] = [
    long(0x28),
    view.getUint16(0x3a, true),
    view.getUint16(0x3c, true),
    view.getUint16(0x3e, true),
  ];
  const sections = Array.from({ length: count }, (_, k) => {
    const at = headers + k * size;
    return {
      name: view.getUint32(at, true),
      offset: long(at + 0x18),
      size: long(at + 0x20),
      link: view.getUint32(at + 0x28, true),
    };
  });
  const find = (wanted: string) =>
    sections.find(({ name }) => text(sections[names].offset + name) === wanted);
  const [info, symbols] = [find(".nv.info"), find(".symtab")];
  if (info === undefined || symbols === undefined) throw new Error("the binary has no notes");
  const strings = sections[symbols.link].offset;
  const nameOf = (symbol: number): string =>
    text(strings + view.getUint32(symbols.offset + 24 * symbol, true));
  const found = new Map<string, { registers: number; stack: number }>();
  for (let at = info.offset; at < info.offset + info.size;) {
    const [format, attribute] = [view.getUint8(at), view.getUint8(at + 1)];
    const bytes = format === 4 ? view.getUint16(at + 2, true) : 0;
    if (format === 4 && bytes === 8) {
      const name = nameOf(view.getUint32(at + 4, true));
      const value = view.getUint32(at + 8, true);
      const notes = found.get(name) ?? { registers: 0, stack: 0 };
      if (attribute === ATTRIBUTES.registers) notes.registers = value;
      if (attribute === ATTRIBUTES.frame) notes.stack = value;
      found.set(name, notes);
    }
    at += 4 + bytes;
  }
  return found;
}

/** nvdisasm: PAIRFOLD_NVDISASM's, the virtual environment's, or the path's; null for none. */
function findNvdisasm(): string | null {
  const named = Deno.env.get("PAIRFOLD_NVDISASM");
  if (named) return named;
  const library = join(Deno.env.get("VIRTUAL_ENV") ?? "", "lib");
  try {
    for (const { name } of Deno.readDirSync(library)) {
      for (const folder of ["nvidia/cu13/bin", "nvidia/cuda_nvdisasm/bin"]) {
        const file = join(library, name, "site-packages", folder, "nvdisasm");
        try {
          if (Deno.statSync(file).isFile) return file;
        } catch {
          // not in this folder
        }
      }
    }
  } catch {
    // no virtual environment
  }
  return which("nvdisasm");
}

/** The disassembler's file; null where there is none. */
export const nvdisasm: string | null = findNvdisasm();

/** Why nothing can be disassembled; null where it can. */
export const withoutNvdisasm: string | null = nvdisasm === null
  ? "no nvdisasm: set PAIRFOLD_NVDISASM, or VIRTUAL_ENV with nvidia-cuda-nvdisasm"
  : null;

/** The kernels of a binary. */
export async function disassemble(binary: Uint8Array): Promise<Map<string, Code>> {
  return await inFolder(async (folder) => {
    const file = join(folder, "kernel.cubin");
    await Deno.writeFile(file, binary);
    return parseSass(await runWell(nvdisasm ?? "nvdisasm", ["-c", file]));
  });
}
