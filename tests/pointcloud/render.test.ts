// Pictures have the size that was asked for, show the cloud in the colours of its values, and are
// the same each time.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { decode } from "npm:fast-png@8.0.0";
import { PairfoldError } from "../../src/error.ts";
import { colorMaps, renderDensity, syntheticScan } from "../../src/pointcloud/mod.ts";
import { formatMarks, scaleValues } from "../../src/pointcloud/render/scale.ts";
import { neighbourhoods } from "../../src/pointcloud/render/neighbours.ts";

const scan = syntheticScan(4000);
const heights = scan.positions.filter((_, k) => k % 3 === 1);

/** Share of the pixels that are brighter than the ground. */
function drawn(png: Uint8Array): number {
  const { data, channels } = decode(png);
  let bright = 0;
  for (let k = 0; k < data.length; k += channels) {
    if (Math.max(data[k], data[k + 1], data[k + 2]) > 64) bright++;
  }
  return bright * channels / data.length;
}

Deno.test("a picture decodes to its size and is not blank", () => {
  const png = renderDensity(scan, heights, { width: 240, height: 200, title: "height, mm" });
  const { width, height, channels } = decode(png);
  assertEquals([width, height, channels], [240, 200, 3]);
  const share = drawn(png);
  assert(share > 0.15 && share < 0.8, `drawn ${share}`);
});

Deno.test("the same cloud gives the same picture", () => {
  const options = { width: 120 };
  assertEquals(renderDensity(scan, heights, options), renderDensity(scan, heights, options));
});

Deno.test("without a height the picture fits the cloud", () => {
  const long = scan.positions.map((value, k) => k % 3 === 0 ? 4 * value : value);
  const { width, height } = decode(renderDensity(long, heights, { width: 200 }));
  assertEquals([width, height], [200, 110]);
});

Deno.test("high values are drawn yellow in viridis, low ones violet", () => {
  const ball = Float64Array.from({ length: 9000 }, (_, k) => Math.sin(k * k + 1));
  const across = ball.filter((_, k) => k % 3 === 0);
  const png = renderDensity(ball, across, { width: 100, height: 100, legend: false });
  const { data } = decode(png);
  const colorAt = (column: number) => [...data.subarray(3 * (5000 + column)).subarray(0, 3)];
  const [lowRed, lowGreen, lowBlue] = colorAt(20);
  assert(lowBlue > lowRed && lowBlue > lowGreen, `left ${colorAt(20)}`);
  const [highRed, highGreen, highBlue] = colorAt(80);
  assert(highRed > highBlue && highGreen > highBlue, `right ${colorAt(80)}`);
});

for (const colorMap of colorMaps) {
  Deno.test(`the colour map ${colorMap} draws`, () => {
    assert(drawn(renderDensity(scan, heights, { width: 100, colorMap })) > 0.1);
  });
}

for (const view of ["auto", "front", "above", { azimuth: 90, elevation: -20 }] as const) {
  for (const up of ["x", "y", "z"] as const) {
    Deno.test(`the view ${JSON.stringify(view)} with ${up} up draws`, () => {
      assert(drawn(renderDensity(scan, heights, { width: 80, view, up, legend: false })) > 0.05);
    });
  }
}

const oddClouds: Readonly<Record<string, Float64Array>> = {
  "one point": Float64Array.of(5, 5, 5),
  "one place many times": new Float64Array(300).fill(1e6),
  "two far points": Float64Array.of(0, 0, 0, 1e9, 0, 0),
  "a line": Float64Array.from({ length: 300 }, (_, k) => k % 3 === 0 ? k : 0),
  "a plane": Float64Array.from({ length: 300 }, (_, k) => k % 3 === 2 ? 0 : Math.sin(k)),
  "an outlier": Float64Array.from({ length: 300 }, (_, k) => k === 0 ? 1e8 : Math.sin(k)),
};
for (const [what, positions] of Object.entries(oddClouds)) {
  Deno.test(`a cloud of ${what} draws`, () => {
    const values = Float64Array.from({ length: positions.length / 3 }, (_, i) => i);
    const png = renderDensity(positions, values, { width: 100, height: 80 });
    assert(drawn(png) > 0.001);
  });
}

Deno.test("values that are the same, NaN or infinite draw", () => {
  const same = new Float64Array(4000).fill(3);
  assert(drawn(renderDensity(scan, same, { width: 80 })) > 0.1);
  const some = heights.map((height, i) => i % 3 === 0 ? NaN : i % 3 === 1 ? Infinity : height);
  assert(drawn(renderDensity(scan, some, { width: 80 })) > 0.1);
  assert(drawn(renderDensity(scan, some, { width: 80, mapping: "linear" })) > 0.1);
});

Deno.test("a picture refuses what does not fit", () => {
  const shape = (run: () => void) => assertThrows(run, PairfoldError, "[shape]");
  shape(() => renderDensity(scan, heights.subarray(1)));
  shape(() => renderDensity(scan, heights, { width: 1e6 }));
  shape(() => renderDensity(scan, heights, { pointSize: 0 }));
  shape(() => renderDensity(scan, heights.map(() => NaN)));
  shape(() => renderDensity(Float64Array.of(0, NaN, 0), [1]));
});

Deno.test("ranks spread values evenly, and equal values share a place", () => {
  const { places, marks } = scaleValues([1, 1000, 10, 10, 100], "rank");
  assertEquals([...places], [0, 1, 0.375, 0.375, 0.75]);
  assertEquals(marks.map((mark) => mark.value), [1, 10, 10, 100, 1000]);
});

Deno.test("marks have as many decimals as tell them apart", () => {
  assertEquals(formatMarks([0, 0.5, 1]), ["0.00", "0.50", "1.00"]);
  assertEquals(formatMarks([1000.1, 1000.2]), ["1000.100", "1000.200"]);
  assertEquals(formatMarks([0, 2e7]), ["0", "2.00e+7"]);
});

Deno.test("neighbourhoods find a plane's normal and spacing", () => {
  const size = 40;
  const points = Float32Array.from({ length: 3 * size * size }, (_, k) => {
    const i = Math.floor(k / 3);
    const [u, v] = [i % size - size / 2, Math.floor(i / size) - size / 2];
    return [u, 0.6 * v, 0.8 * v][k % 3];
  });
  const { normals, spacing, flatness } = neighbourhoods(points);
  const middle = size * (size / 2) + size / 2;
  const normal = normals.subarray(3 * middle, 3 * middle + 3);
  assert(Math.abs(Math.abs(normal[1]) - 0.8) < 1e-5 && Math.abs(normal[0]) < 1e-5);
  assert(Math.abs(spacing[middle] - 1) < 0.2, `spacing ${spacing[middle]}`);
  assertEquals(flatness[middle], 1);
});
