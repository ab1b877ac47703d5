// What solvers know of a matrix: its products with blocks of vectors, some of its entries, where
// its rows stand in space. Enters: matrices of different kinds. Leaves: these four functions for
// each, and for sums, products, transposes and blocks of them.

import { PairfoldError } from "../error.ts";

/** How exactly a product has to be computed: at least so. */
export type Precision = "float32" | "float64";

/** What a product is told. */
export interface ApplyControl {
  /** Default "float64". */
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
}

/** Throws `PairfoldError` (aborted) once the signal says so. */
export function checkAborted(op: string, { signal }: { readonly signal?: AbortSignal }): void {
  if (signal === undefined || !signal.aborted) return;
  throw new PairfoldError("aborted", `${op}: the signal was aborted`, { cause: signal.reason });
}

/** Positions of rows in space: [n, dim], row-major. */
export interface Points {
  readonly data: ArrayLike<number>;
  readonly dim: number;
}

/** A matrix by what it does. Blocks of vectors are row-major [rows, width], float64. */
export interface Action {
  readonly rows: number;
  readonly columns: number;
  /** The matrix times a block [columns, width], which is not changed: [rows, width]. */
  apply(block: Float64Array, width: number, control: ApplyControl): Promise<Float64Array>;
  transposed(): Action;
  /** Whether entries cost little; else they are read off products with unit vectors. */
  readonly hasEntries: boolean;
  /** Entries (rows[k], columns[k]), in float64. */
  entries(rows: Int32Array, columns: Int32Array, control: ApplyControl): Promise<Float64Array>;
  /** Where rows stand, if that is known: for preconditioners that group near ones. */
  points(control: ApplyControl): Promise<Points | null>;
  /** A line for people. */
  describe(): string;
}

/** Columns that are computed together where entries come from products. */
const COLUMNS_AT_ONCE = 32;

/** Entries of a matrix that is known by its products alone: those of unit vectors. */
export async function entriesByProducts(
  action: Pick<Action, "rows" | "columns" | "apply">,
  rows: Int32Array,
  columns: Int32Array,
  control: ApplyControl,
): Promise<Float64Array> {
  const wanted = new Map<number, number[]>();
  columns.forEach((column, k) => {
    const there = wanted.get(column);
    if (there === undefined) wanted.set(column, [k]);
    else there.push(k);
  });
  const out = new Float64Array(rows.length);
  const all = [...wanted];
  for (let from = 0; from < all.length; from += COLUMNS_AT_ONCE) {
    const some = all.slice(from, from + COLUMNS_AT_ONCE);
    const block = new Float64Array(action.columns * some.length);
    some.forEach(([column], c) => block[column * some.length + c] = 1);
    const product = await action.apply(block, some.length, control);
    some.forEach(([, places], c) => {
      for (const k of places) out[k] = product[rows[k] * some.length + c];
    });
  }
  return out;
}

const none = (): Promise<null> => Promise.resolve(null);

/** A matrix that is given by its entries, row-major. */
export function denseAction(data: Float64Array, rows: number, columns: number): Action {
  const action: Action = {
    rows,
    columns,
    apply: (block, width) => {
      const out = new Float64Array(rows * width);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          const a = data[i * columns + j];
          for (let c = 0; c < width; c++) out[i * width + c] += a * block[j * width + c];
        }
      }
      return Promise.resolve(out);
    },
    transposed: () => {
      const turned = new Float64Array(data.length);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) turned[j * rows + i] = data[i * columns + j];
      }
      return denseAction(turned, columns, rows);
    },
    hasEntries: true,
    entries: (i, j) =>
      Promise.resolve(Float64Array.from(i, (row, k) => data[row * columns + j[k]])),
    points: none,
    describe: () => `dense [${rows}, ${columns}]`,
  };
  return action;
}

/** A diagonal matrix; a number stands for equal entries. */
export function diagonalAction(values: Float64Array | number, n: number): Action {
  const at = typeof values === "number" ? () => values : (k: number) => values[k];
  const action: Action = {
    rows: n,
    columns: n,
    apply: (block, width) =>
      Promise.resolve(block.map((value, k) => value * at(Math.floor(k / width)))),
    transposed: () => action,
    hasEntries: true,
    entries: (i, j) =>
      Promise.resolve(Float64Array.from(i, (row, k) => row === j[k] ? at(row) : 0)),
    points: none,
    describe: () => typeof values === "number" ? `${values} · identity [${n}]` : `diagonal [${n}]`,
  };
  return action;
}

/** left · right for low-rank terms and products. */
export function productAction(left: Action, right: Action): Action {
  const apply: Action["apply"] = async (block, width, control) =>
    await left.apply(await right.apply(block, width, control), width, control);
  const size = { rows: left.rows, columns: right.columns };
  return {
    ...size,
    apply,
    transposed: () => productAction(right.transposed(), left.transposed()),
    hasEntries: false,
    entries: (rows, columns, control) =>
      entriesByProducts({ ...size, apply }, rows, columns, control),
    points: (control) => left.points(control),
    describe: () => `(${left.describe()}) · (${right.describe()})`,
  };
}

