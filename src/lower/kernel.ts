// Formulas and reduction to a kernel in loop IR. A list of passes, in order.

import { build, type Node, print, type VariableNode } from "../formula/mod.ts";
import {
  Builder,
  type CarefulLoop,
  delayLoads,
  type FloatType,
  isFloat,
  type Kernel,
  type KernelInput,
  type MathFunctions,
  type Mirror,
  type Region,
  removeDead,
  type Search,
  sink,
  type StateItem,
  type Survey,
  type TensorProducts,
  type Value,
  verifyKernel,
} from "../loop/mod.ts";
import {
  BLOCK_LENGTH,
  checkFormulas,
  type EachComponent,
  type Folding,
  type FoldOptions,
  type ReductionName,
  reductions,
} from "../reduction/mod.ts";
import { FormulaLowering } from "./formula.ts";
import { splitExponentials } from "./exponents.ts";
import { RoundedKeys, type RoundedPoints } from "./keys.ts";
import {
  type Careful,
  carefulSplit,
  factor,
  type Factored,
  mayBeInfinite,
  normalise,
} from "./normalise.ts";
import { exchanged, scaledBy, spelledAs, type Twins, withSharedQuotients } from "./symmetric.ts";

/** A fold to lower: Reduction_j of formulas whose row axis is i, folded axis j. */
export interface Fold {
  readonly formula: Node;
  readonly reduction: ReductionName;
  /** The second formula of reductions that take one; they share what they have in common. */
  readonly weight?: Node | null;
  readonly float: FloatType;
  /** All inputs by slot, also those that rewriting removes from the formula. */
  readonly inputs: readonly VariableNode[];
  readonly options: FoldOptions;
  readonly fastMath: boolean;
  /** How tensor cores may multiply, on targets that have them; default not at all. */
  readonly products?: TensorProducts;
  /** Of the smallest distances between points: these as integers, which its survey looks at. */
  readonly rounded?: RoundedPoints;
  /**
   * Whether who runs the kernel looks at the uniform numbers of each launch, and takes `carefully`
   * where one is not finite: a sum's uniform factor needs no careful loop then. Default no.
   */
  readonly expectsFinite?: boolean;
  /** Of a table folded with itself: makes the kernel's mirror, where it can have one. */
  readonly twins?: Twins | null;
}

const AXIS = { p: "uniform", i: "row", j: "column" } as const;

export function inputsOf(fold: Fold): KernelInput[] {
  return fold.inputs.map((v) => ({ axis: AXIS[v.axis], dim: v.dim, number: v.number }));
}

/** Builds the region of one step of the reduction, in a builder of its own. */
function step(lowering: FormulaLowering, float: FloatType, body: (b: Builder) => void): Region {
  const b = new Builder("pair", float, lowering.names, lowering.scalars);
  body(b);
  return b.root;
}

const itemsOf = (folding: Folding): StateItem[] => folding.fields.flatMap((f) => [...f.items]);

/** Runs a body over a formula's components in the pair section, as floats. */
function componentsOf(lowering: FormulaLowering, node: Node | null): EachComponent {
  return (body) => {
    if (node === null) return;
    const b = lowering.builders.pair;
    lowering.each(node, "pair", (at, value) => {
      body(at, isFloat(value.type) ? value : b.convert(value));
    });
  };
}

/**
 * The inner loop for rows whose factor is not finite: the factor goes back into the sum. Finite
 * rows of the same group take it too and get the same bits: theirs is 1.
 */
function carefulLoop(
  lowering: FormulaLowering,
  folding: Folding,
  core: Node,
  { isFinite, inside }: Careful,
): CarefulLoop {
  const test = lowering.anotherPair();
  const special = test.cell("special", "mask");
  test.set(special, test.lt(test.constant(0), test.constant(0)));
  lowering.each(isFinite, "pair", (_at, value) => {
    const mask = test.eq(value, test.constant(0));
    test.set(special, test.maskOr(test.get(special), mask));
  });
  const pair = lowering.anotherPair();
  const values: EachComponent = (body) =>
    componentsOf(lowering, core)((at, value) =>
      body(at, scaled(pair, value, lowering.component(inside, at, "pair")))
    );
  folding.accumulate(pair, values, componentsOf(lowering, null));
  return { test: test.root, special, pair: pair.root };
}

/**
 * value · factor, so that what adds it up rounds as it would without the factor where that is 1: a
 * product stays the product of two numbers, and is fused with the sum as before.
 */
