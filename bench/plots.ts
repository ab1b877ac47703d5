// Lines over two axes as an SVG file, by Observable Plot in a document without a browser.

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { parseHTML } from "npm:linkedom@0.18.12";

/** One point of a line; `series` names the line. */
export interface PlotPoint {
  readonly series: string;
  readonly x: number;
  readonly y: number;
}

/** What a picture says around its lines. */
export interface PlotFrame {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Axes that are logarithmic; default both. */
  readonly log?: { readonly x: boolean; readonly y: boolean };
}

const COLORS = [
  ...["#1b6ca8", "#c8442b", "#2f8f4e", "#8a5bb0", "#c98a1b", "#4d4d4d", "#b0508c", "#3f9fa8"],
] as const;

/** A picture as the text of an SVG file. Points that are not positive numbers are left out. */
export function linePlot(frame: PlotFrame, points: readonly PlotPoint[]): string {
  // its types have no names of the web
  const page: unknown = parseHTML("<!doctype html><html><body></body></html>");
  const { document } = page as Pick<Plot.PlotOptions, "document">;
  const shown = points.filter(({ x, y }) => x > 0 && y > 0 && x < Infinity && y < Infinity);
  const series = [...new Set(shown.map((p) => p.series))];
  const scale = (isLog: boolean): { type: "log" | "linear"; grid: boolean } => ({
    type: isLog ? "log" : "linear",
    grid: true,
  });
  const { x: isLogX, y: isLogY } = frame.log ?? { x: true, y: true };
  const draw = (labels: readonly Plot.Markish[]): ReturnType<typeof Plot.plot> =>
    Plot.plot({
      document,
      width: 760,
      height: 460,
      marginTop: 44,
      marginRight: 120,
      marginLeft: 60,
      marginBottom: 44,
      style: { background: "white", color: "#222", fontSize: "12px" },
      x: { ...scale(isLogX), label: frame.x },
      y: { ...scale(isLogY), label: frame.y },
      color: { domain: series, range: series.map((_, k) => COLORS[k % COLORS.length]) },
      marks: [
        Plot.line(shown, { x: "x", y: "y", z: "series", stroke: "series", strokeWidth: 2 }),
        Plot.dot(shown, { x: "x", y: "y", fill: "series", r: 2.5 }),
        Plot.text([frame.title], {
          frameAnchor: "top",
          dy: -30,
          fontWeight: "bold",
          fontSize: 14,
        }),
        ...labels,
      ],
    });
  const figure = draw(labelsOf(shown, series, draw([])));
  figure.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${figure.outerHTML}\n`;
}

/** Pixels between names at the ends of lines. */
const LABEL_STEP = 14;

/** The names of lines beside their last points, moved down where one would cover another. */
function labelsOf(
  points: readonly PlotPoint[],
  series: readonly string[],
  figure: ReturnType<typeof Plot.plot>,
): Plot.Markish[] {
  const scale = figure.scale("y");
  const ends = series.map((name) => {
    const [last] = points.filter((p) => p.series === name).sort((a, b) => b.x - a.x);
    return { last, at: Number(scale?.apply(last.y) ?? 0) };
  }).sort((a, b) => a.at - b.at);
  let free = -Infinity;
  return ends.map(({ last, at }) => {
    const moved = Math.max(at, free);
    free = moved + LABEL_STEP;
    return Plot.text([last], {
      x: "x",
      y: "y",
      text: "series",
      fill: "series",
      textAnchor: "start",
      dx: 8,
      dy: moved - at,
    });
  });
}
