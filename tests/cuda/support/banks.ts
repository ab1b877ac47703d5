// Bank conflicts of machine code, by what is known of addresses: a warp's numbers are followed
// through integer arithmetic, each as the differences between its threads, and known whole where it
// depends on nothing but a thread's number. What all threads share (bases, counters) moves all
// banks alike.
//
// Enters: a kernel's instructions. Leaves: for each access of shared memory how many turns of the
// banks it takes beyond those that its bytes need.

import type { Code, Instruction } from "./sass.ts";

/**
 * A register of a warp: one number per thread, up to one that all share unless it is known whole.
 */
interface Known {
  readonly lanes: Int32Array;
  readonly isWhole: boolean;
}

/** A register: known, or anything. */
type Content = Known | null;

const LANES = 32;
/** The warp that is looked at: not the first, whose number is 0. */
const WARP = 1;

const lanesOf = (of: (lane: number) => number): Int32Array =>
  Int32Array.from({ length: LANES }, (_, lane) => of(lane));
const SHARED_BY_ALL: Known = { lanes: lanesOf(() => 0), isWhole: false };
const constant = (value: number): Known => ({ lanes: lanesOf(() => value), isWhole: true });

const isSame = ({ lanes }: Known): boolean => lanes.every((x) => x === lanes[0]);

/** The same but for what all threads share. */
const difference = ({ lanes }: Known): Known => ({
  lanes: lanesOf((k) => lanes[k] - lanes[0]),
  isWhole: false,
});

function equal(a: Content, b: Content): boolean {
  if (a === null || b === null) return a === b;
  return a.isWhole === b.isWhole && a.lanes.every((x, k) => x === b.lanes[k]);
}

/** What two ways to an instruction know together. */
function joined(a: Content, b: Content): Content {
  if (a === null || b === null) return null;
  if (equal(a, b)) return a;
  const [x, y] = [difference(a), difference(b)];
  return equal(x, y) ? x : null;
}

type Registers = ReadonlyMap<string, Content>;

/** Operands as nvdisasm prints them, and the predicate, "" for none. */
function operandsOf(text: string): { opcode: string; operands: string[]; predicate: string } {
  const bare = text.replace(/\(\*.*\*\)/, "").replace(/^@!?U?P[T\d]+\s+/, "");
  const space = bare.search(/\s/);
  const opcode = space < 0 ? bare : bare.slice(0, space);
  const operands = space < 0 ? [] : bare.slice(space).split(",").map((o) => o.trim());
  return { opcode, operands, predicate: /^@(!?U?P\d)/.exec(text)?.[1] ?? "" };
}

