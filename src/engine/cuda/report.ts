// The report that every call of the shim fills: its memory, its reading, and the error it becomes.

import { type ErrorCode, PairfoldError } from "../../error.ts";

/** The header's status codes, in its order. */
export const STATUSES = [
  "ok",
  "no-driver",
  "no-device",
  "no-nvrtc",
  "invalid",
  "out-of-memory",
  "compile",
  "launch",
  "context-lost",
  "io",
  "driver",
] as const;

/** What a call of the shim came to. */
export type Status = typeof STATUSES[number];

/** What stands behind an error of the shim, as the error's `cause`. */
export interface ShimFailure {
  readonly status: Status;
  /** The driver's or NVRTC's own code, else 0. */
  readonly code: number;
}

const ERROR_CODES: Record<Status, ErrorCode> = {
  "ok": "internal",
  "no-driver": "device",
  "no-device": "device",
  "no-nvrtc": "device",
  "invalid": "internal",
  "out-of-memory": "memory",
  "compile": "compile",
  "launch": "device",
  "context-lost": "device",
  "io": "io",
  "driver": "device",
};

// struct pf_report: status, code, capacity, length (4 bytes each), then the text
const HEADER_BYTES = 16;
const decoder = new TextDecoder();

/** Memory for a `pf_report`. */
export class Report {
  /** What is passed as the first parameter. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array;

  constructor(capacity = 16 << 10) {
    this.bytes = new Uint8Array(HEADER_BYTES + capacity);
    this.#words = new Int32Array(this.bytes.buffer, 0, 4);
    this.#words[2] = capacity;
  }

  /** The driver's or NVRTC's own code of the last call. */
  get code(): number {
    return this.#words[1];
  }

  /** What the last call had to say. */
  get text(): string {
    return decoder.decode(this.bytes.subarray(HEADER_BYTES, HEADER_BYTES + this.#words[3]));
  }

  /** Throws what a status other than ok means; `source` is shown beside a compiler's log. */
  check(status: number, source?: string): void {
    if (status !== 0) throw failure(status, this.code, this.text, source);
  }
}

/** The error of a status that is not ok. */
export function failure(
  status: number,
  code: number,
  text: string,
  source?: string,
): PairfoldError {
  const name = STATUSES[status] ?? "driver";
  const cause: ShimFailure = { status: name, code };
  const shown = name === "compile" && source !== undefined
    ? `${text.trimEnd()}\n${numbered(source)}`
    : text.trimEnd();
  return new PairfoldError(ERROR_CODES[name], `cuda: ${shown}`, { cause });
}

/** What stands behind an error; null for errors that are not the shim's. */
export function failureOf(error: unknown): ShimFailure | null {
  if (!(error instanceof PairfoldError)) return null;
  const cause = error.cause as Partial<ShimFailure> | undefined;
  const known = STATUSES.find((status) => status === cause?.status);
  return known ? { status: known, code: cause?.code ?? 0 } : null;
}

/** A source with the number of each line, as compilers count. */
export function numbered(source: string): string {
  const lines = source.split("\n");
  const width = String(lines.length).length;
  return lines.map((line, k) => `${String(k + 1).padStart(width)} | ${line}`).join("\n");
}

/** What a call of the shim came to, of the error that it became; null for other errors. */
export function statusOf(error: unknown): Status | null {
  return failureOf(error)?.status ?? null;
}
