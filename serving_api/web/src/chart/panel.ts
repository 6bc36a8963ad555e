/** The columns of a chart: days as seconds, lines in drawing order, intervals as pairs of lines. */
export type Values = (number | null)[];
export interface Line {
  name: string;
  values: Values;
  kind: "faint" | "chosen" | "compared" | "national" | "forecast";
}
export interface Band {
  name: string;
  lower: Values;
  upper: Values;
  kind: "wide" | "narrow";
}
export interface Panel {
  seconds: number[];
  lines: Line[];
  bands: Band[];
  reference: { name: string; values: Values } | null;
}
export const secondsOf = (iso: string): number => Date.parse(`${iso}T00:00:00Z`) / 1000;

/** The last `days` of a panel. */
export function lastDays(panel: Panel, days: number): Panel {
  const cut = <Value>(values: Value[]) => values.slice(-days);
  return {
    seconds: cut(panel.seconds),
    lines: panel.lines.map((line) => ({ ...line, values: cut(line.values) })),
    bands: panel.bands.map((band) => ({ ...band, lower: cut(band.lower), upper: cut(band.upper) })),
    reference: panel.reference && { ...panel.reference, values: cut(panel.reference.values) },
  };
}
