// What a hand-written loop is, and how it becomes a running module: `run` calls `tile` once per
// group of rows (so that V8's optimising tier takes over between calls), `tile` folds all columns.
//
// Enters: points and weights as plain arrays. Leaves: a RunningLoop whose `run` does nothing but
// the fold; rows and columns are packed before it, results are read after it.

import { assemble, FunctionBody } from "../../src/emit/wasm/assembler.ts";
import {
  ADDRESS,
  type Columns,
  type Float,
  LoopWriter,
  type Operand,
  type Shape,
  VECTOR,
} from "./writer.ts";

/** Columns that are added up plainly before their total is added with compensation. */
const BLOCK = 64;
const PAGE = 65536;

/** Arrays of a loop's float type. */
export type FloatArray = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** What a loop folds: rows x (M, dim), columns y (N, dim) with weights (N, E), and a scale. */
export interface LoopInputs {
  readonly x: FloatArray;
  readonly y: FloatArray;
  readonly weights: FloatArray;
  readonly scale: number;
}

/** The code of a loop for one group of rows. */
export interface LoopCode {
  /** Before the first column. */
  readonly begin: () => void;
  /** The inner loop's body: all columns of one turn. */
  readonly turn: () => void;
  /** After every block of 64 columns. */
  readonly close?: () => void;
  /** What each row leaves: floats, then indices. */
  readonly results: readonly Operand[];
  readonly indices?: readonly Operand[];
}

/** A hand-written loop. */
export interface HandwrittenLoop {
  /** The row of the benchmarks that it belongs to. */
  readonly name: string;
  readonly float: Float;
  readonly shape: Shape;
  readonly packed: Columns;
  /** Parameters at fixed addresses, from the scale. */
  readonly parameters?: (scale: number) => readonly number[];
  readonly code: (w: LoopWriter) => LoopCode;
  /** The comparable numbers of one row from its results (default: these). */
  readonly finish?: (results: readonly number[], scale: number) => readonly number[];
}

/** A loop over data that stand in its memory. */
export interface RunningLoop {
  /** Folds everything once. */
  readonly run: () => void;
  /** Row-major results of the last run. */
  readonly results: () => Float64Array;
}

/** A loop as functions, before the size of its memory is known. */
interface Written {
  readonly functions: readonly FunctionBody[];
  readonly constants: readonly number[];
  readonly floatCount: number;
  readonly resultCount: number;
}

function write(loop: HandwrittenLoop): Written {
  const { float, shape, packed } = loop;
  const tile = new FunctionBody("tile", ["i32", "i32", "i32", "i32"]);
  const [rows, record, recordEnd, out] = [0, 1, 2, 3];
  const w = new LoopWriter(tile, float, shape, packed, record);
  const code = loop.code(w);

  w.takeRows(rows);
  code.begin();
  const columnsUpTo = (end: number): void => {
    tile.op("loop");
    code.turn();
    tile.get(record).i32(shape.columns * w.columnBytes).op("i32.add").op("local.tee", record);
    tile.get(end).op("i32.lt_u").op("br_if", 0).op("end");
  };
  if (code.close === undefined) columnsUpTo(recordEnd);
  else {
    const end = tile.local("i32");
    tile.op("loop");
    tile.get(record).i32(BLOCK * w.columnBytes).op("i32.add").op("local.tee", end);
    tile.get(recordEnd).get(end).get(recordEnd).op("i32.lt_u").op("select").set(end);
    columnsUpTo(end);
    code.close();
    tile.get(record).get(recordEnd).op("i32.lt_u").op("br_if", 0).op("end");
  }
  const results = [...code.results, ...(code.indices ?? [])];
  results.forEach((result, k) => {
    for (let row = 0; row < shape.rows; row++) {
      tile.get(out);
      w.push(result, row);
      tile.op("v128.store", (k * shape.rows + row) * VECTOR);
    }
  });

  const run = new FunctionBody("run", ["i32", "i32", "i32", "i32", "i32"]);
  const groups = 4;
  run.op("loop").get(rows).get(record).get(recordEnd).get(out).op("call", 0);
  run.get(rows).i32(packed.dim * shape.rows * VECTOR).op("i32.add").set(rows);
  run.get(out).i32(results.length * shape.rows * VECTOR).op("i32.add").set(out);
  run.get(groups).i32(1).op("i32.sub").op("local.tee", groups).op("br_if", 0).op("end");
  return {
    functions: [tile, run],
    constants: w.constants,
    floatCount: code.results.length,
    resultCount: results.length,
  };
}

