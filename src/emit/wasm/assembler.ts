// A small WebAssembly assembler: instructions by name, kept as a list, so that bytes and text come
// from the same source.

import { type Instruction, OPCODES } from "./opcodes.ts";

export type { Instruction } from "./opcodes.ts";

/** Value types of locals and parameters. */
export type ValueType = "i32" | "v128";
const VALUE_TYPES = { i32: 0x7f, v128: 0x7b } as const;
const EMPTY_BLOCK = 0x40;
/** The bytes of a vector of zeros. */
const ZEROS: readonly number[] = new Array(16).fill(0);

const [LOCAL_GET] = OPCODES["local.get"];

/**
 * Bytes that grow. A list, because what the first formula of a process runs through is hardly
 * compiled yet: appending to lists is the host's own code.
 */
class ByteWriter {
  readonly list: number[] = [];

  get length(): number {
    return this.list.length;
  }
  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.list);
  }
  byte(value: number): void {
    this.list.push(value);
  }
  all(values: ArrayLike<number>): void {
    for (let k = 0; k < values.length; k++) this.list.push(values[k]);
  }
  /** Appends what another writer holds, some at a time: arguments stand on the stack. */
  append({ list }: ByteWriter): void {
    for (let k = 0; k < list.length; k += 1024) this.list.push(...list.slice(k, k + 1024));
  }
  /** LEB128. */
  unsigned(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.list.push(rest % 128 | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.list.push(rest);
  }
  signed(value: number): void {
    let rest = value | 0;
    for (;;) {
      const byte = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) {
        this.list.push(byte);
        return;
      }
      this.list.push(byte | 0x80);
    }
  }
  /** A name in ASCII. */
  text(name: string): void {
    this.unsigned(name.length);
    for (let k = 0; k < name.length; k++) this.list.push(name.charCodeAt(k));
  }
}

/** How an instruction's immediates are encoded. */
type Encoding = "plain" | "block" | "signed" | "bytes" | "memory";

function encodingOf(name: string): Encoding {
  if (name === "block" || name === "loop" || name === "if") return "block";
  if (name === "i32.const") return "signed";
  if (name === "v128.const" || name === "i8x16.shuffle") return "bytes";
  return /load|store/.test(name) ? "memory" : "plain";
}

/** log₂ of the natural alignment of a memory access. */
function alignmentOf(name: string): number {
  if (name === "v128.load" || name === "v128.store") return 4;
  return name.includes("64_") ? 3 : 2;
}

interface Code {
  readonly opcode: readonly number[];
  readonly encoding: Encoding;
  readonly alignment: number;
}

const CODES = new Map<string, Code>(
  Object.entries(OPCODES).map(([name, opcode]) => [
    name,
    { opcode, encoding: encodingOf(name), alignment: alignmentOf(name) },
  ]),
);

interface Line {
  readonly name: Instruction;
  readonly immediates: readonly (number | string)[];
}

/** The bit of an alignment that says that the number of a memory follows. */
const NAMES_MEMORY = 0x40;
/** The memory that each thread has for itself, of one page, which cannot grow. */
const OWN_MEMORY = 1;

/** A function being assembled. Locals follow the parameters. */
export class FunctionBody {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #code = new ByteWriter();
  /** Kept only where text is wanted. */
  readonly #lines: Line[] | null;
  /** Where branches that are rarely taken stand in the code. */
  readonly #rare: number[] = [];

  constructor(name: string, parameters: readonly ValueType[], withText = false) {
    this.name = name;
    this.parameters = parameters;
    this.#lines = withText ? [] : null;
  }

  /** A new local. */
  local(type: ValueType): number {
    this.#locals.push(type);
    return this.parameters.length + this.#locals.length - 1;
  }

