// Kernel density and its gradient for every point of a cloud, and a picture of it:
//
//   deno task demo [file] [--sigma S] [--max-points N] [--out picture]
//
// Enters: a point cloud (PLY, OBJ, LAS, LAZ, XYZ, CSV), or none for a synthetic scan. Leaves: a
// report with the times and with the errors of random rows against direct sums, and a PNG. Exit
// codes: 0 done, 1 an error above the limit or a fault, 2 bad input, 130 Ctrl-C.

import { doctor, type NumberArray, PairfoldError, type Tensor, tensor, Vi, Vj } from "../mod.ts";
import {
  type BoundingBox,
  boundingBox,
  centre,
  type PointCloud,
  readPointCloud,
  renderDensity,
  subsample,
  syntheticScan,
} from "../src/pointcloud/mod.ts";
import { checkRows, checkSeed, chooseRows, errorLimit, leastTerms } from "./demo/check.ts";
import { coordinate, count, short, wrap } from "./demo/format.ts";
import { type Options, parseOptions, usage } from "./demo/options.ts";
import { checkWritable, pictureName, writePicture } from "./demo/picture.ts";
import { ProgressLine, terminal } from "./demo/progress.ts";

/** The bandwidth, as a part of the bounding box's diagonal, where none is given. */
const sigmaPart = 0.02;
/** The points of the synthetic scan. */
const scanPoints = 30000;

/** A cloud with what messages call it and its coordinates. */
interface Input {
  readonly name: string;
  readonly unit: string;
  readonly cloud: PointCloud;
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    console.log(usage);
    return 0;
  }
  const out = options.out ?? pictureName(options.file);
  await checkWritable(out, options.file);
  return await report(await load(options), options, out);
}

async function load({ file }: Options): Promise<Input> {
  if (file !== undefined) {
    return { name: fileName(file), unit: "file units", cloud: await readPointCloud(file) };
  }
  console.log(`no file given: a synthetic scan of ${count(scanPoints)} points, always the same`);
  return { name: "synthetic scan", unit: "mm", cloud: syntheticScan(scanPoints) };
}

