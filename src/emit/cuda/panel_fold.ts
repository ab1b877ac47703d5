// The kernel that folds wide sums as products of panels: how a block of threads goes over its
// columns, and how the state of its rows, part of which other threads hold, comes and goes.

import { type Region, region, type Statement, visit } from "../../loop/mod.ts";
import { type Panel, panelContraction, panelOf } from "../../tiling/mod.ts";
import { PairfoldError } from "../../error.ts";
import { patchSurroundings } from "./fold.ts";
import { layoutOf, SEGMENT, SEGMENT_FLAGS, statePlaces } from "./layout.ts";
import { PanelCode } from "./panel.ts";
import { PanelWriter } from "./panel_writer.ts";
import { PatchLoops } from "./patch.ts";
import { literal } from "./spelling.ts";
import { numbersOf, type Surroundings } from "./surroundings.ts";
import { ENTRIES, FIND_SEGMENT, type SourceWriter } from "./writer.ts";

/**
 * Threads of a multiprocessor that panels leave registers for, and beside the sums of patches, or
 * with sums of doubles, which are two registers each.
 */
const RESIDENT_THREADS = 384;
const RESIDENT_FEW = 256;

/** Every thread walks the columns of a row, and adds to the sums of some rows and components. */
export function writePanelFold(source: SourceWriter): void {
  const { kernel, lines, schedule } = source;
  const { threads, panel: wide = 0, chunk } = schedule;
  const panel = panelOf(kernel);
  if (panel === null) throw new PairfoldError("internal", "no panels, and a schedule has them");
  const contraction = chunk === 0 ? null : panelContraction(kernel);
  const loops = contraction === null ? null : new PatchLoops(source, contraction);
  const { slices, staged } = source.record;
  const around: Surroundings = {
    ...source.rowSurroundings("(j + c)"),
    ...(contraction === null ? { held: undefined } : patchSurroundings(source, contraction)),
  };
  const w = new PanelWriter(source, around, panel);
  const whole = contraction === null
    ? kernel.careful?.pair ?? kernel.pair
    : contraction.careful ?? contraction.pair;
  const narrow = panel.narrow(whole);
  const code = new PanelCode(source, panel, w, narrow);
  const isRoomy = loops === null && kernel.float === "f32";
  const resident = isRoomy ? RESIDENT_THREADS : RESIDENT_FEW;
  const { one, vector, width } = w.numbers;
  writeMove(source, w, panel);
  source.function(
    ENTRIES.fold,
    `${threads}, ${resident / threads}`,
    source.foldParameters(),
    () => {
      if (loops !== null) {
        loops.declare();
        lines.add(`${one}* const values = (${one}*)(rowChunks + warpRows);`);
      } else {
        lines.add(
          "const int lane = threadIdx.x % 32;",
          `__shared__ ${vector} handed[${threads * code.stride / width}];`,
          `__shared__ ${vector} tile[${2 * wide * staged / width}];`,
          `${one}* const values = (${one}*)handed + (threadIdx.x - lane) * ${code.stride};`,
        );
      }
      lines.add("const int warpRow = threadIdx.x - lane;");
      lines.add(...FIND_SEGMENT);
      const unit = `(unit - (unsigned)segment[${SEGMENT.firstUnit}])`;
      const { blockRows } = layoutOf(kernel, schedule);
      const rowOfUnit = `${slices > 1 ? `(${unit} / ${slices})` : unit} * (long long)${blockRows}`;
      lines.add(
        `const long long last = segment[${SEGMENT.i1}] - 1;`,
        slices > 1 ? `const int slice = (int)(${unit} % ${slices});` : "const int slice = 0;",
        `const long long firstRow = segment[${SEGMENT.i0}] + ${rowOfUnit};`,
        "// rows beyond the last repeat it; they are not written",
        "const long long i0 = min(firstRow + threadIdx.x, last);",
        `const long long count = segment[${SEGMENT.count}];`,
        `const ${one}* uniforms = parameters + segment[${SEGMENT.uniforms}];`,
      );
      source.pointers("row");
      const cells = kernel.state.filter((item) => item.kind === "cell");
      w.declare([kernel.row, panel.init.cells, narrow, panel.close.cells], 1, cells);
      w.declareArrays();
      w.region(kernel.row);
      lines.block(`if (segment[${SEGMENT.flags}] & ${SEGMENT_FLAGS.resume})`, () => {
        moveState("load", source, w, panel);
      });
      lines.block("else", () => {
        w.region(panel.init.cells);
        w.region(panel.init.arrays);
      });
      w.overSums(
        true,
        (index) =>
          lines.add(`${w.place(panel.sums)}[${index}] = ${literal(kernel.float, panel.initial)};`),
      );
      const close = (): void => {
        w.region(panel.close.cells);
        w.closing(panel.close.arrays);
      };
      if (loops !== null) {
        loops.write({
          columns: () => code.columns(),
          close,
          stage: () => stageTile(source),
        });
      } else overPanels(source, () => code.columns(), close);
      lines.block(`if (segment[${SEGMENT.flags}] & ${SEGMENT_FLAGS.save})`, () => {
        moveState("save", source, w, panel);
        lines.add("return;");
      });
      finish(source, w, code.stride);
    },
  );
}

