// Stages a task's data in linear memory: row inputs, uniform record, packed columns; and copies its
// outputs back.

import {
  CONSTANTS_ADDRESS,
  CONSTANTS_END,
  JOB,
  VECTOR_BYTES,
  vectorOf,
} from "../../emit/wasm/mod.ts";
import { interpretUniform } from "../../loop/mod.ts";
import type { NumberArray } from "../engine.ts";
import type { LinearMemory } from "./memory.ts";
import { rowBytes, type Task } from "../plan.ts";
import { PACK_COLUMNS } from "./footprint.ts";
import type { WasmProgram } from "./program.ts";
import type { KernelExports } from "./protocol.ts";

/** Where a task's rows stand. */
export interface RowBlock {
  readonly job: number;
  readonly outputs: readonly number[];
  readonly state: number;
  /** Bytes between the states of two column splits. */
  readonly splitStride: number;
}

/** Where a task's packed columns stand. */
export interface ColumnBlock {
  readonly record: number;
}

/** Stages for one launch. */
export class Stage {
  readonly #memory: LinearMemory;
  readonly #program: WasmProgram;
  readonly #inputs: readonly NumberArray[];
  readonly #outputs: readonly NumberArray[];

  constructor(
    memory: LinearMemory,
    program: WasmProgram,
    inputs: readonly NumberArray[],
    outputs: readonly NumberArray[],
  ) {
    this.#memory = memory;
    this.#program = program;
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  /** Copies elements of a host array to an address. */
  #copyIn(source: NumberArray, start: number, end: number, address: number): void {
    const part = source.subarray(start, end);
    if (part instanceof Float32Array) this.#memory.view("f32").set(part, address >>> 2);
    else if (part instanceof Float64Array) this.#memory.view("f64").set(part, address / 8);
    else this.#memory.view("i32").set(part, address >>> 2);
  }

  #copyOut(target: NumberArray, start: number, end: number, address: number): void {
    const length = end - start;
    const view = target instanceof Float32Array
      ? this.#memory.view("f32")
      : target instanceof Float64Array
      ? this.#memory.view("f64")
      : this.#memory.view("i32");
    const from = address / target.BYTES_PER_ELEMENT;
    target.set(view.subarray(from, from + length), start);
  }

  /** Stages the rows of a task, padded to whole groups by copies of the last row. */
  rows(task: Task): RowBlock {
    const { kernel, layout } = this.#program;
    const memory = this.#memory;
    const count = task.i1 - task.i0;
    const groups = Math.ceil(count / layout.groupRows);
    const padded = groups * layout.groupRows;
    const fields = JOB.inputs / 4 + kernel.inputs.length + kernel.outputs.length;
    const job = memory.alloc(4 * fields);
    const addresses = kernel.inputs.map((input, slot) => {
      if (input.axis !== "row") return 0;
      const bytes = rowBytes(kernel, input);
      const address = memory.alloc(padded * bytes);
      const first = task.i0 + (task.segment.offsets[slot] ?? 0);
      const source = this.#inputs[slot];
      this.#copyIn(source, first * input.dim, (first + count) * input.dim, address);
      const last = first + count - 1;
      for (let row = count; row < padded; row++) {
        this.#copyIn(source, last * input.dim, (last + 1) * input.dim, address + row * bytes);
      }
      return address;
    });
    const outputs = kernel.outputs.map((output) => memory.alloc(padded * rowBytes(kernel, output)));
    const uniforms = this.#uniforms(task);
    const splitStride = groups * layout.stateBytes;
    const state = task.keepsState ? memory.alloc(splitStride * task.splits.count) : 0;
    const words = memory.view("i32");
    const at = job >>> 2;
    words[at + JOB.uniforms / 4] = uniforms;
    words[at + JOB.rowIndex / 4] = task.i0;
    words[at + JOB.columnCount / 4] = task.segment.j1 - task.segment.j0;
    words.set([...addresses, ...outputs], at + JOB.inputs / 4);
    return { job, outputs, state, splitStride };
  }

  /** The uniform record, each value as a vector of equal lanes. */
  #uniforms(task: Task): number {
    const { kernel, layout } = this.#program;
    const values = interpretUniform(
      kernel.uniform,
      kernel.inputs.map((input, slot) => {
        if (input.axis !== "uniform") return null;
        const first = (task.segment.offsets[slot] ?? 0) * input.dim;
        return this.#inputs[slot].subarray(first, first + input.dim);
      }),
      layout.uniforms,
    );
    const address = this.#memory.alloc(values.length * VECTOR_BYTES);
    values.forEach((value, k) => {
      this.#memory.bytesAt(address + k * VECTOR_BYTES).set(vectorOf(kernel.float, value));
    });
    return address;
  }

  /** Writes the program's constants to their fixed place; all launches use it in turn. */
  constants(): void {
    this.#program.emitted.constants.forEach(({ type, value }, k) => {
      const address = CONSTANTS_ADDRESS + k * VECTOR_BYTES;
      if (address < CONSTANTS_END) this.#memory.bytesAt(address).set(vectorOf(type, value));
    });
  }

  /** Packs the columns of a task into records. */
  columns(task: Task, block: RowBlock, exports: KernelExports): ColumnBlock {
    const { kernel, layout } = this.#program;
    const memory = this.#memory;
    const count = task.j1 - task.j0;
    const record = memory.alloc((count + layout.lanes) * layout.recordBytes);
    if (count === 0 || kernel.records.column.length === 0) return { record };
    const mark = memory.mark;
    const chunk = Math.min(count, PACK_COLUMNS);
    const addresses = kernel.inputs.map((input) =>
      input.axis === "column" ? memory.alloc((chunk + layout.lanes) * rowBytes(kernel, input)) : 0
    );
    const scratch = memory.alloc(layout.packScratchBytes);
    const words = memory.view("i32");
    kernel.inputs.forEach((input, slot) => {
      if (input.axis === "column") words[(block.job + JOB.inputs) / 4 + slot] = addresses[slot];
    });
    for (let start = 0; start < count; start += chunk) {
      const length = Math.min(chunk, count - start);
      kernel.inputs.forEach((input, slot) => {
        if (input.axis !== "column") return;
        const first = task.j0 + start + (task.segment.offsets[slot] ?? 0);
        const { dim } = input;
        this.#copyIn(this.#inputs[slot], first * dim, (first + length) * dim, addresses[slot]);
      });
      const to = record + start * layout.recordBytes;
      exports.pack(block.job, length, task.j0 + start, to, scratch);
    }
    memory.reset(mark);
    return { record };
  }

  /** Copies a finished task's outputs to the host's arrays. */
  finish(task: Task, block: RowBlock): void {
    const { kernel } = this.#program;
    const first = task.i0 + task.segment.output;
    const last = task.i1 + task.segment.output;
    kernel.outputs.forEach(({ dim }, slot) => {
      this.#copyOut(this.#outputs[slot], first * dim, last * dim, block.outputs[slot]);
    });
  }
}
