// Emits the functions beside `tile`: packing columns, joining the states of splits, and loops over
// groups of rows.

import type { FunctionBody } from "./assembler.ts";
import type { ModuleContext } from "./context.ts";
import type { Frame } from "./frame.ts";
import { FLAGS, JOB, jumpOf, PARAMETERS, VECTOR_BYTES } from "./layout.ts";

/** Packs columns, one vector of them at a time; lanes are columns. */
export function emitPack(module: ModuleContext): FunctionBody {
  const f = module.function("pack", PARAMETERS.pack);
  const [count, index, record, scratch] = [1, 2, 3, 4];
  const { lanes, records } = module.sizes;
  const { step, block } = records;
  const jump = jumpOf(records);
  const blockEnd = f.local("i32");
  const toBlockEnd = (): unknown => f.get(record).i32(block * step).op("i32.add").set(blockEnd);
  const size = VECTOR_BYTES / lanes;
  const inputs = module.inputs(f, "column", null);
  const frame: Frame = {
    uniforms: module.field(f, JOB.uniforms),
    scratch,
    record,
    inputs,
    outputs: [],
    rowIndex: index,
    columnIndex: index,
    count,
  };
  if (jump > 0) toBlockEnd();
  f.op("block").get(count).op("i32.eqz").op("br_if", 0).op("loop");
  module.writer(f, frame, module.packScratch).region(module.kernel.column);
  module.kernel.inputs.forEach((input, slot) => {
    if (input.axis !== "column") return;
    const bytes = lanes * input.dim * (input.number === "index" ? 4 : size);
    f.get(inputs[slot]).i32(bytes).op("i32.add").set(inputs[slot]);
  });
  f.get(record).i32(lanes * step).op("i32.add").set(record);
  if (jump > 0) {
    f.get(record).get(blockEnd).op("i32.eq").op("if");
    f.get(record).i32(jump).op("i32.add").set(record);
    toBlockEnd();
    f.op("end");
  }
  f.get(index).i32(lanes).op("i32.add").set(index);
  f.get(count).i32(lanes).op("i32.sub").op("local.tee", count);
  f.i32(0).op("i32.gt_s").op("br_if", 0).op("end").op("end");
  return f;
}

/** Joins the states of all splits of one group of rows, and finishes it. */
export function emitJoin(module: ModuleContext): FunctionBody {
  const f = module.function("join", PARAMETERS.combine);
  const [row, state, splitStride, splits, scratch] = [1, 3, 4, 5, 6];
  const w = module.writer(f, module.rowFrame(f, { record: row, columnIndex: row, scratch }));
  w.region(module.rows.row);
  module.moveState("load", f, w, module.kernel.state, state);
  f.op("block").op("loop");
  f.get(splits).i32(1).op("i32.sub").op("local.tee", splits).op("i32.eqz").op("br_if", 1);
  f.get(state).get(splitStride).op("i32.add").set(state);
  module.moveState("load", f, w, module.kernel.incoming, state);
  w.region(module.rows.combine);
  f.op("br", 0).op("end").op("end");
  w.region(module.rows.finish);
  return f;
}

/**
 * A loop over groups of rows that calls a function of one group with the same parameters. Points
 * with themselves are another function's.
 */
export function emitGroups(
  module: ModuleContext,
  name: string,
  parameters: readonly string[],
  callee: number,
  mirror: number | null = null,
): FunctionBody {
  const f = module.function(name, parameters);
  const [row, rowEnd] = [1, 2];
  const state = parameters.indexOf("state");
  const { groupRows, stateBytes } = module.sizes;
  if (mirror !== null) {
    f.get(parameters.indexOf("flags")).i32(FLAGS.mirror).op("i32.and").op("if");
    parameters.forEach((_, k) => f.get(k));
    f.op("call", mirror).op("return").op("end");
  }
  f.op("loop");
  parameters.forEach((_, k) => f.get(k));
  f.op("call", callee);
  f.get(state).i32(stateBytes).op("i32.add").set(state);
  f.get(row).i32(groupRows).op("i32.add").op("local.tee", row).get(rowEnd);
  f.op("i32.lt_u").op("br_if", 0).op("end");
  return f;
}
