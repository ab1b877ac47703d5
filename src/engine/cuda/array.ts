// Numbers on a card, or, where they are too many for it, on the host for launches to take in
// pieces.

import { PairfoldError } from "../../error.ts";
import type { DeviceArray, DType, Engine, NumberArray, RunControl } from "../engine.ts";
import { allocate } from "../host.ts";
import type { CudaDevice } from "./device.ts";

/** Where the numbers stand. */
export type Place =
  | { readonly kind: "device"; readonly address: bigint }
  | { readonly kind: "host"; readonly numbers: NumberArray };

let arrays = 0;

export class CudaArray implements DeviceArray {
  readonly engine: Engine;
  readonly dtype: DType;
  readonly length: number;
  readonly #device: CudaDevice;
  #place: Place | null;
  /** Downloads that are under way: their copies are queued on other threads. */
  #downloads = 0;
  /** Tells it from every other one, which addresses do not. */
  readonly id: number = arrays++;
  /** How many launches were to fill it. */
  writes = 0;
  /** Pairs of the launch that fills it, or of the one whose results it has. */
  pairs = 0;

  constructor(engine: Engine, device: CudaDevice, dtype: DType, length: number, place: Place) {
    this.engine = engine;
    this.#device = device;
    this.dtype = dtype;
    this.length = length;
    this.#place = place;
  }

  /** Where the numbers stand. Throws `PairfoldError` (device) once they are disposed of. */
  get place(): Place {
    if (this.#place !== null) return this.#place;
    throw new PairfoldError(
      "device",
      `${this.engine.name}: ${this.length} numbers of ${this.dtype} were disposed of`,
    );
  }

  async download({ signal, onProgress }: RunControl): Promise<NumberArray> {
    const { place, pairs: total } = this;
    onProgress?.({ done: 0, total, threads: 0 });
    const numbers = place.kind === "host"
      ? place.numbers.slice()
      : allocate(this.dtype, this.length);
    if (place.kind === "device" && this.length > 0) {
      await this.#copy(place.address, numbers, signal);
    }
    onProgress?.({ done: total, total, threads: 1 });
    return numbers;
  }

  async #copy(address: bigint, numbers: NumberArray, signal?: AbortSignal): Promise<void> {
    if (!signal?.aborted && this.#device.downloadSoon(numbers, address, this.pairs)) return;
    this.#downloads++;
    const copy = this.#device.download(numbers, address).finally(() => {
      if (--this.#downloads === 0 && this.#place === null) this.#device.free(address);
    });
    await (signal === undefined ? copy : abortable(copy, signal));
  }

  dispose(): void {
    const place = this.#place;
    this.#place = null;
    this.#device.kept.forget(this);
    // a copy that is still to be queued needs the memory; the last of them frees it
    if (place?.kind === "device" && this.#downloads === 0) this.#device.free(place.address);
  }
}

/** A promise that the signal may leave; what it waits for goes on. */
function abortable(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void =>
      reject(
        new PairfoldError("aborted", "download: the signal was aborted", { cause: signal.reason }),
      );
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