  /** Appends an instruction with its immediates. */
  op(name: Instruction, ...immediates: readonly number[]): this {
    this.#lines?.push({ name, immediates });
    const code = CODES.get(name);
    if (code === undefined) throw new TypeError(`no instruction ${name}`);
    const out = this.#code;
    out.all(code.opcode);
    switch (code.encoding) {
      case "plain":
        for (let k = 0; k < immediates.length; k++) out.unsigned(immediates[k]);
        break;
      case "block":
        out.byte(EMPTY_BLOCK);
        break;
      case "signed":
        out.signed(immediates[0]);
        break;
      case "bytes":
        out.all(immediates);
        break;
      case "memory":
        out.byte(code.alignment);
        out.unsigned(immediates[0]);
        if (immediates.length > 1) out.byte(immediates[1]);
        break;
      default:
        code.encoding satisfies never;
    }
    return this;
  }
  /** A load or store in the memory that each thread has for itself. */
  ownMemory(name: Instruction, offset: number): this {
    this.#lines?.push({ name, immediates: ["own", offset] });
    const code = CODES.get(name);
    if (code?.encoding !== "memory") throw new TypeError(`${name} is no load or store`);
    const out = this.#code;
    out.all(code.opcode);
    out.byte(code.alignment | NAMES_MEMORY);
    out.byte(OWN_MEMORY);
    out.unsigned(offset);
    return this;
  }
  get(local: number): this {
    if (local > 127 || this.#lines !== null) return this.op("local.get", local);
    this.#code.list.push(LOCAL_GET, local); // every other instruction
    return this;
  }
  set(local: number): this {
    return this.op("local.set", local);
  }
  i32(value: number): this {
    return this.op("i32.const", value);
  }

  /**
   * An `if` that is rarely taken: the host may keep its body, and what it needs, out of the way.
   */
  ifRarely(): this {
    this.#rare.push(this.#code.length);
    return this.op("if");
  }

  /** The declaration of the locals, which begins a function's body. */
  #declaration(): ByteWriter {
    const locals = new ByteWriter();
    let groups = 0;
    for (let start = 0; start < this.#locals.length;) {
      let end = start;
      while (this.#locals[end] === this.#locals[start]) end++;
      locals.unsigned(end - start);
      locals.byte(VALUE_TYPES[this.#locals[start]]);
      groups++;
      start = end;
    }
    const head = new ByteWriter();
    head.unsigned(groups);
    head.append(locals);
    return head;
  }

  /** Writes the function's entry of the code section. */
  writeTo(out: ByteWriter): void {
    const declaration = this.#declaration();
    out.unsigned(declaration.length + this.#code.length + 1);
    out.append(declaration);
    out.append(this.#code);
    out.byte(OPCODES.end[0]);
  }

  /** Writes the function's hints, if it has any: places of branches, each a byte that says "no". */
  writeHintsTo(out: ByteWriter, index: number): boolean {
    if (this.#rare.length === 0) return false;
    const start = this.#declaration().length;
    out.unsigned(index);
    out.unsigned(this.#rare.length);
    for (const at of this.#rare) {
      out.unsigned(start + at);
      out.unsigned(1);
      out.byte(0);
    }
    return true;
  }

  /** The function as text, in the manner of WAT. */
  text(): string {
    const parameters = this.parameters.map((type) => ` (param ${type})`).join("");
    const lines = [`(func $${this.name}${parameters}  ;; ${this.#locals.length} locals`];
    let depth = 1;
    for (const { name, immediates } of this.#lines ?? []) {
      if (name === "end" || name === "else") depth--;
      lines.push("  ".repeat(depth) + [name, ...immediates].join(" "));
      if (name === "block" || name === "loop" || name === "if" || name === "else") depth++;
    }
    return [...lines, ")"].join("\n");
  }
}

/** What a module's functions share. */
export interface Surroundings {
  readonly shared: boolean;
  /** Pages of the imported memory. */
  readonly minimum: number;
  readonly maximum: number;
  /** Vectors that each instance has for itself; default none. */
  readonly globals?: number;
  /** Whether there is a memory of the thread's own, a page, as `pairfold.own`; default no. */
  readonly hasOwn?: boolean;
}

/** A module of functions, all of them exported by their names, over imported memory. */
export function assemble(
  functions: readonly FunctionBody[],
  { shared, minimum, maximum, globals = 0, hasOwn = false }: Surroundings,
): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter();
  out.all([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const section = (id: number, count: number, write: (body: ByteWriter) => void): void => {
    const body = new ByteWriter();
    body.unsigned(count);
    write(body);
    out.byte(id);
    out.unsigned(body.length);
    out.append(body);
  };
  section(1, functions.length, (body) => {
    for (const f of functions) {
      body.byte(0x60);
      body.unsigned(f.parameters.length);
      for (const type of f.parameters) body.byte(VALUE_TYPES[type]);
      body.byte(0);
    }
  });
  section(2, hasOwn ? 2 : 1, (body) => {
    const memory = (name: string, flags: number, minimum: number, maximum: number): void => {
      body.text("pairfold");
      body.text(name);
      body.byte(0x02);
      body.byte(flags);
      body.unsigned(minimum);
      body.unsigned(maximum);
    };
    memory("memory", shared ? 3 : 1, minimum, maximum);
    if (hasOwn) memory("own", 1, 1, 1);
  });
  section(3, functions.length, (body) => functions.forEach((_, k) => body.unsigned(k)));
  if (globals > 0) {
    section(6, globals, (body) => {
      for (let k = 0; k < globals; k++) {
        body.all([VALUE_TYPES.v128, 1, ...OPCODES["v128.const"], ...ZEROS, ...OPCODES.end]);
      }
    });
  }
  section(7, functions.length, (body) =>
    functions.forEach((f, k) => {
      body.text(f.name);
      body.byte(0);
      body.unsigned(k);
    }));
  const hints = new ByteWriter();
  const hinted = functions.filter((f, k) => f.writeHintsTo(hints, k)).length;
  if (hinted > 0) {
    const body = new ByteWriter();
    body.text("metadata.code.branch_hint");
    body.unsigned(hinted);
    body.append(hints);
    out.byte(0);
    out.unsigned(body.length);
    out.append(body);
  }
  section(10, functions.length, (body) => functions.forEach((f) => f.writeTo(body)));
  return out.bytes;
}
