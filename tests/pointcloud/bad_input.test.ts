// What is no point cloud ends as a PairfoldError that says where, never as a crash, a hang or a
// cloud that looks right. Each case is a row: bytes, format, and words of the message.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { type PointCloudFormat, readPointCloud } from "../../src/pointcloud/mod.ts";
import { dataPath, testWithData } from "./data.ts";
import { join, las, modernLas, noise, plyBinary, plyText, text } from "./samples.ts";

async function refused(
  bytes: Uint8Array,
  name: string,
  words: readonly string[],
  format?: PointCloudFormat,
): Promise<void> {
  const options = format === undefined ? { name } : { name, format };
  const error = await assertRejects(() => readPointCloud(bytes, options), PairfoldError);
  assertEquals(error.code, "io");
  for (const word of [name, ...words]) assertStringIncludes(error.message, word);
}

const triangle = "v 0 0 0\nv 1 0 0\nv 0 1 0\n";
const face = "element face 1\nproperty list uchar int vertex_indices\n";
const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13);
const patched = (bytes: Uint8Array, at: number, ...change: number[]): Uint8Array => {
  bytes.set(change, at);
  return bytes;
};

/** File name, bytes, words of the message. */
const cases: readonly (readonly [string, Uint8Array, ...string[]])[] = [
  ["empty.ply", text(""), "empty file"],
  ["picture.png", png, "no known format", "89 50 4e 47"],
  ["picture.xyz", png, "zero byte"],
  ["picture.ply", png, "line 1", 'expected "ply"'],
  ["picture.obj", png, "zero byte"],
  ["picture.las", png, "LASF"],
  ["noise", noise(5000, 1), "no known format"],
  ["noise.csv", noise(5000, 2), ""],
  ["words.txt", text("it was a dark and stormy night\nthe rain fell\n"), "line 2"],
  ["utf16.csv", Uint8Array.of(0xff, 0xfe, 0x31, 0, 0x20, 0), "UTF-16"],

  ["huge.ply", plyText("1000000000000", "0 0 0\n"), "1000000000000 rows", "got 6 bytes"],
  ["beyond.ply", plyText("99999999999999999999", "0 0 0\n"), "line 3", "element name count"],
  ["short.ply", plyText(3, "0 0 0\n1 1 1\n               "), "end of the file", "3 rows"],
  ["narrow.ply", plyText(2, "0 0 0\n1 1      \n"), "line 9", "got 2 numbers"],
  ["wide.ply", plyText(1, "0 0 0 0\n"), "line 8", "got 4 numbers; expected 3"],
  ["long.ply", plyText(1, "0 0 0\n1 1 1\n"), "line 9", "expected the end"],
  ["word.ply", plyText(1, "0 zero 0\n"), "line 8", 'got "zero"'],
  ["hex.ply", plyText(1, "0 0x10 0\n"), 'got "0x10"'],
  ["nan.ply", plyText(2, "0 0 0\n0 nan 0\n"), "point 1", "y = NaN"],
  ["none.ply", plyText(0, ""), "no points"],
  ["face.ply", plyText(3, "0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n", face), "line 13", "point 3"],
  ["minus.ply", plyText(3, "0 0 0\n1 0 0\n0 1 0\n3 0 -1 2\n", face), "point -1"],
  ["list.ply", plyText(1, "0 0 0\n90 0 0 0\n", face), "length 90 but 3"],
  ["corners.ply", plyText(1, "0 0 0\n900 0 0 0\n", face), "got 900"],
  ["range.ply", plyText(1, "0 0 0\n", "").subarray(0, 60), "no end"],
  ["header.ply", text("ply\nformat ascii 1.0\nvertices 3\n"), "line 3", "PLY header"],
  ["format.ply", text("ply\nformat ascii 2.0\nend_header\n"), "line 2", "version"],
  ["type.ply", text("ply\nformat ascii 1.0\nelement vertex 1\nproperty quad x\n"), "quad"],
  ["flat.ply", text("ply\nformat ascii 1.0\nelement face 0\nend_header\n"), "expected vertex"],
  ["cut.ply", plyBinary("little").slice(0, -1), "byte", "face"],
  ["cut2.ply", plyBinary("big").slice(0, 500), "3 rows"],
  ["tail.ply", join(plyBinary("big"), text("more")), "4 bytes after"],

  ["short.obj", text("v 0 0\n"), "line 1", "got 2 numbers"],
  ["word.obj", text("v 0 0 O\n"), "line 1", 'got "O"'],
  ["inf.obj", text("v 0 0 inf\n"), "line 1", "finite"],
  ["mixed.obj", text("v 0 0 0\nv 1 1 1 0 0 0\n"), "line 2", "expected 3"],
  ["face.obj", text(`${triangle}f 1 2 4\n`), "line 4", "got point 4", "3 points"],
  ["zero.obj", text(`${triangle}f 0 1 2\n`), "line 4", "got point 0"],
  ["back.obj", text(`${triangle}f -1 -2 -4\n`), "line 4", "got point -4"],
  ["corner.obj", text(`${triangle}f 1 2 x\n`), "line 4", 'got "x"'],
  ["two.obj", text(`${triangle}f 1 2\n`), "line 4", "2 corners"],
  ["alien.obj", text("v 0 0 0\nhello there\n"), "line 2", "hello there"],
  ["cut.obj", text(`# Vertices: 4\n${triangle}`), "got 3 vertices", "says 4"],
  ["none.obj", text("# nothing\n"), "no points"],

  ["ragged.csv", text("1,2,3\n4,5\n"), "line 2", "got 2 columns"],
  ["word.csv", text("x,y,z,name\n1,2,3,tree\n"), "line 2", 'got "tree"'],
  ["gap.csv", text("1,2,3\n1,,3\n"), "line 2", 'y: got ""'],
  ["names.csv", text("a,b,c\n1,2,3\n"), "line 1", "expected x, y and z"],
  ["twice.csv", text("x,y,z,a,a\n1,2,3,4,5\n"), "two columns"],
  ["headers.csv", text("x,y,z\nx,y,z\n1,2,3\n"), "line 2"],
  ["comma.csv", text("1,5;2,5;3,5\n"), "line 1", 'got "1,5;2,5;3,5"'],
  ["two.xyz", text("1 2\n3 4\n"), "at least x, y and z"],
  ["inf.xyz", text("1 2 3\n4 inf 6\n"), "line 2", "finite"],
  ["count.pts", text("3\n0 0 0 1\n1 1 1 1\n"), "says 3 points; got 2"],
  ["endless.xyz", text("1 ".repeat(5000)), "5000 columns"],

  ["cut.las", modernLas(20).slice(0, -1), "20 points of 38 bytes", "got 759 bytes"],
  ["stub.las", modernLas(20).slice(0, 100), "227"],
  ["huge.las", modernLas(2, 1e12), "1000000000000 points", "got 76 bytes"],
  ["none.las", modernLas(2, 0), "0 points"],
  ["version.las", patched(modernLas(2), 25, 7), "byte 24", "1.7"],
  ["format.las", patched(modernLas(2), 104, 11), "byte 104", "point format 11"],
  ["record.las", patched(modernLas(2), 105, 30, 0), "record length 30", "36"],
  ["start.las", patched(modernLas(2), 96, 255, 255), "byte 96", "65535"],
  ["scale.las", patched(modernLas(2), 131, 0, 0, 0, 0, 0, 0, 0, 0), "byte 131", "scale 0"],
  ["box.las", patched(modernLas(2), 375 + 3, 127), "point 0", "checkBounds"],
  ["records.las", patched(modernLas(2), 100, 1), "variable-length record 0"],
  ["packed.las", patched(modernLas(2), 104, 135), "laszip encoded"],
  [
    "waves.las",
    patched(las({ minor: 3, format: 4, recordLength: 57, count: 1, record: () => {} }), 104, 132),
    "compressed point format 4",
  ],
];

