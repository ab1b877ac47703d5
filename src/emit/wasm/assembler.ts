// A small WebAssembly assembler: instructions by name, kept as a list, so that bytes and text come
// from the same source.

/** Instructions without immediates and with plain ones, by their names in the specification. */
const OPCODES = {
  "block": [0x02],
  "loop": [0x03],
  "if": [0x04],
  "else": [0x05],
  "end": [0x0b],
  "br": [0x0c],
  "br_if": [0x0d],
  "return": [0x0f],
  "call": [0x10],
  "local.get": [0x20],
  "local.set": [0x21],
  "local.tee": [0x22],
  "i32.load": [0x28],
  "i64.load": [0x29],
  "i32.store": [0x36],
  "i64.store": [0x37],
  "i64.load32_s": [0x34],
  "i32.const": [0x41],
  "i32.eqz": [0x45],
  "i32.lt_u": [0x49],
  "i32.gt_u": [0x4b],
  "i32.ge_u": [0x4f],
  "i32.ne": [0x47],
  "i32.gt_s": [0x4a],
  "i32.add": [0x6a],
  "i32.sub": [0x6b],
  "i32.mul": [0x6c],
  "i32.div_u": [0x6e],
  "i32.and": [0x71],
  "i32.or": [0x72],
  "i32.xor": [0x73],
  "i32.shl": [0x74],
  "i32.shr_u": [0x76],
  "i32.ctz": [0x68],
  "select": [0x1b],
  "i64.extend_i32_s": [0xac],
  "memory.copy": [0xfc, 0x0a],
  "memory.fill": [0xfc, 0x0b],
  "v128.load": [0xfd, 0x00],
  "v128.load32_splat": [0xfd, 0x09],
  "v128.load64_splat": [0xfd, 0x0a],
  "v128.store": [0xfd, 0x0b],
  "v128.const": [0xfd, 0x0c],
  "i8x16.shuffle": [0xfd, 0x0d],
  "i32x4.splat": [0xfd, 0x11],
  "i32x4.extract_lane": [0xfd, 0x1b],
  "i64x2.splat": [0xfd, 0x12],
  "i64x2.replace_lane": [0xfd, 0x1e],
  "i32x4.eq": [0xfd, 0x37],
  "i32x4.lt_s": [0xfd, 0x39],
  "i32x4.le_s": [0xfd, 0x3d],
  "f32x4.eq": [0xfd, 0x41],
  "f32x4.lt": [0xfd, 0x43],
  "f32x4.le": [0xfd, 0x45],
  "f32x4.ge": [0xfd, 0x46],
  "f64x2.eq": [0xfd, 0x47],
  "f64x2.lt": [0xfd, 0x49],
  "f64x2.le": [0xfd, 0x4b],
  "f64x2.ge": [0xfd, 0x4c],
  "v128.not": [0xfd, 0x4d],
  "v128.and": [0xfd, 0x4e],
  "v128.or": [0xfd, 0x50],
  "v128.bitselect": [0xfd, 0x52],
  "v128.any_true": [0xfd, 0x53],
  "v128.load32_lane": [0xfd, 0x56],
  "v128.load64_lane": [0xfd, 0x57],
  "v128.store32_lane": [0xfd, 0x5a],
  "v128.store64_lane": [0xfd, 0x5b],
  "f32x4.demote_f64x2_zero": [0xfd, 0x5e],
  "f64x2.promote_low_f32x4": [0xfd, 0x5f],
  "f32x4.floor": [0xfd, 0x68],
  "f64x2.floor": [0xfd, 0x75],
  "i32x4.all_true": [0xfd, 0xa3, 0x01],
  "i32x4.bitmask": [0xfd, 0xa4, 0x01],
  "i32x4.shl": [0xfd, 0xab, 0x01],
  "i32x4.shr_s": [0xfd, 0xac, 0x01],
  "i32x4.add": [0xfd, 0xae, 0x01],
  "i32x4.sub": [0xfd, 0xb1, 0x01],
  "i64x2.bitmask": [0xfd, 0xc4, 0x01],
  "i64x2.shl": [0xfd, 0xcb, 0x01],
  "i64x2.shr_s": [0xfd, 0xcc, 0x01],
  "i64x2.add": [0xfd, 0xce, 0x01],
  "i64x2.sub": [0xfd, 0xd1, 0x01],
  "i64x2.eq": [0xfd, 0xd6, 0x01],
  "i64x2.lt_s": [0xfd, 0xd8, 0x01],
  "i64x2.le_s": [0xfd, 0xda, 0x01],
  "f32x4.abs": [0xfd, 0xe0, 0x01],
  "f32x4.neg": [0xfd, 0xe1, 0x01],
  "f32x4.sqrt": [0xfd, 0xe3, 0x01],
  "f32x4.add": [0xfd, 0xe4, 0x01],
  "f32x4.sub": [0xfd, 0xe5, 0x01],
  "f32x4.mul": [0xfd, 0xe6, 0x01],
  "f32x4.div": [0xfd, 0xe7, 0x01],
  "f32x4.pmin": [0xfd, 0xea, 0x01],
  "f32x4.pmax": [0xfd, 0xeb, 0x01],
  "f64x2.abs": [0xfd, 0xec, 0x01],
  "f64x2.neg": [0xfd, 0xed, 0x01],
  "f64x2.sqrt": [0xfd, 0xef, 0x01],
  "f64x2.add": [0xfd, 0xf0, 0x01],
  "f64x2.sub": [0xfd, 0xf1, 0x01],
  "f64x2.mul": [0xfd, 0xf2, 0x01],
  "f64x2.div": [0xfd, 0xf3, 0x01],
  "f64x2.pmin": [0xfd, 0xf6, 0x01],
  "f64x2.pmax": [0xfd, 0xf7, 0x01],
  "f32x4.convert_i32x4_s": [0xfd, 0xfa, 0x01],
  "f32x4.relaxed_madd": [0xfd, 0x85, 0x02],
  "f32x4.relaxed_nmadd": [0xfd, 0x86, 0x02],
  "f64x2.relaxed_madd": [0xfd, 0x87, 0x02],
  "f64x2.relaxed_nmadd": [0xfd, 0x88, 0x02],
  "i32x4.relaxed_laneselect": [0xfd, 0x8b, 0x02],
  "i64x2.relaxed_laneselect": [0xfd, 0x8c, 0x02],
} as const;
/** The name of an instruction that the assembler knows. */
export type Instruction = keyof typeof OPCODES;

/** Value types of locals and parameters. */
export type ValueType = "i32" | "v128";
const VALUE_TYPES = { i32: 0x7f, v128: 0x7b } as const;
const EMPTY_BLOCK = 0x40;

const [LOCAL_GET] = OPCODES["local.get"];

/**
 * Bytes that grow. A list, because what the first formula of a process runs through is hardly compiled
 * yet: appending to lists is the host's own code.
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
  text(value: string): void {
    const encoded = new TextEncoder().encode(value);
    this.unsigned(encoded.length);
    this.all(encoded);
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
  readonly immediates: readonly number[];
}

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

  /** An `if` that is rarely taken: the host may keep its body, and what it needs, out of the way. */
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

/** A module of functions, all of them exported by their names, over one imported memory. */
export function assemble(
  functions: readonly FunctionBody[],
  memory: { readonly shared: boolean; readonly minimum: number; readonly maximum: number },
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
  section(2, 1, (body) => {
    body.text("pairfold");
    body.text("memory");
    body.byte(0x02);
    body.byte(memory.shared ? 3 : 1);
    body.unsigned(memory.minimum);
    body.unsigned(memory.maximum);
  });
  section(3, functions.length, (body) => functions.forEach((_, k) => body.unsigned(k)));
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
