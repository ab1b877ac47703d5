// The kernel that joins the states of column splits and finishes rows.

import { replicate, RowCopies } from "../../loop/mod.ts";
import { CodeWriter } from "./code.ts";
import { SEGMENT } from "./layout.ts";
import { ENTRIES, FIND_SEGMENT, LINE_THREADS, type SourceWriter } from "./writer.ts";

/**
 * Elements of arrays up to which they are registers: few rows are joined, and few states of each,
 * so that what counts is how long it takes to compile (arrays of 40 unrolled: 1.3 s, as loops 0.2).
 */
const LONGEST = 8;

/** One thread per row: the states of its splits, in order, to outputs. */
export function writeCombine(source: SourceWriter): void {
  const kernel = source.kernel;
  const lines = source.lines;
  const copies = new RowCopies(1, [...kernel.state, ...kernel.incoming]);
  const [row, combine, finish] = [kernel.row, kernel.combine, kernel.finish]
    .map((region) => replicate(region, copies));
  const parameters = [
    "const long long* __restrict__ segments",
    "int length",
    "unsigned base",
    `const ${source.float}* __restrict__ parameters`,
    ...source.inputParameters("row"),
    ...source.outputParameters(),
    "char* __restrict__ state",
    "long long stateRows",
  ];
  source.function(ENTRIES.combine, LINE_THREADS, parameters, () => {
    lines.add(...FIND_SEGMENT);
    const rowOfUnit = `(unit - segment[${SEGMENT.firstUnit}]) * ${LINE_THREADS}`;
    lines.add(`const long long i0 = segment[${SEGMENT.i0}] + ${rowOfUnit} + threadIdx.x;`);
    lines.add(`if (i0 >= segment[${SEGMENT.i1}]) return;`);
    lines.add(`const long long count = segment[${SEGMENT.count}];`);
    lines.add(
      `const ${source.float}* uniforms = parameters + segment[${SEGMENT.uniforms}];`,
    );
    source.pointers("row");
    const w = new CodeWriter(lines, kernel, source.rowSurroundings("0"), { longest: LONGEST });
    const state = source.stateOfRows(kernel.state, copies, 1);
    const incoming = source.stateOfRows(kernel.incoming, copies, 1);
    w.declare([row, combine, finish], 1, [...state[0], ...incoming[0]]);
    w.region(row);
    source.moveState("load", w, state, `segment[${SEGMENT.state}]`, SEGMENT.i0);
    lines.block(`for (long long s = 1; s < segment[${SEGMENT.splits}]; ++s)`, () => {
      const from = `segment[${SEGMENT.state}] + s * segment[${SEGMENT.stride}]`;
      source.moveState("load", w, incoming, from, SEGMENT.i0);
      w.region(combine);
    });
    w.region(finish);
  });
}
