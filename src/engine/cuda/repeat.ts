// A planned launch, queued by one call of the shim: what stands on the card from an earlier one
// (tables, uniform record, packed columns) is used again. Enters: a plan, compiled kernels, arrays
// on the card. Leaves: work that is queued. Nothing is awaited in between.

import { LINE_THREADS } from "../../emit/cuda/mod.ts";
import type { Held } from "../engine.ts";
import { CudaArray } from "./array.ts";
import type { CudaDevice } from "./device.ts";
import type { KeptPiece } from "./kept.ts";
import { type LaunchPlan, packsUniforms } from "./plans.ts";
import type { CudaProgram, LaunchCode } from "./program.ts";

/** Numbers of a uniform record up to which packed columns are found by them. */
const COMPARED_UNIFORMS = 64;

/** Inputs and outputs of a launch, all of them on the card but for the uniform ones. */
export interface Arrays {
  readonly inputs: readonly Held[];
  readonly outputs: readonly CudaArray[];
}

export class PlannedLaunch {
  readonly #device: CudaDevice;
  readonly #program: CudaProgram;
  readonly #plan: LaunchPlan;
  readonly #arrays: Arrays;
  /** What this launch uses of what is kept. */
  readonly #held: KeptPiece[] = [];

  constructor(device: CudaDevice, program: CudaProgram, plan: LaunchPlan, arrays: Arrays) {
    this.#device = device;
    this.#program = program;
    this.#plan = plan;
    this.#arrays = arrays;
  }

  queue(code: LaunchCode): void {
    const device = this.#device, plan = this.#plan;
    const commands = device.commands;
    let scratch: bigint | null = null;
    /** What is kept but not filled as long as the call has not come back. */
    const unfilled: KeptPiece[] = [];
    try {
      const tables = this.#tables();
      const columns = this.#inputs("column");
      const { recordStride, size, stateBytes } = this.#program.emitted.layout;
      const states = Number(plan.stateRows) * stateBytes;
      const recordBytes = code.pack === null ? 0 : plan.records * recordStride * size;
      let records: KeptPiece | null = null;
      let packs = code.pack !== null && plan.units.pack > 0;
      if (packs) {
        const key = this.#recordsKey(columns);
        records = key === null ? null : device.kept.take(key);
        if (records !== null) {
          packs = false;
          this.#held.push(records);
        } else if (key !== null && device.kept.mayKeep(key, recordBytes)) {
          records = device.keep(key, recordBytes, columns);
          this.#held.push(records);
          unfilled.push(records);
        }
      }
      const own = states + (records === null ? recordBytes : 0);
      if (own > 0) scratch = device.alloc(own);
      const stateAt = states === 0 || scratch === null ? 0n : scratch;
      const recordsAt = records?.address ?? (scratch ?? 0n) + BigInt(states);
      const parameters = tables.address + BigInt(plan.uniformsAt);
      const rows = this.#inputs("row");
      const rest = [...rows, ...this.#arrays.outputs].map(addressOf);
      rest.push(stateAt, plan.stateRows);
      const table = (name: "pack" | "fold" | "combine"): bigint[] => [
        tables.address + plan.at[name],
        plan.lengths[name],
        0n,
        parameters,
      ];
      if (packs && code.pack !== null) {
        const head = table("pack");
        head.push(recordsAt);
        const inputs = columns.map(addressOf);
        commands.launch(code.pack.function, plan.units.pack, LINE_THREADS, head, inputs);
      }
      if (plan.units.fold > 0) {
        const head = table("fold");
        head.push(recordsAt);
        const { threads } = this.#program.schedule;
        commands.launch(code.fold.function, plan.units.fold, threads, head, rest);
      }
      if (plan.units.combine > 0 && code.combine !== null) {
        const { combine } = plan.units;
        commands.launch(code.combine.function, combine, LINE_THREADS, table("combine"), rest);
      }
      device.run(plan.bytes);
      plan.isCurrent = true;
    } catch (error) {
      // what was to be filled may not have been
      plan.isCurrent = false;
      for (const piece of unfilled) device.kept.drop(piece);
      if (plan.piece !== null) device.kept.drop(plan.piece);
      throw error;
    } finally {
      commands.clear();
      for (const piece of this.#held) device.kept.release(piece);
      if (scratch !== null) device.free(scratch);
    }
  }

  /** Where tables and uniform record stand; what is not there yet, or not so, is to be copied. */
  #tables(): KeptPiece {
    const device = this.#device, plan = this.#plan;
    const { inputs } = this.#arrays;
    const records = this.#program.uniformRecords(inputs, plan.representatives);
    const differs = plan.write(records);
    const bytes = plan.bytes.byteLength;
    if (plan.piece?.isKept) {
      device.kept.hold(plan.piece);
      this.#held.push(plan.piece);
      const { uniformsAt } = plan;
      if (differs || !plan.isCurrent) {
        const to = plan.piece.address + BigInt(uniformsAt);
        device.commands.upload(to, uniformsAt, bytes - uniformsAt);
      }
      return plan.piece;
    }
    plan.piece = device.keep(`plan ${plan.id}`, bytes, []);
    this.#held.push(plan.piece);
    device.commands.upload(plan.piece.address, 0, bytes);
    return plan.piece;
  }

  #inputs(wanted: "row" | "column"): CudaArray[] {
    const { inputs } = this.#program.kernel;
    const arrays: CudaArray[] = [];
    for (let slot = 0; slot < inputs.length; slot++) {
      const held = this.#arrays.inputs[slot];
      if (inputs[slot].axis === wanted && held instanceof CudaArray) arrays.push(held);
    }
    return arrays;
  }

  /** What packed columns depend on, as text; null where that is too much. */
  #recordsKey(columns: readonly CudaArray[]): string | null {
    const { uniforms, packKey } = this.#plan;
    let key = `columns ${this.#program.id} ${packKey}`;
    for (const { id, writes } of columns) key += ` ${id}.${writes}`;
    if (!packsUniforms(this.#program.kernel)) return key;
    if (uniforms.length > COMPARED_UNIFORMS) return null;
    const { buffer, byteOffset, byteLength } = uniforms;
    return `${key} ${new Uint32Array(buffer, byteOffset, byteLength / 4).join()}`;
  }
}

function addressOf({ place }: CudaArray): bigint {
  return place.kind === "device" ? place.address : 0n;
}
