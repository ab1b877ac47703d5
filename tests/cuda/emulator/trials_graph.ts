// What graphs of the driver do: nodes behind each other or not, launches, what they name.
//
// Enters: a session. Leaves: values as a caller would have seen them, and codes.

import { FILL, INCREMENT } from "./kernels.ts";
import { cString, OPTIONS, type Session } from "./session.ts";

const COUNT = 100, BYTES = 4 * COUNT;

const floats = (bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> =>
  new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);

/** A graph that is being made. */
class Making {
  readonly session: Session;
  readonly graph: bigint;
  readonly #context: bigint;

  constructor(session: Session) {
    this.session = session;
    this.graph = session.out((p) => session.driver.cuGraphCreate(p, 0), "cuGraphCreate");
    this.#context = session.out((p) => session.driver.cuCtxGetCurrent(p), "cuCtxGetCurrent");
  }

  /** A node of increment(out, COUNT), or of another kernel with these words as arguments. */
  kernel(
    handle: BigUint64Array<ArrayBuffer>,
    kernel: bigint,
    words: readonly bigint[],
    after: readonly bigint[] = [],
    block = 128,
  ): number {
    const values = BigUint64Array.from(words);
    const at = Deno.UnsafePointer.value(Deno.UnsafePointer.of(values));
    const pointers = BigUint64Array.from(words, (_, k) => at + BigInt(8 * k));
    const view = new DataView(new ArrayBuffer(72));
    view.setBigUint64(0, kernel, true);
    [1, 1, 1, block, 1, 1, 0].forEach((n, k) => view.setUint32(8 + 4 * k, n, true));
    view.setBigUint64(40, Deno.UnsafePointer.value(Deno.UnsafePointer.of(pointers)), true);
    const { driver } = this.session;
    const code = driver.cuGraphAddKernelNode_v2(
      handle,
      this.graph,
      BigUint64Array.from(after),
      BigInt(after.length),
      new Uint8Array(view.buffer),
    );
    // copied by then: neither may matter afterwards
    values.fill(0n);
    pointers.fill(0n);
    return code;
  }

  /** A node of a copy between pinned memory and the device. */
  copy(
    handle: BigUint64Array<ArrayBuffer>,
    up: boolean,
    host: Uint8Array<ArrayBuffer>,
    device: bigint,
    after: readonly bigint[] = [],
    bytes = BYTES,
  ): number {
    const words = new BigUint64Array(25);
    const at = Deno.UnsafePointer.value(Deno.UnsafePointer.of(host));
    [words[4], words[15]] = up ? [1n, 2n] : [2n, 1n];
    if (up) [words[5], words[17]] = [at, device];
    else [words[6], words[16]] = [device, at];
    [words[22], words[23], words[24]] = [BigInt(bytes), 1n, 1n];
    return this.session.driver.cuGraphAddMemcpyNode(
      handle,
      this.graph,
      BigUint64Array.from(after),
      BigInt(after.length),
      words,
      this.#context,
    );
  }

  /** What can be launched; the graph itself goes. */
  made(): bigint {
    const { driver } = this.session;
    const made = this.session.out(
      (p) => driver.cuGraphInstantiateWithFlags(p, this.graph, 0n),
      "cuGraphInstantiate",
    );
    this.session.want(driver.cuGraphDestroy(this.graph), "cuGraphDestroy");
    return made;
  }
}

const node = (): BigUint64Array<ArrayBuffer> => new BigUint64Array(1);

/** Up, + 1, down: launched twice with other bytes; nodes behind each other, or none behind any. */
export function graphOrder(s: Session, chained: boolean): (number | null)[] {
  const kernel = s.kernel(INCREMENT, "increment");
  const memory = s.alloc(BYTES), from = s.pinned(BYTES), to = s.pinned(BYTES);
  const making = new Making(s), [first, second, third] = [node(), node(), node()];
  const behind = (one: BigUint64Array): bigint[] => chained ? [...one] : [];
  s.want(making.copy(first, true, from, memory), "first");
  s.want(making.kernel(second, kernel, [memory, BigInt(COUNT)], behind(first)), "second");
  s.want(making.copy(third, false, to, memory, behind(second)), "third");
  const graph = making.made(), seen: number[] = [];
  for (const value of [1, 10]) {
    floats(from).fill(value);
    s.want(s.driver.cuGraphLaunch(graph, 0n), "cuGraphLaunch");
    // nothing has run yet
    seen.push(floats(to)[0]);
    s.want(s.synchronize(), "synchronize");
    seen.push(floats(to)[COUNT - 1]);
  }
  s.want(s.driver.cuGraphExecDestroy(graph), "cuGraphExecDestroy");
  return seen.map((value) => Number.isNaN(value) ? null : value);
}

