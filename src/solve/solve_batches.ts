// Systems with several matrices and batches of right-hand sides, as numpy.linalg.solve broadcasts
// them. Enters: matrices [...batch, n, n], right-hand sides [...batch, n, width]. Leaves: solutions
// of the shape that both broadcast to, and what each batch reached.

import { PairfoldError } from "../error.ts";
import { broadcastShapes, broadcastStrides, sizeOf, type Tensor } from "../tensor/mod.ts";
import type { Precision } from "./action.ts";
import { type ActionBatch, batchName, together } from "./batches.ts";
import { takeColumns } from "./blocks.ts";
import { type Settings, settingsOf, type SolveOptions, type SolveProgress } from "./settings.ts";
import {
  deferredSolution,
  type Solution,
  type Solved,
  type SolveReport,
  solveSystem,
  type SystemReport,
  unconverged,
  worstOf,
} from "./solve.ts";

/** A batch of the solution: where its right-hand sides are, and which matrix' columns they are. */
interface Place {
  /** The matrix. */
  readonly of: number;
  /** The batch of the right-hand side. */
  readonly b: number;
  /** How many batches before it have the same matrix. */
  readonly turn: number;
}

/** Every batch of a shape, row-major, and how many belong to each matrix. */
function placesOf(
  shape: readonly number[],
  matrices: readonly number[],
  sides: readonly number[],
): { readonly places: readonly Place[]; readonly counts: Int32Array } {
  const steps = [matrices, sides].map((own) => broadcastStrides(own, shape));
  const counts = new Int32Array(sizeOf(matrices));
  const places = Array.from({ length: sizeOf(shape) }, (_, at): Place => {
    const [of, b] = steps.map((strides) => {
      let place = 0;
      for (let axis = shape.length - 1, left = at; axis >= 0; axis--) {
        place += (left % shape[axis]) * strides[axis];
        left = Math.floor(left / shape[axis]);
      }
      return place;
    });
    return { of, b, turn: counts[of]++ };
  });
  return { places, counts };
}

/**
 * The solutions of (matrix + alpha · I) x = b for each batch: b is [...batch, n, width], x
 * [...batch, n, width] of both batch shapes broadcast. Every matrix is a solve of its own, with all
 * right-hand sides that meet it; products of all of them are computed at once.
 *
 * Throws `PairfoldError` (shape) where the batch shapes do not broadcast.
 */
export function solveBatches(
  matrices: ActionBatch,
  b: Tensor,
  dtype: Precision,
  options: SolveOptions,
): Solution {
  const n = matrices.rows, width = b.shape[b.shape.length - 1];
  const sides = b.shape.slice(0, -2);
  const batch = broadcastShapes(matrices.shape, sides);
  if (batch === null) {
    throw new PairfoldError(
      "shape",
      `solve: got batch shapes [${matrices.shape}] of the matrix and [${sides}] of the right-hand ` +
        "side; expected ones that broadcast (equal, or 1)",
    );
  }
  const settings = settingsOf(n, options);
  const type = settings.precision === "float32" ? "float32" : dtype;
  const { places, counts } = placesOf(batch, matrices.shape, sides);
  const systems = Array.from(counts, (): Place[] => []);
  for (const place of places) systems[place.of].push(place);
  return deferredSolution({
    shape: [...batch, n, width],
    dtype: type,
    b,
    options,
    solve: async (numbers, control) => {
      const solved = await together(matrices, async (matrix, of) => {
        const own = systems[of];
        const { onProgress } = settings;
        const request = {
          matrix,
          b: sideBySide(
            own.map((p) => numbers.subarray(p.b * n * width, (p.b + 1) * n * width)),
            n,
          ),
          width: own.length * width,
          settings: {
            ...settings,
            onProgress: (progress: SolveProgress) => onProgress?.({ ...progress, batch: of }),
          },
          dtype: type,
        };
        return await solveSystem(request, control);
      });
      return assembled(places, solved, { n, width, batch, counts, settings });
    },
    explain: () =>
      `conjugate gradients for (${matrices.describe()}) + ${settings.alpha} · identity, batches of ` +
      `shape [${batch}], ${width} right-hand sides each, precision ${settings.precision}, tol ` +
      `${settings.tol}`,
  });
}

/** Blocks [n, width] as one, column beside column. */
function sideBySide(blocks: readonly Float64Array[], n: number): Float64Array {
  if (blocks.length === 1) return blocks[0].slice();
  const out = new Float64Array(blocks.reduce((sum, block) => sum + block.length, 0));
  const all = out.length / n;
  let left = 0;
  for (const block of blocks) {
    const width = block.length / n;
    for (let row = 0; row < n; row++) {
      out.set(block.subarray(row * width, (row + 1) * width), row * all + left);
    }
    left += width;
  }
  return out;
}

interface Layout {
  readonly n: number;
  readonly width: number;
  readonly batch: readonly number[];
  /** Batches that belong to each matrix. */
  readonly counts: Int32Array;
  readonly settings: Settings;
}

/** Solutions and reports of batches from those of matrices. */
function assembled(
  places: readonly Place[],
  solved: readonly Solved[],
  { n, width, batch, counts, settings }: Layout,
): Solved<SolveReport> {
  const x = new Float64Array(places.length * n * width);
  const batches = places.map(({ of, turn }, at): SystemReport => {
    const { x: all, report } = solved[of];
    const from = turn * width;
    const columns = Array.from({ length: width }, (_, c) => from + c);
    x.set(takeColumns(all, counts[of] * width, columns), at * n * width);
    const residuals = report.residuals.slice(from, from + width);
    return {
      ...report,
      residuals,
      roundedResiduals: report.roundedResiduals.slice(from, from + width),
      residual: worstOf(residuals),
      converged: residuals.every((value) => value <= report.tol),
    };
  });
  const bad = batches.findIndex(({ converged }) => !converged);
  if (bad >= 0 && !settings.allowUnconverged) {
    throw unconverged(batches[bad], batchName(bad, batch));
  }
  return { x, report: wholeReport(batches, solved.map(({ report }) => report), settings) };
}

/** What all batches reached together. */
function wholeReport(
  batches: readonly SystemReport[],
  systems: readonly SystemReport[],
  { tol, precision }: Settings,
): SolveReport {
  const joined = (key: "residuals" | "roundedResiduals"): Float64Array =>
    Float64Array.from(batches.flatMap((report) => [...report[key]]));
  const most = (key: "iterations" | "refinements"): number =>
    systems.reduce((largest, report) => Math.max(largest, report[key]), 0);
  const sum = (of: Precision): number =>
    systems.reduce((total, { products }) => total + products[of], 0);
  return {
    converged: batches.every(({ converged }) => converged),
    residual: worstOf(batches.map(({ residual }) => residual)),
    residuals: joined("residuals"),
    roundedResiduals: joined("roundedResiduals"),
    tol,
    iterations: most("iterations"),
    refinements: most("refinements"),
    products: { float32: sum("float32"), float64: sum("float64") },
    precision,
    preconditioner: [...new Set(systems.map(({ preconditioner }) => preconditioner))].join("; "),
    batches,
  };
}
