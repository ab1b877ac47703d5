// Times @jax-js/jax, which compiles array programs to WebAssembly where there is no WebGPU: the
// other thing that a TypeScript program can take. Enters and leaves: the lines of dense_worker.py.
//
//     deno run -A bench/peers/jax_worker.ts

import { defaultDevice, init, jit, numpy } from "npm:@jax-js/jax@0.1.25";

interface Job {
  readonly operation: string;
  readonly rows: number;
  readonly columns: number;
  readonly dim: number;
  readonly weights: number;
  readonly scale: number;
  readonly dtype: string;
  readonly x: string;
  readonly y: string;
  readonly b: string;
  readonly output: string;
}

type Matrix = ReturnType<typeof numpy.array>;

/** Entries of the dense matrix that its 32-bit memory has room for, with what comes between. */
const MOST_ENTRIES = 1e8;

await init("wasm");
defaultDevice("wasm");

/** Σ_j exp(−s |x − y|²) b_j by a matrix product; arrays are used up by what takes them. */
const gaussian = jit((x: Matrix, y: Matrix, b: Matrix, scale: Matrix): Matrix => {
  const x2 = numpy.square(x.ref).sum(1).reshape([-1, 1]);
  const y2 = numpy.square(y.ref).sum(1).reshape([1, -1]);
  const q = numpy.matmul(x, numpy.transpose(y)).mul(-2).add(x2).add(y2);
  return numpy.matmul(numpy.exp(q.mul(scale)), b);
});

function matrixOf(path: string, rows: number, columns: number): Matrix {
  const numbers = new Float32Array(Deno.readFileSync(path).buffer);
  return numpy.array(numbers, { shape: [rows, columns] });
}

async function answerOf(job: Job): Promise<object> {
  if (job.operation !== "gaussian" || job.dtype !== "float32") {
    return { missing: `jax-js is not asked for ${job.operation} in ${job.dtype}` };
  }
  if (job.rows * job.columns > MOST_ENTRIES) return { error: "memory" };
  const x = matrixOf(job.x, job.rows, job.dim);
  const y = matrixOf(job.y, job.columns, job.dim);
  const b = matrixOf(job.b, job.columns, job.weights);
  const start = performance.now();
  const result = await gaussian(x, y, b, numpy.array(-job.scale)).data();
  const seconds = (performance.now() - start) / 1000;
  if (!(result instanceof Float32Array)) return { error: "it gives no float32" };
  Deno.writeFileSync(
    job.output,
    new Uint8Array(result.buffer, result.byteOffset, result.byteLength),
  );
  return { seconds, version: "0.1.25" };
}

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    const answer = await answerOf(JSON.parse(line)).catch((error) => ({
      error: String(error).split("\n")[0],
    }));
    console.log(JSON.stringify(answer));
  }
}
