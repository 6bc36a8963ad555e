/** What a chart draws, as the columns of a file: a row for each day, those ahead included. */
import type { Line, Panel, Values } from "../chart/panel.ts";
import type { Column } from "../ui/DataTable.tsx";

const NAMES: Partial<Record<Line["kind"], string>> = { national: "national_price_idr", forecast: "forecast_idr" };

/** Of the days of the panel by their place. */
export function drawnColumns(panel: Panel): Column<number>[] {
  const column = (name: string, values: Values): Column<number> => ({ name, title: name, value: (nth) => values[nth] ?? null });
  const days: Column<number> = { name: "market_date", title: "market_date", value: (nth) => new Date(1000 * panel.seconds[nth]).toISOString().slice(0, 10) };
  const reference = panel.reference ? [column("reference_price_idr", panel.reference.values)] : [];
  const lines = panel.lines.map((line) => column(NAMES[line.kind] ?? line.name, line.values));
  const bands = panel.bands.flatMap((band) => [column(`forecast_low_${band.level}`, band.lower), column(`forecast_high_${band.level}`, band.upper)]);
  const strokes = panel.strokes.map(({ name, points }) => {
    const values = new Map(points.map(({ seconds, value }) => [seconds, value]));
    return column(`issued ${name}`, panel.seconds.map((seconds) => values.get(seconds) ?? null));
  });
  return [days, ...reference, ...lines, ...bands, ...strokes];
}
