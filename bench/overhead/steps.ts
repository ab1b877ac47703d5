// What a step of small tensors costs: from the call that builds it to the numbers.

import { table } from "../report.ts";
import { cell, type Contestant, type Library, timed } from "./library.ts";

/** Steps of a chain, and of a loop that reads a number at its end. */
const CHAIN = 20;

/** Contestants over tensors of one size; the first is the plain loop. */
type Work = (library: Library | null, size: number) => Contestant;

/** A number that no formula has met. */
const fresh = (): number => 0.9 + 0.01 * Math.random();

const numbers = (size: number): Float32Array =>
  Float32Array.from({ length: size }, () => Math.random());

const WORKS: Record<string, Work> = {
  "x·s alone, s new each time": (library, size) => {
    if (library === null) {
      const x = numbers(size);
      return { steps: 1, run: () => x.map((one) => one * 0.9) };
    }
    const x = library.tensor(numbers(size));
    return { steps: 1, run: () => x.mul(fresh()).data() };
  },
  "x+y alone": (library, size) => {
    const [a, b] = [numbers(size), numbers(size)];
    if (library === null) return { steps: 1, run: () => a.map((one, k) => one + b[k]) };
    const [x, y] = [library.tensor(a), library.tensor(b)];
    return { steps: 1, run: () => x.add(y).data() };
  },
  "sum of x alone": (library, size) => {
    const a = numbers(size);
    if (library === null) return { steps: 1, run: () => a.reduce((sum, one) => sum + one, 0) };
    const x = library.tensor(a);
    return { steps: 1, run: () => x.sum().item() };
  },
  [`chain of ${CHAIN} (mul by a new number, add), per step`]: (library, size) => {
    const [a, b] = [numbers(size), numbers(size)];
    if (library === null) {
      return {
        steps: CHAIN,
        run: () => {
          let x = a;
          for (let k = 0; k < CHAIN; k += 2) {
            x = x.map((one) => one * 0.9).map((one, m) => one + b[m]);
          }
          return x;
        },
      };
    }
    const [start, y] = [library.tensor(a), library.tensor(b)];
    return {
      steps: CHAIN,
      run: () => {
        let x = start;
        for (let k = 0; k < CHAIN; k += 2) x = x.mul(fresh()).add(y);
        return x.data();
      },
    };
  },
  "an optimiser's turn of 8 steps (gradient with momentum, loss read), per step": (
    library,
    size,
  ) => {
    const a = numbers(size);
    if (library === null) {
      let x = a;
      let m = a;
      return {
        steps: 8,
        run: () => {
          const g = x.map((one) => one * 2);
          m = m.map((one, k) => one * 0.9 + g[k]);
          x = x.map((one, k) => one - m[k] * 1e-3);
          return x.reduce((sum, one) => sum + one * one, 0);
        },
      };
    }
    let x = library.tensor(a);
    let m = library.tensor(a);
    return {
      steps: 8,
      run: async () => {
        const g = x.mul(2);
        m = m.mul(fresh()).add(g);
        x = x.sub(m.mul(1e-3 * fresh()));
        const loss = x.square().sum().mul(0.5);
        return await loss.item();
      },
    };
  },
  "valueAndGrad of Σ(x−y)² and a step along it": (library, size) => {
    const [a, b] = [numbers(size), numbers(size)];
    if (library === null) {
      let x = a;
      return {
        steps: 1,
        run: () => {
          const d = x.map((one, k) => one - b[k]);
          x = x.map((one, k) => one - 2e-3 * d[k]);
          return d.reduce((sum, one) => sum + one * one, 0);
        },
      };
    }
    let x = library.tensor(a);
    const y = library.tensor(b);
    const { valueAndGrad } = library;
    type T = typeof x;
    const loss = valueAndGrad((x: T) => x.sub(y).square().sum());
    return {
      steps: 1,
      run: async () => {
        const [value, gradient] = loss(x);
        x = x.sub(gradient.mul(1e-3 * fresh()));
        await x.data();
        return await value.item();
      },
    };
  },
};

/** Microseconds per step, by what is done. */
export async function stepTable(libraries: readonly Library[], calls: number): Promise<string> {
  const rows: string[][] = [];
  for (const [name, work] of Object.entries(WORKS)) {
    for (const size of [10, 100]) {
      const contestants = [null, ...libraries].map((library) => work(library, size));
      const [plain, ...own] = await timed(contestants, calls);
      rows.push([name, `[${size}]`, cell(plain), own.map(cell).join(" / ")]);
    }
  }
  return "Microseconds, medians (bests in brackets), from the call that builds to the numbers. The " +
    "plain loop makes\na new array per step.\n\n" +
    table(["step", "tensor", "plain loop", "Pairfold"], rows);
}
