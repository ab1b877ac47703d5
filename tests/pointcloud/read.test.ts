// Every format read whole: counts, numbers, types and names, from real files and from small ones.

import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { boundingBox, type PointCloud, readPointCloud } from "../../src/pointcloud/mod.ts";
import { testWithData } from "./data.ts";
import { join, las, lasOffset, lasScale, modernLas, plyBinary, plyText, text } from "./samples.ts";

const values = (cloud: PointCloud, name: string) => cloud.attributes.get(name)?.values;
const names = (cloud: PointCloud) => [...cloud.attributes.keys()];
const read = (content: string, format?: "obj" | "xyz" | "csv") =>
  readPointCloud(text(content), format === undefined ? {} : { format });

testWithData(
  "the bunny has 35,947 vertices and 69,451 triangles",
  ["stanford-bunny.obj"],
  async (path) => {
    const bunny = await readPointCloud(path);
    assertEquals([bunny.format, bunny.count, bunny.faces?.length], ["obj", 35947, 3 * 69451]);
    const { minimum, maximum } = boundingBox(bunny);
    assert(maximum[1] - minimum[1] > 0.15 && maximum[1] - minimum[1] < 0.16);
  },
);

testWithData("igea has 134,345 points; its tristrips are skipped", ["igea.ply"], async (path) => {
  const igea = await readPointCloud(path);
  assertEquals([igea.format, igea.count, igea.faces], ["ply", 134345, undefined]);
});

testWithData("autzen_trim.laz is decompressed whole", ["autzen_trim.laz"], async (path) => {
  const handlers = () =>
    process.listenerCount("uncaughtException") + process.listenerCount("unhandledRejection");
  const before = handlers();
  const autzen = await readPointCloud(path);
  assertEquals([autzen.format, autzen.count], ["laz", 110000]);
  // The header states the bounds: maximum and minimum of x, y and z in turn.
  const header = new DataView((await Deno.readFile(path)).buffer, 179);
  const stated = Array.from({ length: 6 }, (_, k) => header.getFloat64(8 * k, true));
  const { minimum, maximum } = boundingBox(autzen);
  const found = [0, 1, 2].flatMap((axis) => [maximum[axis], minimum[axis]]);
  found.forEach((bound, k) => assert(Math.abs(bound - stated[k]) < 1e-6, `${bound}`));
  assertEquals(autzen.attributes.get("color")?.components, 3);
  assert(values(autzen, "gps_time") instanceof Float64Array);
  assert(values(autzen, "color") instanceof Uint16Array);
  assertEquals(new Set(values(autzen, "return_number")), new Set([1, 2, 3, 4]));
  assertEquals(handlers(), before, "the decompressor's process-wide handlers are taken away");
});

testWithData(
  "small LAS files are read whole",
  ["simple.las", "vegetation_1_3.las"],
  async (...p) => {
    const [simple, vegetation] = await Promise.all(p.map((path) => readPointCloud(path)));
    assertEquals([simple.count, simple.format], [1065, "las"]);
    assertEquals([...simple.positions.subarray(0, 3)], [637012.24, 849028.31, 431.66]);
    assertEquals([...values(simple, "color")?.subarray(0, 3) ?? []], [68, 77, 88]);
    assertEquals([vegetation.count, names(vegetation).includes("gps_time")], [10683, true]);
  },
);

for (const order of ["little", "big"] as const) {
  Deno.test(`a ${order}-endian PLY gives every type and its faces`, async () => {
    const cloud = await readPointCloud(plyBinary(order));
    assertEquals([...cloud.positions], [1e6, -0, 0, 1000001, -1, 0.25, 1000002, -2, 0.5]);
    const types = ["char", "uchar", "short", "ushort", "int", "uint", "float", "double"];
    types.forEach((type, k) => {
      assertEquals([...values(cloud, `a_${type}`) ?? []], [k, k + 10, k + 20], type);
    });
    assert(values(cloud, "a_short") instanceof Int16Array);
    assertEquals(cloud.faces, Uint32Array.of(2, 1, 0));
  });
}

