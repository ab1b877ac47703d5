// A globular cluster: bodies under each other's gravity, all pairs of them. The force is the
// gradient of the potential energy, the steps are leapfrog's, which keep the energy. Run it: deno
// run examples/n_body.ts [bodies]

import { grad, randomNormal, type Tensor, Vi, Vj } from "pairfold";

const count = Number(Deno.args[0] ?? 1000);
const [steps, dt] = [400, 0.01];
const mass = 1 / count;
const softening = 0.05;

/** −½ m² Σ_ij 1 / √(|x_i − x_j|² + ε²). */
const potential = (x: Tensor): Tensor =>
  Vi(x).sqDist(Vj(x)).add(softening ** 2).rsqrt().sum("j").sum().mul(-0.5 * mass * mass);
const kinetic = (v: Tensor): Tensor => v.square().sum().mul(0.5 * mass);
const force = grad(potential);

const options = { seed: 1, dtype: "float64" } as const;
let x = randomNormal([count, 3], options);
// velocities of a cluster in balance: the virial theorem, 2 T = −V; their mean is 0
const drawn = randomNormal([count, 3], { ...options, stream: 1 });
const still = drawn.sub(drawn.mean(0));
let v = still.mul(potential(x).mul(-0.5).div(kinetic(still)).sqrt());

const energy = async (): Promise<number> => await potential(x).add(kinetic(v)).item();
const first = await energy();
let worst = 0;
let pull = force(x).mul(dt / 2 / mass);
for (let step = 1; step <= steps; step++) {
  v = v.sub(pull);
  x = x.add(v.mul(dt));
  pull = force(x).mul(dt / 2 / mass);
  v = v.sub(pull);
  if (step % 10 === 0) worst = Math.max(worst, Math.abs(await energy() / first - 1));
}
const momentum = await v.mean(0).norm().item();
const ratio = await kinetic(v).mul(-2).div(potential(x)).item();
console.log(`after ${steps} steps of ${count} bodies: energy ${first}, −2 T / V = ${ratio}`);

const isGood = worst < 1e-4 && momentum < 1e-12 && Math.abs(ratio - 1) < 0.2;
console.log(
  `check: the energy stays within ${worst.toExponential(1)} of itself, the momentum is ` +
    `${momentum.toExponential(1)}: ${isGood ? "ok" : "wrong"}`,
);
if (!isGood) Deno.exit(1);
