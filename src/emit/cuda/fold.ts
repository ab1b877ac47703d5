// The kernel that folds: rows of a thread, tiles of columns in shared memory, blocks of the sum.

import { type Region, replicate, RowCopies } from "../../loop/mod.ts";
import { unrolledStatements } from "../../tiling/mod.ts";
import { CodeWriter, vectorOf } from "./code.ts";
import { layoutOf, SEGMENT, SEGMENT_FLAGS } from "./layout.ts";
import { ENTRIES, FIND_SEGMENT, type SourceWriter } from "./writer.ts";

/** Statements of an inner loop, all rows together, beyond which the tail has no copy of its own. */
const TAIL_BUDGET = 400;

/** Every thread takes some rows and walks the columns. */
export function writeFold(source: SourceWriter): void {
  const { rows, threads, tile } = source.schedule;
  const kernel = source.kernel;
  const lines = source.lines;
  const { type, width } = vectorOf(kernel);
  const { recordStride: stride, blockRows } = layoutOf(kernel, rows * threads);
  const copies = new RowCopies(rows, [...kernel.state, ...kernel.incoming]);
  const copy = (region: Region): Region => replicate(region, copies);
  const regions = {
    row: copy(kernel.row),
    init: copy(kernel.init),
    pair: copy(kernel.pair),
    test: kernel.careful === null ? null : copy(kernel.careful.test),
    careful: kernel.careful === null ? null : copy(kernel.careful.pair),
    close: kernel.close === null ? null : copy(kernel.close),
    finish: copy(kernel.finish),
  };
  const all = Object.values(regions).filter((r): r is Region => r !== null);
  const isTiled = tile > 0 && stride > 0;
  const parameters = [
    "const long long* __restrict__ segments",
    "int length",
    "unsigned base",
    `const ${source.float}* __restrict__ parameters`,
    `const ${type}* __restrict__ records`,
    ...source.inputParameters("row"),
    ...source.outputParameters(),
    "char* __restrict__ state",
    "long long stateRows",
  ];
  source.function(ENTRIES.fold, threads, parameters, () => {
    const w = new CodeWriter(lines, kernel, source.rowSurroundings("(j + c)"));
    if (isTiled) lines.add(`__shared__ ${type} tile[${tile * (stride / width)}];`);
    lines.add(...FIND_SEGMENT);
    lines.add(`const long long last = segment[${SEGMENT.i1}] - 1;`);
    const rowOfUnit = `(unit - segment[${SEGMENT.firstUnit}]) * ${blockRows}`;
    lines.add(`const long long first = segment[${SEGMENT.i0}] + ${rowOfUnit} + threadIdx.x;`);
    lines.add("// rows beyond the last repeat it; they are not written");
    for (let row = 0; row < rows; row++) {
      lines.add(`const long long i${row} = min(${source.rowOf(row)}, last);`);
    }
    lines.add(`const long long count = segment[${SEGMENT.count}];`);
    lines.add(
      `const ${source.float}* uniforms = parameters + segment[${SEGMENT.uniforms}];`,
    );
    source.pointers("row");
    w.declare(all, rows);
    w.region(regions.row);
    const items = source.stateOfRows(kernel.state, copies, rows);
    lines.block(`if (segment[${SEGMENT.flags}] & ${SEGMENT_FLAGS.resume})`, () => {
      source.moveState("load", w, items, `segment[${SEGMENT.state}]`, SEGMENT.i0);
    });
    lines.block("else", () => w.region(regions.init));
    let special: string | null = null;
    if (kernel.careful !== null && regions.test !== null) {
      const cell = kernel.careful.special;
      w.region(regions.test);
      const names = Array.from({ length: rows }, (_, row) => w.place(copies.of(cell, row)));
      lines.add(`const bool special = ${names.join(" || ")};`);
      special = "special";
    }
    const pairs = (turns: string, isWhole: boolean): void => {
      const columns = (pair: Region): void => columnLoop(source, w, pair, turns, isWhole);
      const { careful } = regions;
      if (special === null || careful === null) return columns(regions.pair);
      lines.block(`if (${special})`, () => columns(careful));
      lines.block("else", () => columns(regions.pair));
    };
    const close = (): void => {
      if (regions.close !== null) w.region(regions.close);
    };
    overColumns(source, isTiled, pairs, close);
    lines.block(`if (segment[${SEGMENT.flags}] & ${SEGMENT_FLAGS.save})`, () => {
      source.moveState("save", w, items, `segment[${SEGMENT.state}]`, SEGMENT.i0);
      lines.add("return;");
    });
    // one row after another, for only those that are there may be written
    finish(source, w, copies, rows);
  });
}

