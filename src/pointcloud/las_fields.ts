// What a LAS point record holds. Enters: a point format and the description of its extra bytes.
// Leaves: one field per attribute, each with its array and how to read it from a record.

import { allocate, type AttributeArray, badFile, type Column } from "./cloud.ts";
import { type LasHeader, latin1, recordLengths } from "./las_header.ts";

/** Reads one attribute of one record at a time. */
export interface LasField {
  readonly name: string;
  readonly components: number;
  readonly array: (length: number) => AttributeArray;
  /** Component `c` of the record that begins at byte `at`. */
  readonly read: (view: DataView, at: number, c: number) => number;
}

type Read = (view: DataView, at: number) => number;

const u8 = (name: string, read: Read): LasField => ({
  name,
  components: 1,
  array: (n) => new Uint8Array(n),
  read,
});

const u16 = (name: string, offset: number, components = 1): LasField => ({
  name,
  components,
  array: (n) => new Uint16Array(n),
  read: (view, at, c) => view.getUint16(at + offset + 2 * c, true),
});

/** Bits `shift` to `shift + width` of a byte. */
const bits = (name: string, offset: number, shift: number, width: number): LasField =>
  u8(name, (view, at) => (view.getUint8(at + offset) >> shift) & ((1 << width) - 1));

const time = (offset: number): LasField => ({
  name: "gps_time",
  components: 1,
  array: (n) => new Float64Array(n),
  read: (view, at) => view.getFloat64(at + offset, true),
});

const float = (name: string, offset: number): LasField => ({
  name,
  components: 1,
  array: (n) => new Float32Array(n),
  read: (view, at) => view.getFloat32(at + offset, true),
});

/** Scan angles in degrees: whole ones up to format 5, steps of 0.006 from format 6. */
const angle = (read: Read): LasField => ({
  name: "scan_angle",
  components: 1,
  array: (n) => new Float32Array(n),
  read,
});

const legacyFields: readonly LasField[] = [
  u16("intensity", 12),
  bits("return_number", 14, 0, 3),
  bits("number_of_returns", 14, 3, 3),
  bits("scan_direction", 14, 6, 1),
  bits("edge_of_flight_line", 14, 7, 1),
  bits("classification", 15, 0, 5),
  bits("classification_flags", 15, 5, 3),
  angle((view, at) => view.getInt8(at + 16)),
  bits("user_data", 17, 0, 8),
  u16("point_source_id", 18),
];

const modernFields: readonly LasField[] = [
  u16("intensity", 12),
  bits("return_number", 14, 0, 4),
  bits("number_of_returns", 14, 4, 4),
  bits("classification_flags", 15, 0, 4),
  bits("scanner_channel", 15, 4, 2),
  bits("scan_direction", 15, 6, 1),
  bits("edge_of_flight_line", 15, 7, 1),
  bits("classification", 16, 0, 8),
  bits("user_data", 17, 0, 8),
  angle((view, at) => view.getInt16(at + 18, true) * 0.006),
  u16("point_source_id", 20),
  time(22),
];

const waveform = (offset: number): LasField[] => [
  bits("waveform_descriptor", offset, 0, 8),
  {
    name: "waveform_offset",
    components: 1,
    array: (n) => new Float64Array(n),
    read: (view, at) => Number(view.getBigUint64(at + offset + 1, true)),
  },
  {
    name: "waveform_size",
    components: 1,
    array: (n) => new Uint32Array(n),
    read: (view, at) => view.getUint32(at + offset + 9, true),
  },
  float("waveform_return_location", offset + 13),
  float("waveform_x", offset + 17),
  float("waveform_y", offset + 21),
  float("waveform_z", offset + 25),
];

const rgb = (offset: number): LasField => u16("color", offset, 3);

/** The fields after the coordinates, by point format. */
const formatFields: readonly (readonly LasField[])[] = [
  legacyFields,
  [...legacyFields, time(20)],
  [...legacyFields, rgb(20)],
  [...legacyFields, time(20), rgb(28)],
  [...legacyFields, time(20), ...waveform(28)],
  [...legacyFields, time(20), rgb(28), ...waveform(34)],
  modernFields,
  [...modernFields, rgb(30)],
  [...modernFields, rgb(30), u16("nir", 36)],
  [...modernFields, ...waveform(30)],
  [...modernFields, rgb(30), u16("nir", 36), ...waveform(38)],
];

