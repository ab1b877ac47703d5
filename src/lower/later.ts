// Kernels that are lowered when somebody looks into them, and known by their fold's text before.

import { fingerprint, withinStack } from "../formula/mod.ts";
import type {
  CarefulLoop,
  FloatType,
  Kernel,
  KernelInput,
  MathFunctions,
  Mirror,
  Region,
  Search,
  StateItem,
  Survey,
  TensorProducts,
} from "../loop/mod.ts";
import { BLOCK_LENGTH, checkFormulas, reductions } from "../reduction/mod.ts";
import { type Fold, inputsOf, lower, titleOf } from "./kernel.ts";

/** What a fold is lowered from, as text. */
function identityOf(
  fold: Fold,
): string {
  const { formula, reduction, weight, float, inputs, options, fastMath } = fold;
  const { products, rounded, twins, expectsFinite } = fold;
  const { sumScheme, accumulator, k } = options;
  const tables = inputs.map((one) => {
    const twin = inputs.findIndex((other) => other === twins?.get(one));
    return `${one.axis}${one.dim}${one.number}${twin < 0 ? "" : `=${twin}`}`;
  });
  const formulas = weight ? [formula, weight] : [formula];
  const kind = [rounded ? "rounded" : "", expectsFinite ? "finite" : ""];
  const choices = [sumScheme, accumulator, k, fastMath, products ?? "", ...kind];
  return [reduction, float, ...choices, tables, fingerprint(...formulas)].join(" ");
}

/**
 * The kernel of a fold, lowered when somebody looks into it: who knows it by its identity need not.
 */
class LaterKernel implements Kernel {
  readonly float: FloatType;
  readonly inputs: readonly KernelInput[];
  readonly outputs: Kernel["outputs"];
  readonly block = BLOCK_LENGTH;
  readonly products?: TensorProducts;
  readonly hasKeys: boolean;
  readonly #fold: Fold;
  readonly #math: MathFunctions;
  readonly #hasTwins: boolean;
  #identity: string | null = null;
  #lowered: Kernel | null = null;
  #careful: Kernel | null = null;

  constructor(fold: Fold, math: MathFunctions) {
    const { formula, weight, float, options, twins } = fold;
    const reduction = reductions[fold.reduction];
    const dim = reduction.outputDim(formula.dim, weight?.dim ?? 0, options.k);
    this.float = float;
    this.inputs = inputsOf(fold);
    this.outputs = reduction.outputs.map((number) => ({ number, dim }));
    this.hasKeys = fold.rounded !== undefined;
    if (fold.products !== undefined) this.products = fold.products;
    this.#fold = fold;
    this.#math = math;
    this.#hasTwins = (twins ?? null) !== null;
  }

  get #kernel(): Kernel {
    return this.#lowered ??= withinStack(() => lower(this.#fold, this.#math));
  }
  get title(): string {
    return titleOf(this.#fold);
  }
  get identity(): string {
    return this.#identity ??= identityOf(this.#fold);
  }
  get mirror(): Mirror | null {
    return this.#hasTwins ? this.#kernel.mirror : null;
  }
  get records(): Kernel["records"] {
    return this.#kernel.records;
  }
  get uniform(): Region {
    return this.#kernel.uniform;
  }
  get row(): Region {
    return this.#kernel.row;
  }
  get column(): Region {
    return this.#kernel.column;
  }
  get init(): Region {
    return this.#kernel.init;
  }
  get pair(): Region {
    return this.#kernel.pair;
  }
  get carefully(): (() => Kernel) | null {
    if (!this.#kernel.carefully) return null;
    return () =>
      this.#careful ??= new LaterKernel({ ...this.#fold, expectsFinite: false }, this.#math);
  }
  get careful(): CarefulLoop | null {
    return this.#kernel.careful;
  }
  get survey(): Survey | null {
    return this.#kernel.survey;
  }
  get search(): Search | null {
    return this.#kernel.search;
  }
  get close(): Region | null {
    return this.#kernel.close;
  }
  get combine(): Region {
    return this.#kernel.combine;
  }
  get finish(): Region {
    return this.#kernel.finish;
  }
  get state(): readonly StateItem[] {
    return this.#kernel.state;
  }
  get incoming(): readonly StateItem[] {
    return this.#kernel.incoming;
  }
}

/**
 * The kernel of a fold for targets whose math functions are given, lowered when it is first looked
 * into. Formulas that the reduction cannot have are refused at once.
 */
export function lowerLater(fold: Fold, math: MathFunctions): Kernel {
  checkFormulas(fold.reduction, fold.formula, fold.weight ?? null);
  return new LaterKernel(fold, math);
}
