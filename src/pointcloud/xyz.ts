// Points as text: XYZ, CSV, TSV, PTS. Enters: bytes. Leaves: three columns as coordinates and each
// other column as a float64 attribute. The separator is found on the first line of numbers and
// then holds for all, so that a decimal comma is refused instead of split.

import { badFile, type Column, makeCloud, NumberList, type PointCloud } from "./cloud.ts";
import { coordinateAt, type Line, linesOf, numberAt, parseNumber, quote } from "./text.ts";

type Separator = ";" | "," | "\t" | " ";

const mostColumns = 1024;

/** Reads a table of numbers, one point per line. */
export function readXyz(bytes: Uint8Array, name: string, format: "xyz" | "csv"): PointCloud {
  const table = new Table(name);
  for (const line of linesOf(bytes, name)) table.read(line);
  return table.finish(format);
}

function separatorOf(text: string): Separator {
  const found = ([";", ",", "\t"] as const).find((separator) => text.includes(separator));
  // Text aligned with blanks may have tabs as well; a table of tabs has no other blanks.
  return found === "\t" && text.includes(" ") ? " " : found ?? " ";
}

function split(text: string, separator: Separator): string[] {
  if (separator === " ") return text.split(/\s+/);
  return text.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1").trim());
}

class Table {
  readonly #name: string;
  /** Lines before the first numbers that may name the columns: a header, or comments. */
  #header: Line | undefined;
  #comments: Line[] = [];
  /** Points that a PTS file says it has. */
  #stated: { count: number; line: number } | undefined;
  #separator: Separator = " ";
  #names: string[] = [];
  /** Columns that hold x, y and z. */
  #axes: readonly number[] = [];
  readonly #positions = new NumberList();
  readonly #others: NumberList[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  read(line: Line): void {
    const text = line.text.replace(/^\/\/|#.*$/, "").trim();
    if (text === "" || line.text.startsWith("//")) {
      if (this.#names.length === 0 && line.text !== "") this.#comments.push(line);
      return;
    }
    if (this.#names.length === 0 && !this.#begin({ text, number: line.number })) return;
    this.#readRow(text, line.number);
  }

  #where(line: number): string {
    return `${this.#name}: line ${line}`;
  }

  /** Looks at a line before the first point; true if the line is the first point. */
  #begin(line: Line): boolean {
    this.#separator = separatorOf(line.text);
    const cells = split(line.text, this.#separator);
    if (cells.length > mostColumns) {
      throw badFile(
        this.#where(line.number),
        `got ${cells.length} columns; expected at most ${mostColumns}`,
      );
    }
    if (parseNumber(cells[0]) === undefined) {
      // A name does not begin like a number: `1,5;2,5` is a decimal comma.
      if (this.#header !== undefined || this.#stated !== undefined || /^[-+.\d]/.test(cells[0])) {
        throw badFile(this.#where(line.number), `got ${quote(line.text)}; expected numbers`);
      }
      this.#header = line;
      return false;
    }
    if (cells.length === 1 && /^\d+$/.test(cells[0]) && !this.#stated && !this.#header) {
      this.#stated = { count: Number(cells[0]), line: line.number };
      return false;
    }
    this.#nameColumns(cells.length, line.number);
    return true;
  }

  #nameColumns(count: number, line: number): void {
    const named = this.#header ?? this.#namesInComments(count);
    if (named !== undefined) {
      this.#names = columnNames(named.text);
      if (this.#names.length !== count) {
        throw badFile(
          this.#where(line),
          `got ${count} columns; the header on line ${named.number} has ${this.#names.length}`,
        );
      }
      this.#axes = axesOf(this.#names);
      if (this.#axes.includes(-1)) {
        throw badFile(
          this.#where(named.number),
          `got the columns ${quote(this.#names.join(", "))}; expected x, y and z among them`,
        );
      }
      const twice = this.#names.find((column, k) => this.#names.indexOf(column) !== k);
      if (twice !== undefined) {
        throw badFile(this.#where(named.number), `got two columns ${quote(twice)}`);
      }
    } else {
      if (count < 3) {
        throw badFile(this.#where(line), `got ${count} numbers; expected at least x, y and z`);
      }
      // A PTS file (a count, then points) has an intensity, and then a colour.
      const known = this.#stated !== undefined && (count === 4 || count === 7)
        ? ["x", "y", "z", "intensity", "red", "green", "blue"]
        : ["x", "y", "z"];
      this.#names = Array.from({ length: count }, (_, k) => known[k] ?? `column${k + 1}`);
      this.#axes = [0, 1, 2];
    }
    for (let k = 3; k < count; k++) this.#others.push(new NumberList());
  }

  /** A comment that names x, y and z and as many columns as there are, as numpy writes it. */
  #namesInComments(count: number): Line | undefined {
    return this.#comments
      .map(({ text, number }) => ({ text: text.replace(/^(#|\/\/)+/, "").trim(), number }))
      .findLast(({ text }) => {
        const names = columnNames(text);
        return names.length === count && !axesOf(names).includes(-1);
      });
  }

  #readRow(text: string, line: number): void {
    const cells = split(text, this.#separator);
    if (cells.length !== this.#names.length) {
      throw badFile(
        this.#where(line),
        `got ${cells.length} columns; expected ${this.#names.length} (${this.#names.join(", ")})`,
      );
    }
    for (const k of this.#axes) {
      this.#positions.push(coordinateAt(cells[k], this.#names[k], this.#name, line));
    }
    let other = 0;
    cells.forEach((cell, k) => {
      if (this.#axes.includes(k)) return;
      // An empty cell is a value that is not known.
      const value = cell === "" ? NaN : numberAt(cell, this.#names[k], this.#name, line);
      this.#others[other++].push(value);
    });
  }

  finish(format: "xyz" | "csv"): PointCloud {
    const count = this.#positions.length / 3;
    if (this.#stated !== undefined && this.#stated.count !== count) {
      throw badFile(
        this.#where(this.#stated.line),
        `says ${this.#stated.count} points; got ${count}`,
      );
    }
    const names = this.#names.filter((_, k) => !this.#axes.includes(k));
    const columns: Column[] = names.map((name, k) => ({ name, values: this.#others[k].toArray() }));
    return makeCloud(this.#name, format, this.#positions.toArray(), columns);
  }
}

function columnNames(text: string): string[] {
  return split(text, separatorOf(text)).map((name) =>
    /^(x|y|z|nx|ny|nz|red|green|blue|alpha|r|g|b|a)$/i.test(name) ? name.toLowerCase() : name
  );
}

function axesOf(names: readonly string[]): number[] {
  return ["x", "y", "z"].map((axis) => names.indexOf(axis));
}
