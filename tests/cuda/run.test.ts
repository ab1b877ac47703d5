// Lists of commands that one call queues, and small reads that wait for a moment only, on the
// emulator.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { CommandList, COMMANDS } from "../../src/engine/cuda/commands.ts";
import { failureOf } from "../../src/engine/cuda/report.ts";
import { headerText } from "./support/header.ts";
import {
  deviceTest,
  launch,
  OPTIONS,
  SCALE,
  type Session,
  withFailures,
} from "./support/session.ts";

/** The kernel that multiplies floats by two, and its module. */
function scaling({ shim, device }: Session): { kernel: bigint; module: bigint } {
  const { module } = shim.compileSync(device, SCALE(), "scale.cu", OPTIONS, "");
  return { kernel: shim.function(device, module, "scale", 0).function, module };
}

/** A list that is written word by word. */
class Words extends CommandList {
  readonly #own: BigUint64Array<ArrayBuffer>;
  constructor(...words: readonly (number | bigint)[]) {
    super();
    this.#own = BigUint64Array.from(words, BigInt);
  }
  override get words(): BigUint64Array<ArrayBuffer> {
    return this.#own;
  }
  override get length(): number {
    return this.#own.length;
  }
}

Deno.test("commands have the header's numbers", () => {
  const [, list] = /enum \{ (PF_RUN_[^}]*) \}/.exec(headerText())!;
  const numbers = [...list.matchAll(/PF_RUN_(\w+) = (\d+)/g)]
    .map(([, name, value]) => [name.toLowerCase(), BigInt(value)]);
  assertEquals(Object.fromEntries(numbers), COMMANDS);
});

deviceTest("a list is carried out in order, in one call", async (session) => {
  const { shim, device } = session;
  const { kernel, module } = scaling(session);
  const count = 1000, address = shim.alloc(device, 4 * count);
  const data = Float32Array.from({ length: count + 5 }, (_, k) => k);
  const commands = new CommandList();
  commands.upload(address, 4 * 5, 4 * count);
  // more words than a list has room for at first
  for (let k = 0; k < 40; k++) commands.launch(kernel, 8, 128, [address], [BigInt(count)]);
  commands.upload(address, 0, 8);
  commands.launch(kernel, 8, 128, [address, BigInt(count)], []);
  shim.run(device, 0n, commands, data);
  const got = new Float32Array(count);
  await shim.download(device, 0n, got, address);
  assertEquals(got, Float32Array.from(got, (_, k) => k < 2 ? 2 * k : (k + 5) * 2 ** 41));
  // an empty list is nothing to do
  commands.clear();
  shim.run(device, 0n, commands, null);
  shim.free(device, address);
  shim.moduleFree(device, module);
});

deviceTest("of a list with what is no command nothing is queued", async (session) => {
  const { shim, device } = session;
  const { kernel, module } = scaling(session);
  const address = shim.alloc(device, 40), data = new Float32Array(10).fill(7);
  shim.upload(device, 0n, address, new Float32Array(10).fill(1));
  const good = [COMMANDS.upload, address, 0, 40];
  const wrong: Record<string, readonly (number | bigint)[]> = {
    "no command": [3, 0, 0, 0, 0, 0],
    "none, by its number": [0],
    "half an upload": [COMMANDS.upload, address, 0],
    "beyond the data": [COMMANDS.upload, address, 8, 40],
    "an offset beyond it": [COMMANDS.upload, address, 48, 0],
    "so many bytes that their sum is small": [COMMANDS.upload, address, 8, 2n ** 64n - 4n],
    "beyond the allocation": [COMMANDS.upload, address + 4n, 0, 40],
    "half a launch": [COMMANDS.launch, kernel, 1, 32, 0],
    "fewer arguments than it says": [COMMANDS.launch, kernel, 1, 32, 0, 2, address],
    "more arguments than fit": [COMMANDS.launch, kernel, 1, 32, 0, 2n ** 64n - 1n, address, 1],
    "more blocks than a word has": [COMMANDS.launch, kernel, 2n ** 32n, 32, 0, 2, address, 10],
    "another's kernel": [COMMANDS.launch, kernel + 1n, 1, 32, 0, 2, address, 10],
  };
  const back = new Float32Array(10);
  for (const [what, words] of Object.entries(wrong)) {
    const list = new Words(...good, ...words);
    const error = assertThrows(() => shim.run(device, 0n, list, data), PairfoldError, "", what);
    assertEquals(failureOf(error)?.status, "invalid", what);
    await shim.download(device, 0n, back, address);
    assertEquals(back, new Float32Array(10).fill(1), what);
  }
  assertThrows(() => shim.run(device, 5n, new Words(...good), data), PairfoldError, "stream");
  // what the driver refuses ends the list; what was before it is queued
  const list = new Words(
    ...good,
    ...[COMMANDS.launch, kernel, 1, 4096, 0, 2, address, 10],
    ...[COMMANDS.launch, kernel, 1, 32, 0, 2, address, 10],
  );
  const refused = assertThrows(() => shim.run(device, 0n, list, data), PairfoldError);
  assertEquals(failureOf(refused)?.status, "launch");
  assertStringIncludes(refused.message, "pf_run: scale, grid 1 x 1 x 1, block 4096 x 1 x 1");
  await shim.download(device, 0n, back, address);
  assertEquals(back, data);
  shim.free(device, address);
  shim.moduleFree(device, module);
});

deviceTest(
  "a small read waits for a moment, and says that it did not wait longer",
  async (session) => {
    const { shim, device } = session;
    const count = 1 << 16, address = shim.alloc(device, 4 * count);
    const source = SCALE().replace(
      "x[i] *=",
      "for (int k = 0; k < 3000; k++) x[i] = x[i] * 0.5f +",
    );
    const { module } = shim.compileSync(device, source, "slow.cu", OPTIONS, "");
    const kernel = shim.function(device, module, "scale", 0).function;
    const back = new Float32Array(4096).fill(-1);
    shim.fill(device, 0n, address, 0, 4 * count);
    await shim.synchronize(device);
    assertEquals(shim.downloadSoon(device, 0n, back, address, 50), true);
    assertEquals([back[0], back[4095]], [0, 0]);
    back.fill(-1);
    // behind a kernel of a tenth of a second, again and again: reads that did not wait hold no
    // memory up
    launch(session, kernel, [address, count], { grid: count / 256, block: 256 });
    for (let k = 0; k < 5; k++) {
      assertEquals(shim.downloadSoon(device, 0n, back, address, 50), false, "it waited to the end");
      assertEquals([back[0], back[4095]], [-1, -1], "the target was written all the same");
    }
    await shim.download(device, 0n, back, address);
    assertEquals([back[0], back[4095]], [4, 4]);
    assertEquals(shim.downloadSoon(device, 0n, back.subarray(0, 0), address, 50), true);
    const large = assertThrows(
      () => shim.downloadSoon(device, 0n, new Uint8Array(16385), address, 50),
      PairfoldError,
    );
    assertStringIncludes(large.message, "16385 bytes; expected at most 16384");
    assertThrows(
      () => shim.downloadSoon(device, 0n, back, address + 4n * BigInt(count), 50),
      PairfoldError,
    );
    withFailures("cuMemcpyDtoHAsync_v2:1=1", () => {
      assertThrows(() => shim.downloadSoon(device, 0n, back, address, 50), PairfoldError);
    });
    assertEquals(shim.downloadSoon(device, 0n, back, address, 50), true);
    shim.moduleFree(device, module);
    shim.free(device, address);
  },
);
