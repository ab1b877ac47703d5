// Elementwise formulas that are computed as one kernel. Enters: formulas that read one another, and
// how their operands broadcast. Leaves: a fold over one column, or one that reduces what it
// computes.

import { type Engine, engineOf, type RunControl } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { type Axis, build, type Node, topological, transform, variable } from "../formula/mod.ts";
import type { ReductionName } from "../reduction/mod.ts";
import { sameShape, sizeOf, Tensor, TensorStorage } from "../tensor/mod.ts";
import { explainFold, foldInto } from "./fold.ts";
import { isScalar, type Layout, layoutOf, spread } from "./layout.ts";
import type { FoldRequest } from "./request.ts";

/** Ops that one kernel computes at most, so that it neither compiles for long nor spills. */
const MAX_OPS = 64;

/** A tensor as an operand: numbers and the shape they are read in. */
export interface Part {
  readonly storage: TensorStorage;
  readonly shape: readonly number[];
}

/** A formula whose slots are positions of operands. */
export interface Member {
  readonly formula: Node;
  readonly operands: readonly (Part | number)[];
  readonly shape: readonly number[];
  readonly dtype: "float32" | "float64";
  readonly storage: TensorStorage;
}

const opsIn = new WeakMap<Node, number>();

function countOps(formula: Node): number {
  let count = opsIn.get(formula);
  if (count === undefined) {
    count = topological(formula).filter(({ kind }) => kind === "op").length;
    opsIn.set(formula, count);
  }
  return count;
}

/** How a group is run as a fold. */
export interface Launch {
  readonly reduction: ReductionName;
  /** Whether each row has a result, or all of them are folded. */
  readonly keepsRows: boolean;
  /** Default the group's own. */
  readonly layout?: Layout | null;
  /** What becomes of the components of a row before the fold. */
  readonly wrap?: (formula: Node) => Node;
}

/** Every element's value: a fold over one column, whose maximum it is. */
export const VALUES: Launch = { reduction: "max", keepsRows: true };

/** The variables of a kernel, and the tensors behind them. */
class Variables {
  readonly inputs = new Map<number, Tensor>();
  readonly #known = new Map<TensorStorage, Map<string, Node>>();
  readonly #dtype: "float32" | "float64";

  constructor(dtype: "float32" | "float64") {
    this.#dtype = dtype;
  }

  number(value: number): Node {
    const node = variable(this.inputs.size, "p", 1);
    this.inputs.set(node.slot, new Tensor([], "float64", Float64Array.of(value)));
    return node;
  }

