/** The columns of a chart: days as seconds, lines in drawing order, intervals as pairs of lines. */
export type Values = (number | null)[];
export interface Line {
  name: string;
  values: Values;
  kind: "faint" | "chosen" | "compared" | "national" | "forecast";
}
export interface Band {
  name: string;
  /** Its share of outcomes, percent. */
  level: number;
  lower: Values;
  upper: Values;
  kind: "wide" | "narrow";
}
/** A mark on a line: how large the move of its week was, or an anomaly, which is hollow. */
export interface Dot {
  seconds: number;
  value: number;
  kind: "small" | "medium" | "large" | "anomaly";
  text: string;
}
/** A forecast as it was issued: the days that it was for, in order. */
export interface Stroke {
  name: string;
  points: { seconds: number; value: number }[];
}
/** Where the prices of another provider begin; the earlier ones are at their level. */
export interface Seam {
  seconds: number;
  text: string;
}
/** First and last moment of a chart, seconds since 1970. */
export type Zoom = [number, number];
export interface Panel {
  seconds: number[];
  lines: Line[];
  bands: Band[];
  reference: { name: string; values: Values } | null;
  dots: Dot[];
  strokes: Stroke[];
  seams: Seam[];
}
export const secondsOf = (iso: string): number => Date.parse(`${iso}T00:00:00Z`) / 1000;

/** The last `days` of a panel. */
export function lastDays(panel: Panel, days: number): Panel {
  const cut = <Value>(values: Value[]) => values.slice(-days);
  const first = panel.seconds[Math.max(0, panel.seconds.length - days)];
  return {
    seconds: cut(panel.seconds),
    lines: panel.lines.map((line) => ({ ...line, values: cut(line.values) })),
    bands: panel.bands.map((band) => ({ ...band, lower: cut(band.lower), upper: cut(band.upper) })),
    dots: panel.dots.filter((dot) => dot.seconds >= first),
    strokes: panel.strokes.filter(({ points }) => points.some(({ seconds }) => seconds >= first && seconds <= panel.seconds.at(-1)!)),
    seams: panel.seams.filter(({ seconds }) => seconds >= first),
    reference: panel.reference && { ...panel.reference, values: cut(panel.reference.values) },
  };
}
