// What one launch does at a time, by the card's memory. Enters: a program, where its arrays stand,
// segments. Leaves: waves that fit, or the task of points with themselves.

import type { Kernel } from "../../loop/mod.ts";
import { cudaMirrorPays } from "../../tiling/mod.ts";
import type { Segment } from "../engine.ts";
import {
  type Footprint,
  type MirrorCutter,
  mirroredTask,
  planWaves,
  rowBytes,
  type Task,
  taskBytes,
  type Wave,
} from "../plan.ts";
import type { Place } from "./array.ts";
import type { CudaDevice } from "./device.ts";
import { neededBytes, SMALL_BYTES, SPLIT } from "./plans.ts";
import type { CudaProgram, ModuleCache } from "./program.ts";

/** Part of the free memory that one launch may take. */
const SHARE = 0.9;

/** What a launch runs on. */
export interface LaunchContext {
  readonly name: string;
  readonly device: CudaDevice;
  readonly modules: ModuleCache;
  /** Bytes that a launch may take; null for what there is. */
  readonly memoryLimit: number | null;
  /** How points with themselves are cut; null where all pairs are folded. */
  readonly mirrorCut: MirrorCutter;
}

/** Where arrays stand; null for what the host keeps. */
export interface Places {
  readonly inputs: readonly (Place | null)[];
  readonly outputs: readonly Place[];
}

/** Plans the waves of one launch. */
export class WavePlanner {
  readonly #context: LaunchContext;
  readonly #program: CudaProgram;
  readonly #kernel: Kernel;
  readonly #places: Places;
  readonly #segments: readonly Segment[];

  constructor(
    context: LaunchContext,
    program: CudaProgram,
    places: Places,
    segments: readonly Segment[],
  ) {
    this.#context = context;
    this.#program = program;
    this.#kernel = program.kernel;
    this.#places = places;
    this.#segments = segments;
  }

  /**
   * The task of points with themselves, each pair once; null where that is not to be, or has no
   * room.
   */
  mirrored(): Task | null {
    if (!this.#program.hasMirror || !cudaMirrorPays(this.#kernel)) return null;
    const task = mirroredTask(this.#kernel, this.#segments, this.#context.mirrorCut);
    if (task === null) return null;
    const bytes = taskBytes(this.#footprint(), task);
    return bytes <= this.#budget(bytes) ? task : null;
  }

  /** Waves in part of the memory; throws `full`, if that is something, where none fit. */
  waves(share: number, full: unknown): Wave[] {
    const footprint = this.#footprint();
    try {
      const bytes = this.#budget(neededBytes(this.#segments, footprint)) * share;
      return planWaves(this.#segments, footprint, { bytes, wave: bytes, split: SPLIT });
    } catch (error) {
      throw full ?? error; // what did not fit in larger pieces does not fit in smaller ones
    }
  }

  /** What a row and a column take beyond the arrays that are on the card. */
  #footprint(): Footprint {
    const { layout } = this.#program.emitted;
    const { inputs, outputs } = this.#places;
    const staged = (axis: "row" | "column"): number =>
      this.#kernel.inputs.reduce((bytes, input, slot) => {
        if (input.axis !== axis || inputs[slot]?.kind === "device") return bytes;
        return bytes + rowBytes(this.#kernel, input);
      }, 0);
    const results = this.#kernel.outputs.reduce((bytes, output, slot) => {
      return outputs[slot].kind === "device" ? bytes : bytes + rowBytes(this.#kernel, output);
    }, 0);
    return {
      row: staged("row") + results,
      record: layout.recordStride * layout.size,
      column: staged("column"),
      state: layout.stateBytes,
      packing: Infinity,
    };
  }

  /** Bytes that this launch may take, which needs about so many. */
  #budget(needed: number): number {
    const { memoryLimit, device } = this.#context;
    if (memoryLimit !== null) return memoryLimit;
    if (needed <= SMALL_BYTES / 2) return SMALL_BYTES;
    const { available, pooled } = device.memory();
    return (available + pooled) * SHARE;
  }
}
