/** The columns of a chart: days as seconds, lines in drawing order, intervals as pairs of lines. */
import { dayOfSeconds, monthOfSeconds, rupiah, shortDayOfSeconds } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";

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

/** What the legend of a chart hides and shows. */
export const KINDS = ["provinces", "national", "ceiling", "forecast", "past", "dots"] as const;
export type Kind = (typeof KINDS)[number];
const KIND_OF_LINE: Partial<Record<Line["kind"], Kind>> = { faint: "provinces", national: "national", forecast: "forecast" };

/** The kinds that a panel holds. */
export function kindsOf(panel: Panel): Kind[] {
  const held = new Set<Kind | undefined>(panel.lines.map((line) => KIND_OF_LINE[line.kind]));
  if (panel.reference) held.add("ceiling");
  if (panel.strokes.length) held.add("past");
  if (panel.dots.length) held.add("dots");
  return KINDS.filter((kind) => held.has(kind));
}

/** The panel without some kinds; what the reader chose or compares stays. */
export function withoutKinds(panel: Panel, hidden: ReadonlySet<string>): Panel {
  const unless = <Value>(kind: Kind, values: Value[]): Value[] => (hidden.has(kind) ? [] : values);
  const isHidden = (kind: Kind | undefined) => kind !== undefined && hidden.has(kind);
  return {
    ...panel,
    lines: panel.lines.filter((line) => !isHidden(KIND_OF_LINE[line.kind])),
    bands: unless("forecast", panel.bands),
    strokes: unless("past", panel.strokes),
    dots: unless("dots", panel.dots),
    reference: hidden.has("ceiling") ? null : panel.reference,
  };
}

/** How far intervals may widen the axis, of the height of what is drawn as lines. */
const BAND_ROOM = 0.35;
const MARGIN = 0.06;
/** Of a price: the least height of an axis. */
const LEAST_HEIGHT = 0.02;

/** Lowest and highest price of the axis between two moments: of the lines whole, of wide intervals a part. */
export function priceRange(panel: Panel, first: number, last: number): [number, number] {
  const ends = (columns: Values[]): [number, number] => {
    let [low, high] = [Infinity, -Infinity];
    for (const values of columns)
      values.forEach((value, index) => {
        if (value === null || panel.seconds[index] < first || panel.seconds[index] > last) return;
        low = Math.min(low, value);
        high = Math.max(high, value);
      });
    return [low, high];
  };
  const dots = panel.dots.filter(({ seconds }) => seconds >= first && seconds <= last).map(({ value }) => value);
  const drawn = ends([...panel.lines.map((line) => line.values), ...(panel.reference ? [panel.reference.values] : [])]);
  const [low, high] = [Math.min(drawn[0], ...dots), Math.max(drawn[1], ...dots)];
  if (low > high) return [0, 1];
  const room = BAND_ROOM * Math.max(high - low, LEAST_HEIGHT * high);
  const [lowest, highest] = ends(panel.bands.flatMap((band) => [band.lower, band.upper]));
  const [bottom, top] = [Math.max(Math.min(low, lowest), low - room), Math.min(Math.max(high, highest), high + room)];
  const margin = MARGIN * Math.max(top - bottom, LEAST_HEIGHT * top);
  return [Math.max(0, bottom - margin), top + margin];
}

const DAY = 86_400;
const MONTH_DAYS = 30.44;
/** From so many days on the axis names months. */
const MONTHS_FROM_DAYS = 120;
const DAY_STEPS = [1, 2, 4, 7, 14, 28];
const MONTH_STEPS = [1, 2, 3, 6, 12, 24, 60];

/** The days that the axis names, at most about `most`: equal steps of days, or first days of months. */
export function dayTicks(first: number, last: number, most: number): number[] {
  const days = (last - first) / DAY;
  if (days <= MONTHS_FROM_DAYS) {
    const step = DAY * (DAY_STEPS.find((each) => days / each <= most) ?? DAY_STEPS.at(-1)!);
    const begin = Math.ceil(first / step) * step;
    return Array.from({ length: Math.max(0, Math.floor((last - begin) / step) + 1) }, (_, nth) => begin + nth * step);
  }
  const step = MONTH_STEPS.find((each) => days / MONTH_DAYS / each <= most) ?? 120;
  const begin = new Date(1000 * first);
  const month = 12 * begin.getUTCFullYear() + begin.getUTCMonth();
  const ticks = [];
  for (let nth = month - (month % step); ; nth += step) {
    const at = Date.UTC(Math.floor(nth / 12), nth % 12) / 1000;
    if (at > last) return ticks;
    if (at >= first) ticks.push(at);
  }
}

/** Their texts, all different. */
export function tickTexts(ticks: number[]): string[] {
  const areMonths = ticks.length > 0 && ticks.every((tick) => new Date(1000 * tick).getUTCDate() === 1);
  return ticks.map(areMonths ? monthOfSeconds : shortDayOfSeconds);
}

/** The day under the cursor in words: lines from the dearest down, highest and lowest province, intervals, marks. */
export function readout(panel: Panel, index: number): string[] {
  const known = panel.lines.flatMap((line) => {
    const value = line.values[index];
    return value === null || value === undefined ? [] : [{ ...line, value }];
  });
  const places = known.filter(({ kind }) => kind !== "national" && kind !== "forecast").sort((one, other) => other.value - one.value);
  const ends = new Map(places.length > 1 ? [[places.at(-1)!.name, t("lowest_of_provinces")], [places[0].name, t("highest_of_provinces")]] : []);
  const lines = known.filter((line) => line.kind !== "faint" || ends.has(line.name)).map(({ name, value }) => ({ value, text: `${name} ${rupiah(value)}${ends.has(name) ? ` (${ends.get(name)})` : ""}` }));
  const reference = panel.reference?.values[index];
  if (reference != null) lines.push({ value: reference, text: `${panel.reference!.name} ${rupiah(reference)}` });
  lines.sort((one, other) => other.value - one.value);
  const intervals = panel.bands.flatMap(({ name, lower, upper }) => {
    const [low, high] = [lower[index], upper[index]];
    return low == null || high == null || low === high ? [] : [`${name} ${rupiah(low)} – ${rupiah(high)}`];
  });
  const marks = [...panel.dots, ...panel.seams].filter(({ seconds }) => seconds === panel.seconds[index]);
  return [dayOfSeconds(panel.seconds[index]), ...lines.map(({ text }) => text), ...intervals, ...marks.map(({ text }) => text)];
}

/** Days of a line with no price on the day before and after: a line cannot show them. */
export function lonePoints(values: Values): number[] {
  const has = (index: number) => values[index] !== null && values[index] !== undefined;
  return values.flatMap((_, index) => (has(index) && !has(index - 1) && !has(index + 1) ? [index] : []));
}
