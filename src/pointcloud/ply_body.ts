// The body of a PLY file. Enters: bytes and the header's types. Leaves: numbers in the file's
// order, from text or from bytes of either order; or a PairfoldError with the line or the byte.

import { badFile } from "./cloud.ts";
import type { PlyElement, PlyHeader, PlyType } from "./ply_header.ts";
import { plyTypeTable } from "./ply_header.ts";
import { type Line, linesOf, numberAt, quote } from "./text.ts";

/** A body that gives one number after another. */
export interface PlyBody {
  /** Refuses an element whose rows cannot fit into the bytes that are left. */
  checkCount(element: PlyElement): void;
  beginRow(element: PlyElement, row: number): void;
  /** The next number of the row. */
  next(type: PlyType, property: string): number;
  /** The next number of the row as the length of a list whose items follow. */
  nextLength(countType: PlyType, type: PlyType, property: string): number;
  endRow(): void;
  /** Refuses anything after the last element. */
  finish(): void;
  /** File name with the place of the row, for messages. */
  where(): string;
}

/** The body that follows a header. */
export function plyBody(bytes: Uint8Array, header: PlyHeader, name: string): PlyBody {
  return header.encoding === "ascii"
    ? new TextBody(bytes, header, name)
    : new BinaryBody(bytes, header, name);
}

function tooMany(where: string, element: PlyElement, needed: number, left: number): Error {
  return badFile(
    where,
    `header says ${element.count} rows of ${quote(element.name)}, at least ${needed} bytes; ` +
      `got ${left} bytes`,
  );
}

function badLength(where: string, property: string, length: number): Error {
  return badFile(where, `list ${property}: got length ${length}; expected a whole number from 0`);
}

class BinaryBody implements PlyBody {
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #name: string;
  #at: number;
  #rowStart = 0;
  #row = "";

  constructor(bytes: Uint8Array, header: PlyHeader, name: string) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = header.encoding === "binary_little_endian";
    this.#name = name;
    this.#at = header.bodyStart;
  }

  checkCount(element: PlyElement): void {
    let row = 0;
    for (const { type, countType } of element.properties) {
      row += plyTypeTable[countType ?? type].size;
    }
    const left = this.#view.byteLength - this.#at;
    const needed = element.count * row;
    if (needed > left) throw tooMany(`${this.#name}: byte ${this.#at}`, element, needed, left);
  }

  beginRow(element: PlyElement, row: number): void {
    this.#rowStart = this.#at;
    this.#row = `${element.name} ${row}`;
  }

  next(type: PlyType, property: string): number {
    const { size, get } = plyTypeTable[type];
    const at = this.#at;
    this.#at += size;
    if (this.#at > this.#view.byteLength) {
      throw badFile(this.where(), `${property}: got the end of the file; expected ${size} bytes`);
    }
    return get(this.#view, at, this.#little);
  }

  nextLength(countType: PlyType, type: PlyType, property: string): number {
    const length = this.next(countType, property);
    if (length < 0) throw badLength(this.where(), property, length);
    const left = this.#view.byteLength - this.#at;
    const needed = length * plyTypeTable[type].size;
    if (needed > left) {
      throw badFile(
        this.where(),
        `list ${property}: got length ${length}, ${needed} bytes; only ${left} are left`,
      );
    }
    return length;
  }

  endRow(): void {}

  finish(): void {
    for (let at = this.#at; at < this.#view.byteLength; at++) {
      if (![9, 10, 13, 32].includes(this.#view.getUint8(at))) {
        const left = this.#view.byteLength - this.#at;
        throw badFile(
          `${this.#name}: byte ${this.#at}`,
          `got ${left} bytes after the last element; expected the end`,
        );
      }
    }
  }

  where(): string {
    return `${this.#name}: byte ${this.#rowStart} (${this.#row})`;
  }
}

class TextBody implements PlyBody {
  readonly #lines: Iterator<Line, void, undefined>;
  readonly #name: string;
  readonly #bytesAtMost: number;
  #line: Line = { text: "", number: 0 };
  #tokens: readonly string[] = [];
  #used = 0;
  #row = "";

  constructor(bytes: Uint8Array, header: PlyHeader, name: string) {
    this.#lines = linesOf(bytes, name, header.bodyStart, header.lines + 1);
    this.#name = name;
    this.#bytesAtMost = bytes.length - header.bodyStart;
    this.#line = { text: "", number: header.lines };
  }

  checkCount(element: PlyElement): void {
    // One digit and one separator per number; the last line may lack its newline.
    const needed = element.count * Math.max(1, 2 * element.properties.length) - 1;
    if (needed > this.#bytesAtMost) {
      throw tooMany(this.where(), element, needed, this.#bytesAtMost);
    }
  }

  #nextLine(): boolean {
    for (;;) {
      const step = this.#lines.next();
      if (step.done) return false;
      this.#line = step.value;
      if (step.value.text !== "") return true;
    }
  }

  beginRow(element: PlyElement, row: number): void {
    this.#row = `${element.name} ${row}`;
    if (!this.#nextLine()) {
      throw badFile(
        this.where(),
        `got the end of the file; expected ${element.count} rows of ${quote(element.name)}`,
      );
    }
    this.#tokens = this.#line.text.split(/\s+/);
    this.#used = 0;
  }

  next(type: PlyType, property: string): number {
    const token = this.#tokens[this.#used++];
    if (token === undefined) {
      throw badFile(
        this.where(),
        `got ${this.#tokens.length} numbers; expected another, ${property}`,
      );
    }
    const value = numberAt(token, property, this.#name, this.#line.number);
    const { range } = plyTypeTable[type];
    if (range && !(Number.isInteger(value) && value >= range[0] && value <= range[1])) {
      throw badFile(this.where(), `${property}: got ${token}; expected ${type}`);
    }
    return value;
  }

  nextLength(countType: PlyType, _type: PlyType, property: string): number {
    const length = this.next(countType, property);
    if (length < 0) throw badLength(this.where(), property, length);
    const left = this.#tokens.length - this.#used;
    if (length > left) {
      throw badFile(this.where(), `list ${property}: got length ${length} but ${left} numbers`);
    }
    return length;
  }

  endRow(): void {
    if (this.#used < this.#tokens.length) {
      throw badFile(
        this.where(),
        `got ${this.#tokens.length} numbers; expected ${this.#used}`,
      );
    }
  }

  finish(): void {
    if (this.#nextLine()) {
      throw badFile(
        `${this.#name}: line ${this.#line.number}`,
        `got ${quote(this.#line.text)} after the last element; expected the end`,
      );
    }
  }

  where(): string {
    const row = this.#row === "" ? "" : ` (${this.#row})`;
    return `${this.#name}: line ${this.#line.number}${row}`;
  }
}
