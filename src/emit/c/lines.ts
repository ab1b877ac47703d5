// Lines of source in a language with braces.

/** Lines of source, indented by their depth. */
export class Lines {
  readonly #lines: string[] = [];
  #depth = 0;

  add(...lines: readonly string[]): void {
    for (const line of lines) this.#lines.push(line === "" ? "" : "  ".repeat(this.#depth) + line);
  }

  /** A block in braces after a head (none: a scope of its own). */
  block(head: string, body: () => void, tail = ""): void {
    this.add(head === "" ? "{" : `${head} {`);
    this.#depth++;
    body();
    this.#depth--;
    this.add(`}${tail}`);
  }

  toString(): string {
    return this.#lines.join("\n");
  }
}

/** A kernel's title as a comment may hold it: it may be anything that people call things. */
export function commentOf(title: string): string {
  return title.replace(/[^\x20-\x7e]/g, "?").replace(/\\/g, "/");
}
