// Memory of a card that launches may use again: tables, packed columns. It is given back when there
// is more of it than a limit, oldest first, when the arrays that it was made from go, and all of it
// before anyone is told that the card's memory is full. What a launch is being made of is held
// meanwhile.

/** Memory that was kept. */
export interface KeptPiece {
  readonly key: string;
  readonly address: bigint;
  readonly bytes: number;
  /** What it was made from: without these nobody will ask for it. */
  readonly owners: readonly object[];
  /** Whether it is still there to be found. */
  isKept: boolean;
  /** Launches that are being made of it. */
  users: number;
}

/** How many keys are remembered that were asked for and not found. */
const ASKED = 1024;

export class KeptMemory {
  readonly #free: (address: bigint) => void;
  readonly #limit: number;
  /** By key, those that were used longest ago first. */
  readonly #pieces = new Map<string, KeptPiece>();
  readonly #owned = new Map<object, Set<KeptPiece>>();
  readonly #asked = new Set<string>();
  #bytes = 0;

  /** `limit`: the most bytes that are kept. */
  constructor(limit: number, free: (address: bigint) => void) {
    this.#limit = limit;
    this.#free = free;
  }

  /** Bytes that are kept, held ones included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Finds a piece and holds it. */
  take(key: string): KeptPiece | null {
    const piece = this.#pieces.get(key);
    if (piece === undefined) return null;
    this.hold(piece);
    return piece;
  }

  /** Holds a piece that is there; it is the youngest now. */
  hold(piece: KeptPiece): void {
    this.#pieces.delete(piece.key);
    this.#pieces.set(piece.key, piece);
    piece.users++;
  }

  /**
   * Whether so many bytes may be kept under a key: not at the first time that it is asked for,
   * since most of what is computed once is not computed again.
   */
  mayKeep(key: string, bytes: number): boolean {
    if (bytes > this.#limit / 4) return false;
    if (this.#asked.delete(key)) return true;
    this.#asked.add(key);
    if (this.#asked.size > ASKED) {
      const [oldest] = this.#asked;
      this.#asked.delete(oldest);
    }
    return false;
  }

  /** Keeps memory, and holds it. */
  add(key: string, address: bigint, bytes: number, owners: readonly object[]): KeptPiece {
    const there = this.#pieces.get(key);
    if (there !== undefined) this.drop(there);
    const piece = { key, address, bytes, owners, isKept: true, users: 1 };
    this.#pieces.set(key, piece);
    this.#bytes += bytes;
    for (const owner of owners) {
      let pieces = this.#owned.get(owner);
      if (pieces === undefined) this.#owned.set(owner, pieces = new Set());
      pieces.add(piece);
    }
    for (const oldest of this.#pieces.values()) {
      if (this.#bytes <= this.#limit) break;
      if (oldest.users === 0) this.drop(oldest);
    }
    return piece;
  }

  /** Ends a use. */
  release(piece: KeptPiece): void {
    if (--piece.users === 0 && !piece.isKept) this.#give(piece);
  }

  /** Forgets a piece; its memory goes once nobody holds it. */
  drop(piece: KeptPiece): void {
    if (!piece.isKept) return;
    piece.isKept = false;
    this.#pieces.delete(piece.key);
    for (const owner of piece.owners) {
      const pieces = this.#owned.get(owner);
      pieces?.delete(piece);
      if (pieces?.size === 0) this.#owned.delete(owner);
    }
    if (piece.users === 0) this.#give(piece);
  }

  /** Forgets what was made from something that goes. */
  forget(owner: object): void {
    for (const piece of [...this.#owned.get(owner) ?? []]) this.drop(piece);
  }

  /** Gives back all that nobody holds; false where there was nothing. */
  clear(): boolean {
    const before = this.#bytes;
    for (const piece of [...this.#pieces.values()]) {
      if (piece.users === 0) this.drop(piece);
    }
    return this.#bytes < before;
  }

  #give(piece: KeptPiece): void {
    this.#bytes -= piece.bytes;
    this.#free(piece.address);
  }
}

/** One for each card of the process, whichever engine works on it. */
const byCard = new Map<string, KeptMemory>();

/** The memory that is kept on a card. */
export function keptOn(card: string, make: () => KeptMemory): KeptMemory {
  let kept = byCard.get(card);
  if (kept === undefined) byCard.set(card, kept = make());
  return kept;
}