interface ExtraType {
  readonly size: number;
  readonly array: (length: number) => AttributeArray;
  readonly read: Read;
}

/** Types 1 to 10 of extra bytes; 64-bit integers become float64, exact up to 2^53. */
const extraTypes: readonly ExtraType[] = [
  { size: 1, array: (n) => new Uint8Array(n), read: (v, at) => v.getUint8(at) },
  { size: 1, array: (n) => new Int8Array(n), read: (v, at) => v.getInt8(at) },
  { size: 2, array: (n) => new Uint16Array(n), read: (v, at) => v.getUint16(at, true) },
  { size: 2, array: (n) => new Int16Array(n), read: (v, at) => v.getInt16(at, true) },
  { size: 4, array: (n) => new Uint32Array(n), read: (v, at) => v.getUint32(at, true) },
  { size: 4, array: (n) => new Int32Array(n), read: (v, at) => v.getInt32(at, true) },
  { size: 8, array: (n) => new Float64Array(n), read: (v, at) => Number(v.getBigUint64(at, true)) },
  { size: 8, array: (n) => new Float64Array(n), read: (v, at) => Number(v.getBigInt64(at, true)) },
  { size: 4, array: (n) => new Float32Array(n), read: (v, at) => v.getFloat32(at, true) },
  { size: 8, array: (n) => new Float64Array(n), read: (v, at) => v.getFloat64(at, true) },
];

const extraRecordBytes = 192;

/** The fields of the bytes after the standard ones, as the file describes them. */
function extraFields(header: LasHeader, name: string): LasField[] {
  const fields: LasField[] = [];
  const standard = recordLengths[header.pointFormat];
  let at = standard;
  const record = header.records.find((r) => r.user === "LASF_Spec" && r.id === 4);
  const data = record?.data ?? new Uint8Array();
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let k = 0; k + extraRecordBytes <= data.length; k += extraRecordBytes) {
    const code = data[k + 2];
    const options = data[k + 3];
    const known = latin1(data.subarray(k + 4, k + 36)).trim();
    const title = known === "" ? `extra_${fields.length + 1}` : known;
    const offset = at;
    const type = code === 0 ? extraTypes[0] : extraTypes[(code - 1) % 10];
    const components = code === 0 ? options : 1 + Math.floor((code - 1) / 10);
    const size = type.size * components;
    if (code > 30 || size === 0 || at + size > header.recordLength) {
      throw badFile(
        `${name}: byte ${(record?.start ?? 0) + k}`,
        `extra bytes ${JSON.stringify(title)}: got type ${code}, ${size} bytes; ` +
          `expected types 0 to 30 within ${header.recordLength - standard} extra bytes per point`,
      );
    }
    at += size;
    const scaled = code !== 0 && (options & 0x18) !== 0;
    const scale = (c: number) => (options & 8) ? view.getFloat64(k + 112 + 8 * c, true) : 1;
    const shift = (c: number) => (options & 16) ? view.getFloat64(k + 136 + 8 * c, true) : 0;
    fields.push({
      name: title,
      components,
      array: scaled ? (n) => new Float64Array(n) : type.array,
      read: (points, start, c) => {
        const raw = type.read(points, start + offset + type.size * c);
        return scaled ? raw * scale(c) + shift(c) : raw;
      },
    });
  }
  const components = header.recordLength - at;
  const offset = at;
  if (components > 0) {
    fields.push({
      name: "extra_bytes",
      components,
      array: (n) => new Uint8Array(n),
      read: (points, start, c) => points.getUint8(start + offset + c),
    });
  }
  return fields;
}

/** Every attribute of the point records, read from their bytes. */
export function readLasFields(view: DataView, header: LasHeader, name: string): Column[] {
  const fields = [...formatFields[header.pointFormat], ...extraFields(header, name)];
  return fields.map((field) => {
    const { components, read } = field;
    const values = allocate(field.name, () => field.array(header.count * components));
    let at = 0;
    let to = 0;
    for (let i = 0; i < header.count; i++, at += header.recordLength) {
      for (let c = 0; c < components; c++) values[to++] = read(view, at, c);
    }
    return { name: field.name, values, components };
  });
}
