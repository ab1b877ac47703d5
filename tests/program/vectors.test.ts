// Cross products, differences along axes, and what rearranges them: against plain loops.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type ErrorCode, grad, PairfoldError, type Tensor, tensor } from "../../mod.ts";
import { checkDerivatives, drawnTensor, worstError } from "../support/differences.ts";
import { randomFor } from "../support/random.ts";

function checkRefusal(body: () => unknown, code: ErrorCode, words: string): void {
  assertEquals(assertThrows(body, PairfoldError, words).code, code);
}

function crossOf(a: ArrayLike<number>, b: ArrayLike<number>, p = 0, q = 0): number[] {
  return [0, 1, 2].map((k) => {
    const [m, n] = [(k + 1) % 3, (k + 2) % 3];
    return a[p + m] * b[q + n] - a[p + n] * b[q + m];
  });
}

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`cross of ${dtype}: rows, one vector, and axes that broadcast`, async () => {
    const random = randomFor(`cross ${dtype}`);
    const bound = dtype === "float32" ? 1e-5 : 1e-13;
    const n = 1031;
    const [a, b] = [random.array(dtype, 3 * n, -1, 1), random.array(dtype, 3 * n, -1, 1)];
    const rows = Array.from({ length: n }, (_, k) => crossOf(a, b, 3 * k, 3 * k)).flat();
    const got = tensor(a, [n, 3]).cross(tensor(b, [n, 3]));
    assertEquals([got.shape, got.dtype], [[n, 3], dtype]);
    assert(worstError(await got.data(), rows) < bound);

    const one = Array.from({ length: n }, (_, k) => crossOf(a, [1, -2, 0.5], 3 * k, 0)).flat();
    assert(worstError(await tensor(a, [n, 3]).cross([1, -2, 0.5]).data(), one) < bound);

    const [few, some] = [a.slice(0, 6), b.slice(0, 15)];
    const table = tensor(few, [2, 1, 3]).cross(tensor(some, [5, 3]));
    assertEquals(table.shape, [2, 5, 3]);
    const want = [0, 1].flatMap((p) =>
      [0, 1, 2, 3, 4].flatMap((q) => crossOf(few, some, 3 * p, 3 * q))
    );
    assert(worstError(await table.data(), want) < bound);
  });
}

Deno.test("cross: derivatives match central differences, shared arguments too", async () => {
  const [a, b] = [drawnTensor("cross a", [4, 3]), drawnTensor("cross b", [3])];
  await checkDerivatives("cross", (x, y) => x.cross(y).square(), [a, b]);
  await checkDerivatives("cross of one", (x) => x.cross(x.square()), [a]);
});

Deno.test("cross refuses what is no vector of three", () => {
  const x = tensor([[1, 2, 3]]);
  checkRefusal(() => x.cross([1, 2]), "shape", "cross: got a tensor [2]");
  checkRefusal(() => tensor([[1], [2], [3]]).cross(x), "shape", "[3,1]");
  checkRefusal(() => x.cross(2), "shape", "cross: got a tensor []");
  checkRefusal(() => x.cross(null as never), "dtype", "cross: got null");
  checkRefusal(
    () => tensor([[1, 2, 3], [1, 2, 3]]).cross(tensor([[1, 2, 3], [1, 2, 3], [1, 2, 3]])),
    "shape",
    "cross: got shapes [2,3] and [3,3], which do not broadcast",
  );
  checkRefusal(
    () => x.cross(tensor(new Float64Array(3))),
    "dtype",
    "cross: got float32 and float64",
  );
  checkRefusal(() => x.astype("int32").cross(x.astype("int32")), "dtype", "cross: got int32");
});

Deno.test("diff: what follows less what came before, along any axis", async () => {
  const x = tensor([[1, 4, 9], [2, 3, 5]]);
  assertEquals(await x.diff().array(), [[3, 5], [1, 2]]);
  assertEquals(await x.diff(0).array(), [[1, -1, -4]]);
  assertEquals(x.slice({ stop: 1 }).diff(0).shape, [0, 3]);
  assertEquals(tensor(new Float32Array(0), [0, 3]).diff(0).shape, [0, 3]);
  await checkDerivatives("diff", (t) => t.diff(0).square(), [drawnTensor("diff", [5, 2])]);
  checkRefusal(() => tensor(1).diff(), "shape", "diff: got axis -1");
});

Deno.test("flip: all axes, some, and none", async () => {
  const x = tensor([[1, 2, 3], [4, 5, 6]]);
  assertEquals(await x.flip().array(), [[6, 5, 4], [3, 2, 1]]);
  assertEquals(await x.flip(0).array(), [[4, 5, 6], [1, 2, 3]]);
  assertEquals(await x.flip([-1]).array(), [[3, 2, 1], [6, 5, 4]]);
  assertEquals(await x.flip([]).array(), await x.array());
  assertEquals(await tensor(new Float32Array(0), [0, 2]).flip().array(), []);
  assertEquals(await tensor(7).flip().item(), 7);
  const cubes = grad((t: Tensor) => t.flip().mul([1, 10, 100]).sum())(tensor([1, 2, 3]));
  assertEquals(await cubes.array(), [100, 10, 1]);
  checkRefusal(() => x.flip([0, 0]), "shape", "each once");
});

Deno.test("squeeze: axes of length 1 go, others are refused", async () => {
  const x = tensor([[[1], [2]]]);
  assertEquals(x.squeeze().shape, [2]);
  assertEquals(x.squeeze(0).shape, [2, 1]);
  assertEquals(x.squeeze([0, -1]).shape, [2]);
  assertEquals(await tensor([[5]]).squeeze().item(), 5);
  checkRefusal(() => x.squeeze(1), "shape", "squeeze: got axis 1 of a tensor [1,2,1]");
});

Deno.test("ceil, isNaN, isFinite: also where a chain computes what they look at", async () => {
  for (const n of [7, 4099]) {
    const list = [NaN, Infinity, -Infinity, -0.5, 0.25, 3, -2.75];
    const data = Float32Array.from({ length: n }, (_, k) => list[k % 7]);
    const x = tensor(data).mul(2).mul(0.5);
    const numbers = (f: (v: number) => number): number[] => Array.from(data, f);
    assertEquals([...await x.ceil().data()], numbers(Math.ceil));
    assertEquals([...await x.isNaN().data()], numbers((v) => Number(Number.isNaN(v))));
    assertEquals([...await x.isFinite().data()], numbers((v) => Number(Number.isFinite(v))));
  }
});

const INTEGERS = tensor(new Int32Array([3, 1, 2]));
const COMPOSED: Readonly<Record<string, () => Tensor>> = {
  ceil: () => INTEGERS.ceil(),
  isNaN: () => INTEGERS.isNaN(),
  isFinite: () => INTEGERS.isFinite(),
  diff: () => INTEGERS.diff(),
  var: () => INTEGERS.var(),
  std: () => INTEGERS.std(),
  median: () => INTEGERS.median(),
  quantile: () => INTEGERS.quantile(0.3),
  norm: () => INTEGERS.norm(),
  softmax: () => INTEGERS.softmax(),
  logSoftmax: () => INTEGERS.logSoftmax(),
};
for (const [op, run] of Object.entries(COMPOSED)) {
  Deno.test(`${op} refuses integers by its own name`, () => {
    checkRefusal(run, "dtype", `: ${op}: got int32; expected floats`);
  });
}
