// The loops over columns of the kernel that folds: tiles and blocks, turns of several columns, and
// the columns that are left over.

import type { Region } from "../../loop/mod.ts";
import { unrolledStatements } from "../../tiling/mod.ts";
import type { CodeWriter, Rare } from "./code.ts";
import { layoutOf, SEGMENT } from "./layout.ts";
import { vectorOf } from "./surroundings.ts";
import type { SourceWriter } from "./writer.ts";

/** Statements of an inner loop, all rows together, beyond which the tail has no copy of its own. */
const TAIL_BUDGET = 400;

/** Writes the loop over some columns; whether those are as many as there can be. */
export type Pairs = (turns: string, isWhole: boolean) => void;

/** Loops over `turns` columns: one for all of so many, and one for fewer where that has its own. */
export function eitherTurns(
  { lines }: SourceWriter,
  most: number,
  hasTail: boolean,
  pairs: Pairs,
): void {
  if (!hasTail) return pairs("turns", true);
  lines.block(`if (turns == ${most})`, () => pairs(`${most}`, true));
  lines.block("else", () => pairs("turns", false));
}

/** The loops over tiles and blocks of columns around the inner loop. */
export function overColumns(
  source: SourceWriter,
  isTiled: boolean,
  { pairs, inRegisters, close, hasTail }: {
    pairs: Pairs;
    /** Whether columns that are left over may have code of their own. */
    hasTail: boolean;
    /** Around the loops over the columns of a block. */
    inRegisters: (body: () => void) => void;
    close: () => void;
  },
): void {
  const { tile, threads } = source.schedule;
  const { block, records } = source.kernel;
  const lines = source.lines;
  const { stride, staged } = source.record;
  const { type, width } = vectorOf(source.kernel, staged);
  const layout = layoutOf(source.kernel, source.schedule);
  const vectors = stride / width;
  const hasRecord = records.column.length > 0;
  lines.add(
    `const long long j1 = segment[${SEGMENT.j1}];`,
    ...(hasRecord
      ? [
        `const ${type}* packed = records + ` +
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
          `for (int t = threadIdx.x; t < here * ${staged / width}; t += ${threads})`,
          () => stageVector(source, width),
        );
        lines.add("__syncthreads();");
      }
      const stood = isTiled ? "tile" : hasRecord ? `packed + j * ${vectors}` : null;
      if (stood !== null) {
        // of vectors, so that loops over long ones load several components at once
        const aligned = isTiled || width === 1
          ? stood
          : `__builtin_assume_aligned(${stood}, ${width * layout.size})`;
        lines.add(`const ${source.float}* chunk = (const ${source.float}*)(${aligned});`);
      }
      const statements = unrolledStatements(source.kernel.pair) * source.schedule.rows;
      const isShort = source.schedule.columns > 1 || statements <= TAIL_BUDGET;
      lines.block(`for (int c0 = 0; c0 < here; c0 += ${inStage})`, () => {
        lines.add(`const int turns = min(here - c0, ${inStage});`);
        inRegisters(() => {
          eitherTurns(source, inStage, hasTail && isShort, pairs);
        });
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

/** Stages vector t of a tile: of windows, the slice's part. */
function stageVector({ record, lines }: SourceWriter, width: number): void {
  const vectors = record.stride / width;
  if (record.windows === 0) {
    lines.add(`tile[t] = packed[j * ${vectors} + t];`);
    return;
  }
  const staged = record.staged / width;
  const part = record.slice / width;
  const whole = record.slices * part;
  lines.add(
    `const int v = t % ${staged};`,
    `const int from = v < ${record.windows * part}`,
    `  ? v / ${part} * ${whole} + slice * ${part} + v % ${part}`,
    `  : v + ${record.windows * (whole - part)};`,
    `tile[t] = packed[(j + t / ${staged}) * ${vectors} + from];`,
  );
}

/** The inner loop over some columns of a chunk, from column `from` on, `turns` or as `runs`. */
export function columnLoop(
  source: SourceWriter,
  w: CodeWriter,
  pair: Region,
  { from = "0", turns = "turns", runs = `k < ${turns}`, isWhole, columns = 1 }: {
    readonly from?: string;
    readonly turns?: string;
    readonly runs?: string;
    readonly isWhole: boolean;
    readonly columns?: number;
  },
): void {
  const lines = source.lines;
  lines.add(`#pragma unroll ${isWhole ? source.schedule.unroll : 1}`);
  const step = columns === 1 ? "++k" : `k += ${columns}`;
  lines.block(`for (int k = ${from}; ${runs}; ${step})`, () => {
    loadTurn(source, w, pair, columns);
    w.pairRegion(pair);
    w.leaveColumn();
  });
}

/**
 * The inner loop over turns of several columns, and over those that are left over. Its condition is
 * spelt as it takes fewest instructions, which differs where turns have branches (NVRTC 13).
 */
export function turnLoops(source: SourceWriter, w: CodeWriter, turn: Region, pair: Region): void {
  const { lines, schedule: { columns } } = source;
  const branches = pair.statements.some(({ kind }) => kind === "when" || kind === "append");
  const whole = `turns / ${columns} * ${columns}`;
  if (branches) lines.add(`const int whole = ${whole};`);
  const runs = branches ? "k < whole" : `k + ${columns} <= turns`;
  columnLoop(source, w, turn, { runs, isWhole: true, columns });
  const rest = { from: branches ? "whole" : whole, isWhole: false };
  w.sideBySide(1, () => columnLoop(source, w, pair, rest));
}

/**
 * The same where branches are rare: a turn that takes one meets its columns one after another, as
 * those that are left over do.
 */
export function rareLoop(source: SourceWriter, w: CodeWriter, turn: Region, rare: Rare): void {
  const { lines, schedule: { columns } } = source;
  lines.add(`const int whole = turns / ${columns} * ${columns};`);
  lines.block("for (int k = 0; k < turns;)", () => {
    lines.add("#pragma unroll 1");
    lines.block(`for (; k < whole; k += ${columns})`, () => {
      loadTurn(source, w, turn, columns);
      w.turnRegion(turn, rare);
      w.leaveColumn();
    });
    lines.add(`const int stop = min(k + ${columns}, turns);`, "#pragma unroll 1");
    lines.block("for (; k < stop; ++k)", () => {
      loadTurn(source, w, rare.body, 1);
      w.pairRegion(rare.body);
      w.leaveColumn();
    });
  });
}

/** The branch of a turn whose columns are met one after another; null where there is none. */
export function rareOf(turn: Region | null): Rare | null {
  const last = turn?.statements.at(-1);
  return last?.kind === "when" && last.columns !== undefined ? last : null;
}

/** Loads what a turn of so many columns reads of them. */
function loadTurn(source: SourceWriter, w: CodeWriter, pair: Region, columns: number): void {
  const { lines, record: { staged } } = source;
  lines.add("const int c = c0 + k;");
  if (staged > 0) lines.add(`const ${source.float}* column = chunk + c * ${staged};`);
  if (source.schedule.chunk > 0) holdValues(source, columns);
  // columns of a turn of patches are a multiple of 16 bytes
  w.loadColumn(pair, source.schedule.chunk > 0 ? columns : 1);
}

/** Loads what patches gave for a turn's columns. */
function holdValues({ lines }: SourceWriter, columns: number): void {
  if (columns === 1) {
    lines.add("const float held[1] = { own[k] };");
    return;
  }
  lines.add(
    "const float4 handedOver = *(const float4*)(own + k);",
    "const float held[4] = { handedOver.x, handedOver.y, handedOver.z, handedOver.w };",
  );
}
