/** Classes of a map: the place of a value in the legend, and the colour class of that place. */
import type { MapClass, PriceMap } from "../data/types.ts";
import { change, figure, rupiah, whole } from "../i18n/format.ts";
import { t, type Key } from "../i18n/index.ts";

export type Metric = PriceMap["metric"];
export const METRICS: Metric[] = ["gap_national", "price", "change_7d", "gap", "ifpa", "dispersion"];
const UNITLESS: ReadonlySet<Metric> = new Set(["ifpa", "dispersion"]);
export const metricKey = (metric: Metric): Key => `metric_${metric}`;

export function classOf(value: number | null, legend: readonly MapClass[]): number {
  if (value === null) return -1;
  return legend.findIndex(({ from, to }) => (from === null || value >= from) && (to === null || value < to));
}

/** b0 … b6 around the middle for differences, q0 … q6 for levels, none for no data. */
export function colorClass(value: number | null, metric: Metric, legend: readonly MapClass[]): string {
  const nth = classOf(value, legend);
  if (nth < 0) return "none";
  const place = legend.length > 1 ? Math.round((nth * 6) / (legend.length - 1)) : 3;
  return `${metric === "price" ? "q" : "b"}${place}`;
}

/** The provinces of Papua since 2022; sources of 34 provinces count them with those that they were split from. */
const SINCE_2022: ReadonlySet<string> = new Set(["93", "94", "95", "96"]);

/** The value of a province in words, or why there is none; `price`: what it reported. */
export function provinceText(code: string, value: number | null, metric: Metric, price: number | null = null): string {
  if (value !== null) return valueText(value, metric);
  if (price !== null) return t("no_figure", { price: rupiah(price) });
  return t(SINCE_2022.has(code) ? "no_report_new" : "no_report");
}

export function valueText(value: number | null, metric: Metric): string {
  if (metric === "price") return rupiah(value);
  if (UNITLESS.has(metric)) return figure(value);
  return change(value);
}

/** A class as text: the limits in the reader's language. */
export function classText({ from, to }: MapClass, metric: Metric): string {
  const text = (limit: number) => (metric === "price" ? rupiah(limit) : UNITLESS.has(metric) ? figure(limit) : `${whole(limit)}\u00a0%`);
  if (from === null && to === null) return "–";
  if (from === null) return `< ${text(to!)}`;
  return to === null ? `≥ ${text(from)}` : `${text(from)} … ${text(to)}`;
}