function scaled(b: Builder, value: Value, factor: Value): Value {
  if (value.kind !== "operation") return b.mul(factor, value);
  const [first, second] = value.args;
  if (value.operation === "mul") return b.mul(b.mul(factor, first), second);
  if (value.operation === "neg") return b.neg(scaled(b, first, factor));
  return b.mul(factor, value);
}

/** The steps of a survey: the formula once more, without what its folding does to the state. */
function surveyOf(lowering: FormulaLowering, folding: Folding, core: Node): Survey | null {
  const { survey } = folding;
  if (!survey) return null;
  const { span, spans, least, ofGroups, ofSpans, smallest, smallestOfSpan, limit } = survey;
  const step = (body: (b: Builder) => void): Region => {
    const b = lowering.anotherPair();
    body(b);
    return b.root;
  };
  const skips = lowering.builders.pair.cell("skips", "mask");
  return {
    span,
    spans,
    least,
    ofGroups,
    ofSpans,
    smallest,
    smallestOfSpan,
    limit,
    skips,
    beginSpan: step((b) => survey.beginSpan(b)),
    begin: step((b) => survey.begin(b)),
    pair: step((b) => survey.meet(b, componentsOf(lowering, core))),
    end: step((b) => survey.end(b)),
    bound: step((b) => survey.bound(b)),
    test: step((b) => b.set(skips, survey.skips(b))),
  };
}

/** The steps of a search. */
function searchOf(lowering: FormulaLowering, folding: Folding, core: Node): Search | null {
  const { search } = folding;
  if (!search) return null;
  const { ofGroup, age } = search;
  const pair = lowering.anotherPair();
  search.meet(pair, componentsOf(lowering, core));
  const take = search.take === null ? null : lowering.anotherPair();
  if (take !== null) search.take?.(take, componentsOf(lowering, core));
  const misses = pair.cell("misses", "mask");
  const { float } = lowering;
  return {
    ofGroup,
    age,
    misses,
    start: step(lowering, float, (b) => search.start(b)),
    begin: step(lowering, float, (b) => search.begin(b)),
    pair: pair.root,
    end: step(lowering, float, (b) => search.end(b)),
    settle: step(lowering, float, (b) => search.settle(b)),
    take: take?.root ?? null,
    test: step(lowering, float, (b) => b.set(misses, search.misses(b))),
  };
}

/**
 * The inner loop that meets a pair of points once: what i adds to row j is the formula exchanged.
 * A factor of rows would have to wait for both of them, so that there is none.
 */
function mirrorOf(
  lowering: FormulaLowering,
  folding: Folding,
  core: Node,
  { twins }: Fold,
): Mirror | null {
  const into = folding.open?.items.flatMap((item) => item.kind === "cell" ? item.cell : []) ?? [];
  const second = twins ? spelledAs(exchanged(core, twins), core) : null;
  if (second === null || into.length !== core.dim) return null;
  const b = lowering.anotherPair();
  folding.accumulate(b, componentsOf(lowering, core), componentsOf(lowering, null));
  const sums = into.map((_, d) => b.cell(core.dim === 1 ? "sum" : `sum${d}`));
  componentsOf(lowering, second)(({ offset }, value) => {
    b.set(sums[offset], b.add(b.get(sums[offset]), value));
  });
  return { pair: b.root, sums, into };
}

/** A sum's factor goes back into it where it is not a finite constant. */
function withFactorInside({ factor: outside, core }: Factored): Factored {
  if (outside === null || !mayBeInfinite(outside)) return { factor: outside, core };
  return { factor: null, core: scaledBy(outside, core) };
}

/** A kernel less what is made when somebody asks for it. */
type KernelBody = Omit<Kernel, "title" | "carefully">;

/** Formula and reduction for people. */
export function titleOf({ reduction, formula, weight, twins }: Fold): string {
  const both = twins ? ", pairs of points once" : "";
  const text = `${reduction}_j ${print(formula)}${both}`;
  return weight ? `${text}, weight ${print(weight)}` : text;
}

