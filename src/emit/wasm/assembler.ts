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
  "call": [0x10],
  "local.get": [0x20],
  "local.set": [0x21],
  "local.tee": [0x22],
  "i32.load": [0x28],
  "i64.load32_s": [0x34],
  "i32.const": [0x41],
  "i32.eqz": [0x45],
  "i32.lt_u": [0x49],
  "i32.gt_s": [0x4a],
  "i32.add": [0x6a],
  "i32.sub": [0x6b],
  "i32.mul": [0x6c],
  "i32.and": [0x71],
  "select": [0x1b],
  "i64.extend_i32_s": [0xac],
  "v128.load": [0xfd, 0x00],
  "v128.load32_splat": [0xfd, 0x09],
  "v128.load64_splat": [0xfd, 0x0a],
  "v128.store": [0xfd, 0x0b],
  "v128.const": [0xfd, 0x0c],
  "i8x16.shuffle": [0xfd, 0x0d],
  "i32x4.splat": [0xfd, 0x11],
  "i64x2.splat": [0xfd, 0x12],
  "i64x2.replace_lane": [0xfd, 0x1e],
  "i32x4.eq": [0xfd, 0x37],
  "i32x4.lt_s": [0xfd, 0x39],
  "i32x4.le_s": [0xfd, 0x3d],
  "f32x4.eq": [0xfd, 0x41],
  "f32x4.lt": [0xfd, 0x43],
  "f32x4.le": [0xfd, 0x45],
  "f64x2.eq": [0xfd, 0x47],
  "f64x2.lt": [0xfd, 0x49],
  "f64x2.le": [0xfd, 0x4b],
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
  "i32x4.shl": [0xfd, 0xab, 0x01],
  "i32x4.shr_s": [0xfd, 0xac, 0x01],
  "i32x4.add": [0xfd, 0xae, 0x01],
  "i32x4.sub": [0xfd, 0xb1, 0x01],
  "i64x2.all_true": [0xfd, 0xc3, 0x01],
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

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const byte = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? byte | 0x80 : byte);
  } while (rest > 0);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) {
      return [...bytes, byte];
    }
    bytes.push(byte | 0x80);
  }
}

const text = (s: string): number[] => {
  const bytes = [...new TextEncoder().encode(s)];
  return [...unsigned(bytes.length), ...bytes];
};

interface Line {
  readonly name: Instruction;
  readonly immediates: readonly number[];
}

/** log₂ of the natural alignment of a memory access. */
function alignment(name: Instruction): number {
  if (name === "v128.load" || name === "v128.store") return 4;
  return name.includes("64_") ? 3 : 2;
}

/** A function being assembled. Locals follow the parameters. */
export class FunctionBody {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #lines: Line[] = [];

  constructor(name: string, parameters: readonly ValueType[]) {
    this.name = name;
    this.parameters = parameters;
  }

  /** A new local. */
  local(type: ValueType): number {
    this.#locals.push(type);
    return this.parameters.length + this.#locals.length - 1;
  }

  /** Appends an instruction with its immediates. */
  op(name: Instruction, ...immediates: readonly number[]): this {
    this.#lines.push({ name, immediates });
    return this;
  }
  get(local: number): this {
    return this.op("local.get", local);
  }
  set(local: number): this {
    return this.op("local.set", local);
  }
  i32(value: number): this {
    return this.op("i32.const", value);
  }

  #encode({ name, immediates }: Line): number[] {
    const opcode: readonly number[] = OPCODES[name];
    switch (name) {
      case "block":
      case "loop":
      case "if":
        return [...opcode, EMPTY_BLOCK];
      case "i32.const":
        return [...opcode, ...signed(immediates[0])];
      case "v128.const":
      case "i8x16.shuffle":
        return [...opcode, ...immediates];
      case "v128.load":
      case "v128.store":
      case "v128.load32_splat":
      case "v128.load64_splat":
      case "v128.load32_lane":
      case "v128.load64_lane":
      case "v128.store32_lane":
      case "v128.store64_lane":
      case "i32.load":
      case "i64.load32_s": {
        const [offset, ...lane] = immediates;
        return [...opcode, alignment(name), ...unsigned(offset), ...lane];
      }
      default:
        return [...opcode, ...immediates.flatMap(unsigned)];
    }
  }

  /** The function's entry in the code section. */
  bytes(): number[] {
    const groups: number[] = [];
    let count = 0;
    for (let start = 0; start < this.#locals.length;) {
      let end = start;
      while (this.#locals[end] === this.#locals[start]) end++;
      groups.push(...unsigned(end - start), VALUE_TYPES[this.#locals[start]]);
      count++;
      start = end;
    }
    const body = [...unsigned(count), ...groups];
    for (const line of this.#lines) {
      for (const byte of this.#encode(line)) body.push(byte);
    }
    body.push(OPCODES.end[0]);
    return [...unsigned(body.length), ...body];
  }

  /** The function as text, in the manner of WAT. */
  text(): string {
    const parameters = this.parameters.map((type) => ` (param ${type})`).join("");
    const lines = [`(func $${this.name}${parameters}  ;; ${this.#locals.length} locals`];
    let depth = 1;
    for (const { name, immediates } of this.#lines) {
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
  const section = (id: number, items: readonly number[][]): number[] => {
    const body = [...unsigned(items.length)];
    for (const item of items) for (const byte of item) body.push(byte);
    return [id, ...unsigned(body.length), ...body];
  };
  const types = functions.map((f) => [
    0x60,
    ...unsigned(f.parameters.length),
    ...f.parameters.map((p) => VALUE_TYPES[p]),
    0,
  ]);
  const limits = [memory.shared ? 3 : 1, ...unsigned(memory.minimum), ...unsigned(memory.maximum)];
  const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const parts = [
    header,
    section(1, types),
    section(2, [[...text("pairfold"), ...text("memory"), 0x02, ...limits]]),
    section(3, functions.map((_, k) => unsigned(k))),
    section(7, functions.map((f, k) => [...text(f.name), 0, ...unsigned(k)])),
    section(10, functions.map((f) => f.bytes())),
  ];
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
