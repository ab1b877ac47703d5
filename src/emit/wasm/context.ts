// What the functions of one emitted module share: constants, scratch, the rows' regions, addresses
// from the job block, and how a group's state moves.

import {
  type Cell,
  type Deferred,
  deferredOf,
  type Kernel,
  type LocalArray,
  type StateItem,
} from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import { FunctionBody } from "./assembler.ts";
import { CodeWriter } from "./code.ts";
import { ConstantPool } from "./constants.ts";
import type { Frame } from "./frame.ts";
import {
  JOB,
  type MirrorWalk,
  mirrorWalkOf,
  registersOf,
  Scratch,
  sizesOf,
  VECTOR_BYTES,
} from "./layout.ts";
import { Rows } from "./rows.ts";
import type { WasmFeatures } from "./spelling.ts";

/** Vectors of an array of state that are moved one by one; more of them by one instruction. */
const COPIED_BY_VECTORS = 16;

/** Bytes of the thread's own memory, one page. */
const OWN_BYTES = 65536;

/** The module being emitted. */
export class ModuleContext {
  readonly kernel: Kernel;
  readonly schedule: WasmSchedule;
  readonly #features: WasmFeatures;
  readonly #withText: boolean;
  readonly pool = new ConstantPool();
  readonly scratch: Scratch;
  /** Of the pack pass, whose lanes are columns. */
  readonly packScratch: Scratch;
  readonly rows: Rows;
  /** What waits until a block of columns is done, if the schedule says so. */
  readonly deferred: Deferred | null;
  readonly sizes: ReturnType<typeof sizesOf>;
  /** How points with themselves are walked; null where the kernel has no mirror. */
  readonly walk: MirrorWalk | null;
  /** Vectors that instances of the module have for themselves. */
  globals = 0;
  /** Whether what pairs hold for deferred updates stands in memory of the thread's own. */
  readonly holdsInOwn: boolean;
  /** Whether anything stands there, once the tile was emitted. */
  usesOwn: boolean;

  constructor(
    kernel: Kernel,
    schedule: WasmSchedule,
    features: WasmFeatures,
    withText: boolean,
  ) {
    this.#withText = withText;
    this.kernel = kernel;
    this.schedule = schedule;
    this.#features = features;
    this.packScratch = new Scratch(kernel, 0);
    const { components = 0, rowVectors } = schedule;
    this.deferred = components > 0 ? deferredOf(kernel) : null;
    // a survey walks records one after another
    const inBlocks = this.deferred !== null && schedule.writesOut === true && !schedule.surveys;
    // a page has room: 64 columns hold two values at most for eight vectors of rows, and behind
    // them wait the sums of a tile
    this.holdsInOwn = inBlocks && features.memories;
    this.usesOwn = this.holdsInOwn;
    // the first tile has none before it, and closes what stands behind the arrays of state
    this.scratch = new Scratch(kernel, rowVectors, this.holdsInOwn ? components : 0);
    this.sizes = sizesOf(kernel, schedule.rowVectors, inBlocks);
    this.walk = mirrorWalkOf(kernel, this.sizes.lanes);
    this.rows = new Rows(kernel, schedule, this.deferred, this.sizes.records.slots);
  }

  /** Bytes that one column's pairs hold for deferred updates. */
  get heldBytes(): number {
    return this.rows.heldSlots * this.schedule.rowVectors * VECTOR_BYTES;
  }