/** The loop over panels where every pair computes its own value. */
function overPanels(source: SourceWriter, columns: () => void, close: () => void): void {
  const { lines, kernel: { block, float }, record: { stride, staged } } = source;
  const { one, width } = numbersOf(float);
  const panel = source.schedule.panel ?? 0;
  const begin = `segment[${SEGMENT.j0}]`;
  lines.add(
    `const long long j1 = segment[${SEGMENT.j1}];`,
    `const ${one}* packed = (const ${one}*)records + ` +
      `(segment[${SEGMENT.columns}] - ${begin}) * ${stride};`,
    "int side = 0;",
  );
  // where the thread's parts of a panel's columns stand stays the same
  const { threads } = source.schedule;
  const parts = panel * staged / width;
  const turns = Array.from({ length: Math.ceil(parts / threads) }, (_, n) => n);
  for (const n of turns) {
    lines.add(`int at${n} = 0x7fffffff;`);
    const t = `(threadIdx.x + ${n * threads})`;
    const isAll = (n + 1) * threads <= parts;
    const begins = `(int)${t} / ${staged / width} * ${stride}`;
    const set = `at${n} = ${begins} + ${partOf(source, `(int)${t}`)};`;
    lines.add(isAll ? set : `if (${t} < ${parts}) ${set}`);
  }
  const stagePanel = (j: string, side: string): void => {
    lines.add(
      `const int end = (int)min(j1 - ${j}, ${panel}ll) * ${stride};`,
      `const ${one}* from = packed + ${j} * ${stride};`,
    );
    for (const n of turns) {
      const target = `&tile[${side} * ${parts} + threadIdx.x + ${n * threads}]`;
      lines.add(`if (at${n} < end) pf_cp_async<16>(${target}, from + at${n});`);
    }
  };
  lines.block(`if (${begin} < j1)`, () => stagePanel(begin, "side"));
  lines.add("pf_cp_async_commit();", "#pragma unroll 1");
  lines.block(`for (long long j = ${begin}; j < j1; j += ${panel})`, () => {
    lines.add("pf_cp_async_wait<0>();", "__syncthreads();");
    lines.block(`if (j + ${panel} < j1)`, () => stagePanel(`(j + ${panel})`, "(side ^ 1)"));
    lines.add(
      "pf_cp_async_commit();",
      `const int turns = (int)min(j1 - j, ${panel}ll);`,
      "const int c0 = 0;",
      `const ${one}* chunk = (const ${one}*)tile + side * ${panel * staged};`,
    );
    columns();
    lines.block(`if ((j + ${panel} - ${begin}) % ${block} == 0 || j + ${panel} >= j1)`, close);
    lines.add("side ^= 1;");
  });
}

/**
 * Where part t of staged columns stands in its packed column: the slice's components, then the
 * rest.
 */
function partOf({ record, kernel }: SourceWriter, t: string): string {
  const { staged, slice, slices, vector } = record;
  const { width } = numbersOf(kernel.float);
  const pieces = staged / width;
  const own = `${vector} + slice * ${slice}`;
  const other = vector + (slices - 1) * slice;
  const first = staged === slice
    ? own
    : `(${t} % ${pieces} < ${slice / width} ? ${own} : ${other})`;
  return `${first} + ${t} % ${pieces} * ${width}`;
}

/** Copies what a tile's columns have besides the vectors of patches to shared memory. */
function stageTile(source: SourceWriter): void {
  const { lines, record: { stride, staged }, schedule: { threads, tile }, kernel } = source;
  const { one, width } = numbersOf(kernel.float);
  const pieces = staged / width;
  lines.add(
    `const int left = (int)min(j1 - j, ${tile}ll) - 1;`,
    `const ${one}* from = packed + j * ${stride};`,
    "#pragma unroll 1",
  );
  lines.block(`for (int t = threadIdx.x; t < ${tile * pieces}; t += ${threads})`, () => {
    const at = `min(t / ${pieces}, left) * ${stride} + ${partOf(source, "t")}`;
    lines.add(`pf_cp_async<16>(&tile[t], from + ${at});`);
  });
}

