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

const barCells = 24;
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
    write: (text) => void Deno.stderr.writeSync(new TextEncoder().encode(text)),
    now: () => performance.now(),
  };
}

/** Shows one computation. */
export class ProgressLine {
  readonly #label: string;
  readonly #screen: Screen;
  readonly #start: number;
  #isDrawn = false;
  #plainAt: number;
  #plainPercent = 0;

  constructor(label: string, screen: Screen) {
    this.#label = label;
    this.#screen = screen;
    this.#start = screen.now();
    this.#plainAt = this.#start;
  }

  /** Shows how far it has come. */
  update({ done, total }: Progress): void {
    const now = this.#screen.now();
    const part = total > 0 ? done / total : 1;
    const percent = Math.floor(100 * part);
    const speed = this.#speed(done, total, (now - this.#start) / 1000);
    if (this.#screen.isTerminal) {
      const full = Math.round(barCells * part);
      const bar = "█".repeat(full) + "░".repeat(barCells - full);
      this.#draw(`${this.#label.padEnd(10)}${bar} ${String(percent).padStart(3)} %${speed}`);
      return;
    }
    if (percent < this.#plainPercent + plainStep || now < this.#plainAt + plainPause) return;
    this.#plainPercent = percent;
    this.#plainAt = now;
    this.#screen.write(`${this.#label.padEnd(10)}${percent} %${speed}\n`);
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

  #draw(text: string): void {
    // A line that wraps could not be redrawn in place.
    const fitting = [...text].slice(0, Math.max(1, this.#screen.columns() - 1)).join("");
    this.#screen.write(`\r${fitting}\x1b[K`);
    this.#isDrawn = true;
  }
}
