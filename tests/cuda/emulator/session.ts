// A device of the emulator, with what tests do on one: compile, allocate, copy, launch.
//
// Enters: the libraries that PAIRFOLD_CUDA_DRIVER and PAIRFOLD_NVRTC name. Leaves: results and
// codes as the driver gives them; nothing throws but what a test did not ask about.

import { type Driver, type Nvrtc, openDriver, openNvrtc } from "./libraries.ts";

const encoder = new TextEncoder();

/** A string as C wants it. */
export const cString = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text + "\0");

/** A kernel's argument: an address, or a number of 4 or 8 bytes. */
export type Argument = bigint | { i32: number } | { f32: number } | { f64: number };

export interface Compilation {
  code: number;
  log: string;
  image: Uint8Array<ArrayBuffer>;
  milliseconds: number;
}

export interface LaunchShape {
  grid: number | [number, number, number];
  block: number | [number, number, number];
  shared?: number;
  stream?: bigint;
}

/** The compiler's options that the engine passes. */
export const OPTIONS = ["--std=c++17", "-default-device", "--fmad=false", "--ftz=true"];

export class Session {
  readonly driver: Driver;
  readonly nvrtc: Nvrtc;

  constructor(
    readonly device = 0,
    driverPath = Deno.env.get("PAIRFOLD_CUDA_DRIVER")!,
    nvrtcPath = Deno.env.get("PAIRFOLD_NVRTC")!,
  ) {
    this.driver = openDriver(driverPath);
    this.nvrtc = openNvrtc(nvrtcPath);
    this.want(this.driver.cuInit(0), "cuInit");
    const context = this.out((p) => this.driver.cuDevicePrimaryCtxRetain(p, device));
    this.want(this.driver.cuCtxSetCurrent(context), "cuCtxSetCurrent");
  }

  /** Throws where a call did not succeed. */
  want(code: number, what: string): void {
    if (code !== 0) throw new Error(`${what}: ${this.errorName(code)}, ${this.errorText(code)}`);
  }

  /** The 64 bits that a call writes where its pointer points. */
  out(call: (pointer: BufferSource) => number, what = "call"): bigint {
    const value = new BigUint64Array(1);
    this.want(call(value), what);
    return value[0];
  }

  /** The 32 bits that a call writes where its pointer points. */
  int(call: (pointer: BufferSource) => number, what = "call"): number {
    const value = new Int32Array(1);
    this.want(call(value), what);
    return value[0];
  }

  private text(call: (pointer: BufferSource) => number): string {
    const value = new BigUint64Array(1);
    if (call(value) !== 0) return "unknown";
    return Deno.UnsafePointerView.getCString(Deno.UnsafePointer.create(value[0])!);
  }

  errorName(code: number): string {
    return this.text((p) => this.driver.cuGetErrorName(code, p));
  }

  errorText(code: number): string {
    return this.text((p) => this.driver.cuGetErrorString(code, p));
  }

  // ---- programs

