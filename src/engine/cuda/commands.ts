// A list of copies and launches for one call of the shim (pf_run): its words, in memory that is
// used again. Enters: addresses and counts. Leaves: words in the order in which the card carries
// them out.

/** The header's numbers of commands. */
export const COMMANDS = { upload: 1n, launch: 2n, write: 3n } as const;

/** The header's numbers for which lists that come again become graphs of the driver. */
export const GRAPHS = { never: 0, auto: 1, always: 2 } as const;

/** Which lists that come again become graphs: those that are the faster for it, none, all. */
export type GraphMode = keyof typeof GRAPHS;

/** Words of a write before its bytes. */
const WRITE_WORDS = 3;

export class CommandList {
  #words = new BigUint64Array(128);
  #bytes = new Uint8Array(this.#words.buffer);
  #length = 0;
  /** Words of writes, which stand before all else. */
  #written = 0;

  /** The words so far. */
  get words(): BigUint64Array<ArrayBuffer> {
    return this.#words;
  }

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  /** Words of writes: what arrays get that were placed since the last call. */
  get written(): number {
    return this.#written;
  }

  /** Forgets all but the writes, which others wait for. */
  clear(): void {
    this.#length = this.#written;
  }

  /** Forgets what was queued. */
  done(): void {
    this.#length = this.#written = 0;
  }

  /** Copies bytes, which may change afterwards. Before anything else is in the list. */
  write(target: bigint, { buffer, byteOffset, byteLength }: ArrayBufferView): void {
    const at = this.#room(WRITE_WORDS + Math.ceil(byteLength / 8));
    const words = this.#words;
    words[at] = COMMANDS.write;
    words[at + 1] = target;
    words[at + 2] = BigInt(byteLength);
    this.#bytes.set(new Uint8Array(buffer, byteOffset, byteLength), 8 * (at + WRITE_WORDS));
    this.#written = this.#length;
  }

  /** Forgets the writes to an address: what is there goes. */
  unwrite(target: bigint): void {
    const words = this.#words;
    for (let at = 0; at < this.#written;) {
      const length = WRITE_WORDS + Math.ceil(Number(words[at + 2]) / 8);
      if (words[at + 1] === target) {
        words.copyWithin(at, at + length, this.#length);
        this.#written -= length;
        this.#length -= length;
      } else {
        at += length;
      }
    }
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
      this.#bytes = new Uint8Array(larger.buffer);
    }
    return at;
  }
}
