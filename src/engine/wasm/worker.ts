// A worker of the WebAssembly engine: claims items until there are none. This file is bundled by
// scripts/build_worker.ts into worker_source.ts; it runs in Web Workers and in node:worker_threads.

import {
  CONTROL,
  type FromWorker,
  instantiate,
  type KernelExports,
  runItem,
  type RunMessage,
  type ToWorker,
} from "./protocol.ts";

const programs = new Map<number, KernelExports>();
let memory: WebAssembly.Memory | null = null;

function kernelOf(message: RunMessage): KernelExports {
  const { setup, program } = message;
  if (setup !== null) {
    memory = setup.memory;
    programs.set(program, instantiate(setup.module, setup.memory) as KernelExports);
  }
  const kernel = programs.get(program);
  if (kernel === undefined) throw new Error(`program ${program} is not known to this worker`);
  return kernel;
}

function run(message: RunMessage): void {
  const kernel = kernelOf(message);
  if (memory === null) throw new Error("this worker has no memory");
  const words = new Int32Array(memory.buffer);
  while (Atomics.load(words, CONTROL.abort) === 0) {
    const item = Atomics.add(words, CONTROL.next, 1);
    if (item >= message.count) break;
    runItem(kernel, words, message.items, item, message.scratch);
    Atomics.add(words, CONTROL.perWorker + message.worker, 1);
    Atomics.add(words, CONTROL.done, 1);
  }
}

function receive(message: ToWorker, answer: (reply: FromWorker) => void): void {
  if (message.kind === "forget") {
    if (message.program !== null) programs.delete(message.program);
    else {
      programs.clear();
      memory = null;
    }
    return;
  }
  try {
    run(message);
    answer({ error: null });
  } catch (error) {
    answer({ error: String(error) });
  }
}

interface WebScope {
  onmessage: ((event: { data: ToWorker }) => void) | null;
  postMessage(message: FromWorker): void;
}

const scope = globalThis as unknown as WebScope & { process?: unknown };
if (scope.process === undefined) {
  scope.onmessage = (event) => receive(event.data, (reply) => scope.postMessage(reply));
} else {
  const { parentPort } = await import("node:worker_threads");
  if (parentPort !== null) {
    parentPort.on("message", (message: ToWorker) => {
      receive(message, (reply) => parentPort.postMessage(reply));
    });
  } else {
    scope.onmessage = (event) => receive(event.data, (reply) => scope.postMessage(reply));
  }
}