  /** Keeps cells in memory of the thread's own, where there is one and nothing else is there. */
  keepAside(w: CodeWriter, cells: readonly Cell[]): void {
    const registers = cells.reduce((sum, { type }) => sum + registersOf(type, this.kernel), 0);
    const hasRoom = registers * VECTOR_BYTES <= OWN_BYTES;
    if (!this.#features.memories || this.holdsInOwn || !hasRoom) return;
    let address = 0;
    for (const cell of cells) address = w.keepAside(cell, address);
    this.usesOwn = true;
  }

  function(name: string, parameters: readonly string[]): FunctionBody {
    return new FunctionBody(name, parameters.map(() => "i32"), this.#withText);
  }

  /** A new local with a field of the job block. */
  field(f: FunctionBody, offset: number): number {
    const local = f.local("i32");
    f.get(0).op("i32.load", offset).set(local);
    return local;
  }

  /** Addresses of an axis's inputs at a first row; inputs of other axes get none. */
  inputs(f: FunctionBody, axis: "row" | "column", first: number | null): number[] {
    const size = VECTOR_BYTES / this.sizes.lanes;
    return this.kernel.inputs.map((input, slot) => {
      if (input.axis !== axis) return -1;
      const local = this.field(f, JOB.inputs + 4 * slot);
      const bytes = input.dim * (input.number === "index" ? 4 : size);
      if (first !== null) this.advance(f, local, first, bytes);
      return local;
    });
  }

  outputs(f: FunctionBody, first: number): number[] {
    const size = VECTOR_BYTES / this.sizes.lanes;
    return this.kernel.outputs.map(({ dim, number }, slot) => {
      const offset = JOB.inputs + 4 * (this.kernel.inputs.length + slot);
      const local = this.field(f, offset);
      this.advance(f, local, first, dim * (number === "index" ? 4 : size));
      return local;
    });
  }

  /** local += rows · bytes */
  advance(f: FunctionBody, local: number, rows: number, bytes: number): void {
    f.get(local).get(rows).i32(bytes).op("i32.mul").op("i32.add").set(local);
  }

  writer(f: FunctionBody, frame: Frame, scratch = this.scratch): CodeWriter {
    const { kernel, schedule, pool, sizes: { records } } = this;
    const features = this.#features;
    const newGlobal = (): number => this.globals++;
    return new CodeWriter({
      f,
      kernel,
      features,
      schedule,
      pool,
      scratch,
      frame,
      records,
      newGlobal,
    });
  }

  rowFrame(
    f: FunctionBody,
    columns: Pick<Frame, "record" | "columnIndex" | "scratch" | "held" | "holdsInOwn" | "rowStep">,
  ): Frame {
    const row = 1;
    const rowIndex = this.field(f, JOB.rowIndex);
    f.get(rowIndex).get(row).op("i32.add").set(rowIndex);
    return {
      ...columns,
      uniforms: this.field(f, JOB.uniforms),
      inputs: this.inputs(f, "row", row),
      outputs: this.outputs(f, row),
      rowIndex,
      count: this.field(f, JOB.columnCount),
    };
  }

  /** Bytes of the state of one vector of rows. */
  get vectorStateBytes(): number {
    return this.sizes.stateBytes / this.schedule.rowVectors;
  }

  /**
   * Moves the state of a group between its place in memory and the tile's cells and arrays. Each
   * vector of rows has its own place; from one to the next there may be several.
   */
  moveState(
    direction: "load" | "save",
    f: FunctionBody,
    w: CodeWriter,
    items: readonly StateItem[],
    state: number,
    rowStep = 1,
  ): void {
    let offset = 0;
    const move = (inTile: Cell | LocalArray, length: number | null): void => {
      const registers = registersOf(inTile.type, this.kernel);
      if (length === null) {
        for (const local of w.cell(inTile)) {
          if (direction === "load") f.get(state).op("v128.load", offset).set(local);
          else f.get(state).get(local).op("v128.store", offset);
          offset += VECTOR_BYTES;
        }
        return;
      }
      const start = this.scratch.offsetOf(inTile as LocalArray);
      const scratch = w.scratch;
      if (length * registers > COPIED_BY_VECTORS) {
        const bytes = length * registers * VECTOR_BYTES;
        const here = (): unknown => f.get(scratch).i32(start).op("i32.add");
        const saved = (): unknown => f.get(state).i32(offset).op("i32.add");
        for (const push of direction === "load" ? [here, saved] : [saved, here]) push();
        f.i32(bytes).op("memory.copy", 0, 0);
        offset += bytes;
        return;
      }
      for (let k = 0; k < length * registers; k++) {
        const here = start + k * VECTOR_BYTES;
        if (direction === "load") {
          f.get(scratch).get(state).op("v128.load", offset).op("v128.store", here);
        } else f.get(state).get(scratch).op("v128.load", here).op("v128.store", offset);
        offset += VECTOR_BYTES;
      }
    };
    for (let row = 0; row < this.schedule.rowVectors; row++) {
      offset = row * rowStep * this.vectorStateBytes;
      for (const item of items) {
        if (item.kind === "cell") move(this.rows.copies.of(item.cell, row), null);
        else move(this.rows.copies.of(item.array, row), item.array.length);
      }
    }
  }
}
