// Runs one trial in a process of its own: deno run trials.ts <name> [argument] prints its result.

import * as driver from "./trials_driver.ts";
import * as gauss from "./trials_gauss.ts";
import * as graphs from "./trials_graph.ts";
import * as language from "./trials_language.ts";
import * as streams from "./trials_stream.ts";
import { Session } from "./session.ts";

export const trials = {
  gauss: gauss.gauss,
  speed: gauss.speed,
  ...language,
  ...streams,
  ...driver,
  ...graphs,
};

if (import.meta.main) {
  const [name, ...rest] = Deno.args;
  const trial = trials[name as keyof typeof trials] as (
    session: Session,
    ...rest: unknown[]
  ) => unknown;
  const result = await trial(new Session(), ...rest.map((word) => JSON.parse(word)));
  console.log(JSON.stringify(result));
}
