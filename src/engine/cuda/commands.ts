// A list of copies and launches for one call of the shim (pf_run): its words, in memory that is
// used again. Enters: addresses and counts. Leaves: words in the order in which the card carries
// them out.

/** The header's numbers of commands. */
export const COMMANDS = { upload: 1n, launch: 2n } as const;

export class CommandList {
  #words = new BigUint64Array(128);
  #length = 0;

  /** The words so far. */
  get words(): BigUint64Array<ArrayBuffer> {
    return this.#words;
  }

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Copies bytes of the data that goes with the list, from an offset on. */
  upload(target: bigint, offset: number, bytes: number): void {
    const at = this.#room(4);
    const words = this.#words;
    words[at] = COMMANDS.upload;
    words[at + 1] = target;
    words[at + 2] = BigInt(offset);
    words[at + 3] = BigInt(bytes);
  }

  /** Launches a kernel; its arguments are those of one list and then of another. */
  launch(
    kernel: bigint,
    blocks: number,
    threads: number,
    first: readonly bigint[],
    rest: readonly bigint[],
  ): void {
    const count = first.length + rest.length;
    const at = this.#room(6 + count);
    const words = this.#words;
    words[at] = COMMANDS.launch;
    words[at + 1] = kernel;
    words[at + 2] = BigInt(blocks);
    words[at + 3] = BigInt(threads);
    words[at + 4] = 0n;
    words[at + 5] = BigInt(count);
    let to = at + 6;
    for (let k = 0; k < first.length; k++) words[to++] = BigInt.asUintN(64, first[k]);
    for (let k = 0; k < rest.length; k++) words[to++] = BigInt.asUintN(64, rest[k]);
  }

  /** Takes so many words; says where they begin. */
  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#words.length) {
      const larger = new BigUint64Array(2 * this.#length);
      larger.set(this.#words);
      this.#words = larger;
    }
    return at;
  }
}
