// Kernels with panels in machine code, for Turing, Hopper and Blackwell: instructions of their
// loops, floats from shared memory, registers and spills against the schedule table; banks of
// shared memory by address.

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  PANEL_CODE,
  PANEL_PAD,
  panelBoundPerClock,
  type PanelCode,
  panelShape,
} from "../../src/tiling/mod.ts";
import { PANEL_HEADLINES, type PanelHeadline } from "./support/headlines.ts";
import { realNvrtc, withoutNvrtc } from "./support/nvrtc.ts";
import type { PanelMeasured } from "./support/panel_code.ts";
import { withoutNvdisasm } from "./support/sass.ts";
import { runWell, testUnless } from "./support/tools.ts";

const SCRIPT = fromFileUrl(new URL("support/panel_code.ts", import.meta.url));

/** What the table and a kernel disagree about, as sentences. */
function disagreements(measured: PanelMeasured, table: PanelCode): string[] {
  const { architecture, name, instructions, shared, doubles, local, registers, conflicts } =
    measured;
  const key = `sm_${architecture}` as keyof PanelCode["instructions"];
  const wanted = table.instructions[key];
  const counts: readonly (readonly [string, number, number])[] = [
    ["slices", measured.slices, table.slices],
    ["chunks", measured.chunks, table.chunks],
    ["instructions of a chunk", instructions.chunk, wanted.chunk],
    ["instructions of a turn of the walk", instructions.walk, wanted.walk],
    ["instructions of a turn of the product", instructions.product, wanted.product],
    ["floats of a chunk", shared.chunk, table.shared.chunk],
    ["floats of the walk", shared.walk, table.shared.walk],
    ["floats of the product", shared.product, table.shared.product],
    ["doubles of a chunk", doubles?.chunk ?? 0, table.doubles?.chunk ?? 0],
    ["doubles of the walk", doubles?.walk ?? 0, table.doubles?.walk ?? 0],
    ["doubles of the product", doubles?.product ?? 0, table.doubles?.product ?? 0],
    // addresses by uniform registers of sm_100 are not followed
    ["conflicts of banks", conflicts ?? (architecture === 100 ? 0 : Infinity), 0],
    ["accesses of local memory", local, table.local],
    ["registers", registers, table.registers],
  ];
  return counts.filter(([, got, most]) => got > most)
    .map(([what, got, most]) => `${name}, ${key}: ${got} ${what}; the table has ${most}`);
}

testUnless(
  withoutNvrtc ?? withoutNvdisasm,
  "the loops of panels take no more than the schedule table says, on sm_75, sm_90 and sm_100",
  async () => {
    const variables = { PAIRFOLD_NVRTC: realNvrtc ?? "", PAIRFOLD_CUDA_LIBRARY: "" };
    const args = ["run", "-A", "--quiet", SCRIPT, "75", "90", "100"];
    const lines = (await runWell(Deno.execPath(), args, variables)).trim().split("\n");
    const all = lines.map((line) => JSON.parse(line) as PanelMeasured);
    assertEquals(all.length, 3 * Object.keys(PANEL_HEADLINES).length);
    assertEquals(all.flatMap((m) => disagreements(m, PANEL_CODE[m.name])), []);
    // one instruction less in the table, and the product's loop is one too long
    const wide = all.find((m) => m.name === "wide 64" && m.architecture === 90)!;
    const { sm_90, ...others } = PANEL_CODE["wide 64"].instructions;
    const stricter = { ...others, sm_90: { ...sm_90, product: wide.instructions.product - 1 } };
    const found = disagreements(wide, { ...PANEL_CODE["wide 64"], instructions: stricter });
    assertEquals(found.length, 1);
  },
);

/**
 * Clocks that a load of 16 bytes by each thread of a warp takes beyond one for each eight of them.
 */
function conflicts(byteOf: (lane: number) => number): number {
  let extra = 0;
  for (let first = 0; first < 32; first += 8) {
    const banks = new Map<number, Set<number>>();
    for (let lane = first; lane < first + 8; lane++) {
      const at = byteOf(lane);
      const bank = at / 16 % 8;
      banks.set(bank, (banks.get(bank) ?? new Set()).add(at));
    }
    extra += Math.max(...[...banks.values()].map(({ size }) => size)) - 1;
  }
  return extra;
}

Deno.test("no two threads of a warp want different vectors of one bank", () => {
  for (const [float, bytes] of [["f32", 4], ["f64", 8]] as const) {
    for (const panel of [16, 32]) {
      const stride = bytes * (panel + PANEL_PAD[float]);
      for (const slice of [16, 40, 64, 80, 104]) {
        const { rows } = panelShape(slice);
        const what = `${float}, ${slice} components`;
        assertEquals(conflicts((lane) => Math.floor(lane / rows) * stride), 0, `rows, ${what}`);
        assertEquals(conflicts((lane) => lane % rows * 16), 0, `components, ${what}`);
      }
      assertEquals(conflicts((lane) => lane * stride), 0, `a thread's own row, ${float}`);
    }
  }
  // a stride of whole vectors of banks is wrong, and so is an even one
  assert(conflicts((lane) => lane * 128) > 0 && conflicts((lane) => lane * 160) > 0);
});

Deno.test("bounds of panels follow from slots and loads", () => {
  const each = { chunk: 64, walk: 4, product: 4 };
  const none = { chunk: 0, walk: 0, product: 0 };
  const code = { slices: 1, chunks: 2, local: 0, registers: 0, shared: none };
  const instructions = { sm_75: each, sm_90: each, sm_100: each };
  assertEquals(panelBoundPerClock({ ...code, instructions }, "sm_90"), 32);
  const loading = { ...code, slices: 2, instructions, shared: { chunk: 0, walk: 32, product: 32 } };
  assertEquals(panelBoundPerClock(loading, "sm_90"), 1);
  // chunks of 32 pairs, turns of 4 and of 2
  const doubles = { chunk: 32, walk: 4, product: 2 };
  assertEquals(panelBoundPerClock({ ...code, instructions, doubles }, "sm_90"), 16);
  // 132 multiprocessors at 1.98 GHz, in Gpairs/s
  const bound = (name: PanelHeadline): number =>
    panelBoundPerClock(PANEL_CODE[name], "sm_90") * 132 * 1.98;
  assert(bound("wide 64") > 390, `${bound("wide 64")}`);
  assert(bound("attention 64") > 180, `${bound("attention 64")}`);
});