Deno.test("an ascii PLY keeps normals, colours, lists and fans of polygons", async () => {
  const cloud = await readPointCloud(text(
    `ply\r\nformat ascii 1.0\r\nelement vertex 4\r\nproperty float x\r\nproperty float y\r
property float z\r\nproperty float nx\r\nproperty float ny\r\nproperty float nz\r
property uchar red\r\nproperty uchar green\r\nproperty uchar blue\r\nproperty list uchar int ids\r
element face 1\r\nproperty list uchar int vertex_indices\r\nend_header\r
0 0 0 0 0 1 255 0 7 2 5 6\r\n1 0 0.1 0 0 nan 255 1 7 2 5 6\r\n1 1 0 0 0 1 255 2 7 2 5 6\r
0 1 0 0 0 1 255 3 7 2 5 6\r\n4 0 1 2 3\r\n`,
  ));
  assertEquals(names(cloud), ["normal", "color", "ids"]);
  assertEquals(cloud.positions[5], 0.1, "digits of the text are kept in float64");
  assertEquals(values(cloud, "color")?.[4], 1);
  assert(Number.isNaN(values(cloud, "normal")?.[5]), "attributes may be NaN");
  assertEquals(values(cloud, "ids"), Int32Array.of(5, 6, 5, 6, 5, 6, 5, 6));
  assertEquals(cloud.faces, Uint32Array.of(0, 1, 2, 0, 2, 3));
});

Deno.test("an OBJ keeps v lines as they stand, and reads negative indices", async () => {
  const cloud = await read(
    "# a square\nmtllib none.mtl\nv 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 1 1 0 \\\n0 0 1\n" +
      "v 0 1 0 1 1 1\n" +
      "vt 0 0\ns off\nf -4/1 -3/1 -2/1 -1/1\nf 1//1 2//2 3//3 # a triangle\n",
  );
  assertEquals([cloud.format, cloud.count], ["obj", 4]);
  assertEquals(cloud.faces, Uint32Array.of(0, 1, 2, 0, 2, 3, 0, 1, 2));
  assertEquals(cloud.attributes.get("color")?.components, 3);
});

Deno.test("an OBJ with a normal per vertex keeps the normals", async () => {
  const cloud = await read(
    "vn 0 0 1\nv 0 0 0\nvn 0 1 0\nv 1 0 0\nvn 1 0 0\nv 0 1 0\nf 1//1 2//2 3//3",
  );
  assertEquals(values(cloud, "normal"), Float64Array.of(0, 0, 1, 0, 1, 0, 1, 0, 0));
});

Deno.test("LAS 1.4 format 7 gives the wide fields, and extra bytes as they are", async () => {
  const cloud = await readPointCloud(modernLas(20));
  const first = (name: string) => values(cloud, name)?.[0];
  assertEquals(cloud.count, 20);
  assertEquals(cloud.positions[3 * 7 + 1], -7 * lasScale[1] + lasOffset[1]);
  assertEquals([first("return_number"), first("number_of_returns")], [2, 3]);
  assertEquals([first("scanner_channel"), first("classification_flags")], [2, 5]);
  assertEquals([first("scan_direction"), first("edge_of_flight_line")], [1, 1]);
  assertEquals([first("classification"), first("point_source_id")], [64, 77]);
  assertEquals([first("scan_angle"), first("color")], [-6, 65535]);
  assertEquals(values(cloud, "gps_time")?.[3], 1e9 + 3 / 8);
  assertEquals([...values(cloud, "extra_bytes")?.subarray(2, 4) ?? []], [1, 254]);
});