/** Compiles a loop and packs its data. */
export function prepare(loop: HandwrittenLoop, inputs: LoopInputs): RunningLoop {
  const { float, shape, packed } = loop;
  const { functions, constants, floatCount, resultCount } = write(loop);
  const size = float === "f32" ? 4 : 8;
  const lanes = VECTOR / size;
  const groupRows = lanes * shape.rows;
  const rowCount = inputs.x.length / packed.dim;
  const columnCount = inputs.y.length / packed.dim;
  const groups = Math.ceil(rowCount / groupRows);
  if (columnCount % shape.columns !== 0) {
    throw new TypeError(`${loop.name}: ${columnCount} columns are not whole turns`);
  }

  const recordLength = packed.dim + packed.weights;
  const rowsAt = ADDRESS.data;
  const columnsAt = rowsAt + groups * groupRows * packed.dim * size;
  const columnsEnd = columnsAt + columnCount * recordLength * size;
  // a loop may look one turn ahead, beyond the last column
  const outAt = Math.ceil((columnsEnd + shape.columns * recordLength * size) / VECTOR) * VECTOR;
  const pages = Math.ceil((outAt + groups * groupRows * resultCount * size) / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const numbers = float === "f32"
    ? new Float32Array(memory.buffer)
    : new Float64Array(memory.buffer);
  const fill = (address: number, values: readonly number[]): void =>
    values.forEach((value, k) => {
      const start = (address + k * VECTOR) / size;
      numbers.fill(value, start, start + lanes);
    });
  fill(ADDRESS.constants, constants);
  fill(ADDRESS.parameters, loop.parameters?.(inputs.scale) ?? []);
  packRows(numbers.subarray(rowsAt / size), inputs.x, packed.dim, groupRows, groups);
  packColumns(numbers.subarray(columnsAt / size), inputs, packed, columnCount);

  const bytes = assemble(functions, { shared: false, minimum: pages, maximum: pages });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    pairfold: { memory },
  });
  const fold = exports.run as (...parameters: number[]) => void;
  const integers = new Int32Array(memory.buffer);
  const resultsOf = (row: number): number[] =>
    Array.from({ length: resultCount }, (_, k) => {
      const vector = (Math.floor(row / groupRows) * resultCount + k) * groupRows;
      const at = outAt / size + vector + row % groupRows;
      return k < floatCount ? numbers[at] : integers[at * size / 4]; // the low half in float64
    });
  return {
    run: () => fold(rowsAt, columnsAt, columnsEnd, outAt, groups),
    results: () => {
      const all: number[] = [];
      for (let row = 0; row < rowCount; row++) {
        const found = resultsOf(row);
        all.push(...(loop.finish?.(found, inputs.scale) ?? found));
      }
      return Float64Array.from(all);
    },
  };
}

/** What a memory's views are. */
type Numbers = Float32Array | Float64Array;

/** Rows by group, coordinate and row; copies of the last row fill the last group. */
function packRows(
  to: Numbers,
  x: Numbers,
  dim: number,
  groupRows: number,
  groups: number,
): void {
  const last = x.length / dim - 1;
  for (let i = 0; i < groups * groupRows; i++) {
    const group = Math.floor(i / groupRows);
    for (let axis = 0; axis < dim; axis++) {
      to[(group * dim + axis) * groupRows + i % groupRows] = x[Math.min(i, last) * dim + axis];
    }
  }
}

/** One record per column: coordinates, weights. */
function packColumns(
  to: Numbers,
  { y, weights }: LoopInputs,
  packed: Columns,
  count: number,
): void {
  const { dim, weights: width } = packed;
  for (let j = 0; j < count; j++) {
    const at = j * (dim + width);
    for (let axis = 0; axis < dim; axis++) to[at + axis] = y[j * dim + axis];
    for (let e = 0; e < width; e++) to[at + dim + e] = weights[j * width + e];
  }
}