/** Launches of one graph on two streams, and one that is destroyed while it waits. */
export function graphStreams(s: Session): number {
  const kernel = s.kernel(INCREMENT, "increment");
  const memory = s.alloc(BYTES);
  s.want(s.driver.cuMemsetD8Async(memory, 0, BigInt(BYTES), 0n), "fill");
  s.want(s.synchronize(), "synchronize");
  const making = new Making(s), nodes = [node(), node()];
  s.want(making.kernel(nodes[0], kernel, [memory, BigInt(COUNT)]), "first");
  s.want(making.kernel(nodes[1], kernel, [memory, BigInt(COUNT)], [...nodes[0]]), "second");
  const graph = making.made();
  const streams = [0, 1].map(() => s.out((p) => s.driver.cuStreamCreate(p, 1)));
  for (let k = 0; k < 6; k++) s.want(s.driver.cuGraphLaunch(graph, streams[k % 2]), "launch");
  s.want(s.driver.cuGraphExecDestroy(graph), "cuGraphExecDestroy");
  // the later stream alone: what it waits for runs with it
  s.want(s.driver.cuStreamSynchronize(streams[1]), "synchronize");
  return s.download(memory, COUNT)[0];
}

/** Codes of what is no node and no graph. */
export function graphRefusals(s: Session): Record<string, number> {
  const kernel = s.kernel(INCREMENT, "increment");
  const memory = s.alloc(BYTES), pinned = s.pinned(BYTES), making = new Making(s);
  const handle = node(), words = [memory, BigInt(COUNT)];
  return {
    kernel: making.kernel(handle, 12345n, words),
    block: making.kernel(handle, kernel, words, [], 2048),
    before: making.kernel(handle, kernel, words, [99n]),
    beyond: making.copy(handle, true, pinned, memory, [], BYTES + 4),
    pageable: making.copy(handle, true, new Uint8Array(BYTES), memory),
    bytes: making.copy(handle, true, pinned, memory, [], 0),
    graph: s.driver.cuGraphLaunch(making.graph, 0n),
    flags: s.driver.cuGraphInstantiateWithFlags(handle, making.graph, 4n),
    destroyed: s.driver.cuGraphExecDestroy(making.graph),
    still: s.synchronize(),
  };
}

/** A graph whose memory, or whose kernel, has gone: the codes of its launch and of waiting. */
export function graphOutlives(s: Session, what: "memory" | "kernel"): number[] {
  const image = s.compile(FILL, OPTIONS).image;
  const module = s.out((p) => s.driver.cuModuleLoadData(p, image));
  const kernel = s.out((p) => s.driver.cuModuleGetFunction(p, module, cString("fill")));
  const memory = s.alloc(BYTES), pinned = s.pinned(BYTES), making = new Making(s);
  const nodes = [node(), node()];
  s.want(making.copy(nodes[0], true, pinned, memory), "copy");
  const words = [memory, 0n, BigInt(COUNT)];
  s.want(making.kernel(nodes[1], kernel, words, [...nodes[0]]), "kernel");
  const graph = making.made();
  s.want(s.driver.cuGraphLaunch(graph, 0n), "cuGraphLaunch");
  s.want(s.synchronize(), "synchronize");
  if (what === "memory") s.want(s.driver.cuMemFree_v2(memory), "cuMemFree");
  else s.want(s.driver.cuModuleUnload(module), "cuModuleUnload");
  return [s.driver.cuGraphLaunch(graph, 0n), s.synchronize()];
}
