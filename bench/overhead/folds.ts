// What a small fold costs beside a plain loop.

import { uniform } from "../random.ts";
import { table } from "../report.ts";
import { cell, type Library, timed } from "./library.ts";

/** The fold as a program without a library would have it. */
export function plainLoop(x: Float32Array, y: Float32Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let j = 0; j < y.length; j += 3) {
      const a = x[3 * i] - y[j], b = x[3 * i + 1] - y[j + 1], c = x[3 * i + 2] - y[j + 2];
      sum += Math.exp(-0.5 * (a * a + b * b + c * c));
    }
    out[i] = sum;
  }
}

const signed = (x: number): string => `${x > 0 ? "+" : ""}${x.toFixed(1)}`;

/** Microseconds of whole calls: a parameter that is new each time, from building to numbers. */
export async function foldTable(
  libraries: readonly Library[],
  engines: readonly string[],
  calls: number,
): Promise<string> {
  const rows: string[][] = [];
  for (const size of [10, 30, 100, 300]) {
    const next = uniform(size);
    const [x, y] = [0, 1].map(() =>
      Float32Array.from({ length: 3 * size }, () => next.next().value)
    );
    const out = new Float32Array(size);
    const contestants = [{ steps: 1, run: () => plainLoop(x, y, out) }];
    const devices: { dispose(): void }[] = [];
    for (const engine of engines) {
      for (const { tensor, Vi, Vj, native, wasm } of libraries) {
        const device = engine === "native" ? native({ threads: 1 }) : wasm({ threads: 1 });
        devices.push(device);
        const [vi, vj] = [Vi(tensor(x, [size, 3])), Vj(tensor(y, [size, 3]))];
        contestants.push({
          steps: 1,
          run: () =>
            vi.sqDist(vj).mul(-0.5 - 0.01 * Math.random()).exp().sum("j", { device }).data(),
        });
      }
    }
    const [plain, ...own] = await timed(contestants, size < 100 ? calls : Math.ceil(calls / 3));
    for (const device of devices) device.dispose();
    const cells = engines.map((_, e) => {
      const times = own.slice(e * libraries.length, (e + 1) * libraries.length);
      return times.map((t) => `${cell(t)}, ${signed(t.median - plain.median)}`).join(" / ");
    });
    rows.push([`${size}`, cell(plain), ...cells]);
  }
  return "Microseconds of whole calls, medians (bests in brackets), and the median's excess over " +
    "the plain loop's.\n\n" + table(["N", "plain loop", ...engines], rows);
}
