// A peer in a process of its own: one JSON object per line goes in, one comes back; a peer that
// does not answer in time is ended, and started anew for the next job.

/** How a peer is started. */
export interface PeerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
}

/** An answer, or why there is none. */
export type Outcome<Answer> =
  | { readonly answer: Answer; readonly failure: null }
  | {
    readonly answer: null;
    readonly failure: string;
    /** Whether it was ended because it took too long. */
    readonly isLate: boolean;
    /** Whether a later job would fail as well. */
    readonly isMissing: boolean;
  };

/** Started when it is first wanted. */
export class PeerProcess<Answer> {
  readonly #how: PeerCommand;
  #child: Deno.ChildProcess | null = null;
  #input: WritableStreamDefaultWriter<Uint8Array> | null = null;
  #lines: AsyncIterator<string> | null = null;

  constructor(how: PeerCommand) {
    this.#how = how;
  }

  #start(): void {
    const { command, args, env } = this.#how;
    this.#child = new Deno.Command(command, {
      args: [...args],
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** Sends a job; waits for its answer for so many milliseconds. */
  async ask(job: object, limit: number): Promise<Outcome<Answer>> {
    const failed = (failure: string, isLate = false, isMissing = false): Outcome<Answer> => {
      this.stop();
      return { answer: null, failure, isLate, isMissing };
    };
    try {
      if (this.#child === null) this.#start();
      await this.#input?.write(new TextEncoder().encode(JSON.stringify(job) + "\n"));
    } catch (error) {
      // no path in the message: it ends up in a file
      const name = /python/.test(this.#how.command) ? "Python" : "program";
      if (error instanceof Deno.errors.NotFound) return failed(`no ${name}`, false, true);
      if (this.#lines === null) return failed(`${name} does not start`, false, true);
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), limit);
    });
    const line = await Promise.race([this.#lines?.next(), late]);
    clearTimeout(timer);
    if (line === null || line === undefined) return failed(`over ${limit / 1000} s`, true);
    if (line.done) return failed("it ended");
    return { answer: JSON.parse(line.value), failure: null };
  }

  /** Ends the process; a later job starts a new one. */
  stop(): void {
    try {
      this.#child?.kill("SIGKILL");
    } catch {
      // it has ended on its own
    }
    this.#child = null;
    this.#input = null;
    this.#lines = null;
  }
}

/** The lines of a stream of bytes. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/** Numbers to a file, little-endian as on every platform that Deno runs on. */
export function writeNumbers(path: string, data: Float32Array | Float64Array): void {
  Deno.writeFileSync(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
