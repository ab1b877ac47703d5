// What a fold over tensors is asked for, and what its user may choose.

import type { Device } from "../engine/mod.ts";
import type { Axis, Node } from "../formula/mod.ts";
import type { ReductionName, SumScheme } from "../reduction/mod.ts";
import type { BlockRanges } from "../sparse/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { Batch, Rectangle } from "./batch.ts";

/** What a user may choose about one fold. */
export interface FoldChoices {
  /** Where it runs; default "auto". A list divides the rows between several of one kind. */
  readonly device?: Device;
  /** How floats are added up; default "compensated" (blocks of 64, compensated block totals). */
  readonly sumScheme?: SumScheme;
  /** Type of the totals; default the tensors' own. */
  readonly accumulator?: "float32" | "float64";
  /** Allow rewrites that may overflow or lose accuracy; default false. */
  readonly fastMath?: boolean;
  /**
   * How squared distances between a row's point and a column's are computed, where the formula has
   * `sqDist`, `sqNorm2` of a difference (KeOps' `SqDist`) or its squares summed. "direct":
   * Σ (a − b)². "centred", of 8 and more components: |a|² + |b|² − 2 a·b around the mean of the
   * column's points c, at least 0 (`torch.cdist` with `use_mm_for_euclid_dist`); faster for long
   * vectors, but the error is relative to |a − c|² + |b − c|², not to the distance itself: near
   * points lose digits, nearest neighbours may change places; they want finite points. The scale of
   * a float32 Gaussian exp(−s q) of shorter vectors goes into its points, √s (a − c), if s is made
   * of numbers and tensors that were given: one product less per pair on CUDA, and an exponent that
   * is off by up to 4 √(s q) (|√s (a − c)| + |√s (b − c)|) roundings.
   *
   * "auto", the default, is "direct", but that on CUDA the scale of a float32 Gaussian of 2 to 16
   * components that is a factor of a sum goes into its points too, where scale and points were given
   * as numbers (`tensor(data)`) and the points do not reach so far that the bound of the sum's error
   * would double: about 15 widths σ for exp(−q / 2σ²) in 3-D. Not where derivatives are taken.
   * Another scale packs the columns anew.
   * `explain()` says whether, and why.
   */
  readonly distances?: "auto" | "direct" | "centred";
  /**
   * Whether `min`, `argMin`, `minArgMin`, `kMin`, `argKMin` and `kMinArgKMin` of the distance
   * between a row's point and a column's leave out the pairs that are too far: points are sorted
   * into a tree of boxes along Morton's curve (Karras 2012), rows in parts that share a list of
   * columns (KeOps' ranges). Every bit of the result is that of all pairs; progress tells of the
   * pairs that are folded, and `explain()` how many these were, or why all were. Formulas are
   * `sqDist`, `sqNorm2` or `norm2` of a difference, its squares summed, `sqrt` of these, or `abs`
   * of a difference of numbers, of up to 16 components. Where it is estimated to pay, from a few
   * thousand points of up to 3 components on, and more for more components or neighbours; not on
   * cards, lists of devices, batches, or points that are not finite. It takes memory beside the
   * tensors: about a copy of each table, and lists of some MiB. Default true.
   */
  readonly culling?: boolean;
  /**
   * How dot products of more than 32 components between a row's vector and a column's are
   * multiplied by a card's tensor cores, in float32 folds of at most 8 components that have one
   * such product: "float32", not by them; "tf32x3", each number as the sum of two of 11 significant
   * bits (TF32), all products of these but the smallest, off by at most (3 · 2⁻²² + D · 2⁻²³) Σ
   * |a_k b_k|, about float32's error; "tf32", rounded to 11 bits, off by up to 2⁻¹⁰ Σ |a_k b_k|
   * (`torch.set_float32_matmul_precision`'s "high"; JAX's `TF32_TF32_F32_X3` and `TF32_TF32_F32`).
   * Squared distances become dot products with `distances: "centred"`. They want finite numbers.
   * Cards before sm_80, other formulas, WebAssembly and native code compute in full float32.
   * Default "float32".
   */
  readonly products?: "float32" | "tf32x3" | "tf32";
}

/** What a user may choose about a reduction over some of the pairs. */
export interface RangedChoices extends FoldChoices {
  /**
   * Which rows i meet which columns j; default all (KeOps' `ranges`). Every row is folded with the
   * columns that it meets as one: indices stay those of the whole matrix, ties go to the lower one,
   * `mean` divides by their number, and a row that meets none gets what the reduction gives over
   * nothing: 0 for sums, ±∞ and −1 for extrema and K-smallest, −∞ for `logSumExp`, NaN for means.
   * Folds over i and derivatives fold the same pairs. Batches have them in common. Nothing else is
   * left out then (`culling`), and pairs of points with themselves are met twice.
   */
  readonly ranges?: BlockRanges;
}

/** What leaving out points that are too far costs, in pairs of a fold of all. */
export interface CullingCosts {
  /** For each column. */
  readonly column: number;
  /** For each row, and for each where results are sorted at the end. */
  readonly row: number;
  readonly sortedRow: number;
  /** For each of a row's neighbours. */
  readonly neighbour: number;
  /** For each column in a list that up to 128 rows share. */
  readonly listed: number;
  /** For each pair that is folded. */
  readonly pair: number;
  /** How many times the cost of the rows a fold must have to be tried. */
  readonly trying: number;
}

/** A fold over tensors: variables of the formula are slots that name tensors by id. */
export interface FoldRequest {
  readonly formula: Node;
  /** The second formula, for reductions that take one. */
  readonly weight?: Node | null;
  readonly inputs: ReadonlyMap<number, Tensor>;
  readonly reduction: ReductionName;
  /** The axis that is folded away. */
  readonly axis: Axis;
  readonly M: number;
  readonly N: number;
  readonly dtype: "float32" | "float64";
  readonly k: number;
  readonly choices: FoldChoices;
  /** Leading dims; default none. M and N are those of one batch. */
  readonly batch?: Batch;
  /** Which i meet which j in each batch; default all. */
  readonly ranges?: BlockRanges;
  /** Rectangles of pairs to fold in each batch, not all, rows being those of the kept axis. */
  readonly segments?: readonly Rectangle[];
  /** Rows of the outputs of each batch; default those of the kept axis. */
  readonly outputRows?: number;
  /** Pairs that readers are told of; default those that it folds. */
  readonly pairs?: number;
  /** What `explain()` says about a Gaussian's scale. */
  readonly scaling?: string;
  /** Whether rounded points are looked at first, where they may be; default where that pays. */
  readonly rounds?: boolean;
  /** What leaving out points costs; default what was measured. */
  readonly cullingCosts?: CullingCosts;
}
