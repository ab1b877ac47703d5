// The headline kernels in machine code, for Turing, Hopper and Blackwell: instructions of the inner
// loop, floats from shared memory, registers, spills and bank conflicts, against the schedule
// table.

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  boundPerClock,
  LOCAL_FLOATS,
  MACHINE_CODE,
  RATES,
  type TurnCode,
} from "../../src/tiling/mod.ts";
import { bankConflicts } from "./support/banks.ts";
import type { Headline } from "./support/headlines.ts";
import type { Measured } from "./support/machine_code.ts";
import { realNvrtc, withoutNvrtc } from "./support/nvrtc.ts";
import {
  countOf,
  floatsLoaded,
  loopsOf,
  pairLoop,
  parseSass,
  withoutNvdisasm,
} from "./support/sass.ts";
import { runWell, testUnless } from "./support/tools.ts";

const SCRIPT = fromFileUrl(new URL("support/machine_code.ts", import.meta.url));

/** What the table and a kernel disagree about, as sentences. */
function disagreements(measured: Measured, table: TurnCode): string[] {
  const { architecture, registers, turn, name } = measured;
  const key = `sm_${architecture}` as keyof TurnCode["instructions"];
  const instructions = table.instructions[key];
  const found: string[] = [];
  const atMost = (what: string, got: number, wanted: number): void => {
    if (got > wanted) found.push(`${name}, ${key}: ${got} ${what}; the table has ${wanted}`);
  };
  if (instructions === undefined) return [`${name}, ${key}: the table has nothing`];
  atMost("instructions in a turn", turn.instructions, instructions);
  atMost("floats from shared memory", turn.shared, table.shared);
  atMost("accesses of local memory", turn.local, table.local);
  atMost("registers", registers, table.registers);
  if (turn.products !== (table.products ?? 0)) {
    found.push(`${name}, ${key}: ${turn.products} products; the table has ${table.products}`);
  }
  atMost("operations on doubles", turn.doubles, table.doubles ?? 0);
  if (turn.conflicts !== 0) found.push(`${name}, ${key}: ${turn.conflicts} conflicts of banks`);
  return found;
}

testUnless(
  withoutNvrtc ?? withoutNvdisasm,
  "inner loops take no more than the schedule table says, on sm_75, sm_90 and sm_100",
  async () => {
    const variables = { PAIRFOLD_NVRTC: realNvrtc ?? "", PAIRFOLD_CUDA_LIBRARY: "" };
    const args = ["run", "-A", "--quiet", SCRIPT, "75", "90", "100"];
    const lines = (await runWell(Deno.execPath(), args, variables)).trim().split("\n");
    const all = lines.map((line) => JSON.parse(line) as Measured);
    const rows = Object.values<TurnCode>(MACHINE_CODE);
    const wanted = rows.reduce((n, { instructions }) => n + Object.keys(instructions).length, 0);
    assertEquals(all.length, wanted);
    assertEquals(all.flatMap((m) => disagreements(m, MACHINE_CODE[m.name as Headline])), []);
    // loops inside loops are counted as often as they run: every product of a tile is there
    const patched = all.filter((m) => m.schedule.chunk > 0 && m.turn.products === 0);
    assertEquals(patched.map(({ name }) => name).sort().at(-1), "D=64, centred");
    for (const { name, turn } of patched) {
      const products = 64 * Number(/\d+/.exec(name)?.[0]);
      assert(turn.arithmetic >= products && turn.arithmetic < 1.1 * products, name);
    }
    // what people get by default for points that were given
    for (const { name, turn, architecture } of all.filter((m) => m.name === "gaussian")) {
      const perPair = turn.instructions / MACHINE_CODE.gaussian.perTurn;
      assert(perPair <= 8.6, `${name}, sm_${architecture}: ${perPair} instructions per pair`);
    }
    // one instruction less in the table, and the Gaussian's loop is one too long
    const gaussian = all.find((m) => m.name === "gaussian" && m.architecture === 90)!;
    const { instructions } = MACHINE_CODE.gaussian;
    const stricter = { ...instructions, sm_90: gaussian.turn.instructions - 1 };
    const found = disagreements(gaussian, { ...MACHINE_CODE.gaussian, instructions: stricter });
    assertEquals(found.length, 1);
    assert(found[0].includes("instructions in a turn"), found[0]);
  },
);

