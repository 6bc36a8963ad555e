/** A series as a chart panel with its forecast, and as a row per province. */
import { secondsOf, type Band, type Dot, type Line, type Panel, type Seam, type Stroke, type Values } from "../chart/panel.ts";
import type { Anomaly, Forecast, ImpactWeek, IssuedForecast, Series } from "../data/types.ts";
import { change, percent, rupiah, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { shares } from "./impact.ts";

export interface ProvinceRow {
  name: string;
  price: number | null;
  date: string | null;
  change: number | null;
  gap: number | null;
}
const WEEK = 7;
const RECENT_DAYS = 7;

/** The newest price of the last week, its change over seven days, its gap to the national price of that day. */
export function provinceRows(series: Series): ProvinceRow[] {
  return series.regions.map((region, index) => {
    const values = series.price_idr[index];
    const last = values.findLastIndex((value) => value !== null);
    if (last < 0 || values.length - last > RECENT_DAYS) return { name: region.name, price: null, date: null, change: null, gap: null };
    const price = values[last]!;
    const before = values[last - WEEK] ?? null;
    const national = series.national[last];
    return {
      name: region.name,
      price,
      date: series.dates[last],
      change: before === null ? null : 100 * (price / before - 1),
      gap: national === null ? null : 100 * (price / national - 1),
    };
  });
}

/** Days of the series, then the days of the forecast; its intervals begin at the last known price. */
export function seriesPanel(series: Series, chosen: string | null, compared: string[], forecast: Forecast | null): Panel {
  const days = [...series.dates];
  const ahead = (forecast?.forecast ?? []).filter((entry) => !days.includes(entry.date));
  const fits = forecast !== null && ahead.length > 0 && days.includes(forecast.origin_date);
  if (fits) days.push(...ahead.map((entry) => entry.date));
  const fill = (values: Values): Values => [...values, ...Array(days.length - values.length).fill(null)];
  const line = (name: string, values: Values, kind: Line["kind"]): Line => ({ name, values: fill(values), kind });
  const kindOf = (name: string): Line["kind"] => (name === chosen ? "chosen" : compared.includes(name) ? "compared" : "faint");
  const regions = series.regions.map((region, index) => line(region.name, series.price_idr[index], kindOf(region.name)));
  const lines = [...regions.filter((entry) => entry.kind === "faint"), ...regions.filter((entry) => entry.kind !== "faint"), line(t("national_price"), series.national, "national")];
  const own = chosen ? series.price_idr[series.regions.findIndex((region) => region.name === chosen)] : series.national;
  const bands = fits && own ? bandsOf(forecast, days, series.dates.length, own) : [];
  if (fits) lines.push({ name: t("forecast"), kind: "forecast", values: days.map((date) => forecast.forecast.find((entry) => entry.date === date)?.price_idr ?? null) });
  const reference = series.reference_idr.some((value) => value !== null) ? { name: t("ceiling"), values: fill(series.reference_idr) } : null;
  return { seconds: days.map(secondsOf), lines, bands, reference, dots: [], strokes: [], seams: seamsOf(series, chosen) };
}

/** Of the chosen province: where one provider follows another, and by how much the earlier prices were changed. */
function seamsOf(series: Series, chosen: string | null): Seam[] {
  const code = series.regions.find((region) => region.name === chosen)?.code;
  return series.seams
    .filter((seam) => seam.code === code)
    .map((seam) => ({ seconds: secondsOf(seam.day), text: t("seam", { from: seam.spliced_from, to: seam.provider, change: change(100 * (seam.factor - 1)) }) }));
}

function bandsOf(forecast: Forecast, days: string[], known: number, own: Values): Band[] {
  const start = own.findLastIndex((value) => value !== null);
  const ends = (values: number[]): Values =>
    days.map((date, index) => {
      if (index < known) return index === start ? own[start] : null;
      const nth = forecast.forecast.findIndex((entry) => entry.date === date);
      return nth < 0 ? null : values[nth];
    });
  return [...forecast.levels]
    .sort((one, other) => other.level - one.level)
    .map((level) => ({ name: t("interval", { level: percent(level.level * 100) }), level: Math.round(level.level * 100), lower: ends(level.lower), upper: ends(level.upper), kind: level.level > 0.9 ? "wide" : "narrow" }));
}

/** Past forecasts, one stroke for each issue; the newest is left out where the intervals show it. */
export function strokesOf(issued: IssuedForecast[], isNewestShown: boolean): Stroke[] {
  const newest = isNewestShown ? issued.map((row) => row.issued_on).sort().at(-1) : null;
  const groups = Map.groupBy(issued.filter((row) => row.issued_on !== newest), (row) => `${row.issued_on} ${row.model}`);
  return [...groups].map(([name, rows]) => ({
    name,
    points: rows.toSorted((one, other) => one.target_date.localeCompare(other.target_date)).map((row) => ({ seconds: secondsOf(row.target_date), value: row.price_idr })),
  }));
}

const MEDIUM = 33;
const LARGE = 66;
const MOST_SHARES = 2;

/** Dots on the line of a province: weekly moves by their score, and anomalies. */
export function dotsOf(series: Series, chosen: string, weeks: ImpactWeek[], anomalies: Anomaly[]): Dot[] {
  const prices = series.price_idr[series.regions.findIndex((region) => region.name === chosen)];
  if (!prices) return [];
  const moves = weeks.flatMap((week): Dot[] => {
    const value = prices[series.dates.indexOf(week.market_date)] ?? null;
    if (value === null || week.region !== chosen) return [];
    const kind = week.impact_score >= LARGE ? "large" : week.impact_score >= MEDIUM ? "medium" : "small";
    const named = shares(week).slice(0, MOST_SHARES);
    const factors = named.map(([factor, weight]) => `${t(`factor_${factor}`)} ${percent(weight)}`);
    const text = t("impact_dot", { change: change(100 * week.price_change), score: whole(week.impact_score), factors: factors.join(", ") || "–", share: percent(week.unexplained_pct) });
    return [{ seconds: secondsOf(week.market_date), value, kind, text }];
  });
  const odd = anomalies.flatMap((anomaly): Dot[] => {
    const seconds = secondsOf(anomaly.event_time.slice(0, 10));
    const isShown = series.dates.includes(anomaly.event_time.slice(0, 10));
    return isShown ? [{ seconds, value: anomaly.price_idr, kind: "anomaly", text: t("anomaly_dot", { price: rupiah(anomaly.price_idr) }) }] : [];
  });
  return [...moves, ...odd];
}
