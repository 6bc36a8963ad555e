/** Numbers and dates as text; the only place that calls Intl. */
import { computed } from "@preact/signals";
import { lang, t } from "./index.ts";

const NONE = "–";
const locale = computed(() => (lang.value === "id" ? "id-ID" : "en-GB"));
const numbers = computed(() => ({
  // "negative": what is rounded to zero has no sign
  whole: new Intl.NumberFormat(locale.value, { maximumFractionDigits: 0, signDisplay: "negative" }),
  change: new Intl.NumberFormat(locale.value, { minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "exceptZero" }),
  fineChange: new Intl.NumberFormat(locale.value, { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" }),
  figure: new Intl.NumberFormat(locale.value, { maximumFractionDigits: 2, signDisplay: "negative" }),
  share: new Intl.NumberFormat(locale.value, { minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "negative" }),
}));
const dates = computed(() => ({
  day: new Intl.DateTimeFormat(locale.value, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }),
  dayOfYear: new Intl.DateTimeFormat(locale.value, { day: "numeric", month: "short", timeZone: "UTC" }),
  month: new Intl.DateTimeFormat(locale.value, { month: "short", year: "2-digit", timeZone: "UTC" }),
  monthName: new Intl.DateTimeFormat(locale.value, { month: "short", timeZone: "UTC" }),
}));
/** The zones of Indonesia, by the names that people use. */
const ZONES: Record<string, string> = { "Asia/Jakarta": "WIB", "Asia/Pontianak": "WIB", "Asia/Makassar": "WITA", "Asia/Jayapura": "WIT" };
const JAKARTA = "Asia/Jakarta";
const times = computed(() => Object.fromEntries(Object.keys(ZONES).map((timeZone) => [timeZone, new Intl.DateTimeFormat(locale.value, { dateStyle: "medium", timeStyle: "short", timeZone })])));
const clocks = computed(() => new Intl.DateTimeFormat(locale.value, { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: JAKARTA }));
const hours = computed(() => new Intl.DateTimeFormat(locale.value, { hour: "2-digit", minute: "2-digit", timeZone: JAKARTA }));
const minus = (text: string) => text.replace("-", "\u2212");
type Value = number | null | undefined;

/** Rp 45.500 with a space that does not break. */
export const rupiah = (value: Value): string => (value == null ? NONE : `Rp\u00a0${minus(numbers.value.whole.format(value))}`);
/** Rp 45 rb, for axes: whole where thousands with one digit would not keep the prices apart. */
export function rupiahAxis(values: readonly number[]): string[] {
  const digits = [0, 1].find((each) => values.every((value) => Number.isInteger(Math.round(value * 1e6) / 10 ** (9 - each))));
  if (digits === undefined || Math.max(...values) < 1000) return values.map(rupiah);
  const format = new Intl.NumberFormat(locale.value, { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "negative" });
  return values.map((value) => `Rp\u00a0${minus(format.format(value / 1000))}\u00a0${lang.value === "id" ? "rb" : "k"}`);
}
/** +6,1 %: a change, with its sign. */
export const change = (value: Value): string => (value == null ? NONE : `${minus(numbers.value.change.format(value))}\u00a0%`);
/** +0,41 %: a change as indices are published. */
export const fineChange = (value: Value): string => (value == null ? NONE : `${minus(numbers.value.fineChange.format(value))}\u00a0%`);
/** 6,1 %: a share or a size. */
export const percent = (value: Value): string => (value == null ? NONE : `${minus(numbers.value.share.format(value))}\u00a0%`);
/** 6,1 %: a share of 1. */
export const share = (value: Value): string => percent(value == null ? null : 100 * value);
/** 0,04: a ratio, a rating or a small amount. */
export const figure = (value: Value): string => (value == null ? NONE : minus(numbers.value.figure.format(value)));
/** A text of the API with its figures as the reader's language writes them: 0,98 for 0.98. */
export const written = (text: string): string => (lang.value === "id" ? text.replace(/(\d)\.(?=\d)/g, "$1,") : text);
export const whole = (value: Value): string => (value == null ? NONE : minus(numbers.value.whole.format(value)));
/** A day YYYY-MM-DD as 20 Nov 2023. */
export const day = (iso: string | null | undefined): string => (iso ? dates.value.day.format(new Date(`${iso.slice(0, 10)}T00:00:00Z`)) : NONE);
export const dayOfSeconds = (seconds: number): string => dates.value.day.format(new Date(seconds * 1000));
export const shortDayOfSeconds = (seconds: number): string => dates.value.dayOfYear.format(new Date(seconds * 1000));
export const monthOfSeconds = (seconds: number): string => dates.value.month.format(new Date(seconds * 1000));
/** Nov 26: a month YYYY-MM. */
export const monthOf = (month: string): string => monthOfSeconds(Date.parse(`${month}-01T00:00:00Z`) / 1000);
/** Jan: the month with this number, January is 0. */
export const monthName = (month: number): string => dates.value.monthName.format(new Date(Date.UTC(2024, month)));
/** 06.30.15: the time of a moment on Jakarta's clocks. */
export const timeOfSeconds = (seconds: number): string => clocks.value.format(new Date(seconds * 1000));
/** A moment on the clocks of a time zone, else on Jakarta's. */
export function moment(iso: string | null | undefined, zone: string | null = null): string {
  if (!iso) return NONE;
  const local = zone !== null && zone in ZONES ? zone : JAKARTA;
  return `${times.value[local].format(new Date(iso))} ${ZONES[local]}`;
}
const areDaily = (isos: readonly string[]): boolean => isos.every((iso) => Date.parse(iso) % 86_400_000 === 0);
/** How the begins of these bars are written: the day of daily ones, else the moment. */
export const barTime = (isos: readonly string[]) => (areDaily(isos) ? day : (iso: string | null) => moment(iso));
/** 06.00: the hour of a moment on Jakarta's clocks. */
export const hourOf = (iso: string): string => hours.value.format(new Date(iso));
const JAKARTA_SECONDS = 7 * 3600;
const dayInJakarta = (iso: string): string => shortDayOfSeconds(Date.parse(iso) / 1000 + JAKARTA_SECONDS);
/** What the axis names bars: days of daily ones, else hours with the day where it is another one. */
export function barTexts(isos: readonly string[]): string[] {
  if (areDaily(isos)) return isos.map((iso) => shortDayOfSeconds(Date.parse(iso) / 1000));
  return isos.map((iso, nth) => (nth && dayInJakarta(iso) === dayInJakarta(isos[nth - 1]) ? hourOf(iso) : `${dayInJakarta(iso)} ${hourOf(iso)}`));
}
/** The day of a moment in a time zone. */
export const dayIn = (iso: string | null | undefined, timeZone: string): string => (iso ? new Intl.DateTimeFormat(locale.value, { dateStyle: "medium", timeZone }).format(new Date(iso)) : NONE);
/** 45 d, 12 mnt, 3 j: a length of time in its largest unit. */
export function duration(seconds: Value): string {
  if (seconds == null) return NONE;
  const units: [number, string, string][] = [[86400, "h", "d"], [3600, "j", "h"], [60, "mnt", "min"], [1, "d", "s"]];
  const [size, indonesian, english] = units.find(([length]) => seconds >= length) ?? units[3];
  return `${numbers.value.whole.format(seconds / size)}\u00a0${lang.value === "id" ? indonesian : english}`;
}
/** 9:05: minutes and seconds that are left. */
export const clock = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
/** How long ago a moment is. */
export const age = (iso: string): string => t("ago", { length: duration(Math.max(0, Date.now() - Date.parse(iso)) / 1000) });
