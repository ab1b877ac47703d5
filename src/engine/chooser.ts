// Which schedule a fold runs with: what the engine's user asked for, else what was timed on this
// machine, else the cost model's. Enters: a kernel and its size. Leaves: a program.

import { PairfoldError, shown } from "../error.ts";
import type { Kernel } from "../loop/mod.ts";
import { mirrorFacts } from "../tiling/mod.ts";
import type { NumberArray, Program, Segment } from "./engine.ts";
import { type Tuned, tunedText, type Tuner } from "./tuner.ts";

/** A program, and whether the engine still has its code; default yes. */
interface Kept extends Program {
  readonly isKept?: boolean;
}

/** What an engine tells its chooser. */
export interface ChooserOptions<S, P> {
  /** How loops are to be cut. */
  readonly asked: S | "untiled" | "auto" | undefined;
  readonly untiled: S;
  readonly tuner: Tuner<S>;
  /** What runs while there is too little work for any choice to pay; null: there is enough. */
  readonly quick?: (kernel: Kernel, rows: number, columns: number) => S | null;
  /** The cost model's choice, and why. */
  readonly model: (kernel: Kernel, rows: number, columns: number) => { schedule: S; why: string };
  /** A kernel with a schedule, and why this one. */
  readonly program: (kernel: Kernel, schedule: S, why: string) => P;
}

/** What was chosen for a kernel last; most folds are followed by one of the same size. */
interface Choice<P> {
  readonly rows: number;
  readonly columns: number;
  readonly program: P;
}

/** A launch of a program on a slice of another launch. */
export type Trial<P> = (
  program: P,
  outputs: readonly NumberArray[],
  segments: readonly Segment[],
) => Promise<void>;

/** Throws `PairfoldError` (compile) for an engine's option that is no schedule at all. */
export function checkAsked(asked: unknown): void {
  if (asked === undefined || asked === "untiled" || asked === "auto") return;
  if (typeof asked !== "object" || asked === null || Array.isArray(asked)) {
    throw new PairfoldError(
      "compile",
      `schedule: got ${shown(asked)}; expected "auto", "untiled" or a schedule`,
    );
  }
  for (const [name, value] of Object.entries(asked)) {
    if (["number", "string", "boolean", "undefined"].includes(typeof value)) continue;
    throw new PairfoldError(
      "compile",
      `schedule: got ${shown(value)} as its ${name}; expected a number or a word`,
    );
  }
}

/** Chooses the programs of one engine. */
export class Chooser<S, P extends Kept> {
  readonly #options: ChooserOptions<S, P>;
  readonly #choices = new WeakMap<Kernel, Choice<P>>();
  #isTuning = false;

  constructor(options: ChooserOptions<S, P>) {
    checkAsked(options.asked);
    this.#options = options;
  }

  /** Whether schedules are being timed, which is done on one thread. */
  get isTuning(): boolean {
    return this.#isTuning;
  }

  /** The program for folds of so many rows and columns. */
  compile(kernel: Kernel, rows: number, columns: number): P {
    const { asked = "auto", untiled, program: made } = this.#options;
    if (asked === "untiled") return made(kernel, untiled, "asked for");
    if (asked !== "auto") return made(kernel, asked as S, "asked for");
    const last = this.#choices.get(kernel);
    const isSame = last?.rows === rows && last.columns === columns;
    if (isSame && last.program.isKept !== false) return last.program;
    const program = this.#chosen(kernel, rows, columns);
    this.#choices.set(kernel, { rows, columns, program });
    return program;
  }

  #chosen(kernel: Kernel, rows: number, columns: number): P {
    const { tuner, quick, model, program } = this.#options;
    const soon = quick?.(kernel, rows, columns) ?? null;
    if (soon !== null) return program(kernel, soon, "little work so far");
    const tuned = tuner.known(kernel, rows, columns);
    if (tuned !== null) return program(kernel, tuned.schedule, tunedText(tuned));
    const { schedule, why } = model(kernel, rows, columns);
    return program(kernel, schedule, why);
  }

  /** Chooses anew when a kernel is met again. */
  forget(kernel: Kernel): void {
    this.#choices.delete(kernel);
  }

  /** Whether a launch's schedules should be timed first. */
  wants({ kernel }: Program, segments: readonly Segment[]): boolean {
    const { asked = "auto", tuner } = this.#options;
    // a slice of a fold with a mirror is none of points with themselves: its times would say
    // nothing
    return asked === "auto" && mirrorFacts(kernel) === null && tuner.wants(kernel, segments);
  }

  /** A kernel with a schedule that is to be timed. */
  tried(kernel: Kernel, schedule: S): P {
    return this.#options.program(kernel, schedule, "tried");
  }

  /** The program with the schedule that is fastest on a slice of a launch. */
  async tuned(
    kernel: Kernel,
    segments: readonly Segment[],
    schedules: readonly S[],
    run: Trial<P>,
    signal?: AbortSignal,
  ): Promise<P> {
    this.#isTuning = true;
    try {
      const tuned: Tuned<S> = await this.#options.tuner.tune(
        kernel,
        segments,
        schedules,
        (schedule, outputs, slice) => run(this.tried(kernel, schedule), outputs, slice),
        signal,
      );
      this.forget(kernel);
      return this.#options.program(kernel, tuned.schedule, tunedText(tuned));
    } finally {
      this.#isTuning = false;
    }
  }
}