function fileName(file: string): string {
  return file.replace(/[?#].*$/, "").split(/[/\\]/).at(-1) || file;
}

async function report(
  { name, unit, cloud: whole }: Input,
  options: Options,
  out: string,
): Promise<number> {
  const box = boundingBox(whole);
  const diagonal = Math.hypot(...box.minimum.map((low, axis) => box.maximum[axis] - low));
  const format = whole.format === "synthetic" ? "" : ` (${whole.format.toUpperCase()})`;
  row("cloud", `${name}${format}, ${count(whole.count)} points`);
  printBox(box, diagonal, unit);
  const cloud = subsample(whole, options.maxPoints ?? whole.count);
  if (cloud.count < whole.count) {
    row("part", `${count(cloud.count)} of ${count(whole.count)} points, chosen at random (seed 1)`);
  }
  const sigma = bandwidth(options.sigma, diagonal);
  const origin = options.sigma === undefined ? `, ${sigmaPart} of the diagonal` : "";
  row("sigma", `${short(sigma)} ${unit}${origin}`);
  // Coordinates are float64 up to here: large ones keep their steps.
  const { points } = centre(cloud);
  const [density, gradient] = await untilInterrupted((signal) => fold(points, sigma, signal));
  printDensity(density);
  printShift(density, gradient, sigma, unit);
  const isExact = printErrors(points, sigma, density, gradient);
  await drawPicture(cloud, density, name, sigma, out);
  return isExact ? 0 : 1;
}

/** The density at each point, and its gradient there: two folds over all pairs. */
async function fold(
  points: Float32Array,
  sigma: number,
  signal: AbortSignal,
): Promise<readonly [density: NumberArray, gradient: NumberArray]> {
  row("runs on", doctor().split("\n")[0]);
  const x = tensor(points, [points.length / 3, 3]);
  const xi = Vi(x);
  const xj = Vj(x);
  const kernel = xi.sqDist(xj).mul(-1 / (2 * sigma ** 2)).exp();
  const pairs = x.shape[0] ** 2;
  const density = await timed("density", kernel.sum("j"), pairs, signal);
  const gradient = await timed("gradient", kernel.grad(xi).sum("j"), pairs, signal);
  return [density, gradient];
}

/** Lets Ctrl-C abort a signal; before and after it ends the process as it always does. */
async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    return await work(stop.signal);
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}

function row(label: string, text: string): void {
  console.log(`${label.padEnd(10)}${text}`);
}

function printBox({ minimum, maximum }: BoundingBox, diagonal: number, unit: string): void {
  minimum.forEach((low, axis) => {
    const range = [low, maximum[axis]].map((value) => coordinate(value, diagonal)).join(" to ");
    row(axis === 0 ? "box" : "", `${"xyz"[axis]} from ${range}`);
  });
  row("diagonal", `${short(diagonal)} ${unit}`);
}

/** The bandwidth asked for, or a part of the diagonal; refuses what float32 cannot square. */
function bandwidth(asked: number | undefined, diagonal: number): number {
  if (asked === undefined && diagonal === 0) {
    throw new PairfoldError(
      "syntax",
      "--sigma: all points are the same, which leaves no extent to take sigma from; expected " +
        "--sigma with a length",
    );
  }
  const sigma = asked ?? sigmaPart * diagonal;
  const factor = Math.fround(1 / sigma ** 2);
  if (factor > 1e-37 && factor < 1e37) return sigma;
  throw new PairfoldError(
    "syntax",
    `--sigma: got ${short(sigma)}, whose 1 / sigma^2 leaves the range of float32; expected a ` +
      "length from 1e-18 to 1e18",
  );
}

/** Computes a fold in sight: a progress line while it runs, then a line with its speed. */
async function timed(
  label: string,
  result: Tensor,
  pairs: number,
  signal: AbortSignal,
): Promise<NumberArray> {
  const line = new ProgressLine(label, terminal());
  const start = performance.now();
  try {
    const data = await result.data({ signal, onProgress: (progress) => line.update(progress) });
    const seconds = (performance.now() - start) / 1000;
    line.clear();
    const speed = (pairs / seconds / 1e9).toPrecision(3);
    row(label, `${count(pairs)} pairs in ${seconds.toFixed(2)} s, ${speed} Gpairs/s`);
    return data;
  } finally {
    line.clear();
  }
}

function printDensity(density: NumberArray): void {
  let [sum, least, most] = [0, Infinity, -Infinity];
  for (const value of density) {
    sum += value;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const mean = short(sum / density.length);
  row("", `density: mean ${mean}, ${short(least)} to ${short(most)} (points, by kernel weight)`);
}

/** Mean shift moves a point by sigma² · gradient / density, towards where points are denser. */
function printShift(
  density: NumberArray,
  gradient: NumberArray,
  sigma: number,
  unit: string,
): void {
  let [sum, most] = [0, 0];
  for (let i = 0; i < density.length; i++) {
    const length = Math.hypot(gradient[3 * i], gradient[3 * i + 1], gradient[3 * i + 2]);
    const shift = sigma ** 2 * length / density[i];
    sum += shift;
    most = Math.max(most, shift);
  }
  const mean = short(sum / density.length);
  row("", `mean shift: mean ${mean}, at most ${short(most)} ${unit}`);
}

/** Prints the errors of random rows; false if one is above the limit. */
function printErrors(
  points: Float32Array,
  sigma: number,
  density: NumberArray,
  gradient: NumberArray,
): boolean {
  const rows = chooseRows(density.length);
  const errors = checkRows(points, sigma, density, gradient, rows);
  const show = (error: number): string => error === 0 ? "0" : error.toExponential(1);
  const isExact = errors.density <= errorLimit && errors.gradient <= errorLimit;
  console.log();
  const title = `rows checked against direct float64 sums over all points (seed ${checkSeed}):`;
  console.log(wrap(`${title} ${rows.join(" ")}`));
  console.log(
    `largest relative error of ${rows.length} checked rows: density ${show(errors.density)}, ` +
      `gradient ${show(errors.gradient)} (limit ${errorLimit.toExponential(0)})`,
  );
  const least = `at least ${leastTerms.toExponential(0)} / sigma`;
  const plain = show(errors.plainGradient);
  console.log("  density error:  |got - want| / |want|");
  console.log(`  gradient error: |got - want| / sum over j of |term_j| (${least})`);
  console.log(`  the gradient's |got - want| / |want| is ${plain}; its terms cancel: no limit`);
  if (!isExact) console.error("the largest relative error is above the limit");
  console.log();
  return isExact;
}

async function drawPicture(
  cloud: PointCloud,
  density: NumberArray,
  name: string,
  sigma: number,
  out: string,
): Promise<void> {
  const title = `${name}   n = ${count(cloud.count)}   sigma = ${short(sigma)}`;
  // Surveys measure heights along z; where y is up, files do not say so and the picture guesses.
  const up = cloud.format === "las" || cloud.format === "laz" ? "z" : "auto";
  await writePicture(out, renderDensity(cloud, density, { title, up }));
  row("picture", out);
}

/** Says in one line what is wrong, and gives the exit code. */
function explain(error: PairfoldError): number {
  if (error.code === "aborted") {
    console.error("stopped by Ctrl-C; no picture was written");
    return 130;
  }
  console.error(error.message.replace(/\s*\n\s*/g, " "));
  return error.code === "internal" || error.code === "compile" || error.code === "device" ? 1 : 2;
}

if (import.meta.main) {
  let code: number;
  try {
    code = await main(Deno.args);
  } catch (error) {
    if (!(error instanceof PairfoldError)) throw error;
    code = explain(error);
  }
  Deno.exit(code);
}
