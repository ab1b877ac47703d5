// The checked-in worker is the worker as it stands.

import { assertEquals } from "@std/assert";
import { TARGET, workerModule } from "../../scripts/build_worker.ts";

Deno.test("worker_source.ts is what scripts/build_worker.ts makes of worker.ts", async () => {
  const fresh = await workerModule();
  assertEquals(
    await Deno.readTextFile(TARGET),
    fresh,
    "stale: run `deno run -A scripts/build_worker.ts`",
  );
});
