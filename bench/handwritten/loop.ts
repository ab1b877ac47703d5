// What a hand-written loop is, and how it becomes a running module: `run` calls `tile` once per
// group of rows (so that V8's optimising tier takes over between calls), `tile` folds all columns.
//
// Enters: points and weights as plain arrays. Leaves: a RunningLoop whose `run` does nothing but
// the fold; rows and columns are packed before it, results are read after it.

import { assemble, FunctionBody } from "../../src/emit/wasm/assembler.ts";
import { ADDRESS, type Float, LoopWriter, type Operand, type Shape, VECTOR } from "./writer.ts";

/** Columns that are added up plainly before their total is added with compensation. */
const BLOCK = 64;
const PAGE = 65536;

/** Arrays of a loop's float type. */
export type FloatArray = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** What a loop folds: rows x (M, 3), columns y (N, 3) with weights (N), and a scale. */
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
  /** Numbers of a packed column: three coordinates, or these and the weight. */
  readonly recordLength: 3 | 4;
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

interface Assembled {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly constants: readonly number[];
  readonly floatCount: number;
  readonly resultCount: number;
}

function assembleLoop(loop: HandwrittenLoop, pages: number): Assembled {
  const { float, shape, recordLength } = loop;
  const rowVectors = shape.rows;
  const tile = new FunctionBody("tile", ["i32", "i32", "i32", "i32"]);
  const [rows, record, recordEnd, out] = [0, 1, 2, 3];
  const w = new LoopWriter(tile, float, shape, record, recordLength);
  const code = loop.code(w);

  w.takeRows(rows);
  code.begin();
  const columnsUpTo = (end: number): void => {
    tile.op("loop");
    code.turn();
    tile.get(record).i32(w.turnBytes).op("i32.add").op("local.tee", record);
    tile.get(end).op("i32.lt_u").op("br_if", 0).op("end");
  };
  if (code.close === undefined) columnsUpTo(recordEnd);
  else {
    const end = tile.local("i32");
    tile.op("loop");
    tile.get(record).i32(BLOCK / shape.columns * w.turnBytes).op("i32.add").op("local.tee", end)
      .get(recordEnd);
    tile.get(end).get(recordEnd).op("i32.lt_u").op("select").set(end);
    columnsUpTo(end);
    code.close();
    tile.get(record).get(recordEnd).op("i32.lt_u").op("br_if", 0).op("end");
  }
  const results = [...code.results, ...(code.indices ?? [])];
  results.forEach((result, k) => {
    for (let row = 0; row < rowVectors; row++) {
      tile.get(out);
      w.push(result, row);
      tile.op("v128.store", (k * rowVectors + row) * VECTOR);
    }
  });

  const run = new FunctionBody("run", ["i32", "i32", "i32", "i32", "i32"]);
  const groups = 4;
  run.op("loop").get(rows).get(record).get(recordEnd).get(out).op("call", 0);
  run.get(rows).i32(3 * rowVectors * VECTOR).op("i32.add").set(rows);
  run.get(out).i32(results.length * rowVectors * VECTOR).op("i32.add").set(out);
  run.get(groups).i32(1).op("i32.sub").op("local.tee", groups).op("br_if", 0).op("end");
  return {
    bytes: assemble([tile, run], { shared: false, minimum: pages, maximum: pages }),
    constants: w.constants,
    floatCount: code.results.length,
    resultCount: results.length,
  };
}

/** Compiles a loop and packs its data. */
export function prepare(loop: HandwrittenLoop, inputs: LoopInputs): RunningLoop {
  const { float, shape, recordLength } = loop;
  const rowVectors = shape.rows;
  const { x, y, weights, scale } = inputs;
  const size = float === "f32" ? 4 : 8;
  const lanes = VECTOR / size;
  const groupRows = lanes * rowVectors;
  const rowCount = x.length / 3;
  const columnCount = weights.length;
  const groups = Math.ceil(rowCount / groupRows);
  if (columnCount % shape.columns !== 0) {
    throw new TypeError(`${loop.name}: ${columnCount} columns are not whole turns`);
  }

  const rowsAt = ADDRESS.data;
  const columnsAt = rowsAt + groups * 3 * rowVectors * VECTOR;
  const columnsEnd = columnsAt + columnCount * recordLength * size;
  // a loop may look one turn ahead, beyond the last column
  const outAt = Math.ceil((columnsEnd + 256) / VECTOR) * VECTOR;
  const outBytes = (resultCount: number): number => groups * resultCount * rowVectors * VECTOR;
  // the number of results is known once the code is written: room for lists of ten and ten
  const pages = Math.ceil((outAt + outBytes(20)) / PAGE);
  const { bytes, constants, floatCount, resultCount } = assembleLoop(loop, pages);
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
  fill(ADDRESS.parameters, loop.parameters?.(scale) ?? []);

  for (let i = 0; i < groups * groupRows; i++) {
    const row = Math.min(i, rowCount - 1);
    const group = Math.floor(i / groupRows);
    for (let axis = 0; axis < 3; axis++) {
      const at = (group * 3 + axis) * groupRows + i % groupRows;
      numbers[rowsAt / size + at] = x[3 * row + axis];
    }
  }
  for (let j = 0; j < columnCount; j++) {
    const at = columnsAt / size + j * recordLength;
    for (let axis = 0; axis < 3; axis++) numbers[at + axis] = y[3 * j + axis];
    if (recordLength === 4) numbers[at + 3] = weights[j];
  }

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
        all.push(...(loop.finish?.(found, scale) ?? found));
      }
      return Float64Array.from(all);
    },
  };
}
