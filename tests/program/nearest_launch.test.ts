// The launches that nearest points take: how much they write, on what they run, how they end.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { PairfoldError, wasm } from "../../mod.ts";
import { type Engine, engineOf, type RunControl } from "../../src/engine/mod.ts";
import { build, variable } from "../../src/formula/mod.ts";
import type { Fold } from "../../src/lower/mod.ts";
import { AutoEngine } from "../../src/engine/auto.ts";
import { fold } from "../../src/program/mod.ts";
import { nearestFold } from "../../src/program/nearest.ts";
import { NearestLaunch } from "../../src/program/nearest_launch.ts";
import { tensor } from "../../src/tensor/mod.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { randomFor } from "../support/random.ts";

const device = engineOf(wasm({ threads: 1 }));

const FREE = { column: 0, row: 0, sortedRow: 0, neighbour: 0, listed: 0, pair: 0, trying: 0 };

/** The k nearest points of three components. */
const search = (k: number): Fold => {
  const inputs = [variable(0, "i", 3), variable(1, "j", 3)];
  return {
    formula: build.sqDist(inputs[0], inputs[1]),
    weight: null,
    reduction: "argKMin",
    float: "f32",
    inputs,
    options: { sumScheme: "compensated", accumulator: "f32", k },
    fastMath: false,
  };
};

/** An engine whose launches are another function's. */
function withLaunch(launch: Engine["launch"]): Engine {
  return {
    name: "watched",
    math: device.math,
    onHost: true,
    describe: () => [],
    compile: (kernel, rows, columns) => device.compile(kernel, rows, columns),
    allocate: (dtype, length) => device.allocate(dtype, length),
    place: (numbers) => device.place(numbers),
    memory: () => null,
    launch,
  };
}

function launchOf(
  engine: Engine,
  k: number,
  points: Float32Array,
  control: RunControl = {},
): Promise<NearestLaunch> {
  const fold = search(k);
  const what = nearestFold(fold, points.length / 3, points.length / 3);
  if (typeof what === "string") throw new TypeError(what);
  return NearestLaunch.of({ engine, fold, what, x: points, y: points }, control);
}

Deno.test("parts that are tried write the rows that they have", async () => {
  const [N, k] = [20_011, 5];
  const written: number[] = [];
  const engine = withLaunch((program, inputs, outputs, segments, control) => {
    written.push(outputs[0].length / k);
    return device.launch(program, inputs, outputs, segments, control);
  });
  const points = randomFor("parts").float32(3 * N);
  const launch = await launchOf(engine, k, points);
  await launch.run({}, () => false);
  assertEquals(written.length, 1);
  assert(written[0] < N / 4, `${written[0]} rows`);
});

Deno.test("an abort stops it before trees, between them and what is near, and there", async () => {
  const points = randomFor("abort").float32(3 * 50_021);
  const aborted = async (work: Promise<unknown>): Promise<void> => {
    assertEquals((await assertRejects(() => work, PairfoldError)).code, "aborted");
  };
  await aborted(launchOf(device, 5, points, { signal: AbortSignal.abort() }));
  const building = new AbortController();
  setTimeout(() => building.abort(), 0);
  await aborted(launchOf(device, 5, points, building));
  const finding = new AbortController();
  let launches = 0;
  const engine = withLaunch(async (program, inputs, outputs, segments, control) => {
    await device.launch(program, inputs, outputs, segments, control);
    if (++launches === 2) setTimeout(() => finding.abort(), 0);
  });
  const launch = await launchOf(engine, 5, points);
  await aborted(launch.run(finding, () => true));
  assertEquals(launches, 2);
});

Deno.test("where the next lists find no memory, the wave that runs ends first", async () => {
  const points = randomFor("next lists").float32(3 * 20_011);
  const { Int32Array } = globalThis;
  let ended = 0;
  const engine = withLaunch(async (program, inputs, outputs, segments, control) => {
    const isWave = inputs.length > 2;
    if (isWave) {
      globalThis.Int32Array = new Proxy(Int32Array, {
        construct: () => {
          throw new RangeError("Array buffer allocation failed");
        },
      });
      await new Promise((resolve) => setTimeout(resolve, 5));
      globalThis.Int32Array = Int32Array;
    }
    await device.launch(program, inputs, outputs, segments, control);
    if (isWave) ended++;
  });
  const launch = await launchOf(engine, 40, points);
  try {
    const running = launch.run({}, () => true);
    assertEquals((await assertRejects(() => running, PairfoldError)).code, "memory");
    assertEquals(ended, 1);
  } finally {
    globalThis.Int32Array = Int32Array;
  }
});

Deno.test({
  name: "device auto runs all launches where it would fold all pairs",
  ignore: withoutCompiler !== null,
  fn: async () => {
    const log: string[] = [];
    const watch = (engine: Engine): void => {
      const launch = engine.launch.bind(engine);
      engine.launch = (...args) => {
        log.push(engine.name);
        return launch(...args);
      };
    };
    using compiled = testEngine({ threads: 1 });
    using other = wasm({ threads: 1 });
    watch(compiled);
    watch(other);
    const auto = new AutoEngine(compiled, other);
    // from where formulas with a bound are long, to where those without one are
    for (const N of [5000, 5800, 6600]) {
      const points = tensor(randomFor("auto").float32(2 * N), [N, 2]);
      const ran = async (culling: boolean): Promise<string[]> => {
        const [result] = fold({
          formula: build.sqDist(variable(0, "i", 2), variable(1, "j", 2)),
          inputs: new Map([[0, points], [1, points]]),
          reduction: "argKMin",
          axis: "j",
          M: N,
          N,
          k: 2,
          dtype: "float32",
          choices: { device: auto, culling },
          cullingCosts: FREE,
        });
        await result.data();
        return log.splice(0);
      };
      const [engine] = await ran(false);
      const launches = await ran(true);
      assert(launches.length > 1);
      assertEquals(launches.filter((name) => name !== engine), [], `${N} points`);
    }
    assertEquals(auto.failure, null);
  },
});
