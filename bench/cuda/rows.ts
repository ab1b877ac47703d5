// What bench:cuda folds: the GPU rows of PERFORMANCE.md, and sweeps over one size at a time. All
// are in KeOps' words, which genred takes too; inputs are G (the scale), X, Y, B.

import type { KeopsReduction } from "pairfold";
import {
  LOCAL_FLOATS,
  MACHINE_CODE,
  PANEL_CODE,
  panelBoundPerClock,
  RATES,
  type TurnCode,
} from "../../src/tiling/mod.ts";

/** A kind of folds in KeOps' words. */
export interface Kind {
  readonly formula: string;
  readonly reduction: KeopsReduction;
  readonly weight?: string;
}

/** One fold. */
export interface CudaRow {
  /** Rows of the targets stand in "targets"; each sweep has one varying size and a name. */
  readonly part:
    | ("targets" | "N" | "D" | "width" | "K" | "D of gradients" | "attention")
    | ("N, float64" | "D, float64" | "width, float64" | "attention, float64");
  readonly name: string;
  /** What varies, for plots. */
  readonly at: number;
  readonly rows: number;
  readonly columns: number;
  readonly dim: number;
  readonly width: number;
  readonly k?: number;
  readonly dtype: "float32" | "float64";
  readonly kind: keyof typeof KINDS;
  readonly distances?: "centred" | "direct";
  readonly products?: "tf32x3" | "tf32";
  /** The least ratio to KeOps on the same card; null: no target. */
  readonly target: number | null;
  /** The kernel's name in MACHINE_CODE and special functions of a pair, where a bound is known. */
  readonly code?: { readonly name: keyof typeof MACHINE_CODE; readonly special: number };
  /** The kernel's name in PANEL_CODE, where its sums are products of panels. */
  readonly panel?: keyof typeof PANEL_CODE;
}

/** Kinds of folds: KeOps' formula, reduction and second formula. */
export const KINDS = {
  gaussian: { formula: "Exp(-G*SqDist(X,Y))*B", reduction: "Sum" },
  gradient: { formula: "(X-Y)*(Exp(-G*SqDist(X,Y))*B)", reduction: "Sum" },
  logsumexp: { formula: "-G*SqDist(X,Y)", reduction: "LogSumExp" },
  argmin: { formula: "SqDist(X,Y)", reduction: "ArgMin" },
  neighbours: { formula: "SqDist(X,Y)", reduction: "ArgKMin" },
  attention: { formula: "G*(X|Y)", reduction: "SumSoftMaxWeight", weight: "B" },
} as const satisfies Record<string, Kind>;

const base = { rows: 1e5, columns: 1e5, dim: 3, width: 1, dtype: "float32", at: 0 } as const;
const target = { ...base, part: "targets" } as const;

