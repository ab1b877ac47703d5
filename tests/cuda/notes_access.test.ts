// Who may take and make notes of kernels on a card: processes at once, those that may not write,
// and folders that others may write to.

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { isReal } from "./support/card.ts";
import { emulatorVariables } from "./support/emulator.ts";
import { foldOf, notesIn, run, test, withoutNotes } from "./support/notes.ts";
import { inFolder, runScript, testUnless } from "./support/tools.ts";

const withoutModes = withoutNotes ?? (Deno.build.os === "windows" ? "no modes on Windows" : null);
testUnless(withoutModes, "cuda notes: a folder that others may write to has none", async () => {
  await inFolder(async (cache) => {
    const fold = foldOf("a parameter's section", "f32");
    const { bits } = await run(fold, [53, 201], { cache });
    await Deno.chmod(join(cache, "cuda"), 0o777);
    const open = await run(fold, [53, 201], { cache });
    assertEquals(open.bits, bits);
    assert(open.seen.includes("pair"));
    await Deno.chmod(join(cache, "cuda"), 0o700);
    assertEquals((await run(fold, [53, 201], { cache })).seen, []);
  });
});

test("where nothing can be written, notes are taken and none are made", async () => {
  await inFolder(async (cache) => {
    const [noted, other] = ["short lists", "indices"].map((name) => foldOf(name, "f32"));
    const { bits } = await run(noted, [53, 201], { cache });
    const { querySync } = Deno.permissions, { writeTextFileSync } = Deno;
    Deno.permissions.querySync = (descriptor) =>
      descriptor.name === "write"
        ? { state: "denied", partial: false } as Deno.PermissionStatus
        : querySync.call(Deno.permissions, descriptor);
    Deno.writeTextFileSync = () => {
      throw new Deno.errors.NotCapable("write");
    };
    try {
      const again = await run(noted, [53, 201], { cache });
      assertEquals([again.bits, again.seen], [bits, []]);
      for (let k = 0; k < 2; k++) {
        assert((await run(other, [53, 201], { cache })).seen.includes("pair"));
      }
      // nor is a folder made
      assert((await run(noted, [53, 201], { cache: join(cache, "new") })).seen.includes("pair"));
    } finally {
      Deno.permissions.querySync = querySync;
      Deno.writeTextFileSync = writeTextFileSync;
    }
    assertEquals(notesIn(cache).length, 1);
  });
});

/** Says the bits of two folds, and how often something was lowered. */
const SCRIPT = (folder: URL): string => `
import { Vi, Vj, tensor } from ${JSON.stringify(new URL("mod.ts", folder).href)};
import { FormulaLowering } from ${JSON.stringify(new URL("src/lower/formula.ts", folder).href)};
let lowered = 0;
const { each } = FormulaLowering.prototype;
FormulaLowering.prototype.each = function (...all) { lowered++; return each.apply(this, all); };
const numbers = (n, s) => Float32Array.from({ length: n }, (_, k) => Math.sin(s + 0.37 * k));
const [x, y, b] = [[213, 1], [2057, 2], [2057, 3]];
const [X, Y] = [x, y].map(([n, s]) => tensor(numbers(3 * n, s), [n, 3]));
const B = tensor(numbers(b[0], b[1]), [b[0], 1]);
const device = "cuda";
const distance = Vi(X).sqDist(Vj(Y));
const sum = await distance.mul(-0.3).exp().mul(Vj(B)).sum("j", { device }).data();
const nearest = await distance.argKMin(10, "j", { device }).data();
console.log(JSON.stringify({ lowered, sum: [...sum], nearest: [...nearest] }));
`;

testUnless(
  withoutNotes ?? (isReal ? "the emulator's processes" : null),
  "cuda notes: processes at once, later ones, and those that may do less",
  async () => {
    await inFolder(async (cache) => {
      const script = SCRIPT(new URL("../../", import.meta.url));
      const env = { ...emulatorVariables(), PAIRFOLD_CACHE: cache };
      const ask = async (permissions?: string[]): Promise<{ lowered: number }> =>
        JSON.parse(await runScript(script, env, permissions));
      const [one, other] = await Promise.all([ask(), ask()]);
      assert(one.lowered > 0 && other.lowered > 0);
      const { lowered: _, ...result } = one;
      assertEquals({ ...other, lowered: 0 }, { ...result, lowered: 0 });
      assertEquals(await ask(), { ...result, lowered: 0 });
      // when a process began is told to those with all permissions: without a version no notes
      const rest = ["--allow-ffi", "--allow-env", "--allow-sys", "--allow-write"];
      for (const permissions of [["--allow-read", ...rest], rest, ["-A", "--deny-write"]]) {
        const { lowered, ...same } = await ask(permissions);
        assert(lowered > 0);
        assertEquals(same, result);
      }
      const left = [...Deno.readDirSync(join(cache, "cuda"))].map(({ name }) => name);
      assertEquals(left.filter((name) => !name.endsWith(".note")), []);
    });
  },
);
