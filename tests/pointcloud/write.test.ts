// What is written reads back the same, and clouds are centred, bounded and thinned exactly.

import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import {
  boundingBox,
  center,
  centre,
  encodePly,
  encodeXyz,
  readPointCloud,
  subsample,
  syntheticScan,
  writePly,
  writeXyz,
} from "../../src/pointcloud/mod.ts";
import { testWithData } from "./data.ts";
import { plyBinary } from "./samples.ts";

for (const encoding of ["binary", "ascii"] as const) {
  Deno.test(`a cloud with every type comes back from a PLY in ${encoding}`, async () => {
    const cloud = await readPointCloud(plyBinary("big"));
    const comments = ["one", "two\nthree"];
    const again = await readPointCloud(encodePly(cloud, { encoding, comments }));
    assertEquals(again, cloud);
  });
}

testWithData(
  "lidar with 16-bit colours comes back from a PLY file",
  ["simple.las"],
  async (path) => {
    const cloud = await readPointCloud(path);
    const to = await Deno.makeTempFile({ suffix: ".ply" });
    try {
      await writePly(to, cloud);
      const again = await readPointCloud(to);
      assertEquals(again.positions, cloud.positions);
      assertEquals(again.attributes, cloud.attributes);
    } finally {
      await Deno.remove(to);
    }
  },
);

for (const separator of [" ", ",", ";", "\t"] as const) {
  Deno.test(`a table with ${JSON.stringify(separator)} comes back with its names`, async () => {
    const positions = Float64Array.of(0.1, 1e-300, -0, 637012.24, 1 / 3, 2);
    const attributes = new Map([["density of it", Float32Array.of(0.1, NaN)]]);
    const to = await Deno.makeTempFile({ suffix: ".csv" });
    try {
      await writeXyz(to, { positions, attributes }, { separator });
      const again = await readPointCloud(to);
      assertEquals(again.positions, positions);
      const density = Float64Array.of(Math.fround(0.1), NaN);
      assertEquals(again.attributes.get("density_of_it")?.values, density);
    } finally {
      await Deno.remove(to);
    }
  });
}

Deno.test("writers refuse what would not read back", async () => {
  const positions = Float64Array.of(0, 0, 0);
  const shape = (run: () => void) => assertEquals(assertThrows(run, PairfoldError).code, "shape");
  const io = (run: () => void) => assertEquals(assertThrows(run, PairfoldError).code, "io");
  shape(() => encodePly({ positions: Float64Array.of(1, 2) }));
  shape(() => encodePly({ positions, attributes: new Map([["a", Float64Array.of(1, 2)]]) }));
  shape(() => encodePly({ positions, faces: Uint32Array.of(0, 0, 1) }));
  io(() => encodeXyz({ positions: Float64Array.of(0, NaN, 0) }));
  io(() => encodeXyz({ positions, attributes: new Map([["x", Float64Array.of(1)]]) }));
  await assertRejects(() => writePly("no/such/folder/a.ply", { positions }), PairfoldError, "[io]");
});

Deno.test("centring large coordinates keeps their hundredths", () => {
  const positions = Float64Array.from({ length: 3000 }, (_, k) => 4e6 + k / 100);
  for (const about of ["mean", "box"] as const) {
    const { origin, points } = centre(positions, about);
    for (let k = 0; k < positions.length; k++) {
      assert(Math.abs(points[k] + origin[k % 3] - positions[k]) < 2e-6);
    }
  }
  assertEquals(center, centre);
  assert(Math.abs(Math.fround(4000000.01) - 4000000.01) > 1e-3, "float32 alone would lose them");
});

Deno.test("the mean and the box centre are what they say", () => {
  const positions = Float64Array.of(0, 0, 0, 1, 2, 4, 2, 4, 2);
  assertEquals([...centre(positions).origin], [1, 2, 2]);
  assertEquals([...centre(Float64Array.of(0, 0, 0, 0, 0, 1, 0, 0, 4), "box").origin], [0, 0, 2]);
  assertEquals(boundingBox(positions).maximum, Float64Array.of(2, 4, 4));
  assertThrows(() => centre(Float64Array.of(1, 2)), PairfoldError, "[shape]");
  assertThrows(() => boundingBox(new Float64Array()), PairfoldError, "[shape]");
});

Deno.test("a part of a cloud is reproducible, in order, without repeats, with attributes", () => {
  const whole = syntheticScan(2000);
  const index = Uint32Array.from({ length: 2000 }, (_, i) => i);
  const attributes = new Map([["index", { components: 1, values: index }]]);
  const part = subsample({ ...whole, attributes }, 300, 5);
  const chosen = part.attributes.get("index")?.values ?? index;
  assertEquals([part.count, chosen.length, part.positions.length], [300, 300, 900]);
  chosen.forEach((i, k) => {
    assert(k === 0 || i > chosen[k - 1]);
    assertEquals(part.positions[3 * k + 1], whole.positions[3 * i + 1]);
  });
  assertEquals(subsample({ ...whole, attributes }, 300, 5), part);
  assertNotEquals(subsample(whole, 300, 6).positions, part.positions);
  assertEquals(subsample(whole, 2000), whole);
  assertThrows(() => subsample(whole, 0.5), PairfoldError, "[shape]");
});

Deno.test("every point is as likely to be chosen as any other", () => {
  const whole = syntheticScan(10);
  const index = { components: 1, values: Uint8Array.from({ length: 10 }, (_, i) => i) };
  const chosen = new Array<number>(10).fill(0);
  for (let seed = 0; seed < 4000; seed++) {
    const part = subsample({ ...whole, attributes: new Map([["i", index]]) }, 3, seed);
    part.attributes.get("i")?.values.forEach((i) => chosen[i]++);
  }
  // 1200 each; five standard deviations are 145.
  chosen.forEach((times) => assert(Math.abs(times - 1200) < 145, chosen.join(" ")));
});

Deno.test("the synthetic scan has the same bits everywhere", async () => {
  const scan = syntheticScan(3000);
  const digest = await crypto.subtle.digest("SHA-256", scan.positions.slice());
  const hex = [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
  assertEquals(hex.slice(0, 16), "0d34da930ca67707");
  assertEquals(syntheticScan(100).positions, scan.positions.subarray(0, 300).slice());
  assert(syntheticScan(100, 2).positions[0] !== scan.positions[0]);
  assertThrows(() => syntheticScan(0), PairfoldError, "[shape]");
});