const TARGETS: readonly CudaRow[] = [
  {
    ...{ ...target, name: "gaussian", kind: "gaussian", rows: 1e6, columns: 1e6, target: 2 },
    code: { name: "gaussian", special: 1 },
  },
  {
    ...{
      ...target,
      name: "gaussian, direct",
      kind: "gaussian",
      rows: 1e6,
      columns: 1e6,
      target: 2,
    },
    distances: "direct",
    code: { name: "gaussian, direct", special: 1 },
  },
  {
    ...{ ...target, name: "small M", kind: "gaussian", rows: 1e4, columns: 1e6, target: 5 },
    code: { name: "gaussian", special: 1 },
  },
  {
    ...{ ...target, name: "gradient", kind: "gradient", rows: 3e5, columns: 3e5, target: 2 },
    code: { name: "gradient", special: 1 },
  },
  {
    ...{ ...target, name: "logsumexp", kind: "logsumexp", rows: 3e5, columns: 3e5, target: 2 },
    code: { name: "logsumexp", special: 1 },
  },
  {
    ...{ ...target, name: "argmin", kind: "argmin", rows: 3e5, columns: 3e5, target: 2 },
    code: { name: "argmin", special: 0 },
  },
  {
    ...{ ...target, name: "10-smallest", kind: "neighbours", k: 10, target: 2 },
    code: { name: "10-smallest", special: 0 },
  },
  {
    ...{ ...target, name: "D=64", kind: "gaussian", dim: 64, target: 3 },
    code: { name: "D=64", special: 1 },
  },
  {
    ...{ ...target, name: "D=64, centred", kind: "gaussian", dim: 64, target: 3 },
    distances: "centred",
    code: { name: "D=64, centred", special: 1 },
  },
  {
    ...{ ...target, name: "D=64, tf32x3", kind: "gaussian", dim: 64, target: 6 },
    ...{ distances: "centred", products: "tf32x3" },
    code: { name: "D=64, tf32x3", special: 1 },
  },
  {
    ...{ ...target, name: "D=64, tf32", kind: "gaussian", dim: 64, target: 6 },
    ...{ distances: "centred", products: "tf32" },
    code: { name: "D=64, tf32", special: 1 },
  },
  {
    ...{ ...target, name: "D=512, tf32x3", kind: "gaussian", dim: 512, rows: 3e4, columns: 3e4 },
    ...{ distances: "centred", products: "tf32x3", target: 6 },
    code: { name: "D=512, tf32x3", special: 1 },
  },
  {
    ...{ ...target, name: "wide 16", kind: "gaussian", width: 16, target: 3 },
    code: { name: "wide 16", special: 1 },
  },
  {
    ...{ ...target, name: "D=64, wide 16", kind: "gaussian", dim: 64, width: 16, target: 3 },
    ...{ rows: 3e4, columns: 3e4, panel: "D=64, wide 16" },
  },
  {
    ...{ ...target, name: "D=64, wide 64", kind: "gaussian", dim: 64, width: 64, target: null },
    ...{ rows: 3e4, columns: 3e4, panel: "D=64, wide 64" },
  },
  {
    ...{ ...target, name: "attention 64", kind: "attention", dim: 64, width: 64, target: null },
    ...{ rows: 3e4, columns: 3e4, panel: "attention 64" },
  },
  {
    ...{ ...target, name: "gaussian f64", kind: "gaussian", dtype: "float64", target: 2 },
    code: { name: "gaussian f64", special: 0 },
  },
  {
    ...{ ...target, name: "wide 64 f64", kind: "gaussian", width: 64, target: null },
    ...{ rows: 3e4, columns: 3e4, dtype: "float64", panel: "wide 64 f64" },
  },
  {
    ...{ ...target, name: "D=64, wide 64 f64", kind: "gaussian", dim: 64, width: 64, target: null },
    ...{ rows: 3e4, columns: 3e4, dtype: "float64", panel: "D=64, wide 64 f64" },
  },
  {
    ...{ ...target, name: "attention 64 f64", kind: "attention", dim: 64, width: 64, target: null },
    ...{ rows: 3e4, columns: 3e4, dtype: "float64", panel: "attention 64 f64" },
  },
];

const sweep = (
  part: CudaRow["part"],
  values: readonly number[],
  sizes: (at: number) => Partial<CudaRow>,
): CudaRow[] =>
  values.map((at) => ({
    ...{ ...base, part, name: `${part} = ${at}`, at, kind: "gaussian", target: null },
    ...sizes(at),
  }));

/** The kernel that PANEL_CODE has for a width, where it has one. */
function panelOfWidth(width: number, dtype: CudaRow["dtype"]): Partial<CudaRow> {
  const name = `wide ${width}${dtype === "float64" ? " f64" : ""}`;
  return name in PANEL_CODE ? { panel: name as keyof typeof PANEL_CODE } : {};
}

const MEDIUM = { rows: 3e4, columns: 3e4 } as const;
const SMALL = { rows: 1e4, columns: 1e4 } as const;

