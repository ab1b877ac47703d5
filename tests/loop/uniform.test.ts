// Steps of the uniform section against the interpreter of all sections.

import { assert, assertEquals } from "@std/assert";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import {
  Builder,
  interpretUniform,
  Names,
  place,
  runSteps,
  uniformSteps,
} from "../../src/loop/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { randomFor } from "../support/random.ts";

const random = randomFor("uniform");
const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const p = variable(2, "p", 1);
const w = variable(3, "p", 3);
const distance = build.sqDist(x, y);

/** Formulas by what their uniform sections do. */
const FORMULAS: Record<string, Node> = {
  "a scale of an exponential": build.exp(build.mul(p, distance)),
  "functions of a parameter": build.mul(
    distance,
    build.mul(build.log(build.square(p)), build.sin(p)),
  ),
  "a vector of parameters": build.exp(build.dot(build.neg(build.square(w)), build.sub(x, y))),
  "a choice by a parameter": build.mul(build.step(p), distance),
};

for (const [title, formula] of Object.entries(FORMULAS)) {
  Deno.test(`steps give the uniform record, bit for bit: ${title}`, () => {
    for (const float of ["f32", "f64"] as const) {
      const kernel = lower({
        formula,
        reduction: "sum",
        inputs: [x, y, p, w],
        float,
        options: { sumScheme: "compensated", accumulator: float, k: 1 },
        fastMath: false,
      }, expandedMath);
      const steps = uniformSteps(kernel.uniform);
      assert(steps !== null && steps.length > 0);
      const { length } = kernel.records.uniform;
      assert(length > 0);
      for (const parameter of [random.float32(1), [0], [-0], [Infinity], [-2e38], [NaN]]) {
        const inputs = [null, null, parameter, random.float32(3)];
        const expected = interpretUniform(kernel.uniform, inputs, length);
        const got = runSteps(steps, inputs, length);
        assertEquals(new BigInt64Array(got.buffer), new BigInt64Array(expected.buffer));
      }
    }
  });
}

Deno.test("loops and arrays are no steps", () => {
  const b = new Builder("uniform", "f64", new Names());
  const list = b.array("list", 2);
  b.store({ kind: "array", array: list }, place(1), b.constant(2));
  b.store({ kind: "record", section: "uniform" }, place(0), b.fetch(list, place(1)));
  assertEquals(uniformSteps(b.root), null);
});