/** factor · U Vᵀ, for U [rows, rank] and V [columns, rank]. */
export function lowRankAction(
  u: Float64Array,
  v: Float64Array,
  rows: number,
  columns: number,
  rank: number,
): Action {
  const product = productAction(
    denseAction(u, rows, rank),
    denseAction(v, columns, rank).transposed(),
  );
  return {
    ...product,
    transposed: () => lowRankAction(v, u, columns, rows, rank),
    hasEntries: true,
    entries: (i, j) =>
      Promise.resolve(Float64Array.from(i, (row, k) => {
        let sum = 0;
        for (let r = 0; r < rank; r++) sum += u[row * rank + r] * v[j[k] * rank + r];
        return sum;
      })),
    points: none,
    describe: () => `rank ${rank} [${rows}, ${columns}]`,
  };
}

/** Σ factors[k] · terms[k], all of one size. */
export function sumAction(terms: readonly Action[], factors: readonly number[]): Action {
  const [{ rows, columns }] = terms;
  const sum = async (parts: readonly Promise<Float64Array>[]): Promise<Float64Array> => {
    const out = await parts[0];
    const total = out.map((value) => factors[0] * value);
    for (let t = 1; t < parts.length; t++) {
      const part = await parts[t];
      for (let k = 0; k < total.length; k++) total[k] += factors[t] * part[k];
    }
    return total;
  };
  return {
    rows,
    columns,
    apply: (block, width, control) => sum(terms.map((t) => t.apply(block, width, control))),
    transposed: () => sumAction(terms.map((t) => t.transposed()), factors),
    hasEntries: terms.every((t) => t.hasEntries),
    entries: (i, j, control) => sum(terms.map((t) => t.entries(i, j, control))),
    points: async (control) => {
      for (const t of terms) {
        const points = await t.points(control);
        if (points !== null) return points;
      }
      return null;
    },
    describe: () =>
      terms.map((t, k) => factors[k] === 1 ? t.describe() : `${factors[k]} · ${t.describe()}`)
        .join(" + "),
  };
}

/** Blocks in rows and columns, all of fitting sizes. */
export function blockAction(grid: readonly (readonly (Action | null)[])[]): Action {
  const heights = grid.map((row, r) => sizeOf(row, "rows", `row ${r}`));
  const widths = grid[0].map((_, c) => sizeOf(grid.map((row) => row[c]), "columns", `column ${c}`));
  const tops = starts(heights), lefts = starts(widths);
  const rows = tops[heights.length], columns = lefts[widths.length];
  return {
    rows,
    columns,
    apply: async (block, width, control) => {
      const out = new Float64Array(rows * width);
      for (const [r, row] of grid.entries()) {
        for (const [c, part] of row.entries()) {
          if (part === null) continue;
          const own = block.slice(lefts[c] * width, lefts[c + 1] * width);
          const product = await part.apply(own, width, control);
          for (let k = 0; k < product.length; k++) out[tops[r] * width + k] += product[k];
        }
      }
      return out;
    },
    transposed: () =>
      blockAction(grid[0].map((_, c) => grid.map((row) => row[c]?.transposed() ?? null))),
    hasEntries: grid.flat().every((part) => part?.hasEntries ?? true),
    entries: async (i, j, control) => {
      const out = new Float64Array(i.length);
      for (const [r, row] of grid.entries()) {
        for (const [c, part] of row.entries()) {
          const isIn = (k: number): boolean =>
            i[k] >= tops[r] && i[k] < tops[r + 1] && j[k] >= lefts[c] && j[k] < lefts[c + 1];
          const places = Array.from(i.keys()).filter((k) => isIn(k));
          if (part === null || places.length === 0) continue;
          const own = await part.entries(
            Int32Array.from(places, (k) => i[k] - tops[r]),
            Int32Array.from(places, (k) => j[k] - lefts[c]),
            control,
          );
          places.forEach((k, n) => out[k] = own[n]);
        }
      }
      return out;
    },
    points: none,
    describe: () => `blocks ${grid.length} × ${grid[0].length} [${rows}, ${columns}]`,
  };
}

function starts(sizes: readonly number[]): number[] {
  const out = [0];
  for (const size of sizes) out.push(out[out.length - 1] + size);
  return out;
}

function sizeOf(
  parts: readonly (Action | null)[],
  side: "rows" | "columns",
  where: string,
): number {
  const sizes = new Set(parts.flatMap((part) => part === null ? [] : [part[side]]));
  const [size] = sizes;
  if (sizes.size === 1) return size;
  throw new PairfoldError(
    "shape",
    sizes.size === 0
      ? `blockOperator: got no block in ${where}; expected at least one, to know its ${side}`
      : `blockOperator: got blocks of ${
        [...sizes].join(" and ")
      } ${side} in ${where}; expected one`,
  );
}