const SWEEPS: readonly CudaRow[] = [
  ...sweep("N", [1e2, 1e3, 1e4, 1e5, 5e5], (at) => ({ rows: at, columns: at })),
  ...sweep(
    "D",
    [1, 3, 10, 30, 64, 100, 300, 1000, 3000],
    (dim) => ({ ...(dim < 1000 ? MEDIUM : SMALL), dim }),
  ),
  ...sweep("width", [1, 4, 16, 33, 64, 100, 128, 512], (width) => ({
    ...{ ...MEDIUM, width, ...panelOfWidth(width, "float32") },
  })),
  ...sweep("K", [1, 10, 50, 200], (k) => ({ ...MEDIUM, k, kind: "neighbours" })),
  ...sweep("D of gradients", [3, 16, 32, 33, 64, 65, 100, 300], (dim) => ({
    ...{ ...MEDIUM, dim, kind: "gradient" },
  })),
  ...sweep("attention", [8, 16, 32, 33, 64], (at) => ({
    ...{ ...MEDIUM, dim: at, width: at, kind: "attention" },
  })),
  ...sweep("D, float64", [3, 16, 32, 33, 64, 100, 300], (dim) => ({
    ...{ ...SMALL, dim, dtype: "float64" },
  })),
  ...sweep("width, float64", [4, 16, 32, 33, 64, 65, 100, 512], (width) => ({
    ...{ ...SMALL, width, dtype: "float64", ...panelOfWidth(width, "float64") },
  })),
  ...sweep("attention, float64", [8, 32, 33, 64], (at) => ({
    ...{ ...SMALL, dim: at, width: at, kind: "attention", dtype: "float64" },
  })),
  ...sweep("N, float64", [1e3, 1e4, 1e5], (at) => ({ rows: at, columns: at, dtype: "float64" })),
];

/** All rows, targets first. */
export const CUDA_ROWS: readonly CudaRow[] = [...TARGETS, ...SWEEPS];

/** The same at sizes that take no time: all targets, two points of each sweep. */
export function tinyRows(): CudaRow[] {
  const seen = new Map<string, number>();
  const few = CUDA_ROWS.filter(({ part }) => {
    seen.set(part, (seen.get(part) ?? 0) + 1);
    return part === "targets" || seen.get(part)! <= 2;
  });
  return few.map((row) => ({ ...row, rows: 37, columns: 53 }));
}

/** Names of a row's inputs, with sizes. */
export function inputsOf(row: CudaRow) {
  return [
    { name: "G", category: "Pm", rows: 1, dim: 1 },
    { name: "X", category: "Vi", rows: row.rows, dim: row.dim },
    { name: "Y", category: "Vj", rows: row.columns, dim: row.dim },
    { name: "B", category: "Vj", rows: row.columns, dim: row.width },
  ] as const;
}

/**
 * What one pair's bound is on a card, in pairs per second, from its own rates; null: not counted.
 */
export function boundOf(row: CudaRow, rates: { fma: number; exp2: number }): number | null {
  if (row.panel !== undefined) {
    return rates.fma * panelBoundPerClock(PANEL_CODE[row.panel], "sm_90") / RATES.sm_90.slots;
  }
  if (row.code === undefined) return null;
  const code: TurnCode = MACHINE_CODE[row.code.name];
  const { perTurn, instructions, shared, local, products = 0, doubles = 0 } = code;
  const { slots: all, loads, products: onTensorCores, doubles: inDoubles } = RATES.sm_90;
  // in slots: loads bring a quarter as many floats as there are, tensor cores multiply 8 times as
  // much, and doubles take two
  const slots = Math.max(
    instructions.sm_90,
    (shared + LOCAL_FLOATS * local) * all / loads,
    products * all / onTensorCores,
    doubles * all / inDoubles,
  ) / perTurn;
  const special = row.code.special === 0 ? Infinity : rates.exp2 / row.code.special;
  return Math.min(rates.fma / slots, special);
}
