// Functions from KeOps strings: values, shapes, inputs, against loops over all pairs in float64.

import { assert, assertEquals } from "@std/assert";
import { genred, type KeopsReduction, type Tensor, tensor } from "../../mod.ts";
import { type Random, randomFor } from "../support/random.ts";

/** A formula, and what it is at a pair, in float64. */
interface Pairwise {
  readonly formula: string;
  readonly aliases: readonly string[];
  /** Axis and dim of every input, by position. */
  readonly inputs: readonly (readonly [axis: "i" | "j" | "p", dim: number])[];
  readonly at: (...rows: readonly (readonly number[])[]) => readonly number[];
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
const sqDist = (a: readonly number[], b: readonly number[]): number =>
  sum(a.map((v, d) => (v - b[d]) ** 2));

const FORMULAS: readonly Pairwise[] = [
  {
    formula: "Exp(-G*SqDist(X,Y))*B",
    aliases: ["X=Vi(0,3)", "Y=Vj(1,3)", "B=Vj(3,1)", "G=Pm(2,1)"],
    inputs: [["i", 3], ["j", 3], ["p", 1], ["j", 1]],
    at: (x, y, [g], [b]) => [Math.exp(-g * sqDist(x, y)) * b],
  },
  {
    formula: "Sin(X+0.75)*Y-Y**2/3+(X|Y)",
    aliases: ["X=Vi(2)", "Y=Vj(2)"],
    inputs: [["i", 2], ["j", 2]],
    at: (x, y) => {
      const dot = sum(x.map((v, d) => v * y[d]));
      return x.map((v, d) => Math.sin(v + 0.75) * y[d] - y[d] ** 2 / 3 + dot);
    },
  },
  {
    formula: "Concat(Elem(X,1)-T,Extract(Y,1,2)*(S<T))",
    aliases: ["Y=Vj(1,3)", "T=Vj(3,1)", "X=Vi(0,2)", "S=Vi(2,1)"],
    inputs: [["i", 2], ["j", 3], ["i", 1], ["j", 1]],
    at: (x, y, [s], [t]) => {
      const below = s < t ? 1 : 0;
      return [x[1] - t, y[1] * below, y[2] * below];
    },
  },
];

/** Reductions of the values of one component over the folded axis, by brute force. */
const LOOPS: Readonly<
  Partial<Record<KeopsReduction, (v: readonly number[], k: number) => number[][]>>
> = {
  Sum: (v) => [[sum(v)]],
  LogSumExp: (v) => [[Math.log(sum(v.map(Math.exp)))]],
  Min: (v) => [[Math.min(...v)]],
  Max: (v) => [[Math.max(...v)]],
  ArgMin: (v) => [[v.indexOf(Math.min(...v))]],
  ArgMax: (v) => [[v.indexOf(Math.max(...v))]],
  Min_ArgMin: (v) => [[Math.min(...v)], [v.indexOf(Math.min(...v))]],
  Max_ArgMax: (v) => [[Math.max(...v)], [v.indexOf(Math.max(...v))]],
  KMin: (v, k) => [ranked(v, k).map((n) => v[n] ?? Infinity)],
  ArgKMin: (v, k) => [ranked(v, k).map((n) => Math.max(n, 0))],
  KMin_ArgKMin: (v, k) => [
    ranked(v, k).map((n) => v[n] ?? Infinity),
    ranked(v, k).map((n) => Math.max(n, 0)),
  ],
};

/** Places of the k smallest, −1 where there are fewer. */
function ranked(values: readonly number[], k: number): number[] {
  const order = [...values.keys()].sort((a, b) => values[a] - values[b] || a - b);
  return Array.from({ length: k }, (_, n) => order[n] ?? -1);
}

type Float = "float32" | "float64";

/** Random inputs of a formula, by position. */
function drawn(p: Pairwise, M: number, N: number, dtype: Float, random: Random): Tensor[] {
  return p.inputs.map(([axis, dim]) => {
    const rows = { i: M, j: N, p: 1 }[axis];
    const data = random.array(dtype, rows * dim, 0.2, 1.5);
    return axis === "p" ? tensor(data) : tensor(data, [rows, dim]);
  });
}

/** Every pair's values folded by loops: one list per result, row-major. */
async function folded(
  p: Pairwise,
  inputs: readonly Tensor[],
  M: number,
  N: number,
  reduction: KeopsReduction,
  axis: 0 | 1,
  k: number,
): Promise<number[][]> {
  const data = await Promise.all(inputs.map(async (t) => [...await t.data()]));
  const loop = LOOPS[reduction];
  assert(loop !== undefined, reduction);
  const [rows, columns] = axis === 1 ? [M, N] : [N, M];
  const results: number[][] = [];
  for (let row = 0; row < rows; row++) {
    const values = Array.from({ length: columns }, (_, column) => {
      const [i, j] = axis === 1 ? [row, column] : [column, row];
      return p.at(...p.inputs.map(([own, dim], position) => {
        const start = { i, j, p: 0 }[own] * dim;
        return data[position].slice(start, start + dim);
      }));
    });
    const parts = values[0].map((_, d) => loop(values.map((v) => v[d]), k));
    parts[0].forEach((list, result) =>
      list.forEach((_, n) => {
        results[result] ??= [];
        for (const part of parts) results[result].push(part[result][n]);
      })
    );
  }
  return results;
}

for (const p of FORMULAS) {
  for (const reduction of Object.keys(LOOPS) as KeopsReduction[]) {
    for (const axis of [0, 1] as const) {
      Deno.test(`genred ${p.formula}, ${reduction}, axis ${axis}: as loops over all pairs`, async () => {
        const random = randomFor(p.formula + reduction + axis);
        const k = reduction.includes("K") ? 4 : undefined;
        for (const [M, N] of [[1, 3], [3, 1], [5, 37], [67, 7]]) {
          for (const dtype of ["float32", "float64"] as const) {
            const inputs = drawn(p, M, N, dtype, random);
            const options = { reduction, axis, dtype, ...(k === undefined ? {} : { k }) };
            const got = genred(p.formula, p.aliases, options)(...inputs);
            const results: readonly Tensor[] = Array.isArray(got) ? got : [got];
            const want = await folded(p, inputs, M, N, reduction, axis, k ?? 1);
            assertEquals(results.length, want.length);
            for (const [slot, t] of results.entries()) {
              await checkNear(t, want[slot], dtype === "float32" ? 2e-5 : 1e-12);
            }
          }
        }
      });
    }
  }
}

/** Floats near relative to max(1, |value|), indices equal. */
async function checkNear(t: Tensor, want: readonly number[], tolerance: number): Promise<void> {
  const got = await t.data();
  assertEquals(got.length, want.length);
  want.forEach((value, at) => {
    if (t.dtype === "int32" || !Number.isFinite(value)) assertEquals(got[at], value);
    else {
      const error = Math.abs(got[at] - value) / Math.max(1, Math.abs(value));
      assert(error <= tolerance, `element ${at}: got ${got[at]}, expected ${value}`);
    }
  });
}

/** Weighted reductions of scores f and weights w of one row, by brute force. */
const WEIGHTED: Readonly<
  Partial<Record<KeopsReduction, (f: number[], w: number[][]) => number[]>>
> = {
  LogSumExp: (f, w) => w.map((v) => Math.log(sum(f.map((x, n) => Math.exp(x) * v[n])))),
  LogSumExpWeight: (f, w) => w.map((v) => Math.log(sum(f.map((x, n) => Math.exp(x) * v[n])))),
  SumSoftMaxWeight: (f, w) => {
    const norm = sum(f.map(Math.exp));
    return w.map((v) => sum(f.map((x, n) => Math.exp(x) * v[n])) / norm);
  },
  Max_SumShiftExpWeight: (f, w) => {
    const top = Math.max(...f);
    return [top, ...w.map((v) => sum(f.map((x, n) => Math.exp(x - top) * v[n])))];
  },
};

for (const [name, loop] of Object.entries(WEIGHTED)) {
  for (const axis of [0, 1] as const) {
    Deno.test(`genred with a weight, ${name}, axis ${axis}: as loops over all pairs`, async () => {
      const random = randomFor(`${name} ${axis}`);
      const reduction = name as KeopsReduction;
      const aliases = ["X=Vi(0,2)", "Y=Vj(1,2)"];
      const options = { reduction, axis, weight: "X*X+Y*0.5", dtype: "float64" } as const;
      const f = genred("X|Y", aliases, options);
      const [M, N] = [5, 37];
      const [x, y] = [random.float64(2 * M, 0.2, 1.5), random.float64(2 * N, 0.2, 1.5)];
      const got = f(x, y);
      assert(!Array.isArray(got));
      const [rows, columns] = axis === 1 ? [M, N] : [N, M];
      const want = Array.from({ length: rows }, (_, row) => {
        const pairs = Array.from({ length: columns }, (_, n) => axis === 1 ? [row, n] : [n, row]);
        const scores = pairs.map(([i, j]) => x[2 * i] * y[2 * j] + x[2 * i + 1] * y[2 * j + 1]);
        const weights = [0, 1].map((d) =>
          pairs.map(([i, j]) => x[2 * i + d] ** 2 + 0.5 * y[2 * j + d])
        );
        return loop(scores, weights);
      });
      assertEquals(got.shape, [rows, want[0].length]);
      await checkNear(got, want.flat(), 1e-12);
    });
  }
}

Deno.test("Max_SumShiftExp without a weight gives m and s side by side", async () => {
  const f = genred("X*Y", ["X=Vi(1)", "Y=Vj(1)"], {
    reduction: "Max_SumShiftExp",
    dtype: "float64",
  });
  assertEquals(await f([[1]], [[2], [2], [2]]).array(), [[2, 3]]);
});

Deno.test("large sizes: a Gaussian sum over 517 and 1031 points, both axes", async () => {
  const random = randomFor("genred large");
  const p = FORMULAS[0];
  const inputs = drawn(p, 517, 1031, "float64", random);
  for (const axis of [0, 1] as const) {
    const got = genred(p.formula, p.aliases, { axis, dtype: "float64" })(...inputs);
    const want = await folded(p, inputs, 517, 1031, "Sum", axis, 1);
    await checkNear(got, want[0], 1e-11);
  }
});

Deno.test("shapes: (rows, dim), K-lists of scalars (rows, k) and of vectors (rows, k, dim)", () => {
  const x = tensor(new Float32Array(15), [5, 3]);
  const y = tensor(new Float32Array(21), [7, 3]);
  const aliases = ["X=Vi(3)", "Y=Vj(3)"];
  const shapes = (formula: string, options: Parameters<typeof genred>[2]): number[][] => {
    const got = genred(formula, aliases, options)(x, y);
    return (Array.isArray(got) ? got : [got]).map((t) => [...t.shape]);
  };
  assertEquals(shapes("X*Y", {}), [[5, 3]]);
  assertEquals(shapes("X*Y", { axis: 0 }), [[7, 3]]);
  assertEquals(shapes("X|Y", { reduction: "ArgMin" }), [[5, 1]]);
  assertEquals(shapes("X*Y", { reduction: "Max_ArgMax", axis: 0 }), [[7, 3], [7, 3]]);
  assertEquals(shapes("X|Y", { reduction: "KMin", k: 2 }), [[5, 2]]);
  assertEquals(shapes("X|Y", { reduction: "KMin", k: 1 }), [[5, 1]]);
  assertEquals(shapes("X*Y", { reduction: "ArgKMin", k: 2 }), [[5, 2, 3]]);
  assertEquals(shapes("X*Y", { reduction: "KMin_ArgKMin", k: 9, axis: 0 }), [[7, 9, 3], [7, 9, 3]]);
  const indices = genred("X|Y", aliases, { reduction: "ArgMin" })(x, y);
  assertEquals(indices.dtype, "int32");
});

Deno.test("K larger than the axis: infinity and, as in KeOps, index 0; NaN keeps index -1", async () => {
  const f = genred("X+Y", ["X=Vi(1)", "Y=Vj(2)"], {
    reduction: "KMin_ArgKMin",
    k: 3,
    dtype: "float64",
  });
  const [values, indices] = f([[0], [10]], [[5, NaN], [2, 1]]);
  assertEquals(await values.array(), [
    [[2, 1], [5, NaN], [Infinity, Infinity]],
    [[12, 11], [15, NaN], [Infinity, Infinity]],
  ]);
  assertEquals(await indices.array(), [[[1, 1], [0, -1], [0, 0]], [[1, 1], [0, -1], [0, 0]]]);
  const only = genred("X+Y", ["X=Vi(1)", "Y=Vj(1)"], { reduction: "ArgKMin", k: 4 });
  assertEquals(await only([[0]], [[5], [2]]).array(), [[1, 0, 0, 0]]);
});

Deno.test("without a Vj (Vi) variable there is one column (row)", async () => {
  const g = genred("Exp(X)*P", ["X=Vi(0,2)", "P=Pm(1,1)"], { dtype: "float64" });
  assertEquals(await g([[0, 0], [0, 0]], 3).array(), [[3, 3], [3, 3]]);
  const down = genred("X*P", ["X=Vi(0,2)", "P=Pm(1,1)"], { axis: 0 });
  assertEquals(await down([[1, 2], [3, 4]], 3).array(), [[12, 18]]);
  const parameter = genred("P*P", ["P=Pm(0,2)"]);
  assertEquals(await parameter([2, 3]).array(), [[4, 9]]);
  assertEquals(await genred("IntCst(3)")().array(), [[3]]);
});

Deno.test("unused inputs count: their rows are the axis's", async () => {
  const f = genred("X", ["X=Vi(0,1)", "Y=Vj(1,2)"]);
  assertEquals(await f([[1], [2]], [[0, 0], [0, 0], [0, 0]]).array(), [[3], [6]]);
  const g = genred("2", ["X=Vi(0,1)", "Y=Vj(1,1)"], { axis: 0 });
  assertEquals(await g([[1], [2]], [[0], [0], [0]]).array(), [[4], [4], [4]]);
});

Deno.test("inputs: tensors, nested arrays, flat typed arrays, numbers", async () => {
  const f = genred("X*P+S", ["X=Vi(0,2)", "P=Pm(1,2)", "S=Vi(2,1)"]);
  const flat = new Float32Array([1, 2, 3, 4]);
  const list = [[1, 2], [3, 4]];
  const add = new Float32Array([1, 2]);
  for (const x of [list, flat, tensor(list)]) {
    for (const p of [[10, 20], new Float32Array([10, 20]), tensor([10, 20]), tensor([[10, 20]])]) {
      for (const s of [[[1], [2]], [1, 2], add, tensor(add), tensor(add, [2, 1])]) {
        assertEquals(await f(x, p, s).array(), [[11, 41], [32, 82]]);
      }
    }
  }
});

Deno.test("nothing to fold: sums are 0, minima infinite, and no rows give no rows", async () => {
  const none = new Float32Array(0);
  const f = genred("X*Y", ["X=Vi(0,2)", "Y=Vj(1,2)"]);
  assertEquals(await f([[1, 2]], none).array(), [[0, 0]]);
  assertEquals(f(none, [[1, 2]]).shape, [0, 2]);
  assertEquals(f([], [[1, 2]]).shape[0], 0);
  const nearest = genred("X*Y", ["X=Vi(0,2)", "Y=Vj(1,2)"], { reduction: "Min_ArgMin" });
  const [values, indices] = nearest([[1, 2]], none);
  assertEquals(await values.array(), [[Infinity, Infinity]]);
  assertEquals(await indices.array(), [[-1, -1]]);
});

Deno.test("other numbers in the text are the same kernel", () => {
  const source = (g: number, power: string): string => {
    const text = `Exp(-${g}*SqDist(X,Y))*${g + 1}${power}`;
    return genred(text, ["X=Vi(0,3)", "Y=Vj(1,3)"])([[1, 2, 3]], [[1, 2, 3]]).explain();
  };
  assertEquals(source(0.3, ""), source(0.7, ""));
  assert(source(0.3, "") !== source(0.3, "**3"));
});

Deno.test("options go through: device, sums, accumulator, fast math", async () => {
  const aliases = ["X=Vi(0,1)", "Y=Vj(1,1)"];
  const x = new Float32Array(1000).fill(0.1);
  const exact = Math.fround(0.1) ** 2 * 1000;
  const options = { device: "wasm", sumScheme: "direct", accumulator: "float64" } as const;
  const value = (await genred("X*Y", aliases, options)([[x[0]]], x).data())[0];
  assertEquals(value, Math.fround(exact));
  const plain = genred("X*Y", aliases, { sumScheme: "direct" })([[x[0]]], x);
  assert((await plain.data())[0] !== value);
});

Deno.test("a function may be called often, with other sizes", async () => {
  const f = genred("X*Y", ["X=Vi(0,1)", "Y=Vj(1,1)"]);
  const results = [1, 5, 2].map((n) => f([[2]], new Float32Array(n).fill(1)));
  assertEquals(await Promise.all(results.map((t) => t.item())), [2, 10, 4]);
});

Deno.test("genred: culling is a choice as any other", () => {
  const points = new Float32Array(60_000);
  const f = genred("SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], { reduction: "ArgMin", culling: false });
  assert(f(points, points).explain().includes("culling   none: not wanted"));
});
