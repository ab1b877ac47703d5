// What a point cloud is. Enters: typed columns as a reader found them. Leaves: the one frozen
// PointCloud that readers, writers and pictures share, checked against its stated shape.

import { PairfoldError } from "../error.ts";

/** The file formats that {@linkcode readPointCloud} reads. */
export const pointCloudFormats = ["ply", "obj", "las", "laz", "xyz", "csv"] as const;

/** The name of a file format. */
export type PointCloudFormat = typeof pointCloudFormats[number];

/** The number types that an attribute may have; a reader keeps the type that the file has. */
export type AttributeArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** One quantity per point. */
export interface Attribute {
  /** Numbers per point: 1 for an intensity, 3 for a normal or a colour. */
  readonly components: number;
  /** count × components numbers, row by row. */
  readonly values: AttributeArray;
}

/**
 * Points in space with what is known about each.
 *
 * Positions are in the file's own units, with the file's own axes; no reader scales, moves or
 * turns them. They are always finite. Attributes may hold NaN and infinities where the file does.
 * Every reader calls a surface normal `normal` (3 components) and a colour `color` (3, or 4 with
 * alpha: 0–255 as Uint8Array, 0–65535 as Uint16Array, or floats, as the file has them).
 */
export interface PointCloud {
  /** Where the cloud comes from: a file format, or `"synthetic"`. */
  readonly format: PointCloudFormat | "synthetic";
  /** Number of points, at least 1. */
  readonly count: number;
  /** count × 3 coordinates, row by row: x0 y0 z0 x1 y1 z1 … */
  readonly positions: Float64Array;
  /** What else is known per point, by name, in the file's order. */
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Triangles × 3 point indices, where the file has faces; polygons are split as fans. */
  readonly faces?: Uint32Array;
}

/** A column as a reader finds it: a name and one number, or a fixed few, per point. */
export interface Column {
  readonly name: string;
  readonly values: AttributeArray;
  readonly components?: number;
}

/** The error for a file that is not what it should be. `where` is a file name, with its place. */
export function badFile(where: string, message: string, options?: ErrorOptions): PairfoldError {
  return new PairfoldError("io", `readPointCloud: ${where}: ${message}`, options);
}

/** Runs an allocation, and turns the engine's refusal into a PairfoldError. */
export function allocate<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new PairfoldError("memory", `${what}: ${error.message}`, { cause: error });
  }
}

/** Columns that belong together under one name, in order; the last may be missing. */
const groups: readonly { name: string; members: readonly string[]; optional?: string }[] = [
  { name: "normal", members: ["nx", "ny", "nz"] },
  { name: "normal", members: ["normal_x", "normal_y", "normal_z"] },
  { name: "color", members: ["red", "green", "blue"], optional: "alpha" },
  { name: "color", members: ["r", "g", "b"], optional: "a" },
];

/** Collects columns as attributes; normals and colours are joined if their types agree. */
export function attributesOf(columns: readonly Column[]): Map<string, Attribute> {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const joined = new Map<string, string[]>();
  for (const group of groups) {
    const members = group.members.flatMap((member) => byName.get(member) ?? []);
    if (members.length < 3 || joined.has(group.name) || byName.has(group.name)) continue;
    const last = group.optional === undefined ? undefined : byName.get(group.optional);
    if (last !== undefined) members.push(last);
    const type = members[0].values.constructor;
    if (
      members.every(({ values, components = 1 }) => values.constructor === type && components === 1)
    ) {
      joined.set(group.name, members.map((member) => member.name));
    }
  }
  const groupOf = new Map([...joined].flatMap(([name, members]) => members.map((m) => [m, name])));
  const attributes = new Map<string, Attribute>();
  for (const column of columns) {
    const group = groupOf.get(column.name);
    if (group === undefined) {
      attributes.set(column.name, { components: column.components ?? 1, values: column.values });
    } else if (!attributes.has(group)) {
      const members = (joined.get(group) ?? []).flatMap((member) => byName.get(member) ?? []);
      attributes.set(group, interleave(members.map((member) => member.values)));
    }
  }
  return attributes;
}

function interleave(columns: readonly AttributeArray[]): Attribute {
  const [first] = columns;
  const components = columns.length;
  const values = allocate("attribute", () => sameType(first, first.length * components));
  columns.forEach((column, c) => {
    for (let i = 0; i < column.length; i++) values[i * components + c] = column[i];
  });
  return { components, values };
}

/** A new array of the same number type. */
export function sameType(values: AttributeArray, length: number): AttributeArray {
  const Type = values.constructor as new (length: number) => AttributeArray;
  return new Type(length);
}

/** Freezes a cloud, checking that it has points, and that each is finite. */
export function makeCloud(
  where: string,
  format: PointCloudFormat | "synthetic",
  positions: Float64Array,
  columns: readonly Column[],
  faces?: Uint32Array,
): PointCloud {
  const count = positions.length / 3;
  if (count === 0) throw badFile(where, "got no points; expected at least one");
  for (let k = 0; k < positions.length; k++) {
    if (!Number.isFinite(positions[k])) {
      const point = Math.floor(k / 3);
      throw badFile(
        where,
        `point ${point}: got ${"xyz"[k % 3]} = ${positions[k]}; expected a finite number`,
      );
    }
  }
  const attributes = attributesOf(columns);
  return Object.freeze(
    faces === undefined
      ? { format, count, positions, attributes }
      : { format, count, positions, attributes, faces },
  );
}

/** A growing Float64Array, for formats that do not say how much comes. */
export class NumberList {
  #values: Float64Array;
  #length = 0;

  constructor(capacity = 4096) {
    this.#values = new Float64Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const old = this.#values;
      this.#values = allocate("point list", () => new Float64Array(old.length * 2));
      this.#values.set(old);
    }
    this.#values[this.#length++] = value;
  }

  at(index: number): number {
    return this.#values[index];
  }

  /** The numbers so far, in an array of their own. */
  toArray(): Float64Array {
    return allocate("point list", () => this.#values.slice(0, this.#length));
  }
}