const lasFormats: readonly (readonly [0 | 1 | 2 | 3 | 4, number, number, string])[] = [
  [0, 0, 20, "user_data"],
  [1, 1, 28, "gps_time"],
  [2, 2, 26, "color"],
  [2, 3, 34, "color"],
  [3, 4, 57, "waveform_z"],
  [3, 5, 63, "waveform_descriptor"],
  [4, 6, 30, "gps_time"],
  [4, 8, 38, "nir"],
  [4, 9, 59, "waveform_size"],
  [4, 10, 67, "nir"],
];
for (const [minor, format, recordLength, attribute] of lasFormats) {
  Deno.test(`LAS 1.${minor} point format ${format} is read, ${attribute} too`, async () => {
    const cloud = await readPointCloud(
      las({ minor, format, recordLength, count: 3, record: () => {} }),
    );
    assertEquals([cloud.format, cloud.count], ["las", 3]);
    assert(names(cloud).includes(attribute), names(cloud).join(" "));
    assertEquals(cloud.positions[8], 4 * lasScale[2] + lasOffset[2]);
  });
}

const tables: Readonly<Record<string, string>> = {
  "blanks": "0 0 0 5\n1 2 3 6\n",
  "blanks and tabs, no newline at the end": "  0 \t0   0 5\n1 2 3 6",
  "commas": "0,0,0,5\n1,2,3,6\n",
  "commas and blanks": "0, 0, 0, 5\n1, 2, 3, 6\n",
  "semicolons": "0;0;0;5\n1;2;3;6\n",
  "tabs": "0\t0\t0\t5\n1\t2\t3\t6\n",
  "a byte order mark and CRLF": "\ufeff0 0 0 5\r\n1 2 3 6\r\n",
  "comments": "# points\n// by hand\n0 0 0 5 # first\n\n1 2 3 6\n",
  "exponents": "0e0 +0. .0 5\n1E0 2.0e+0 3D0 60e-1\n",
};
for (const [what, content] of Object.entries(tables)) {
  Deno.test(`a table with ${what} is read`, async () => {
    const cloud = await read(content, "xyz");
    assertEquals([...cloud.positions], [0, 0, 0, 1, 2, 3]);
    assertEquals(values(cloud, "column4"), Float64Array.of(5, 6));
  });
}

Deno.test("a table with names takes x, y and z wherever they stand", async () => {
  const cloud = await read('"id","Z","Y","X","class"\n1,3,2,1,\n2,6,5,4,7\n', "csv");
  assertEquals([...cloud.positions], [1, 2, 3, 4, 5, 6]);
  assertEquals(names(cloud), ["id", "class"]);
  assertEquals(values(cloud, "class"), Float64Array.of(NaN, 7));
});

Deno.test("names in a comment count, and colours are joined", async () => {
  const cloud = await read("# x y z r g b\n0 0 0 1 2 3\n", "xyz");
  assertEquals(values(cloud, "color"), Float64Array.of(1, 2, 3));
});

Deno.test("a PTS file gives as many points as it says, with intensity and colour", async () => {
  const cloud = await read("2\n0 0 0 -5 1 2 3\n1 1 1 9 4 5 6\n");
  assertEquals([cloud.count, names(cloud)], [2, ["intensity", "color"]]);
});

Deno.test("the format is found in the bytes, then in the name", async () => {
  assertEquals((await readPointCloud(plyText(1, "1 2 3\n"), { name: "a.txt" })).format, "ply");
  assertEquals((await readPointCloud(modernLas(2), { name: "a.laz" })).format, "las");
  assertEquals((await read("v 1 2 3\n")).format, "obj");
  assertEquals((await read("1 2 3\n")).format, "xyz");
  assertEquals((await readPointCloud(text("1,2,3\n"), { name: "a.csv" })).format, "csv");
});

Deno.test("a path, a file URL, its text and a part of a buffer read the same", async () => {
  const path = await Deno.makeTempFile({ suffix: ".ply" });
  try {
    const bytes = plyBinary("big");
    await Deno.writeFile(path, bytes);
    const url = new URL(`file://${path}`);
    const inside = join(text("???"), bytes, text("?")).subarray(3, 3 + bytes.length);
    for (const source of [path, url, String(url), inside]) {
      assertEquals((await readPointCloud(source)).count, 3);
    }
  } finally {
    await Deno.remove(path);
  }
});
