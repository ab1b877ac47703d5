// The header of a PLY file. Enters: the file's bytes. Leaves: its encoding, its elements with
// their typed properties, and where the body begins; or a PairfoldError with the line.

import { type AttributeArray, badFile } from "./cloud.ts";
import { quote } from "./text.ts";

/** The number types of PLY. */
export const plyTypes = [
  "char",
  "uchar",
  "short",
  "ushort",
  "int",
  "uint",
  "float",
  "double",
] as const;

/** The name of a PLY number type. */
export type PlyType = typeof plyTypes[number];

interface TypeEntry {
  readonly size: number;
  /** The other name of the type. */
  readonly alias: string;
  /** Least and greatest value of an integer type. */
  readonly range?: readonly [number, number];
  readonly array: (length: number) => AttributeArray;
  readonly get: (view: DataView, offset: number, little: boolean) => number;
  readonly set: (view: DataView, offset: number, value: number) => void;
}

/** Each type's size, range, array and access; written little endian, read either way. */
export const plyTypeTable: Readonly<Record<PlyType, TypeEntry>> = {
  char: {
    size: 1,
    alias: "int8",
    range: [-128, 127],
    array: (n) => new Int8Array(n),
    get: (view, at) => view.getInt8(at),
    set: (view, at, value) => view.setInt8(at, value),
  },
  uchar: {
    size: 1,
    alias: "uint8",
    range: [0, 255],
    array: (n) => new Uint8Array(n),
    get: (view, at) => view.getUint8(at),
    set: (view, at, value) => view.setUint8(at, value),
  },
  short: {
    size: 2,
    alias: "int16",
    range: [-32768, 32767],
    array: (n) => new Int16Array(n),
    get: (view, at, little) => view.getInt16(at, little),
    set: (view, at, value) => view.setInt16(at, value, true),
  },
  ushort: {
    size: 2,
    alias: "uint16",
    range: [0, 65535],
    array: (n) => new Uint16Array(n),
    get: (view, at, little) => view.getUint16(at, little),
    set: (view, at, value) => view.setUint16(at, value, true),
  },
  int: {
    size: 4,
    alias: "int32",
    range: [-2147483648, 2147483647],
    array: (n) => new Int32Array(n),
    get: (view, at, little) => view.getInt32(at, little),
    set: (view, at, value) => view.setInt32(at, value, true),
  },
  uint: {
    size: 4,
    alias: "uint32",
    range: [0, 4294967295],
    array: (n) => new Uint32Array(n),
    get: (view, at, little) => view.getUint32(at, little),
    set: (view, at, value) => view.setUint32(at, value, true),
  },
  float: {
    size: 4,
    alias: "float32",
    array: (n) => new Float32Array(n),
    get: (view, at, little) => view.getFloat32(at, little),
    set: (view, at, value) => view.setFloat32(at, value, true),
  },
  double: {
    size: 8,
    alias: "float64",
    array: (n) => new Float64Array(n),
    get: (view, at, little) => view.getFloat64(at, little),
    set: (view, at, value) => view.setFloat64(at, value, true),
  },
};

const typesByName: ReadonlyMap<string, PlyType> = new Map(
  plyTypes.flatMap((type) => [[type, type], [plyTypeTable[type].alias, type]] as const),
);

/** One property of an element: a number, or a list of numbers where `countType` is given. */
export interface PlyProperty {
  readonly name: string;
  readonly type: PlyType;
  readonly countType?: PlyType;
}

/** One element: `count` rows of the same properties. */
export interface PlyElement {
  readonly name: string;
  readonly count: number;
  readonly properties: PlyProperty[];
}

/** What a PLY header says. */
export interface PlyHeader {
  readonly encoding: "ascii" | "binary_little_endian" | "binary_big_endian";
  readonly elements: readonly PlyElement[];
  /** First byte of the body. */
  readonly bodyStart: number;
  /** Number of lines that the header takes. */
  readonly lines: number;
}

const longestHeader = 1 << 20;

/** Reads the header, up to and with its end_header line. */
export function parsePlyHeader(bytes: Uint8Array, name: string): PlyHeader {
  const decoder = new TextDecoder();
  const elements: PlyElement[] = [];
  let encoding: PlyHeader["encoding"] | undefined;
  let begin = 0;
  for (let number = 1;; number++) {
    const where = `${name}: line ${number}`;
    const end = bytes.indexOf(10, begin);
    if (number === 1 && !/^ply\r?\n/.test(decoder.decode(bytes.subarray(0, 5)))) {
      const head = quote(decoder.decode(bytes.subarray(0, 16)));
      throw badFile(where, `got ${head}; expected "ply"`);
    }
    if (end < 0 || end > longestHeader) {
      throw badFile(where, 'header has no end; expected "end_header"');
    }
    const line = decoder.decode(bytes.subarray(begin, end)).trim();
    begin = end + 1;
    const words = line.split(/\s+/);
    switch (words[0]) {
      case "ply":
      case "comment":
      case "obj_info":
      case "":
        break;
      case "format":
        encoding = parseEncoding(words, where);
        break;
      case "element":
        elements.push(parseElement(words, elements, where));
        break;
      case "property": {
        const element = elements.at(-1);
        if (element === undefined) throw badFile(where, "got a property before any element");
        element.properties.push(parseProperty(words, element, where));
        break;
      }
      case "end_header":
        if (encoding === undefined) throw badFile(where, "header has no format line");
        return { encoding, elements, bodyStart: begin, lines: number };
      default:
        throw badFile(where, `got ${quote(line)}; expected a PLY header line`);
    }
  }
}

function parseEncoding(words: readonly string[], where: string): PlyHeader["encoding"] {
  const [, encoding, version] = words;
  if (version !== "1.0") throw badFile(where, `got version ${quote(version ?? "")}; expected 1.0`);
  switch (encoding) {
    case "ascii":
    case "binary_little_endian":
    case "binary_big_endian":
      return encoding;
    default:
      throw badFile(
        where,
        `got format ${quote(encoding ?? "")}; ` +
          "expected ascii, binary_little_endian or binary_big_endian",
      );
  }
}

function parseElement(
  words: readonly string[],
  before: readonly PlyElement[],
  where: string,
): PlyElement {
  const [, name, digits] = words;
  const count = Number(digits);
  if (words.length !== 3 || !/^\d+$/.test(digits) || !Number.isSafeInteger(count)) {
    throw badFile(where, `got ${quote(words.join(" "))}; expected "element name count"`);
  }
  if (before.some((element) => element.name === name)) {
    throw badFile(where, `got a second element ${quote(name)}`);
  }
  return { name, count, properties: [] };
}

function parseProperty(words: readonly string[], element: PlyElement, where: string): PlyProperty {
  const isList = words[1] === "list";
  if (words.length !== (isList ? 5 : 3)) {
    throw badFile(
      where,
      `got ${quote(words.join(" "))}; expected "property type name" ` +
        'or "property list type type name"',
    );
  }
  const typeAt = (index: number): PlyType => {
    const type = typesByName.get(words[index]);
    if (type !== undefined) return type;
    throw badFile(where, `got type ${quote(words[index])}; expected one of ${plyTypes.join(", ")}`);
  };
  const name = words[words.length - 1];
  if (element.properties.some((property) => property.name === name)) {
    throw badFile(where, `got a second property ${quote(name)} of ${quote(element.name)}`);
  }
  if (!isList) return { name, type: typeAt(1) };
  const countType = typeAt(2);
  if (plyTypeTable[countType].range === undefined) {
    throw badFile(where, `got a list counted by ${countType}; expected an integer type`);
  }
  return { name, type: typeAt(3), countType };
}
