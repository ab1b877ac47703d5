// The shim's functions for memory and copies with the types of TypeScript: addresses as bigint,
// byte counts as numbers.

import { type Bytes, type Handle, pointed, ShimCalls } from "./calls.ts";

/** Bytes of a device. */
export interface DeviceMemory {
  /** Asked for and not given back. */
  readonly live: number;
  /** Kept for reuse. */
  readonly pooled: number;
  readonly available: number;
  readonly total: number;
}

/** The shim's allocator and its copies. */
export class ShimMemory extends ShimCalls {
  memory(device: Handle): DeviceMemory {
    const at = [0, 1, 2, 3].map((k) => this.longs.subarray(k, k + 1));
    this.check(this.call.pf_memory(this.out, device, at[0], at[1], at[2], at[3]));
    const [live, pooled, available, total] = [...this.longs].map(Number);
    return { live, pooled, available, total };
  }

  alloc(device: Handle, bytes: number): bigint {
    this.check(this.call.pf_alloc(this.out, device, BigInt(bytes), this.longs));
    return this.longs[0];
  }

  /** Work queued before on the device's own stream may still use the allocation. */
  free(device: Handle, address: bigint): void {
    this.check(this.call.pf_free(this.out, device, address));
  }

  /** Gives what is kept for reuse back to the driver. */
  trim(device: Handle): void {
    this.check(this.call.pf_trim(this.out, device));
  }

  /**
   * Queues a copy to the device; `source` may change afterwards. Copies beyond 16 MiB may wait for
   * work that was queued before: `uploadAsync` does so on another thread.
   */
  upload(device: Handle, stream: Handle, target: bigint, source: Bytes): void {
    const bytes = BigInt(source.byteLength);
    this.check(
      this.call.pf_upload(this.out, device, stream, target, pointed(source), bytes),
    );
  }

  /**
   * The same on another thread; `source` must not change until it settles, and work queued
   * meanwhile may come before it.
   */
  async uploadAsync(device: Handle, stream: Handle, target: bigint, source: Bytes): Promise<void> {
    const from = pointed(source), bytes = BigInt(source.byteLength);
    await this.wait(
      (report) => this.call.pf_upload_nonblocking(report, device, stream, target, from, bytes),
      [from],
    );
  }

  /** Fills `target` from the device; waits for what is queued on the stream before. */
  downloadSync(device: Handle, stream: Handle, target: Bytes, source: bigint): void {
    const bytes = BigInt(target.byteLength);
    this.check(
      this.call.pf_download(this.out, device, stream, pointed(target), source, bytes),
    );
  }

  /**
   * The same on another thread. Until it settles the allocation must be neither freed nor written
   * to: work queued meanwhile may come before it.
   */
  async download(device: Handle, stream: Handle, target: Bytes, source: bigint): Promise<void> {
    const to = pointed(target), bytes = BigInt(target.byteLength);
    await this.wait(
      (report) => this.call.pf_download_nonblocking(report, device, stream, to, source, bytes),
      [to],
    );
  }

  /**
   * Fills `target`, of at most 16 KiB, if what is queued on the stream before ends within so many
   * microseconds; else says that it has not.
   */
  downloadSoon(
    device: Handle,
    stream: Handle,
    target: Bytes,
    source: bigint,
    microseconds: number,
  ): boolean {
    const bytes = BigInt(target.byteLength), patience = BigInt(1000 * microseconds);
    this.check(
      this.call.pf_download_soon(
        this.out,
        device,
        stream,
        pointed(target),
        source,
        bytes,
        patience,
        this.words,
      ),
    );
    return this.words[0] !== 0;
  }

  /** Queues a copy within the device. */
  copy(device: Handle, stream: Handle, target: bigint, source: bigint, bytes: number): void {
    this.check(this.call.pf_copy(this.out, device, stream, target, source, BigInt(bytes)));
  }

  /** Queues filling with one byte. */
  fill(device: Handle, stream: Handle, target: bigint, byte: number, bytes: number): void {
    this.check(this.call.pf_fill(this.out, device, stream, target, byte, BigInt(bytes)));
  }
}
