// Clusters of points: labels of a grid, orders, centroids and radii, which clusters are near.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Clusters, gridCluster, PairfoldError, tensor } from "../../mod.ts";
import { randomFor } from "../support/random.ts";

Deno.test("labels of a grid: the same for the same cell, in the order of the cells", () => {
  const random = randomFor("grid");
  for (const dim of [1, 2, 3, 5]) {
    for (const size of [0.3, Array.from({ length: dim }, (_, d) => 0.2 + 0.1 * d)]) {
      const points = random.float64(400 * dim, -1, 1);
      const labels = gridCluster(points, size, { dim });
      const cells = Array.from(
        { length: 400 },
        (_, k) =>
          Array.from(
            { length: dim },
            (_, d) => Math.floor(points[k * dim + d] / (typeof size === "number" ? size : size[d])),
          ),
      );
      const compare = (a: number[], b: number[]): number => {
        const d = a.findIndex((x, at) => x !== b[at]);
        return d < 0 ? 0 : a[d] - b[d];
      };
      for (let n = 0; n < 5000; n++) {
        const [a, b] = [random.integer(400), random.integer(400)];
        const order = Math.sign(compare(cells[a], cells[b]));
        assertEquals(Math.sign(labels[a] - labels[b]), order, `dim ${dim}, points ${a} and ${b}`);
      }
      const used = new Set(labels);
      assertEquals(Math.max(...labels), used.size - 1, "labels without points");
    }
  }
  assertEquals([...gridCluster([[0], [5], [-1e30], [1e30]], 1)], [1, 2, 0, 3]);
  assertEquals([...gridCluster(new Float32Array(0), 1, { dim: 2 })], []);
});

Deno.test("clusters stand together, in order, and go back", () => {
  const random = randomFor("clusters");
  const points = random.float32(3 * 300);
  const labels = Int32Array.from({ length: 300 }, () => random.pick([0, 1, 3, 4, 9]));
  const clusters = new Clusters(points, labels, { dim: 3 });
  assertEquals(clusters.count, 10);
  const sorted = clusters.sorted(labels);
  assertEquals(sorted, labels.slice().sort());
  assertEquals(clusters.restored(sorted), labels);
  assertEquals(clusters.restored(clusters.points, 3), points);
  // points of a cluster keep their order
  assertEquals(
    [...clusters.order],
    [...labels.keys()].sort((a, b) => labels[a] - labels[b] || a - b),
  );
  for (let k = 0; k < 10; k++) {
    const [start, end] = clusters.ranges.subarray(2 * k, 2 * k + 2);
    const own = [...labels.keys()].filter((at) => labels[at] === k);
    assertEquals(end - start, own.length);
    const mean = [0, 1, 2].map((d) =>
      own.reduce((sum, at) => sum + points[3 * at + d], 0) / own.length
    );
    const farthest = Math.max(
      ...own.map((at) => Math.hypot(...mean.map((m, d) => points[3 * at + d] - m))),
    );
    const found = [...clusters.centroids.subarray(3 * k, 3 * k + 3)];
    found.forEach((x, d) => assert(Object.is(x, mean[d]) || Math.abs(x - mean[d]) < 1e-12));
    assert(clusters.radii[k] === farthest || Math.abs(clusters.radii[k] - farthest) < 1e-12);
  }
});

Deno.test("near clusters: no pair of points within reach is left out, far ones are", () => {
  const random = randomFor("near clusters");
  for (const [dim, M, N] of [[1, 50, 70], [2, 200, 90], [3, 200, 300]]) {
    const clustersOf = (count: number, offset: number): Clusters => {
      const points = random.float64(count * dim, offset - 1, offset + 1);
      return new Clusters(points, gridCluster(points, 0.4, { dim }), { dim });
    };
    for (const offset of [0, 1e6]) {
      const [x, y] = [clustersOf(M, offset), clustersOf(N, offset)];
      const ranges = x.near(y, 0.3);
      const [rows, slices, columns] = ranges.toKeops();
      const met = new Set<number>();
      rows.forEach(([i0, i1], k) => {
        for (const [j0, j1] of columns.slice(slices[k - 1] ?? 0, slices[k])) {
          for (let i = i0; i < i1; i++) for (let j = j0; j < j1; j++) met.add(i * N + j);
        }
      });
      let within = 0;
      for (let i = 0; i < M; i++) {
        for (let j = 0; j < N; j++) {
          const square = Array.from(
            { length: dim },
            (_, d) => (x.points[i * dim + d] - y.points[j * dim + d]) ** 2,
          ).reduce((a, b) => a + b);
          if (square > 0.09) continue;
          within++;
          assert(met.has(i * N + j), `dim ${dim}: row ${i} and column ${j} are near`);
        }
      }
      assert(met.size >= within && met.size < M * N, `dim ${dim}: ${met.size} pairs`);
      assert(x.near(x, 0.3).isSymmetric);
    }
  }
});

