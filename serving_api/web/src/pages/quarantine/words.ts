/** Rows of the quarantine in words. */
import { change, day, figure, rupiah, whole } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import type { Evidence, QuarantineItem, QuarantineRow, Reason } from "../../data/types.ts";

/** The name of a rule; of one without a name what it reports. */
export const ruleName = (rule: string, otherwise = rule): string => textOr(`rule_${rule}`, otherwise);
export const statisticName = (name: string): string => textOr(`statistic_${name}`, name);
export const kindName = (kind: string): string => textOr(`kind_${kind}`, kind);

/** Commodity, else the kind of the event. */
export const titleOf = (row: QuarantineRow): string => row.subject?.commodity_name ?? (row.commodity || kindName(row.kind));
export const placeOf = (row: QuarantineRow): string => row.subject?.market_name ?? row.market_id ?? row.source;
export const valueOf = (row: QuarantineRow): string => {
  const value = row.subject?.value ?? null;
  if (value === null) return "–";
  return row.kind === "price" ? rupiah(value) : `${figure(value)}${row.subject?.unit ? `\u00a0${row.subject.unit}` : ""}`;
};
export const changeOf = (row: QuarantineRow): string => {
  const { value, last_value: last } = row.subject ?? { value: null, last_value: null };
  return value === null || last === null || last <= 0 ? "" : change(100 * (value / last - 1));
};

const WRITTEN = /\d{1,3}(?:,\d{3})+|\d+\.\d+/g;
/** The message of a reason; its own figures are written as the reader's language does. */
export function messageOf(reason: Reason): string {
  const figures = new Set(Object.values(reason.values));
  const local = (text: string) => {
    const value = Number(text.replaceAll(",", ""));
    return figures.has(value) || figures.has(-value) ? figure(value) : text;
  };
  return reason.message.replace(WRITTEN, local);
}

/** The row in one sentence or two: what is doubtful, against what. */
export function sentenceOf(item: QuarantineItem): string {
  const { subject, evidence } = item;
  const place = [subject?.market_name ?? item.market_id, subject?.region].filter((name, nth, all) => name && all.indexOf(name) === nth).join(", ");
  const parts: string[] = [];
  if (subject?.value == null) parts.push(t("queue_event", { kind: kindName(item.kind), place: place || item.source }));
  else if (subject.last_value === null) parts.push(t("queue_value", { value: valueOf(item), place, day: day(subject.market_date) }));
  else {
    const values = { value: valueOf(item), place, day: day(subject.market_date), last: rupiah(subject.last_value), change: changeOf(item) };
    parts.push(t("queue_moved", values));
  }
  const prices = (evidence?.neighbours ?? []).map((neighbour) => neighbour.price_idr);
  if (prices.length) parts.push(t("queue_neighbours", { count: whole(prices.length), low: rupiah(Math.min(...prices)), high: rupiah(Math.max(...prices)) }));
  const suggested = item.suggestion?.price;
  if (typeof suggested === "number") parts.push(t("queue_suggestion", { value: rupiah(suggested) }));
  return parts.join(" ");
}

export interface Measure {
  name: string;
  value: number | null;
  limit: number | null;
  over: boolean;
}
/** The ratio to the median counts up and down alike. */
const beyond = (name: string, value: number, limit: number): boolean => (name === "national_ratio" ? value > limit || value < 1 / limit : Math.abs(value) > limit);

/** The evidence as name, value and limit; of kinds without limits all its numbers. */
export function measuresOf(evidence: Evidence | null): Measure[] {
  if (!evidence) return [];
  const statistics = evidence.statistics ?? evidence;
  const limits = evidence.limits ?? {};
  const names = evidence.limits ? Object.keys(limits) : Object.keys(statistics).filter((name) => typeof statistics[name] === "number");
  return names.map((name) => {
    const value = typeof statistics[name] === "number" ? (statistics[name] as number) : null;
    const limit = limits[name] ?? null;
    return { name, value, limit, over: value !== null && limit !== null && beyond(name, value, limit) };
  });
}
