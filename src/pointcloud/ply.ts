// PLY files, ascii and binary of either byte order. Enters: bytes. Leaves: the vertices as points,
// their other properties as attributes, and the faces as triangles; other elements are skipped.

import { allocate, badFile, type Column, makeCloud, NumberList, type PointCloud } from "./cloud.ts";
import { addPolygon } from "./faces.ts";
import { type PlyBody, plyBody } from "./ply_body.ts";
import {
  parsePlyHeader,
  type PlyElement,
  type PlyHeader,
  type PlyProperty,
  plyTypeTable,
} from "./ply_header.ts";

/** Reads a PLY file's bytes. */
export function readPly(bytes: Uint8Array, name: string): PointCloud {
  const header = parsePlyHeader(bytes, name);
  const vertexCount = checkVertex(header, name);
  const body = plyBody(bytes, header, name);
  let vertices: { positions: Float64Array; columns: Column[] } | undefined;
  let faces: Uint32Array | undefined;
  for (const element of header.elements) {
    if (element.count > 0 && element.properties.length === 0) {
      throw badFile(name, `element ${element.name} has ${element.count} rows but no property`);
    }
    body.checkCount(element);
    if (element.name === "vertex") vertices = readVertices(body, element);
    else if (element.name === "face") faces = readFaces(body, element, vertexCount);
    else skipRows(body, element);
  }
  body.finish();
  if (vertices === undefined) throw badFile(name, "got no element vertex");
  return makeCloud(name, "ply", vertices.positions, vertices.columns, faces);
}

function checkVertex(header: PlyHeader, name: string): number {
  const vertex = header.elements.find((element) => element.name === "vertex");
  if (vertex === undefined) {
    const names = header.elements.map((element) => element.name).join(", ") || "none";
    throw badFile(name, `got the elements ${names}; expected vertex among them`);
  }
  for (const axis of ["x", "y", "z"]) {
    if (!vertex.properties.some((p) => p.name === axis && p.countType === undefined)) {
      const names = vertex.properties.map((property) => property.name).join(", ") || "none";
      throw badFile(name, `vertex has the properties ${names}; expected x, y and z among them`);
    }
  }
  return vertex.count;
}

/** Takes the values of one property, row after row. */
interface Sink {
  take(body: PlyBody, row: number): void;
  column(): Column | undefined;
}

function axisSink(property: PlyProperty, positions: Float64Array): Sink {
  const axis = ["x", "y", "z"].indexOf(property.name);
  return {
    take: (body, row) => {
      positions[3 * row + axis] = body.next(property.type, property.name);
    },
    column: () => undefined,
  };
}

function scalarSink({ name, type }: PlyProperty, count: number): Sink {
  const values = allocate(name, () => plyTypeTable[type].array(count));
  return {
    take: (body, row) => {
      values[row] = body.next(type, name);
    },
    column: () => ({ name, values }),
  };
}

/** A list per vertex is kept as an attribute if each vertex has one of the same length. */
function listSink({ name, type, countType = "uchar" }: PlyProperty): Sink {
  const items = new NumberList();
  let components: number | undefined;
  return {
    take: (body) => {
      const length = body.nextLength(countType, type, name);
      if (components !== undefined && components !== length) components = 0;
      components ??= length;
      for (let k = 0; k < length; k++) items.push(body.next(type, name));
    },
    column: () => {
      if (!components) return undefined;
      const values = allocate(name, () => plyTypeTable[type].array(items.length));
      values.set(items.toArray());
      return { name, values, components };
    },
  };
}

function readVertices(
  body: PlyBody,
  element: PlyElement,
): { positions: Float64Array; columns: Column[] } {
  const { count } = element;
  const positions = allocate("positions", () => new Float64Array(3 * count));
  const sinks = element.properties.map((property) => {
    if (property.countType !== undefined) return listSink(property);
    return ["x", "y", "z"].includes(property.name)
      ? axisSink(property, positions)
      : scalarSink(property, count);
  });
  for (let row = 0; row < count; row++) {
    body.beginRow(element, row);
    for (const sink of sinks) sink.take(body, row);
    body.endRow();
  }
  return { positions, columns: sinks.flatMap((sink) => sink.column() ?? []) };
}

function readFaces(
  body: PlyBody,
  element: PlyElement,
  vertexCount: number,
): Uint32Array | undefined {
  const indices = new NumberList();
  let found = false;
  for (let row = 0; row < element.count; row++) {
    body.beginRow(element, row);
    for (const property of element.properties) {
      if (property.countType !== undefined && /^vertex_(indices|index)$/.test(property.name)) {
        found = true;
        const length = body.nextLength(property.countType, property.type, property.name);
        const corners: number[] = [];
        for (let k = 0; k < length; k++) corners.push(body.next(property.type, property.name));
        addPolygon(indices, corners, vertexCount, body.where());
      } else {
        skipProperty(body, property);
      }
    }
    body.endRow();
  }
  return found ? allocate("faces", () => new Uint32Array(indices.toArray())) : undefined;
}

function skipProperty(body: PlyBody, { name, type, countType }: PlyProperty): void {
  const length = countType === undefined ? 1 : body.nextLength(countType, type, name);
  for (let k = 0; k < length; k++) body.next(type, name);
}

function skipRows(body: PlyBody, element: PlyElement): void {
  for (let row = 0; row < element.count; row++) {
    body.beginRow(element, row);
    for (const property of element.properties) skipProperty(body, property);
    body.endRow();
  }
}