/** Kernels between the headline ones: dims of both points, and components of b. */
const SWEEP = [
  ...["33x1", "65x1", "200x1", "2001x1", "3x9", "3x33", "3x100"],
  ...["33x1f64", "64x1f64", "200x1f64"],
];

testUnless(
  withoutNvrtc ?? withoutNvdisasm,
  "no dim and no width falls off: inner loops are arithmetic for 80 % at least, and loads hide behind it",
  async () => {
    const variables = { PAIRFOLD_NVRTC: realNvrtc ?? "", PAIRFOLD_CUDA_LIBRARY: "" };
    const args = ["run", "-A", "--quiet", SCRIPT, "90", ...SWEEP];
    const lines = (await runWell(Deno.execPath(), args, variables)).trim().split("\n");
    assertEquals(lines.length, SWEEP.length);
    for (const { name, turn } of lines.map((line) => JSON.parse(line) as Measured)) {
      const share = turn.arithmetic / turn.instructions;
      assert(share >= 0.8, `${name}: ${share} of the inner loop is arithmetic`);
      const loads = (turn.shared + turn.local * LOCAL_FLOATS) / RATES.sm_90.loads;
      const slots = turn.instructions / RATES.sm_90.slots;
      const busy = Math.max(slots, turn.doubles / RATES.sm_90.doubles);
      assert(loads <= busy, `${name}: loads take ${loads} clocks, instructions ${busy}`);
    }
  },
);

/** A loop of a kernel, as nvdisasm prints it; `extra` stands inside. */
const listing = (extra: string): string => `
	.section	.text.fold,"ax",@progbits
        .global         fold
fold:
.text.fold:
        /*0000*/                   S2R R0, SR_TID.X ;
.L_x_1:
        /*0010*/                   LDS.128 R4, [UR5+0x10] ;
        /*0020*/                   FADD R8, R4, -R1 ;
        /*0030*/              @P1  BRA \`(.L_x_3) ;
        ${extra}
        /*0040*/                   FFMA R9, R8, R8, R9 ;
        /*0050*/              @!P0 BRA \`(.L_x_1) ;
.L_x_2:
        /*0060*/                   EXIT ;
.L_x_3:
        /*0070*/                   MUFU.EX2 R3, R9 ;
        /*0080*/                   BRA \`(.L_x_2) ;
`;

Deno.test("loops of machine code: the shortest way is counted, what leaves it is not", () => {
  const pathOf = (extra: string) => pairLoop(parseSass(listing(extra)).get("fold")!)!.path;
  const plain = pathOf("");
  assertEquals(plain.map(({ name }) => name), ["LDS", "FADD", "BRA", "FFMA", "BRA"]);
  assertEquals([floatsLoaded(plain), countOf(plain, "MUFU")], [4, 0]);
  // doctored: one instruction more, a load that differs between threads, a no-op
  assertEquals(pathOf("/*0038*/   FMUL R8, R8, R2 ;").length, plain.length + 1);
  assertEquals(pathOf("/*0038*/   NOP ;").length, plain.length);
  assertEquals(loopsOf(parseSass("").get("fold") ?? { instructions: [], labels: new Map() }), []);
});

