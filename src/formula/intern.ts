// The intern table of formulas: finds the node of a structure, and holds none of them. Keys are
// numbers wherever they can be, because strings cost more to make and to hash than all the rest.

/** The fewest entries after which dead ones are looked for. */
const SWEEP = 8192;

/** Ids below this share a number by twos. */
const PAIRED = 2 ** 26;

/** A key made of the ids of a node's arguments: no two lists of ids have the same. */
export function keyOf(args: readonly { readonly id: number }[]): number | string {
  switch (args.length) {
    case 1:
      if (args[0].id < PAIRED) return args[0].id;
      break;
    case 2: {
      const [{ id: a }, { id: b }] = args;
      if (a < PAIRED - 1 && b < PAIRED) return (a + 1) * PAIRED + b;
      break;
    }
  }
  return args.map(({ id }) => id).join(":");
}

/** Objects by a group and a key, held weakly: what nobody holds disappears from the table. */
export class WeakTable<T extends object> {
  readonly #groups = new Map<number | string, Map<number | string, WeakRef<T>>>();
  /** Entries, dead ones included, and how many there may be before these are looked for. */
  #size = 0;
  #limit = SWEEP;

  find(group: number | string, key: number | string): T | undefined {
    return this.#groups.get(group)?.get(key)?.deref();
  }

  /** Adds what `find` did not find. */
  add(group: number | string, key: number | string, made: T): void {
    if (this.#size >= this.#limit) this.#sweep();
    let entries = this.#groups.get(group);
    if (entries === undefined) this.#groups.set(group, entries = new Map());
    entries.set(key, new WeakRef(made));
    this.#size++;
  }

  /** How many objects are held by somebody, as far as the collector knows. */
  count(): number {
    this.#sweep();
    return this.#size;
  }

  /**
   * Once per as many entries as are left, so that an entry costs the same however many there are.
   */
  #sweep(): void {
    this.#size = 0;
    for (const [group, entries] of this.#groups) {
      for (const [key, entry] of entries) if (entry.deref() === undefined) entries.delete(key);
      this.#size += entries.size;
      if (entries.size === 0) this.#groups.delete(group);
    }
    this.#limit = this.#size + Math.max(SWEEP, this.#size);
  }
}