/** What an operand holds where a predicate does. */
function read(registers: Registers, operand: string, predicate = ""): Content {
  const plain = operand.replace(/\.(reuse|U32|64|H0_H0)/g, "");
  const [, sign, name] = /^([-~]?)(\S+)$/.exec(plain) ?? [];
  if (name === "RZ" || name === "URZ") return sign === "~" ? constant(-1) : constant(0);
  if (/^(0x[0-9a-f]+|\d+)$/.test(name)) return constant((sign === "-" ? -1 : 1) * Number(name));
  if (/^c\[/.test(name)) return SHARED_BY_ALL;
  const found = registers.get(`${name}@${predicate}`) ?? registers.get(name);
  if (found === undefined) return /^UR/.test(name) ? SHARED_BY_ALL : null;
  if (found === null || sign === "") return found;
  const lanes = lanesOf((k) => sign === "-" ? -found.lanes[k] : ~found.lanes[k]);
  return { lanes, isWhole: found.isWhole };
}

/** Sums of numbers, each times a factor. */
function sum(...terms: readonly (readonly [Content, number])[]): Content {
  let total: Known = constant(0);
  for (const [term, factor] of terms) {
    if (term === null) return null;
    const { lanes } = term;
    total = {
      lanes: lanesOf((k) => total.lanes[k] + Math.imul(lanes[k], factor)),
      isWhole: total.isWhole && term.isWhole,
    };
  }
  return total;
}

/** Anything of numbers that are known whole; of what all threads share, the same. */
function whole(of: (...numbers: number[]) => number, ...args: readonly Content[]): Content {
  if (args.some((a) => a === null)) return null;
  const known = args as readonly Known[];
  if (known.every((a) => a.isWhole)) {
    return { lanes: lanesOf((k) => of(...known.map((a) => a.lanes[k]))), isWhole: true };
  }
  return known.every(isSame) ? SHARED_BY_ALL : null;
}

/** Three numbers bit by bit, as a table of 8 bits says. */
function bitwise(a: number, b: number, c: number, table: number): number {
  let out = 0;
  for (let row = 0; row < 8; row++) {
    if ((table >> row & 1) === 0) continue;
    out |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
  }
  return out;
}

/** Bytes of two numbers, 0 to 3 of the first, 4 to 7 of the second, picked by four digits. */
function permuted(a: number, digits: number, b: number): number {
  let out = 0;
  for (let k = 0; k < 4; k++) {
    const digit = digits >> 4 * k & 15;
    const byte = (digit & 4 ? b : a) >>> 8 * (digit & 3) & 255;
    out |= (digit & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * k;
  }
  return out;
}

/** The lower 16 bits of an operand, which may be all that is known of it. */
function lowHalf(registers: Registers, operand: string): Content {
  const known = read(registers, operand);
  return known?.isWhole ? known : registers.get(`${operand}@half`) ?? null;
}

/**
 * The lower half of bytes that are picked from two operands; null where one of them is not known.
 */
function permutedHalf(registers: Registers, [a, digits, b]: readonly string[]): Content {
  const picked = read(registers, digits);
  if (!picked?.isWhole || !isSame(picked)) return null;
  const bytes = [0, 4].map((shift): ((lane: number) => number) | null => {
    const digit = picked.lanes[0] >> shift & 15;
    const source = digit & 4 ? b : a;
    const known = digit & 2 ? read(registers, source) : lowHalf(registers, source);
    if (known === null || (digit & 2 && !known.isWhole) || digit & 8) return null;
    return (lane) => known.lanes[lane] >>> 8 * (digit & 3) & 255;
  });
  const [low, high] = bytes;
  if (!low || !high) return null;
  return { lanes: lanesOf((k) => low(k) | high(k) << 8), isWhole: true };
}

/** What an instruction writes to its first operand; undefined for what is not followed. */
function result(opcode: string, args: readonly string[], registers: Registers): Content {
  const value = (k: number): Content => read(registers, args[k] ?? "RZ");
  const number = (k: number): number => {
    const known = value(k);
    return known?.isWhole && isSame(known) ? known.lanes[0] : NaN;
  };
  const [name, ...kinds] = opcode.replace(/^U(?=MOV|IADD|IMAD|LEA|LOP|SHF)/, "").split(".");
  const scaled = (a: number, b: number): readonly [Content, number] => {
    const [left, right] = [number(a), number(b)];
    if (!Number.isNaN(right)) return [value(a), right];
    if (!Number.isNaN(left)) return [value(b), left];
    return [whole(Math.imul, value(a), value(b)), 1];
  };
  const isCarried = kinds.includes("X") || kinds.includes("WIDE") || kinds.includes("HI");
  switch (name) {
    case "S2R":
    case "S2UR":
      if (args[0] === "SR_TID.X") return { lanes: lanesOf((k) => 32 * WARP + k), isWhole: true };
      if (args[0] === "SR_LANEID") return { lanes: lanesOf((k) => k), isWhole: true };
      return SHARED_BY_ALL;
    case "MOV":
      return value(0);
    case "CS2R":
      return constant(0);
    case "HFMA2": {
      // two halves of a constant, the upper one first
      if (args[0] !== "-RZ" || args[1] !== "RZ") break;
      const [high, low] = new Uint16Array(Float16Array.of(Number(args[2]), Number(args[3])).buffer);
      return constant(high << 16 | low);
    }
    case "IADD3":
    case "VIADD":
      if (isCarried) break;
      return sum(
        ...args.filter((a) => !/^!?U?P[T\d]/.test(a)).map((a) => [read(registers, a), 1] as const),
      );
    case "IMAD":
      if (isCarried) break;
      return sum(scaled(0, 1), [value(2), 1]);
    case "LEA":
      if (kinds.includes("HI") && !kinds.includes("X")) {
        const high = (a: number, b: number, c: number, n: number): number =>
          b + (c << n | (n === 0 ? 0 : a >>> 32 - n));
        return whole(high, value(0), value(1), value(2), value(3));
      }
      if (isCarried) break;
      return sum([value(0), 1 << number(2)], [value(1), 1]);
    case "LOP3": {
      const at = args.findIndex((_, k) => k >= 3);
      const table = number(at);
      return whole((a, b, c) => bitwise(a, b, c, table), value(0), value(1), value(2));
    }
    case "SHF": {
      if (kinds[0] === "L") return sum([value(0), 1 << number(1)]);
      const isSigned = kinds.includes("S32");
      return whole((n, a) => isSigned ? a >> n : a >>> n, value(1), value(2));
    }
    case "PRMT":
      return whole(permuted, value(0), value(1), value(2));
    case "IDP": {
      if (!opcode.startsWith("IDP.2A.LO.U16.U8")) break;
      const dot = (a: number, b: number, c: number): number =>
        (a & 0xffff) * (b & 255) + (a >>> 16) * (b >>> 8 & 255) + c;
      return whole(dot, value(0), lowHalf(registers, args[1]), value(2));
    }
    case "SHFL": {
      const [from, lane] = [value(0), value(1)];
      if (from === null || lane === null || !lane.isWhole) return null;
      return { ...from, lanes: lanesOf((k) => from.lanes[lane.lanes[k] & 31]) };
    }
    case "R2UR":
      return value(0);
  }
  const parts = args.filter((a) => /^[-~|]?U?R\d/.test(a)).map((a) => read(registers, a));
  const isFromMemory = /^(LD|ATOM|RED|TEX)/.test(name);
  return !isFromMemory && parts.every((p) => p !== null && isSame(p)) ? SHARED_BY_ALL : null;
}

/** Registers side by side that an instruction writes. */
function widthOf(opcode: string): number {
  if (/^HMMA|^IMMA|\.128|^LDSM.*\.4$/.test(opcode)) return 4;
  return /\.(64|WIDE)/.test(opcode) || /^(D[A-Z]|CS2R)/.test(opcode) ? 2 : 1;
}

const SPILL = /^\[R1\+?(0x[0-9a-f]+)?\]$/;

/** The registers after an instruction. */
function after(before: Registers, { name, text }: Instruction): Map<string, Content> {
  const now = new Map(before);
  const { opcode, operands, predicate } = operandsOf(text);
  const write = (register: string, content: Content): void => {
    if (predicate === "") {
      for (const key of now.keys()) if (key.startsWith(`${register}@`)) now.delete(key);
      now.set(register, content);
    } else {
      now.set(register, joined(now.get(register) ?? null, content));
      // what is read under the same predicate is this
      now.set(`${register}@${predicate}`, content);
    }
  };
  for (const [test] of operands.slice(0, 3).flatMap((o) => [...o.matchAll(/^U?P\d$/g)])) {
    for (const key of now.keys()) if (key.endsWith(test)) now.delete(key);
  }
  if (name === "STL") {
    const [, at = "0"] = SPILL.exec(operands[0]) ?? [];
    const [, n = "0"] = /^R(\d+)/.exec(operands[1]) ?? [];
    for (let k = 0; k < widthOf(opcode); k++) {
      write(`[${Number(at) + 4 * k}]`, read(now, `R${Number(n) + k}`));
    }
    return now;
  }
  if (/^(ST|RED|BAR|BRA|EXIT|BSSY|BSYNC|LDGSTS|LDGDEPBAR|DEPBAR)/.test(name)) return now;
  // what tests write besides are predicates
  const [first, ...rest] = name === "SHFL" ? operands.slice(1) : operands;
  const [, kind, n] = /^(U?R)(\d+)/.exec(first ?? "") ?? [];
  if (kind === undefined) return now;
  const carries = rest.findIndex((o) => !/^U?P\d$/.test(o));
  const args = rest.slice(Math.max(carries, 0));
  const [, spilled] = name === "LDL" ? SPILL.exec(args[0]) ?? [] : [];
  const content = result(opcode, args, now);
  const half = name === "PRMT" ? permutedHalf(now, args) : null;
  for (let k = 0; k < widthOf(opcode); k++) {
    const register = `${kind}${Number(n) + k}`;
    if (spilled !== undefined) write(register, now.get(`[${Number(spilled) + 4 * k}]`) ?? null);
    else if (k === 0 || opcode.startsWith("CS2R")) write(register, content);
    else write(register, content !== null && isSame(content) ? SHARED_BY_ALL : null);
    if (half !== null && predicate === "") now.set(`${register}@half`, half);
  }
  return now;
}

/** The address of an access of shared memory, for each thread. */
function addressOf({ name, text }: Instruction, registers: Registers): Content {
  const { operands, predicate } = operandsOf(text);
  const place = /^\[(.*)\]$/.exec(operands[/^(STS|LDGSTS)$/.test(name) ? 0 : 1] ?? "")?.[1];
  if (place === undefined) return null;
  return sum(
    ...place.split("+").map((part) => {
      const [, register, scale = "1"] = /^(.*?)(?:\.X(\d+))?$/.exec(part) ?? [];
      return [read(registers, register, predicate), Number(scale)] as const;
    }),
  );
}

/** Turns of the banks beyond those that the bytes of a warp's threads need. */
function conflictsOf(address: Int32Array, bytes: number): number {
  const together = 128 / bytes;
  let more = 0;
  for (let first = 0; first < LANES; first += together) {
    const banks = new Map<number, Set<number>>();
    for (let lane = first; lane < first + together; lane++) {
      for (let word = address[lane] >> 2; word < (address[lane] + bytes) >> 2; word++) {
        const bank = (word % 32 + 32) % 32;
        banks.set(bank, (banks.get(bank) ?? new Set()).add(word));
      }
    }
    more += Math.max(...[...banks.values()].map(({ size }) => size)) - 1;
  }
  return more;
}

/**
 * Bank conflicts of a kernel's accesses of shared memory, by instruction; Infinity where an address
 * is not known. Those of none are in the map, too.
 */
export function bankConflicts({ instructions, labels }: Code): Map<Instruction, number> {
  const before: (Map<string, Content> | null)[] = instructions.map(() => null);
  before[0] = new Map();
  const queue = instructions.length > 0 ? [0] : [];
  while (queue.length > 0) {
    const at = queue.pop()!;
    const { target, fallsThrough } = instructions[at];
    const now = after(before[at]!, instructions[at]);
    const goal = target === null ? undefined : labels.get(target);
    for (const next of [goal, fallsThrough ? at + 1 : undefined]) {
      if (next === undefined || next >= instructions.length) continue;
      const known = before[next];
      if (known === null) {
        before[next] = new Map(now);
        queue.push(next);
        continue;
      }
      let changes = false;
      for (const [register, content] of known) {
        const other = now.get(register);
        const both = other === undefined ? content : joined(content, other);
        if (equal(both, content)) continue;
        known.set(register, both);
        changes = true;
      }
      for (const [register, content] of now) {
        if (known.has(register)) continue;
        known.set(register, content);
        changes = true;
      }
      if (changes) queue.push(next);
    }
  }
  const found = new Map<Instruction, number>();
  instructions.forEach((instruction, at) => {
    const { name, text } = instruction;
    const registers = before[at];
    if (!["LDS", "STS", "LDSM", "LDGSTS"].includes(name) || registers === null) return;
    if (text.startsWith("@!PT")) return; // never runs
    const address = addressOf(instruction, registers);
    const bytes = name === "LDSM" ? 16 : Number(/\.(64|128)\b/.exec(text)?.[1] ?? 32) / 8;
    found.set(instruction, address === null ? Infinity : conflictsOf(address.lanes, bytes));
  });
  return found;
}
