/** Numbers and dates as text; the only place that calls Intl. */
import { computed } from "@preact/signals";
import { lang } from "./index.ts";

const NONE = "–";
const locale = computed(() => (lang.value === "id" ? "id-ID" : "en-GB"));
const numbers = computed(() => ({
  whole: new Intl.NumberFormat(locale.value, { maximumFractionDigits: 0 }),
  change: new Intl.NumberFormat(locale.value, { minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "exceptZero" }),
  share: new Intl.NumberFormat(locale.value, { minimumFractionDigits: 1, maximumFractionDigits: 1 }),
}));
const dates = computed(() => ({
  day: new Intl.DateTimeFormat(locale.value, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }),
  dayOfYear: new Intl.DateTimeFormat(locale.value, { day: "numeric", month: "short", timeZone: "UTC" }),
  month: new Intl.DateTimeFormat(locale.value, { month: "short", year: "2-digit", timeZone: "UTC" }),
  time: new Intl.DateTimeFormat(locale.value, { dateStyle: "medium", timeStyle: "short", timeZone: "Asia/Jakarta" }),
}));
const minus = (text: string) => text.replace("-", "\u2212");
type Value = number | null | undefined;

/** Rp 45.500 with a space that does not break. */
export const rupiah = (value: Value): string => (value == null ? NONE : `Rp\u00a0${minus(numbers.value.whole.format(value))}`);
/** Rp 45 rb, for axes. */
export function rupiahShort(value: number): string {
  const thousand = lang.value === "id" ? "rb" : "k";
  return value >= 1000 ? `Rp\u00a0${numbers.value.whole.format(value / 1000)}\u00a0${thousand}` : rupiah(value);
}
/** +6,1 %: a change, with its sign. */
export const change = (value: Value): string => (value == null ? NONE : `${minus(numbers.value.change.format(value))}\u00a0%`);
/** 6,1 %: a share or a size. */
export const percent = (value: Value): string => (value == null ? NONE : `${minus(numbers.value.share.format(value))}\u00a0%`);
export const whole = (value: Value): string => (value == null ? NONE : minus(numbers.value.whole.format(value)));
/** A day YYYY-MM-DD as 20 Nov 2023. */
export const day = (iso: string | null | undefined): string => (iso ? dates.value.day.format(new Date(`${iso.slice(0, 10)}T00:00:00Z`)) : NONE);
export const dayOfSeconds = (seconds: number): string => dates.value.day.format(new Date(seconds * 1000));
export const shortDayOfSeconds = (seconds: number): string => dates.value.dayOfYear.format(new Date(seconds * 1000));
export const monthOfSeconds = (seconds: number): string => dates.value.month.format(new Date(seconds * 1000));
/** A moment in Jakarta's time. */
export const moment = (iso: string | null | undefined): string => (iso ? `${dates.value.time.format(new Date(iso))} WIB` : NONE);
/** 45 d, 12 mnt, 3 j: a length of time in its largest unit. */
export function duration(seconds: Value): string {
  if (seconds == null) return NONE;
  const units: [number, string, string][] = [[86400, "h", "d"], [3600, "j", "h"], [60, "mnt", "min"], [1, "d", "s"]];
  const [size, indonesian, english] = units.find(([length]) => seconds >= length) ?? units[3];
  return `${numbers.value.whole.format(seconds / size)}\u00a0${lang.value === "id" ? indonesian : english}`;
}