  table(storage: TensorStorage, axis: Axis, rows: number, dim: number): Node {
    const byRole = this.#known.get(storage) ?? new Map<string, Node>();
    this.#known.set(storage, byRole);
    const key = `${axis}${dim}`;
    let node = byRole.get(key);
    if (node === undefined) {
      byRole.set(key, node = variable(this.inputs.size, axis, dim));
      this.inputs.set(this.inputs.size, new Tensor([rows, dim], this.#dtype, storage));
    }
    return node;
  }
}

/** Formulas that are computed as one, the last of which is the root. */
export class Group<M extends Member = Member> {
  readonly root: M;
  readonly #engine: Engine | null;
  /** By what they would be computed to, with operands as they stood. */
  readonly #inside = new Map<TensorStorage, Pick<Member, "formula" | "operands">>();
  #ops = 0;

  constructor(root: M, engine: Engine | null) {
    this.root = root;
    this.#engine = engine;
    this.add(root);
  }

  /** Whether a formula that only this group reads may be part of it. */
  takes({ formula, shape }: Member): boolean {
    return sameShape(shape, this.root.shape) && this.#ops + countOps(formula) <= MAX_OPS;
  }

  add({ storage, formula, operands }: Member): void {
    this.#inside.set(storage, { formula, operands });
    this.#ops += countOps(formula);
  }

  /** What the formulas read that is not one of them. */
  #leaves(): Part[] {
    const found: Part[] = [];
    for (const { operands } of this.#inside.values()) {
      for (const operand of operands) {
        if (typeof operand !== "number" && !this.#inside.has(operand.storage)) found.push(operand);
      }
    }
    return found;
  }

  /** How the elements are rows and components; with so many axes as rows, where that is said. */
  layout(rowAxes?: number): Layout | null {
    return layoutOf(this.root.shape, this.#leaves().map(({ shape }) => shape), rowAxes);
  }

  /** Runs the group and hands the result over. */
  async into(launch: Launch, storage: TensorStorage, control: RunControl): Promise<void> {
    const { layout = this.layout() } = launch;
    const spreads = layout === null ? await this.#spread(control) : null;
    await foldInto(this.#request({ ...launch, layout }, spreads), [storage], control);
  }

  /** What runs, for people. */
  explain(launch: Launch): string {
    const { layout = this.layout() } = launch;
    const count = this.#inside.size;
    return [
      `fused     ${count === 1 ? "one step" : `${count} steps`}, ${this.#ops} ops, one kernel`,
      ...(layout === null
        ? ["repeated  on the host first: operands that broadcast otherwise"]
        : []),
      explainFold(this.#request({ ...launch, layout }, null)),
    ].join("\n");
  }

  /** The group as a fold; where there is no layout, of operands that were spread before. */
  #request(
    { reduction, keepsRows, layout = null, wrap }: Launch,
    spreads: Map<TensorStorage, Map<string, TensorStorage>> | null,
  ): FoldRequest {
    const { shape, dtype } = this.root;
    const rows = layout?.rows ?? sizeOf(shape);
    const variables = new Variables(dtype);
    const [many, one] = keepsRows ? ["i", "j"] as const : ["j", "i"] as const;
    const leaf = ({ storage: from, shape: own }: Part): Node => {
      const role = isScalar(own) ? "scalar" : layout === null ? "full" : layout.roleOf(own);
      const stood = spreads?.get(from)?.get(own.join()) ?? from;
      const isMany = role === "full" || role === "row";
      const dim = role === "full" || role === "vector" ? layout?.dim ?? 1 : 1;
      return variables.table(stood, isMany ? many : one, isMany ? rows : 1, dim);
    };
    const formula = this.#formula(variables, leaf);
    const device = this.#engine ?? engineOf();
    return {
      formula: wrap?.(formula) ?? formula,
      inputs: variables.inputs,
      reduction,
      axis: "j",
      M: keepsRows ? rows : 1,
      N: keepsRows ? 1 : rows,
      dtype,
      k: 1,
      choices: { device },
    };
  }

  /** Operands that are no rows of short vectors, repeated on the host; by storage and shape. */
  async #spread(control: RunControl): Promise<Map<TensorStorage, Map<string, TensorStorage>>> {
    const { shape } = this.root;
    const found = new Map<TensorStorage, Map<string, TensorStorage>>();
    for (const { storage, shape: own } of this.#leaves()) {
      if (isScalar(own) || sizeOf(own) === sizeOf(shape)) continue;
      const byShape = found.get(storage) ?? new Map<string, TensorStorage>();
      found.set(storage, byShape);
      if (byShape.has(own.join())) continue;
      const data = spread(await storage.onHost(control), own, shape);
      byShape.set(own.join(), new TensorStorage(data, () => "broadcast"));
    }
    return found;
  }

  /** The formulas put into one another. */
  #formula(variables: Variables, leaf: (part: Part) => Node): Node {
    const done = new Map<TensorStorage, Node>();
    const nodeOf = (storage: TensorStorage): Node => {
      const known = done.get(storage);
      if (known !== undefined) return known;
      const member = this.#inside.get(storage);
      if (member === undefined) throw new PairfoldError("internal", "a formula went astray");
      const args = member.operands.map((operand): Node => {
        if (typeof operand === "number") return variables.number(operand);
        return this.#inside.has(operand.storage) ? nodeOf(operand.storage) : leaf(operand);
      });
      const node = transform(member.formula, (inner) => {
        if (inner.kind === "variable") return args[inner.slot];
        return inner.kind === "zero" ? build.constant(0) : inner;
      });
      done.set(storage, node);
      return node;
    };
    return nodeOf(this.root.storage);
  }
}
