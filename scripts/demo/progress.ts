// How far a fold has come. Enters: pairs done and in all. Leaves: one line that is redrawn on a
// terminal, or a few plain lines elsewhere; on stderr, so that stdout is the report alone.

import type { Progress } from "../../mod.ts";
import { duration } from "./format.ts";

/** Where progress is shown. */
export interface Screen {
  readonly isTerminal: boolean;
  /** Characters on a line. */
  columns(): number;
  write(text: string): void;
  /** Milliseconds. */
  now(): number;
}

/** Cells of the bar at most, and the columns that the rest of the line takes. */
const mostCells = 24;
const textColumns = 54;
/** Milliseconds between two drawings on a terminal. */
const drawPause = 100;
/** Plain lines come no closer than this, in percent and in milliseconds. */
const plainStep = 10;
const plainPause = 1000;

/** The process's stderr. */
export function terminal(): Screen {
  return {
    isTerminal: Deno.stderr.isTerminal(),
    columns: () => {
      try {
        return Deno.consoleSize().columns || 80;
      } catch {
        return 80; // no terminal that knows its size
      }
    },
    write: (text) => {
      try {
        Deno.stderr.writeSync(new TextEncoder().encode(text));
      } catch (error) {
        // Nobody reads it any more, as after `2>&1 | head`; the work goes on.
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    },
    now: () => performance.now(),
  };
}

/** Shows one computation. */
export class ProgressLine {
  readonly #label: string;
  readonly #screen: Screen;
  readonly #start: number;
  #isDrawn = false;
  #shownAt: number;
  #plainPercent = 0;

  constructor(label: string, screen: Screen) {
    this.#label = label;
    this.#screen = screen;
    this.#start = screen.now();
    this.#shownAt = this.#start;
  }

  /** Shows how far it has come. */
  update({ done, total }: Progress): void {
    const now = this.#screen.now();
    const part = total > 0 ? done / total : 1;
    const percent = Math.floor(100 * part);
    const speed = this.#speed(done, total, (now - this.#start) / 1000);
    const label = this.#label.padEnd(10);
    if (this.#screen.isTerminal) {
      if (this.#isDrawn && done < total && now < this.#shownAt + drawPause) return;
      const columns = this.#screen.columns();
      const cells = Math.max(4, Math.min(mostCells, columns - textColumns));
      const full = Math.round(cells * part);
      const bar = "█".repeat(full) + "░".repeat(cells - full);
      this.#draw(`${label}${bar} ${String(percent).padStart(3)} %${speed}`, columns);
    } else {
      if (percent < this.#plainPercent + plainStep || now < this.#shownAt + plainPause) return;
      this.#plainPercent = percent;
      this.#screen.write(`${label}${percent} %${speed}\n`);
    }
    this.#shownAt = now;
  }

  /** Takes the line off the terminal. */
  clear(): void {
    if (!this.#isDrawn) return;
    this.#screen.write("\r\x1b[K");
    this.#isDrawn = false;
  }

  #speed(done: number, total: number, seconds: number): string {
    if (done === 0 || seconds <= 0) return "";
    const left = seconds * (total - done) / done;
    const gigas = done / seconds / 1e9;
    return `   ${gigas.toFixed(2)} Gpairs/s   ${duration(left)} left`;
  }

  #draw(text: string, columns: number): void {
    // A line that wraps could not be redrawn in place.
    const fitting = text.slice(0, Math.max(1, columns - 1));
    this.#screen.write(`\r${fitting}\x1b[K`);
    this.#isDrawn = true;
  }
}
