// The 8 nearest neighbours of every point of a scan, exactly, over all pairs.
// Run it: deno run examples/nearest_neighbours.ts

import { tensor, Vi, Vj } from "pairfold";
import { centre, syntheticScan } from "pairfold/pointcloud";

const scan = syntheticScan(10_000);
const points = tensor(centre(scan).points, [scan.count, 3]);
const [distances, indices] = Vi(points).sqDist(Vj(points)).kMinArgKMin(8, "j");

const d = await distances.data();
const n = await indices.data();
console.log(`point 0: neighbours ${n.subarray(0, 8)}`);
console.log(`         distances  ${[...d.subarray(0, 8)].map((q) => Math.sqrt(q).toFixed(4))}`);

// every point is its own nearest neighbour, and distances do not fall
let good = 0;
for (let i = 0; i < scan.count; i++) {
  const row = d.subarray(8 * i, 8 * i + 8);
  if (row[0] === 0 && row.every((q, k) => k === 0 || q >= row[k - 1])) good++;
}
console.log(`check: ${good} of ${scan.count} rows start at distance 0 and are sorted`);
if (good !== scan.count) Deno.exit(1);