/** Finishes the rows of a thread that are no repetitions. */
function finish(source: SourceWriter, w: CodeWriter, copies: RowCopies, rows: number): void {
  for (let row = 0; row < rows; row++) {
    const finish = replicate(source.kernel.finish, copies, { rows: [row] });
    source.lines.block(`if (${source.rowOf(row)} <= last)`, () => w.region(finish));
  }
}

/** The loops over tiles and blocks of columns around the inner loop. */
function overColumns(
  source: SourceWriter,
  isTiled: boolean,
  pairs: (turns: string, isWhole: boolean) => void,
  close: () => void,
): void {
  const { tile, threads } = source.schedule;
  const { block, records } = source.kernel;
  const lines = source.lines;
  const { width } = vectorOf(source.kernel);
  const vectors = layoutOf(source.kernel, 1).recordStride / Math.max(1, width);
  const hasRecord = records.column.length > 0;
  lines.add(
    `const long long j1 = segment[${SEGMENT.j1}];`,
    ...(hasRecord
      ? [
        `const ${vectorOf(source.kernel).type}* packed = records + ` +
        `(segment[${SEGMENT.columns}] - segment[${SEGMENT.j0}]) * ${vectors};`,
      ]
      : []),
  );
  // a stage is what is staged at a time: whole blocks of columns, or a whole part of one
  const stage = isTiled ? tile : block;
  const inStage = Math.min(block, stage);
  lines.block(
    `for (long long j = segment[${SEGMENT.j0}]; j < j1; j += ${stage})`,
    () => {
      lines.add(`const int here = (int)min(j1 - j, ${stage}ll);`);
      if (isTiled) {
        lines.add("__syncthreads();");
        lines.block(
          `for (int t = threadIdx.x; t < here * ${vectors}; t += ${threads})`,
          () => lines.add(`tile[t] = packed[j * ${vectors} + t];`),
        );
        lines.add("__syncthreads();");
      }
      const stood = isTiled ? "tile" : hasRecord ? `packed + j * ${vectors}` : null;
      if (stood !== null) {
        lines.add(`const ${source.float}* chunk = (const ${source.float}*)(${stood});`);
      }
      const isSmall = unrolledStatements(source.kernel.pair) * source.schedule.rows <= TAIL_BUDGET;
      lines.block(`for (int c0 = 0; c0 < here; c0 += ${inStage})`, () => {
        lines.add(`const int turns = min(here - c0, ${inStage});`);
        if (isSmall) {
          lines.block(`if (turns == ${inStage})`, () => pairs(`${inStage}`, true));
          lines.block("else", () => pairs("turns", false));
        } else {
          pairs("turns", true);
        }
        if (stage >= block) close();
      });
      if (stage < block) {
        const begin = `segment[${SEGMENT.j0}]`;
        lines.block(
          `if ((j + here - ${begin}) % ${block} == 0 || j + here == j1)`,
          close,
        );
      }
    },
  );
}

/** The inner loop over some columns of a chunk. */
function columnLoop(
  source: SourceWriter,
  w: CodeWriter,
  pair: Region,
  turns: string,
  isWhole: boolean,
): void {
  const lines = source.lines;
  const stride = layoutOf(source.kernel, 1).recordStride;
  lines.add(`#pragma unroll ${isWhole ? source.schedule.unroll : 1}`);
  lines.block(`for (int k = 0; k < ${turns}; ++k)`, () => {
    lines.add("const int c = c0 + k;");
    if (stride > 0) lines.add(`const ${source.float}* column = chunk + c * ${stride};`);
    w.loadColumn(pair);
    w.region(pair);
    w.leaveColumn();
  });
}
