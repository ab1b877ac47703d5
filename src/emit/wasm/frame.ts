// What the regions of one emitted function work with.

/** The locals that regions of one function work with. */
export interface Frame {
  /** Base addresses. */
  readonly uniforms: number;
  readonly scratch: number;
  /** The packed record at hand (pair), or where to pack to (column). */
  readonly record: number;
  /** What the pairs of a block hold for deferred updates: the address of the pair at hand. */
  readonly held?: number;
  /** Whether that is an address of the thread's own memory; default no. */
  readonly holdsInOwn?: boolean;
  /** Per input and output: address of the first row (or column) at hand. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Global index of the first row at hand, of the column at hand, and number of columns. */
  readonly rowIndex: number;
  readonly columnIndex: number;
  readonly count: number;
  /** Vectors of rows from one of a group's to its next; default 1. */
  readonly rowStep?: number;
}

/** A local with an address that a loop moves. */
export interface Pointer {
  readonly pointer: number;
  /** Bytes from one turn to the next. */
  readonly step: number;
  /** The local with the address that it started from. */
  readonly base: number;
}
