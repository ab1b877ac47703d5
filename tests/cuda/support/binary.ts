// What a shared library of Linux (ELF, 64 bits) or Windows (PE, 64 bits) imports and exports, read
// from its bytes, so that no tool of the platform is needed.

/** What tests ask of a library. */
export interface Binary {
  readonly machine: "x86_64" | "aarch64" | "other";
  readonly exports: readonly string[];
  /** Libraries that it names. */
  readonly libraries: readonly string[];
  /** Imported names with the version of the symbol where there is one, as `open@GLIBC_2.2.5`. */
  readonly imports: readonly string[];
  /** Whether symbols for debuggers are left. */
  readonly hasSymbols: boolean;
}

/** Reads either kind. */
export function readBinary(data: Uint8Array<ArrayBuffer>): Binary {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0) === 0x7f454c46) return readElf(view);
  if (view.getUint16(0) === 0x4d5a) return readPe(view);
  throw new Error("neither ELF nor PE");
}

/** The text from an offset to the next 0. */
function textAt(view: DataView, offset: number): string {
  let end = offset;
  while (view.getUint8(end) !== 0) end++;
  return new TextDecoder().decode(
    new Uint8Array(view.buffer, view.byteOffset + offset, end - offset),
  );
}

const long = (view: DataView, offset: number): number => Number(view.getBigUint64(offset, true));

// ---- ELF ---------------------------------------------------------------------------------------

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly entry: number;
}

const SYMBOLS = 2, DYNAMIC = 6, DYNAMIC_SYMBOLS = 11, VERSION_NEEDS = 0x6ffffffe;
const VERSIONS = 0x6fffffff;

function readElf(view: DataView): Binary {
  const start = long(view, 40), size = view.getUint16(58, true), count = view.getUint16(60, true);
  const sections: Section[] = Array.from({ length: count }, (_, k) => {
    const at = start + k * size;
    return {
      type: view.getUint32(at + 4, true),
      offset: long(view, at + 24),
      size: long(view, at + 32),
      link: view.getUint32(at + 40, true),
      entry: long(view, at + 56),
    };
  });
  const versions = versionNames(view, sections);
  const symbols = sections.find(({ type }) => type === DYNAMIC_SYMBOLS)!;
  const numbers = sections.find(({ type }) => type === VERSIONS);
  const exports: string[] = [], imports: string[] = [];
  for (let k = 1; k < symbols.size / symbols.entry; k++) {
    const at = symbols.offset + k * symbols.entry;
    const name = textAt(view, sections[symbols.link].offset + view.getUint32(at, true));
    const number = numbers ? view.getUint16(numbers.offset + 2 * k, true) & 0x7fff : 0;
    const version = versions.get(number);
    if (view.getUint16(at + 6, true) !== 0) exports.push(name);
    else imports.push(version ? `${name}@${version}` : name);
  }
  const machines: Record<number, Binary["machine"]> = { 62: "x86_64", 183: "aarch64" };
  return {
    machine: machines[view.getUint16(18, true)] ?? "other",
    exports,
    imports,
    libraries: neededLibraries(view, sections),
    hasSymbols: sections.some(({ type }) => type === SYMBOLS),
  };
}

/** The names of symbol versions that other libraries have to have, by their numbers. */
function versionNames(view: DataView, sections: readonly Section[]): Map<number, string> {
  const names = new Map<number, string>();
  const needs = sections.find(({ type }) => type === VERSION_NEEDS);
  if (!needs) return names;
  const texts = sections[needs.link].offset;
  for (let at = needs.offset, next = 1; next !== 0; at += next) {
    next = view.getUint32(at + 12, true);
    for (let one = at + view.getUint32(at + 8, true), step = 1; step !== 0; one += step) {
      step = view.getUint32(one + 12, true);
      names.set(view.getUint16(one + 6, true), textAt(view, texts + view.getUint32(one + 8, true)));
    }
  }
  return names;
}

function neededLibraries(view: DataView, sections: readonly Section[]): string[] {
  const dynamic = sections.find(({ type }) => type === DYNAMIC)!;
  const names: string[] = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const NEEDED = 1;
    if (long(view, at) === NEEDED) {
      names.push(textAt(view, sections[dynamic.link].offset + long(view, at + 8)));
    }
  }
  return names;
}

// ---- PE ----------------------------------------------------------------------------------------

function readPe(view: DataView): Binary {
  const header = view.getUint32(60, true) + 4;
  const sectionCount = view.getUint16(header + 2, true);
  const optional = header + 20, sections = optional + view.getUint16(header + 16, true);
  /** Where in the file an address of the loaded image is. */
  const place = (address: number): number => {
    for (let k = 0; k < sectionCount; k++) {
      const at = sections + 40 * k, base = view.getUint32(at + 12, true);
      if (address >= base && address < base + view.getUint32(at + 16, true)) {
        return address - base + view.getUint32(at + 20, true);
      }
    }
    throw new Error(`no section has address ${address}`);
  };
  const directory = (k: number): number => view.getUint32(optional + 112 + 8 * k, true);
  const sectionNames = Array.from(
    { length: sectionCount },
    (_, k) => textAt(view, sections + 40 * k).slice(0, 8),
  );
  const machines: Record<number, Binary["machine"]> = { 0x8664: "x86_64", 0xaa64: "aarch64" };
  return {
    machine: machines[view.getUint16(header, true)] ?? "other",
    exports: peExports(view, place(directory(0)), place),
    ...peImports(view, place(directory(1)), place),
    hasSymbols: view.getUint32(header + 12, true) !== 0 ||
      sectionNames.some((name) => name.startsWith(".debug") || name.startsWith("/")),
  };
}

function peExports(view: DataView, at: number, place: (address: number) => number): string[] {
  const names = place(view.getUint32(at + 32, true));
  const count = view.getUint32(at + 24, true);
  return Array.from(
    { length: count },
    (_, k) => textAt(view, place(view.getUint32(names + 4 * k, true))),
  );
}

function peImports(
  view: DataView,
  start: number,
  place: (address: number) => number,
): Pick<Binary, "imports" | "libraries"> {
  const libraries: string[] = [], imports: string[] = [];
  for (let at = start; view.getUint32(at + 12, true) !== 0; at += 20) {
    libraries.push(textAt(view, place(view.getUint32(at + 12, true))));
    for (let entry = place(view.getUint32(at, true)); long(view, entry) !== 0; entry += 8) {
      // the hint of two bytes stands before the name
      imports.push(textAt(view, place(view.getUint32(entry, true)) + 2));
    }
  }
  return { libraries, imports };
}