Deno.test("near clusters: all whose balls are within reach, of any dim, sparse labels too", () => {
  const random = randomFor("near balls");
  for (const [dim, size, most] of [[1, 300, 90], [2, 700, 1500], [3, 997, 333], [40, 200, 50]]) {
    const [x, y] = [0, 1].map(() => {
      const labels = Int32Array.from(random.float32(size), (u) => Math.floor(Math.abs(u) * most));
      return new Clusters(random.float32(size * dim), labels, { dim });
    });
    const distance = (k: number, l: number): number =>
      Math.hypot(
        ...Array.from(
          { length: dim },
          (_, d) => x.centroids[k * dim + d] - y.centroids[l * dim + d],
        ),
      );
    for (const reach of [0, 0.05, 0.4, 3]) {
      const within = x.meeting(y, (k, l) => distance(k, l) <= reach + x.radii[k] + y.radii[l]);
      assert(x.near(y, reach).equals(within), `${dim}: ${reach}`);
    }
  }
});

Deno.test("near clusters: those without points meet nothing", () => {
  const x = new Clusters([[0], [1]], [0, 2]);
  assertEquals(x.near(x, Infinity).pairs, 4);
  assertEquals(x.near(x, 0).pairs, 2);
  const huge = new Clusters(Float64Array.of(1.5e308, -1.5e308, 1.4e308, 1.6e308), [0, 0, 0, 1], {
    dim: 1,
  });
  assertEquals(huge.near(huge, 1e307).pairs, 16);
  assertEquals(x.meeting(x, [[1, 1, 1], [1, 1, 1], [0, 0, 1]]).pairs, 3);
});

const P = [[0, 1], [2, 3]];
const REFUSED: [string, () => unknown, string][] = [
  ["no dim", () => gridCluster(new Float32Array(6), 1), "dim"],
  ["a dim of no integer", () => gridCluster(new Float32Array(6), 1, { dim: 1.5 }), "dim"],
  ["half a point", () => gridCluster(new Float32Array(5), 1, { dim: 2 }), "shape"],
  ["a short point", () => gridCluster([[0, 1], [2]], 1), "shape"],
  ["NaN", () => gridCluster([[0, NaN]], 1), "shape"],
  ["infinity", () => gridCluster([[0, Infinity]], 1), "shape"],
  ["text", () => gridCluster([["a", "b"]] as never, 1), "shape"],
  ["a tensor", () => gridCluster(tensor(P) as never, 1), "dtype"],
  ["null", () => gridCluster(null as never, 1), "dtype"],
  ["integers", () => gridCluster(new Int32Array(4) as never, 1, { dim: 2 }), "dtype"],
  ["a size of 0", () => gridCluster(P, 0), "shape"],
  ["a negative size", () => gridCluster(P, [1, -1]), "shape"],
  ["a size of NaN", () => gridCluster(P, NaN), "shape"],
  ["too many sizes", () => gridCluster(P, [1, 1, 1]), "shape"],
  ["no size", () => gridCluster(P, undefined as never), "shape"],
  ["BigInts", () => gridCluster([[1n, 2n]] as never, 1), "shape"],
  ["null as options", () => gridCluster(P, 1, null as never), "dtype"],
  ["null as a table's options", () => new Clusters(P, [0, 1], null as never), "dtype"],
  ["clusters that meet none", () => new Clusters(P, [0, 1]).meeting(null as never, [[1]]), "dtype"],
  ["too few labels", () => new Clusters(P, [0]), "shape"],
  ["a negative label", () => new Clusters(P, [0, -1]), "shape"],
  ["a label of no integer", () => new Clusters(P, [0, 0.5]), "shape"],
  ["a huge label", () => new Clusters(P, [0, 2 ** 30]), "shape"],
  ["labels that are none", () => new Clusters(P, "ab" as never), "dtype"],
  ["a reach of NaN", () => new Clusters(P, [0, 1]).near(new Clusters(P, [0, 1]), NaN), "shape"],
  ["a negative reach", () => new Clusters(P, [0, 1]).near(new Clusters(P, [0, 1]), -1), "shape"],
  ["no clusters", () => new Clusters(P, [0, 1]).near(P as never, 1), "dtype"],
  ["other dims", () => new Clusters(P, [0, 1]).near(new Clusters([[0]], [0]), 1), "dim"],
  ["another table's length", () => new Clusters(P, [0, 1]).sorted(new Float32Array(3)), "shape"],
  ["no table", () => new Clusters(P, [0, 1]).restored([1, 2] as never), "dtype"],
];
for (const [what, make, code] of REFUSED) {
  Deno.test(`clusters, ${what}: refused`, () => {
    const error = assertThrows(make, PairfoldError);
    assertEquals(error.code, code, error.message);
  });
}
