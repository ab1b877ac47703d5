// NumPy's files: those that NumPy 2.4 wrote, byte for byte where we write the same; and what is
// damaged.

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { PairfoldError, type Tensor, tensor } from "../../mod.ts";
import {
  decodeNpy,
  decodeNpz,
  encodeNpy,
  encodeNpz,
  loadNpy,
  loadNpz,
  saveNpy,
  saveNpz,
} from "../../src/npy/mod.ts";
import { randomFor } from "../support/random.ts";

const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/**
 * What numpy.save wrote (2.4.6): big-endian Fortran order, float64, truth values, a 64-bit scalar.
 */
const FORTRAN =
  "k05VTVBZAQB2AHsnZGVzY3InOiAnPmY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAQEAAAD+AAABAgAAAQAAAAECgAAA=";
const DOUBLES =
  "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsIDIpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAD4PwAAAAAAAADA";
const TRUTH =
  "k05VTVBZAQB2AHsnZGVzY3InOiAnfGIxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAA==";
const SCALAR =
  "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoHAAAAAAAAAA==";
/** What numpy.savez_compressed wrote of x = arange(3) (int32) and y = 2.5. */
const ARCHIVE =
  "UEsDBC0AAAAIAAAAIQAC7L2p//////////8FABQAeC5ucHkBABAAjAAAAAAAAABMAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6mjoKtQoUAC4GIGAEYiYgBgBQSwMELQAAAAgAAAAhADW0OpP//////////wUAFAB5Lm5weQEAEACIAAAAAAAAAEcAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNmoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkamjoKtQoUAS4GMGBxAABQSwECLQMtAAAACAAAACEAAuy9qUwAAACMAAAABQAAAAAAAAAAAAAAgAEAAAAAeC5ucHlQSwECLQMtAAAACAAAACEANbQ6k0cAAACIAAAABQAAAAAAAAAAAAAAgAGDAAAAeS5ucHlQSwUGAAAAAAIAAgBmAAAAAQEAAAAA";

const content = async (t: Tensor): Promise<unknown[]> => [t.shape, t.dtype, await t.array()];

Deno.test("files of numpy.save and numpy.savez are read", async () => {
  const fortran = decodeNpy(bytesOf(FORTRAN));
  assertEquals(await content(fortran), [[2, 3], "float32", [[0, 1, 2], [3, 4, 5]]]);
  assertEquals(await content(decodeNpy(bytesOf(DOUBLES))), [[1, 2], "float64", [[1.5, -2]]]);
  assertEquals(await content(decodeNpy(bytesOf(TRUTH))), [[2], "int32", [1, 0]]);
  assertEquals(await content(decodeNpy(bytesOf(SCALAR))), [[], "int32", 7]);
  const { x, y } = decodeNpz(bytesOf(ARCHIVE));
  assertEquals(await content(x), [[3], "int32", [0, 1, 2]]);
  assertEquals(await content(y), [[], "float64", 2.5]);
});

Deno.test("what is written is what NumPy writes, byte for byte", async () => {
  const doubles = tensor(new Float64Array([1.5, -2]), [1, 2]);
  assertEquals(await encodeNpy(doubles), bytesOf(DOUBLES));
});

Deno.test("tensors of every type and rank survive, on disk too", async () => {
  const random = randomFor("npy");
  const folder = await Deno.makeTempDir();
  try {
    const tensors: Record<string, Tensor> = {};
    for (const shape of [[], [0], [7], [5, 1, 3]]) {
      const size = shape.reduce((a, b) => a * b, 1);
      tensors[`f4 ${shape}`] = tensor(random.float32(size), shape);
      tensors[`f8 ${shape}`] = tensor(random.float64(size), shape);
      tensors[`i4 ${shape}`] = tensor(Int32Array.from({ length: size }, (_, k) => k - 3), shape);
    }
    for (const t of Object.values(tensors)) {
      await saveNpy(`${folder}/t.npy`, t);
      assertEquals(await content(await loadNpy(`${folder}/t.npy`)), await content(t));
    }
    for (const compressed of [false, true]) {
      await saveNpz(`${folder}/t.npz`, tensors, { compressed });
      const back = await loadNpz(`${folder}/t.npz`);
      assertEquals(Object.keys(back), Object.keys(tensors));
      for (const [name, t] of Object.entries(back)) {
        assertEquals(await content(t), await content(tensors[name]));
      }
    }
    const error = await assertRejects(() => loadNpy(`${folder}/none.npy`), PairfoldError);
    assertEquals(error.code, "io");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("equal tensors give equal archives", async () => {
  const x = tensor([1, 2, 3]);
  assertEquals(await encodeNpz({ x }), await encodeNpz({ x }));
});

const whole = bytesOf(SCALAR);
const text = (from: string, to: string): Uint8Array =>
  Uint8Array.from(
    String.fromCharCode(...whole).replace(from, to),
    (letter) => letter.charCodeAt(0),
  );
const BAD: readonly (readonly [string, Uint8Array, string])[] = [
  ["no bytes", new Uint8Array(0), "no .npy file"],
  ["other bytes", new Uint8Array(100), "no .npy file"],
  ["another version", whole.with(6, 9), "version 9"],
  ["a cut header", whole.slice(0, 60), "ends in its header"],
  ["cut numbers", whole.slice(0, -1), "got 7 bytes of numbers; expected 8"],
  ["records", text("'<i8'", "[('a', '<i8')]"), "expected a plain type"],
  ["complex numbers", text("<i8", "<c8"), "type c8"],
  ["integers beyond 32 bits", whole.with(-1, 1), "expected 32-bit integers"],
];
for (const [what, bytes, message] of BAD) {
  Deno.test(`a .npy file with ${what} is refused`, () => {
    const error = assertThrows(() => decodeNpy(bytes, "a.npy"), PairfoldError);
    assertEquals(error.code, "io");
    assertStringIncludes(error.message, "a.npy: ");
    assertStringIncludes(error.message, message);
  });
}

Deno.test("an archive that is none is refused", () => {
  assertEquals(assertThrows(() => decodeNpz(whole), PairfoldError).code, "io");
});
