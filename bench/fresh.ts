// Times that a script measures in a process of its own: it prints a line {"name", "times"} for
// each.

/** Runs a script of bench/ in a fresh process; milliseconds by name. */
export async function timesInFreshProcess(
  script: string,
  ...args: readonly string[]
): Promise<Map<string, number[]>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL(script, import.meta.url).pathname, ...args],
    stdin: "null",
    stderr: "inherit",
  }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => {
    const { name, times } = JSON.parse(line) as { name: string; times: number[] };
    return [name, times];
  }));
}
