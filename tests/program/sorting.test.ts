// The order of long lists, whose digits are counted, against comparisons.

import { assertEquals } from "@std/assert";
import { stack, tensor } from "../../mod.ts";
import { randomFor } from "../support/random.ts";

Deno.test("sorting long lists: every kind of number, in every type, as short ones", async () => {
  const random = randomFor("sorting long lists");
  const ODD = [NaN, 0, -0, Infinity, -Infinity, 5e-324, -5e-324, 1e-40, -1e-40, 1, 1 + 1e-15, -1];
  const KINDS = { float32: Float32Array, float64: Float64Array, int32: Int32Array };
  const before = (p: number, q: number): number =>
    p < q ? -1 : q < p ? 1 : p === q ? 0 : Number(Number.isNaN(p)) - Number(Number.isNaN(q));
  for (const dtype of ["float32", "float64", "int32"] as const) {
    for (const n of [7, 255, 256, 4099]) {
      const list = Array.from({ length: n }, (_, k) => {
        const size = 10 ** random.uniform(-3, 9);
        if (dtype === "int32") return Math.floor(random.uniform(-size, size));
        return k % 3 === 0
          ? ODD[Math.floor(random.uniform(0, ODD.length))]
          : random.uniform(-size, size);
      });
      const data = new KINDS[dtype](list);
      if (dtype !== "int32") { // NaN with other bits, and with a sign
        const [p, q] = [(n - 3) * data.BYTES_PER_ELEMENT, n * data.BYTES_PER_ELEMENT - 1];
        data[n - 3] = data[n - 1] = NaN;
        new Uint8Array(data.buffer)[p] |= 1;
        new Uint8Array(data.buffer)[q] |= 0x80;
      }
      const x = tensor(data);
      const order = Array.from(data.keys()).sort((p, q) => before(data[p], data[q]) || p - q);
      assertEquals(await x.argSort().array(), order);
      const { values, counts, inverse } = await x.unique();
      const first = order.filter((at, k) => k === 0 || before(data[order[k - 1]], data[at]) !== 0);
      assertEquals(await values.array(), first.map((at) => data[at]));
      assertEquals(await counts.sum().item(), n);
      assertEquals(before(await values.take(inverse).slice(n - 1).item(), data[n - 1]), 0);
      const rows = await stack([x, x.flip()], 1).argSort(0).array() as number[][];
      assertEquals(rows.map(([at]) => at), order);
    }
  }
});