/** A function of its own, for that is rare: one array of state between local and device memory. */
const MOVE = "move_sums";

/** Writes it: sums in registers, which own no memory, are what they are between blocks. */
function writeMove({ lines }: SourceWriter, w: PanelWriter, { counters, initial }: Panel): void {
  const [counter] = counters;
  const { one, float } = w.numbers;
  const parameters = [
    `${one}* own`,
    `${one}* kept`,
    "long long stateRows",
    "long long firstRow",
    "long long last",
    "int slice",
    "bool isLoad",
  ];
  lines.block(`__device__ __noinline__ void ${MOVE}(${parameters.join(", ")})`, () => {
    lines.add("const int lane = threadIdx.x % 32;", "const int warpRow = threadIdx.x - lane;");
    w.overSums(false, (index) => {
      lines.add(
        `const int k = ${w.componentOf("q")};`,
        `const long long at = firstRow + ${w.rowOf("r")};`,
        `${one}* memory = kept + k * stateRows + min(at, last);`,
        `if (isLoad) own[${index}] = k < ${counter.count} ? *memory : ${literal(float, 0)};`,
        `else if (at <= last && k < ${counter.count})`,
        `  *memory = own == nullptr ? ${literal(float, initial)} : own[${index}];`,
      );
    });
  });
  lines.add("");
}

/** Moves state between variables and device memory: of its row, and of its rows and components. */
function moveState(
  direction: "load" | "save",
  { lines, kernel }: SourceWriter,
  w: PanelWriter,
  panel: Panel,
): void {
  const isLoad = direction === "load";
  const places = statePlaces(kernel, kernel.state);
  const kept = (before: number): string =>
    `(${w.numbers.one}*)(state + ${before}ll * stateRows) + ` +
    `(segment[${SEGMENT.state}] - segment[${SEGMENT.i0}])`;
  lines.block(isLoad ? "" : "if (slice == 0 && firstRow + threadIdx.x <= last)", () => {
    for (const { item, before } of places) {
      if (item.kind !== "cell") continue;
      const [own, memory] = [w.place(item.cell), `(${kept(before)})[i0]`];
      lines.add(isLoad ? `${own} = ${memory};` : `${memory} = ${own};`);
    }
  });
  for (const { item, before } of places) {
    if (item.kind !== "array") continue;
    const isSums = item.array === panel.sums;
    if (isSums && isLoad) continue;
    const own = isSums ? "nullptr" : w.place(item.array);
    lines.add(
      `${MOVE}(${own}, ${kept(before)}, stateRows, firstRow, last, slice, ${isLoad});`,
    );
  }
}

/**
 * Finishes the rows of a thread; the cells of their states come from the threads that walked them.
 */
function finish(source: SourceWriter, w: PanelWriter, stride: number): void {
  const { lines, kernel } = source;
  const cells = kernel.state.flatMap((item) => item.kind === "cell" ? [item.cell] : []);
  const read = cells.filter((cell) =>
    reads(kernel.finish, (s) => s.kind === "let" && s.value.kind === "get" && s.value.cell === cell)
  );
  if (read.length > 0) {
    lines.add("__syncwarp();");
    read.forEach((cell, n) => lines.add(`values[lane * ${stride} + ${n}] = ${w.place(cell)};`));
    lines.add("__syncwarp();");
  }
  const needsRow = reads(
    kernel.finish,
    (s) =>
      s.kind === "let" && s.value.kind === "load" && s.value.memory.kind === "record" &&
      s.value.memory.section === "row",
  );
  w.overRows(false, () => {
    lines.add(`const long long i0 = firstRow + ${w.rowOf("r")};`, "if (i0 > last) continue;");
    read.forEach((cell, n) =>
      w.define(cell, `values[(${w.rowOf("r")} - warpRow) * ${stride} + ${n}]`)
    );
    const own = region("root");
    w.declare([needsRow ? kernel.row : own, kernel.finish], needsRow ? 1 : 0);
    if (needsRow) w.region(kernel.row);
    w.region(kernel.finish);
  });
}

function reads(of: Region, wanted: (s: Statement) => boolean): boolean {
  let found = false;
  visit(of, (s) => found ||= wanted(s));
  return found;
}