  compile(source: string, options: string[] = [], name = "kernel.cu"): Compilation {
    const begun = performance.now();
    const architecture = options.some((o) => o.includes("-arch"))
      ? []
      : [`--gpu-architecture=sm_${this.device === 1 ? 75 : 90}`];
    const words = [...architecture, ...OPTIONS, ...options].map(cString);
    const pointers = BigUint64Array.from(
      words,
      (word) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(word)),
    );
    const program = this.out((p) =>
      this.nvrtc.nvrtcCreateProgram(p, cString(source), cString(name), 0, null, null)
    );
    const code = this.nvrtc.nvrtcCompileProgram(program, words.length, pointers);
    const log = new Uint8Array(
      Number(this.out((p) => this.nvrtc.nvrtcGetProgramLogSize(program, p))),
    );
    this.want(this.nvrtc.nvrtcGetProgramLog(program, log), "nvrtcGetProgramLog");
    const image = new Uint8Array(
      code ? 0 : Number(this.out((p) => this.nvrtc.nvrtcGetCUBINSize(program, p))),
    );
    if (image.length) this.want(this.nvrtc.nvrtcGetCUBIN(program, image), "nvrtcGetCUBIN");
    this.want(
      this.nvrtc.nvrtcDestroyProgram(BigUint64Array.of(program)),
      "nvrtcDestroyProgram",
    );
    const text = new TextDecoder().decode(log.subarray(0, -1));
    return { code, log: text, image, milliseconds: performance.now() - begun };
  }

  /** Compiles, loads and finds a kernel; throws with the log where that fails. */
  kernel(source: string, name: string, options: string[] = []): bigint {
    const compilation = this.compile(source, options);
    if (compilation.code) throw new Error(compilation.log);
    const module = this.out((p) => this.driver.cuModuleLoadData(p, compilation.image), "load");
    return this.out((p) => this.driver.cuModuleGetFunction(p, module, cString(name)), "function");
  }

  // ---- memory

  alloc(bytes: number): bigint {
    return this.out((p) => this.driver.cuMemAlloc_v2(p, BigInt(bytes)), "cuMemAlloc");
  }

  pinned(bytes: number): Uint8Array<ArrayBuffer> {
    const at = this.out((p) => this.driver.cuMemHostAlloc(p, BigInt(bytes), 0), "cuMemHostAlloc");
    const pointer = Deno.UnsafePointer.create(at)!;
    return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, bytes));
  }

  upload(data: Float32Array<ArrayBuffer>, stream = 0n): bigint {
    const target = this.alloc(data.byteLength);
    this.want(this.copyIn(target, data, stream), "cuMemcpyHtoDAsync");
    return target;
  }

  copyIn(target: bigint, data: ArrayBufferView<ArrayBuffer>, stream = 0n): number {
    const source = Deno.UnsafePointer.of(data);
    return this.driver.cuMemcpyHtoDAsync_v2(target, source, BigInt(data.byteLength), stream);
  }

  /** Queues a copy to the host, without waiting. */
  copyOut(data: ArrayBufferView<ArrayBuffer>, source: bigint, stream = 0n): number {
    const target = Deno.UnsafePointer.of(data);
    return this.driver.cuMemcpyDtoHAsync_v2(target, source, BigInt(data.byteLength), stream);
  }

  download(source: bigint, count: number): Float32Array<ArrayBuffer> {
    const data = new Float32Array(count);
    this.want(this.copyOut(data, source), "cuMemcpyDtoHAsync");
    this.want(this.synchronize(), "cuCtxSynchronize");
    return data;
  }

  synchronize(): number {
    return this.driver.cuCtxSynchronize();
  }

  reset(): void {
    this.want(this.driver.cuDevicePrimaryCtxReset_v2(this.device), "cuDevicePrimaryCtxReset");
  }

  // ---- launches

  launch(kernel: bigint, shape: LaunchShape, values: Argument[]): number {
    const bytes = new DataView(new ArrayBuffer(8 * values.length));
    values.forEach((value, k) => {
      if (typeof value === "bigint") bytes.setBigUint64(8 * k, value, true);
      else if ("i32" in value) bytes.setInt32(8 * k, value.i32, true);
      else if ("f32" in value) bytes.setFloat32(8 * k, value.f32, true);
      else bytes.setFloat64(8 * k, value.f64, true);
    });
    const start = values.length
      ? Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(bytes.buffer)))
      : 0n;
    const pointers = BigUint64Array.from(values, (_, k) => start + BigInt(8 * k));
    const [gx, gy, gz] = typeof shape.grid === "number" ? [shape.grid, 1, 1] : shape.grid;
    const [bx, by, bz] = typeof shape.block === "number" ? [shape.block, 1, 1] : shape.block;
    return this.driver.cuLaunchKernel(
      kernel,
      gx,
      gy,
      gz,
      bx,
      by,
      bz,
      shape.shared ?? 0,
      shape.stream ?? 0n,
      pointers,
      null,
    );
  }
}
