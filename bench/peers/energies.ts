// Whole energies and their gradients, as programs of Pairfold: what gradients.ts compares with
// PyTorch. Enters: tensors. Leaves: a value and gradients by some of the tensors.

import {
  grad,
  indexOf,
  type LazyTensor,
  Pm,
  randomNormal,
  randomUniform,
  type Tensor,
  tensor,
  valueAndGrad,
  Vi,
  Vj,
} from "pairfold";

export type FloatType = "float32" | "float64";
export type Inputs = Readonly<Record<string, Tensor>>;

/** A value with its gradients, deferred. */
export interface Differentiated {
  readonly value: Tensor;
  readonly gradients: Inputs;
}

/** An energy, with what goes in. */
export interface Energy {
  readonly name: "sinkhorn" | "likelihood" | "lddmm";
  readonly size: string;
  /** Names of the inputs that gradients are taken by. */
  readonly by: readonly string[];
  readonly settings: Readonly<Record<string, number>>;
  readonly inputs: (dtype: FloatType) => Inputs;
  readonly differentiate: (inputs: Inputs) => Differentiated | Promise<Differentiated>;
}

/** The gradient of a function of all inputs by some of them. */
function by(
  names: readonly string[],
  f: (inputs: Inputs) => Tensor,
): (inputs: Inputs) => Differentiated {
  return (inputs) => {
    const own = Object.fromEntries(names.map((name) => [name, inputs[name]]));
    const [value, gradients] = valueAndGrad((moving: Inputs) => f({ ...inputs, ...moving }))(own);
    return { value, gradients };
  };
}

// ---- Sinkhorn divergence, all of its steps differentiated ---------------------------------------

const SINKHORN = { epsilon: 0.05, steps: 10 };

function transport(x: Tensor, a: Tensor, y: Tensor, b: Tensor): Tensor {
  const { epsilon, steps } = SINKHORN;
  const softmin = (from: Tensor, to: Tensor, weights: Tensor, h: Tensor): Tensor =>
    Vi(from).sqDist(Vj(to)).mul(-0.5 / epsilon).add(Vj(h.div(epsilon).add(weights.log())))
      .logSumExp("j").mul(-epsilon);
  let [f, g] = [a.mul(0), b.mul(0)];
  for (let step = 0; step < steps; step++) {
    const [forth, back] = [softmin(x, y, b, g), softmin(y, x, a, f)];
    [f, g] = [f.add(forth).mul(0.5), g.add(back).mul(0.5)];
  }
  return f.mul(a).sum().add(g.mul(b).sum());
}

function sinkhornInputs(dtype: FloatType): Inputs {
  const weights = (n: number, stream: number): Tensor => {
    const drawn = randomUniform([n, 1], { seed: 11, stream, low: 0.5, dtype });
    return drawn.div(drawn.sum());
  };
  return {
    x: randomUniform([517, 3], { seed: 1, dtype }),
    a: weights(517, 0),
    y: randomUniform([403, 3], { seed: 2, dtype }).add(tensor([0.3, 0.1, 0], undefined, { dtype })),
    b: weights(403, 1),
  };
}

// ---- the marginal likelihood of a Gaussian process ----------------------------------------------

const POINTS = 517;

function covariance(x: Tensor, theta: Tensor): LazyTensor {
  const [scale, amplitude, noise] = [0, 1, 2].map((k) => theta.slice({ start: k, stop: k + 1 }));
  const same = indexOf("i").eq(indexOf("j"));
  return Vi(x).sqDist(Vj(x)).mul(Pm(scale.mul(-2).exp().mul(-0.5))).add(Pm(amplitude.mul(2)))
    .exp().add(same.mul(Pm(noise.mul(2).exp())));
}

/**
 * Exact at this size: one block of block Jacobi is a Cholesky factor of the whole matrix, and there
 * are as many probes as rows. (For many points one takes a few, and Vecchia's factor.)
 */
async function likelihood(inputs: Inputs): Promise<Differentiated> {
  const system = covariance(inputs.x, inputs.theta).asOperator();
  const preconditioner = await system.preconditioner({ kind: "blockJacobi", size: POINTS });
  const options = { preconditioner, tol: 1e-13, solveTol: 1e-13, precision: "float64" } as const;
  return by(["x", "y", "theta"], ({ x, y, theta }) => {
    const A = covariance(x, theta);
    const fit = A.solve(y, options).x.mul(y).sum();
    const logs = A.logDeterminant({ ...options, probes: POINTS });
    return fit.add(logs).add(POINTS * Math.log(2 * Math.PI)).mul(0.5);
  })(inputs);
}

function likelihoodInputs(dtype: FloatType): Inputs {
  const x = randomUniform([POINTS, 2], { seed: 3, dtype });
  const noise = randomNormal([POINTS], { seed: 4, std: 0.3, dtype });
  const theta = tensor([0.2, 1.3, 0.3].map(Math.log), undefined, { dtype });
  return { x, y: x.mul([7, 9]).sin().sum(1).add(noise), theta };
}

// ---- registration: a geodesic of a Hamiltonian and where it ends --------------------------------

const LDDMM = { sigma: 0.4, width: 0.3, steps: 10, weight: 100 };

const gaussian = (scale: number, x: Tensor, y: Tensor): LazyTensor =>
  Vi(x).sqDist(Vj(y)).mul(-0.5 / scale ** 2).exp();
const hamiltonian = (q: Tensor, p: Tensor): Tensor =>
  gaussian(LDDMM.sigma, q, q).matmul(p).mul(p).sum().mul(0.5);

function registration({ q, p, target }: Inputs): Tensor {
  const { steps, width, weight } = LDDMM;
  const start = hamiltonian(q, p);
  const slopes = grad(hamiltonian, { argnums: [0, 1] });
  for (let step = 0; step < steps; step++) {
    const [byQ, byP] = slopes(q, p);
    const half = 0.5 / steps;
    const [middleQ, middleP] = slopes(q.add(byP.mul(half)), p.sub(byQ.mul(half)));
    [q, p] = [q.add(middleP.mul(1 / steps)), p.sub(middleQ.mul(1 / steps))];
  }
  const product = (x: Tensor, y: Tensor): Tensor => gaussian(width, x, y).mean("j").mean();
  const apart = product(q, q).add(product(target, target)).sub(product(q, target).mul(2));
  return start.add(apart.mul(weight));
}

function registrationInputs(dtype: FloatType): Inputs {
  const q = randomUniform([517, 3], { seed: 5, dtype });
  return {
    q,
    p: randomNormal([517, 3], { seed: 6, std: 0.02, dtype }),
    target: randomUniform([403, 3], { seed: 7, dtype }).add(0.2),
  };
}

/** All energies. */
export const ENERGIES: readonly Energy[] = [
  {
    name: "sinkhorn",
    size: "517 × 403, 10 steps",
    by: ["x", "y", "a", "b"],
    settings: SINKHORN,
    inputs: sinkhornInputs,
    differentiate: by(
      ["x", "y", "a", "b"],
      ({ x, a, y, b }) =>
        transport(x, a, y, b).sub(transport(x, a, x, a).add(transport(y, b, y, b)).mul(0.5)),
    ),
  },
  {
    name: "likelihood",
    size: `${POINTS} points`,
    by: ["x", "y", "theta"],
    settings: {},
    inputs: likelihoodInputs,
    differentiate: likelihood,
  },
  {
    name: "lddmm",
    size: "517 → 403, 10 steps",
    by: ["q", "p"],
    settings: LDDMM,
    inputs: registrationInputs,
    differentiate: by(["q", "p"], registration),
  },
];
