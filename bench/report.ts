// What the benchmark scripts share in their reports: times, tables, the machine's name.

/** Times of one contestant, in seconds. */
export class Times {
  readonly #all: number[] = [];
  add(seconds: number): void {
    this.#all.push(seconds);
  }
  get count(): number {
    return this.#all.length;
  }
  get best(): number {
    return Math.min(...this.#all);
  }
  get median(): number {
    const sorted = this.#all.toSorted((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
  get isEmpty(): boolean {
    return this.#all.length === 0;
  }
}

/** What stands in a table where there is nothing to say. */
export const NOTHING = "–";
export const seconds = (s: number): string => s.toPrecision(3);
export const ratio = (r: number): string => r.toFixed(2);

/**
 * A Markdown table as `deno fmt` writes it: the first column to the left, the others to the right.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, k) =>
    Math.max(3, cell.length, ...rows.map((row) => row[k].length))
  );
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((c, k) => k === 0 ? c.padEnd(widths[k]) : c.padStart(widths[k]));
    return `| ${padded.join(" | ")} |`;
  };
  const rule = widths.map((w, k) => k === 0 ? "-".repeat(w) : `${"-".repeat(w - 1)}:`);
  return [head, rule, ...rows].map(line).join("\n");
}

/** The processor's name. */
export function cpuName(): string {
  try {
    const [, name] = /^model name\s*:\s*(.+)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo")) ?? [];
    if (name !== undefined) return name.trim();
  } catch {
    // not Linux
  }
  return `${Deno.build.arch} ${Deno.build.os}`;
}

/** The processor's name as part of a file's. */
export const cpuSlug = (): string =>
  cpuName().toLowerCase().replace(/\((r|tm)\)|processor/g, " ").replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");

/** A line about the machine. */
export function machineLine(): string {
  const [load] = Deno.loadavg();
  return `Machine: ${cpuName()}, ${navigator.hardwareConcurrency} cores, ${Deno.build.os}, ` +
    `load average ${load.toFixed(1)} at the end`;
}

/** Works a while: a core that has slept is slow at first (EPYC, 2026-11). */
export function warm(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}