for (const [name, bytes, ...words] of cases) {
  Deno.test(`bad input ${name} is refused: ${words.join(", ")}`, () => refused(bytes, name, words));
}

Deno.test("an unknown format is refused by name", async () => {
  const format = String("stl") as PointCloudFormat;
  await refused(text("1 2 3\n"), "solid", ["stl", "expected one of"], format);
});

Deno.test("a path that is not there is refused", async () => {
  const error = await assertRejects(() => readPointCloud("no/such/file.ply"), PairfoldError);
  assertEquals(error.code, "io");
  assertStringIncludes(error.message, "no/such/file.ply");
});

Deno.test("points outside the header's bounds are read if asked to", async () => {
  const bytes = patched(modernLas(2), 375 + 3, 127);
  assertEquals((await readPointCloud(bytes, { checkBounds: false })).count, 2);
});

testWithData("a bunny cut short is refused", ["stanford-bunny.obj"], async (path) => {
  const bytes = await Deno.readFile(path);
  for (const share of [0.2, 0.5, 0.9]) {
    await refused(bytes.subarray(0, Math.floor(share * bytes.length)), "bunny.obj", []);
  }
});

testWithData(
  "a LAZ file cut short or with a wrong count is refused",
  ["autzen_trim.laz"],
  async (path) => {
    const bytes = await Deno.readFile(path);
    for (const length of [300, 2000, 100000, bytes.length - 1]) {
      await refused(bytes.slice(0, length), "cut.laz", []);
    }
    await refused(patched(bytes.slice(), 107, 255, 255, 255, 255), "count.laz", ["chunks"]);
  },
);

testWithData("a garbled LAZ file is refused, or reads the same", ["autzen_trim.laz"], async () => {
  const bytes = await Deno.readFile(dataPath("autzen_trim.laz"));
  const whole = await readPointCloud(bytes);
  let caught = 0;
  const trials = 12;
  for (let trial = 0; trial < trials; trial++) {
    const garbled = bytes.slice();
    const start = trial < 4 ? 107 + 60 * trial : 2200 + trial * 45000;
    garbled.set(noise(trial < 4 ? 4 : 40, trial + 1), start);
    try {
      const cloud = await readPointCloud(garbled, { name: "garbled.laz" });
      assertEquals(cloud.positions, whole.positions, `bytes from ${start}`);
    } catch (error) {
      assert(error instanceof PairfoldError && error.code === "io", String(error));
      caught++;
    }
  }
  assert(caught >= trials - 4, `caught ${caught} of ${trials}`);
});

testWithData("any single changed header byte of a PLY ends well", ["igea.ply"], async (path) => {
  // The first vertices only: the header must then be refused for what it says of the bytes.
  const bytes = (await Deno.readFile(path)).subarray(0, 4000);
  for (let at = 0; at < 180; at += 3) {
    const changed = patched(bytes.slice(), at, bytes[at] ^ 5);
    await assertRejects(() => readPointCloud(changed), PairfoldError);
  }
});
