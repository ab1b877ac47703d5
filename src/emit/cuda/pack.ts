// The kernel that packs columns into records.

import { PARTLY_UNROLLED, patchOf, REGISTER_ARRAY } from "../../tiling/mod.ts";
import { CodeWriter } from "./code.ts";
import { vectorOf } from "./surroundings.ts";
import { SEGMENT } from "./layout.ts";
import { ENTRIES, FIND_SEGMENT, LINE_THREADS, type SourceWriter } from "./writer.ts";

/** One thread per column: inputs to a record. */
export function writePack(source: SourceWriter): void {
  const { inputs, records } = source.kernel;
  const { record } = source;
  const { stride } = record;
  const { type, width } = vectorOf(source.kernel, stride);
  const lines = source.lines;
  const parameters = [
    "const long long* __restrict__ segments",
    "int length",
    "unsigned base",
    `const ${source.float}* __restrict__ parameters`,
    `${type}* __restrict__ records`,
    ...source.inputParameters("column"),
  ];
  source.function(ENTRIES.pack, LINE_THREADS, parameters, () => {
    lines.add(...FIND_SEGMENT);
    const first = `(unit - segment[${SEGMENT.firstUnit}]) * ${LINE_THREADS}`;
    lines.add(`const long long j = segment[${SEGMENT.j0}] + ${first} + threadIdx.x;`);
    lines.add(`if (j >= segment[${SEGMENT.j1}]) return;`);
    lines.add(
      `const ${source.float}* uniforms = parameters + segment[${SEGMENT.uniforms}];`,
    );
    source.pointers("column");
    const at = `segment[${SEGMENT.columns}] + (j - segment[${SEGMENT.j0}])`;
    lines.add(`${type}* record = records + (${at}) * ${stride / width};`);
    // short records are put together in registers and written as vectors
    const isShort = stride <= REGISTER_ARRAY;
    lines.add(
      isShort
        ? `${source.float} column[${stride}];`
        : `${source.float}* column = (${source.float}*)record;`,
    );
    const w = new CodeWriter(lines, source.kernel, {
      index: () => "j",
      count: "0",
      input: (slot) => `(x${slot} + j * ${inputs[slot].dim})`,
      output: () => "",
      column: "column",
      columnPlace: record.packedPlace,
      staged: stride,
    }, { longest: isShort ? REGISTER_ARRAY : PARTLY_UNROLLED });
    w.declare([source.kernel.column], 0);
    w.region(source.kernel.column);
    const contraction = source.schedule.chunk === 0 ? null : patchOf(source.kernel);
    if (contraction?.products === "tf32") {
      source.roundVector("column", contraction.counter.count);
    }
    const places = new Set(records.column.map((_, slot) => record.packedPlace(slot)));
    for (let place = 0; place < stride; place++) {
      if (!places.has(place)) lines.add(`column[${place}] = 0;`);
    }
    if (!isShort) return;
    for (let k = 0; k < stride / width; k++) {
      const parts = Array.from({ length: width }, (_, n) => `column[${width * k + n}]`);
      const whole = width === 1 ? parts[0] : `make_${type}(${parts.join(", ")})`;
      lines.add(`record[${k}] = ${whole};`);
    }
  });
  lines.add("");
}
