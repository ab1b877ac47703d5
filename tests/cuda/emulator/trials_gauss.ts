// Runs a Gaussian kernel with a fault on the emulator and compares with the sum in float64.
//
// Enters: a fault's name. Leaves: the driver's code and text, and how many rows are wrong.

import { type FaultName, faults, type GaussName, plant } from "./kernels.ts";
import type { LaunchShape, Session } from "./session.ts";

export interface GaussResult {
  code: number;
  text: string;
  wrong: number;
  /** The largest relative error of a row. */
  worst: number;
  compileMilliseconds: number;
}

/** Odd, as the columns are, so that no tile fits. */
const ROWS = 331, SCALE = Math.fround(0.7);

const shapes: Record<GaussName, LaunchShape> = {
  gauss_static: { grid: Math.ceil(ROWS / 128), block: 128 },
  gauss_dynamic: { grid: Math.ceil(ROWS / 4), block: 128, shared: 128 * 16 },
  gauss_copied: { grid: Math.ceil(ROWS / 64), block: 64 },
};

/** Fixed numbers in [0, 1). */
export function points(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x80000000;
  });
}

function reference(x: Float32Array, y: Float32Array, b: Float32Array, i: number): number {
  let sum = 0;
  for (let j = 0; j < b.length; j++) {
    let square = 0;
    for (let k = 0; k < 3; k++) square += (x[3 * i + k] - y[3 * j + k]) ** 2;
    sum += 2 ** (-SCALE * square) * b[j];
  }
  return sum;
}

export function gauss(session: Session, name: FaultName, columns = 285): GaussResult {
  const fault = faults[name];
  const compilation = session.compile(plant(fault));
  if (compilation.code) throw new Error(compilation.log);
  const kernel = session.kernel(plant(fault), fault.kernel);
  const x = points(3 * ROWS, 1), y = points(3 * columns, 2), b = points(columns, 3);
  const packed = Float32Array.from(
    { length: 4 * columns },
    (_, k) => k % 4 < 3 ? y[3 * (k >> 2) + k % 4] : b[k >> 2],
  );
  const dx = session.upload(x), db = session.upload(b), out = session.alloc(4 * ROWS);
  const dy = session.upload(fault.kernel === "gauss_copied" ? packed : y);
  const values = [dx, dy, db, out, { i32: ROWS }, { i32: columns }, { f32: SCALE }];
  const rows = new Float32Array(ROWS);
  let code = session.launch(kernel, shapes[fault.kernel], values);
  code ||= session.copyOut(rows, out) || session.synchronize();
  // the bytes behind an allocation are looked at when it is freed
  for (const address of [dx, dy, db, out]) code ||= session.driver.cuMemFree_v2(address);
  let wrong = 0, worst = 0;
  for (let i = 0; i < ROWS; i++) {
    const expected = reference(x, y, b, i);
    const error = Math.abs(rows[i] - expected) / expected;
    if (!(error < 1e-5)) wrong++;
    else worst = Math.max(worst, error);
  }
  return {
    code,
    text: code ? session.errorText(code) : "",
    wrong,
    worst,
    compileMilliseconds: compilation.milliseconds,
  };
}

/** Millions of pairs per second on one core, and the compile's milliseconds (without a cache). */
export function speed(session: Session): { pairs: number; compile: number } {
  const count = 6000, name = "gauss_static";
  const source = plant(faults.none);
  const compile = session.compile(source).milliseconds;
  const kernel = session.kernel(source, name);
  const x = session.upload(points(3 * count, 1)), b = session.upload(points(count, 3));
  const out = session.alloc(4 * count);
  const values = [x, x, b, out, { i32: count }, { i32: count }, { f32: SCALE }];
  const shape = { grid: Math.ceil(count / 128), block: 128 };
  const once = (): number => {
    session.want(session.launch(kernel, shape, values), "launch");
    const begun = performance.now();
    session.want(session.synchronize(), "synchronize");
    return performance.now() - begun;
  };
  return { pairs: count * count / Math.min(once(), once(), once()) / 1e3, compile };
}