Deno.test("bank conflicts: addresses are followed for each thread of a warp", () => {
  /** Conflicts of the access that stands last in the loop. */
  const last = (...extra: readonly string[]): number | undefined => {
    const lines = extra.map((line) => `/*0038*/   ${line} ;`).join("\n        ");
    return [...bankConflicts(parseSass(listing(lines)).get("fold")!).values()].at(-1);
  };
  assertEquals(last(), 0); // one address for all
  // a thread's own word, two words apart, one bank for all
  assertEquals(last("SHF.L.U32 R7, R0, 0x2, RZ", "LDS R2, [R7]"), 0);
  assertEquals(last("IMAD R7, R0, 0x8, RZ", "LDS R2, [R7+0x4]"), 1);
  assertEquals(last("LEA R7, R0, UR4, 0x7", "STS [R7], R2"), 31);
  // rows of 4 and of 5 times 16 bytes: 8 threads at a time
  assertEquals(last("IMAD R7, R0, 0x40, RZ", "LDS.128 R12, [R7+UR4]"), 4 * 3);
  assertEquals(last("IMAD R7, R0, 0x50, RZ", "LDS.128 R12, [R7+UR4]"), 0);
  assertEquals(last("IMAD R7, R0, 0x40, RZ", "LDSM.16.M88.4 R12, [R7]"), 4 * 3);
  // the order of pieces twisted by the row's number: as good as an odd stride
  const row = ["LOP3.LUT R7, R0, 0x6, RZ, 0xc0, !PT", "IMAD R6, R0, 0x40, RZ"];
  assertEquals(last(...row, "LEA R7, R7, R6, 0x3", "LDS.128 R12, [R7]"), 0);
  // what comes from memory is not known, nor is what may come from there
  assertEquals(last("LDG.E R7, [R2.64]", "LDS R2, [R7]"), Infinity);
  assertEquals(last("@P2 LDG.E R0, [R2.64]", "LDS R2, [R0]"), Infinity);
  assertEquals(last("@P2 MOV R0, UR4", "@P2 LDS R2, [R0]"), 0);
  // spilled, brought back, passed through a shuffle
  assertEquals(last("STL [R1+0x8], R0", "LDL R7, [R1+0x8]", "LDS R2, [R7.X4]"), 0);
  assertEquals(last("SHFL.IDX PT, R7, R0, R0, 0x1f", "LDS R2, [R7.X8]"), 1);
});

Deno.test("a loop that is longer than the table says is told, and so are spills", () => {
  const code = MACHINE_CODE["D=64"];
  const turn = {
    instructions: code.instructions.sm_90,
    arithmetic: 260,
    special: 2,
    shared: code.shared,
    local: 0,
    products: 0,
    doubles: 0,
    conflicts: 0,
  };
  const measured = {
    name: "D=64" as Headline,
    architecture: 90,
    schedule: { rows: 2, threads: 128, tile: 32, columns: 1, unroll: 1, slice: 0, chunk: 0 },
    turn,
    registers: code.registers,
    stack: 0,
    milliseconds: 0,
  };
  assertEquals(disagreements(measured, code), []);
  const worse = {
    ...turn,
    instructions: turn.instructions + 1,
    local: 1,
    conflicts: null,
    products: 4,
    doubles: 1,
  };
  assertEquals(disagreements({ ...measured, turn: worse, registers: 255 }, code).length, 6);
});

Deno.test("bounds follow from the scarcest of slots, loads and special functions", () => {
  const perPair = { sm_75: 8, sm_90: 8, sm_100: 8 };
  const code = { perTurn: 1, instructions: perPair, shared: 1, local: 0, registers: 32 };
  assertEquals(boundPerClock(code, 1, "sm_90"), 16);
  assertEquals(boundPerClock({ ...code, shared: 4 }, 0, "sm_90"), 8);
  assertEquals(boundPerClock({ ...code, local: 2 }, 0, "sm_90"), 32 / 9);
  assertEquals(boundPerClock({ ...code, products: 512 }, 0, "sm_90"), 2);
  assertEquals(boundPerClock({ ...code, doubles: 8 }, 0, "sm_90"), 8);
  // 132 multiprocessors at 1.98 GHz: the Gaussian's bound, in Gpairs/s
  const bound = boundPerClock(MACHINE_CODE.gaussian, 32, "sm_90") * 132 * 1.98;
  assert(bound > 3400 && bound < 4200, `${bound}`);
});