/** Lowers a fold for targets whose math functions are given. */
export function lower(fold: Fold, math: MathFunctions): Kernel {
  const { float } = fold;
  const reduction = reductions[fold.reduction];
  checkFormulas(fold.reduction, fold.formula, fold.weight ?? null);
  const { scale = 1 } = reduction;
  const whole = scale === 1 ? fold.formula : build.mul(build.constant(scale), fold.formula);
  const normal = normalise(whole, fold.fastMath);
  const shared = fold.twins ? withSharedQuotients(normal) : normal;
  const factored: Factored = reduction.linear
    ? factor(splitExponentials(shared, fold.fastMath))
    : { factor: null, core: shared };
  const { factor: outside, core } = fold.twins ? withFactorInside(factored) : factored;
  const weight = fold.weight ? normalise(fold.weight, fold.fastMath) : null;
  const weightDim = weight?.dim ?? 0;
  const limits = reduction.linear || weight !== null ? math : {};
  const lowering = new FormulaLowering(float, math, limits);
  const { builders } = lowering;
  const { rounded } = fold;
  const options: FoldOptions = rounded === undefined
    ? fold.options
    : { ...fold.options, keys: new RoundedKeys(lowering, rounded) };
  const folding = reduction.fold(builders.pair, core.dim, options, math, weightDim);
  const incoming = reduction.fold(builders.pair, core.dim, options, math, weightDim);

  const values = componentsOf(lowering, core);
  folding.accumulate(builders.pair, values, componentsOf(lowering, weight));
  const pair = builders.pair.root;
  const isSpecial = outside !== null && mayBeInfinite(outside);
  const isExpected = isSpecial && outside.domain === "p" && fold.expectsFinite === true;
  const special = isSpecial && !isExpected ? carefulSplit(outside) : null;
  const careful = special === null ? null : carefulLoop(lowering, folding, core, special);
  const mirror = mirrorOf(lowering, folding, core, fold);
  const survey = surveyOf(lowering, folding, core);
  const search = searchOf(lowering, folding, core);

  const dim = reduction.outputDim(fold.formula.dim, weightDim, options.k);
  const left = special?.outside ?? outside;
  folding.finish(builders.finish, (slot, at, value) => {
    const b = builders.finish;
    if (left === null) return b.store({ kind: "output", slot }, at, value);
    const factor = lowering.component(left, at, "finish");
    const product = b.mul(value, isFloat(factor.type) ? factor : b.convert(factor));
    // a sum over nothing is what it is, whatever the factor
    const nothing = b.eq(b.count(), b.constant(0, b.integer));
    b.store({ kind: "output", slot }, at, b.select(nothing, value, product));
  });

  const { close } = folding;
  const body: KernelBody = {
    float,
    inputs: inputsOf(fold),
    outputs: reduction.outputs.map((number) => ({ number, dim })),
    records: lowering.layouts,
    uniform: builders.uniform.root,
    row: builders.row.root,
    column: builders.column.root,
    init: step(lowering, float, (b) => folding.init(b)),
    pair,
    careful,
    mirror,
    survey,
    search,
    close: close === null ? null : step(lowering, float, close),
    block: BLOCK_LENGTH,
    combine: step(lowering, float, (b) => folding.combine(b, incoming)),
    finish: builders.finish.root,
    state: itemsOf(folding),
    incoming: itemsOf(incoming),
    ...(rounded === undefined ? {} : { hasKeys: true }),
    ...(fold.products === undefined ? {} : { products: fold.products }),
  };
  let other: Kernel | null = null;
  const carefully = (): Kernel => other ??= lower({ ...fold, expectsFinite: false }, math);
  const kernel: Kernel = {
    ...removeDeadRegions(body),
    carefully: isExpected ? carefully : null,
    get title() {
      return titleOf(fold);
    },
  };
  verifyKernel(kernel);
  return kernel;
}

/** An inner loop without unused values, each value as late as it costs nothing. */
function tidy(pair: Region): Region {
  return delayLoads(sink(removeDead(pair)));
}

/** Drops unused values from every region. */
function removeDeadRegions(kernel: KernelBody): KernelBody {
  return {
    ...kernel,
    uniform: removeDead(kernel.uniform),
    row: removeDead(kernel.row),
    column: removeDead(kernel.column),
    init: removeDead(kernel.init),
    pair: tidy(kernel.pair),
    careful: kernel.careful === null ? null : {
      ...kernel.careful,
      test: removeDead(kernel.careful.test),
      pair: tidy(kernel.careful.pair),
    },
    mirror: kernel.mirror === null ? null : {
      ...kernel.mirror,
      pair: tidy(kernel.mirror.pair),
    },
    survey: kernel.survey === null ? null : {
      ...kernel.survey,
      pair: tidy(kernel.survey.pair),
      bound: removeDead(kernel.survey.bound),
    },
    search: kernel.search === null ? null : {
      ...kernel.search,
      pair: tidy(kernel.search.pair),
      take: kernel.search.take === null ? null : tidy(kernel.search.take),
    },
    close: kernel.close === null ? null : removeDead(kernel.close),
    combine: removeDead(kernel.combine),
    finish: removeDead(kernel.finish),
  };
}
